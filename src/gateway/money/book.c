#include "gateway/money/book.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/money/book_file.h"

#define DAY_US (INT64_C(86400) * 1000000)

struct book {
    struct book_map map;
    uint32_t holder;
    size_t count;
    struct account {
        struct book_row row; /* kind, key, label, limit: as it begins */
        uint32_t at;         /* where it was found last */
    } accounts[BOOK_ACCOUNTS_MAX];
    uint32_t entry_from; /* where to look for a free one */
    bool is_dirty;
    /* Calls that ended while the file could not be locked. */
    struct late {
        uint32_t id;
        struct amounts spent;
    } *late;
    size_t late_count, late_room;
};

static const char *const kind_names[BOOK_KIND_COUNT] = {
    [BOOK_RUN] = "run",
    [BOOK_AGENT_DAY] = "agent_day",
    [BOOK_PERSON_DAY] = "person_day",
    [BOOK_REPOSITORY_DAY] = "repository_day",
};

const char *book_kind_name(enum book_kind kind)
{
    return kind_names[kind];
}

static bool amounts_sane(const struct amounts *amounts)
{
    for (size_t k = 0; k < AMOUNT_COUNT; k++)
        if (amounts->of[k] < 0 || amounts->of[k] > AMOUNT_MAX)
            return false;
    return true;
}

static bool row_sane(const struct book_row *row)
{
    return row->kind <= BOOK_KIND_COUNT && row->label[sizeof(row->label) - 1] == 0 &&
           amounts_sane(&row->limit) && amounts_sane(&row->spent) &&
           amounts_sane(&row->reserved);
}

static bool entry_sane(const struct book_entry *entry)
{
    if (entry->count > BOOK_ACCOUNTS_MAX || !amounts_sane(&entry->granted))
        return false;
    for (uint32_t i = 0; i < entry->count; i++)
        if (entry->rows[i] >= BOOK_ROWS)
            return false;
    return true;
}

static bool is_empty(const struct amounts *amounts)
{
    for (size_t k = 0; k < AMOUNT_COUNT; k++)
        if (amounts->of[k] != 0)
            return false;
    return true;
}

/* ---- the end of reservations ---- */

/* Under the lock. */
static void settle(struct book_map *map, uint32_t id, const struct amounts *spent)
{
    struct book_entry *entry = &map->file->entries[id];
    struct book_totals totals = map->file->totals;
    const struct book_entry gone = {0};

    for (size_t k = 0; k < AMOUNT_COUNT; k++) {
        int64_t granted = entry->granted.of[k], used = amount_bounded(spent->of[k]);
        int64_t within = amount_smaller(granted, used);

        totals.settled.of[k] = amount_sum(totals.settled.of[k], within);
        totals.released.of[k] = amount_sum(totals.released.of[k], granted - within);
        totals.beyond.of[k] = amount_sum(totals.beyond.of[k], used - within);
    }
    for (uint32_t i = 0; i < entry->count; i++) {
        struct book_row row = map->file->rows[entry->rows[i]];

        for (size_t k = 0; k < AMOUNT_COUNT; k++) {
            row.reserved.of[k] = amount_less(row.reserved.of[k], entry->granted.of[k]);
            row.spent.of[k] = amount_sum(row.spent.of[k], spent->of[k]);
        }
        book_put(map, &map->file->rows[entry->rows[i]], &row, sizeof(row));
    }
    book_put(map, &map->file->totals, &totals, sizeof(totals));
    book_put(map, entry, &gone, sizeof(gone));
    book_apply(map);
}

/* Under the lock: ours alone. */
static void settle_own(struct book *book, uint32_t id, const struct amounts *spent)
{
    const struct book_entry *entry = &book->map.file->entries[id];

    if (entry->holder == book->holder + 1 && entry_sane(entry))
        settle(&book->map, id, spent);
}

/* Locks, and settles what had to wait for that. */
static bool begin(struct book *book, struct fault *fault)
{
    if (!book_lock(&book->map, fault))
        return false;
    while (book->late_count > 0) {
        const struct late *last = &book->late[--book->late_count];

        settle_own(book, last->id, &last->spent);
    }
    return true;
}

/* What a holder has left open, as what its calls had used. Under the lock. */
static void settle_all_of(struct book_map *map, uint32_t holder)
{
    const struct book_holder gone = {0};

    for (uint32_t id = 0; id < BOOK_ENTRIES; id++) {
        struct book_entry *entry = &map->file->entries[id];
        struct amounts used = entry->metered;

        if (entry->holder == holder + 1 && entry_sane(entry))
            settle(map, id, &used);
    }
    book_put(map, &map->file->holders[holder], &gone, sizeof(gone));
    book_apply(map);
}

/* Holders that live no more. `self` is passed over: our own lock does not stop us. */
static void sweep(struct book_map *map, uint32_t self)
{
    for (uint32_t i = 0; i < BOOK_HOLDERS; i++)
        if (i != self && map->file->holders[i].is_used != 0 && !book_is_held(map, i))
            settle_all_of(map, i);
}

/* ---- accounts ---- */

static bool is_account(const struct book_row *row, const struct book_row *want)
{
    return row->kind == want->kind && row->day == want->day &&
           memcmp(row->key, want->key, sizeof(row->key)) == 0;
}

/* Is it the account of a run that goes on? */
static bool is_live_run(const struct book_map *map, const struct book_row *row)
{
    const struct book_holder *holder = &map->file->holders[row->holder % BOOK_HOLDERS];

    return row->kind == BOOK_RUN + 1 && holder->is_used != 0 &&
           strncmp(holder->run, row->label, sizeof(holder->run) - 1) == 0;
}

/* May another account have its place? */
static bool is_free(const struct book_map *map, const struct book_row *row, int32_t today)
{
    if (row->kind == 0)
        return true;
    return is_empty(&row->reserved) && !is_live_run(map, row) &&
           (row->kind == BOOK_RUN + 1 || row->day < today);
}

/* Never used places first, then the oldest. */
static uint32_t free_row(const struct book_map *map, int32_t today)
{
    uint32_t best = BOOK_NONE;

    for (uint32_t i = 0; i < BOOK_ROWS; i++) {
        const struct book_row *row = &map->file->rows[i];

        if (!is_free(map, row, today))
            continue;
        if (row->kind == 0)
            return i;
        if (best == BOOK_NONE || row->day < map->file->rows[best].day)
            best = i;
    }
    return best;
}

static uint32_t find_row(const struct book_map *map, const struct account *account)
{
    if (account->at != BOOK_NONE && is_account(&map->file->rows[account->at], &account->row))
        return account->at;
    for (uint32_t i = 0; i < BOOK_ROWS; i++)
        if (is_account(&map->file->rows[i], &account->row))
            return i;
    return BOOK_NONE;
}

/* The account's place today; its limit becomes the one that is in force. Under the lock. */
static bool resolve(struct book *book, struct account *account, int32_t today,
                    struct fault *fault)
{
    struct book_map *map = &book->map;
    struct book_row row;

    /* a run's account goes on over midnight */
    if (account->row.kind != BOOK_RUN + 1 || account->at == BOOK_NONE)
        account->row.day = today;
    account->at = find_row(map, account);
    if (account->at == BOOK_NONE) {
        account->at = free_row(map, today);
        if (account->at == BOOK_NONE)
            return fault_set(fault, FAULT_LIMIT,
                             "%d accounts have been used today: that is "
                             "all that the budgets' file holds",
                             BOOK_ROWS);
        row = account->row;
    } else {
        row = map->file->rows[account->at];
        if (!row_sane(&row))
            return fault_set(fault, FAULT_INVALID, "the budgets' file is damaged");
        if (memcmp(&row.limit, &account->row.limit, sizeof(row.limit)) == 0)
            return true;
        row.limit = account->row.limit;
    }
    book_put(map, &map->file->rows[account->at], &row, sizeof(row));
    book_apply(map);
    return true;
}

static bool resolve_all(struct book *book, int64_t now_us, struct fault *fault)
{
    for (size_t i = 0; i < book->count; i++)
        if (!resolve(book, &book->accounts[i], (int32_t)(now_us / DAY_US), fault))
            return false;
    return true;
}

static int64_t left_of(const struct book_row *row, enum amount kind)
{
    if (row->limit.of[kind] == 0)
        return AMOUNT_MAX;
    return amount_less(amount_less(row->limit.of[kind], row->spent.of[kind]),
                       row->reserved.of[kind]);
}

static bool not_held(const struct book_row *row, enum amount kind, int64_t least,
                     struct fault *fault)
{
    char limit[AMOUNT_TEXT_BYTES], spent[AMOUNT_TEXT_BYTES], reserved[AMOUNT_TEXT_BYTES],
        want[AMOUNT_TEXT_BYTES];

    amount_text(kind, row->limit.of[kind], limit);
    amount_text(kind, row->spent.of[kind], spent);
    amount_text(kind, row->reserved.of[kind], reserved);
    amount_text(kind, least, want);
    return fault_set(fault, FAULT_LIMIT,
                     "budgets.%s of %.60s: %s, of which %s are spent and %s are reserved, do "
                     "not hold another %s",
                     kind_names[row->kind - 1], row->label, limit, spent, reserved, want);
}

/* What all rows hold of `want`; under the lock. */
static bool grant(const struct book_map *map, const uint32_t *rows, size_t count,
                  const struct amounts *want, const struct amounts *least,
                  struct amounts *ret_granted, struct fault *fault)
{
    for (size_t k = 0; k < AMOUNT_COUNT; k++) {
        int64_t most = amount_bounded(want->of[k]);

        for (size_t i = 0; i < count; i++) {
            const struct book_row *row = &map->file->rows[rows[i]];
            int64_t left = left_of(row, (enum amount)k);

            if (left < least->of[k] || (left == 0 && want->of[k] > 0))
                return not_held(row, (enum amount)k, least->of[k], fault);
            most = amount_smaller(most, left);
            most = amount_smaller(most, AMOUNT_MAX - row->reserved.of[k]);
        }
        ret_granted->of[k] = most;
    }
    return true;
}

/* Puts `granted` more into rows, entry and totals: one change. Under the lock. */
static void reserve(struct book_map *map, uint32_t id, const struct book_entry *entry,
                    const struct amounts *granted)
{
    struct book_totals totals = map->file->totals;

    for (size_t k = 0; k < AMOUNT_COUNT; k++)
        totals.reserved.of[k] = amount_sum(totals.reserved.of[k], granted->of[k]);
    for (uint32_t i = 0; i < entry->count; i++) {
        struct book_row row = map->file->rows[entry->rows[i]];

        for (size_t k = 0; k < AMOUNT_COUNT; k++)
            row.reserved.of[k] += granted->of[k];
        book_put(map, &map->file->rows[entry->rows[i]], &row, sizeof(row));
    }
    book_put(map, &map->file->totals, &totals, sizeof(totals));
    book_put(map, &map->file->entries[id], entry, sizeof(*entry));
    book_apply(map);
}

static uint32_t free_entry(struct book *book)
{
    for (uint32_t i = 0; i < BOOK_ENTRIES; i++) {
        uint32_t id = (book->entry_from + i) % BOOK_ENTRIES;

        if (book->map.file->entries[id].holder == 0) {
            book->entry_from = id + 1;
            return id;
        }
    }
    return BOOK_NONE;
}

static bool reserve_locked(struct book *book, int64_t now_us, const struct amounts *want,
                           const struct amounts *least, uint32_t *ret_id,
                           struct amounts *ret_granted, struct fault *fault)
{
    struct book_entry entry = {.holder = book->holder + 1, .count = (uint32_t)book->count};
    uint32_t id;

    if (!resolve_all(book, now_us, fault))
        return false;
    for (size_t i = 0; i < book->count; i++)
        entry.rows[i] = book->accounts[i].at;
    if (!grant(&book->map, entry.rows, entry.count, want, least, &entry.granted, fault)) {
        sweep(&book->map, book->holder); /* the dead may hold what is missing */
        if (!grant(&book->map, entry.rows, entry.count, want, least, &entry.granted, fault))
            return false;
    }
    id = free_entry(book);
    if (id == BOOK_NONE)
        return fault_set(fault, FAULT_LIMIT, "%d calls are under way already", BOOK_ENTRIES);
    reserve(&book->map, id, &entry, &entry.granted);
    *ret_id = id;
    *ret_granted = entry.granted;
    return true;
}

bool book_reserve(struct book *book, int64_t now_us, const struct amounts *want,
                  const struct amounts *least, uint32_t *ret_id, struct amounts *ret_granted,
                  struct fault *fault)
{
    bool ok;

    if (!begin(book, fault))
        return false;
    ok = reserve_locked(book, now_us, want, least, ret_id, ret_granted, fault);
    book_unlock(&book->map);
    book->is_dirty = true;
    return ok;
}

bool book_extend(struct book *book, uint32_t id, const struct amounts *want,
                 const struct amounts *least, struct amounts *ret_granted, struct fault *fault)
{
    struct book_entry entry;
    struct amounts more;
    bool ok;

    if (!begin(book, fault))
        return false;
    entry = book->map.file->entries[id];
    ok = (entry.holder == book->holder + 1 && entry_sane(&entry)) ||
         fault_set(fault, FAULT_INVALID, "a reservation that is not there");
    ok = ok && grant(&book->map, entry.rows, entry.count, want, least, &more, fault);
    if (ok) {
        for (size_t k = 0; k < AMOUNT_COUNT; k++)
            entry.granted.of[k] = amount_sum(entry.granted.of[k], more.of[k]);
        reserve(&book->map, id, &entry, &more);
        *ret_granted = entry.granted;
    }
    book_unlock(&book->map);
    book->is_dirty = true;
    return ok;
}

void book_meter(struct book *book, uint32_t id, const struct amounts *used)
{
    struct book_entry *entry = &book->map.file->entries[id];

    for (size_t k = 0; k < AMOUNT_COUNT; k++)
        entry->metered.of[k] = amount_bounded(used->of[k]);
}

void book_settle(struct book *book, uint32_t id, const struct amounts *spent)
{
    struct fault fault = {0};

    /* What cannot be locked stays reserved, as what it has spent, and is settled later: nothing is
     * spent twice. */
    if (!begin(book, &fault)) {
        book_meter(book, id, spent);
        book->late =
            xgrow(book->late, &book->late_room, book->late_count + 1, sizeof(*book->late));
        book->late[book->late_count++] = (struct late){id, *spent};
        return;
    }
    settle_own(book, id, spent);
    book_unlock(&book->map);
    book->is_dirty = true;
}

bool book_check(struct book *book, int64_t now_us, struct fault *fault)
{
    const struct amounts any = {{1, 0, 1, 1}}, none = {0};
    struct amounts left;
    uint32_t rows[BOOK_ACCOUNTS_MAX];
    bool ok;

    if (!begin(book, fault))
        return false;
    sweep(&book->map, book->holder);
    ok = resolve_all(book, now_us, fault);
    for (size_t i = 0; i < book->count; i++)
        rows[i] = book->accounts[i].at;
    ok = ok && grant(&book->map, rows, book->count, &any, &none, &left, fault);
    book_unlock(&book->map);
    return ok;
}

/* ---- opening and closing ---- */

static bool begin_account(struct account *account, const struct book_account *from,
                          uint32_t holder, struct fault *fault)
{
    struct slice whose = slice_of(from->whose);
    struct slice shown = whose;

    *account = (struct account){
        .row = {.kind = (uint32_t)from->kind + 1, .holder = holder, .limit = from->limit},
        .at = BOOK_NONE};
    if (!amounts_sane(&from->limit))
        return fault_set(fault, FAULT_INVALID, "budgets.%s: a limit out of range",
                         kind_names[from->kind]);
    if (shown.len >= BOOK_LABEL_BYTES)
        shown = slice_part(whose, whose.len - (BOOK_LABEL_BYTES - 1), whose.len);
    memcpy(account->row.label, shown.at, shown.len);
    return EVP_Digest(whose.at, whose.len, account->row.key, NULL, EVP_sha256(), NULL) == 1 ||
           fault_set(fault, FAULT_IO, "SHA-256 is not to be had");
}

static bool join(struct book *book, const char *holder, struct fault *fault)
{
    bool ok;

    if (!begin(book, fault))
        return false;
    sweep(&book->map, BOOK_NONE);
    ok = book_hold(&book->map, holder, &book->holder, fault);
    book_unlock(&book->map);
    return ok;
}

bool book_open(int fd, const char *holder, const struct book_account *accounts, size_t count,
               struct book **ret_book, struct fault *fault)
{
    struct book *book = xalloc(sizeof(*book));
    bool ok = book_map_open(fd, &book->map, fault);

    if (!ok) {
        free(book);
        return false;
    }
    book->holder = BOOK_NONE;
    ok = count <= BOOK_ACCOUNTS_MAX ||
         fault_set(fault, FAULT_INVALID, "too many accounts for a call");
    ok = ok && join(book, holder, fault);
    for (size_t i = 0; ok && i < count; i++)
        ok = begin_account(&book->accounts[i], &accounts[i], book->holder, fault);
    book->count = count;
    if (!ok) {
        book_close(book);
        return false;
    }
    *ret_book = book;
    return true;
}

void book_close(struct book *book)
{
    struct fault fault = {0};

    if (book == NULL)
        return;
    if (book->holder != BOOK_NONE && begin(book, &fault)) {
        settle_all_of(&book->map, book->holder);
        book_unlock(&book->map);
    }
    if (book->is_dirty && book->map.fd >= 0)
        (void)fdatasync(book->map.fd);
    book_map_close(&book->map);
    free(book->late);
    free(book);
}

void book_flush(struct book *book)
{
    if (book->is_dirty && book->map.fd >= 0)
        (void)sync_file_range(book->map.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    book->is_dirty = false;
}

/* ---- looking ---- */

struct book_sums book_sums(struct book *book)
{
    const struct book_file *file = book->map.file;
    struct book_sums sums = {0};
    struct fault fault = {0};

    if (!begin(book, &fault))
        return sums;
    sums = (struct book_sums){.reserved = file->totals.reserved,
                              .settled = file->totals.settled,
                              .released = file->totals.released,
                              .beyond = file->totals.beyond};
    for (size_t id = 0; id < BOOK_ENTRIES; id++)
        for (size_t k = 0; file->entries[id].holder != 0 && k < AMOUNT_COUNT; k++)
            sums.open.of[k] = amount_sum(sums.open.of[k], file->entries[id].granted.of[k]);
    book_unlock(&book->map);
    return sums;
}

/* The file below the state folder, under its lock. False with FAULT_MISSING: there is none. */
static bool open_locked(int home, struct book_map *ret_map, struct fault *fault)
{
    int fd = openat(home, BOOK_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

    if (fd < 0)
        return fault_errno(fault, "open the budgets (%s)", BOOK_FILE);
    if (!book_map_open(fd, ret_map, fault))
        return false;
    if (book_lock(ret_map, fault))
        return true;
    book_map_close(ret_map);
    return false;
}

bool book_bytes(int home, struct buf *ret_bytes, struct fault *fault)
{
    struct book_map map;
    bool ok;

    if (!open_locked(home, &map, fault))
        return fault->kind == FAULT_MISSING;
    ok = buf_add(ret_bytes, slice_of_bytes(map.file, sizeof(*map.file)), fault);
    book_unlock(&map);
    book_map_close(&map);
    return ok;
}

bool book_each(int home,
               bool (*each)(void *self, const struct book_line *line, struct fault *fault),
               void *self, struct fault *fault)
{
    AUTO_FREE struct book_row *rows = NULL;
    struct book_map map;

    if (!open_locked(home, &map, fault))
        return fault->kind == FAULT_MISSING;
    sweep(&map, BOOK_NONE);
    rows = xalloc_array(BOOK_ROWS, sizeof(*rows));
    memcpy(rows, map.file->rows, sizeof(map.file->rows));
    book_unlock(&map);
    book_map_close(&map);
    for (size_t i = 0; i < BOOK_ROWS; i++) {
        struct book_line line = {.kind = (enum book_kind)(rows[i].kind - 1),
                                 .day = rows[i].day,
                                 .whose = rows[i].label,
                                 .limit = rows[i].limit,
                                 .spent = rows[i].spent,
                                 .reserved = rows[i].reserved};

        if (rows[i].kind == 0)
            continue;
        if (!row_sane(&rows[i]))
            return fault_set(fault, FAULT_INVALID, "the budgets' file is damaged");
        if (!each(self, &line, fault))
            return false;
    }
    return true;
}

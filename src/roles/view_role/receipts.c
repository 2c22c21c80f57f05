#include "roles/view_role/receipts.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"

struct receipt {
    size_t first, len;
    uint32_t ordinal;
    uint16_t rule;
    uint8_t class;
    uint8_t commitment[COMMITMENT_BYTES];
};

struct file {
    uint32_t number;
    size_t at, told, count; /* of `all`; of the file */
    char digest[65];
};

/* A value that has an ordinal: by its commitment. */
struct value {
    uint64_t mark; /* of the commitment */
    uint32_t ordinal; /* 0: an empty slot */
    uint8_t class;
};

struct receipts {
    uint8_t key[COMMITMENT_KEY_BYTES];
    struct receipt *all;
    size_t count, room;
    struct file *files;
    size_t file_count, file_room;
    struct value *values;
    size_t value_count, value_mask;
    uint32_t ordinals[CLASS_COUNT];
};

struct receipts *receipts_new(const uint8_t key[COMMITMENT_KEY_BYTES])
{
    struct receipts *receipts = xalloc(sizeof(*receipts));

    memcpy(receipts->key, key, sizeof(receipts->key));
    receipts->value_mask = 255;
    receipts->values = xalloc_array(receipts->value_mask + 1, sizeof(*receipts->values));
    return receipts;
}

void receipts_forget_key(struct receipts *receipts)
{
    OPENSSL_cleanse(receipts->key, sizeof(receipts->key));
}

void receipts_free(struct receipts *receipts)
{
    if (receipts == NULL)
        return;
    receipts_forget_key(receipts);
    free(receipts->all);
    free(receipts->files);
    free(receipts->values);
    free(receipts);
}

/* ---- ordinals ---- */

static struct value *slot_of(struct value *values, size_t mask, uint64_t mark, uint8_t class)
{
    size_t slot = (size_t)mark & mask;

    while (values[slot].ordinal != 0 &&
           (values[slot].mark != mark || values[slot].class != class))
        slot = (slot + 1) & mask;
    return &values[slot];
}

static void grow(struct receipts *receipts)
{
    size_t mask = receipts->value_mask * 2 + 1;
    struct value *values = xalloc_array(mask + 1, sizeof(*values));

    for (size_t i = 0; i <= receipts->value_mask; i++)
        if (receipts->values[i].ordinal != 0)
            *slot_of(values, mask, receipts->values[i].mark, receipts->values[i].class) =
                receipts->values[i];
    free(receipts->values);
    receipts->values = values;
    receipts->value_mask = mask;
}

static uint32_t ordinal_of(struct receipts *receipts, const struct receipt *receipt)
{
    struct value *value;
    uint64_t mark;

    memcpy(&mark, receipt->commitment, sizeof(mark));
    if (receipts->value_count * 2 > receipts->value_mask)
        grow(receipts);
    value = slot_of(receipts->values, receipts->value_mask, mark, receipt->class);
    if (value->ordinal == 0) {
        *value = (struct value){mark, ++receipts->ordinals[receipt->class], receipt->class};
        receipts->value_count++;
    }
    return value->ordinal;
}

/* ---- files ---- */

static bool add_text(const struct receipt *receipt, struct buf *text, struct fault *fault)
{
    char commitment[2 * COMMITMENT_BYTES + 1];

    hex_encode(slice_of_bytes(receipt->commitment, COMMITMENT_BYTES), commitment);
    return buf_add_format(text, fault, "%s%s %s %zu+%zu #%u=%s", text->len == 0 ? "" : "; ",
                          classify_rule_id(receipt->rule),
                          class_name((enum data_class)receipt->class), receipt->first,
                          receipt->len, receipt->ordinal, commitment);
}

static bool add_one(struct receipts *receipts, struct file *file, struct slice content,
                    const struct finding *finding, EVP_MD_CTX *digest, struct fault *fault)
{
    AUTO_BUF struct buf line = buf_with_limit(1024);
    struct receipt receipt = {.first = finding->start,
                              .len = finding->end - finding->start,
                              .rule = finding->rule,
                              .class = (uint8_t)finding->class};

    if (!commitment_make(receipts->key, COMMITMENT_REDACTION,
                         slice_part(content, finding->start, finding->end),
                         receipt.commitment, fault))
        return false;
    receipt.ordinal = ordinal_of(receipts, &receipt);
    if (!add_text(&receipt, &line, fault) || !buf_add_byte(&line, '\n', fault))
        return false;
    if (EVP_DigestUpdate(digest, line.at, line.len) != 1)
        return fault_set(fault, FAULT_HOST, "no SHA-256");
    file->count++;
    if (file->told == RECEIPTS_FILE_MAX)
        return true;
    file->told++;
    receipts->all = xgrow(receipts->all, &receipts->room, receipts->count + 1,
                          sizeof(*receipts->all));
    receipts->all[receipts->count++] = receipt;
    return true;
}

bool receipts_add(struct receipts *receipts, uint32_t number, struct slice content,
                  const struct finding *findings, size_t count, struct fault *fault)
{
    struct file file = {.number = number, .at = receipts->count};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t bytes[EVP_MAX_MD_SIZE];
    bool ok = (digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1) ||
              fault_set(fault, FAULT_HOST, "no SHA-256");

    for (size_t i = 0; ok && i < count; i++)
        ok = add_one(receipts, &file, content, &findings[i], digest, fault);
    if (ok && EVP_DigestFinal_ex(digest, bytes, NULL) != 1)
        ok = fault_set(fault, FAULT_HOST, "no SHA-256");
    EVP_MD_CTX_free(digest);
    if (!ok)
        return false;
    hex_encode(slice_of_bytes(bytes, 32), file.digest);
    receipts->files = xgrow(receipts->files, &receipts->file_room, receipts->file_count + 1,
                            sizeof(*receipts->files));
    receipts->files[receipts->file_count++] = file;
    return true;
}

static int by_number(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static const struct file *file_find(const struct receipts *receipts, uint32_t number)
{
    const struct file key = {.number = number};

    return receipts->file_count == 0 ? NULL
                                     : bsearch(&key, receipts->files, receipts->file_count,
                                               sizeof(key), by_number);
}

size_t receipts_count(const struct receipts *receipts, uint32_t number, char ret_digest[65])
{
    const struct file *file = file_find(receipts, number);

    ret_digest[0] = 0;
    if (file == NULL)
        return 0;
    memcpy(ret_digest, file->digest, sizeof(file->digest));
    return file->count;
}

bool receipts_text(const struct receipts *receipts, uint32_t number, size_t *at,
                   struct buf *ret_text)
{
    const struct file *file = file_find(receipts, number);
    size_t from = *at;
    struct fault full = {0};

    while (file != NULL && *at < file->told) {
        size_t len = ret_text->len;

        if (!add_text(&receipts->all[file->at + *at], ret_text, &full) ||
            ret_text->len > RECORD_LIST_BYTES_MAX) {
            ret_text->len = len;
            break;
        }
        ++*at;
    }
    return *at > from;
}

#include "cell/filter.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/hex.h"
#include "base/scope.h"
#include "cell/cell.h"
#include "cell/listener.h"

#define TABLE_TEXT_BYTES_MAX (64 * 1024)

/* One of the tables, or the other, behind it. */
static const struct filter_row *row_at(enum cell_place place, size_t number)
{
    if (number < filter_refused_count)
        return &filter_refused[number];
    number -= filter_refused_count;
    return place == CELL_LANDLOCK && number < filter_shared_count ? &filter_shared[number]
                                                                  : NULL;
}

bool filter_install(enum cell_place place, struct fault *fault)
{
    const struct calls_programs *programs = &filter_programs[place];

    /* Where both refuse, the errno of the younger one counts. */
    return calls_install(&programs->allow, fault) && calls_install(&programs->refuse, fault);
}

/* The table as text: what the digest in a record stands for. */
static bool table_text(enum cell_place place, struct buf *text, struct fault *fault)
{
    static const char *const when[] = {
        [LISTENER_ALWAYS] = "",
        [LISTENER_FILES] = " where opens are handed over",
        [LISTENER_SHARED] = " without namespaces",
    };
    const struct filter_row *row;

    if (!buf_add_text(text, "custody-cell-filter/v4\nforeign architectures: kill\n", fault) ||
        !buf_add_format(text, fault, "rules %u\notherwise ENOSYS\n", filter_rules[place]))
        return false;
    for (size_t i = 0; i < listener_call_count; i++)
        if (!buf_add_format(text, fault, "%s%s %s\n",
                            listener_calls[i].refused ? "ENOSYS" : "guard",
                            when[listener_calls[i].when], listener_calls[i].name))
            return false;
    for (size_t i = 0; i < calls_count; i++)
        if (!buf_add_format(text, fault, "%s %s\n",
                            calls_has_rule(calls_table[i].name) ? "rule" : "allow",
                            calls_table[i].name))
            return false;
    for (size_t i = 0; (row = row_at(place, i)) != NULL; i++)
        if (!buf_add_format(text, fault, "%s %s\n", strerrorname_np(row->error), row->call))
            return false;
    return true;
}

bool cell_filter_digest(enum cell_place place, char ret_hex[65], struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(TABLE_TEXT_BYTES_MAX);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!table_text(place, &text, fault))
        return false;
    if (EVP_Digest(text.at, text.len, digest, &len, EVP_sha256(), NULL) != 1 || len != 32)
        return fault_set(fault, FAULT_IO, "SHA-256 is not to be had");
    hex_encode(slice_of_bytes(digest, len), ret_hex);
    return true;
}

char **cell_filter_refused(enum cell_place place, size_t line_max, size_t *ret_count)
{
    const struct filter_row *row;
    char **lines = NULL;
    size_t room = 0, count = 0;

    for (size_t i = 0; (row = row_at(place, i)) != NULL; i++) {
        const char *call = row->call;

        if (count == 0 || strlen(lines[count - 1]) + 1 + strlen(call) > line_max) {
            lines = xgrow(lines, &room, count + 1, sizeof(lines[0]));
            lines[count++] = xstrdup(call);
        } else {
            char *longer = xformat("%s %s", lines[count - 1], call);

            free(lines[count - 1]);
            lines[count - 1] = longer;
        }
    }
    *ret_count = count;
    return lines;
}

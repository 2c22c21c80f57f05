#include "keystore/keyfile.h"

#define HEAD "custody-key/v1 "
#define LINES_MAX 8

static const char *const line_names[KEYFILE_LINE_COUNT] = {
    [KEYFILE_VKEY] = "vkey",
    [KEYFILE_SECRET] = "secret",
    [KEYFILE_KDF] = "kdf",
    [KEYFILE_CIPHER] = "cipher",
    [KEYFILE_SALT] = "salt",
    [KEYFILE_NONCE] = "nonce",
    [KEYFILE_CIPHERTEXT] = "ciphertext",
    [KEYFILE_PCRS] = "pcrs",
    [KEYFILE_PUBLIC] = "public",
    [KEYFILE_PRIVATE] = "private",
    [KEYFILE_URI] = "uri",
};

static const struct kind_row {
    const char *name;
    size_t count;
    enum keyfile_line lines[LINES_MAX];
} kinds[KEYFILE_KIND_COUNT] = {
    [KEYFILE_PLAIN] = {"plain", 0, {0}},
    [KEYFILE_SEALED] = {"sealed",
                        7,
                        {KEYFILE_VKEY, KEYFILE_SECRET, KEYFILE_KDF, KEYFILE_CIPHER,
                         KEYFILE_SALT, KEYFILE_NONCE, KEYFILE_CIPHERTEXT}},
    [KEYFILE_TPM2] = {"tpm2",
                      4,
                      {KEYFILE_VKEY, KEYFILE_PCRS, KEYFILE_PUBLIC, KEYFILE_PRIVATE}},
    [KEYFILE_PKCS11] = {"pkcs11", 2, {KEYFILE_VKEY, KEYFILE_URI}},
};

const char *keyfile_kind_name(enum keyfile_kind kind)
{
    return kinds[kind].name;
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.at[i] < 0x20 || text.at[i] > 0x7e) && text.at[i] != '\n')
            return false;
    return true;
}

static bool parse_lines(const struct kind_row *row, struct slice text, struct slice rest,
                        struct keyfile *file, struct fault *fault)
{
    for (size_t i = 0; i < row->count; i++) {
        const char *wanted = line_names[row->lines[i]];
        struct slice line = {0}, name = {0};

        file->head = slice_part(text, 0, (size_t)(rest.at - text.at));
        if (slice_find_byte(rest, '\n', 0) == SIZE_MAX || !slice_cut(&rest, '\n', &line) ||
            !slice_cut(&line, ' ', &name) || !slice_equal(name, slice_of(wanted)) ||
            line.len == 0)
            return fault_set(fault, FAULT_INVALID, "key file: no line `%s` where it should be",
                             wanted);
        file->line[row->lines[i]] = line;
    }
    return rest.len == 0 || fault_set(fault, FAULT_INVALID,
                                      "key file: more than its %zu lines", row->count + 1);
}

bool keyfile_parse(struct slice text, struct keyfile *ret_file, struct fault *fault)
{
    struct keyfile file = {.kind = KEYFILE_PLAIN};
    struct slice rest = text, kind;

    if (text.len > KEYFILE_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "key file of %zu bytes", text.len);
    if (!is_printable(text))
        return fault_set(fault, FAULT_INVALID, "key file: not printable text");
    if (!slice_starts_with(text, SLICE(HEAD))) {
        file.skey = slice_trim(text);
        *ret_file = file;
        return true;
    }
    rest = slice_part(text, sizeof(HEAD) - 1, text.len);
    if (slice_find_byte(rest, '\n', 0) == SIZE_MAX || !slice_cut(&rest, '\n', &kind))
        return fault_set(fault, FAULT_INVALID, "key file: names no kind");
    for (size_t i = KEYFILE_PLAIN + 1; i < KEYFILE_KIND_COUNT; i++) {
        if (!slice_equal(kind, slice_of(kinds[i].name)))
            continue;
        file.kind = (enum keyfile_kind)i;
        if (!parse_lines(&kinds[i], text, rest, &file, fault))
            return false;
        *ret_file = file;
        return true;
    }
    return fault_set(fault, FAULT_INVALID, "key file: kind `%.*s` is unknown to this version",
                     SLICE_ARGS(slice_part(kind, 0, 40)));
}

bool keyfile_write(const struct keyfile *file, bool without_last, struct buf *ret_text,
                   struct fault *fault)
{
    const struct kind_row *row = &kinds[file->kind];

    if (!buf_add_format(ret_text, fault, HEAD "%s\n", row->name))
        return false;
    for (size_t i = 0; i + (without_last ? 1 : 0) < row->count; i++)
        if (!buf_add_format(ret_text, fault, "%s %.*s\n", line_names[row->lines[i]],
                            SLICE_ARGS(file->line[row->lines[i]])))
            return false;
    return true;
}

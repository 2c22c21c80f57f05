/* Secrets by the name they are assigned to, and passwords in connection strings. */
#include "classify/detect.h"
#include "classify/validate.h"

#define NAME_BYTES_MAX 64
#define VALUE_BYTES_MIN 8
#define VALUE_BYTES_MAX 512
#define ENTROPY_MIN 2.8

static const char *const secret_names[] = {
    "password",    "passwd",   "pwd",        "secret",     "token",
    "api_key",     "apikey",   "api-key",    "access_key", "accesskey",
    "private_key", "auth_key", "credential", "passphrase",
};

/* What stands where a secret would, and is none. */
static const char *const stop_words[] = {
    "example", "changeme", "change_me", "your", "xxxx",        "placeholder", "dummy",
    "<",       "${",       "{{",        "%(",   "process.env", "getenv",      "environ",
    "null",    "none",     "undefined", "todo", "redacted",    "****",
};

static bool is_name_byte(uint8_t byte)
{
    return is_alnum(byte) || byte == '_' || byte == '-' || byte == '.';
}

static bool looks_like_a_value(struct slice value)
{
    bool digit = false, letter = false, other = false;

    if (value.len < VALUE_BYTES_MIN || value.len > VALUE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < COUNT(stop_words); i++)
        if (holds_word(value, stop_words[i]))
            return false;
    for (size_t i = 0; i < value.len; i++) {
        digit = digit || is_digit(value.at[i]);
        letter = letter || is_letter(value.at[i]);
        other = other || !is_alnum(value.at[i]);
        if (value.at[i] <= ' ')
            return false;
    }
    return letter && (digit || other) && text_entropy(value) >= ENTROPY_MIN;
}

/* The name in front of the sign at `at`: password = , "password": , PASSWORD=. */
static struct slice name_before(struct slice content, size_t at)
{
    size_t end = at, start;

    while (end > 0 && (content.at[end - 1] == ' ' || content.at[end - 1] == '\t' ||
                       content.at[end - 1] == '"' || content.at[end - 1] == '\'' ||
                       content.at[end - 1] == ':'))
        end--;
    start = end;
    while (start > 0 && end - start < NAME_BYTES_MAX && is_name_byte(content.at[start - 1]))
        start--;
    return slice_part(content, start, end);
}

static bool is_secret_name(struct slice name)
{
    for (size_t i = 0; i < COUNT(secret_names); i++)
        if (holds_word(name, secret_names[i]))
            return true;
    return false;
}

static bool is_upper_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] >= 'a' && name.at[i] <= 'z')
            return false;
    return name.len > 0;
}

static bool is_settings_file(struct slice path)
{
    static const char *const endings[] = {".env",  ".properties", ".ini", ".cfg",
                                          ".conf", ".yaml",       ".yml", ".toml"};
    size_t slash = SIZE_MAX;
    struct slice name;

    for (size_t at = slice_find_byte(path, '/', 0); at != SIZE_MAX;
         at = slice_find_byte(path, '/', at + 1))
        slash = at;
    name = slash == SIZE_MAX ? path : slice_part(path, slash + 1, path.len);
    for (size_t i = 0; i < COUNT(endings); i++)
        if (slice_ends_with(name, slice_of(endings[i])))
            return true;
    return slice_starts_with(name, SLICE(".env"));
}

/* The value behind the sign; quoted, or (where settings are written so) up to white space. */
static bool value_after(const struct detection *detection, size_t at, bool bare_allowed,
                        size_t *ret_start, size_t *ret_end)
{
    struct slice content = detection->content;
    uint8_t quote = 0;
    size_t start = at, end;

    while (start < content.len && (content.at[start] == ' ' || content.at[start] == '\t' ||
                                   content.at[start] == '=' || content.at[start] == '>'))
        start++;
    if (start < content.len &&
        (content.at[start] == '"' || content.at[start] == '\'' || content.at[start] == '`'))
        quote = content.at[start++];
    else if (!bare_allowed)
        return false;
    for (end = start; end < content.len && end - start <= VALUE_BYTES_MAX; end++) {
        uint8_t byte = content.at[end];

        if (byte == '\n' || byte == '\r' ||
            (quote != 0 ? byte == quote
                        : byte <= ' ' || byte == '"' || byte == '\'' || byte == ',' ||
                              byte == ';' || byte == ')'))
            break;
    }
    *ret_start = start;
    *ret_end = end;
    return end > start;
}

static void try_assignment(const struct detection *detection, size_t at)
{
    struct slice name = name_before(detection->content, at);
    size_t start, end;
    bool aws;

    if (!is_secret_name(name))
        return;
    if (!value_after(detection, at + 1,
                     is_settings_file(detection->path) || is_upper_name(name), &start, &end) ||
        !looks_like_a_value(slice_part(detection->content, start, end)))
        return;
    aws = end - start == 40 && holds_word(name, "aws") && holds_word(name, "secret");
    detect_add(detection, start, end, aws ? RULE_AWS_SECRET : RULE_ASSIGNED,
               aws ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM);
}

/* scheme://user:password@host, `at` at the colon of "://". */
static void try_connection(const struct detection *detection, size_t at)
{
    struct slice content = detection->content;
    size_t user = at + 3, colon, end;

    for (colon = user; colon < content.len && colon - user <= 64; colon++)
        if (!is_name_byte(content.at[colon]) && content.at[colon] != '%')
            break;
    if (colon == user || colon >= content.len || content.at[colon] != ':')
        return;
    for (end = colon + 1; end < content.len && end - colon <= 128; end++)
        if (content.at[end] <= ' ' || strchr("@/\"'`<>{}$", content.at[end]) != NULL)
            break;
    if (end >= content.len || content.at[end] != '@' || end - colon - 1 < 3)
        return;
    for (size_t i = 0; i < COUNT(stop_words); i++)
        if (holds_word(slice_part(content, colon + 1, end), stop_words[i]))
            return;
    detect_add(detection, colon + 1, end, RULE_CONNECTION, CONFIDENCE_HIGH);
}

void detect_assignments(const struct detection *detection)
{
    struct slice content = detection->content;

    for (size_t at = 1; at + 1 < content.len; at++) {
        uint8_t byte = content.at[at];

        if (byte != '=' && byte != ':')
            continue;
        if (byte == ':' && content.at[at + 1] == '/' && at + 3 < content.len &&
            content.at[at + 2] == '/')
            try_connection(detection, at);
        else if (byte == ':' || content.at[at - 1] != '=')
            try_assignment(detection, at);
    }
}

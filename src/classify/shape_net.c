/* Addresses of the network: only such as are kept for documents, tests and nobody. */
#include <stdio.h>

#include "classify/ascii.h"
#include "classify/shape.h"

static bool is_all(struct slice text, const char *also)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_alnum(text.at[i]) && (text.at[i] >= 0x7f || strchr(also, text.at[i]) == NULL))
            return false;
    return true;
}

static struct slice plain_of(const struct plan *plan)
{
    return slice_of_bytes(plan->value->plain, plan->value->count);
}

/* A host of a reserved domain (RFC 2606), as long as the one that was there. */
static void plan_host(struct plan *plan, size_t from, size_t to)
{
    size_t len = to - from;
    const char *tail = len >= 9 ? ".invalid" : len >= 6 ? ".test" : "";

    for (size_t i = from; i < to - strlen(tail); i++)
        plan_free(plan, i, &alphabet_lower);
    plan_picture(plan, to - strlen(tail), len >= 9 ? ".i%nva%li%d" : len >= 6 ? ".t%est" : "");
}

/*
 * Shorter domains than "x.test" take from what is before the '@'; an address of less than
 * eight characters gets a top-level domain that nobody has.
 */
bool shape_email(struct plan *plan)
{
    struct slice text = plain_of(plan);
    size_t sign = slice_find_byte(text, '@', 0), dot;
    size_t domain = sign == SIZE_MAX ? 0 : text.len - sign - 1;

    if (sign == 0 || domain < 3 || !is_all(text, "@.-_+~") ||
        slice_find_byte(text, '@', sign + 1) != SIZE_MAX)
        return false;
    dot = slice_find_byte(text, '.', sign);
    if (dot == SIZE_MAX || dot + 1 == text.len || dot == sign + 1)
        return false;
    if (domain < 6 && text.len >= 8) {
        sign = text.len - 7;
        plan_put(plan, sign, '@');
        for (size_t i = 0; i < sign; i++)
            plan_free(plan, i, &alphabet_lower);
        plan_host(plan, sign + 1, text.len);
        return true;
    }
    for (size_t i = 0; i < sign; i++)
        plan_same_kind(plan, i);
    if (text.len >= 8) {
        plan_host(plan, sign + 1, text.len);
        return true;
    }
    for (size_t i = sign + 1; i < dot; i++)
        plan_free(plan, i, &alphabet_lower);
    for (size_t i = dot + 1; i < text.len; i++)
        plan_put(plan, i, text.at[i] == '.' ? '.' : 'z');
    return true;
}

/* scheme://user:password@host:port/path: the scheme and the port stay, and what gives the rest
 * its form. */
bool shape_url(struct plan *plan)
{
    struct slice text = plain_of(plan);
    size_t scheme = slice_find(text, SLICE("://"), 0), host, end, at, colon;

    if (scheme == SIZE_MAX || scheme == 0)
        return false;
    for (end = scheme + 3; end < text.len && strchr("/?#", text.at[end]) == NULL; end++)
        ;
    host = scheme + 3;
    for (at = host; at < end; at++)
        if (text.at[at] == '@')
            host = at + 1;
    colon = slice_find_byte(slice_part(text, 0, end), ':', host);
    if (colon == SIZE_MAX)
        colon = end;
    if (colon == host || text.at[host] == '[')
        return false;
    for (size_t i = host; i < colon; i++)
        if (text.at[i] >= 0x7f || plan->value->at[i].most == 0)
            return false;
    for (size_t i = scheme + 3; i < host; i++)
        plan_same_kind(plan, i);
    plan_host(plan, host, colon);
    for (size_t i = end; i < text.len; i++)
        plan_same_kind(plan, i);
    return true;
}

/* ---- numbers of hosts ---- */

/*
 * By the length of the whole: 198.18.0.0/15 is for benchmarks, 0.0.0.0/8 is no host's, and
 * 240.0.0.0/4 is reserved. The dots move.
 */
bool shape_ipv4(struct plan *plan)
{
    static const char *const pictures[] = {
        "0.d.d.d",         "0.d.d.nd",        "0.d.nd.nd",       "198.1e.d.d",
        "198.1e.d.nd",     "198.1e.nd.nd",    "198.1e.nd.1dd",   "198.1e.1dd.1dd",
        "24d.1dd.1dd.1dd"};
    struct slice text = plain_of(plan);
    size_t dots = 0, digits = 0;

    if (text.len < 7 || text.len > 15)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool is_dot = text.at[i] == '.';

        if ((!is_dot && !is_digit(text.at[i])) || (is_dot && digits == 0) || (!is_dot && digits == 3))
            return false;
        digits = is_dot ? 0 : digits + 1;
        dots += is_dot;
    }
    if (dots != 3 || digits == 0)
        return false;
    plan_picture(plan, 0, pictures[text.len - 7]);
    return true;
}

/* `count` hexadecimal digits in groups of up to four, and the colons between them, that take
 * exactly `len`. */
static void add_groups(char *picture, size_t len, char digit)
{
    size_t groups = (len + 5) / 5, digits = len - (groups - 1), at = strlen(picture);

    for (size_t i = 0; i < groups; i++) {
        size_t count = digits / groups + (i < digits % groups);

        if (i > 0)
            picture[at++] = ':';
        for (size_t j = 0; j < count; j++)
            picture[at++] = digit;
    }
    picture[at] = 0;
}

/* 2001:db8::/32 is for documents; where that is too long, 100::/64, which leads nowhere. */
bool shape_ipv6(struct plan *plan)
{
    struct slice text = plain_of(plan);
    char picture[64] = "";
    size_t colons = 0;
    bool is_upper = false;

    for (size_t i = 0; i < text.len; i++) {
        colons += text.at[i] == ':';
        is_upper = is_upper || (text.at[i] >= 'A' && text.at[i] <= 'F');
        if (text.at[i] != ':' && text.at[i] != '.' && !is_digit(text.at[i]) &&
            !(lower(text.at[i]) >= 'a' && lower(text.at[i]) <= 'f'))
            return false;
    }
    if (colons < 2 || text.len < 6 || text.len > 39)
        return false;
    (void)snprintf(picture, sizeof(picture), "%s",
                   text.len == 39  ? (is_upper ? "2001:0DB8:" : "2001:0%db8:")
                   : text.len > 34 ? (is_upper ? "2001:DB8:" : "2001:%db8:")
                   : text.len > 10 ? (is_upper ? "2001:DB8::" : "2001:%db8::")
                                   : "100::");
    add_groups(picture,
               text.len == 39  ? 29
               : text.len > 34 ? text.len - 9
               : text.len > 10 ? text.len - 10
                               : text.len - 5,
               is_upper ? 'H' : 'h');
    plan_picture(plan, 0, picture);
    return true;
}

/* Locally administered, of one station: the second digit is 2, 6, a or e. */
bool shape_mac(struct plan *plan)
{
    static const struct alphabet own = {"26ae", 0, 4, 2}, own_upper = {"26AE", 0, 4, 2};
    struct slice text = plain_of(plan);
    size_t count = 0;
    bool is_upper = false;

    for (size_t i = 0; i < text.len; i++)
        is_upper = is_upper || (text.at[i] >= 'A' && text.at[i] <= 'F');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = lower(text.at[i]);

        if (byte == ':' || byte == '-' || byte == '.')
            continue;
        if (!is_digit(byte) && !(byte >= 'a' && byte <= 'f'))
            return false;
        if (count == 1)
            plan_free(plan, i, is_upper ? &own_upper : &own);
        else
            plan_free(plan, i, is_upper ? &alphabet_hex_upper : &alphabet_hex);
        count++;
    }
    return count == 12;
}

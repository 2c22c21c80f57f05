/* Where somebody is: a pair of coordinates. */
#include "classify/ascii.h"
#include "classify/validate/list.h"

#define DECIMALS_MIN 3 /* a hundred metres or closer */
#define DECIMALS_MAX 12
#define PAIR_BYTES_MAX 64

struct angle {
    unsigned whole;
    bool rest;         /* is there anything but zeros behind the point? */
    uint8_t direction; /* N S E W, or 0 */
};

static void skip_spaces(struct slice *text)
{
    while (text->len > 0 && text->at[0] == ' ')
        *text = slice_part(*text, 1, text->len);
}

static bool take_angle(struct slice *text, struct angle *ret_angle)
{
    size_t at = 0, digits = 0, decimals = 0;
    struct slice rest;

    *ret_angle = (struct angle){0};
    if (text->len > 0 && (text->at[0] == '-' || text->at[0] == '+'))
        at++;
    for (; at < text->len && is_digit(text->at[at]) && digits < 4; at++, digits++)
        ret_angle->whole = ret_angle->whole * 10 + (text->at[at] - (unsigned)'0');
    if (digits == 0 || digits > 3 || at == text->len || text->at[at] != '.')
        return false;
    for (at++; at < text->len && is_digit(text->at[at]); at++, decimals++)
        ret_angle->rest = ret_angle->rest || text->at[at] != '0';
    if (decimals < DECIMALS_MIN || decimals > DECIMALS_MAX)
        return false;
    *text = slice_part(*text, at, text->len);
    if (slice_starts_with(*text, SLICE("\xc2\xb0"))) /* the sign for degrees */
        *text = slice_part(*text, 2, text->len);
    rest = *text;
    skip_spaces(&rest);
    if (rest.len > 0 && memchr("NSEW", rest.at[0], 4) != NULL) {
        ret_angle->direction = rest.at[0];
        *text = slice_part(rest, 1, rest.len);
    }
    return true;
}

static bool is_within(const struct angle *angle, unsigned most, const char *directions)
{
    return (angle->direction == 0 || strchr(directions, angle->direction) != NULL) &&
           (angle->whole < most || (angle->whole == most && !angle->rest));
}

bool validate_lat_long(struct slice text)
{
    struct angle latitude, longitude;
    const uint8_t *between;

    if (text.len > PAIR_BYTES_MAX)
        return false;
    text = slice_trim(text);
    if (text.len > 2 && text.at[0] == '(' && text.at[text.len - 1] == ')')
        text = slice_part(text, 1, text.len - 1);
    if (!take_angle(&text, &latitude))
        return false;
    between = text.at;
    skip_spaces(&text);
    if (text.len > 0 && (text.at[0] == ',' || text.at[0] == ';'))
        text = slice_part(text, 1, text.len);
    skip_spaces(&text);
    return text.at != between && take_angle(&text, &longitude) && text.len == 0 &&
           (latitude.direction == 0) == (longitude.direction == 0) &&
           is_within(&latitude, 90, "NS") && is_within(&longitude, 180, "EW") &&
           (latitude.whole + longitude.whole > 0 || latitude.rest || longitude.rest);
}

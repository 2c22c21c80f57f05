/* classify/names/features.h - what the field sees of a token. Private; the same code trains and
 * finds. */
#ifndef CUSTODY_CLASSIFY_NAMES_FEATURES_H
#define CUSTODY_CLASSIFY_NAMES_FEATURES_H

#include "classify/names/model.h"
#include "classify/names/token.h"

#define WINDOW_TOKENS 192U
#define FEATURES_MAX 48U
#define FEATURES_REACH 3U /* so many tokens away features look */

/* Tokens that are looked at together, with what is known of each. */
struct window {
    size_t count;
    struct token tokens[WINDOW_TOKENS];
    uint8_t class[WINDOW_TOKENS];     /* word_class */
    uint32_t id[WINDOW_TOKENS];       /* the word itself where it is an ordinary one */
    uint32_t kind[WINDOW_TOKENS];     /* shape and lists */
    uint32_t topic[WINDOW_TOKENS];    /* the word before the last colon of this line */
    uint8_t elsewhere[WINDOW_TOKENS]; /* how the same word is used in the rest of the window */
};

/* Looks words [from, to) up in the lists: fills `class`. */
void window_look_up(struct window *window, const struct model *model, size_t from, size_t to);
/* Fills what follows from tokens and `class`, of [from, to). `from` is the first token of the window or of a line. */
void window_prepare(struct window *window, size_t from, size_t to);
/* Fills `elsewhere`, of all; only `class` of words with a capital is looked at. */
void window_compare(struct window *window);
/* Hashes of the features of one token, at most FEATURES_MAX; returns how many. None is 0. */
size_t window_features(const struct window *window, size_t at, uint32_t *ret_features);

#endif

/* tests/unit/gateway/places.h - where in a request a text can hide, by dialect. */
#ifndef CUSTODY_TESTS_UNIT_GATEWAY_PLACES_H
#define CUSTODY_TESTS_UNIT_GATEWAY_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#define CHAT "/v1/chat/completions"
#define RESPONSES "/v1/responses"
#define MESSAGES "/v1/messages"
#define GENERATE "/v1beta/models/gemini:generateContent"
#define GENERATE_STREAM "/v1beta/models/gemini:streamGenerateContent?alt=sse"

/* "@" stands for what is planted. */
struct place {
    const char *path, *body;
};

extern const struct place places[];
extern const size_t place_count;
/* Requests that are complete, as an API wants them. */
extern const struct place whole_places[];
extern const size_t whole_place_count;

/* The body with `plant` for "@", and with "stream" where wanted. The caller frees. */
char *place_planted(const struct place *place, const char *plant, bool stream);

#endif

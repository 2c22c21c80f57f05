/*
 * gateway/translate/translate.h - calls of one model API put to a provider that speaks another:
 * Chat Completions, Responses and Messages, each to each. Bytes in, bytes out.
 *
 * Text goes over as it is written, escapes included. What one provider has thought or signed is
 * not given to another, in requests and in answers (docs/dialects.md). What cannot be expressed
 * is refused, by name.
 */
#ifndef CUSTODY_GATEWAY_TRANSLATE_H
#define CUSTODY_GATEWAY_TRANSLATE_H

#include "gateway/dialect/operation.h"

/* As which operation a provider of that dialect is asked; false: it has no such thing. */
MUST_USE bool translate_operation(enum operation asked, enum dialect dialect,
                                  enum operation *ret_sent);

/* What of a request its answer needs. */
struct translation;
void translation_free(struct translation *translation); /* NULL is fine */

/*
 * Appends the body as `sent` has it. FAULT_INVALID: something in it has no counterpart; a
 * sentence says what. FAULT_LIMIT: it gets too long.
 */
MUST_USE bool translate_request(enum operation asked, enum operation sent, struct slice body,
                                struct buf *ret_body, struct translation **ret_translation,
                                struct fault *fault);

/* An answer on its way. */
struct translator;

/*
 *   translation  borrowed
 *   status       HTTP's: from 300 on the body is an error
 *   is_stream    server-sent events, else one document
 *   now_s        of answers that say when they were made
 */
struct translator *translator_new(const struct translation *translation, int status,
                                  bool is_stream, int64_t now_s);
void translator_free(struct translator *translator); /* NULL is fine */
/*
 * Takes bytes of the provider's; appends what of the client's answer they make (of a document
 * nothing before the end). FAULT_INVALID: it is no answer of that dialect. FAULT_LIMIT: too long.
 */
MUST_USE bool translator_feed(struct translator *translator, struct slice bytes,
                              struct buf *out, struct fault *fault);
MUST_USE bool translator_end(struct translator *translator, struct buf *out,
                             struct fault *fault);
/* Bytes that it holds; NULL holds none. */
size_t translator_held(const struct translator *translator);

#endif

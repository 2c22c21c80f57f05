#include "roles/witness/ask.h"

#include "base/scope.h"
#include "ledger/witness.h"
#include "roles/post.h"

#define ANSWER_BYTES_MAX (16 * 1024)

static const char *const outcome_names[] = {
    [WITNESS_COSIGNED] = "cosigned",
    [WITNESS_SILENT] = "silent",
    [WITNESS_AHEAD] = "ahead",
    [WITNESS_REFUSED] = "refused",
};

const char *witness_outcome_name(enum witness_outcome outcome)
{
    return outcome_names[outcome];
}

/* A body of type text/x.tlog.size: the number and a line end. */
static bool parse_size(struct slice text, uint64_t *ret_size)
{
    return slice_ends_with(text, SLICE("\n")) &&
           checkpoint_parse_size(slice_part(text, 0, text.len - 1), ret_size);
}

/* What came is worth what its key says about this very checkpoint. */
static bool take_lines(const struct witness_peer *peer, struct slice note, struct slice answer,
                       struct buf *lines)
{
    AUTO_BUF struct buf whole = buf_with_limit(NOTE_BYTES_MAX);
    struct fault ignored = {0};
    struct note parsed;

    return buf_add(&whole, note, &ignored) && buf_add(&whole, answer, &ignored) &&
           note_parse(buf_slice(&whole), &parsed, &ignored) &&
           cosignature_verify(&parsed, peer->key, NULL, &ignored) &&
           cosignature_copy(&parsed, peer->key, lines, &ignored);
}

static bool write_body(const struct witness_peer *peer, struct slice note, uint64_t size,
                       const struct tree_source *source, struct buf *body)
{
    struct witness_request request = {.old_size = peer->known, .checkpoint = note};
    struct fault ignored = {0};

    if (peer->known > 0 && peer->known < size &&
        !tree_prove_consistency(source, peer->known, size, &request.proof, &ignored))
        return false;
    return witness_request_write(&request, body, &ignored);
}

enum witness_outcome witness_ask(struct witness_peer *peer, struct slice note, uint64_t size,
                                 const struct tree_source *source, struct buf *lines)
{
    bool has_end = slice_ends_with(slice_of(peer->url), SLICE("/"));
    AUTO_FREE char *url = xformat("%s%sadd-checkpoint", peer->url, has_end ? "" : "/");

    /* The second time with the size that it told us. */
    for (int attempt = 0; attempt < 2; attempt++) {
        AUTO_BUF struct buf body = buf_with_limit(WITNESS_BODY_BYTES_MAX);
        AUTO_BUF struct buf answer = buf_with_limit(ANSWER_BYTES_MAX);
        int status;

        if (!write_body(peer, note, size, source, &body))
            return WITNESS_SILENT;
        status = post(url, NULL, buf_slice(&body), &answer);
        if (status == 200) {
            if (!take_lines(peer, note, buf_slice(&answer), lines))
                return WITNESS_SILENT;
            peer->known = size;
            return WITNESS_COSIGNED;
        }
        if (status == 403 || status == 404 || status == 422)
            return WITNESS_REFUSED;
        if (status != 409 || !parse_size(buf_slice(&answer), &peer->known))
            return WITNESS_SILENT;
        if (peer->known > size) {
            peer->known = 0; /* asked anew, so that it keeps what we signed */
            return WITNESS_AHEAD;
        }
    }
    return WITNESS_SILENT;
}

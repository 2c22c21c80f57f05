/*
 * signer - signs checkpoints by a key in a PKCS#11 token.
 *
 *   user       who started the ledger       network    as the token's module needs it
 *   may read   files                        may write  files
 *   holds      a session with the token     talks to   the ledger (inherited), the token
 *
 * A process of its own, for two reasons. The module is the vendor's code, with threads, files
 * and sockets of its own: the ledger's narrow filter would not let it live, and the ledger has
 * no use for it. And the ledger parses what producers write: whoever took it over would get
 * nothing signed here but what leads on from the last checkpoint that was signed here, which
 * this process keeps in keys/, where the ledger cannot write after its descent.
 *
 * No program can be started (the gateway's filter). Landlock has no file rules: which files a
 * module needs is known to its vendor only.
 */
#include "roles/keys/signer.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "keystore/pkcs11.h"
#include "keystore/secret.h"
#include "ledger/checkpoint.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/keys/aside.h"

#define START_MS 20000 /* a token that is reached over a network logs in slowly */
#define SIGN_MS 10000
#define TRIAL "custody-key-trial/v1\n" /* no note: a checkpoint has three lines */

/* What the ledger asks: a checkpoint, and the tree that it is about. */
struct request {
    struct tree_range from;
    struct tree_growth growth;
    char text[1024];
    size_t text_len;
};

/* The child's. */
struct signer {
    int socket, home_fd;
    struct pkcs11_uri uri;
    struct note_key *key;
    struct pkcs11_token *token;
    char state_name[64];
    bool has_signed;
    struct checkpoint last; /* origin is not used */
};

static bool read_state(struct signer *signer, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(1024);

    if (!file_exists(signer->home_fd, signer->state_name))
        return true;
    if (!file_read(signer->home_fd, signer->state_name, &text, fault) ||
        !checkpoint_parse(buf_slice(&text), &signer->last, fault))
        return fault_in(fault, "%s", signer->state_name);
    signer->has_signed = true;
    signer->last.origin = (struct slice){0};
    return true;
}

/* Does the token's private key make what the vkey verifies? */
static bool try_token(struct signer *signer, struct fault *fault)
{
    uint8_t public_key[PKCS11_PUBLIC_BYTES], signature[PKCS11_SIGNATURE_BYTES];

    if (!pkcs11_find(signer->token, public_key, fault) ||
        !pkcs11_sign(signer->token, SLICE(TRIAL), signature, fault))
        return false;
    return (memcmp(public_key, note_key_public(signer->key), sizeof(public_key)) == 0 &&
            note_key_check(signer->key, SLICE(TRIAL), signature)) ||
           fault_set(fault, FAULT_INVALID,
                     "the token's key is not the one that the ledger was begun with (%s)",
                     note_key_name(signer->key));
}

/* The descent comes first: the module is foreign code from its loading on. */
static bool begin(struct signer *signer, struct fault *fault)
{
    secret_guard();
    return isolate_scopes(ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_GATEWAY, fault) && read_state(signer, fault) &&
           pkcs11_open(&signer->uri, &signer->token, fault) && try_token(signer, fault);
}

static bool check_request(const struct request *request, struct fault *fault)
{
    const struct tree_range *from = &request->from;

    if (request->text_len > sizeof(request->text) || from->size >= TREE_SIZE_MAX ||
        from->count != (unsigned)__builtin_popcountll(from->size))
        return fault_set(fault, FAULT_INVALID, "not a request");
    return true;
}

/* The one rule: what is signed is the last that was signed, or grew out of it. */
static bool leads_on(const struct signer *signer, const struct request *request,
                     const struct checkpoint *wanted, struct fault *fault)
{
    struct tree_range range = request->from;
    struct tree_hash root = tree_root(&range);
    bool met = !signer->has_signed ||
               (range.size == signer->last.size && tree_hash_equal(&root, &signer->last.root));

    for (size_t i = 0; i < request->growth.count && i < TREE_GROWTH_MAX; i++) {
        const struct tree_part *part = &request->growth.part[i];

        if (!tree_part_fits(&range, part))
            return fault_set(fault, FAULT_INVALID, "not how a tree grows");
        tree_append_subtree(&range, &part->hash, part->height);
        root = tree_root(&range);
        met = met ||
              (range.size == signer->last.size && tree_hash_equal(&root, &signer->last.root));
    }
    if (!met)
        return fault_set(fault, FAULT_INVALID,
                         "it does not lead on from the %llu records that were signed last",
                         (unsigned long long)signer->last.size);
    return (range.size == wanted->size && tree_hash_equal(&root, &wanted->root)) ||
           fault_set(fault, FAULT_INVALID, "its root is not the tree's");
}

/* "NAME/2" follows "NAME", and "NAME/3" that: the number, and how much of it is NAME. */
static uint64_t number_of(struct slice origin, struct slice *ret_stem)
{
    uint64_t number = 1;

    if (!slice_cut(&origin, '/', ret_stem))
        return 0;
    return origin.len == 0 || checkpoint_parse_size(origin, &number) ? number : 0;
}

/*
 * The first checkpoint of the shard that follows this key's, of one record: the old key agrees
 * to it (ledger/handover.h). It is of another origin, so it says nothing about this log.
 */
static bool is_handover(const struct signer *signer, const struct checkpoint *wanted)
{
    struct slice own, other;
    uint64_t number = number_of(slice_of(note_key_name(signer->key)), &own);

    return wanted->size == 1 && number > 0 &&
           number_of(wanted->origin, &other) == number + 1 && slice_equal(own, other);
}

static bool sign(struct signer *signer, const struct request *request,
                 uint8_t ret_signature[PKCS11_SIGNATURE_BYTES], struct fault *fault)
{
    struct slice text = slice_of_bytes(request->text, request->text_len);
    struct checkpoint wanted;

    if (!check_request(request, fault) || !checkpoint_parse(text, &wanted, fault))
        return false;
    if (is_handover(signer, &wanted))
        return pkcs11_sign(signer->token, text, ret_signature, fault);
    if (!leads_on(signer, request, &wanted, fault))
        return false;
    if (!slice_equal(wanted.origin, slice_of(note_key_name(signer->key))))
        return fault_set(fault, FAULT_INVALID, "another ledger's checkpoint");
    /* Durable first: after it, no other tree of this size is signed, whatever happens. */
    if (!file_replace_durably(signer->home_fd, signer->state_name, text, 0600, fault))
        return false;
    signer->has_signed = true;
    signer->last = (struct checkpoint){.size = wanted.size, .root = wanted.root};
    return pkcs11_sign(signer->token, text, ret_signature, fault);
}

static bool answer(struct signer *signer, struct slice packet)
{
    uint8_t signature[PKCS11_SIGNATURE_BYTES];
    struct fault outcome = {0};
    struct request request;
    bool ok = packet.len == sizeof(request);

    if (!ok)
        return false;
    memcpy(&request, packet.at, sizeof(request));
    ok = sign(signer, &request, signature, &outcome);
    if (ok)
        outcome = (struct fault){0};
    return aside_report(signer->socket, &outcome,
                        slice_of_bytes(signature, ok ? sizeof(signature) : 0));
}

static int serve(void *self)
{
    struct signer *signer = self;
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct fault fault = {0};
    uint64_t size;
    bool end = false;
    bool ok = begin(signer, &fault);

    if (ok)
        fault = (struct fault){0};
    size = signer->has_signed ? signer->last.size : 0;
    if (!aside_report(signer->socket, &fault, slice_of_bytes(&size, ok ? sizeof(size) : 0)))
        ok = false;
    while (ok && !end)
        ok = message_receive(signer->socket, &packet, NULL, -1, &end, &fault) &&
             (end || answer(signer, buf_slice(&packet)));
    pkcs11_close(signer->token);
    return ok ? 0 : 1;
}

/* The ledger's half. */
struct signing {
    int socket;
    struct process process;
    struct request request;
    uint64_t signed_size; /* what the signer says that it has signed last */
};

static bool ask(void *self, struct slice message, uint8_t ret_signature[NOTE_SIGNATURE_BYTES],
                struct fault *fault)
{
    struct signing *signing = self;
    AUTO_BUF struct buf answered = buf_with_limit(ASIDE_BYTES_MAX);

    if (message.len > sizeof(signing->request.text))
        return fault_set(fault, FAULT_INVALID, "sign: %zu bytes", message.len);
    memcpy(signing->request.text, message.at, message.len);
    signing->request.text_len = message.len;
    if (!message_send(signing->socket,
                      slice_of_bytes(&signing->request, sizeof(signing->request)), NULL,
                      fault) ||
        !aside_hear(signing->socket, SIGN_MS, &answered, fault))
        return fault_in(fault, "the token's signer");
    if (answered.len != NOTE_SIGNATURE_BYTES)
        return fault_set(fault, FAULT_IO, "the token's signer: no signature");
    memcpy(ret_signature, answered.at, NOTE_SIGNATURE_BYTES);
    if (signing->request.growth.size > signing->signed_size)
        signing->signed_size = signing->request.growth.size;
    return true;
}

static uint64_t signed_size(void *self)
{
    const struct signing *signing = self;

    return signing->signed_size;
}

static void follow(void *self, const struct tree_range *from, const struct tree_growth *growth)
{
    struct signing *signing = self;

    signing->request.from = *from;
    signing->request.growth = *growth;
}

static void stop(void *self)
{
    struct signing *signing = self;

    scope_close(&signing->socket); /* which ends it; it may be in the module just now */
    process_kill(&signing->process);
    free(signing);
}

/* One file a key: a new shard has a new key, and begins anew. */
static void name_state(const struct note_key *key, char ret_name[64])
{
    char hex[2 * NOTE_PUBLIC_BYTES + 1];

    hex_encode(slice_of_bytes(note_key_public(key), NOTE_PUBLIC_BYTES), hex);
    (void)snprintf(ret_name, 64, "keys/signed-%.16s", hex);
}

static bool spawn_signer(struct signer *signer, struct signing *signing, struct fault *fault)
{
    AUTO_CLOSE int theirs = -1;
    int pin = secret_place_fd(slice_of(signer->uri.pin_source));
    int ends[2];

    if (!message_pair(ends, fault))
        return false;
    signing->socket = ends[0];
    theirs = signer->socket = ends[1];
    {
        const int keep[] = {theirs, signer->home_fd, pin < 0 ? theirs : pin};

        return spawn_role("custody-signer", serve, signer, keep, COUNT(keep),
                          &signing->process, fault);
    }
}

static bool hear_start(struct signing *signing, struct fault *fault)
{
    AUTO_BUF struct buf said = buf_with_limit(ASIDE_BYTES_MAX);

    if (!aside_hear(signing->socket, START_MS, &said, fault))
        return false;
    if (said.len != sizeof(signing->signed_size))
        return fault_set(fault, FAULT_IO, "the token's signer: no size");
    memcpy(&signing->signed_size, said.at, said.len);
    return true;
}

static bool use_pin(struct signer *signer, struct slice pin, struct fault *fault)
{
    if (pin.len == 0)
        return true;
    (void)snprintf(signer->uri.pin_source, sizeof(signer->uri.pin_source), "%.*s",
                   SLICE_ARGS(pin));
    return secret_place_check(pin, fault);
}

bool signer_start(const struct keyfile *file, struct slice pin, int home_fd,
                  struct note_signer **ret_signer, struct fault *fault)
{
    struct signer signer = {.home_fd = home_fd};
    struct signing *signing = xalloc(sizeof(*signing));
    const struct note_signing functions = {.sign = ask,
                                           .signed_size = signed_size,
                                           .follow = follow,
                                           .end = stop,
                                           .self = signing};
    bool ok;

    signing->socket = -1;
    ok = pkcs11_uri_parse(file->line[KEYFILE_URI], &signer.uri, fault) &&
         use_pin(&signer, pin, fault) &&
         note_key_parse(file->line[KEYFILE_VKEY], &signer.key, fault);
    if (ok) {
        name_state(signer.key, signer.state_name);
        ok = spawn_signer(&signer, signing, fault) && hear_start(signing, fault);
        note_key_free(signer.key);
    }
    if (!ok) {
        stop(signing);
        return false;
    }
    return note_signer_of(file->line[KEYFILE_VKEY], &functions, ret_signer, fault);
}

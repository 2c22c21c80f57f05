/*
 * keystore/pkcs11_uri.h - which key of which token: a subset of RFC 7512. Pure.
 *
 *   pkcs11:token=LABEL;object=LABEL[;id=%01...][;serial=...][;type=private]
 *       ?module-path=/PATH&pin-source=PLACE      (keystore/secret.h says what a place is)
 *
 * Stricter than the RFC: what is not in this subset is refused (an attribute that is passed
 * over could have meant another key), and so is a pin-value, which would stand in a file that
 * is shown.
 */
#ifndef CUSTODY_KEYSTORE_PKCS11_URI_H
#define CUSTODY_KEYSTORE_PKCS11_URI_H

#include "base/bytes.h"

#define PKCS11_URI_BYTES_MAX 2048
#define PKCS11_LABEL_BYTES_MAX 255

struct pkcs11_uri {
    char token[PKCS11_LABEL_BYTES_MAX + 1], serial[PKCS11_LABEL_BYTES_MAX + 1]; /* "": any */
    char object[PKCS11_LABEL_BYTES_MAX + 1];
    uint8_t id[PKCS11_LABEL_BYTES_MAX + 1];
    size_t id_len;
    char module_path[1024], pin_source[1024];
};

/* FAULT_INVALID. */
MUST_USE bool pkcs11_uri_parse(struct slice text, struct pkcs11_uri *ret_uri,
                               struct fault *fault);
/* Appends the URI of a key called `object` (a label) beside the one that `uri` names. */
MUST_USE bool pkcs11_uri_write_for(const struct pkcs11_uri *uri, struct slice object,
                                   struct buf *ret_text, struct fault *fault);

#endif

/*
 * classify/validate.h - can a value be real? Pure functions, found by name.
 *
 * Each gets the bytes of one candidate as they stand, with the separators that its format allows and
 * nothing around it, and says whether the value can be real: shape, ranges, check digits. None
 * allocates, keeps a state or reads past the end, and each is linear in the text (those of bounded length
 * refuse a longer one at once). `btc` alone is slower than a microsecond: it hashes.
 *
 * A check digit proves little: one in ten of all numbers has the right one. Those that say "shape" or "label"
 * below mean nothing without words around the value.
 *
 *   luhn card track1 track2 cvv          cvv: 3 or 4 digits, a label is needed
 *   ssn itin zip driver_licence          driver_licence: the shape that a US state uses; label
 *   npi dea mbi hicn ndc icd10 nhs udi   ndc, icd10: shape. udi: GS1 with (01) and (21)
 *   iban bic aba                         bic: shape and country; any word of 8 capitals may be one
 *   vin imei uuid
 *   aadhaar verhoeff pan_india sin       sin: Canada. pan_india: shape
 *   nino dni nie codice_fiscale steuer_id nir bsn pesel cpf tfn medicare_au
 *   phone phone_loose                    phone: NANP, or E.164 with a known country code and length, and
 *                                        not a number kept for fiction. phone_loose: 6 to 15 digits in
 *                                        groups, as in a country of its own; label
 *   date age90                           date: label. age90: an age of 90 years or more
 *   email url_credentials                no reserved domain (RFC 2606), no placeholder password
 *   ipv4 ipv6 mac                        none that says nothing of a person: loopback, private ...
 *   lat_long                             three decimals or more in both
 *   jwt github_crc npm_crc pem           github_crc, npm_crc: the token's own checksum holds
 *   base64 base64url hex                 the whole text is in that alphabet, and a possible length
 *   btc bech32 eth                       eth: shape
 */
#ifndef CUSTODY_CLASSIFY_VALIDATE_H
#define CUSTODY_CLASSIFY_VALIDATE_H

#include "base/bytes.h"

typedef bool validator(struct slice text);

/* NULL: there is none of that name. */
validator *validator_find(const char *name);

/* Names in order; NULL behind the last one. */
const char *validator_name_at(size_t index);

/*
 * Is this value, which a validator holds for possible, one that is published for tests and examples (cards of
 * payment providers, SSNs of advertisements, sample IBANs)? Separators do not matter.
 */
bool validate_is_test_value(struct slice text);

/* Is this an IPv4 or IPv6 address which no single host of the Internet has? */
bool validate_is_reserved_address(struct slice text);

/* Does this stand where a secret would, and is none: <password>, ${TOKEN}, {{ key }}, %s, xxxx, changeme? */
bool validate_is_placeholder(struct slice text);

/* Shannon entropy of its bytes, in bits a byte; 0 for an empty text. */
double text_entropy(struct slice text);

/* Luhn over ASCII digits. */
bool luhn_holds(const uint8_t *digits, size_t count);

#endif

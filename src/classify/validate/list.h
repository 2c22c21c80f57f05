/* classify/validate/list.h - every validator there is, by name in order. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_VALIDATE_LIST_H
#define CUSTODY_CLASSIFY_VALIDATE_LIST_H

#include "classify/validate.h"

#define VALIDATORS(X)                                                                         \
    X(aadhaar)                                                                                \
    X(aba)                                                                                    \
    X(age90)                                                                                  \
    X(base64)                                                                                 \
    X(base64url)                                                                              \
    X(bech32)                                                                                 \
    X(bic)                                                                                    \
    X(bsn)                                                                                    \
    X(btc)                                                                                    \
    X(card)                                                                                   \
    X(codice_fiscale)                                                                         \
    X(cpf)                                                                                    \
    X(cvv)                                                                                    \
    X(date)                                                                                   \
    X(dea)                                                                                    \
    X(dni)                                                                                    \
    X(driver_licence)                                                                         \
    X(email)                                                                                  \
    X(eth)                                                                                    \
    X(github_crc)                                                                             \
    X(hex)                                                                                    \
    X(hicn)                                                                                   \
    X(iban)                                                                                   \
    X(icd10)                                                                                  \
    X(imei)                                                                                   \
    X(ipv4)                                                                                   \
    X(ipv6)                                                                                   \
    X(itin)                                                                                   \
    X(jwt)                                                                                    \
    X(lat_long)                                                                               \
    X(luhn)                                                                                   \
    X(mac)                                                                                    \
    X(mbi)                                                                                    \
    X(medicare_au)                                                                            \
    X(ndc)                                                                                    \
    X(nhs)                                                                                    \
    X(nie)                                                                                    \
    X(nino)                                                                                   \
    X(nir)                                                                                    \
    X(npi)                                                                                    \
    X(npm_crc)                                                                                \
    X(pan_india)                                                                              \
    X(pem)                                                                                    \
    X(pesel)                                                                                  \
    X(phone)                                                                                  \
    X(phone_loose)                                                                            \
    X(sin)                                                                                    \
    X(ssn)                                                                                    \
    X(steuer_id)                                                                              \
    X(tfn)                                                                                    \
    X(track1)                                                                                 \
    X(track2)                                                                                 \
    X(udi)                                                                                    \
    X(url_credentials)                                                                        \
    X(uuid)                                                                                   \
    X(verhoeff)                                                                               \
    X(vin)                                                                                    \
    X(zip)

#define VALIDATOR_DECLARE(name) validator validate_##name;
VALIDATORS(VALIDATOR_DECLARE)
#undef VALIDATOR_DECLARE

#endif

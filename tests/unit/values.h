/* values.h - sensitive values for tests, in parts: no live-looking one stands in a file. */
#ifndef CUSTODY_TESTS_UNIT_VALUES_H
#define CUSTODY_TESTS_UNIT_VALUES_H

#define CARD /* an issuer's test number */                                                    \
    "4111"                                                                                    \
    "1111"                                                                                    \
    "1111"                                                                                    \
    "1111"
#define SSN                                                                                   \
    "457-"                                                                                    \
    "55-"                                                                                     \
    "5462"
#define GITHUB                                                                                \
    "ghp_"                                                                                    \
    "a1B2c3D4e5F6g7H8i9J0"                                                                    \
    "k1L2m3N4o5P6q7R8"

#endif

/* ledger/crc32c.h - CRC-32C (Castagnoli), reflected; by the processor's instruction where
 * there is one. */
#ifndef CUSTODY_LEDGER_CRC32C_H
#define CUSTODY_LEDGER_CRC32C_H

#include "base/bytes.h"

/* Of `bytes` behind what gave `crc`; 0 to begin with. */
uint32_t crc32c(uint32_t crc, struct slice bytes);
/* The same from a table; for machines without the instruction, and for tests. */
uint32_t crc32c_by_table(uint32_t crc, struct slice bytes);

#endif

/*
 * bench/ledger_subject.h - what is measured: something that makes records durable.
 *
 * A closed loop: `outstanding` askers have one record each under way, all of them are told at
 * once, and ask again at once. So a record's latency is the time of its round.
 */
#ifndef CUSTODY_BENCH_LEDGER_SUBJECT_H
#define CUSTODY_BENCH_LEDGER_SUBJECT_H

#include "base/bytes.h"

struct subject_place {
    const char *folder; /* of its own, empty */
    size_t record_bytes;
    size_t outstanding;
};

struct subject {
    const char *name;
    /* FAULT_HOST: it does not run here; why is the reason that is printed. */
    bool (*open)(const struct subject_place *place, void **ret_self, struct fault *fault);
    /* One round: `outstanding` records, durable when it returns. */
    bool (*round)(void *self, struct fault *fault);
    bool (*close)(void *self, struct fault *fault);
    /* True: measured enough, whatever the time; may be NULL. */
    bool (*is_through)(void *self);
};

extern const struct subject subject_raw_batch, subject_raw_record, subject_file_batch,
    subject_file_record;
extern const struct subject subject_log, subject_log_lasting, subject_writer,
    subject_writer_lasting, subject_socket;
extern const struct subject subject_sqlite, subject_postgres, subject_journald;

/* What is written of one record: `record_bytes` of text that does not compress to nothing. */
void subject_fill(uint8_t *at, size_t len, uint64_t number);

/* Bytes of one record as `writer`, `socket` and the verifier's ledger have it. */
size_t subject_writer_record_bytes(void);

/* Writes a ledger of `records` into `folder`; its verifier key is appended. */
bool bench_ledger_write(const char *folder, uint64_t records, struct buf *ret_vkey,
                        struct fault *fault);

/* The other measurements: one JSON object on standard output each. */
bool measure_verify(const char *folder, uint64_t records, struct fault *fault);
bool measure_hash(size_t record_bytes, struct fault *fault);
bool measure_proof(const char *folder, struct fault *fault);

#endif

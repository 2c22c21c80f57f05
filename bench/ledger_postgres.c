/* bench/ledger_postgres.c - PostgreSQL over its local socket; one INSERT of all records a
 * round. */
#include <endian.h>
#include <libpq-fe.h>

#include "base/scope.h"
#include "bench/ledger_subject.h"

struct postgres {
    PGconn *connection;
    uint8_t *array; /* bytea[] in its binary form */
    size_t array_bytes, record_bytes, outstanding;
    uint64_t count;
};

#define ARRAY_HEAD_BYTES 20
#define BYTEA_OID 17
#define INSERT "INSERT INTO log(leaf) SELECT unnest($1::bytea[])"

static void put_u32(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof(value));
}

static bool postgres_do(struct postgres *postgres, PGresult *result, ExecStatusType wanted,
                        struct fault *fault)
{
    bool ok = PQresultStatus(result) == wanted;

    PQclear(result);
    return ok ? true
              : fault_set(fault, FAULT_IO, "PostgreSQL: %.150s",
                          PQerrorMessage(postgres->connection));
}

/* The driver has started the server, and says in the environment (PGHOST) where its socket is.
 */
static bool postgres_open(const struct subject_place *place, void **ret_self,
                          struct fault *fault)
{
    struct postgres *postgres = xalloc(sizeof(*postgres));

    if (getenv("PGHOST") == NULL)
        return fault_set(fault, FAULT_HOST, "no PostgreSQL server was started");
    postgres->connection = PQconnectdb("dbname=postgres user=postgres");
    if (PQstatus(postgres->connection) != CONNECTION_OK)
        return fault_set(fault, FAULT_HOST, "PostgreSQL does not answer");
    postgres->record_bytes = place->record_bytes;
    postgres->outstanding = place->outstanding;
    postgres->array_bytes = ARRAY_HEAD_BYTES + place->outstanding * (4 + place->record_bytes);
    postgres->array = xalloc(postgres->array_bytes);
    put_u32(postgres->array, 1); /* dimensions, has no NULL, type, length, first index */
    put_u32(postgres->array + 8, BYTEA_OID);
    put_u32(postgres->array + 12, (uint32_t)place->outstanding);
    put_u32(postgres->array + 16, 1);
    for (size_t i = 0; i < place->outstanding; i++) {
        uint8_t *at = postgres->array + ARRAY_HEAD_BYTES + i * (4 + place->record_bytes);

        put_u32(at, (uint32_t)place->record_bytes);
        subject_fill(at + 4, place->record_bytes, i);
    }
    *ret_self = postgres;
    return postgres_do(
               postgres,
               PQexec(postgres->connection,
                      "SET client_min_messages = warning; DROP TABLE IF EXISTS log;"
                      "CREATE TABLE log(id bigserial PRIMARY KEY, leaf bytea NOT NULL)"),
               PGRES_COMMAND_OK, fault) &&
           postgres_do(postgres, PQprepare(postgres->connection, "insert", INSERT, 1, NULL),
                       PGRES_COMMAND_OK, fault);
}

static bool postgres_round(void *self, struct fault *fault)
{
    struct postgres *postgres = self;
    const char *value = (const char *)postgres->array;
    int len = (int)postgres->array_bytes, is_binary = 1;

    for (size_t i = 0; i < postgres->outstanding; i++)
        subject_fill(postgres->array + ARRAY_HEAD_BYTES + i * (4 + postgres->record_bytes) + 4,
                     16, postgres->count++);
    return postgres_do(
        postgres,
        PQexecPrepared(postgres->connection, "insert", 1, &value, &len, &is_binary, 0),
        PGRES_COMMAND_OK, fault);
}

static bool postgres_close(void *self, struct fault *fault)
{
    struct postgres *postgres = self;

    (void)fault;
    PQfinish(postgres->connection);
    free(postgres->array);
    free(postgres);
    return true;
}

const struct subject subject_postgres = {"postgres", postgres_open, postgres_round,
                                         postgres_close, NULL};

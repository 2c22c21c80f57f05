#include "roles/records/published.h"

#include "ledger/ledger.h"
#include "roles/ledger_role/ledger.h"

bool ledger_is_published(int home_fd)
{
    struct ledger_client *client;
    struct fault ignored = {0};
    int socket;
    bool ok;

    if (!ledger_connect_running(home_fd, &socket, &ignored))
        return false;
    client = ledger_client_new(socket);
    ok = ledger_checkpoint(client, &ignored);
    ledger_client_free(client);
    return ok;
}

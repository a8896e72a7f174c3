// SPDX-License-Identifier: Apache-2.0
/* Packets as they reach the agent and its callers: whatever a call is read into must come back
 * from its own JSON unchanged, and every reading must stay inside its arrays. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/proto/agent_calls.h"
#include "runner/proto/circumstances.h"
#include "runner/proto/files_calls.h"
#include "runner/proto/wire.h"
#include "tests/fuzz/fuzz.h"

static void check_start(const json_t *o)
{
    AUTO(cleanup_free) struct agent_start *ask = malloc(sizeof(*ask));
    AUTO(cleanup_free) struct agent_start *again = malloc(sizeof(*again));
    if (!ask || !again || agent_start_read(o, ask, NULL) < 0)
        return;
    AUTO(json_freep) json_t *text = agent_start_json(ask);
    if (agent_start_read(text, again, NULL) < 0)
        abort();
    AUTO(json_freep) json_t *second = agent_start_json(again);
    if (!json_equal(text, second))
        abort();
    const struct circumstances_place at = {.jobs_root = "/j", .projects_root = "/p"};
    AUTO(circumstances_done) struct circumstances c;
    circumstances_init(&c, &at, ask);
}

static void check_others(const json_t *o)
{
    struct agent_stop stop;
    struct agent_list list;
    struct agent_token token;
    struct agent_limit limit;
    struct agent_files files;
    struct agent_hello hello;
    struct files_opened opened;
    struct err why;
    AUTO(cleanup_free) struct agent_list_reply *listed = malloc(sizeof(*listed));
    AUTO(cleanup_free) struct files_list *entries = malloc(sizeof(*entries));
    agent_stop_read(o, &stop, &why);
    agent_list_read(o, &list, &why);
    agent_token_read(o, &token, &why);
    agent_limit_read(o, &limit, &why);
    agent_files_read(o, &files, &why);
    agent_hello_reply_read(o, &hello, &why);
    agent_list_reply_read(o, listed, &why);
    files_list_read(o, entries, &why);
    files_opened_read(o, &opened, &why);
    wire_status(o, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(packet_done) struct packet p = PACKET_NONE;
    int ends[2];
    if (size == 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
        return 0;
    bool is_sent = send(ends[0], data, size, MSG_DONTWAIT) == (ssize_t)size;
    if (is_sent && wire_receive(ends[1], 0, &p, NULL) == 0) {
        check_start(p.body);
        check_others(p.body);
    }
    close(ends[0]);
    close(ends[1]);
    return 0;
}

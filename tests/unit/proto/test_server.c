// SPDX-License-Identifier: Apache-2.0
/* Server and client on one loop: every call is answered exactly once, whatever happens to
 * either side. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/proto/client.h"
#include "runner/proto/server.h"
#include "tests/unit/test.h"

enum { KEPT_MAX = 200, PATIENCE_MS = 20000 };

static char folder[] = "/tmp/ffXXXXXX";
static char path[64];
static struct loop *loop;
static struct server *server;
static struct client *client;
static struct server_call *kept[KEPT_MAX]; /* calls to "keep", answered later */
static int kept_count, awaited, answered, last_status;
static bool last_is_reply;

static void on_call(struct server_call *call, void *arg)
{
    (void)arg;
    if (!strcmp(server_verb(call), "keep")) {
        kept[kept_count++] = call;
        return;
    }
    if (!strcmp(server_verb(call), "leave")) {
        server_free(TAKE(server));
        server_reply(call, NULL, -1); /* after its peer is gone */
        return;
    }
    if (!strcmp(server_verb(call), "echo")) {
        server_reply(call,
                     json_pack("{sO}", "back", json_object_get(server_body(call), "text")),
                     server_take_fd(call));
        return;
    }
    server_refuse_with(call, -ENOSYS, NULL, json_pack("{ss}", "state", "odd"));
}

static void on_answer(struct client_answer *a, void *arg)
{
    answered++;
    last_status = a->status;
    last_is_reply = a->is_reply;
    if (arg)
        *(int *)arg = a->status;
    if (answered == awaited)
        loop_stop(loop);
}

static void start_server(uid_t allowed)
{
    const struct server_options options = {
        .at = {path, 0600, (uid_t)-1, (gid_t)-1},
        .uids = &allowed,
        .uid_count = 1,
        .on_call = on_call,
    };
    assert_int_equal(server_new(loop, &options, &server, NULL), 0);
}

static int begin(void **state)
{
    (void)state;
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/s", folder);
    loop = loop_new();
    client = client_new(loop, path);
    kept_count = awaited = answered = last_status = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    client_free(client);
    server_free(TAKE(server));
    loop_free(loop);
    return rmdir(folder);
}

static struct client_call *ask(const char *verb, int64_t timeout_ms, int *out_status)
{
    return client_start(client, json_pack("{ss}", "verb", verb), -1, timeout_ms, on_answer,
                        out_status);
}

static void wait_for(int count)
{
    awaited = count;
    if (answered < count)
        loop_run(loop);
    assert_int_equal(answered, count);
}

static void answers_may_come_in_any_order(void **state)
{
    int status[3] = {1, 1, 1};
    (void)state;
    start_server(geteuid());
    ask("keep", PATIENCE_MS, &status[0]);
    ask("keep", PATIENCE_MS, &status[1]);
    ask("odd", PATIENCE_MS, &status[2]);
    wait_for(1);
    assert_int_equal(status[2], -ENOSYS);
    server_reply(kept[1], NULL, -1);
    wait_for(2);
    assert_int_equal(status[1], 0);
    assert_int_equal(status[0], 1);
    server_refuse(kept[0], -EBUSY, NULL);
    wait_for(3);
    assert_int_equal(status[0], -EBUSY);
    assert_true(last_is_reply);
}

static void done_never_runs_inside_start_and_says_who_was_not_there(void **state)
{
    (void)state;
    ask("echo", PATIENCE_MS, NULL);
    assert_int_equal(answered, 0);
    wait_for(1);
    assert_int_equal(last_status, -ENOENT);
    assert_false(last_is_reply);
    start_server(geteuid());
    ask("echo", PATIENCE_MS, NULL); /* the next call connects again */
    wait_for(2);
    assert_int_equal(last_status, 0);
}

static void a_call_ends_at_its_deadline_and_a_late_answer_is_nobodys(void **state)
{
    (void)state;
    start_server(geteuid());
    ask("keep", 20, NULL);
    wait_for(1);
    assert_int_equal(last_status, -ETIMEDOUT);
    server_reply(kept[0], NULL, -1);
    ask("echo", PATIENCE_MS, NULL);
    wait_for(2);
    assert_int_equal(last_status, 0);
}

static void a_cancelled_call_is_never_told(void **state)
{
    int status = 1;
    (void)state;
    start_server(geteuid());
    client_cancel(ask("echo", PATIENCE_MS, &status));
    ask("echo", PATIENCE_MS, NULL);
    wait_for(1);
    assert_int_equal(status, 1);
}

static void a_server_that_leaves_fails_every_call_once(void **state)
{
    int status[2] = {1, 1};
    (void)state;
    start_server(geteuid());
    ask("keep", PATIENCE_MS, &status[0]);
    ask("leave", PATIENCE_MS, &status[1]);
    wait_for(2);
    assert_int_equal(status[0], -ECONNRESET);
    assert_int_equal(status[1], -ECONNRESET);
    assert_false(last_is_reply);
    server_reply(kept[0], NULL, -1); /* dropped, and freed */
}

static void a_peer_of_another_uid_is_not_heard(void **state)
{
    (void)state;
    start_server(geteuid() + 1);
    ask("echo", PATIENCE_MS, NULL);
    wait_for(1);
    assert_false(last_is_reply);
    assert_true(last_status == -ECONNRESET || last_status == -EPIPE);
}

static void more_calls_than_fit_into_the_socket_are_all_answered(void **state)
{
    enum { CALLS = 150, TEXT = 60000 };
    AUTO(cleanup_free) char *text = malloc(TEXT);
    (void)state;
    memset(text, 'x', TEXT);
    start_server(geteuid());
    for (int i = 0; i < CALLS; i++)
        client_start(client, json_pack("{ssss#}", "verb", "odd", "text", text, TEXT), -1,
                     PATIENCE_MS, on_answer, NULL);
    wait_for(CALLS);
    assert_int_equal(last_status, -ENOSYS);
}

static void calls_beyond_a_peers_share_wait_until_others_are_answered(void **state)
{
    (void)state;
    start_server(geteuid());
    for (int i = 0; i < 100; i++)
        ask("keep", PATIENCE_MS, NULL);
    ask("echo", PATIENCE_MS, NULL);
    while (kept_count < 64) {
        struct loop_timer *t = loop_timer_new(loop, 1, 0, (void (*)(void *))loop_stop, loop);
        loop_run(loop);
        loop_timer_free(t);
    }
    assert_int_equal(answered, 0);
    for (int i = 0; i < 64; i++)
        server_reply(kept[i], NULL, -1);
    wait_for(65); /* 64 and the echo */
    assert_int_equal(kept_count, 100);
}

static void a_client_on_a_socket_of_its_own_ends_with_it(void **state)
{
    int ends[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    client_free(client);
    client = client_new_on(loop, ends[0]);
    ask("echo", PATIENCE_MS, NULL);
    close(ends[1]);
    wait_for(1);
    assert_int_equal(last_status, -ECONNRESET);
    ask("echo", PATIENCE_MS, NULL);
    wait_for(2);
    assert_int_equal(last_status, -ECONNRESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_may_come_in_any_order, begin, end),
        cmocka_unit_test_setup_teardown(done_never_runs_inside_start_and_says_who_was_not_there,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            a_call_ends_at_its_deadline_and_a_late_answer_is_nobodys, begin, end),
        cmocka_unit_test_setup_teardown(a_cancelled_call_is_never_told, begin, end),
        cmocka_unit_test_setup_teardown(a_server_that_leaves_fails_every_call_once, begin, end),
        cmocka_unit_test_setup_teardown(a_peer_of_another_uid_is_not_heard, begin, end),
        cmocka_unit_test_setup_teardown(more_calls_than_fit_into_the_socket_are_all_answered,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            calls_beyond_a_peers_share_wait_until_others_are_answered, begin, end),
        cmocka_unit_test_setup_teardown(a_client_on_a_socket_of_its_own_ends_with_it, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

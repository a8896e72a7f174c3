// SPDX-License-Identifier: Apache-2.0
/* The output of several ranks: lines with their rank, whole, whatever the pieces they came in.
 * */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/task/relay.h"
#include "tests/unit/test.h"

static int in, log_end;
static struct relay relay;

static int open_relay(void **state)
{
    int from[2], to[2];
    (void)state;
    if (pipe2(from, O_NONBLOCK) < 0 || pipe2(to, O_NONBLOCK) < 0)
        return -1;
    in = from[1];
    log_end = to[0];
    relay = (struct relay){.from = from[0], .to = to[1], .prefix = "[rank 1] "};
    return 0;
}

static int close_relay(void **state)
{
    (void)state;
    close(relay.from);
    close(relay.to);
    close(log_end);
    if (in >= 0)
        close(in);
    return 0;
}

static void assert_log(const char *wanted)
{
    static char text[40000];
    ssize_t n = read(log_end, text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = '\0';
    assert_string_equal(text, wanted);
}

static void put(const char *text)
{
    assert_int_equal(write(in, text, strlen(text)), (ssize_t)strlen(text));
    assert_true(relay_move(&relay));
}

static void a_line_waits_for_its_end(void **state)
{
    (void)state;
    put("one");
    assert_log("");
    put(" line\ntwo\n\nthr");
    assert_log("[rank 1] one line\n[rank 1] two\n[rank 1] \n");
    put("ee");
    close(in);
    in = -1;
    assert_false(relay_move(&relay));
    assert_log("[rank 1] three\n");
}

static void an_endless_line_comes_in_pieces(void **state)
{
    AUTO(cleanup_free) char *text = calloc(1, RELAY_LINE_MAX + 11);
    AUTO(cleanup_free) char *wanted = calloc(1, RELAY_LINE_MAX + 64);
    (void)state;
    memset(text, 'x', RELAY_LINE_MAX + 10);
    put(text);
    strncat(wanted, "[rank 1] ", 32);
    strncat(wanted, text, RELAY_LINE_MAX);
    strncat(wanted, "\n", 2);
    assert_log(wanted);
    put("\n");
    assert_log("[rank 1] xxxxxxxxxx\n");
}

static void a_rank_that_said_nothing_leaves_nothing(void **state)
{
    (void)state;
    close(in);
    in = -1;
    assert_false(relay_move(&relay));
    assert_log("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_waits_for_its_end, open_relay, close_relay),
        cmocka_unit_test_setup_teardown(an_endless_line_comes_in_pieces, open_relay,
                                        close_relay),
        cmocka_unit_test_setup_teardown(a_rank_that_said_nothing_leaves_nothing, open_relay,
                                        close_relay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

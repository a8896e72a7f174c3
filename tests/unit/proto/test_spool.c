// SPDX-License-Identifier: Apache-2.0
/* The spool: states as a keeper lives and dies, and files that no keeper wrote. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/proto/spool.h"
#include "tests/unit/test.h"

static char spool[] = "/tmp/ffXXXXXX";
static int folder;

static int begin(void **state)
{
    (void)state;
    memcpy(spool + strlen(spool) - 6, "XXXXXX", 6);
    folder = mkdtemp(spool) ? open(spool, O_RDONLY | O_DIRECTORY) : -1;
    return folder < 0 ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    spool_remove(spool, "t1", NULL);
    spool_remove(spool, "t2", NULL);
    close(folder);
    return rmdir(spool);
}

static const struct spool_entry whole = {
    .token = "t1",
    .job = 4711,
    .attempt = 2,
    .keeper = 100,
    .task = 101,
    .boot_id = "0f0e0d0c-0b0a-0908-0706-050403020100",
    .started_ms = 1700000000000,
    .started_boot_ms = 5000,
    .run_ms = 1234,
    .beat_ms = 1700000001234,
    .limit_ms = 90000,
    .exit_code = -1,
    .signal = 9,
    .cause = "limit",
    .ended_ms = 1700000001300,
    .log_bytes = 10,
    .log_dropped = 20,
    .is_left = true,
};

static enum spool_state state_of(const char *token)
{
    struct spool_entry s;
    assert_int_equal(spool_read(spool, token, &s, NULL), 0);
    return s.state;
}

static void an_entry_goes_through_its_states(void **state)
{
    struct spool_entry s;
    int entry, lock;
    (void)state;
    assert_int_equal(spool_read(spool, "t1", &s, NULL), -ENOENT);
    assert_int_equal(spool_make(folder, "t1", &entry, &lock, NULL), 0);
    assert_int_equal(state_of("t1"), SPOOL_STARTING);
    assert_int_equal(spool_write_start(entry, &whole, NULL), 0);
    assert_int_equal(state_of("t1"), SPOOL_RUNNING);
    assert_int_equal(spool_write_beat(entry, &whole, NULL), 0);
    assert_int_equal(spool_read(spool, "t1", &s, NULL), 0);
    assert_true(s.has_start && s.has_beat && !s.has_exit);
    assert_int_equal(s.run_ms, 1234);
    assert_int_equal(s.limit_ms, 90000);
    close(lock);
    assert_int_equal(state_of("t1"), SPOOL_DEAD);
    assert_int_equal(spool_write_exit(entry, &whole, NULL), 0);
    assert_int_equal(spool_read(spool, "t1", &s, NULL), 0);
    assert_int_equal(s.state, SPOOL_OVER);
    assert_int_equal(s.job, 4711);
    assert_int_equal(s.attempt, 2);
    assert_string_equal(s.boot_id, whole.boot_id);
    assert_int_equal(s.exit_code, -1);
    assert_int_equal(s.signal, 9);
    assert_string_equal(s.cause, "limit");
    assert_int_equal(s.log_dropped, 20);
    assert_true(s.is_left);
    close(entry);
    assert_int_equal(spool_remove(spool, "t1", NULL), 0);
    assert_int_equal(spool_read(spool, "t1", &s, NULL), -ENOENT);
    assert_int_equal(spool_remove(spool, "t1", NULL), 0);
}

static void a_token_is_made_once(void **state)
{
    int entry, lock, other;
    (void)state;
    assert_int_equal(spool_make(folder, "t1", &entry, &lock, NULL), 0);
    assert_int_equal(spool_make(folder, "t1", &other, &other, NULL), -EEXIST);
    struct spool_list list;
    assert_int_equal(spool_list(spool, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.tokens[0], "t1");
    spool_list_done(&list);
    close(entry);
    close(lock);
}

static void the_lock_dies_with_its_process(void **state)
{
    int ready[2], entry, lock;
    char byte;
    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid_t keeper = fork();
    if (keeper == 0) {
        if (spool_make(folder, "t1", &entry, &lock, NULL) == 0 &&
            spool_write_start(entry, &whole, NULL) == 0 && write(ready[1], "r", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(state_of("t1"), SPOOL_RUNNING);
    kill(keeper, SIGKILL);
    waitpid(keeper, NULL, 0);
    assert_int_equal(state_of("t1"), SPOOL_DEAD);
    close(ready[0]);
    close(ready[1]);
}

static void write_file(const char *name, const char *text, size_t len)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/t1/%s", spool, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
}

static void a_torn_file_is_refused_and_never_believed(void **state)
{
    static const char good[] =
        "{\"exit_code\":0,\"signal\":0,\"cause\":\"natural\",\"run_ms\":1,"
        "\"ended_ms\":2,\"log_bytes\":0,\"log_dropped\":0,\"is_left\":false}";
    struct spool_entry s;
    int entry, lock;
    (void)state;
    assert_int_equal(spool_make(folder, "t1", &entry, &lock, NULL), 0);
    for (size_t n = 0; n < strlen(good); n++) {
        write_file("exit", good, n);
        assert_int_equal(spool_read(spool, "t1", &s, NULL), -EBADMSG);
    }
    write_file("exit", good, strlen(good));
    assert_int_equal(spool_read(spool, "t1", &s, NULL), 0);
    close(entry);
    close(lock);
}

static void files_no_keeper_wrote_are_refused(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"run_ms\":-1,\"beat_ms\":1}",
        "{\"run_ms\":1}",
        "{\"run_ms\":\"1\",\"beat_ms\":1}",
        "{\"run_ms\":1.5,\"beat_ms\":1}",
        "{\"run_ms\":99999999999999999999,\"beat_ms\":1}",
    };
    struct spool_entry s;
    int entry, lock;
    char path[96];
    (void)state;
    assert_int_equal(spool_make(folder, "t1", &entry, &lock, NULL), 0);
    for (size_t i = 0; i < COUNT(bad); i++) {
        write_file("beat", bad[i], strlen(bad[i]));
        assert_int_equal(spool_read(spool, "t1", &s, NULL), -EBADMSG);
    }
    snprintf(path, sizeof(path), "%s/t1/beat", spool);
    unlink(path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(spool_read(spool, "t1", &s, NULL), -ELOOP);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* does not make the reader wait */
    assert_int_equal(spool_read(spool, "t1", &s, NULL), -EBADMSG);
    close(entry);
    close(lock);
}

static void tokens_are_names_and_nothing_else(void **state)
{
    static const char *const bad[] = {"",  ".",   "..", "../t1", "a/b",
                                      "A", "a.b", "-a", "a b",   "\xc3"};
    struct spool_entry s;
    char longest[SPOOL_TOKEN_MAX + 2];
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(spool_token_is_valid(bad[i]));
        assert_int_equal(spool_read(spool, bad[i], &s, NULL), -EINVAL);
        assert_int_equal(spool_remove(spool, bad[i], NULL), -EINVAL);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_false(spool_token_is_valid(longest));
    longest[SPOOL_TOKEN_MAX] = '\0';
    assert_true(spool_token_is_valid(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_entry_goes_through_its_states, begin, end),
        cmocka_unit_test_setup_teardown(a_token_is_made_once, begin, end),
        cmocka_unit_test_setup_teardown(the_lock_dies_with_its_process, begin, end),
        cmocka_unit_test_setup_teardown(a_torn_file_is_refused_and_never_believed, begin, end),
        cmocka_unit_test_setup_teardown(files_no_keeper_wrote_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(tokens_are_names_and_nothing_else, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Packets: whole, with their descriptor, or refused; and nothing of a bad one stays open. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/now.h"
#include "runner/proto/wire.h"
#include "tests/unit/test.h"

static int ours, theirs;

static int open_pair(void **state)
{
    int ends[2];
    (void)state;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    ours = ends[0];
    theirs = ends[1];
    return 0;
}

static int close_pair(void **state)
{
    (void)state;
    close(ours);
    return theirs >= 0 ? close(theirs) : 0;
}

static int count_fds(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static void a_packet_comes_with_its_descriptor(void **state)
{
    AUTO(json_freep)
    json_t *body = json_pack("{ssss}", "verb", "hello", "text", "a\"b\\u00e9\n");
    AUTO(packet_done) struct packet p = PACKET_NONE;
    char byte = 0;
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(wire_send(ours, body, ends[1], 0, NULL), 0);
    assert_int_equal(wire_receive(theirs, 0, &p, NULL), 0);
    assert_true(json_equal(p.body, body));
    assert_true(p.fd >= 0);
    assert_int_equal(write(p.fd, "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(ends[0]);
    close(ends[1]);
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const junk[] = {"x",        "[]",
                                       "\"a\"",    "7",
                                       "{",        "{}x",
                                       "{\"a\":1", "{\"a\":1,\"a\":2}",
                                       "\xff",     "{\"a\":\"\\u0000\"}"};
    struct packet p = PACKET_NONE;
    (void)state;
    for (size_t i = 0; i < COUNT(junk); i++) {
        assert_int_equal(send(ours, junk[i], strlen(junk[i]), 0), (ssize_t)strlen(junk[i]));
        assert_int_equal(wire_receive(theirs, 0, &p, NULL), -EBADMSG);
        assert_null(p.body);
    }
}

static void a_packet_too_large_is_refused_on_both_sides(void **state)
{
    AUTO(cleanup_free) char *large = malloc(WIRE_MAX + 2);
    struct packet p = PACKET_NONE;
    (void)state;
    memset(large, 'x', WIRE_MAX + 2);
    AUTO(json_freep) json_t *body = json_pack("{ss#}", "text", large, WIRE_MAX);
    assert_int_equal(wire_send(ours, body, -1, 0, NULL), -EMSGSIZE);
    assert_int_equal(send(ours, large, WIRE_MAX + 1, 0), WIRE_MAX + 1);
    assert_int_equal(wire_receive(theirs, 0, &p, NULL), -EMSGSIZE);
    AUTO(json_freep)
    json_t *fits = json_pack("{ss#}", "t", large, WIRE_MAX - (int)strlen("{\"t\":\"\"}"));
    assert_int_equal(wire_send(ours, fits, -1, 0, NULL), 0);
    assert_int_equal(wire_receive(theirs, 0, &p, NULL), 0);
    packet_done(&p);
}

static void send_fds(const char *text, int count)
{
    union {
        char room[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr head;
    } control = {{0}};
    struct iovec part = {(char *)text, strlen(text)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS,
                          .cmsg_len = CMSG_LEN((size_t)count * sizeof(int))};
    for (int i = 0; i < count; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &(int){STDERR_FILENO}, sizeof(int));
    assert_true(sendmsg(ours, &m, 0) > 0);
}

static void more_than_one_descriptor_is_refused_and_none_stays_open(void **state)
{
    struct packet p = PACKET_NONE;
    int before = count_fds();
    (void)state;
    for (int count = 2; count <= 8; count++) {
        send_fds("{}", count);
        assert_int_equal(wire_receive(theirs, 0, &p, NULL), -EBADMSG);
    }
    send_fds("junk", 1);
    assert_int_equal(wire_receive(theirs, 0, &p, NULL), -EBADMSG);
    assert_int_equal(count_fds(), before);
}

static void waiting_ends_in_time_and_with_the_other_side(void **state)
{
    struct packet p = PACKET_NONE;
    int64_t from = now_mono_ms();
    (void)state;
    assert_int_equal(wire_receive(theirs, 0, &p, NULL), -EAGAIN);
    assert_int_equal(wire_receive(theirs, 30, &p, NULL), -ETIMEDOUT);
    assert_true(now_mono_ms() - from >= 29);
    close(theirs);
    theirs = -1;
    assert_int_equal(wire_receive(ours, -1, &p, NULL), -ECONNRESET);
    AUTO(json_freep) json_t *body = json_object();
    assert_int_equal(wire_send(ours, body, -1, 0, NULL), -EPIPE);
}

static void a_refusal_keeps_errno_and_sentence(void **state)
{
    static const int codes[] = {-ENOENT, -EEXIST, -ESTALE, -ETIME, -EPERM, -ENOSYS};
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        struct err said, heard;
        err_set(&said, 0, "sentence %zu", i);
        AUTO(json_freep) json_t *reply = wire_refusal(7, codes[i], &said);
        assert_int_equal(wire_status(reply, &heard), codes[i]);
        assert_string_equal(heard.text, said.text);
    }
    AUTO(json_freep) json_t *ok = wire_ok(7);
    assert_int_equal(wire_status(ok, NULL), 0);
    AUTO(json_freep) json_t *neither = json_object();
    assert_int_equal(wire_status(neither, NULL), -EBADMSG);
    struct err bytes;
    err_set(&bytes, 0, "a name that is not UTF-8: \xff");
    AUTO(json_freep) json_t *foreign = wire_refusal(7, -EINVAL, &bytes);
    assert_int_equal(wire_status(foreign, NULL), -EINVAL);
}

static void a_dead_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    char folder[] = "/tmp/ffXXXXXX", path[64];
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    const struct wire_place at = {path, 0660, (uid_t)-1, (gid_t)-1};
    int first = wire_listen(&at, NULL);
    assert_true(first >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(wire_listen(&at, NULL), -EADDRINUSE);
    close(first);
    int second = wire_listen(&at, NULL);
    assert_true(second >= 0);
    close(second);
    unlink(path);
    fclose(fopen(path, "w"));
    assert_true(wire_listen(&at, NULL) < 0);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_packet_comes_with_its_descriptor, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(what_is_no_object_is_refused, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_packet_too_large_is_refused_on_both_sides, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(more_than_one_descriptor_is_refused_and_none_stays_open,
                                        open_pair, close_pair),
        cmocka_unit_test_setup_teardown(waiting_ends_in_time_and_with_the_other_side, open_pair,
                                        close_pair),
        cmocka_unit_test(a_refusal_keeps_errno_and_sentence),
        cmocka_unit_test(a_dead_socket_is_replaced_and_a_live_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

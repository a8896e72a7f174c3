// SPDX-License-Identifier: Apache-2.0
/* What is wrong in [site] and [portal] is told with its remedy. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "portal/site_conf.h"
#include "runner/base/cleanup.h"

#define REST "runner_socket = /r\nform_key_file = /f\ntemplates = /t\n[database]\nsocket = /s\n"

static int read_text(const char *text, struct conf **file, struct site_conf *out, struct err *e)
{
    char path[] = "/tmp/site_conf_XXXXXX";
    AUTO(cleanup_close) int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    int r = conf_read(path, file, e);
    if (r == 0)
        r = site_conf_read(*file, out, e);
    unlink(path);
    return r;
}

static void a_wrong_section_says_what_to_do(void **state)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"[portal]\n" REST, "give tls_cert and tls_key, or tls = no"},
        {"[portal]\ntls = no\nuid_min = 5000\nuid_max = 4000\n" REST,
         "uid_min: 5000 is more than"},
        {"[portal]\ntls = no\nsession_idle = 2d\n" REST, "session_idle"},
        {"[portal]\ntls = no\nworkers = many\n" REST, "workers"},
        {"[portal]\ntls = no\nlistne = 127.0.0.1:1\n" REST, "listne"},
        {"[portal]\ntls = no\n", "runner_socket"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct conf *file = NULL;
        struct site_conf s = {0};
        struct err why = {{0}};
        assert_int_equal(read_text(cases[i].text, &file, &s, &why), -EINVAL);
        assert_non_null(strstr(why.text, cases[i].told));
        site_conf_done(&s);
        conf_free(file);
    }
}

static void hosts_follow_from_the_address_unless_given(void **state)
{
    static const struct {
        const char *text, *first, *second;
    } cases[] = {
        {"[portal]\ntls = no\n" REST, "127.0.0.1", "localhost"},
        {"[portal]\ntls = no\nlisten = [::1]:8443\n" REST, "[::1]", "localhost"},
        {"[portal]\ntls = no\nlisten = 192.0.2.7:443\n" REST, "192.0.2.7", NULL},
        {"[portal]\ntls = no\nhosts = gpu.example:8443 hpc.example\n" REST, "gpu.example",
         "hpc.example"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct conf *file = NULL;
        struct site_conf s = {0};
        struct err why = {{0}};
        assert_int_equal(read_text(cases[i].text, &file, &s, &why), 0);
        assert_string_equal(s.hosts[0], cases[i].first);
        if (cases[i].second)
            assert_string_equal(s.hosts[1], cases[i].second);
        else
            assert_null(s.hosts[1]);
        site_conf_done(&s);
        conf_free(file);
    }
}

static void a_campus_behind_one_address_is_not_cut_off(void **state)
{
    struct conf *file = NULL;
    struct site_conf s = {0};
    struct err why = {{0}};
    (void)state;
    assert_int_equal(read_text("[portal]\ntls = no\n" REST, &file, &s, &why), 0);
    assert_int_equal(s.connections_per_address, 256);
    site_conf_done(&s);
    conf_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_section_says_what_to_do),
        cmocka_unit_test(hosts_follow_from_the_address_unless_given),
        cmocka_unit_test(a_campus_behind_one_address_is_not_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* The table of statements, the translation of the server's errors, and the section [database].
 * That each statement can be prepared is shown against a real server by
 * tests/flow/test_db.py. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quota/db/db_internal.h"
#include "tests/unit/test.h"

static void every_statement_has_a_role_and_one_text(void **state)
{
    (void)state;
    for (int i = 0; i < SQL_COUNT; i++) {
        assert_true(sql_roles[i] > 0 && sql_roles[i] <= 15);
        assert_true(strlen(sql_texts[i]) > 5);
        assert_null(strchr(sql_texts[i], ';'));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(sql_names[i], sql_names[k]);
    }
}

static void nobody_writes_budgets_or_transfers_but_the_procedures(void **state)
{
    static const char *const words[] = {
        "UPDATE budget",        "INSERT INTO transfer", "UPDATE transfer",
        "DELETE FROM transfer", "UPDATE job",           "INSERT INTO event",
        "INSERT INTO budget",   "DELETE FROM audit",    "UPDATE event"};
    (void)state;
    for (int i = 0; i < SQL_COUNT; i++)
        for (size_t k = 0; k < COUNT(words); k++)
            if (strstr(sql_texts[i], words[k]) && !strstr(sql_texts[i], "waits_for"))
                fail_msg("%s: %s", sql_names[i], words[k]);
}

static void errors_that_mean_repeat_are_told_apart(void **state)
{
    static const struct {
        unsigned code;
        int r;
    } cases[] = {
        {1213, -EAGAIN},   /* deadlock */
        {1205, -EAGAIN},   /* lock wait */
        {1020, -EAGAIN},   /* record has changed */
        {2002, -ENOTCONN}, /* no socket */
        {2006, -ENOTCONN}, /* gone away */
        {2013, -ENOTCONN}, /* lost during query */
        {1053, -ENOTCONN}, /* shutting down */
        {1969, -ENOTCONN}, /* took too long */
        {1062, -EEXIST},   /* duplicate key */
        {30001, -EPERM},   {30002, -EPERM}, {30003, -EBADE}, {1064, -EIO}, /* syntax */
        {1146, -EIO},      {1142, -EIO},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(db_errno(cases[i].code), cases[i].r);
}

static int read_section(const char *text, struct err *e)
{
    char path[] = "/tmp/ff-test-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct conf *c = NULL;
    struct db_conf out;
    int r = conf_read(path, &c, e);
    if (r == 0)
        r = db_conf_read(c, &out, e);
    conf_free(c);
    unlink(path);
    return r;
}

static void a_server_is_reached_by_socket_or_by_tls(void **state)
{
    static const struct {
        const char *text, *says; /* NULL: taken */
    } cases[] = {
        {"[database]\nsocket = /s\n", NULL},
        {"[database]\nhost = db.example\nca = /ca.pem\n", NULL},
        {"[database]\nhost = db.example\nca = /ca.pem\nport = 3307\n", NULL},
        {"[database]\n", "either socket or host"},
        {"", "either socket or host"},
        {"[database]\nsocket = /s\nhost = db.example\n", "either socket or host"},
        {"[database]\nhost = db.example\n", "needs ca"},
        {"[database]\nsocket = s\n", "beginning with '/'"},
        {"[database]\nsocket = /s\nport = 0\n", "1 to 65535"},
        {"[database]\nsocket = /s\nname = aaaaaaaaaaaaaaaaaaaaaaaaa\n", "from 1 to 24"},
        {"[database]\nsocket = /s\nuser = root\n", "has no key 'user'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err e = {""};
        assert_int_equal(read_section(cases[i].text, &e), cases[i].says ? -EINVAL : 0);
        if (cases[i].says && !strstr(e.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", e.text, cases[i].says);
    }
}

static void texts_and_nothing_are_bound_as_such(void **state)
{
    (void)state;
    assert_int_equal(db_text(NULL).type, DB_TYPE_NULL);
    assert_int_equal(db_text("abc").len, 3);
    assert_int_equal(DB_I64_OR_NULL(0).type, DB_TYPE_NULL);
    assert_int_equal(DB_I64_OR_NULL(5).i64, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_statement_has_a_role_and_one_text),
        cmocka_unit_test(nobody_writes_budgets_or_transfers_but_the_procedures),
        cmocka_unit_test(errors_that_mean_repeat_are_told_apart),
        cmocka_unit_test(a_server_is_reached_by_socket_or_by_tls),
        cmocka_unit_test(texts_and_nothing_are_bound_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

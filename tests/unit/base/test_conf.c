// SPDX-License-Identifier: Apache-2.0
/* The configuration file: typed values out, and complaints that name file, line, key and
 * remedy. */
#include "runner/base/conf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

struct demo {
    const char *name;
    int64_t gpus, grace_ms, size_bytes, kind;
    bool tls;
    struct conf_list hosts;
};

static const char *const kinds[] = {"range", "nss", NULL};

static const struct conf_key keys[] = {
    {"name", CONF_TEXT, offsetof(struct demo, name), NULL, 1, 20, NULL, "what it is called"},
    {"gpus", CONF_INT, offsetof(struct demo, gpus), "0", 0, 64, NULL, "declared slots"},
    {"grace", CONF_DURATION, offsetof(struct demo, grace_ms), "30s", 0, 3600000, NULL,
     "to KILL"},
    {"size", CONF_SIZE, offsetof(struct demo, size_bytes), "64M", 1, 1 << 30, NULL, "of a log"},
    {"kind", CONF_CHOICE, offsetof(struct demo, kind), "range", 0, 0, kinds, "of accounts"},
    {"tls", CONF_BOOL, offsetof(struct demo, tls), "yes", 0, 0, NULL, "whether to encrypt"},
    {"hosts", CONF_LIST, offsetof(struct demo, hosts), "", 0, 0, NULL, "names"},
};

static int read_file(const char *text, struct conf **out, struct err *e)
{
    char path[] = "/tmp/confXXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int r = conf_read(path, out, e);
    unlink(path);
    return r;
}

static int read_text(const char *text, struct demo *out, struct err *e)
{
    struct conf *c = NULL;
    int r = read_file(text, &c, e);
    if (r == 0)
        r = conf_apply(c, "demo", NULL, keys, COUNT(keys), out, e);
    if (r == 0)
        r = conf_check(c, (const char *const[]){"other", NULL}, e);
    if (r == 0) { /* values live with the file: look at what is needed before it goes */
        assert_string_equal(out->name, "fire");
        if (out->hosts.count)
            assert_string_equal(out->hosts.items[out->hosts.count - 1], "b");
    }
    conf_free(c);
    return r;
}

static void values_are_typed_and_defaults_filled_in(void **state)
{
    struct demo d;
    struct err e = {0};
    (void)state;
    assert_int_equal(read_text("# a comment\n[other]\nx = 1\n[demo]\nname = fire\n gpus=8 \n"
                               "grace = 1m\nkind = nss\nhosts = a  b\n",
                               &d, &e),
                     0);
    assert_int_equal(d.gpus, 8);
    assert_int_equal(d.grace_ms, 60000);
    assert_int_equal(d.size_bytes, 64 << 20);
    assert_int_equal(d.kind, 1);
    assert_true(d.tls);
    assert_int_equal(d.hosts.count, 2);
}

static void every_complaint_names_line_key_and_remedy(void **state)
{
    static const struct {
        const char *text, *line, *word;
    } cases[] = {
        {"[demo]\nname = fire\ngpu = 8\n", ":3:", "has no key 'gpu'"},
        {"[demo]\nname = fire\ngpus = 65\n", ":3:", "from 0 to 64"},
        {"[demo]\nname = fire\ngpus = many\n", ":3:", "a whole number"},
        {"[demo]\nname = fire\ngrace = 25:61\n", ":3:", "a duration like"},
        {"[demo]\nname = fire\nkind = ldap\n", ":3:", "one of range nss"},
        {"[demo]\nname = fire\ntls = true\n", ":3:", "yes or no"},
        {"[demo]\nname = fire\nname = ice\n", ":3:", "line 2 already"},
        {"[demo]\nname = fire\n[demo]\n", ":3:", "line 1 already"},
        {"[demo]\nname = fire\n[oops]\n", ":3:", "no section [oops]"},
        {"[demo]\nname fire\n", ":2:", "write key = value"},
        {"name = fire\n", ":1:", "before any [section]"},
        {"[demo\n", ":1:", "ends with ']'"},
        {"[demo]\n", "needs the key 'name'", "what it is called"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct demo d;
        struct err e = {0};
        assert_int_equal(read_text(cases[i].text, &d, &e), -EINVAL);
        assert_non_null(strstr(e.text, cases[i].line));
        assert_non_null(strstr(e.text, cases[i].word));
    }
}

static void a_value_of_another_programs_section_is_shown_as_it_stands(void **state)
{
    struct conf *c = NULL;
    struct err e = {0};
    (void)state;
    assert_int_equal(
        read_file("[demo]\nname = fire\n[agent]\nclients = /usr/bin/a  /usr/bin/b\n", &c, &e),
        0);
    assert_string_equal(conf_text(c, "agent", NULL, "clients"), "/usr/bin/a  /usr/bin/b");
    assert_null(conf_text(c, "agent", NULL, "name"));
    assert_null(conf_text(c, "agent", "other", "clients"));
    assert_null(conf_text(c, "portal", NULL, "clients"));
    conf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_typed_and_defaults_filled_in),
        cmocka_unit_test(a_value_of_another_programs_section_is_shown_as_it_stands),
        cmocka_unit_test(every_complaint_names_line_key_and_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

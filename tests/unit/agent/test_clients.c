// SPDX-License-Identifier: Apache-2.0
/* The configuration's programs: which can be run, and what is said of the others. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/agent/clients.h"
#include "runner/agent/settings.h"
#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static char folder[] = "/tmp/clients-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* A file in the folder; its absolute path, to be freed. */
static char *make_file(const char *name, const char *text, mode_t mode)
{
    char *path = NULL;
    FILE *f = fopen(name, "w");
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(name, mode), 0);
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static void a_program_is_found_by_the_last_part_of_its_path(void **state)
{
    const char *items[] = {"/usr/bin/true", "/usr/bin/false"};
    const struct conf_list paths = {items, COUNT(items)};
    AUTO(clients_done) struct clients c = {0};
    struct err why = {{0}};
    (void)state;
    assert_int_equal(clients_open(&c, &paths, true, NULL), 0);
    assert_true(clients_find(&c, "true", NULL) > 2);
    assert_int_not_equal(clients_find(&c, "true", NULL), clients_find(&c, "false", NULL));
    static const char *const others[] = {"", "tru", "true2", "/usr/bin/true", "sh"};
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(clients_find(&c, others[i], &why), -ENOENT);
    assert_non_null(strstr(why.text, "sh"));
}

static void what_cannot_be_run_is_refused_with_its_path(void **state)
{
    static const struct {
        const char *text, *says;
        mode_t mode;
        bool is_root;
    } cases[] = {
        {"ELF", NULL, 0755, false},
        {"ELF", NULL, 0775, false},
        {"ELF", "others than root", 0775, true},
        {"ELF", "others than root", 0757, true},
        {"ELF", "is no program", 0644, false},
        {"#!/bin/sh\n", "is a script", 0755, false},
        {"#", NULL, 0755, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(cleanup_free) char *path = make_file("tool", cases[i].text, cases[i].mode);
        const char *items[] = {path};
        const struct conf_list paths = {items, 1};
        AUTO(clients_done) struct clients c = {0};
        struct err why = {{0}};
        assert_int_equal(clients_open(&c, &paths, cases[i].is_root, NULL), 0);
        int fd = clients_find(&c, "tool", &why);
        assert_int_equal(fd >= 0, !cases[i].says);
        if (cases[i].says && (!strstr(why.text, cases[i].says) || !strstr(why.text, path)))
            fail_msg("%s", why.text);
        unlink("tool");
    }
}

static void what_is_not_there_keeps_nothing_from_starting(void **state)
{
    const char *items[] = {"/nowhere/sbatch", "/usr/bin", "/dev/null", "/usr/bin/true"};
    const struct conf_list paths = {items, COUNT(items)};
    AUTO(clients_done) struct clients c = {0};
    struct err why = {{0}};
    (void)state;
    assert_int_equal(clients_open(&c, &paths, false, NULL), 0);
    assert_int_equal(clients_find(&c, "sbatch", &why), -ENOENT);
    assert_non_null(strstr(why.text, "/nowhere/sbatch"));
    assert_int_equal(clients_find(&c, "bin", NULL), -ENOENT);
    assert_int_equal(clients_find(&c, "null", NULL), -ENOENT);
    assert_true(clients_find(&c, "true", NULL) >= 0);
}

static void two_of_a_name_are_refused(void **state)
{
    const char *items[] = {"/usr/bin/true", "/opt/true"};
    const struct conf_list paths = {items, COUNT(items)};
    AUTO(clients_done) struct clients c = {0};
    (void)state;
    assert_int_equal(clients_open(&c, &paths, false, NULL), -EINVAL);
}

AUTO_FREE(conf_free, struct conf)

static void their_settings_are_checked(void **state)
{
    static const struct {
        const char *line, *says; /* NULL: taken */
    } cases[] = {
        {"", NULL},
        {"clients = /usr/bin/sbatch /usr/bin/scancel\n", NULL},
        {"clients = sbatch\n", "sbatch: write its absolute path"},
        {"clients = /usr/bin/sbatch ./x\n", "./x"},
        {"clients_environment = SLURM_CONF=/etc/slurm.conf A_1=b=c\n", NULL},
        {"clients_environment = SLURM_CONF\n", "SLURM_CONF: write NAME=value"},
        {"clients_environment = =x\n", "write NAME=value"},
        {"clients_environment = a=x\n", "a=x"},
        {"clients_max = 0\n", "clients_max"},
        {"clients_max = 257\n", "clients_max"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(cleanup_free) char *text = NULL;
        AUTO(conf_freep) struct conf *conf = NULL;
        struct settings s;
        struct err why = {{0}};
        assert_true(asprintf(&text,
                             "[agent]\nsocket=/a\nstate=/b\nspool=/c\nlogs=/d\nservice_uid=1\n"
                             "jobs_root=/e\nprojects_root=/f\nprograms=/g\n%s",
                             cases[i].line) > 0);
        AUTO(cleanup_free) char *path = make_file("conf", text, 0600);
        assert_int_equal(conf_read(path, &conf, NULL), 0);
        unlink("conf");
        int r = settings_read(conf, &s, &why);
        if ((r == 0) != !cases[i].says || (r < 0 && !strstr(why.text, cases[i].says)))
            fail_msg("%s: %d %s", cases[i].line, r, why.text);
        if (r == 0)
            assert_int_equal(s.clients_max, 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_found_by_the_last_part_of_its_path),
        cmocka_unit_test(what_cannot_be_run_is_refused_with_its_path),
        cmocka_unit_test(what_is_not_there_keeps_nothing_from_starting),
        cmocka_unit_test(two_of_a_name_are_refused),
        cmocka_unit_test(their_settings_are_checked),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

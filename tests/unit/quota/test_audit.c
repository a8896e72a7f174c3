// SPDX-License-Identifier: Apache-2.0
/* The audit's chain: the canonical text, the seals, and the head's file. */
#include "quota/audit_head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/secret.h"
#include "tests/unit/test.h"

#define KEY "0123456789abcdef0123456789abcdef"

static const struct audit_row plain = {.id = 12,
                                       .at_ms = 1790000000123,
                                       .actor = "alice as root",
                                       .origin = "quota host",
                                       .verb = "grant",
                                       .object = "allocation 3",
                                       .reason = "proposal 12",
                                       .before_text = "",
                                       .after_text = "5 000 h, \xc3\xbc",
                                       .request_key = "settle-grant-climate",
                                       .chain_no = 7,
                                       .seal = ""};

static void the_canonical_text_is_netstrings_of_all_columns(void **state)
{
    AUTO(buf_done) struct buf text = BUF_INIT(AUDIT_TEXT_MAX);
    (void)state;
    audit_text(&plain, &text);
    assert_string_equal(buf_text(&text),
                        "1:7,2:12,13:1790000000123,13:alice as root,10:quota host,5:grant,"
                        "12:allocation 3,11:proposal 12,0:,11:5 000 h, \xc3\xbc,"
                        "20:settle-grant-climate,");
}

/* Computed once by another program from the same definition. */
static void a_seal_is_what_others_compute_too(void **state)
{
    char seal[DIGEST_HEX];
    (void)state;
    audit_seal(KEY, audit_no_seal, &plain, seal);
    assert_string_equal(seal,
                        "79206a0fbcc35356db9cd0fb8be1e42299e0c649d7244dfc6438b1193837a7cc");
}

static void whatever_is_changed_changes_the_seal(void **state)
{
    struct audit_row rows[16];
    size_t n = 0;
    char seals[COUNT(rows) + 2][DIGEST_HEX];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] = plain;
    rows[n++].id++;
    rows[n++].at_ms++;
    rows[n++].chain_no++;
    rows[n++].actor = "alice";
    rows[n++].origin = "quota hosT";
    rows[n++].verb = "revoke";
    rows[n++].object = "allocation 30";
    rows[n++].reason = "";
    rows[n++].before_text = "x";
    rows[n++].after_text = "5 000 h";
    rows[n++].request_key = "settle-grant-climate.";
    rows[n].actor = "alice as rootq"; /* a letter from one column into the next */
    rows[n++].origin = "uota host";
    rows[n].verb = "";
    rows[n++].object = "grantallocation 3";
    rows[n].before_text = plain.after_text;
    rows[n++].after_text = "";
    rows[n].id = plain.chain_no;
    rows[n++].chain_no = plain.id;
    for (size_t i = 0; i < n; i++)
        audit_seal(KEY, audit_no_seal, &rows[i], seals[i]);
    audit_seal(KEY, audit_no_seal, &plain, seals[n++]);
    audit_seal(KEY, seals[0], &plain, seals[n++]);
    audit_seal(KEY "x", audit_no_seal, &plain, seals[n++]);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seals[i], seals[k]);
}

static void the_longest_row_can_be_sealed(void **state)
{
    char text[8001], seal[DIGEST_HEX];
    struct audit_row row = plain;
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[8000] = '\0';
    row.before_text = row.after_text = text;
    row.reason = text + 7200; /* 200 characters of 4 bytes */
    row.chain_no = row.id = row.at_ms = INT64_MAX;
    audit_seal(KEY, audit_no_seal, &row, seal);
    assert_int_equal(strlen(seal), AUDIT_SEAL_LEN);
}

/* ---- files */

struct folder {
    char path[32], file[64];
};

static int make_folder(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));
    strcpy(f->path, "/tmp/audit-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->file, sizeof(f->file), "%s/file", f->path);
    *state = f;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *f = *state;
    unlink(f->file);
    rmdir(f->path);
    free(f);
    return 0;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(path, 0600);
}

static void a_head_that_was_written_is_read_again(void **state)
{
    struct folder *f = *state;
    struct audit_head head = {.no = 0}, got = {.no = -7};
    struct err why;
    assert_int_equal(audit_head_read(f->file, &got, &why), -ENOENT);
    memcpy(head.seal, audit_no_seal, sizeof(head.seal));
    for (head.no = 0; head.no < 3; head.no++) {
        assert_int_equal(audit_head_write(f->file, &head, &why), 0);
        assert_int_equal(audit_head_read(f->file, &got, &why), 0);
        assert_int_equal(got.no, head.no);
        assert_string_equal(got.seal, head.seal);
    }
    struct stat st;
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(audit_head_write("/nowhere/head", &head, &why) < 0);
    assert_non_null(strstr(why.text, "/nowhere/head"));
}

static void what_is_no_head_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "7\n",
        "7 abc\n",
        "-1 0000000000000000000000000000000000000000000000000000000000000000\n",
        "x 0000000000000000000000000000000000000000000000000000000000000000\n",
        " 7 0000000000000000000000000000000000000000000000000000000000000000\n",
        "7  0000000000000000000000000000000000000000000000000000000000000000\n",
        "7 0000000000000000000000000000000000000000000000000000000000000000",
        "7 000000000000000000000000000000000000000000000000000000000000000\n",
        "7 00000000000000000000000000000000000000000000000000000000000000000\n",
        "7 000000000000000000000000000000000000000000000000000000000000000G\n",
        "7 000000000000000000000000000000000000000000000000000000000000000A\n",
        "99999999999999999999 "
        "0000000000000000000000000000000000000000000000000000000000000000\n",
        "7 0000000000000000000000000000000000000000000000000000000000000000\nmore\n",
    };
    struct folder *f = *state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct audit_head head = {.no = -7};
        struct err why;
        put(f->file, bad[i]);
        assert_int_equal(audit_head_read(f->file, &head, &why), -EBADMSG);
        assert_int_equal(head.no, -7);
    }
}

static void a_key_is_long_and_nobody_elses(void **state)
{
    struct folder *f = *state;
    char *key = NULL;
    struct err why;
    put(f->file, KEY "\n");
    assert_int_equal(audit_key_read(f->file, &key, &why), 0);
    assert_string_equal(key, KEY);
    secret_free(key);
    chmod(f->file, 0640);
    assert_int_equal(audit_key_read(f->file, &key, &why), -EACCES);
    assert_non_null(strstr(why.text, "[seal] key_file"));
    static const char *const bad[] = {"", "short\n", "0123456789abcdef0123456789abcde\n",
                                      KEY "\n" KEY "\n"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        put(f->file, bad[i]);
        assert_int_equal(audit_key_read(f->file, &key, &why), -EINVAL);
    }
    unlink(f->file);
    assert_int_equal(audit_key_read(f->file, &key, &why), -ENOENT);
}

static void root_may_read_runnerds_key(void **state)
{
    struct folder *f = *state;
    char *key = NULL;
    struct err why;
    put(f->file, KEY "\n");
    if (geteuid() != 0 || chown(f->file, 1, 1) < 0)
        skip();
    assert_int_equal(secret_read(f->file, &key, &why), -EACCES);
    assert_int_equal(audit_key_read(f->file, &key, &why), 0);
    assert_string_equal(key, KEY);
    secret_free(key);
    chmod(f->file, 0604);
    assert_int_equal(audit_key_read(f->file, &key, &why), -EACCES);
}

static void the_section_names_both_files_or_none(void **state)
{
    static const struct {
        const char *text;
        int r;
    } cases[] = {
        {"", 0},
        {"[seal]\n", 0},
        {"[seal]\nkey_file = /k\nhead_file = /h\n", 0},
        {"[seal]\nkey_file = /k\n", -EINVAL},
        {"[seal]\nhead_file = /h\n", -EINVAL},
        {"[seal]\nkey_file = k\nhead_file = /h\n", -EINVAL},
        {"[seal]\nkey = /k\n", -EINVAL},
    };
    struct folder *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct conf *conf = NULL;
        struct audit_conf got;
        struct err why;
        put(f->file, cases[i].text);
        assert_int_equal(conf_read(f->file, &conf, &why), 0);
        assert_int_equal(audit_conf_read(conf, &got, &why), cases[i].r);
        conf_free(conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canonical_text_is_netstrings_of_all_columns),
        cmocka_unit_test(a_seal_is_what_others_compute_too),
        cmocka_unit_test(whatever_is_changed_changes_the_seal),
        cmocka_unit_test(the_longest_row_can_be_sealed),
        cmocka_unit_test_setup_teardown(a_head_that_was_written_is_read_again, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_is_no_head_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_key_is_long_and_nobody_elses, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(root_may_read_runnerds_key, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_section_names_both_files_or_none, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

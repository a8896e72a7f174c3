// SPDX-License-Identifier: Apache-2.0
/* Checks auth/entry.c and auth/certificate.c: bytes into a person, and into two facts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "auth/certificate.h"
#include "auth/directory_conf.h"
#include "auth/entry.h"

static const struct directory plain = {
    .name = "north",
    .login_attribute = "uid",
    .id_attribute = "entryUUID",
    .name_attribute = "cn",
    .mail_attribute = "mail",
    .uid_attribute = "uidNumber",
    .gid_attribute = "gidNumber",
    .member_of_attribute = "memberOf",
    .disabled_attribute = "",
    .group_base = "ou=groups,dc=x",
    .group_name_attribute = "cn",
    .group_gid_attribute = "gidNumber",
    .tenant = "north",
    .tenant_attribute = "",
    .id_format = ID_TEXT,
    .login_lowercase = ANSWER_NO,
};

static void put(struct entry *entry, const char *attribute, const char *value)
{
    entry_add(entry, attribute, value, strlen(value));
}

static struct entry *alice(void)
{
    struct entry *entry = entry_new("uid=alice,dc=x");
    put(entry, "UID", "alice");
    put(entry, "entryuuid", "1-2-3");
    put(entry, "uidNumber", "20001");
    return entry;
}

static void a_bare_entry_is_a_person(void **state)
{
    (void)state;
    AUTO(entry_freep) struct entry *entry = alice();
    AUTO(identity_freep) struct identity *who = NULL;
    assert_int_equal(entry_read(&plain, entry, &who, NULL), 0);
    assert_string_equal(who->login, "alice");
    assert_string_equal(who->name, "alice");
    assert_string_equal(who->mail, "");
    assert_int_equal(who->uid, 20001);
    assert_int_equal(who->gid, -1);
    assert_int_equal(entry_tenant(&plain, entry, who, NULL), 0);
    assert_string_equal(who->tenant, "north");
}

static void an_entry_that_is_not_as_it_should_be_is_no_person(void **state)
{
    (void)state;
    static const struct {
        const char *attribute, *value;
        size_t len;
    } more[] = {
        {"uid", "alice2", 6},  {"entryUUID", "4", 1},       {"uidNumber", "20001", 5},
        {"gidNumber", "", 0},  {"gidNumber", "30001\0", 6}, {"gidNumber", "0", 1},
        {"gidNumber", "x", 1},
    };
    for (size_t i = 0; i < COUNT(more); i++) {
        AUTO(entry_freep) struct entry *entry = alice();
        struct identity *who = NULL;
        struct err e = {0};
        entry_add(entry, more[i].attribute, more[i].value, more[i].len);
        assert_int_equal(entry_read(&plain, entry, &who, &e), -EACCES);
        assert_null(who);
        assert_non_null(strstr(e.text, "uid=alice,dc=x"));
    }
}

static void names_and_mails_that_cannot_be_shown_are_left_out(void **state)
{
    (void)state;
    AUTO(entry_freep) struct entry *entry = alice();
    AUTO(identity_freep) struct identity *who = NULL;
    put(entry, "cn", "\xff\xfe");
    put(entry, "cn", "Alice the Second");
    put(entry, "mail", "nothing");
    assert_int_equal(entry_read(&plain, entry, &who, NULL), 0);
    assert_string_equal(who->name, "Alice the Second");
    assert_string_equal(who->mail, "");
}

static void groups_count_only_below_their_base(void **state)
{
    (void)state;
    AUTO(entry_freep) struct entry *entry = alice();
    AUTO(identity_freep) struct identity *who = NULL;
    put(entry, "memberOf", "cn=admins,dc=x");
    put(entry, "memberOf", "cn=users,OU=Groups,dc=x");
    put(entry, "memberOf", "nonsense");
    entry_add(entry, "memberOf", "cn=a,ou=groups,dc=x\0,dc=y", 25);
    assert_int_equal(entry_read(&plain, entry, &who, NULL), 0);
    assert_int_equal(who->group_count, 1);
    assert_string_equal(who->groups[0].name, "users");
}

static void a_switched_off_account_is_seen(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t mask;
        bool is_disabled;
    } cases[] = {
        {NULL, 2, false},    {"512", 2, false}, {"514", 2, true},  {"66050", 2, true},
        {"-1", 2, true},     {"junk", 2, true}, {"TRUE", 0, true}, {"true", 0, true},
        {"FALSE", 0, false}, {"", 0, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(entry_freep) struct entry *entry = alice();
        struct directory d = plain;
        d.disabled_attribute = "off";
        d.disabled_mask = cases[i].mask;
        if (cases[i].value)
            put(entry, "off", cases[i].value);
        assert_int_equal(entry_is_disabled(&d, entry), cases[i].is_disabled);
    }
}

static void the_tenant_comes_from_the_attribute(void **state)
{
    (void)state;
    static const char *map[] = {"north.example:north", "urn:x:south:south"};
    static const struct {
        const char *value;
        bool is_mapped;
        const char *tenant; /* NULL: refused */
    } cases[] = {
        {"north", false, "north"},
        {"North", false, NULL},
        {"North.Example", true, "north"},
        {"urn:x:south", true, "south"},
        {"north", true, NULL},
        {"", true, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(entry_freep) struct entry *entry = alice();
        AUTO(identity_freep) struct identity *who = NULL;
        struct directory d = plain;
        d.tenant = "";
        d.tenant_attribute = "o";
        d.tenants =
            cases[i].is_mapped ? (struct conf_list){map, COUNT(map)} : (struct conf_list){0};
        put(entry, "o", cases[i].value);
        assert_int_equal(entry_read(&d, entry, &who, NULL), 0);
        int r = entry_tenant(&d, entry, who, NULL);
        assert_int_equal(r, cases[i].tenant ? 0 : -EACCES);
        assert_string_equal(who->tenant, cases[i].tenant ? cases[i].tenant : "");
    }
}

/* The head of a certificate (RFC 5280, 4.1) up to its subject. */
static const unsigned char head[] = {
    0x30, 0x40, 0x30, 0x3e, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01, 0x30, 0x00,
    0x30, 0x00, 0x30, 0x1e, 0x17, 0x0d, '2',  '6',  '0',  '1',  '0',  '1',  '0',  '0',
    '0',  '0',  '0',  '0',  'Z',  0x17, 0x0d, '3',  '0',  '0',  '2',  '0',  '3',  '0',
    '4',  '0',  '5',  '0',  '6',  'Z',  0x30, 0x10, 0x31, 0x0e, 0x30, 0x0c, 0x06, 0x03,
    0x55, 0x04, 0x03, 0x0c, 0x05, 'l',  'd',  'a',  'p',  '1'};

static void a_certificate_gives_its_subject_and_its_end(void **state)
{
    (void)state;
    struct certificate found;
    assert_int_equal(certificate_read(head, sizeof(head), &found), 0);
    assert_string_equal(found.subject, "cn=ldap1");
    assert_int_equal(found.not_after_ms, 1896321906000); /* 2030-02-03 04:05:06 UTC */
}

static void no_part_of_a_certificate_and_no_changed_byte_is_read_beyond_its_end(void **state)
{
    (void)state;
    struct certificate found;
    for (size_t len = 0; len < sizeof(head); len++)
        certificate_read(head, len, &found);
    assert_int_equal(certificate_read("", 0, &found), -EINVAL);
    for (size_t i = 0; i < sizeof(head); i++) {
        unsigned char copy[sizeof(head)];
        memcpy(copy, head, sizeof(head));
        for (int b = 0; b < 256; b++) {
            copy[i] = (unsigned char)b;
            certificate_read(copy, sizeof(copy), &found); /* ASan is the judge */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_entry_is_a_person),
        cmocka_unit_test(an_entry_that_is_not_as_it_should_be_is_no_person),
        cmocka_unit_test(names_and_mails_that_cannot_be_shown_are_left_out),
        cmocka_unit_test(groups_count_only_below_their_base),
        cmocka_unit_test(a_switched_off_account_is_seen),
        cmocka_unit_test(the_tenant_comes_from_the_attribute),
        cmocka_unit_test(a_certificate_gives_its_subject_and_its_end),
        cmocka_unit_test(no_part_of_a_certificate_and_no_changed_byte_is_read_beyond_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

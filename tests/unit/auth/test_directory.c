// SPDX-License-Identifier: Apache-2.0
/* Checks the options of [directory NAME]: what the types preset, and the complaint for each
 * mistake. Servers are asked in tests/flow/test_directory.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/directory.h"
#include "auth/directory_conf.h"
#include "runner/base/buf.h"

AUTO_FREE(conf_free, struct conf)

static char folder[] = "/tmp/ffXXXXXX";
static char path[64], secret[64];

#define WHOLE                                                                                  \
    "uri = ldaps://ldap.north.example\nuser_base = ou=people,dc=north\ntenant = north\n"

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fchmod(fileno(file), mode), 0);
    fclose(file);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/conf", folder);
    snprintf(secret, sizeof(secret), "%s/secret", folder);
    write_file(secret, "password\n", 0600);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(secret);
    return rmdir(folder);
}

/* Reads one section with these lines; texts of 'd' live as long as 'c'. */
static int read_section(const char *lines, struct conf **c, struct directory *d, struct err *e)
{
    AUTO(buf_done) struct buf text = BUF_INIT(64 * 1024);
    buf_printf(&text, "[directory north]\n%s", lines);
    write_file(path, buf_text(&text), 0600);
    assert_int_equal(conf_read(path, c, e), 0);
    return directory_conf_read(*c, "north", d, e);
}

static void three_keys_are_enough(void **state)
{
    (void)state;
    AUTO(conf_freep) struct conf *c = NULL;
    struct directory d;
    struct err e = {0};
    assert_int_equal(read_section(WHOLE, &c, &d, &e), 0);
    assert_string_equal(d.title, "north");
    assert_string_equal(d.user_filter, "(uid=%u)");
    assert_string_equal(d.id_attribute, "entryUUID");
    assert_string_equal(d.disabled_attribute, "");
    assert_int_equal(d.tls, TLS_STARTTLS);
    assert_int_equal(d.whoami, WHOAMI_DN);
    assert_int_equal(d.connect_timeout, 2000);
    assert_int_equal(d.timeout, 5000);
    assert_string_equal(d.group_template,
                        "(|(&(objectClass=posixGroup)(|(memberUid=%u)(gidNumber=%g)))"
                        "(&(objectClass=groupOfNames)(member=%d)))");
    directory_conf_done(&d);
}

static void a_type_presets_and_the_section_decides(void **state)
{
    (void)state;
    AUTO(conf_freep) struct conf *c = NULL;
    struct directory d;
    struct err e = {0};
    assert_int_equal(read_section(WHOLE "type = ad\nuid_attribute = none\nmail_attribute = "
                                        "userPrincipalName\ntitle = Our AD\n",
                                  &c, &d, &e),
                     0);
    assert_string_equal(d.login_attribute, "sAMAccountName");
    assert_string_equal(d.id_attribute, "objectGUID");
    assert_int_equal(d.id_format, ID_GUID);
    assert_int_equal(d.login_lowercase, ANSWER_YES);
    assert_int_equal(d.whoami, WHOAMI_ANY);
    assert_string_equal(d.disabled_attribute, "userAccountControl");
    assert_int_equal(d.disabled_mask, 2);
    assert_string_equal(d.uid_attribute, "");
    assert_string_equal(d.mail_attribute, "userPrincipalName");
    assert_string_equal(d.title, "Our AD");
    assert_non_null(strstr(d.group_template, "1.2.840.113556.1.4.1941:=%d"));
    directory_conf_done(&d);
}

static void each_mistake_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *told;
    } cases[] = {
        {"", "needs the key 'uri'"},
        {"uri = ldaps://x\ntenant = north\n", "needs the key 'user_base'"},
        {WHOLE "urls = x\n", "urls"},
        {WHOLE "type = novell\n", "openldap ad 389ds"},
        {WHOLE "tls = maybe\n", "starttls ldaps none"},
        {WHOLE "timeout = 0\n", "timeout"},
        {WHOLE "timeout = 1h\n", "timeout"},
        {WHOLE "timeout = 1s\n", "connect_timeout is longer than timeout"},
        {"uri = \nuser_base = dc=x\ntenant = x\n", "uri"},
        {"uri = http://x\nuser_base = dc=x\ntenant = x\n", "uri http://x"},
        {"uri = ldap://\nuser_base = dc=x\ntenant = x\n", "its host is missing"},
        {"uri = ldap://x/dc=y\nuser_base = dc=x\ntenant = x\n",
         "give only scheme, host and port"},
        {"uri = ldapi://x\nuser_base = dc=x\ntenant = x\n", "ldapi://%2Frun"},
        {"uri = ldap://x\ntls = none\nuser_base = dc=x\ntenant = x\n",
         "passwords in the clear to another machine"},
        {"uri = ldap://127.0.0.1.x.example\ntls = none\nuser_base = dc=x\ntenant = x\n",
         "passwords in the clear to another machine"},
        {"uri = ldaps://a ldap://b\ntls = ldaps\nuser_base = dc=x\ntenant = x\n",
         "uri ldap://b: tls = ldaps wants ldaps://"},
        {"uri = ldaps://x\nuser_base = people\ntenant = x\n", "user_base 'people': not a DN"},
        {"uri = ldaps://x\nuser_base = \ntenant = x\n", "user_base '': not a DN"},
        {WHOLE "group_base = x\n", "group_base 'x': not a DN"},
        {WHOLE "admin_group = staff\n", "need group_base"},
        {WHOLE "group_base = dc=x\nadmin_group = cn\\=x=\n", "admin_group"},
        {WHOLE "bind_dn = cn=a,dc=x\n", "belong together"},
        {WHOLE "bind_password_file = /nowhere\n", "belong together"},
        {WHOLE "bind_dn = cn=a,dc=x\nbind_password_file = /nowhere\n",
         "secret file /nowhere: No such file"},
        {WHOLE "bind_dn = cn=a,dc=x\nbind_password_file = secret\n",
         "a path beginning with '/'"},
        {WHOLE "bind_method = external\nbind_dn = cn=a,dc=x\n", "takes no bind_dn"},
        {WHOLE "client_cert_file = /x\n", "belong together"},
        {WHOLE "user_filter = (uid=alice)\n", "it needs %u"},
        {WHOLE "user_filter = (uid=%u\n", "count the brackets"},
        {WHOLE "user_filter = (uid=%s)\n", "after '%' comes u, d, g or %"},
        {WHOLE "group_filter = member=%d\n", "group_filter"},
        {WHOLE "group_kinds = posix everything\n", "group_kinds 'everything'"},
        {WHOLE "id_attribute = none\n", "cannot be none"},
        {"uri = ldaps://x\nuser_base = dc=x\n",
         "give tenant = SLUG or tenant_attribute = NAME"},
        {WHOLE "tenant_attribute = o\n", "not both"},
        {"uri = ldaps://x\nuser_base = dc=x\ntenant = North\n", "tenant 'North'"},
        {"uri = ldaps://x\nuser_base = dc=x\ntenant_attribute = o\ntenants = a:B\n",
         "tenants 'a:B'"},
        {WHOLE "tenants = a:b\n", "tenants 'a:b'"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(conf_freep) struct conf *c = NULL;
        struct directory d;
        struct err e = {0};
        int r = read_section(cases[i].lines, &c, &d, &e);
        directory_conf_done(&d);
        if (r >= 0 || !strstr(e.text, cases[i].told))
            fail_msg("case %zu: wanted '%s', got %d '%s'", i, cases[i].told, r, e.text);
    }
}

static void a_password_file_others_can_read_is_refused(void **state)
{
    (void)state;
    AUTO(conf_freep) struct conf *c = NULL;
    struct directory d;
    struct err e = {0};
    char lines[256];
    snprintf(lines, sizeof(lines), WHOLE "bind_dn = cn=a,dc=x\nbind_password_file = %s\n",
             secret);
    assert_int_equal(chmod(secret, 0640), 0);
    assert_int_equal(read_section(lines, &c, &d, &e), -EACCES);
    assert_non_null(strstr(e.text, "chmod 600"));
    directory_conf_done(&d);
    conf_free(TAKE(c));
    assert_int_equal(chmod(secret, 0600), 0);
    assert_int_equal(read_section(lines, &c, &d, &e), 0);
    assert_string_equal(d.bind_password, "password");
    directory_conf_done(&d);
}

static void plain_ldap_is_for_this_machine_alone(void **state)
{
    (void)state;
    static const char *const own[] = {"127.0.0.1", "127.8.9.1", "::1", "localhost",
                                      "LocalHost"};
    static const char *const others[] = {"128.0.0.1",         "10.0.0.1", "::2",
                                         "localhost.example", "",         "127.0.0.1.example",
                                         "0.0.0.0",           "127.1"};
    for (size_t i = 0; i < COUNT(own); i++)
        assert_true(directory_host_is_loopback(own[i]));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(directory_host_is_loopback(others[i]));
}

static void all_sections_are_loaded_and_found(void **state)
{
    (void)state;
    AUTO(conf_freep) struct conf *c = NULL;
    AUTO(directories_freep) struct directories *all = NULL;
    struct err e = {0};
    write_file(path, "[directory north]\n" WHOLE "[site]\nname = x\n[directory south]\n" WHOLE,
               0600);
    assert_int_equal(conf_read(path, &c, &e), 0);
    assert_int_equal(directories_load(c, &all, &e), 0);
    assert_string_equal(directory_name(directories_at(all, 1)), "south");
    assert_null(directories_at(all, 2));
    assert_ptr_equal(directories_find(all, "north"), directories_at(all, 0));
    assert_null(directories_find(all, "east"));
}

static void no_section_is_an_error(void **state)
{
    (void)state;
    AUTO(conf_freep) struct conf *c = NULL;
    struct directories *all = NULL;
    struct err e = {0};
    write_file(path, "[site]\nname = x\n", 0600);
    assert_int_equal(conf_read(path, &c, &e), 0);
    assert_int_equal(directories_load(c, &all, &e), -EINVAL);
    assert_null(all);
    assert_non_null(strstr(e.text, "no [directory NAME] section"));
}

static void logins_as_typed(void **state)
{
    (void)state;
    static char longest[LOGIN_TYPED_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_true(directory_is_login("Alice.B_c-d@x", 13));
    assert_true(directory_is_login(longest, LOGIN_TYPED_MAX));
    assert_false(directory_is_login(longest, LOGIN_TYPED_MAX + 1));
    assert_false(directory_is_login("", 0));
    assert_false(directory_is_login("a\0", 2));
    assert_false(directory_is_login("a b", 3));
    assert_false(directory_is_login("a*", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_keys_are_enough),
        cmocka_unit_test(a_type_presets_and_the_section_decides),
        cmocka_unit_test(each_mistake_is_told),
        cmocka_unit_test(a_password_file_others_can_read_is_refused),
        cmocka_unit_test(plain_ldap_is_for_this_machine_alone),
        cmocka_unit_test(all_sections_are_loaded_and_found),
        cmocka_unit_test(no_section_is_an_error),
        cmocka_unit_test(logins_as_typed),
    };
    directory_init();
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

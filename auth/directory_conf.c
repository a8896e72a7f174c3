// SPDX-License-Identifier: Apache-2.0
/* The table of a directory's options, what each type of server presets, and every check that
 * can be made before a server is asked. Whether the server agrees is check.c's business. */
#include "auth/directory_conf.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <ldap.h>

#include "auth/dn.h"
#include "auth/filter.h"
#include "auth/identity.h"
#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/base/parse.h"
#include "runner/base/secret.h"
#include "runner/base/xnew.h"

static const char *const types[] = {"openldap", "ad", "389ds", NULL};
static const char *const tls_ways[] = {"starttls", "ldaps", "none", NULL};
static const char *const bind_methods[] = {"simple", "external", NULL};
static const char *const whoami_ways[] = {"auto", "dn", "any", "no", NULL};
static const char *const id_formats[] = {"auto", "text", "guid", NULL};
static const char *const answers[] = {"auto", "yes", "no", NULL};
static const char *const scopes[] = {"sub", "one", NULL};

#define TEXT(key, value, max, help)                                                            \
    {                                                                                          \
#key, CONF_TEXT, offsetof(struct directory, key), value, 0, max, NULL, help            \
    }
#define FILE_PATH(key, value, help)                                                            \
    {                                                                                          \
#key, CONF_PATH, offsetof(struct directory, key), value, 0, 0, NULL, help              \
    }
#define LIST(key, value, help)                                                                 \
    {                                                                                          \
#key, CONF_LIST, offsetof(struct directory, key), value, 0, 0, NULL, help              \
    }
#define CHOICE(key, value, choices, help)                                                      \
    {                                                                                          \
#key, CONF_CHOICE, offsetof(struct directory, key), value, 0, 0, choices, help         \
    }
#define TIME(key, value, help)                                                                 \
    {                                                                                          \
#key, CONF_DURATION, offsetof(struct directory, key), value, 1000, 60000, NULL, help   \
    }

enum { ATTRIBUTE_MAX = 64 };

/* Where the value is "" the type's preset stands in. */
static const struct conf_key keys[] = {
    TEXT(title, "", 128, "what people see at the login; the section's name when empty"),
    CHOICE(type, "openldap", types, "the kind of server, which presets the rest"),
    LIST(uri, NULL, "one or more of ldap://HOST ldaps://HOST ldapi://%2Fpath, tried in order"),
    CHOICE(tls, "starttls", tls_ways, "how ldap:// is protected; none only on this machine"),
    FILE_PATH(ca_file, "/etc/ssl/certs/ca-certificates.crt", "who may sign the certificate"),
    FILE_PATH(client_cert_file, "", "our own certificate, if the server asks for one"),
    FILE_PATH(client_key_file, "", "its key, mode 0600"),
    TIME(connect_timeout, "2s", "for connection and TLS with one server"),
    TIME(timeout, "5s", "for a whole login"),
    CHOICE(bind_method, "simple", bind_methods, "external: by ldapi or a client certificate"),
    TEXT(bind_dn, "", DN_MAX, "the service account that reads people and groups"),
    FILE_PATH(bind_password_file, "", "its password, mode 0600"),
    TEXT(user_base, NULL, DN_MAX, "below which people are"),
    CHOICE(user_scope, "sub", scopes, "sub: at any depth, one: directly below"),
    TEXT(user_filter, "", FILTER_MAX, "who is a person; %u is the login"),
    TEXT(login_attribute, "", ATTRIBUTE_MAX, "the login"),
    TEXT(id_attribute, "", ATTRIBUTE_MAX, "what never changes"),
    CHOICE(id_format, "auto", id_formats, "guid: 16 bytes"),
    CHOICE(login_lowercase, "auto", answers, "turn the directory's logins to lower case"),
    TEXT(name_attribute, "", ATTRIBUTE_MAX, "the display name"),
    TEXT(mail_attribute, "", ATTRIBUTE_MAX, "the mail address"),
    TEXT(uid_attribute, "", ATTRIBUTE_MAX, "the unix uid"),
    TEXT(gid_attribute, "", ATTRIBUTE_MAX, "the unix gid"),
    TEXT(member_of_attribute, "", ATTRIBUTE_MAX, "groups, in the person's entry"),
    TEXT(disabled_attribute, "", ATTRIBUTE_MAX, "says that an account is off"),
    {"disabled_mask", CONF_INT, offsetof(struct directory, disabled_mask), "0", 0, UINT32_MAX,
     NULL, "the bits that say so; 0: the value TRUE"},
    CHOICE(whoami, "auto", whoami_ways, "how the server's 'who am I?' proves the login"),
    TEXT(decoy_dn, "", DN_MAX, "an entry to bind for unknown users, for equal times"),
    TEXT(group_base, "", DN_MAX, "below which groups are"),
    CHOICE(group_scope, "sub", scopes, "sub: at any depth, one: directly below"),
    LIST(group_kinds, "", "of posix, names, unique, nested"),
    TEXT(group_filter, "", FILTER_MAX, "instead of group_kinds; %u login, %d DN, %g gid"),
    TEXT(group_name_attribute, "", ATTRIBUTE_MAX, "a group's name"),
    TEXT(group_gid_attribute, "", ATTRIBUTE_MAX, "a group's unix gid"),
    TEXT(allowed_group, "", DN_MAX, "only its members may log in (name or DN)"),
    TEXT(admin_group, "", DN_MAX, "its members are admins (name or DN)"),
    TEXT(tenant, "", IDENTITY_TENANT_MAX, "the tenant of all its people"),
    TEXT(tenant_attribute, "", ATTRIBUTE_MAX, "or the attribute that tells the tenant"),
    LIST(tenants, "", "VALUE:TENANT for the values of tenant_attribute"),
};

#define PRESET(key, openldap, ad, ds389)                                                       \
    {                                                                                          \
        offsetof(struct directory, key),                                                       \
        {                                                                                      \
            openldap, ad, ds389                                                                \
        }                                                                                      \
    }

static const struct {
    size_t offset;
    const char *values[3]; /* by enum directory_type */
} presets[] = {
    PRESET(user_filter, "(uid=%u)",
           "(&(objectCategory=person)(objectClass=user)(sAMAccountName=%u))", "(uid=%u)"),
    PRESET(login_attribute, "uid", "sAMAccountName", "uid"),
    PRESET(id_attribute, "entryUUID", "objectGUID", "nsUniqueId"),
    PRESET(name_attribute, "cn", "displayName", "cn"),
    PRESET(mail_attribute, "mail", "mail", "mail"),
    PRESET(uid_attribute, "uidNumber", "uidNumber", "uidNumber"),
    PRESET(gid_attribute, "gidNumber", "gidNumber", "gidNumber"),
    PRESET(member_of_attribute, "memberOf", "memberOf", "memberOf"),
    PRESET(disabled_attribute, "none", "userAccountControl", "nsAccountLock"),
    PRESET(group_name_attribute, "cn", "cn", "cn"),
    PRESET(group_gid_attribute, "gidNumber", "gidNumber", "gidNumber"),
};

/* Active Directory's rule 1.2.840.113556.1.4.1941 follows groups inside groups
 * (MS-ADTS 3.1.1.3.4.4). */
static const struct {
    const char *name, *filter;
} kinds[] = {
    {"posix", "(&(objectClass=posixGroup)(|(memberUid=%u)(gidNumber=%g)))"},
    {"names", "(&(objectClass=groupOfNames)(member=%d))"},
    {"unique", "(&(objectClass=groupOfUniqueNames)(uniqueMember=%d))"},
    {"nested", "(&(objectClass=group)(member:1.2.840.113556.1.4.1941:=%d))"},
};

enum { AD_ACCOUNT_DISABLED = 2 }; /* userAccountControl, MS-ADTS 2.2.16 */

/* The kinds a type has when the section does not say. */
static const struct conf_list default_kinds[] = {
    [TYPE_OPENLDAP] = {(const char *[]){"posix", "names"}, 2},
    [TYPE_AD] = {(const char *[]){"nested"}, 1},
    [TYPE_389DS] = {(const char *[]){"posix", "names", "unique"}, 3},
};

static void fill_presets(struct directory *d)
{
    bool is_ad = d->type == TYPE_AD;
    if (!*d->title)
        d->title = d->name;
    if (!*d->disabled_attribute && d->disabled_mask == 0 && is_ad)
        d->disabled_mask = AD_ACCOUNT_DISABLED;
    for (size_t i = 0; i < COUNT(presets); i++) {
        const char **text = (const char **)((char *)d + presets[i].offset);
        if (!**text)
            *text = presets[i].values[d->type];
        if (!strcmp(*text, "none"))
            *text = "";
    }
    if (d->whoami == WHOAMI_AUTO)
        d->whoami = is_ad ? WHOAMI_ANY : WHOAMI_DN; /* AD answers u:DOMAIN\name */
    if (d->id_format == ID_AUTO)
        d->id_format = is_ad ? ID_GUID : ID_TEXT;
    if (d->login_lowercase == ANSWER_AUTO)
        d->login_lowercase = is_ad ? ANSWER_YES : ANSWER_NO;
    if (d->group_kinds.count == 0)
        d->group_kinds = default_kinds[d->type];
}

static int make_group_template(struct directory *d, struct err *e)
{
    AUTO(buf_done) struct buf filter = BUF_INIT(FILTER_MAX);
    buf_put(&filter, *d->group_filter ? d->group_filter : "(|");
    for (size_t i = 0; !*d->group_filter && i < d->group_kinds.count; i++) {
        size_t k = 0;
        while (k < COUNT(kinds) && strcmp(kinds[k].name, d->group_kinds.items[i]))
            k++;
        if (k == COUNT(kinds))
            return err_set(e, -EINVAL,
                           "group_kinds '%s': it should be one of posix, names, "
                           "unique, nested",
                           d->group_kinds.items[i]);
        buf_put(&filter, kinds[k].filter);
    }
    if (!*d->group_filter)
        buf_put(&filter, ")");
    d->group_template = xdup(buf_text(&filter));
    int r = filter_check(d->group_template, false, e);
    return r < 0 ? err_wrap(e, r, "group_filter") : 0;
}

bool directory_host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return !strcasecmp(host, "localhost");
}

/* A password is never sent in the clear to another machine, whatever the section says. */
static int check_uri(const struct directory *d, const char *uri, const LDAPURLDesc *url,
                     struct err *e)
{
    bool is_plain = !strcmp(url->lud_scheme, "ldap");
    bool is_local = !strcmp(url->lud_scheme, "ldapi");
    if ((url->lud_dn && *url->lud_dn) || url->lud_filter || url->lud_attrs)
        return err_set(e, -EINVAL, "uri %s: give only scheme, host and port", uri);
    if (!is_plain && !is_local && strcmp(url->lud_scheme, "ldaps"))
        return err_set(e, -EINVAL, "uri %s: it should begin with ldap, ldaps or ldapi", uri);
    if (!url->lud_host || !*url->lud_host || (is_local && *url->lud_host != '/'))
        return err_set(e, -EINVAL, "uri %s: %s", uri,
                       is_local ? "write the socket's path as ldapi://%2Frun%2Fslapd%2Fldapi"
                                : "its host is missing");
    if (is_plain && d->tls == TLS_LDAPS)
        return err_set(e, -EINVAL, "uri %s: tls = ldaps wants ldaps://", uri);
    if (is_plain && d->tls == TLS_NONE && !directory_host_is_loopback(url->lud_host))
        return err_set(e, -EINVAL,
                       "uri %s: tls = none would send passwords in the clear to "
                       "another machine; use tls = starttls or ldaps://",
                       uri);
    return 0;
}

static int check_uris(const struct directory *d, struct err *e)
{
    if (d->uri.count == 0)
        return err_set(e, -EINVAL, "uri is empty; write uri = ldaps://HOST");
    for (size_t i = 0; i < d->uri.count; i++) {
        LDAPURLDesc *url = NULL;
        if (ldap_url_parse(d->uri.items[i], &url) != LDAP_URL_SUCCESS)
            return err_set(e, -EINVAL, "uri %s: not a URI like ldaps://HOST", d->uri.items[i]);
        int r = check_uri(d, d->uri.items[i], url, e);
        ldap_free_urldesc(url);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_dns(const struct directory *d, struct err *e)
{
    const struct {
        const char *key, *dn;
        bool is_needed;
    } dns[] = {
        {"user_base", d->user_base, true},
        {"group_base", d->group_base, false},
        {"bind_dn", d->bind_dn, false},
        {"decoy_dn", d->decoy_dn, false},
        {"allowed_group", strchr(d->allowed_group, '=') ? d->allowed_group : "", false},
        {"admin_group", strchr(d->admin_group, '=') ? d->admin_group : "", false},
    };
    for (size_t i = 0; i < COUNT(dns); i++) {
        AUTO(cleanup_free) char *normal = dn_normal(dns[i].dn);
        if (!normal && (*dns[i].dn || dns[i].is_needed))
            return err_set(e, -EINVAL, "%s '%s': not a DN like ou=people,dc=example,dc=org",
                           dns[i].key, dns[i].dn);
    }
    return 0;
}

static int check_tenant(const struct directory *d, struct err *e)
{
    if (!*d->tenant == !*d->tenant_attribute)
        return err_set(e, -EINVAL, "give tenant = SLUG or tenant_attribute = NAME, %s",
                       *d->tenant ? "not both" : "one of the two");
    if (*d->tenant && !parse_is_slug(d->tenant, IDENTITY_TENANT_MAX))
        return err_set(e, -EINVAL, "tenant '%s': lower-case letters, digits and '-' only",
                       d->tenant);
    for (size_t i = 0; i < d->tenants.count; i++) {
        const char *colon = strrchr(d->tenants.items[i], ':');
        if (!colon || !parse_is_slug(colon + 1, IDENTITY_TENANT_MAX) || *d->tenant)
            return err_set(e, -EINVAL,
                           "tenants '%s': write VALUE:TENANT for the values of "
                           "tenant_attribute",
                           d->tenants.items[i]);
    }
    return 0;
}

static int check_whole(const struct directory *d, struct err *e)
{
    bool has_password = *d->bind_password_file;
    if (d->bind_method == BIND_SIMPLE && !*d->bind_dn != !has_password)
        return err_set(e, -EINVAL,
                       "bind_dn and bind_password_file belong together; leave out "
                       "both to read anonymously");
    if (d->bind_method == BIND_EXTERNAL && (*d->bind_dn || has_password))
        return err_set(e, -EINVAL, "bind_method = external takes no bind_dn and no password");
    if (!*d->client_cert_file != !*d->client_key_file)
        return err_set(e, -EINVAL, "client_cert_file and client_key_file belong together");
    if (d->connect_timeout > d->timeout)
        return err_set(e, -EINVAL, "connect_timeout is longer than timeout, the whole login's");
    if (!*d->login_attribute || !*d->id_attribute)
        return err_set(e, -EINVAL, "login_attribute and id_attribute cannot be none");
    if ((*d->admin_group || *d->allowed_group) && !*d->group_base)
        return err_set(e, -EINVAL, "admin_group and allowed_group need group_base");
    return 0;
}

static int read_secrets(struct directory *d, struct err *e)
{
    int r = 0;
    if (*d->client_key_file)
        r = secret_check(d->client_key_file, e);
    if (r == 0 && *d->bind_password_file)
        r = secret_read(d->bind_password_file, &d->bind_password, e);
    return r;
}

static int check_all(struct directory *d, struct err *e)
{
    int r = check_uris(d, e);
    if (r == 0)
        r = check_dns(d, e);
    if (r == 0)
        r = check_whole(d, e);
    if (r == 0 && (r = filter_check(d->user_filter, true, e)) < 0)
        err_wrap(e, r, "user_filter");
    if (r == 0)
        r = make_group_template(d, e);
    if (r == 0)
        r = check_tenant(d, e);
    return r == 0 ? read_secrets(d, e) : r;
}

int directory_conf_read(struct conf *c, const char *name, struct directory *d, struct err *e)
{
    *d = (struct directory){.name = name};
    int r = conf_apply(c, "directory", name, keys, COUNT(keys), d, e);
    if (r < 0)
        return r;
    fill_presets(d);
    r = check_all(d, e);
    return r < 0 ? err_wrap(e, r, "[directory %s]", name) : 0;
}

void directory_conf_done(struct directory *d)
{
    secret_free(d->bind_password);
    free(d->group_template);
    d->bind_password = NULL;
    d->group_template = NULL;
}

// SPDX-License-Identifier: Apache-2.0
/* The steps of a login over a link. A person proves a password on a second connection, so that
 * the service's rights and the person's never share one, and a failed bind leaves nothing
 * behind. */
#include "auth/talk.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <ldap.h>

#include "auth/dn.h"
#include "auth/filter.h"
#include "runner/base/buf.h"
#include "runner/base/parse.h"

static int ldap_scope(int64_t scope)
{
    return scope == SCOPE_ONE ? LDAP_SCOPE_ONELEVEL : LDAP_SCOPE_SUBTREE;
}

void talk_clean(char *text)
{
    bool is_utf8 = parse_is_utf8(text, strlen(text));
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < ' ' || *p == 0x7f || (!is_utf8 && *p >= 0x80))
            *p = '?';
}

int talk_reach(const struct directory *d, int64_t by_ms, struct link **out, struct err *e)
{
    struct err first = {0}, last;
    int r = -EHOSTDOWN;
    for (size_t i = 0; i < d->uri.count && (i == 0 || r != -EPROTO); i++) {
        AUTO(link_freep) struct link *l = NULL;
        r = link_open(d, d->uri.items[i], by_ms, &l, &last);
        bool is_open = r == 0;
        if (is_open)
            r = link_bind_service(l, &last);
        if (r == 0) {
            *out = TAKE(l);
            return 0;
        }
        if (r == -EACCES)
            r = err_wrap(&last, -EPROTO, "the service account (bind_dn) is refused");
        else if (r == -EPROTO && !is_open)
            r = -EHOSTDOWN; /* one server's bad certificate need not be the next one's */
        if (i == 0)
            first = last;
    }
    err_set(e, r, "%s%s%s", first.text, d->uri.count > 1 ? "; last: " : "",
            d->uri.count > 1 ? last.text : "");
    return r;
}

/* Names of attributes to ask for, without those switched off. */
static void list_attributes(const struct directory *d, const char *out[10])
{
    const char *const all[] = {
        d->login_attribute,     d->id_attribute,       d->name_attribute,
        d->mail_attribute,      d->uid_attribute,      d->gid_attribute,
        d->member_of_attribute, d->disabled_attribute, d->tenant_attribute};
    size_t n = 0;
    for (size_t i = 0; i < COUNT(all); i++)
        if (*all[i])
            out[n++] = all[i];
    out[n] = NULL;
}

int talk_find(const struct directory *d, struct link *l, const char *login, struct entry **out,
              struct err *e)
{
    AUTO(buf_done) struct buf filter = BUF_INIT(FILTER_MAX);
    AUTO(entries_done) struct entries found = {0};
    const char *attributes[10];
    int r = filter_expand(d->user_filter, &(struct filter_values){.login = login, .gid = -1},
                          &filter, e);
    if (r < 0)
        return r;
    list_attributes(d, attributes);
    struct search search = {d->user_base, buf_text(&filter), ldap_scope(d->user_scope),
                            attributes, 2};
    r = link_search(l, &search, &found, e);
    if (r < 0 && r != -E2BIG)
        return err_wrap(e, r, "user_base %s", d->user_base);
    if (r == 0 && found.count == 0)
        return err_set(e, -EACCES, "%s: no entry below %s matches %s", link_uri(l),
                       d->user_base, buf_text(&filter));
    if (r < 0 || found.count > 1)
        return err_set(e, -EACCES, "%s: several entries below %s match %s; narrow user_filter",
                       link_uri(l), d->user_base, buf_text(&filter));
    *out = TAKE(found.items[0]);
    return 0;
}

/* The server must say who we are now: an anonymous session is no login, whatever the bind
 * returned. */
static int prove_name(const struct directory *d, struct link *l, const char *dn, struct err *e)
{
    AUTO(cleanup_free) char *name = NULL;
    if (d->whoami == WHOAMI_NO)
        return 0;
    int r = link_whoami(l, &name, e);
    if (r == -EACCES || r == -EPROTO)
        return err_wrap(e, r, "the server does not say who is bound (see the option whoami)");
    if (r < 0)
        return r;
    if (d->whoami == WHOAMI_ANY && *name)
        return 0;
    if (!strncasecmp(name, "dn:", 3) && dn_equal(name + 3, dn))
        return 0;
    return err_set(e, -EACCES,
                   "%s: bound as %s, but the server says '%s' (see the option whoami)",
                   link_uri(l), dn, name);
}

int talk_prove(const struct directory *d, const char *uri, int64_t by_ms, const char *dn,
               const char *password, size_t len, struct err *e)
{
    AUTO(link_freep) struct link *l = NULL;
    int r = link_open(d, uri, by_ms, &l, e);
    if (r == 0)
        r = link_bind(l, dn, password, len, e);
    if (r == 0)
        r = prove_name(d, l, dn, e);
    return r < 0 ? err_wrap(e, r, "%s", dn) : 0;
}

void talk_decoy(const struct directory *d, const char *uri, int64_t by_ms, const char *password,
                size_t len)
{
    static const char nobody[] = "cn=nobody-of-this-name,";
    AUTO(buf_done) struct buf dn = BUF_INIT(2 * DN_MAX);
    buf_put(&dn, *d->decoy_dn ? d->decoy_dn : nobody);
    if (!*d->decoy_dn)
        buf_put(&dn, d->user_base);
    talk_prove(d, uri, by_ms, buf_text(&dn), password, len, NULL);
}

int talk_groups(const struct directory *d, struct link *l, struct identity *i, struct err *e)
{
    AUTO(buf_done) struct buf filter = BUF_INIT(FILTER_MAX);
    AUTO(entries_done) struct entries found = {0};
    const char *attributes[] = {d->group_name_attribute, d->group_gid_attribute, NULL};
    if (!*d->group_base)
        return 0;
    if (!*d->group_gid_attribute)
        attributes[1] = NULL;
    struct filter_values values = {.login = i->login, .dn = i->dn, .gid = i->gid};
    int r = filter_expand(d->group_template, &values, &filter, e);
    struct search search = {d->group_base, buf_text(&filter), ldap_scope(d->group_scope),
                            attributes, IDENTITY_GROUPS_MAX};
    if (r == 0)
        r = link_search(l, &search, &found, e);
    for (size_t k = 0; r == 0 && k < found.count; k++)
        r = entry_add_group(d, found.items[k], i, e);
    return r < 0 ? err_wrap(e, r, "group_base %s", d->group_base) : 0;
}

int talk_rules(const struct directory *d, const struct entry *entry, struct identity *i,
               struct err *e)
{
    if (entry_is_disabled(d, entry))
        return err_set(e, -EACCES, "%s: the account is disabled (%s)", i->dn,
                       d->disabled_attribute);
    if (*d->allowed_group && !identity_in_group(i, d->allowed_group))
        return err_set(e, -EACCES, "%s: not in allowed_group %s", i->dn, d->allowed_group);
    i->is_admin = *d->admin_group && identity_in_group(i, d->admin_group);
    return entry_tenant(d, entry, i, e);
}

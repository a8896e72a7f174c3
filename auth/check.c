// SPDX-License-Identifier: Apache-2.0
/* The same steps as a login, from link.c and talk.c, each reported. Decides nothing: what it
 * calls wrong is what would fail a login. */
#include "auth/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ldap.h>

#include "auth/certificate.h"
#include "auth/directory_conf.h"
#include "auth/talk.h"
#include "runner/base/buf.h"
#include "runner/base/now.h"

enum { TEXT_MAX = 4096 };
static const int64_t soon_ms = 30LL * 24 * 3600 * 1000; /* a certificate that ends in a month */

struct check {
    const struct directory *d;
    check_fn *on_step;
    void *arg;
    size_t failed;
};

/* Reports a step; the sentence is cut at TEXT_MAX and made printable. */
__attribute__((format(printf, 4, 5))) static void say(struct check *c, const char *name,
                                                      enum check_result result,
                                                      const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    talk_clean(text);
    struct check_step step = {name, result, text};
    if (result == CHECK_FAILED)
        c->failed++;
    c->on_step(&step, c->arg);
}

static void report(struct check *c, const char *name, enum check_result result,
                   const char *text)
{
    say(c, name, result, "%s", text);
}

/* Reports a step by its result; true if it went well. */
static bool passed(struct check *c, const char *name, int r, const struct err *e,
                   const char *good)
{
    report(c, name, r < 0 ? CHECK_FAILED : CHECK_OK, r < 0 ? e->text : good);
    return r >= 0;
}

static int64_t deadline(const struct check *c)
{
    return now_mono_ms() + c->d->timeout;
}

static void say_certificate(struct check *c, const char *uri, const struct certificate *found,
                            enum check_result result)
{
    char until[20];
    int64_t left_ms = found->not_after_ms - now_ms();
    now_text(found->not_after_ms, until);
    if (result == CHECK_OK && left_ms < soon_ms)
        result = CHECK_NOTE;
    say(c, "tls", result, "%s: the certificate of %s %s %s", uri, found->subject,
        left_ms < 0 ? "ended at" : "is good until", until);
}

/* TLS failed: look at the certificate over a link that trusts any and never binds. */
static void show_refused(struct check *c, const char *uri)
{
    AUTO(link_freep) struct link *l = link_new(c->d, uri, deadline(c));
    struct certificate found;
    link_peek(l);
    if (link_resolve(l, NULL) == 0 && link_connect(l, NULL) == 0 && link_secure(l, NULL) == 0 &&
        link_certificate(l, &found) == 0)
        say_certificate(c, uri, &found, CHECK_NOTE);
}

static void check_tls(struct check *c, struct link *l, const char *uri)
{
    struct err e = {0};
    struct certificate found;
    int r = link_secure(l, &e);
    if (r < 0) {
        report(c, "tls", CHECK_FAILED, e.text);
        show_refused(c, uri);
    } else if (!link_has_tls(l)) {
        say(c, "tls", CHECK_NOTE, "%s: no TLS; passwords stay on this machine", uri);
    } else if (link_certificate(l, &found) == 0) {
        say_certificate(c, uri, &found, CHECK_OK);
    } else {
        say(c, "tls", CHECK_OK, "%s: the certificate is trusted", uri);
    }
}

static void check_uri(struct check *c, const char *uri)
{
    AUTO(link_freep) struct link *l = link_new(c->d, uri, deadline(c));
    struct err e = {0};
    if (passed(c, "resolve", link_resolve(l, &e), &e, uri) &&
        passed(c, "connect", link_connect(l, &e), &e, uri))
        check_tls(c, l, uri);
}

static void check_base(struct check *c, struct link *l, const char *key, const char *base)
{
    AUTO(entries_done) struct entries found = {0};
    const char *const nothing[] = {LDAP_NO_ATTRS, NULL};
    struct search search = {base, "(objectClass=*)", LDAP_SCOPE_BASE, nothing, 1};
    struct err e = {0};
    int r = link_search(l, &search, &found, &e);
    if (r == 0 && found.count == 0)
        r = err_set(&e, -ENOENT, "the service account does not see it; let it read there");
    if (r < 0)
        say(c, "base", CHECK_FAILED, "%s %s: %s", key, base, e.text);
    else
        say(c, "base", CHECK_OK, "%s %s", key, base);
}

static void check_attributes(struct check *c, const struct entry *entry)
{
    const struct directory *d = c->d;
    const struct {
        const char *key, *attribute;
        bool is_needed;
    } wanted[] = {
        {"id_attribute", d->id_attribute, true},
        {"login_attribute", d->login_attribute, true},
        {"name_attribute", d->name_attribute, false},
        {"mail_attribute", d->mail_attribute, false},
        {"uid_attribute", d->uid_attribute, false},
        {"gid_attribute", d->gid_attribute, false},
        {"member_of_attribute", d->member_of_attribute, false},
        {"tenant_attribute", d->tenant_attribute, true},
    };
    AUTO(buf_done) struct buf missing = BUF_INIT(TEXT_MAX);
    bool is_needed = false;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        if (!*wanted[i].attribute || entry_find(entry, wanted[i].attribute, 0))
            continue;
        buf_printf(&missing, " %s (%s)", wanted[i].attribute, wanted[i].key);
        is_needed |= wanted[i].is_needed;
    }
    if (missing.len == 0)
        report(c, "attributes", CHECK_OK, "all that are configured are there");
    else
        say(c, "attributes", is_needed ? CHECK_FAILED : CHECK_NOTE,
            "missing:%s; name another attribute, write none, or let the service account read "
            "it",
            buf_text(&missing));
}

static void say_groups(struct check *c, const struct identity *i)
{
    AUTO(buf_done) struct buf names = BUF_INIT(TEXT_MAX);
    for (size_t k = 0; k < i->group_count; k++) {
        buf_printf(&names, "%s%s", k ? ", " : "", i->groups[k].name);
        if (i->groups[k].gid >= 0)
            buf_printf(&names, " (%lld)", (long long)i->groups[k].gid);
    }
    say(c, "groups", CHECK_OK, "%zu: %s", i->group_count, buf_text(&names));
}

static void check_rules(struct check *c, const struct entry *entry, struct identity *i)
{
    struct err e = {0};
    int r = talk_rules(c->d, entry, i, &e);
    if (!passed(c, "tenant", r, &e, i->tenant))
        return;
    say(c, "admin", CHECK_OK, "%s %s", i->login,
        i->is_admin          ? "is an admin"
        : *c->d->admin_group ? "is no admin: not in admin_group"
                             : "is no admin: admin_group is not set");
}

static void check_user(struct check *c, struct link *l, const char *login)
{
    AUTO(entry_freep) struct entry *entry = NULL;
    AUTO(identity_freep) struct identity *i = NULL;
    struct err e = {0};
    int r = directory_is_login(login, strlen(login))
                ? talk_find(c->d, l, login, &entry, &e)
                : err_set(&e, -EINVAL, "'%s': a login has letters, digits and _.@-", login);
    if (!passed(c, "user", r, &e, entry ? entry->dn : ""))
        return;
    check_attributes(c, entry);
    r = entry_read(c->d, entry, &i, &e);
    if (r < 0) {
        report(c, "user", CHECK_FAILED, e.text);
        return;
    }
    say(c, "user", CHECK_OK, "id %s, login %s, name %s, uid %lld, gid %lld", i->id, i->login,
        i->name, (long long)i->uid, (long long)i->gid);
    r = talk_groups(c->d, l, i, &e);
    if (r < 0)
        report(c, "groups", CHECK_FAILED, e.text);
    else
        say_groups(c, i);
    check_rules(c, entry, i);
}

size_t directory_check(const struct directory *d, const char *login, check_fn *on_step,
                       void *arg)
{
    struct check c = {.d = d, .on_step = on_step, .arg = arg};
    AUTO(link_freep) struct link *l = NULL;
    struct err e = {0};
    for (size_t i = 0; i < d->uri.count; i++)
        check_uri(&c, d->uri.items[i]);
    int r = talk_reach(d, deadline(&c), &l, &e);
    const char *who = d->bind_method == BIND_EXTERNAL ? "by the connection itself"
                      : *d->bind_dn                   ? d->bind_dn
                                                      : "anonymous";
    if (!passed(&c, "bind", r, &e, who))
        return c.failed;
    check_base(&c, l, "user_base", d->user_base);
    if (*d->group_base)
        check_base(&c, l, "group_base", d->group_base);
    if (login)
        check_user(&c, l, login);
    return c.failed;
}

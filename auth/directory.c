// SPDX-License-Identifier: Apache-2.0
/* The login as a whole: the order of talk.c's steps, and which of their results is which
 * answer. */
#include "auth/directory.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <ldap.h>

#include "auth/directory_conf.h"
#include "auth/talk.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"

struct directories {
    struct directory *items;
    size_t count;
};

void directory_init(void)
{
    int version = LDAP_VERSION3;
    setenv("LDAPNOINIT", "1", 1);
    setenv("RES_OPTIONS", "timeout:2 attempts:1",
           0);                /* seconds; an operator's own word stays */
    signal(SIGPIPE, SIG_IGN); /* libldap writes without MSG_NOSIGNAL */
    ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version); /* libldap starts here, alone */
}

int directories_load(struct conf *c, struct directories **out, struct err *e)
{
    AUTO(directories_freep) struct directories *all = xnew(struct directories);
    const char *name;
    for (size_t i = 0; (name = conf_name(c, "directory", i)); i++) {
        all->items = xgrow(all->items, all->count + 1, sizeof(*all->items));
        int r = directory_conf_read(c, name, &all->items[all->count++], e);
        if (r < 0)
            return r;
    }
    if (all->count == 0)
        return err_set(e, -EINVAL,
                       "the configuration has no [directory NAME] section; nobody "
                       "could log in");
    *out = TAKE(all);
    return 0;
}

void directories_free(struct directories *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->count; i++)
        directory_conf_done(&all->items[i]);
    free(all->items);
    free(all);
}

const struct directory *directories_at(const struct directories *all, size_t index)
{
    return index < all->count ? &all->items[index] : NULL;
}

const struct directory *directories_find(const struct directories *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (!strcmp(all->items[i].name, name))
            return &all->items[i];
    return NULL;
}

const char *directory_name(const struct directory *d)
{
    return d->name;
}

const char *directory_title(const struct directory *d)
{
    return d->title;
}

bool directory_is_login(const char *login, size_t len)
{
    static const char bytes[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-";
    for (size_t i = 0; i < len; i++)
        if (!login[i] || !strchr(bytes, login[i]))
            return false;
    return len > 0 && len <= LOGIN_TYPED_MAX;
}

/* What can be refused without a server: some of it must be, since a bind without a password is
 * a success to many servers (RFC 4513, 5.1.2). */
static const char *refusal(const char *login, size_t login_len, const char *password,
                           size_t password_len)
{
    if (!directory_is_login(login, login_len))
        return "the login is empty, too long or holds other bytes than logins have";
    if (password_len == 0)
        return "the password is empty";
    if (password_len > LOGIN_PASSWORD_MAX)
        return "the password is too long";
    return memchr(password, '\0', password_len) ? "the password holds a NUL" : NULL;
}

static enum login_answer answer(const struct directory *d, int r, struct err *why)
{
    if (r < 0)
        err_wrap(why, r, "directory %s", d->name);
    if (r < 0 && why)
        talk_clean(why->text);
    return r == 0 ? LOGIN_OK : r == -EACCES ? LOGIN_REFUSED : LOGIN_DOWN;
}

/* From an entry to an identity that may come in. */
static int admit(const struct directory *d, struct link *service, const struct entry *entry,
                 struct identity **out, struct err *e)
{
    AUTO(identity_freep) struct identity *i = NULL;
    int r = entry_read(d, entry, &i, e);
    if (r == 0)
        r = talk_groups(d, service, i, e);
    if (r == 0)
        r = talk_rules(d, entry, i, e);
    if (r == 0)
        *out = TAKE(i);
    return r;
}

static int try_login(const struct directory *d, const char *login, const char *password,
                     size_t len, struct identity **out, struct err *e)
{
    AUTO(link_freep) struct link *service = NULL;
    AUTO(entry_freep) struct entry *entry = NULL;
    int64_t by_ms = now_mono_ms() + d->timeout;
    int r = talk_reach(d, by_ms, &service, e);
    if (r < 0)
        return r;
    r = talk_find(d, service, login, &entry, e);
    if (r == -EACCES)
        talk_decoy(d, link_uri(service), by_ms, password, len);
    if (r == 0)
        r = talk_prove(d, link_uri(service), by_ms, entry->dn, password, len, e);
    if (r == 0)
        r = admit(d, service, entry, out, e);
    return r;
}

enum login_answer directory_login(const struct directory *d, const char *login,
                                  size_t login_len, const char *password, size_t password_len,
                                  struct identity **out, struct err *why)
{
    const char *refused = refusal(login, login_len, password, password_len);
    int r = refused ? err_set(why, -EACCES, "%s", refused) : 0;
    if (r == 0)
        r = try_login(d, login, password, password_len, out, why);
    return answer(d, r, why);
}

enum login_answer directory_look_up(const struct directory *d, const char *login,
                                    struct identity **out, struct err *why)
{
    AUTO(link_freep) struct link *service = NULL;
    AUTO(entry_freep) struct entry *entry = NULL;
    int r = directory_is_login(login, strlen(login))
                ? talk_reach(d, now_mono_ms() + d->timeout, &service, why)
                : err_set(why, -EACCES, "the login holds other bytes than logins have");
    if (r == 0)
        r = talk_find(d, service, login, &entry, why);
    if (r == 0)
        r = admit(d, service, entry, out, why);
    return answer(d, r, why);
}

// SPDX-License-Identifier: Apache-2.0
/* What is said on a link: StartTLS, bind, whoami, search. Each is sent, then waited for up to
 * the link's deadline, however slowly the bytes drip. Making the connection is link.c's
 * business. */
#include "auth/link_say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/now.h"
#include "runner/base/xnew.h"

enum { REFERENCES_MAX = 1000 };

static void free_message(LDAPMessage **message)
{
    if (*message)
        ldap_msgfree(*message);
}

static void free_text(char **text)
{
    ldap_memfree(*text);
}

/* What the server's refusals mean to us; others are -EPROTO. */
static const struct {
    int code, error;
    const char *hint; /* the remedy, where there is one */
} meanings[] = {
    {LDAP_INVALID_CREDENTIALS, -EACCES, ""},
    {LDAP_INAPPROPRIATE_AUTH, -EACCES, ""},
    {LDAP_NO_SUCH_OBJECT, -EACCES, ""},
    {LDAP_UNWILLING_TO_PERFORM, -EACCES, ""}, /* 389 Directory Server: account inactivated */
    {LDAP_CONSTRAINT_VIOLATION, -EACCES, ""}, /* 389 Directory Server: too many failures */
    {LDAP_INSUFFICIENT_ACCESS, -EACCES, ""},
    {LDAP_SERVER_DOWN, -EHOSTDOWN, ""},
    {LDAP_CONNECT_ERROR, -EHOSTDOWN, "; see ca_file, the certificate's names and its dates"},
    {LDAP_UNAVAILABLE, -EHOSTDOWN, ""},
    {LDAP_BUSY, -EHOSTDOWN, ""},
    {LDAP_TIMEOUT, -ETIMEDOUT, ""},
    {LDAP_TIMELIMIT_EXCEEDED, -ETIMEDOUT, ""},
    {LDAP_SIZELIMIT_EXCEEDED, -E2BIG, ""},
    {LDAP_REFERRAL, -EPROTO,
     "; it points to another server, which is never followed: mend the base"},
    {LDAP_CONFIDENTIALITY_REQUIRED, -EPROTO, "; use tls = starttls or ldaps://"},
    {LDAP_STRONG_AUTH_REQUIRED, -EPROTO, "; use tls = starttls or ldaps://"},
};

int link_failed(struct link *l, int code, const char *doing, struct err *e)
{
    AUTO(free_text) char *said = NULL;
    ldap_get_option(l->ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &said);
    size_t i = 0;
    while (i < COUNT(meanings) && meanings[i].code != code)
        i++;
    bool is_known = i < COUNT(meanings);
    return err_set(e, is_known ? meanings[i].error : -EPROTO, "%s: %s: %s (%d)%s%s%s", l->uri,
                   doing, ldap_err2string(code), code, said && *said ? ": " : "",
                   said ? said : "", is_known ? meanings[i].hint : "");
}

/* Outside a bind a refusal is a mistake in the set-up, not in somebody's password. */
static int never_refused(int r)
{
    return r == -EACCES ? -EPROTO : r;
}

/* The next message of an operation; all of it when it has only one. */
static int wait_message(struct link *l, int id, const char *doing, LDAPMessage **out,
                        struct err *e)
{
    int64_t left_ms = l->by_ms - now_mono_ms();
    struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    int kind = left_ms > 0 ? ldap_result(l->ldap, id, LDAP_MSG_ONE, &left, out) : 0;
    if (kind == 0) {
        ldap_abandon_ext(l->ldap, id, NULL, NULL);
        return err_set(e, -ETIMEDOUT, "%s: %s: no answer in time", l->uri, doing);
    }
    if (kind < 0) {
        int code = LDAP_SERVER_DOWN;
        ldap_get_option(l->ldap, LDAP_OPT_RESULT_CODE, &code);
        return link_failed(l, code == LDAP_SUCCESS ? LDAP_SERVER_DOWN : code, doing, e);
    }
    return 0;
}

/* The result code inside a message, as an error with what the server said. */
static int parse_result(struct link *l, LDAPMessage *message, const char *doing,
                        LDAPControl ***out_controls, struct err *e)
{
    int code = LDAP_OTHER;
    int r = ldap_parse_result(l->ldap, message, &code, NULL, NULL, NULL, out_controls, 0);
    if (r == LDAP_SUCCESS)
        r = code;
    return r == LDAP_SUCCESS ? 0 : link_failed(l, r, doing, e);
}

int link_start_tls(struct link *l, struct err *e)
{
    AUTO(free_message) LDAPMessage *message = NULL;
    int id;
    int code = ldap_start_tls(l->ldap, NULL, NULL, &id);
    if (code != LDAP_SUCCESS)
        return link_failed(l, code, "StartTLS", e);
    int r = wait_message(l, id, "StartTLS", &message, e);
    if (r == 0)
        r = parse_result(l, message, "StartTLS", NULL, e);
    return never_refused(r);
}

/* The password policy's word on a bind (draft-behera-ldap-password-policy): a success that only
 * allows a change of password is no login. */
static int policy(struct link *l, LDAPControl **controls, int r, struct err *e)
{
    LDAPControl *control =
        ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, NULL);
    ber_int_t expires = -1, grace = -1;
    LDAPPasswordPolicyError code = PP_noError;
    if (!control || ldap_parse_passwordpolicy_control(l->ldap, control, &expires, &grace,
                                                      &code) != LDAP_SUCCESS)
        return r;
    if (code == PP_noError)
        return r;
    if (r == 0 && code == PP_changeAfterReset)
        return err_set(e, -EACCES, "%s: bind: %s", l->uri, ldap_passwordpolicy_err2txt(code));
    return r < 0 ? err_wrap(e, r, "%s", ldap_passwordpolicy_err2txt(code)) : r;
}

static int bind_by(struct link *l, const char *dn, const char *mechanism, struct berval *secret,
                   struct err *e)
{
    LDAPControl ask = {.ldctl_oid = (char *)LDAP_CONTROL_PASSWORDPOLICYREQUEST};
    LDAPControl *asks[] = {&ask, NULL};
    AUTO(free_message) LDAPMessage *message = NULL;
    LDAPControl **controls = NULL;
    int id;
    if (l->is_peek)
        return err_set(e, -EPROTO, "%s: a link that trusts any certificate never binds",
                       l->uri);
    int code = ldap_sasl_bind(l->ldap, dn, mechanism, secret, asks, NULL, &id);
    if (code != LDAP_SUCCESS)
        return never_refused(link_failed(l, code, "bind", e));
    int r = wait_message(l, id, "bind", &message, e);
    if (r == 0)
        r = parse_result(l, message, "bind", &controls, e);
    if (controls)
        r = policy(l, controls, r, e);
    ldap_controls_free(controls);
    return r;
}

int link_bind(struct link *l, const char *dn, const char *password, size_t len, struct err *e)
{
    struct berval secret = {.bv_val = (char *)password, .bv_len = len};
    if (len == 0 || !*dn)
        return err_set(e, -EACCES, "%s: a bind without a name or password proves nothing",
                       l->uri);
    return bind_by(l, dn, LDAP_SASL_SIMPLE, &secret, e);
}

int link_bind_service(struct link *l, struct err *e)
{
    struct berval nothing = {0};
    const char *password = l->d->bind_password;
    if (l->d->bind_method == BIND_EXTERNAL)
        return bind_by(l, NULL, "EXTERNAL", &nothing, e);
    return password ? link_bind(l, l->d->bind_dn, password, strlen(password), e) : 0;
}

int link_whoami(struct link *l, char **out, struct err *e)
{
    AUTO(free_message) LDAPMessage *message = NULL;
    struct berval *name = NULL;
    int id;
    int code = ldap_whoami(l->ldap, NULL, NULL, &id);
    if (code != LDAP_SUCCESS)
        return link_failed(l, code, "whoami", e);
    int r = wait_message(l, id, "whoami", &message, e);
    if (r == 0)
        r = parse_result(l, message, "whoami", NULL, e);
    if (r < 0)
        return r;
    code = ldap_parse_extended_result(l->ldap, message, NULL, &name, 0);
    if (code != LDAP_SUCCESS)
        return link_failed(l, code, "whoami", e);
    size_t len = name ? name->bv_len : 0;
    bool is_text = !len || !memchr(name->bv_val, '\0', len);
    char *text = is_text ? xalloc(len + 1, 1) : NULL;
    if (text && len)
        memcpy(text, name->bv_val, len);
    ber_bvfree(name);
    if (!text)
        return err_set(e, -EPROTO, "%s: whoami: the answer holds a NUL", l->uri);
    *out = text;
    return 0;
}

static struct entry *read_entry(LDAP *ldap, LDAPMessage *message)
{
    AUTO(free_text) char *dn = ldap_get_dn(ldap, message);
    BerElement *at = NULL;
    struct entry *entry = entry_new(dn ? dn : "");
    for (char *name = ldap_first_attribute(ldap, message, &at); name;
         name = ldap_next_attribute(ldap, message, at)) {
        struct berval **values = ldap_get_values_len(ldap, message, name);
        for (size_t i = 0; values && values[i]; i++)
            entry_add(entry, name, values[i]->bv_val, values[i]->bv_len);
        ldap_value_free_len(values);
        ldap_memfree(name);
    }
    ber_free(at, 0);
    return entry;
}

void entries_done(struct entries *list)
{
    for (size_t i = 0; i < list->count; i++)
        entry_free(list->items[i]);
    free(list->items);
    *list = (struct entries){0};
}

/* One message of a search: 1 when it was the last, 0 to go on. */
static int take_message(struct link *l, LDAPMessage *message, size_t limit, struct entries *out,
                        struct err *e)
{
    int kind = ldap_msgtype(message);
    if (kind == LDAP_RES_SEARCH_REFERENCE) /* never followed */
        return 0;
    if (kind != LDAP_RES_SEARCH_ENTRY) {
        int r = parse_result(l, message, "search", NULL, e);
        return r == 0 ? 1 : never_refused(r);
    }
    if (out->count == limit)
        return err_set(e, -E2BIG, "%s: search: more than %zu entries", l->uri, limit);
    out->items = xgrow(out->items, out->count + 1, sizeof(*out->items));
    out->items[out->count++] = read_entry(l->ldap, message);
    return 0;
}

int link_search(struct link *l, const struct search *search, struct entries *out, struct err *e)
{
    int64_t left_ms = l->by_ms - now_mono_ms();
    struct timeval left = {.tv_sec = left_ms > 0 ? left_ms / 1000 + 1 : 1};
    int id;
    int code = ldap_search_ext(l->ldap, search->base, search->scope, search->filter,
                               (char **)search->attributes, 0, NULL, NULL, &left,
                               (int)search->limit, &id);
    if (code != LDAP_SUCCESS)
        return never_refused(link_failed(l, code, "search", e));
    int r = 0;
    for (size_t count = 0; r == 0; count++) {
        AUTO(free_message) LDAPMessage *message = NULL;
        r = wait_message(l, id, "search", &message, e);
        if (r == 0)
            r = take_message(l, message, search->limit, out, e);
        if (r == 0 && count > search->limit + REFERENCES_MAX)
            r = err_set(e, -EPROTO, "%s: search: too many references", l->uri);
    }
    if (r == -E2BIG)
        ldap_abandon_ext(l->ldap, id, NULL, NULL);
    return r == 1 ? 0 : r;
}

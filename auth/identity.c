// SPDX-License-Identifier: Apache-2.0
/* One table of fields, each with its check: nothing from a directory enters an identity
 * unchecked. What an entry means, and which attribute feeds which field, is entry.c's business.
 */
#include "auth/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/dn.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
static const char login_bytes[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.-";

static bool is_login(const char *text)
{
    return strchr(letters, text[0]) && text[strspn(text, login_bytes)] == '\0';
}

static bool is_slug(const char *text)
{
    return parse_is_slug(text, IDENTITY_TENANT_MAX);
}

static bool is_graphic(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return true;
}

static bool is_mail(const char *text)
{
    const char *at = strchr(text, '@');
    return at && at != text && at[1] && !strchr(at + 1, '@') && is_graphic(text);
}

static bool is_shown(const char *text)
{
    return text[strspn(text, " ")] != '\0';
}

static const struct rule {
    const char *name, *wanted;
    size_t max;
    bool (*is_fit)(const char *text); /* NULL: a uid or gid */
    size_t offset;
} rules[] = {
    [IDENTITY_ID] = {"id", "printable ASCII", IDENTITY_ID_MAX, is_graphic,
                     offsetof(struct identity, id)},
    [IDENTITY_LOGIN] = {"login", "a letter or '_', then letters, digits, '_', '.' and '-'",
                        IDENTITY_LOGIN_MAX, is_login, offsetof(struct identity, login)},
    [IDENTITY_NAME] = {"name", "text", IDENTITY_NAME_MAX, is_shown,
                       offsetof(struct identity, name)},
    [IDENTITY_MAIL] = {"mail", "an address with one '@'", IDENTITY_MAIL_MAX, is_mail,
                       offsetof(struct identity, mail)},
    [IDENTITY_UID] = {"uid number", "a number from 1 to 4294967294", 10, NULL,
                      offsetof(struct identity, uid)},
    [IDENTITY_GID] = {"gid number", "a number from 1 to 4294967294", 10, NULL,
                      offsetof(struct identity, gid)},
    [IDENTITY_TENANT] = {"tenant", "lower-case letters, digits and '-'", IDENTITY_TENANT_MAX,
                         is_slug, offsetof(struct identity, tenant)},
};

/* Root's 0 and (uid_t)-1, which the kernel reads as "leave it", are nobody's number. */
enum { ID_NUMBER_MIN = 1 };
static const int64_t id_number_max = 4294967294;

struct identity *identity_new(const char *directory, const char *dn)
{
    struct identity *i = xnew(struct identity);
    i->directory = xdup(directory);
    i->dn = xdup(dn);
    i->id = xdup("");
    i->login = xdup("");
    i->name = xdup("");
    i->mail = xdup("");
    i->tenant = xdup("");
    i->uid = i->gid = -1;
    return i;
}

struct identity *identity_dup(const struct identity *i)
{
    struct identity *copy = xnew(struct identity);
    *copy = *i;
    copy->directory = xdup(i->directory);
    copy->dn = xdup(i->dn);
    copy->id = xdup(i->id);
    copy->login = xdup(i->login);
    copy->name = xdup(i->name);
    copy->mail = xdup(i->mail);
    copy->tenant = xdup(i->tenant);
    copy->groups = i->group_count ? xnew_array(struct identity_group, i->group_count) : NULL;
    for (size_t k = 0; k < i->group_count; k++)
        copy->groups[k] = (struct identity_group){xdup(i->groups[k].name),
                                                  xdup(i->groups[k].dn), i->groups[k].gid};
    return copy;
}

void identity_free(struct identity *i)
{
    if (!i)
        return;
    for (size_t k = 0; k < i->group_count; k++) {
        free(i->groups[k].name);
        free(i->groups[k].dn);
    }
    free(i->groups);
    free(i->directory);
    free(i->dn);
    free(i->id);
    free(i->login);
    free(i->name);
    free(i->mail);
    free(i->tenant);
    free(i);
}

/* Text of 1 … max bytes that can be printed and stored. */
static bool is_clean(const char *value, size_t len, size_t max)
{
    return len > 0 && len <= max && parse_is_utf8(value, len);
}

int identity_set(struct identity *i, enum identity_field field, const char *value, size_t len,
                 struct err *e)
{
    const struct rule *rule = &rules[field];
    if (!is_clean(value, len, rule->max))
        return err_set(e, -EINVAL, "%s: %zu bytes; it should be UTF-8 of 1 to %zu bytes",
                       rule->name, len, rule->max);
    AUTO(cleanup_free) char *text = xalloc(len + 1, 1);
    memcpy(text, value, len);
    int64_t number = 0;
    bool fits = !parse_has_control(text) &&
                (rule->is_fit ? rule->is_fit(text)
                              : parse_i64(text, ID_NUMBER_MIN, id_number_max, &number) == 0);
    if (!fits)
        return err_set(e, -EINVAL, "%s '%s': it should be %s", rule->name, text, rule->wanted);
    void *target = (char *)i + rule->offset;
    if (!rule->is_fit) {
        *(int64_t *)target = number;
        return 0;
    }
    free(*(char **)target);
    *(char **)target = TAKE(text);
    return 0;
}

int identity_add_group(struct identity *i, const char *name, const char *dn, int64_t gid,
                       struct err *e)
{
    AUTO(cleanup_free) char *normal = dn_normal(dn);
    if (!normal || !is_clean(normal, strlen(normal), DN_MAX) ||
        !is_clean(name, strlen(name), IDENTITY_GROUP_MAX) || parse_has_control(name))
        return err_set(e, -EINVAL, "a group's name or DN is empty, too long or not text");
    for (size_t k = 0; k < i->group_count; k++) {
        if (strcmp(i->groups[k].dn, normal))
            continue;
        if (i->groups[k].gid < 0)
            i->groups[k].gid = gid;
        return 0;
    }
    if (i->group_count >= IDENTITY_GROUPS_MAX)
        return err_set(e, -E2BIG, "%s is in more than %d groups; narrow the group base",
                       i->login, IDENTITY_GROUPS_MAX);
    i->groups = xgrow(i->groups, i->group_count + 1, sizeof(*i->groups));
    i->groups[i->group_count++] = (struct identity_group){xdup(name), TAKE(normal), gid};
    return 0;
}

bool identity_in_group(const struct identity *i, const char *group)
{
    AUTO(cleanup_free) char *normal = strchr(group, '=') ? dn_normal(group) : NULL;
    for (size_t k = 0; k < i->group_count; k++)
        if (normal ? !strcmp(i->groups[k].dn, normal) : !strcasecmp(i->groups[k].name, group))
            return true;
    return false;
}

// SPDX-License-Identifier: Apache-2.0
/* Who somebody is: a value that others pass around, filled from one directory entry.
 *
 * The person is (directory, id): `id` is the entry's immutable id (entryUUID, objectGUID as
 * text), so a renamed login stays the same person and a reused login is another. Login, uid and
 * gid describe the account as the directory gives it; whether they are used is the site's
 * account mode.
 *
 * Every text is well-formed UTF-8 without control bytes and within the limits below; whoever
 * prints it still escapes it for its place. Plain memory: any thread, one at a time.
 */
#ifndef FF_AUTH_IDENTITY_H
#define FF_AUTH_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/base/cleanup.h"
#include "runner/base/err.h"

enum {
    IDENTITY_LOGIN_MAX = 32, /* what a Linux account may be called */
    IDENTITY_ID_MAX = 128,
    IDENTITY_NAME_MAX = 256,
    IDENTITY_MAIL_MAX = 254, /* RFC 5321, 4.5.3.1.3 less the brackets */
    IDENTITY_TENANT_MAX = 64,
    IDENTITY_GROUP_MAX = 256,  /* bytes of a group's name */
    IDENTITY_GROUPS_MAX = 1024 /* groups of one person */
};

struct identity_group {
    char *name;  /* as the directory writes it */
    char *dn;    /* normal form of dn.h */
    int64_t gid; /* -1: the directory gives none */
};

struct identity {
    char *directory; /* the section's name: [directory NAME] */
    char *id;        /* immutable */
    char *login;     /* [A-Za-z_][A-Za-z0-9_.-]*, at most 32 */
    char *name;      /* display name; the login when the entry has none that can be shown */
    char *mail;      /* "" if none */
    char *dn;        /* as the directory writes it */
    char *tenant;    /* slug of the tenant; "" until the directory's rule was applied */
    int64_t uid;     /* -1: the directory gives none */
    int64_t gid;
    bool is_admin;
    struct identity_group *groups;
    size_t group_count;
};

enum identity_field {
    IDENTITY_ID,
    IDENTITY_LOGIN,
    IDENTITY_NAME,
    IDENTITY_MAIL,
    IDENTITY_UID,
    IDENTITY_GID,
    IDENTITY_TENANT
};

struct identity *identity_new(const char *directory,
                              const char *dn);           /* uid, gid -1; texts "" */
struct identity *identity_dup(const struct identity *i); /* caller frees with identity_free() */
void identity_free(struct identity *i);                  /* NULL is fine */
AUTO_FREE(identity_free, struct identity)

/* Checks and stores one value of `len` bytes from outside. -EINVAL: not fit for that field; the
 * sentence names the field and what is wrong, and the identity is as before. */
int identity_set(struct identity *i, enum identity_field field, const char *value, size_t len,
                 struct err *e);

/* Adds a group; the same DN again only adds a gid that was missing. -EINVAL: a name or DN that
 * is empty, too long or not UTF-8; -E2BIG: more than IDENTITY_GROUPS_MAX. */
int identity_add_group(struct identity *i, const char *name, const char *dn, int64_t gid,
                       struct err *e);

/* Is the person in `group`, which is a DN (it has a '=') or a group's name? Case does not
 * matter. */
bool identity_in_group(const struct identity *i, const char *group);

#endif

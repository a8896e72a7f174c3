// SPDX-License-Identifier: Apache-2.0
/* One directory entry as plain values, and what it says about a person. Pure: no connection.
 *
 * Attribute names are compared without case, and names with options ("cn;lang-de") count as
 * other attributes. Values are bytes: each has a NUL behind its `len` bytes and may hold others
 * inside.
 */
#ifndef FF_AUTH_ENTRY_H
#define FF_AUTH_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/identity.h"
#include "runner/base/cleanup.h"
#include "runner/base/err.h"

struct directory;

struct entry_value {
    char *attribute, *data;
    size_t len;
};

struct entry {
    char *dn;
    struct entry_value *values; /* in the order of the server */
    size_t count;
};

struct entry *entry_new(const char *dn);
void entry_free(struct entry *entry); /* NULL is fine */
AUTO_FREE(entry_free, struct entry)
void entry_add(struct entry *entry, const char *attribute, const void *data, size_t len);

/* The `index`th value of an attribute, NULL past the last. */
const struct entry_value *entry_find(const struct entry *entry, const char *attribute,
                                     size_t index);

/* The person of a user's entry by the directory's attribute names; groups hold only what its
 * member_of attribute names below group_base, the tenant is not yet set.
 * -EACCES: the entry cannot be a person here (an id or login missing, twice, or unfit; a uid
 * that is no uid); the sentence names the attribute. A name or mail that is unfit is left out.
 */
int entry_read(const struct directory *d, const struct entry *entry, struct identity **out,
               struct err *e);

/* Does the entry say that the account is switched off (disabled_attribute)? */
bool entry_is_disabled(const struct directory *d, const struct entry *entry);

/* The tenant by the directory's rule, into the identity. -EACCES: the rule gives none. */
int entry_tenant(const struct directory *d, const struct entry *entry, struct identity *i,
                 struct err *e);

/* One group's entry, added to the person; an entry without a usable name is passed over. */
int entry_add_group(const struct directory *d, const struct entry *group, struct identity *i,
                    struct err *e);

#endif

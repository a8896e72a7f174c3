// SPDX-License-Identifier: Apache-2.0
/* Reads an entry by the directory's attribute names. What a value may be is identity.c's
 * business, and when a person may log in talk.c's; here is only which attribute feeds which
 * field. */
#include "auth/entry.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/directory_conf.h"
#include "auth/dn.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum { GUID_BYTES = 16, GUID_TEXT = 37 };

struct entry *entry_new(const char *dn)
{
    struct entry *entry = xnew(struct entry);
    entry->dn = xdup(dn);
    return entry;
}

void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    for (size_t i = 0; i < entry->count; i++) {
        free(entry->values[i].attribute);
        free(entry->values[i].data);
    }
    free(entry->values);
    free(entry->dn);
    free(entry);
}

void entry_add(struct entry *entry, const char *attribute, const void *data, size_t len)
{
    struct entry_value value = {xdup(attribute), xalloc(len + 1, 1), len};
    if (len)
        memcpy(value.data, data, len);
    entry->values = xgrow(entry->values, entry->count + 1, sizeof(value));
    entry->values[entry->count++] = value;
}

const struct entry_value *entry_find(const struct entry *entry, const char *attribute,
                                     size_t index)
{
    for (size_t i = 0; *attribute && i < entry->count; i++)
        if (!strcasecmp(entry->values[i].attribute, attribute) && index-- == 0)
            return &entry->values[i];
    return NULL;
}

/* The only value of an attribute; NULL with a sentence if there are none or several. */
static const struct entry_value *only(const struct entry *entry, const char *attribute,
                                      struct err *e)
{
    const struct entry_value *value = entry_find(entry, attribute, 0);
    if (value && !entry_find(entry, attribute, 1))
        return value;
    err_set(e, -EACCES, "%s: attribute %s %s", entry->dn, attribute,
            value ? "has several values, it should have one"
                  : "is missing, or the service account may not read it");
    return NULL;
}

/* Active Directory keeps a GUID's first three fields in the small-end order (MS-DTYP, 2.3.4.2).
 */
static void guid_text(const unsigned char b[GUID_BYTES], char out[GUID_TEXT])
{
    snprintf(out, GUID_TEXT,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[3], b[2],
             b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

static int read_id(const struct directory *d, const struct entry *entry, struct identity *i,
                   struct err *e)
{
    const struct entry_value *value = only(entry, d->id_attribute, e);
    if (!value)
        return -EACCES;
    if (d->id_format != ID_GUID)
        return identity_set(i, IDENTITY_ID, value->data, value->len, e);
    char text[GUID_TEXT];
    if (value->len != GUID_BYTES)
        return err_set(e, -EACCES, "%s: a GUID has %d bytes, this has %zu; see id_format",
                       d->id_attribute, GUID_BYTES, value->len);
    guid_text((const unsigned char *)value->data, text);
    return identity_set(i, IDENTITY_ID, text, strlen(text), e);
}

static int read_login(const struct directory *d, const struct entry *entry, struct identity *i,
                      struct err *e)
{
    const struct entry_value *value = only(entry, d->login_attribute, e);
    if (!value)
        return -EACCES;
    int r = identity_set(i, IDENTITY_LOGIN, value->data, value->len, e);
    for (char *p = i->login; d->login_lowercase == ANSWER_YES && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return r;
}

/* uid and gid may be absent: a site that gives out its own numbers needs none. */
static int read_number(const struct entry *entry, const char *attribute,
                       enum identity_field field, struct identity *i, struct err *e)
{
    if (!entry_find(entry, attribute, 0))
        return 0;
    const struct entry_value *value = only(entry, attribute, e);
    return value ? identity_set(i, field, value->data, value->len, e) : -EACCES;
}

static void read_shown(const struct entry *entry, const char *attribute,
                       enum identity_field field, struct identity *i)
{
    const struct entry_value *value;
    for (size_t k = 0; (value = entry_find(entry, attribute, k)); k++)
        if (identity_set(i, field, value->data, value->len, NULL) == 0)
            return;
}

/* Only groups below group_base count: elsewhere people may be free to make groups of any name.
 */
static int read_member_of(const struct directory *d, const struct entry *entry,
                          struct identity *i, struct err *e)
{
    const struct entry_value *value;
    int r = 0;
    for (size_t k = 0; r != -E2BIG && (value = entry_find(entry, d->member_of_attribute, k));
         k++) {
        AUTO(cleanup_free) char *name = dn_first_value(value->data);
        if (name && strlen(value->data) == value->len && *d->group_base &&
            dn_is_below(value->data, d->group_base))
            r = identity_add_group(i, name, value->data, -1, e);
    }
    return r == -E2BIG ? r : 0;
}

static int read_all(const struct directory *d, const struct entry *entry, struct identity *i,
                    struct err *e)
{
    int r = read_id(d, entry, i, e);
    if (r == 0)
        r = read_login(d, entry, i, e);
    if (r == 0)
        r = read_number(entry, d->uid_attribute, IDENTITY_UID, i, e);
    if (r == 0)
        r = read_number(entry, d->gid_attribute, IDENTITY_GID, i, e);
    if (r < 0)
        return r;
    identity_set(i, IDENTITY_NAME, i->login, strlen(i->login), NULL);
    read_shown(entry, d->name_attribute, IDENTITY_NAME, i);
    read_shown(entry, d->mail_attribute, IDENTITY_MAIL, i);
    return read_member_of(d, entry, i, e);
}

int entry_read(const struct directory *d, const struct entry *entry, struct identity **out,
               struct err *e)
{
    if (!parse_is_utf8(entry->dn, strlen(entry->dn)) || parse_has_control(entry->dn))
        return err_set(e, -EACCES, "%s: the entry's DN is not UTF-8", entry->dn);
    AUTO(identity_freep) struct identity *i = identity_new(d->name, entry->dn);
    int r = read_all(d, entry, i, e);
    if (r == -EINVAL)
        return err_wrap(e, -EACCES, "%s", entry->dn);
    if (r < 0)
        return r;
    *out = TAKE(i);
    return 0;
}

bool entry_is_disabled(const struct directory *d, const struct entry *entry)
{
    const struct entry_value *value = entry_find(entry, d->disabled_attribute, 0);
    if (!value)
        return false;
    if (d->disabled_mask == 0)
        return !strcasecmp(value->data, "TRUE");
    int64_t bits;
    /* A value that is no number is no proof that the account is on. */
    return parse_i64(value->data, INT32_MIN, UINT32_MAX, &bits) < 0 ||
           (bits & d->disabled_mask);
}

/* "north.example:north" in the list `tenants`: the slug behind the value, NULL if it is not
 * there. */
static const char *mapped(const struct conf_list *tenants, const char *value)
{
    size_t len = strlen(value);
    for (size_t k = 0; k < tenants->count; k++) {
        const char *colon = strrchr(tenants->items[k], ':');
        if (colon && (size_t)(colon - tenants->items[k]) == len &&
            !strncasecmp(tenants->items[k], value, len))
            return colon + 1;
    }
    return NULL;
}

int entry_tenant(const struct directory *d, const struct entry *entry, struct identity *i,
                 struct err *e)
{
    const char *slug = d->tenant;
    if (*d->tenant_attribute) {
        const struct entry_value *value = only(entry, d->tenant_attribute, e);
        if (!value)
            return -EACCES;
        slug = d->tenants.count ? mapped(&d->tenants, value->data) : value->data;
        if (!slug || strlen(value->data) != value->len)
            return err_set(e, -EACCES, "%s: %s '%s' is not in the list 'tenants'", entry->dn,
                           d->tenant_attribute, value->data);
    }
    int r = identity_set(i, IDENTITY_TENANT, slug, strlen(slug), e);
    return r < 0 ? err_wrap(e, -EACCES, "%s", entry->dn) : 0;
}

int entry_add_group(const struct directory *d, const struct entry *group, struct identity *i,
                    struct err *e)
{
    const struct entry_value *name = entry_find(group, d->group_name_attribute, 0);
    const struct entry_value *number = entry_find(group, d->group_gid_attribute, 0);
    int64_t gid = -1;
    if (!name || strlen(name->data) != name->len)
        return 0;
    if (number && parse_i64(number->data, 1, 4294967294, &gid) < 0)
        gid = -1;
    int r = identity_add_group(i, name->data, group->dn, gid, e);
    return r == -E2BIG ? r : 0;
}

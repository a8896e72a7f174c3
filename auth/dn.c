// SPDX-License-Identifier: Apache-2.0
/* Distinguished names by way of libldap's own parser; this file only compares and lower-cases.
 */
#include "auth/dn.h"

#include <stdlib.h>
#include <string.h>

#include <ldap.h>

#include "runner/base/cleanup.h"
#include "runner/base/xnew.h"

static void free_dn(LDAPDN *dn)
{
    ldap_dnfree(*dn); /* NULL is fine */
}

static LDAPDN parse(const char *text)
{
    LDAPDN dn = NULL;
    if (!*text || strlen(text) > DN_MAX ||
        ldap_str2dn(text, &dn, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return NULL;
    return dn;
}

char *dn_normal(const char *text)
{
    AUTO(free_dn) LDAPDN dn = parse(text);
    char *made = NULL;
    if (!dn || ldap_dn2str(dn, &made, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return NULL;
    char *normal = xdup(made);
    ldap_memfree(made);
    for (char *p = normal; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return normal;
}

bool dn_equal(const char *a, const char *b)
{
    AUTO(cleanup_free) char *x = dn_normal(a);
    AUTO(cleanup_free) char *y = dn_normal(b);
    return x && y && !strcmp(x, y);
}

bool dn_is_below(const char *dn, const char *base)
{
    AUTO(cleanup_free) char *x = dn_normal(dn);
    AUTO(cleanup_free) char *y = dn_normal(base);
    if (!x || !y || strlen(x) < strlen(y))
        return false;
    size_t at = strlen(x) - strlen(y);
    if (strcmp(x + at, y))
        return false;
    /* The cut must fall on a separator that is not itself escaped: "cn=a\,dc=x" is not below
     * dc=x. */
    return at == 0 || (x[at - 1] == ',' && (at < 2 || x[at - 2] != '\\'));
}

char *dn_first_value(const char *text)
{
    AUTO(free_dn) LDAPDN dn = parse(text);
    if (!dn || !dn[0] || !dn[0][0])
        return NULL;
    const struct berval *value = &dn[0][0]->la_value;
    if (memchr(value->bv_val, '\0', value->bv_len))
        return NULL;
    char *copy = xalloc(value->bv_len + 1, 1);
    memcpy(copy, value->bv_val, value->bv_len);
    return copy;
}

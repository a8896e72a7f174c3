// SPDX-License-Identifier: Apache-2.0
/* Distinguished names: compared in one normal form, never glued together or cut by hand.
 *
 * The normal form is libldap's (RFC 4514, no blanks around '=' and ','), ASCII letters
 * lower-cased. It is made for comparing, and never sent to a server: what is sent is what a
 * server gave.
 */
#ifndef FF_AUTH_DN_H
#define FF_AUTH_DN_H

#include <stdbool.h>

enum { DN_MAX = 4096 };

char *dn_normal(const char *dn); /* caller frees; NULL: empty, too long or not a DN */
bool dn_equal(const char *a, const char *b);
bool dn_is_below(const char *dn, const char *base); /* true for the base itself as well */
char *dn_first_value(const char *dn); /* "staff" of cn=staff,…; caller frees; NULL: none */

#endif

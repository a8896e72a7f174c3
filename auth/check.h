// SPDX-License-Identifier: Apache-2.0
/* Looks at a directory as an operator would: every step a login takes, one sentence each.
 *
 *   resolve, connect, tls      for every URI, with the certificate's subject and end
 *   bind                       as the service account
 *   base                       user_base and group_base are there and readable
 *   user, attributes, groups, tenant, admin      for one login, when one is given
 *
 * Nobody's password is needed. After a step that failed, those that need it are left out.
 */
#ifndef FF_AUTH_CHECK_H
#define FF_AUTH_CHECK_H

#include <stddef.h>

#include "auth/directory.h"

enum check_result {
    CHECK_OK,
    CHECK_NOTE,  /* works, but somebody should look at it */
    CHECK_FAILED /* the text holds the cause and the remedy */
};

struct check_step {
    const char *name; /* of the list above */
    enum check_result result;
    const char *text; /* one sentence of printable UTF-8 */
};

typedef void check_fn(const struct check_step *step, void *arg);

/* Reports each step as it ends. `login` may be NULL. Blocks, some seconds at most for each URI.
 * Returns how many steps failed. */
size_t directory_check(const struct directory *d, const char *login, check_fn *on_step,
                       void *arg);

#endif

// SPDX-License-Identifier: Apache-2.0
/* Secrets kept in files: read only if nobody else can.
 *
 * A secret file is a regular file of the process's own uid with mode 0600 or stricter, at most
 * 64 KiB. Anything else is refused with the remedy: a password others have read is no password.
 */
#ifndef FF_BASE_SECRET_H
#define FF_BASE_SECRET_H

#include "runner/base/err.h"

/* Reads the first line (without its newline). Caller frees with secret_free(). Returns 0,
 * -EACCES (readable by others, not ours), -EINVAL (empty, a NUL inside) or another errno of
 * open or read. */
int secret_read(const char *path, char **out_text, struct err *e);

/* The same for root, to whom a daemon's own secret is lent: the owner may be anybody. */
int secret_read_lent(const char *path, char **out_text, struct err *e);

/* Checks the owner and mode alone, for files a library reads itself (the TLS key). */
int secret_check(const char *path, struct err *e);

void secret_free(char *text); /* wipes first; NULL is fine */

#endif

// SPDX-License-Identifier: Apache-2.0
/* The directories of a site, and the question they answer: who is this?
 *
 * A site has one section [directory NAME] for each (directory_conf.h lists the options). All
 * calls that ask a server block, for at most the directory's `timeout`: run them on a worker
 * thread, or in a command. They share nothing, so any number may run at once.
 *
 * A wrong password is an answer, not an error. The page says one sentence for every
 * LOGIN_REFUSED; `why` holds the real cause for the log.
 */
#ifndef FF_AUTH_DIRECTORY_H
#define FF_AUTH_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/identity.h"
#include "runner/base/cleanup.h"
#include "runner/base/conf.h"
#include "runner/base/err.h"

enum {
    LOGIN_TYPED_MAX = 128,    /* bytes of a login as typed; may be a mail address */
    LOGIN_PASSWORD_MAX = 1024 /* bytes; a longer one is nobody's, and costs the server a hash */
};

enum login_answer {
    LOGIN_OK,      /* the identity is given */
    LOGIN_REFUSED, /* unknown, ambiguous, wrong password, locked, disabled, not allowed */
    LOGIN_DOWN     /* no directory could answer; `why` says what to mend */
};

struct directory;
struct directories;

/* Call first in main(), before any thread: makes libldap and the resolver ignore the
 * environment and files of the working folder, bounds name look-ups, and ignores SIGPIPE. */
void directory_init(void);

/* All [directory NAME] sections, at least one. `*out` borrows texts from `c`, which must
 * outlive it. -EINVAL, -EACCES: a section or password file is not as it should be, told in `e`.
 */
int directories_load(struct conf *c, struct directories **out, struct err *e);
void directories_free(struct directories *all); /* NULL is fine */
AUTO_FREE(directories_free, struct directories)

const struct directory *directories_find(const struct directories *all, const char *name);
const struct directory *directories_at(const struct directories *all,
                                       size_t index); /* or NULL */
const char *directory_name(const struct directory *d);
const char *directory_title(const struct directory *d); /* for people, at the login */

/* A login as typed: [A-Za-z0-9_.@-], at most LOGIN_TYPED_MAX. Others are refused before any
 * server is asked: a server that folds look-alikes would take them for different tries at one
 * account. */
bool directory_is_login(const char *login, size_t len);

/* Is this the person's password? The identity is the caller's, who frees it with
 * identity_free(). */
enum login_answer directory_login(const struct directory *d, const char *login,
                                  size_t login_len, const char *password, size_t password_len,
                                  struct identity **out, struct err *why);

/* Who has this login, by the service account alone: for tokens, and to see that somebody is
 * still there. The same answers, with the same rules. */
enum login_answer directory_look_up(const struct directory *d, const char *login,
                                    struct identity **out, struct err *why);

#endif

// SPDX-License-Identifier: Apache-2.0
/* How many connections each address has. An IPv4 address counts for itself, an IPv6 address
 * together with the /64 it is in, which is what one customer gets. */
#ifndef FF_PORTAL_PEERS_H
#define FF_PORTAL_PEERS_H

#include <stdbool.h>
#include <sys/socket.h>

struct peers;
struct peer;

struct peers *peers_new(int max_each);
void peers_free(struct peers *p);

/* Counts one more connection; NULL if the address has max_each already. Give it back with
 * peers_leave(). */
struct peer *peers_enter(struct peers *p, const struct sockaddr *address);
void peers_leave(struct peers *p, struct peer *one); /* NULL is fine */

#endif

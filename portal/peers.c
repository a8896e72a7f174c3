// SPDX-License-Identifier: Apache-2.0
/* A tree of addresses with their counts; an address without connections is not in it. */
#include "portal/peers.h"

#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

struct peer {
    unsigned char key[17]; /* family, then 4 or 8 bytes of address */
    int count;
};

struct peers {
    void *tree;
    int max_each;
};

static int compare(const void *a, const void *b)
{
    return memcmp(((const struct peer *)a)->key, ((const struct peer *)b)->key, 17);
}

static void make_key(unsigned char key[17], const struct sockaddr *address)
{
    memset(key, 0, 17);
    key[0] = (unsigned char)address->sa_family;
    if (address->sa_family == AF_INET)
        memcpy(key + 1, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    if (address->sa_family == AF_INET6)
        memcpy(key + 1, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 8);
}

struct peers *peers_new(int max_each)
{
    struct peers *p = xnew(struct peers);
    p->max_each = max_each;
    return p;
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    tdestroy(p->tree, free);
    free(p);
}

struct peer *peers_enter(struct peers *p, const struct sockaddr *address)
{
    struct peer wanted;
    make_key(wanted.key, address);
    struct peer **found = tfind(&wanted, &p->tree, compare);
    struct peer *one = found ? *found : NULL;
    if (!one) {
        one = xnew(struct peer);
        memcpy(one->key, wanted.key, sizeof(one->key));
        if (!tsearch(one, &p->tree, compare)) {
            free(one);
            return NULL;
        }
    }
    if (one->count >= p->max_each)
        return NULL;
    one->count++;
    return one;
}

void peers_leave(struct peers *p, struct peer *one)
{
    if (!one || --one->count > 0)
        return;
    tdelete(one, &p->tree, compare);
    free(one);
}

// SPDX-License-Identifier: Apache-2.0
/* The price list: what a GPU type weighs, from a moment on. A job keeps the weight of its
 * submit time, so a new price never changes what is held or charged already. */
#ifndef FF_QUOTA_PRICE_LIST_H
#define FF_QUOTA_PRICE_LIST_H

#include "quota/change.h"

struct price_ask {
    const char *gpu_type; /* a name; not "any", which holds at the dearest */
    int64_t weight_permille;
};

/* Sets the weight from now on; the old one stays in the list. */
int price_list_set(struct db *db, const struct change_by *by, const struct price_ask *ask,
                   enum change_answer *out, struct err *e);

#endif

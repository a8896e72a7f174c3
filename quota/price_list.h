// SPDX-License-Identifier: Apache-2.0
/* The price list: what a GPU type or MIG profile weighs, from a moment on. A job keeps the
 * weight of its submit time, so a new price never changes what is held or charged already. */
#ifndef FF_QUOTA_PRICE_LIST_H
#define FF_QUOTA_PRICE_LIST_H

#include "quota/change.h"

enum { PRICE_TYPE_MAX = 32 };

struct price_ask {
    const char *gpu_type; /* price_list_check_type() */
    int64_t weight_permille;
    int64_t since_ms; /* 0: from now on; otherwise a moment that is still to come */
};

/* Sets the weight from a moment on; the ones before stay in the list. -EPERM: since_ms is past;
 * -EEXIST: a price begins at that very moment already. */
int price_list_set(struct db *db, const struct change_by *by, const struct price_ask *ask,
                   enum change_answer *out, struct err *e);

/* A GPU type: a letter or digit, then those, '-', '.' and '+', at most PRICE_TYPE_MAX: "h100",
 * "a100-1g.5gb". Not "any", which holds at the dearest. -EINVAL with the remedy. Pure. */
int price_list_check_type(const char *type, struct err *e);

#endif

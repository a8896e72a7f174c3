// SPDX-License-Identifier: Apache-2.0
/* What the fake cluster and the way to it (fake.c) share. */
#ifndef FF_EXEC_FAKE_CLUSTER_H
#define FF_EXEC_FAKE_CLUSTER_H

#include "runner/exec/fake.h"

/* What was written down of an attempt; what is true now follows from it and the clock. */
struct fake_attempt {
    struct fake_attempt *next;
    char token[EXEC_TOKEN_LEN + 1];
    int64_t asked_ms, begin_ms; /* its play begins */
    int64_t play_ms, exit_code; /* what it would run for, and end with */
    int64_t limit_ms;
    int64_t stopped_ms; /* 0: not stopped */
    char why[32];       /* of the stop */
    bool is_lost, has_begun;
};

const struct fake_cluster_conf *fake_cluster_conf(const struct fake_cluster *c);

/* -ESTALE: a newer epoch has been seen. 0: remembered, and attempts are those of the folder. */
int fake_cluster_greet(struct fake_cluster *c, int64_t epoch, struct err *e);
int fake_cluster_prove(struct fake_cluster *c, int64_t epoch, struct err *e);

struct fake_attempt *fake_cluster_find(struct fake_cluster *c, const char *token);
struct fake_attempt *fake_cluster_next(struct fake_cluster *c,
                                       const struct fake_attempt *after); /* NULL: the first */
/* The caller fills it, then saves. */
struct fake_attempt *fake_cluster_add(struct fake_cluster *c, const char *token);
int fake_cluster_save(struct fake_cluster *c, const struct fake_attempt *a, struct err *e);
int fake_cluster_remove(struct fake_cluster *c, struct fake_attempt *a, struct err *e);

/* By the clock of now. */
void fake_attempt_status(struct fake_cluster *c, struct fake_attempt *a,
                         struct exec_status *out);

#endif

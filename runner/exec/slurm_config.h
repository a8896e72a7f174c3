// SPDX-License-Identifier: Apache-2.0
/* How a Slurm is set up, and what of that matters to us: the questions, the reading of the
 * answers, and a finding for each. For `runnerd check slurm`, which asks and prints. Pure; see
 * runner/slurm.md for what a site sets and why.
 */
#ifndef FF_EXEC_SLURM_CONFIG_H
#define FF_EXEC_SLURM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/base/cleanup.h"
#include "runner/base/err.h"
#include "runner/exec/slurm_argv.h"

enum { SLURM_FINDING_MAX = 600, SLURM_LINES_MAX = 1000 };

enum slurm_verdict {
    SLURM_OK,
    SLURM_NOTE, /* a choice of the site's, or what nobody can see from here */
    SLURM_MEND, /* jobs would be lost, stuck, charged wrongly or not kept apart */
};

/* A sentence: what is there; where it is no good also what happens so and how to mend it. */
typedef void slurm_finding_fn(enum slurm_verdict verdict, const char *text, void *arg);

/* Formats the sentence for `say`. */
void slurm_say(slurm_finding_fn *say, void *arg, enum slurm_verdict verdict, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

enum slurm_question {
    SLURM_ASK_PING,   /* is slurmctld there? */
    SLURM_ASK_CONFIG, /* slurm.conf and cgroup.conf, as slurmctld has them */
    SLURM_ASK_PARTITIONS,
    SLURM_ASK_QUEUE,    /* may we look into the queue? */
    SLURM_ASK_RECORDS,  /* and into the accounting? */
    SLURM_ASK_CLUSTERS, /* what slurmdbd knows */
    SLURM_ASK_DATABASE, /* slurmdbd.conf */
    SLURM_ASK_USER,     /* the rights of the account `name` */
};

/* -EINVAL: a name that no command line takes. */
int slurm_config_argv(struct slurm_argv *out, enum slurm_question what, const char *cluster,
                      const char *name, struct err *e);

/* "Key = value", line by line. */
struct slurm_config {
    char *text;
    const char *keys[SLURM_LINES_MAX], *values[SLURM_LINES_MAX];
    size_t count;
    int64_t clock_s; /* of the one who answered; -1: not told */
};
void slurm_config_read(struct slurm_config *out, const char *text);
void slurm_config_done(struct slurm_config *c); /* AUTO(slurm_config_done) */
/* "" for a key that is not there, and for Slurm's words for nothing. */
const char *slurm_config_get(const struct slurm_config *c, const char *key);

/* What we want of it. */
struct slurm_wishes {
    int64_t submit_deadline_ms;
    bool is_operator;    /* our account is one of Slurm's operators */
    bool has_accounts;   /* each project has its account */
    const char *account; /* our unix name */
};

/* Answers to SLURM_ASK_CONFIG, _DATABASE, _PARTITIONS, _PING: a finding for each thing that
 * matters. */
void slurm_config_check(const struct slurm_config *c, const struct slurm_wishes *w,
                        slurm_finding_fn *say, void *arg);
void slurm_database_check(const char *text, const struct slurm_wishes *w, slurm_finding_fn *say,
                          void *arg);
/* `name` "": the default one. False: it is not there, and said so. */
bool slurm_partition_check(const char *text, const char *name, slurm_finding_fn *say,
                           void *arg);
void slurm_ping_check(const char *text, slurm_finding_fn *say, void *arg);

/* Of SLURM_ASK_USER: operator or administrator. */
bool slurm_user_is_operator(const char *text, const char *name);
/* Of SLURM_ASK_CLUSTERS. */
bool slurm_clusters_have(const char *text, const char *cluster);

#endif

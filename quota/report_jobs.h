// SPDX-License-Identifier: Apache-2.0
/* The jobs of some months one by one, for a file as long as there are jobs.
 *
 * A job is among them if it started or ended in the months, or if a charge or refund of its is
 * booked in them. What is booked in the months stands beside what the whole job was charged,
 * raw and weighted: summed up, the former is the report's usage. Needs the caller's snapshot;
 * while it runs the connection can do nothing else. Memory does not grow with the jobs.
 */
#ifndef FF_QUOTA_REPORT_JOBS_H
#define FF_QUOTA_REPORT_JOBS_H

#include "quota/report.h"

struct report_job {
    int64_t id, person_id, allocation_id;
    const char *tenant, *project, *login, *directory; /* live until the next row */
    const char *kind, *gpu_type, *state;
    int64_t gpus;            /* of the last attempt; before one, asked for */
    int64_t weight_permille; /* of what it got; before that, of the hold */
    int64_t price_since_ms; /* since when that price held when it was submitted; 0: none does */
    int64_t placed_ms, started_ms, ended_ms; /* 0: not yet */
    int64_t time_limit_ms, attempts, run_ms;
    int64_t exit_code; /* -1: none */
    int64_t hold_gpums;
    int64_t month_raw_gpums, month_charged_gpums,
        month_refunded_gpums;                                     /* booked in the months */
    int64_t job_raw_gpums, job_charged_gpums, job_refunded_gpums; /* in all */
};

typedef void report_job_fn(const struct report_job *job, void *arg);

/* In order of numbers. */
int report_jobs(struct db *db, const struct report_span *span, report_job_fn *on_job, void *arg,
                struct err *e);

#endif

// SPDX-License-Identifier: Apache-2.0
/* One job and the person who asks for it: found, and allowed, or not there at all.
 *
 * The rules are quota/person.h's; this loads what they need and writes the audit row that an
 * administrator's look at others' things demands. Blocks: a worker's. */
#ifndef FF_PORTAL_ACCESS_H
#define FF_PORTAL_ACCESS_H

#include "portal/request.h"
#include "portal/worker.h"
#include "quota/jobs.h"
#include "quota/person.h"

/* Both die with the request. */
struct access_found {
    struct job_row *job;
    struct person *person;
};

/* The job of the route's ":id". `verb` is for the audit, which notes every change and every look of
 * an administrator: "view", "cancel". -ENOENT: there is none, or none that this person may
 * `what`. */
int access_job(struct worker *w, struct request *r, enum access_what what, const char *verb,
               struct access_found *out);

/* The person of the session; dies with the request. */
int access_person(struct worker *w, struct request *r, struct person **out);

/* May the person still `what` the job? 1, 0 (also when either is gone), or an error. Writes no
 * audit row: the look was noted when it began. */
int access_still(struct db *db, int64_t person, int64_t job, enum access_what what);

/* A project as a page needs it, and what the person may do with it. Dies with the request. */
struct access_project {
    int64_t id, tenant_id;
    const char *name, *title, *tenant, *tenant_title;
    bool is_open; /* it and its tenant take jobs */
    bool may_run; /* act for it: as its PI, its tenant's admin, or an administrator */
    struct person *person;
};

/* The project of this name; -ENOENT: there is none, or the person is neither in it nor may run
 * it. `verb` is for the audit row of an administrator's look. */
int access_project(struct worker *w, struct request *r, const char *name, const char *verb,
                   struct access_project *out);

bool access_also(const struct access_found *f, enum access_what what);

/* The audit row of an administrator's look at others' things: "view" of "project" "climate". */
int access_audit(struct db *db, struct request *r, const char *verb, const char *kind,
                 const char *name);

/* "north/alice": who did it, for requests and audit rows; the arena's. */
const char *access_actor(const struct request *r);
/* "portal 192.0.2.7": from where, for audit rows; the arena's. */
const char *access_origin(const struct request *r);

#endif

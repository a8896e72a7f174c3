// SPDX-License-Identifier: Apache-2.0
/* A job's log: whole and raw, or what is added to it as a stream of events. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "portal/follow.h"
#include "portal/job_facts.h"
#include "portal/pages/pages.h"
#include "portal/portal.h"
#include "portal/runner_link.h"
#include "runner/base/parse.h"

/* The number of the last attempt, 0: none. */
static int last_attempt(struct db *db, struct request *r, int64_t job, int64_t *out)
{
    AUTO(attempt_list_done) struct attempt_list attempts = {0};
    int code = jobs_attempts(db, job, &attempts, &r->err);
    if (code == 0 && attempts.count > 0)
        *out = attempts.rows[attempts.count - 1].no;
    return code;
}

int load_log(void *local, struct request *r)
{
    struct worker *w = local;
    struct access_found found;
    struct job_view *v = arena_alloc(r->arena, sizeof(*v));
    const char *asked = request_query(r, "attempt");
    int code = v ? access_job(w, r, ACCESS_FILES, "log", &found) : -ENOMEM;
    if (code < 0)
        return code;
    *v = (struct job_view){.id = found.job->id};
    r->state = v;
    if (asked)
        return parse_i64(asked, 1, INT32_MAX, &v->attempt) < 0 ? -ENOENT : 0;
    return last_attempt(w->db, r, v->id, &v->attempt);
}

static void on_log(int status, struct packet *packet, const struct err *why, void *arg)
{
    struct request *r = arg;
    struct request_file as = {.type = "text/plain; charset=utf-8"};
    (void)why;
    if (status < 0) {
        request_problem(r, status == -ENOENT ? 404 : 503, NULL, job_missing_text(status, true));
        return;
    }
    /* A second policy: whatever the bytes are, they are nothing but text. */
    request_set_header(r, "Content-Security-Policy", "sandbox; default-src 'none'");
    request_stream(r, &as, packet_take_fd(packet), 0, -1);
}

void show_log(struct request *r, int status)
{
    const struct job_view *v = r->state;
    if (status < 0)
        request_fail(r, status);
    else if (v->attempt == 0)
        request_problem(r, 404, NULL, "The job has not started, so it has no log yet.");
    else
        runner_log_start(portal_of(r)->runner, r, v->id, v->attempt, on_log, r);
}

/* "2-4096": attempt and offset, from the address or from the browser that comes again. */
static void read_place(const char *text, struct follow_from *from)
{
    long long attempt, offset;
    int end = 0;
    if (text && strlen(text) < 40 &&
        sscanf(text, "%lld-%lld%n", &attempt, &offset, &end) == 2 && !text[end] &&
        attempt > 0 && offset >= 0) {
        from->attempt = attempt;
        from->offset = offset;
    }
}

void show_events(struct request *r, int status)
{
    const struct job_view *v = r->state;
    if (status < 0) {
        request_fail(r, status);
        return;
    }
    struct follow_from from = {.job = v->id};
    const char *again = request_header(r, "Last-Event-ID");
    read_place(again ? again : request_query(r, "from"), &from);
    follow_open(portal_of(r)->follows, r, &from);
}

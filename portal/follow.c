// SPDX-License-Identifier: Apache-2.0
/* One struct follow for each job that is watched; it lives while anybody watches. */
#include "portal/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal/access.h"
#include "portal/follow_internal.h"
#include "portal/session.h"
#include "portal/shown.h"
#include "portal/sse.h"
#include "portal/worker.h"
#include "runner/base/jget.h"
#include "runner/base/loop.h"
#include "runner/base/now.h"
#include "runner/base/work.h"
#include "runner/base/xnew.h"

/* May this one still watch? */
struct check {
    uint64_t watcher;
    char session[TOKEN_TEXT];
    int64_t person;
    bool is_dead;   /* the session is over */
    bool is_barred; /* the person may not see the log any more */
};

/* What a worker finds out about a job and its watchers. */
struct poll {
    struct follow *follow;
    int64_t job, idle_ms;
    struct check *checks;
    size_t check_count;
    int status;
    struct err why;
    enum job_state now;
    int64_t attempt;
    json_t *state;
};
static void run_poll(void *worker, void *arg);
static void on_polled(int status, void *arg);

struct follows *follows_new(struct portal *p)
{
    struct follows *all = xnew(struct follows);
    all->portal = p;
    return all;
}

static void follow_free(struct follow *f)
{
    struct follow **place = &f->all->first;
    while (*place != f)
        place = &(*place)->next;
    *place = f->next;
    follow_log_done(f);
    work_cancel(f->polling);
    loop_timer_free(f->timer);
    json_decref(f->state);
    free(f);
}

void follows_free(struct follows *all)
{
    if (!all)
        return;
    while (all->first) {
        struct follow *f = all->first;
        for (struct watcher *w = f->watchers, *next; w; w = next) {
            next = w->next;
            free(w);
        }
        follow_free(f);
    }
    free(all);
}

/* ---- who watches */

struct watcher *follow_find(const struct follow *f, uint64_t no)
{
    struct watcher *w = f->watchers;
    while (w && w->no != no)
        w = w->next;
    return w;
}

void follow_tell(struct follow *f, const char *event, const json_t *data)
{
    for (struct watcher *w = f->watchers; w; w = w->next)
        sse_send(w->stream, event, NULL, data);
}

/* The stream is over: its page was closed, or we ended it. The follow goes with its last
 * watcher, but not from within its own callbacks: the next tick sees that it is alone. */
static void on_stream_end(void *arg)
{
    struct watcher *w = arg, **place = &w->follow->watchers;
    while (*place != w)
        place = &(*place)->next;
    *place = w->next;
    free(w);
}

static void end_all(struct follow *f)
{
    AUTO(json_freep) json_t *nothing = json_object();
    follow_tell(f, "end", nothing);
    while (f->watchers)
        sse_end(f->watchers->stream);
}

static void end_refused(struct follow *f, const struct poll *p)
{
    for (size_t i = 0; i < p->check_count; i++) {
        const struct check *c = &p->checks[i];
        struct watcher *w = c->is_barred ? follow_find(f, c->watcher) : NULL;
        if (c->is_dead)
            sse_end_owner(f->all->portal->streams, c->session);
        else if (w)
            sse_end(w->stream);
    }
}

/* ---- the state, in the database */

static void poll_free(void *arg)
{
    struct poll *p = arg;
    json_decref(p->state);
    free(p->checks);
    free(p);
}

static void start_poll(struct follow *f, int64_t now)
{
    struct poll *p = xnew(struct poll);
    *p = (struct poll){
        .follow = f, .job = f->job, .idle_ms = f->all->portal->conf.session_idle_ms};
    f->poll_at_ms = now + FOLLOW_POLL_MS;
    if (now >= f->check_at_ms) {
        f->check_at_ms = now + FOLLOW_CHECK_MS;
        for (struct watcher *w = f->watchers; w; w = w->next) {
            p->checks = xgrow(p->checks, p->check_count + 1, sizeof(*p->checks));
            struct check *c = &p->checks[p->check_count++];
            *c = (struct check){.watcher = w->no, .person = w->person};
            memcpy(c->session, w->session, TOKEN_TEXT);
        }
    }
    f->polling = work_start(f->all->portal->db, run_poll, on_polled, poll_free, p);
}

static json_t *state_json(const struct db_rows *rows, enum job_state state, int64_t attempt)
{
    struct arena *a = arena_new(16 * 1024);
    int64_t hold = db_rows_i64(rows, 4), charged = db_rows_i64(rows, 5);
    int64_t refunded = db_rows_i64(rows, 6);
    bool is_final = job_state_is_final(state);
    const char *reason = shown_reason(a, state, db_rows_text(rows, 2), db_rows_text(rows, 3));
    json_t *j = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:I, s:I, s:I}", "state", job_state_name(state),
        "words", shown_state(state), "tone", shown_tone(state), "reason", reason, "is_final",
        is_final, "held", shown_hours(a, is_final ? 0 : hold - charged + refunded), "charged",
        shown_hours(a, charged - refunded), "charged_gpums", (json_int_t)(charged - refunded),
        "attempt", (json_int_t)attempt, "seq", (json_int_t)db_rows_i64(rows, 1));
    arena_free(a);
    return j;
}

static int read_state(struct db *db, struct poll *p)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_FOLLOW_GET, DB_ARGS(DB_I64(p->job)), &rows, &p->why);
    if (r == 0)
        r = db_rows_next(rows, &p->why);
    if (r < 1)
        return r < 0 ? r : -ENOENT;
    if (!job_state_find(db_rows_text(rows, 0), &p->now))
        return -EIO;
    p->attempt = db_rows_i64(rows, 7);
    p->state = state_json(rows, p->now, p->attempt);
    return 0;
}

static void check_session(struct db *db, const struct poll *p, struct check *c)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_SESSION_GET, DB_ARGS(DB_STR(c->session), DB_I64(p->idle_ms)),
                      &rows, NULL);
    if (r == 0)
        r = db_rows_next(rows, NULL);
    c->is_dead = r == 0;
}

/* One person's tabs lie side by side, mostly, and are asked for once. */
static void check_all(struct db *db, const struct poll *p)
{
    for (size_t i = 0; i < p->check_count; i++) {
        struct check *c = &p->checks[i];
        check_session(db, p, c);
        if (i > 0 && c[-1].person == c->person)
            c->is_barred = c[-1].is_barred;
        else
            c->is_barred = access_still(db, c->person, p->job, ACCESS_FILES) == 0;
    }
}

static void run_poll(void *worker, void *arg)
{
    struct poll *p = arg;
    struct db *db = worker_db(worker, &p->status, &p->why);
    if (!db)
        return;
    p->status = read_state(db, p);
    if (p->status == 0)
        check_all(db, p);
}

static void on_polled(int status, void *arg)
{
    struct poll *p = arg;
    struct follow *f = p->follow;
    f->polling = NULL;
    if (status < 0 || p->status == -ENOTCONN)
        trouble_log(f->all->portal->site.troubles, p->why.text);
    if (status == 0 && p->status == 0) {
        end_refused(f, p);
        bool is_news = !f->state || !json_equal(f->state, p->state);
        json_decref(f->state);
        f->state = TAKE(p->state);
        f->now = p->now;
        f->attempt = p->attempt;
        if (is_news && !job_state_is_final(f->now))
            follow_tell(f, "state", f->state);
    }
    poll_free(p);
}

/* ---- the clock */

static void on_tick(void *arg)
{
    struct follow *f = arg;
    int64_t now = now_mono_ms();
    if (!f->watchers) {
        follow_free(f);
        return;
    }
    if (f->state && job_state_is_final(f->now) && f->is_log_over) {
        follow_tell(f, "state", f->state);
        end_all(f);
        return;
    }
    if (!f->polling && now >= f->poll_at_ms && !job_state_is_final(f->now))
        start_poll(f, now);
    follow_log_tick(f, now);
}

static struct follow *follow_get(struct follows *all, int64_t job)
{
    struct follow *f = all->first;
    while (f && f->job != job)
        f = f->next;
    if (f)
        return f;
    f = xnew(struct follow);
    *f = (struct follow){.all = all, .job = job, .next = all->first, .log_fd = -1};
    f->check_at_ms = now_mono_ms() + FOLLOW_CHECK_MS;
    f->timer = loop_timer_new(all->portal->loop, 0, FOLLOW_TICK_MS, on_tick, f);
    all->first = f;
    return f;
}

void follow_open(struct follows *all, struct request *r, const struct follow_from *from)
{
    const struct session *s = session_of(r);
    struct watcher *w = xnew(struct watcher);
    *w = (struct watcher){
        .no = ++all->last_no, .attempt = from->attempt, .offset = from->offset};
    memcpy(w->session, s->hash, TOKEN_TEXT);
    w->person = s->person_id;
    w->stream =
        sse_open(all->portal->streams, r,
                 &(struct sse_options){.owner = w->session, .on_end = on_stream_end, .arg = w});
    if (!w->stream) {
        free(w);
        return;
    }
    struct follow *f = follow_get(all, from->job);
    w->follow = f;
    w->next = f->watchers;
    f->watchers = w;
    f->is_log_over = false; /* for this one it is not */
    if (f->state && !job_state_is_final(f->now))
        sse_send(w->stream, "state", NULL, f->state);
}

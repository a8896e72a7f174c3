// SPDX-License-Identifier: Apache-2.0
/* A timer, one operation at a time, and what it has to say. */
#include "runner/daemon/books.h"

#include <errno.h>
#include <stdlib.h>

#include "quota/ledger.h"
#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"
#include "runner/daemon/trouble.h"

enum { TICK_MS = 1000, EXPIRE_MS = 60000 };

struct books {
    struct supervisor *supervisor;
    struct work_pool *pool;
    struct seal *seal;
    struct loop_timer *tick;
    bool is_busy;
    int64_t epoch, expire_at_ms; /* the epoch in which allocations were expired last */
    struct trouble seal_trouble, expire_trouble, trouble;
};

/* One pass; the worker shares nothing with the loop but the seal, which only passes use. */
struct pass {
    struct books *books;
    struct seal *seal;
    int64_t epoch;
    bool is_expiry_due;

    int64_t month_began_ms;
    struct ledger_expired expired;
    struct seal_counts counts;
    int status, seal_status;
    struct err why, seal_why;
};

static int read_month(struct db *db, struct pass *p)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_MONTH_BEGAN, DB_NO_ARGS, &rows, &p->why);
    if (r == 0)
        r = db_rows_next(rows, &p->why);
    if (r > 0)
        p->month_began_ms = db_rows_i64(rows, 0);
    return r < 0 ? r : 0;
}

static void on_run(void *db, void *arg)
{
    struct pass *p = arg;
    if (!db) {
        p->status = err_set(&p->why, -ENOTCONN, "database: no connection");
        return;
    }
    p->status = read_month(db, p);
    if (p->status == 0 && p->is_expiry_due)
        p->status = ledger_expire(db, p->epoch, &p->expired, &p->why);
    bool is_away = p->status == -ENOTCONN || p->status == -EPERM; /* the same for both */
    if (p->seal && !is_away)
        p->seal_status = seal_run(p->seal, db, p->epoch, &p->counts, &p->seal_why);
}

static void complain(struct trouble *t, int status, const char *what, const struct err *why)
{
    if (status >= 0)
        trouble_end(t);
    else if (status != -EPERM /* another runnerd is active: the supervisor hears of it too */
             && trouble_is_news(t, why, now_mono_ms()))
        log_error("%s: %s", what, why->text);
}

/* One that fails is tried again with the others, a minute later. */
static void tell_expired(struct books *b, const struct pass *p)
{
    const struct ledger_expired *x = &p->expired;
    if (x->done)
        log_info("books: the term of %d allocation%s is over: what was free has expired",
                 x->done, x->done == 1 ? "" : "s");
    if (x->failed && trouble_is_news(&b->expire_trouble, &x->why, now_mono_ms()))
        log_error("books: %d allocation%s cannot expire, the first of them %s", x->failed,
                  x->failed == 1 ? "" : "s", x->why.text);
    else if (!x->failed && p->is_expiry_due && p->status == 0)
        trouble_end(&b->expire_trouble);
}

static void tell(struct books *b, const struct pass *p)
{
    complain(&b->trouble, p->status, "books", &p->why);
    complain(&b->seal_trouble, p->seal_status,
             p->seal_status == -EBADMSG
                 ? "audit: the chain is broken, and nothing is sealed until it is whole again "
                   "(`quota audit verify` says more)"
                 : "audit",
             &p->seal_why);
    tell_expired(b, p);
    if (p->counts.found)
        log_warning("audit: %lld rows were sealed beyond the head that was kept; they follow "
                    "from it",
                    (long long)p->counts.found);
}

static void on_done(int status, void *arg)
{
    struct pass *p = arg;
    struct books *b = p->books;
    b->is_busy = false;
    if (status == 0) {
        tell(b, p);
        if (p->month_began_ms)
            supervisor_note_month(b->supervisor, p->month_began_ms);
        if (p->status < 0 && p->is_expiry_due)
            b->expire_at_ms = 0; /* again with the next pass */
    }
    free(p);
}

static void on_tick(void *arg)
{
    struct books *b = arg;
    struct supervisor_view view;
    supervisor_view(b->supervisor, &view);
    if (b->is_busy || !view.is_active)
        return;
    struct pass *p = xnew(struct pass);
    p->books = b;
    p->seal = b->seal;
    p->epoch = view.epoch;
    p->is_expiry_due = b->epoch != view.epoch || now_mono_ms() >= b->expire_at_ms;
    if (p->is_expiry_due)
        b->expire_at_ms = now_mono_ms() + EXPIRE_MS;
    b->epoch = view.epoch;
    b->is_busy = true;
    work_start(b->pool, on_run, on_done, free, p);
}

struct books *books_new(struct loop *l, struct supervisor *s, struct work_pool *pool,
                        struct seal *seal)
{
    struct books *b = xnew(struct books);
    b->supervisor = s;
    b->pool = pool;
    b->seal = seal;
    b->tick = loop_timer_new(l, 0, TICK_MS, on_tick, b);
    return b;
}

void books_free(struct books *b)
{
    if (!b)
        return;
    loop_timer_free(b->tick);
    free(b);
}

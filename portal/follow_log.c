// SPDX-License-Identifier: Apache-2.0
/* The log of a job that is watched: one descriptor from runnerd, read by a worker of the
 * disk pool at the place where each watcher is. Who does not take what was sent is not read
 * for; who is far behind goes on near the end, and is told so. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portal/follow.h"
#include "portal/follow_internal.h"
#include "portal/logtext.h"
#include "portal/runner_link.h"
#include "portal/sse.h"
#include "runner/base/buf.h"
#include "runner/base/jget.h"
#include "runner/base/work.h"
#include "runner/base/xnew.h"

enum {
    CHUNK = 16 * 1024,        /* read for one watcher at a time */
    UNTAKEN_MAX = 64 * 1024,  /* bytes a slow reader may have waiting */
    BEHIND_MAX = 1024 * 1024, /* further behind than that is never caught up with */
    BEHIND_KEPT = 64 * 1024,
    TEXT_MAX = CHUNK * 10, /* a byte may be shown by nine */
    ASK_AGAIN_MS = 400,
};

/* One round: a piece for each watcher. */
struct piece {
    uint64_t watcher;
    int64_t from, skipped;
    char *data;
    ssize_t got;
};
struct reading {
    struct follow *follow;
    int fd; /* a copy, so that the follow may end meanwhile */
    struct piece *pieces;
    size_t count;
    bool is_final; /* the job was over before this began */
};
static void run_read(void *none, void *arg);
static void on_read(int status, void *arg);
static void on_log(int status, struct packet *packet, const struct err *why, void *arg);

void follow_log_done(struct follow *f)
{
    runner_ask_cancel(f->asking);
    work_cancel(f->reading);
    if (f->log_fd >= 0)
        close(f->log_fd);
    f->log_fd = -1;
    f->asking = NULL;
    f->reading = NULL;
}

/* ---- getting it */

static void ask(struct follow *f)
{
    f->asking = runner_log_start(f->all->portal->runner, NULL, f->job, f->attempt, on_log, f);
    f->log_attempt = f->attempt;
}

static void notice(struct follow *f, const char *text)
{
    if (f->is_noticed == (*text != '\0'))
        return;
    f->is_noticed = *text != '\0';
    AUTO(json_freep) json_t *data = json_pack("{s:s}", "text", text);
    follow_tell(f, "notice", data);
}

static void on_log(int status, struct packet *packet, const struct err *why, void *arg)
{
    struct follow *f = arg;
    (void)why;
    f->asking = NULL;
    if (status == 0) {
        f->log_fd = packet_take_fd(packet);
        notice(f, "");
        return;
    }
    if (job_state_is_final(f->now))
        f->is_log_over = true;
    else if (status != -ENOENT) /* the attempt is being started and has no log yet */
        notice(f, "The log cannot be read at the moment; trying again.");
}

/* ---- reading it */

static void reading_free(void *arg)
{
    struct reading *g = arg;
    for (size_t i = 0; i < g->count; i++)
        free(g->pieces[i].data);
    free(g->pieces);
    close(g->fd);
    free(g);
}

static void start_read(struct follow *f)
{
    int fd = fcntl(f->log_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return;
    struct reading *g = xnew(struct reading);
    *g = (struct reading){.follow = f, .fd = fd, .is_final = job_state_is_final(f->now)};
    for (struct watcher *w = f->watchers; w; w = w->next) {
        if (w->attempt != f->log_attempt) {
            w->attempt = f->log_attempt;
            w->offset = 0;
        }
        if (sse_waiting(w->stream) > UNTAKEN_MAX)
            continue;
        g->pieces = xgrow(g->pieces, g->count + 1, sizeof(*g->pieces));
        g->pieces[g->count++] = (struct piece){.watcher = w->no, .from = w->offset};
    }
    f->reading = work_start(f->all->portal->disk, run_read, on_read, reading_free, g);
}

static void run_read(void *none, void *arg)
{
    struct reading *g = arg;
    struct stat st;
    (void)none;
    if (fstat(g->fd, &st) < 0)
        return;
    for (size_t i = 0; i < g->count; i++) {
        struct piece *p = &g->pieces[i];
        if (st.st_size - p->from > BEHIND_MAX) {
            p->skipped = st.st_size - BEHIND_KEPT - p->from;
            p->from += p->skipped;
        }
        if (p->from >= st.st_size)
            continue;
        p->data = malloc(CHUNK);
        p->got = p->data ? pread(g->fd, p->data, CHUNK, p->from) : -1;
    }
}

static void send_text(struct watcher *w, const struct piece *p, const struct buf *text,
                      size_t used)
{
    char id[64];
    int64_t to = p->from + (int64_t)used;
    snprintf(id, sizeof(id), "%lld-%lld", (long long)w->attempt, (long long)to);
    AUTO(json_freep)
    json_t *data =
        json_pack("{s:I, s:I, s:I, s:s#}", "attempt", (json_int_t)w->attempt, "from",
                  (json_int_t)p->from, "to", (json_int_t)to, "text", buf_text(text), text->len);
    if (data)
        sse_send(w->stream, "log", id, data);
    w->offset = to;
}

/* Sends one piece; true when this watcher has everything there was. */
static bool hand_out(struct watcher *w, const struct piece *p, bool is_final)
{
    AUTO(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
    if (p->skipped > 0) {
        AUTO(json_freep)
        json_t *data = json_pack("{s:I, s:I}", "attempt", (json_int_t)w->attempt, "bytes",
                                 (json_int_t)p->skipped);
        sse_send(w->stream, "skip", NULL, data);
        w->offset = p->from;
    }
    if (p->got <= 0)
        return true;
    bool is_end = is_final && p->got < CHUNK;
    size_t used = logtext_clean(p->data, (size_t)p->got, is_end, &text);
    if (used > 0)
        send_text(w, p, &text, used);
    return p->got < CHUNK;
}

/* The last attempt's log has been read to its end: the next one's, or none. */
static void pass_on(struct follow *f, bool is_final)
{
    if (f->log_attempt < f->attempt) {
        close(f->log_fd);
        f->log_fd = -1;
    } else if (is_final) {
        f->is_log_over = true;
    }
}

static void on_read(int status, void *arg)
{
    struct reading *g = arg;
    struct follow *f = g->follow;
    size_t watchers = 0;
    bool is_all = status == 0;
    f->reading = NULL;
    for (size_t i = 0; i < g->count && status == 0; i++) {
        struct watcher *w = follow_find(f, g->pieces[i].watcher);
        if (w)
            is_all &= hand_out(w, &g->pieces[i], g->is_final);
    }
    for (struct watcher *w = f->watchers; w; w = w->next)
        watchers++;
    bool has_everybody = watchers <= g->count;
    if (is_all && has_everybody)
        pass_on(f, g->is_final);
    bool goes_on = !is_all && f->watchers && status == 0;
    reading_free(g);
    if (goes_on)
        start_read(f);
}

void follow_log_tick(struct follow *f, int64_t now_ms)
{
    if (f->asking || f->reading || !f->state)
        return;
    if (f->attempt == 0) {
        f->is_log_over = job_state_is_final(f->now);
        return;
    }
    if (f->log_fd >= 0) {
        start_read(f);
    } else if (now_ms >= f->ask_at_ms) {
        f->ask_at_ms = now_ms + ASK_AGAIN_MS;
        ask(f);
    }
}

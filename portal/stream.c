// SPDX-License-Identifier: Apache-2.0
/* Sends a descriptor block by block: the next is read when the kernel has the last. A regular
 * file is read by a worker, since a disk or a network file system may let it wait; a pipe or
 * socket when it is readable. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/http.h>

#include "portal/conn.h"
#include "portal/exchange.h"
#include "portal/request.h"
#include "portal/site.h"
#include "runner/base/loop.h"
#include "runner/base/work.h"
#include "runner/base/xnew.h"

struct stream {
    struct request *r;
    int fd;
    bool is_file, is_sending;
    int64_t offset;
    int64_t left; /* -1: until the end */
    struct evbuffer *piece;
    struct evbuffer_iovec space; /* in `piece`, where the next block goes */
    ssize_t got;
    struct work *read;
    struct loop_watch *watch;
};

/* A block, in the order it happens. */
static void next(struct stream *s);
static void run_read(void *local, void *arg); /* worker */
static void on_ready(void *arg);              /* or: the pipe has something */
static void on_read(int status, void *arg);
static void on_sent(struct evhttp_connection *ev, void *arg);

static void stream_free(void *arg)
{
    struct stream *s = arg;
    loop_watch_free(s->watch);
    evbuffer_free(s->piece);
    close(s->fd);
    free(s);
}

static void finish(struct stream *s, bool is_whole)
{
    struct request *r = s->r;
    stream_free(s);
    if (is_whole)
        request_end(r);
    else
        request_drop(r);
}

static void on_gone(void *arg)
{
    struct stream *s = arg;
    struct request *r = s->r;
    if (s->read)
        work_cancel(s->read); /* stream_free() comes when the worker is through */
    else
        stream_free(s);
    request_drop(r);
}

static void next(struct stream *s)
{
    if (s->left == 0) {
        finish(s, true);
        return;
    }
    size_t most = s->left >= 0 && s->left < CONN_BLOCK ? (size_t)s->left : CONN_BLOCK;
    if (evbuffer_reserve_space(s->piece, (ev_ssize_t)most, &s->space, 1) < 1) {
        finish(s, false);
        return;
    }
    s->space.iov_len = most;
    if (s->is_file)
        s->read = work_start(s->r->site->disk, run_read, on_read, stream_free, s);
    else
        s->watch = loop_watch_new(s->r->site->loop, s->fd, on_ready, s);
}

static void run_read(void *local, void *arg)
{
    struct stream *s = arg;
    (void)local;
    s->got = pread(s->fd, s->space.iov_base, s->space.iov_len, s->offset);
}

static void on_ready(void *arg)
{
    struct stream *s = arg;
    s->got = read(s->fd, s->space.iov_base, s->space.iov_len);
    if (s->got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    loop_watch_free(s->watch);
    s->watch = NULL;
    on_read(0, s);
}

static void on_read(int status, void *arg)
{
    struct stream *s = arg;
    s->read = NULL;
    if (status < 0 || s->got <= 0) {
        finish(s, status == 0 && s->got == 0 && s->left < 0);
        return;
    }
    s->space.iov_len = (size_t)s->got;
    evbuffer_commit_space(s->piece, &s->space, 1);
    s->offset += s->got;
    if (s->left > 0)
        s->left -= s->got;
    s->is_sending = true;
    request_piece(s->r, s->piece, on_sent, s);
}

static void on_sent(struct evhttp_connection *ev, void *arg)
{
    struct stream *s = arg;
    (void)ev;
    if (!s->is_sending)
        return;
    s->is_sending = false;
    next(s);
}

static int measure(struct stream *s, int64_t length)
{
    struct stat st;
    if (fstat(s->fd, &st) < 0)
        return -errno;
    s->is_file = S_ISREG(st.st_mode);
    s->left = length;
    if (!s->is_file && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
        return -EINVAL;
    if (!s->is_file)
        return fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : 0;
    if (length < 0)
        s->left = st.st_size > s->offset ? st.st_size - s->offset : 0;
    return 0;
}

void request_stream(struct request *r, const struct request_file *f, int fd, int64_t offset,
                    int64_t length)
{
    struct stream *s = xnew(struct stream);
    char text[24];
    *s = (struct stream){.r = r, .fd = fd, .offset = offset, .piece = evbuffer_new()};
    int code = measure(s, length);
    if (code < 0) {
        stream_free(s);
        err_set(&r->err, code, "the file cannot be read");
        request_fail(r, code);
        return;
    }
    request_file_fields(r, f);
    if (s->left >= 0) {
        snprintf(text, sizeof(text), "%lld", (long long)s->left);
        request_set_header(r, "Content-Length", text);
    }
    request_on_gone(r, on_gone, s);
    request_begin(r, 200);
    if (r->method == REQUEST_HEAD || request_is_gone(r))
        finish(s, true);
    else
        next(s);
}

// SPDX-License-Identifier: Apache-2.0
/* A table of attempts hashed by token, and its copy in a folder. */
#include "runner/exec/fake_cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum { BUCKETS = 4096, FILE_MAX = 4096 };

struct fake_cluster {
    struct fake_cluster_conf conf;
    int folder; /* -1: none */
    int64_t epoch;
    struct fake_attempt *buckets[BUCKETS];
    size_t count;
};

/* Tokens are random: their first digits are hash enough. */
static size_t bucket_of(const char *token)
{
    size_t n = 0;
    for (int i = 0; i < 6 && token[i]; i++)
        n = n * 31 + (unsigned char)token[i];
    return n % BUCKETS;
}

const struct fake_cluster_conf *fake_cluster_conf(const struct fake_cluster *c)
{
    return &c->conf;
}

/* ---- the folder */

/* The file appears whole or not at all. */
static int write_file(const struct fake_cluster *c, const char *name, const char *text,
                      struct err *e)
{
    char aside[NAME_MAX];
    snprintf(aside, sizeof(aside), ".%.64s.new", name);
    AUTO(cleanup_close)
    int fd = openat(c->folder, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd) < 0 ||
        renameat(c->folder, aside, c->folder, name) < 0)
        return err_set(e, -errno, "%s/%s: %s", c->conf.folder, name, strerror(errno));
    return 0;
}

static int read_file(const struct fake_cluster *c, const char *name, char out[FILE_MAX + 1],
                     struct err *e)
{
    AUTO(cleanup_close) int fd = openat(c->folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, FILE_MAX);
    if (n < 0)
        return err_set(e, -errno, "%s/%s: %s", c->conf.folder, name, strerror(errno));
    out[n] = '\0';
    return 0;
}

static int read_epoch(struct fake_cluster *c, struct err *e)
{
    char text[FILE_MAX + 1];
    int r = c->folder < 0 ? -ENOENT : read_file(c, "epoch", text, e);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : parse_i64(text, 0, INT64_MAX, &c->epoch);
}

int fake_cluster_save(struct fake_cluster *c, const struct fake_attempt *a, struct err *e)
{
    char text[FILE_MAX + 1];
    if (c->folder < 0)
        return 0;
    AUTO(json_freep)
    json_t *j =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:b, s:b}", "asked_ms",
                  (json_int_t)a->asked_ms, "begin_ms", (json_int_t)a->begin_ms, "play_ms",
                  (json_int_t)a->play_ms, "exit_code", (json_int_t)a->exit_code, "limit_ms",
                  (json_int_t)a->limit_ms, "stopped_ms", (json_int_t)a->stopped_ms, "why",
                  a->why, "is_lost", a->is_lost, "has_begun", a->has_begun);
    size_t n = json_dumpb(j, text, FILE_MAX, JSON_COMPACT);
    text[n < FILE_MAX ? n : FILE_MAX] = '\0';
    return write_file(c, a->token, text, e);
}

static int read_attempt(struct fake_cluster *c, const char *token, struct err *e)
{
    char text[FILE_MAX + 1];
    AUTO(json_freep) json_t *j = NULL;
    struct fake_attempt *a = fake_cluster_add(c, token);
    const char *why = "";
    int r = read_file(c, token, text, e);
    if (r == 0)
        r = jget_parse(text, strlen(text), FILE_MAX, &j, e);
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = {{"asked_ms", &a->asked_ms}, {"begin_ms", &a->begin_ms},
                   {"play_ms", &a->play_ms},   {"exit_code", &a->exit_code},
                   {"limit_ms", &a->limit_ms}, {"stopped_ms", &a->stopped_ms}};
    for (size_t i = 0; r == 0 && i < COUNT(numbers); i++)
        r = jget_i64(j, numbers[i].name, 0, INT64_MAX, numbers[i].to, e);
    if (r == 0)
        r = jget_text(j, "why", sizeof(a->why) - 1, &why, e);
    if (r == 0)
        r = jget_bool_or(j, "is_lost", false, &a->is_lost, e);
    if (r == 0)
        r = jget_bool_or(j, "has_begun", false, &a->has_begun, e);
    snprintf(a->why, sizeof(a->why), "%s", why);
    return r;
}

static void forget_all(struct fake_cluster *c)
{
    for (struct fake_attempt *a; (a = fake_cluster_next(c, NULL));) {
        c->buckets[bucket_of(a->token)] = a->next;
        c->count--;
        free(a);
    }
}

static int read_folder(struct fake_cluster *c, struct err *e)
{
    int fd = openat(c->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return err_set(e, -errno, "%s: %s", c->conf.folder, strerror(errno));
    forget_all(c);
    for (const struct dirent *d; r == 0 && (d = readdir(dir));)
        if (strlen(d->d_name) == EXEC_TOKEN_LEN)
            r = read_attempt(c, d->d_name, e);
    closedir(dir);
    return r;
}

/* ---- epochs */

int fake_cluster_prove(struct fake_cluster *c, int64_t epoch, struct err *e)
{
    int r = read_epoch(c, e);
    if (r < 0)
        return r;
    return epoch < c->epoch
               ? err_set(e, -ESTALE, "epoch %lld: a newer runnerd is active", (long long)epoch)
               : 0;
}

int fake_cluster_greet(struct fake_cluster *c, int64_t epoch, struct err *e)
{
    char text[24];
    int r = fake_cluster_prove(c, epoch, e);
    if (r < 0 || epoch == c->epoch)
        return r;
    c->epoch = epoch;
    if (c->folder < 0)
        return 0;
    snprintf(text, sizeof(text), "%lld", (long long)epoch);
    r = write_file(c, "epoch", text, e);
    return r < 0 ? r : read_folder(c, e);
}

/* ---- attempts */

struct fake_attempt *fake_cluster_find(struct fake_cluster *c, const char *token)
{
    struct fake_attempt *a = c->buckets[bucket_of(token)];
    while (a && strcmp(a->token, token) != 0)
        a = a->next;
    return a;
}

struct fake_attempt *fake_cluster_next(struct fake_cluster *c, const struct fake_attempt *after)
{
    if (after && after->next)
        return after->next;
    for (size_t b = after ? bucket_of(after->token) + 1 : 0; b < BUCKETS; b++)
        if (c->buckets[b])
            return c->buckets[b];
    return NULL;
}

struct fake_attempt *fake_cluster_add(struct fake_cluster *c, const char *token)
{
    struct fake_attempt *a = xnew(struct fake_attempt);
    struct fake_attempt **bucket = &c->buckets[bucket_of(token)];
    snprintf(a->token, sizeof(a->token), "%s", token);
    a->next = *bucket;
    *bucket = a;
    c->count++;
    return a;
}

int fake_cluster_remove(struct fake_cluster *c, struct fake_attempt *a, struct err *e)
{
    struct fake_attempt **p = &c->buckets[bucket_of(a->token)];
    if (c->folder >= 0 && unlinkat(c->folder, a->token, 0) < 0 && errno != ENOENT)
        return err_set(e, -errno, "%s/%s: %s", c->conf.folder, a->token, strerror(errno));
    while (*p != a)
        p = &(*p)->next;
    *p = a->next;
    c->count--;
    free(a);
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When it ends by itself, by its limit or by the stop, whichever is first. */
static int64_t end_of(const struct fake_attempt *a)
{
    int64_t run_ms = least(a->play_ms, a->limit_ms);
    int64_t end_ms = a->begin_ms + run_ms;
    return a->stopped_ms ? least(end_ms, a->stopped_ms) : end_ms;
}

static const char *cause_of(const struct fake_attempt *a, int64_t end_ms)
{
    if (a->stopped_ms && end_ms == a->stopped_ms)
        return a->why;
    return a->limit_ms < a->play_ms ? "limit" : "natural";
}

/* Its play begins once, and whoever wants to know is told when it is looked at. */
static void begin(struct fake_cluster *c, struct fake_attempt *a)
{
    if (a->has_begun)
        return;
    a->has_begun = true;
    if (c->conf.ran)
        c->conf.ran(a->token, c->conf.arg);
}

void fake_attempt_status(struct fake_cluster *c, struct fake_attempt *a,
                         struct exec_status *out)
{
    int64_t now = c->conf.wall_ms(c->conf.arg), end_ms = end_of(a);
    *out = (struct exec_status){.exit_code = -1, .limit_ms = a->limit_ms};
    if (a->stopped_ms && a->stopped_ms <= a->begin_ms && !a->has_begun) {
        out->state = EXEC_NEVER_RAN;
        return;
    }
    if (!a->has_begun && now < a->begin_ms && !a->is_lost) {
        out->state = EXEC_STARTING;
        return;
    }
    if (a->is_lost && !a->has_begun) {
        out->state = EXEC_NEVER_RAN;
        return;
    }
    begin(c, a);
    out->started_ms = a->begin_ms;
    out->state = a->is_lost ? EXEC_LOST : now >= end_ms ? EXEC_OVER : EXEC_RUNNING;
    out->ended_ms = least(now, end_ms);
    out->run_ms = out->ended_ms > a->begin_ms ? out->ended_ms - a->begin_ms : 0;
    const char *cause = a->is_lost ? "lost" : cause_of(a, end_ms);
    snprintf(out->cause, sizeof(out->cause), "%s", cause);
    if (out->state == EXEC_OVER && !strcmp(cause, "natural"))
        out->exit_code = (int)a->exit_code;
    else if (out->state == EXEC_OVER)
        out->signal_no = 15;
}

int fake_cluster_lose(struct fake_cluster *c, const char *token)
{
    struct fake_attempt *a = fake_cluster_find(c, token);
    struct exec_status s;
    if (!a)
        return -ENOENT;
    fake_attempt_status(c, a, &s);
    if (s.state != EXEC_STARTING && s.state != EXEC_RUNNING)
        return -ENOENT;
    a->stopped_ms = c->conf.wall_ms(c->conf.arg);
    a->is_lost = true;
    return fake_cluster_save(c, a, NULL);
}

size_t fake_cluster_count(const struct fake_cluster *c, size_t *out_alive)
{
    struct fake_cluster *all = (struct fake_cluster *)c;
    *out_alive = 0;
    for (struct fake_attempt *a = fake_cluster_next(all, NULL); a;
         a = fake_cluster_next(all, a)) {
        struct exec_status s;
        fake_attempt_status(all, a, &s);
        *out_alive += s.state == EXEC_STARTING || s.state == EXEC_RUNNING;
    }
    return c->count;
}

/* ---- */

int fake_cluster_new(const struct fake_cluster_conf *conf, struct fake_cluster **out,
                     struct err *e)
{
    struct fake_cluster *c = xnew(struct fake_cluster);
    *c = (struct fake_cluster){.conf = *conf, .folder = -1};
    int r = 0;
    if (conf->folder) {
        c->folder = open(conf->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = c->folder < 0 ? err_set(e, -errno, "%s: %s", conf->folder, strerror(errno))
                          : read_folder(c, e);
    }
    if (r < 0)
        fake_cluster_free(c);
    else
        *out = c;
    return r;
}

void fake_cluster_free(struct fake_cluster *c)
{
    if (!c)
        return;
    forget_all(c);
    if (c->folder >= 0)
        close(c->folder);
    free(c);
}

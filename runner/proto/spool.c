// SPDX-License-Identifier: Apache-2.0
/* Small JSON files that are whole or absent, and a lock that says whether their writer lives.
 * When to write them is the keeper's business, what they mean runnerd's. A reader never waits:
 * files that are no regular files or too large are refused. */
#include "runner/proto/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum { FILE_MAX = 4096, NAME_ROOM = SPOOL_TOKEN_MAX + 32, EXIT_CODE_MAX = 255 };

static const char *const files[] = {"start", "beat", "exit", "lock", "control"};
static const char *const state_names[] = {"starting", "running", "over", "dead"};

bool spool_token_is_valid(const char *token)
{
    return parse_is_slug(token, SPOOL_TOKEN_MAX);
}

const char *spool_state_name(enum spool_state s)
{
    return state_names[s];
}

/* Reads a whole small file of the entry as JSON. -ENOENT: not there (no sentence is written).
 */
static int read_json(int entry, const char *name, json_t **out, struct err *e)
{
    AUTO(cleanup_close)
    int fd = openat(entry, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? -ENOENT : err_set(e, -errno, "%s: %s", name, strerror(errno));
    char text[FILE_MAX];
    ssize_t n = read(fd, text, sizeof(text));
    if (n < 0)
        return err_set(e, -errno, "%s: %s", name, strerror(errno));
    if (jget_parse(text, (size_t)n, sizeof(text) - 1, out, e) < 0)
        return err_wrap(e, -EBADMSG, "%s", name);
    return 0;
}

static int read_name(const json_t *o, const char *field, char *out, size_t size, struct err *e)
{
    const char *text;
    int r = jget_text(o, field, size - 1, &text, e);
    if (r == 0)
        snprintf(out, size, "%s", text);
    return r;
}

static int read_start(int entry, struct spool_entry *s, struct err *e)
{
    AUTO(json_freep) json_t *o = NULL;
    int64_t keeper, task;
    int r = read_json(entry, "start", &o, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (read_name(o, "boot_id", s->boot_id, sizeof(s->boot_id), e) < 0 ||
        jget_i64(o, "job", 1, INT64_MAX, &s->job, e) < 0 ||
        jget_i64(o, "attempt", 1, INT64_MAX, &s->attempt, e) < 0 ||
        jget_i64(o, "keeper", 1, INT32_MAX, &keeper, e) < 0 ||
        jget_i64(o, "task", 1, INT32_MAX, &task, e) < 0 ||
        jget_i64(o, "started_ms", 0, INT64_MAX, &s->started_ms, e) < 0 ||
        jget_i64(o, "started_boot_ms", 0, INT64_MAX, &s->started_boot_ms, e) < 0)
        return err_wrap(e, -EBADMSG, "start");
    s->keeper = (pid_t)keeper;
    s->task = (pid_t)task;
    s->has_start = true;
    return 0;
}

static int read_beat(int entry, struct spool_entry *s, struct err *e)
{
    AUTO(json_freep) json_t *o = NULL;
    int r = read_json(entry, "beat", &o, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (jget_i64(o, "run_ms", 0, INT64_MAX, &s->run_ms, e) < 0 ||
        jget_i64(o, "beat_ms", 0, INT64_MAX, &s->beat_ms, e) < 0 ||
        jget_i64_or(o, "limit_ms", 0, INT64_MAX, 0, &s->limit_ms, e) < 0)
        return err_wrap(e, -EBADMSG, "beat");
    s->has_beat = true;
    return 0;
}

static int read_exit(int entry, struct spool_entry *s, struct err *e)
{
    AUTO(json_freep) json_t *o = NULL;
    int64_t code, sig;
    int r = read_json(entry, "exit", &o, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (read_name(o, "cause", s->cause, sizeof(s->cause), e) < 0 ||
        jget_i64(o, "exit_code", -1, EXIT_CODE_MAX, &code, e) < 0 ||
        jget_i64(o, "signal", 0, SIGRTMAX, &sig, e) < 0 ||
        jget_i64(o, "run_ms", 0, INT64_MAX, &s->run_ms, e) < 0 ||
        jget_i64(o, "ended_ms", 0, INT64_MAX, &s->ended_ms, e) < 0 ||
        jget_i64(o, "log_bytes", 0, INT64_MAX, &s->log_bytes, e) < 0 ||
        jget_i64(o, "log_dropped", 0, INT64_MAX, &s->log_dropped, e) < 0 ||
        jget_bool_or(o, "is_left", false, &s->is_left, e) < 0)
        return err_wrap(e, -EBADMSG, "exit");
    s->exit_code = (int)code;
    s->signal = (int)sig;
    s->has_exit = true;
    return 0;
}

static bool is_locked(int entry)
{
    AUTO(cleanup_close) int fd = openat(entry, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fd >= 0 && fcntl(fd, F_OFD_GETLK, &f) == 0 && f.l_type != F_UNLCK;
}

static int open_folder(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static int open_entry(const char *spool, const char *token, struct err *e)
{
    if (!spool_token_is_valid(token))
        return err_set(e, -EINVAL, "token: must be lower-case letters, digits and '-'");
    AUTO(cleanup_close) int folder = open_folder(AT_FDCWD, spool);
    if (folder < 0)
        return err_set(e, folder, "%s: %s", spool, strerror(-folder));
    int entry = open_folder(folder, token);
    if (entry < 0)
        return err_set(e, entry, "%s/%s: %s", spool, token, strerror(-entry));
    return entry;
}

int spool_read(const char *spool, const char *token, struct spool_entry *out, struct err *e)
{
    AUTO(cleanup_close) int entry = open_entry(spool, token, e);
    if (entry < 0)
        return entry;
    struct spool_entry s = {.exit_code = -1};
    snprintf(s.token, sizeof(s.token), "%s", token);
    bool is_alive =
        is_locked(entry); /* before `exit` is looked for: a keeper writes it, then ends */
    int r = read_start(entry, &s, e);
    if (r == 0)
        r = read_beat(entry, &s, e);
    if (r == 0)
        r = read_exit(entry, &s, e);
    if (r < 0)
        return err_wrap(e, r, "%s/%s", spool, token);
    s.state = s.has_exit    ? SPOOL_OVER
              : !is_alive   ? SPOOL_DEAD
              : s.has_start ? SPOOL_RUNNING
                            : SPOOL_STARTING;
    *out = s;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

int spool_list(const char *spool, struct spool_list *out, struct err *e)
{
    DIR *folder = opendir(spool);
    if (!folder)
        return err_set(e, -errno, "%s: %s", spool, strerror(errno));
    struct spool_list list = {0};
    for (struct dirent *d = readdir(folder); d; d = readdir(folder)) {
        if (!spool_token_is_valid(d->d_name)) /* ".", "..", what is being made */
            continue;
        list.tokens = xgrow(list.tokens, list.count + 1, sizeof(*list.tokens));
        memset(list.tokens[list.count], 0, sizeof(*list.tokens));
        memcpy(list.tokens[list.count++], d->d_name, strlen(d->d_name));
    }
    closedir(folder);
    if (list.count)
        qsort(list.tokens, list.count, sizeof(*list.tokens), by_name);
    *out = list;
    return 0;
}

void spool_list_done(struct spool_list *list)
{
    free(list->tokens);
    *list = (struct spool_list){0};
}

/* Empties and removes the folder `name`, which holds nothing but files of ours. */
static int remove_entry(int spool, const char *name)
{
    AUTO(cleanup_close) int entry = open_folder(spool, name);
    if (entry < 0)
        return entry == -ENOENT ? 0 : entry;
    for (size_t i = 0; i < COUNT(files); i++) {
        char aside[16];
        snprintf(aside, sizeof(aside), "%s.new", files[i]);
        unlinkat(entry, files[i], 0);
        unlinkat(entry, aside, 0);
    }
    return unlinkat(spool, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int spool_remove(const char *spool, const char *token, struct err *e)
{
    if (!spool_token_is_valid(token))
        return err_set(e, -EINVAL, "token: must be lower-case letters, digits and '-'");
    AUTO(cleanup_close) int folder = open_folder(AT_FDCWD, spool);
    int r = folder < 0 ? folder : remove_entry(folder, token);
    return r < 0 ? err_set(e, r, "%s/%s: %s", spool, token, strerror(-r)) : 0;
}

static int make_lock(int entry)
{
    int fd = openat(entry, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_OFD_SETLK, &f) == 0)
        return fd;
    int r = -errno;
    close(fd);
    return r;
}

int spool_make(int spool, const char *token, int *out_entry, int *out_lock, struct err *e)
{
    char aside[NAME_ROOM]; /* begins with '.': no token does */
    snprintf(aside, sizeof(aside), ".%s.%d", token, (int)getpid());
    if (mkdirat(spool, aside, 0700) < 0)
        return err_set(e, -errno, "spool: %s: %s", aside, strerror(errno));
    AUTO(cleanup_close) int entry = open_folder(spool, aside);
    AUTO(cleanup_close) int lock = entry < 0 ? entry : make_lock(entry);
    int r = lock < 0 ? lock : 0;
    if (r == 0 && renameat2(spool, aside, spool, token, RENAME_NOREPLACE) < 0)
        r = -errno;
    if (r == 0 && fsync(spool) < 0)
        r = -errno;
    if (r < 0) {
        remove_entry(spool, aside);
        return err_set(e, r, "spool: %s: %s", token, strerror(-r));
    }
    *out_entry = entry;
    *out_lock = lock;
    entry = lock = -1;
    return 0;
}

static int write_whole(int fd, const char *text, size_t len)
{
    ssize_t n = write(fd, text, len); /* less than a block: whole or failed */
    if (n < 0)
        return -errno;
    if ((size_t)n != len)
        return -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

/* Writes `name` beside itself and moves it into place. Takes `o` over. */
static int write_json(int entry, const char *name, json_t *o, struct err *e)
{
    AUTO(json_freep) json_t *body = o;
    AUTO(cleanup_free) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    char aside[16];
    if (!text)
        return err_set(e, -EINVAL, "spool: %s: cannot be written as JSON", name);
    snprintf(aside, sizeof(aside), "%s.new", name);
    AUTO(cleanup_close)
    int fd = openat(entry, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 ? -errno : write_whole(fd, text, strlen(text));
    if (r == 0 && (renameat(entry, aside, entry, name) < 0 || fsync(entry) < 0))
        r = -errno;
    return r < 0 ? err_set(e, r, "spool: %s: %s", name, strerror(-r)) : 0;
}

int spool_write_start(int entry, const struct spool_entry *s, struct err *e)
{
    return write_json(entry, "start",
                      json_pack("{sssIsIsIsIsssIsI}", "token", s->token, "job",
                                (json_int_t)s->job, "attempt", (json_int_t)s->attempt, "keeper",
                                (json_int_t)s->keeper, "task", (json_int_t)s->task, "boot_id",
                                s->boot_id, "started_ms", (json_int_t)s->started_ms,
                                "started_boot_ms", (json_int_t)s->started_boot_ms),
                      e);
}

int spool_write_beat(int entry, const struct spool_entry *s, struct err *e)
{
    return write_json(entry, "beat",
                      json_pack("{sIsIsI}", "run_ms", (json_int_t)s->run_ms, "beat_ms",
                                (json_int_t)s->beat_ms, "limit_ms", (json_int_t)s->limit_ms),
                      e);
}

int spool_write_exit(int entry, const struct spool_entry *s, struct err *e)
{
    return write_json(entry, "exit",
                      json_pack("{sisisssIsIsIsIsb}", "exit_code", s->exit_code, "signal",
                                s->signal, "cause", s->cause, "run_ms", (json_int_t)s->run_ms,
                                "ended_ms", (json_int_t)s->ended_ms, "log_bytes",
                                (json_int_t)s->log_bytes, "log_dropped",
                                (json_int_t)s->log_dropped, "is_left", s->is_left),
                      e);
}

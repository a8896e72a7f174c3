// SPDX-License-Identifier: Apache-2.0
/* The file of a batch job: read, checked, turned into an environment. It was written by us and
 * kept by the batch system, and anybody may run runner-task on one of his own: what it can do
 * is what its account can do anyway. */
#include "runner/task/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"
#include "runner/task/batch_slurm.h"

enum { TOKEN_MAX = 64, PROJECT_MAX = 64, GRACE_MS = 30000, DAY_MS = 86400000 };

static const int64_t limit_max_ms = INT64_C(3660) * DAY_MS;

static int read_path(const json_t *o, const char *field, bool is_needed, const char **out,
                     struct err *e)
{
    int r = is_needed ? jget_text(o, field, BATCH_PATH_MAX, out, e)
                      : jget_text_or(o, field, BATCH_PATH_MAX, NULL, out, e);
    if (r == 0 && *out && (**out != '/' || parse_has_control(*out)))
        return err_set(e, -EINVAL, "%s: must be an absolute path", field);
    return r;
}

static int read_names(const json_t *o, struct batch *b, struct err *e)
{
    int r = jget_text(o, "token", TOKEN_MAX, &b->token, e);
    if (r == 0 && !parse_is_slug(b->token, TOKEN_MAX))
        return err_set(e, -EINVAL, "token: must be lower-case letters, digits and '-'");
    if (r == 0)
        r = jget_text(o, "project", PROJECT_MAX, &b->project, e);
    if (r == 0 && (!*b->project || parse_has_control(b->project)))
        return err_set(e, -EINVAL, "project: must be a name");
    if (r == 0)
        r = read_path(o, "job_dir", true, &b->job_dir, e);
    if (r == 0)
        r = read_path(o, "project_dir", false, &b->project_dir, e);
    return r < 0 ? r : read_path(o, "launcher", false, &b->launcher, e);
}

static int read_numbers(const json_t *o, struct batch *b, struct err *e)
{
    int r = jget_i64(o, "job", 1, INT64_MAX, &b->job, e);
    if (r == 0)
        r = jget_i64(o, "attempt", 1, INT32_MAX, &b->attempt, e);
    if (r == 0)
        r = jget_i64(o, "nodes", 1, BATCH_NODES_MAX, &b->nodes, e);
    if (r == 0)
        r = jget_i64(o, "limit_ms", 1, limit_max_ms, &b->limit_ms, e);
    if (r == 0)
        r = jget_i64_or(o, "grace_ms", 0, DAY_MS, GRACE_MS, &b->grace_ms, e);
    return r < 0 ? r : jget_bool_or(o, "resume", false, &b->resume, e);
}

static int read_spec(const json_t *o, struct spec **out, struct err *e)
{
    const json_t *spec = json_object_get(o, "spec");
    if (!json_is_object(spec))
        return err_set(e, -EINVAL, "spec: must be the request, an object");
    AUTO(cleanup_free) char *text = json_dumps(spec, JSON_COMPACT);
    if (!text)
        return err_set(e, -EINVAL, "spec: cannot be read");
    int r = spec_load(text, strlen(text), out, e);
    return r < 0 ? err_wrap(e, r, "spec") : 0;
}

static int read_fields(struct batch *b, struct err *e)
{
    static const char *const fields[] = {
        "token",    "job",      "attempt", "job_dir",  "project", "project_dir", "nodes",
        "limit_ms", "grace_ms", "resume",  "launcher", "spec",    NULL};
    int r = jget_only(b->json, fields, e);
    if (r == 0)
        r = read_names(b->json, b, e);
    if (r == 0)
        r = read_numbers(b->json, b, e);
    return r < 0 ? r : read_spec(b->json, &b->spec, e);
}

int batch_parse(const char *text, size_t len, struct batch **out, struct err *e)
{
    const char *first_end = memchr(text, '\n', len);
    if (len < 2 || memcmp(text, "#!", 2) || !first_end)
        return err_set(e, -EINVAL, "the first line must begin with #! and a second follow it");
    const char *line = first_end + 1;
    size_t line_len = len - (size_t)(line - text);
    if (line_len && line[line_len - 1] == '\n')
        line_len--;
    if (memchr(line, '\n', line_len))
        return err_set(e, -EINVAL, "there are more than two lines");
    AUTO(batch_freep) struct batch *b = xnew(struct batch);
    int r = jget_parse(line, line_len, BATCH_FILE_MAX, &b->json, e);
    if (r < 0)
        return err_wrap(e, -EINVAL, "the second line");
    r = read_fields(b, e);
    if (r < 0)
        return r;
    b->text = xalloc(len + 1, 1);
    memcpy(b->text, text, len);
    *out = TAKE(b);
    return 0;
}

static int check_file(const struct stat *st, struct err *e)
{
    if (!S_ISREG(st->st_mode))
        return err_set(e, -EINVAL, "is no regular file");
    if ((st->st_uid != geteuid() && st->st_uid != 0) || (st->st_mode & 022))
        return err_set(e, -EPERM, "belongs to uid %u, mode %03o: must be uid %u's alone",
                       st->st_uid, st->st_mode & 0777, geteuid());
    if (st->st_size > BATCH_FILE_MAX)
        return err_set(e, -EFBIG, "has %lld bytes, at most %d", (long long)st->st_size,
                       BATCH_FILE_MAX);
    return 0;
}

int batch_read(const char *path, struct batch **out, struct err *e)
{
    struct stat st;
    AUTO(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    int r = check_file(&st, e);
    if (r < 0)
        return err_wrap(e, r, "%s", path);
    size_t size = (size_t)st.st_size;
    AUTO(cleanup_free) char *text = xalloc(size + 1, 1);
    ssize_t n = pread(fd, text, size, 0);
    if (n != st.st_size)
        return err_set(e, -EIO, "%s: cannot be read whole", path);
    r = batch_parse(text, size, out, e);
    return r < 0 ? err_wrap(e, r, "%s", path) : 0;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    spec_free(b->spec);
    json_decref(b->json);
    free(b->text);
    free(b);
}

static void set_number(const char *name, int64_t n)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)n);
    setenv(name, text, 1);
}

void batch_enter(const struct batch *b, const struct batch_site *site)
{
    char tmp[BATCH_PATH_MAX + 32];
    snprintf(tmp, sizeof(tmp), "%s/.firefly/tmp", b->job_dir);
    setenv("HOME", b->job_dir, 1);
    setenv("TMPDIR", tmp, 0);
    setenv("FIREFLY_TOKEN", b->token, 1);
    set_number("FIREFLY_JOB_ID", b->job);
    set_number("FIREFLY_ATTEMPT", b->attempt);
    setenv("FIREFLY_JOB_DIR", b->job_dir, 1);
    setenv("FIREFLY_PROJECT", b->project, 1);
    if (b->project_dir)
        setenv("FIREFLY_PROJECT_DIR", b->project_dir, 1);
    setenv("FIREFLY_GPUS", site->gpus, 1);
    setenv("FIREFLY_NODES", site->nodes, 1);
    set_number("FIREFLY_NODE", site->node);
    set_number("FIREFLY_RESUME", b->resume);
    set_number("FIREFLY_TIME_LIMIT_S", (b->limit_ms + 999) / 1000);
}

// SPDX-License-Identifier: Apache-2.0
/* Rows and listings into what templates show. */
#include "portal/job_facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portal/logtext.h"
#include "portal/shown.h"
#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/job/spec.h"

enum { COMMAND_TEXT_MAX = 4 * SPEC_SCRIPT_MAX + 4096 }; /* each byte a quote, at most */

/* ---- attempts */

static const char *cause_text(struct arena *a, const struct attempt_row *t)
{
    static const struct {
        const char *cause, *text;
    } texts[] = {
        {"", "running"},
        {"limit", "time limit"},
        {"not_started", "could not be started"},
        {"withdrawn", "not begun: tried again later"},
    };
    const char *text = NULL;
    bool is_own = strcmp(t->cause, "natural") == 0 || strcmp(t->cause, "exit") == 0;
    if (is_own && t->signal_no > 0)
        text = arena_printf(a, "signal %lld", (long long)t->signal_no);
    else if (is_own)
        text = arena_printf(a, "exit status %lld", (long long)t->exit_code);
    for (size_t i = 0; !text && i < COUNT(texts); i++)
        if (strcmp(texts[i].cause, t->cause) == 0)
            text = texts[i].text;
    return text ? text : t->cause;
}

/* {"nodes": [{"name": "n1", "gpus": [0, 1]}]} or a list of the same, as far as it is
 * understood. */
static const char *place_text(struct arena *a, const char *place)
{
    AUTO(json_freep) json_t *all = json_loads(place, 0, NULL);
    const json_t *nodes = json_is_array(all) ? all : json_object_get(all, "nodes");
    const char *text = "";
    size_t i;
    json_t *node;
    json_array_foreach (nodes, i, node) {
        const char *name = json_is_string(node) ? json_string_value(node)
                           : json_string_value(json_object_get(node, "name"))
                               ? json_string_value(json_object_get(node, "name"))
                               : json_string_value(json_object_get(node, "node"));
        if (name && text)
            text = arena_printf(a, "%s%s%s", text, *text ? ", " : "", name);
    }
    return text ? text : "";
}

json_t *job_attempts_json(struct arena *a, const struct attempt_list *attempts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < attempts->count; i++) {
        const struct attempt_row *t = &attempts->rows[i];
        json_array_append_new(
            list,
            json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "no", (json_int_t)t->no,
                      "began", shown_time(a, t->started_ms ? t->started_ms : t->created_ms),
                      "finished", shown_time(a, t->ended_ms), "ran",
                      t->ended_ms ? shown_duration(a, t->run_ms) : "", "cause",
                      cause_text(a, t), "place", place_text(a, t->place), "attempt_gpus",
                      (json_int_t)t->gpus, "charge",
                      t->ended_ms ? shown_hours(a, t->charge_gpums) : ""));
    }
    return list;
}

/* ---- files */

static void put_segment(struct buf *out, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++) {
        if (strchr(plain, *text))
            buf_put_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

static const char *encoded(struct arena *a, const char *text)
{
    AUTO(buf_done) struct buf out = BUF_INIT(16 * 1024);
    put_segment(&out, text);
    const char *copy = out.failed ? NULL : arena_dup(a, buf_text(&out));
    return copy ? copy : "";
}

const char *job_file_path(struct arena *a, int64_t job, const char *folder, const char *name)
{
    AUTO(buf_done) struct buf out = BUF_INIT(16 * 1024);
    AUTO(cleanup_free) char *parts = strdup(folder);
    char *rest = parts, *part;
    buf_printf(&out, "/jobs/%lld/files", (long long)job);
    while (rest && (part = strsep(&rest, "/"))) {
        if (!*part)
            continue;
        buf_put_char(&out, '/');
        put_segment(&out, part);
    }
    buf_put_char(&out, '/');
    put_segment(&out, name);
    const char *copy = out.failed ? NULL : arena_dup(a, buf_text(&out));
    return copy ? copy : "";
}

static const char *folder_link(struct arena *a, int64_t job, const char *path)
{
    const char *link =
        *path ? arena_printf(a, "/jobs/%lld/files?path=%s", (long long)job, encoded(a, path))
              : arena_printf(a, "/jobs/%lld/files", (long long)job);
    return link ? link : "";
}

static const char *below(struct arena *a, const char *path, const char *name)
{
    const char *text = *path ? arena_printf(a, "%s/%s", path, name) : name;
    return text ? text : "";
}

static json_t *entry_json(struct arena *a, int64_t job, const char *path,
                          const struct files_entry *e)
{
    const char *link = e->type == FILES_FOLDER ? folder_link(a, job, below(a, path, e->name))
                       : e->type == FILES_FILE ? job_file_path(a, job, path, e->name)
                                               : "";
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:s}", "file", e->name, "link", link,
                     "type", files_type_name(e->type), "is_folder", e->type == FILES_FOLDER,
                     "is_file", e->type == FILES_FILE, "size",
                     e->type == FILES_FILE ? shown_size(a, e->size_bytes) : "", "changed",
                     shown_time(a, e->changed_ms));
}

static const char *hidden_text(struct arena *a, int64_t count)
{
    if (count == 0)
        return "";
    const char *text =
        count == 1 ? "1 file or folder has a name that cannot be shown."
                   : arena_printf(a, "%lld files and folders have names that cannot be shown.",
                                  (long long)count);
    return text ? text : "";
}

json_t *job_files_json(struct arena *a, int64_t job, const char *path,
                       const struct files_list *l)
{
    json_t *list = json_array();
    const char *last = strrchr(path, '/');
    const char *up = last ? arena_dup_bytes(a, path, (size_t)(last - path)) : "";
    for (size_t i = 0; i < l->count; i++)
        if (*path ||
            strcmp(l->entries[i].name, ".firefly") != 0) /* ours, of no use to people */
            json_array_append_new(list, entry_json(a, job, path, &l->entries[i]));
    json_t *all =
        json_pack("{s:b, s:b, s:s, s:s, s:s, s:s, s:s}", "has_files", json_array_size(list) > 0,
                  "is_empty", json_array_size(list) == 0 && l->hidden == 0, "path", path, "up",
                  *path ? folder_link(a, job, up ? up : "") : "", "next", "", "up_name",
                  last ? ".." : "the job's folder", "hidden", hidden_text(a, l->hidden));
    if (l->more && l->count > 0) {
        const char *next =
            arena_printf(a, "/jobs/%lld/files?path=%s&after=%s", (long long)job,
                         encoded(a, path), encoded(a, l->entries[l->count - 1].name));
        json_object_set_new(all, "next", json_string(next ? next : ""));
    }
    json_object_set_new(all, "files", list);
    return all;
}

/* ---- a command */

static void put_word(struct buf *out, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./-";
    if (*word && !word[strspn(word, plain)]) {
        buf_put(out, word);
        return;
    }
    buf_put_char(out, '\'');
    for (const char *c = word; *c; c++)
        if (*c == '\'')
            buf_put(out, "'\\''");
        else
            buf_put_char(out, *c);
    buf_put_char(out, '\'');
}

const char *job_command_text(struct arena *a, const json_t *command)
{
    AUTO(buf_done) struct buf line = BUF_INIT(COMMAND_TEXT_MAX);
    size_t i;
    json_t *word;
    json_array_foreach (command, i, word) {
        if (i > 0)
            buf_put_char(&line, ' ');
        put_word(&line, json_string_value(word));
    }
    const char *text = line.failed ? NULL : arena_dup(a, buf_text(&line));
    return text ? text : "";
}

const char *job_missing_text(int status, bool is_log)
{
    if (status == -ENOENT)
        return is_log ? "Nothing has been written to the log yet."
                      : "There is no such folder yet.";
    return is_log ? "The log cannot be read at the moment. The job is not affected; reload in "
                    "a while."
                  : "The files cannot be reached at the moment. Nothing is lost; reload in a "
                    "while.";
}

/* ---- the log's end */

/* Begins with a whole line when bytes before it were left out. */
static void trim_to_line(const char **data, size_t *len, int64_t *from)
{
    const char *end = memchr(*data, '\n', *len);
    size_t n = end ? (size_t)(end - *data) + 1 : 0;
    *data += n;
    *len -= n;
    *from += (int64_t)n;
}

int job_tail_read(int fd, bool is_over, struct job_tail *out)
{
    struct stat st;
    AUTO(buf_done)
    struct buf clean = BUF_INIT(JOB_TAIL_BYTES * 10), lines = BUF_INIT(JOB_TAIL_BYTES * 10);
    *out = (struct job_tail){0};
    if (fstat(fd, &st) < 0)
        return -errno;
    int64_t from = st.st_size > JOB_TAIL_BYTES ? st.st_size - JOB_TAIL_BYTES : 0;
    AUTO(cleanup_free) char *raw = malloc(JOB_TAIL_BYTES);
    ssize_t got = raw ? pread(fd, raw, JOB_TAIL_BYTES, from) : -ENOMEM;
    if (got < 0)
        return -EIO;
    const char *data = raw;
    size_t len = (size_t)got;
    if (from > 0)
        trim_to_line(&data, &len, &from);
    out->from = from;
    out->to = from + (int64_t)logtext_clean(data, len, is_over, &clean);
    logtext_lines(buf_text(&clean), clean.len, &lines);
    if (clean.failed || lines.failed)
        return -ENOMEM;
    out->len = lines.len;
    out->text = buf_take(&lines);
    return 0;
}

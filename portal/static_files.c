// SPDX-License-Identifier: Apache-2.0
/* Reads the files once. Replies refer to the memory here and copy nothing. */
#include "portal/static_files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "portal/request.h"
#include "runner/base/cleanup.h"
#include "runner/base/digest.h"
#include "runner/base/xnew.h"

enum { FILE_MAX = 4 * 1024 * 1024, VERSION_LEN = 16 };

struct static_file {
    char *name;
    const char *type;
    char *data;
    size_t len;
    char etag[VERSION_LEN + 3]; /* quoted */
};

struct static_files {
    struct static_file *items;
    size_t count;
    json_t *assets;
};

static const struct {
    const char *ending, *type;
} types[] = {
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".map", "application/json"},
};

static const char *type_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT(types); i++)
        if (strcmp(dot, types[i].ending) == 0)
            return types[i].type;
    return NULL;
}

static const struct static_file *find(const struct static_files *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i].name, name) == 0)
            return &s->items[i];
    return NULL;
}

static int read_whole(const char *path, char **out, size_t *out_len, struct err *e)
{
    struct stat st;
    AUTO(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, -errno, "static file %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return err_set(e, -EINVAL, "static file %s: not a file of at most %d bytes", path,
                       FILE_MAX);
    AUTO(cleanup_free) char *data = malloc((size_t)st.st_size + 1);
    ssize_t n = data ? read(fd, data, (size_t)st.st_size) : -1;
    if (n != st.st_size)
        return err_set(e, -EIO, "static file %s: cannot be read whole", path);
    *out = TAKE(data);
    *out_len = (size_t)n;
    return 0;
}

static void publish(struct static_files *s, const struct static_file *f)
{
    char url[512];
    AUTO(cleanup_free) char *key = xdup(f->name);
    for (char *c = key; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    snprintf(url, sizeof(url), "/static/%s?v=%.*s", f->name, VERSION_LEN, f->etag + 1);
    json_object_set_new(s->assets, key, json_string(url));
}

static int add(struct static_files *s, const char *path, struct err *e)
{
    char hash[DIGEST_HEX];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct static_file f = {.type = type_of(name)};
    if (!f.type)
        return err_set(e, -EINVAL, "static file %s: no content type is known for its ending",
                       path);
    if (find(s, name))
        return err_set(e, -EEXIST, "static file %s: there is another of that name", path);
    int r = read_whole(path, &f.data, &f.len, e);
    if (r < 0)
        return r;
    digest_sha256_hex(f.data, f.len, hash);
    snprintf(f.etag, sizeof(f.etag), "\"%.*s\"", VERSION_LEN, hash);
    f.name = xdup(name);
    s->items = xgrow(s->items, s->count + 1, sizeof(f));
    s->items[s->count++] = f;
    publish(s, &f);
    return 0;
}

static int add_folder(struct static_files *s, const char *folder, struct err *e)
{
    struct dirent **names;
    int n = scandir(folder, &names, NULL, alphasort);
    if (n < 0)
        return err_set(e, -errno, "folder of static files %s: %s", folder, strerror(errno));
    int r = 0;
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        if (r == 0 && names[i]->d_name[0] != '.')
            r = add(s, path, e);
        free(names[i]);
    }
    free(names);
    return r;
}

int static_files_load(const char *folder, const char *const *more, struct static_files **out,
                      struct err *e)
{
    struct static_files *s = xnew(struct static_files);
    s->assets = json_object();
    int r = add_folder(s, folder, e);
    for (; r == 0 && more && *more; more++)
        r = add(s, *more, e);
    if (r == 0)
        *out = s;
    else
        static_files_free(s);
    return r;
}

void static_files_free(struct static_files *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i].name);
        free(s->items[i].data);
    }
    json_decref(s->assets);
    free(s->items);
    free(s);
}

json_t *static_files_assets(const struct static_files *s)
{
    return s->assets;
}

void static_files_show(const struct static_files *s, struct request *r, const char *name)
{
    const struct static_file *f = find(s, name);
    const char *version = request_query(r, "v");
    if (!f) {
        request_problem(r, 404, NULL, NULL);
        return;
    }
    bool is_versioned = version && strlen(version) == VERSION_LEN &&
                        memcmp(version, f->etag + 1, VERSION_LEN) == 0;
    struct evbuffer *body = evbuffer_new();
    evbuffer_add_reference(body, f->data, f->len, NULL, NULL);
    request_bytes(
        r, &(struct request_file){.type = f->type, .etag = f->etag, .may_cache = is_versioned},
        body);
    evbuffer_free(body);
}

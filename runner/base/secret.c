// SPDX-License-Identifier: Apache-2.0
/* Reads secret files. The file checked is the file read: one descriptor. */
#include "runner/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/base/xnew.h"

enum { SECRET_MAX = 64 * 1024 };

static int open_checked(const char *path, bool is_lent, struct stat *st, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return err_set(e, -errno, "secret file %s: %s", path, strerror(errno));
    int r = 0;
    if (fstat(fd, st) < 0)
        r = err_set(e, -errno, "secret file %s: %s", path, strerror(errno));
    else if (!S_ISREG(st->st_mode))
        r = err_set(e, -EACCES, "secret file %s: not a regular file", path);
    else if (st->st_uid != geteuid() && !is_lent)
        r = err_set(e, -EACCES,
                    "secret file %s: belongs to uid %u, this program runs as %u; "
                    "chown it",
                    path, st->st_uid, geteuid());
    else if (st->st_mode & 077)
        r = err_set(e, -EACCES, "secret file %s: mode %04o lets others read it; chmod 600 it",
                    path, st->st_mode & 07777);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

int secret_check(const char *path, struct err *e)
{
    struct stat st;
    int fd = open_checked(path, false, &st, e);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static int read_line(const char *path, bool is_lent, char **out_text, struct err *e)
{
    struct stat st;
    AUTO(cleanup_close) int fd = open_checked(path, is_lent, &st, e);
    if (fd < 0)
        return fd;
    char *text = xalloc(SECRET_MAX + 1, 1);
    ssize_t n = read(fd, text, SECRET_MAX);
    size_t line = n > 0 ? strcspn(text, "\n") : 0;
    if (n < 0 || line == 0 || (size_t)n > line + 1) {
        int code = n < 0 ? -errno : -EINVAL;
        secret_free(text);
        return err_set(e, code, "secret file %s: %s", path,
                       n < 0 ? strerror(-code) : "should hold one line, and nothing else");
    }
    text[line] = '\0';
    *out_text = text;
    return 0;
}

int secret_read(const char *path, char **out_text, struct err *e)
{
    return read_line(path, false, out_text, e);
}

int secret_read_lent(const char *path, char **out_text, struct err *e)
{
    return read_line(path, true, out_text, e);
}

void secret_free(char *text)
{
    if (!text)
        return;
    explicit_bzero(text, strlen(text));
    free(text);
}

// SPDX-License-Identifier: Apache-2.0
/* mkostemp, fsync, rename. */
#include "quota/cli/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0640 }; /* names of people, and what they used */

/* "DIR/.NAME.XXXXXX" */
static int name_temp(struct outfile *f, struct err *e)
{
    const char *slash = strrchr(f->path, '/');
    int dir = slash ? (int)(slash - f->path) + 1 : 0;
    int n = snprintf(f->temp, sizeof(f->temp), "%.*s.%s.XXXXXX", dir, f->path, f->path + dir);
    if (!f->path[dir])
        return err_set(e, -EINVAL, "'%s': name a file, not a folder", f->path);
    if (n >= (int)sizeof(f->temp))
        return err_set(e, -EINVAL, "'%.40s…': too long a path", f->path);
    return 0;
}

int outfile_begin(struct outfile *f, const char *path, struct err *e)
{
    struct stat st;
    *f = (struct outfile){0};
    if (snprintf(f->path, sizeof(f->path), "%s", path) >= (int)sizeof(f->path))
        return err_set(e, -EINVAL, "'%.40s…': too long a path", path);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(e, -EINVAL, "'%s': exists and is no file", path);
    int r = name_temp(f, e);
    if (r < 0)
        return r;
    int fd = mkostemp(f->temp, O_CLOEXEC);
    if (fd < 0) {
        *f->temp = '\0';
        return err_set(e, -EIO,
                       "'%s': cannot be written: %s; its folder must exist and be yours", path,
                       strerror(errno));
    }
    fchmod(fd, FILE_MODE);
    f->file = fdopen(fd, "w");
    if (!f->file)
        abort();
    return 0;
}

int outfile_finish(struct outfile *f, struct err *e)
{
    bool is_whole = fflush(f->file) == 0 && !ferror(f->file) && fsync(fileno(f->file)) == 0;
    int why = errno;
    is_whole &= fclose(f->file) == 0;
    f->file = NULL;
    return is_whole
               ? 0
               : err_set(e, -EIO, "'%s': could not be written: %s", f->path, strerror(why));
}

int outfile_name(struct outfile *f, struct err *e)
{
    if (rename(f->temp, f->path) < 0)
        return err_set(e, -EIO, "'%s': could not be renamed from '%s': %s", f->path, f->temp,
                       strerror(errno));
    *f->temp = '\0';
    return 0;
}

void outfile_done(struct outfile *f)
{
    if (f->file)
        fclose(f->file);
    if (*f->temp)
        unlink(f->temp);
    *f = (struct outfile){0};
}

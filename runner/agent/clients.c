// SPDX-License-Identifier: Apache-2.0
/* Opens, checks and finds. */
#include "runner/agent/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/base/log.h"
#include "runner/base/xnew.h"

/* A script would be opened again by its interpreter, by then without its descriptor. */
static bool is_script(int fd)
{
    char start[2];
    return pread(fd, start, 2, 0) == 2 && !memcmp(start, "#!", 2);
}

static int open_program(const char *path, bool is_root, struct err *e)
{
    struct stat st;
    AUTO(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        return err_set(e, -EACCES, "%s: is no program", path);
    if (is_root && (st.st_uid != 0 || (st.st_mode & 022)))
        return err_set(e, -EPERM, "%s: others than root can change it: chown root, chmod go-w",
                       path);
    if (is_script(fd))
        return err_set(e, -ENOEXEC, "%s: is a script: name the program that it runs", path);
    int out = fd;
    fd = -1;
    return out;
}

int clients_open(struct clients *c, const struct conf_list *paths, bool is_root, struct err *e)
{
    *c = (struct clients){.entries = xnew_array(struct clients_entry, paths->count + 1)};
    for (size_t i = 0; i < paths->count; i++) {
        struct clients_entry entry = {.path = paths->items[i], .fd = -1};
        entry.name = strrchr(entry.path, '/') + 1; /* it begins with one: settings_read() */
        for (size_t k = 0; k < i; k++)
            if (!strcmp(c->entries[k].name, entry.name))
                return err_set(e, -EINVAL, "[agent] clients: %s and %s: only one can be %s",
                               c->entries[k].path, entry.path, entry.name);
        entry.fd = open_program(entry.path, is_root, &entry.why);
        if (entry.fd < 0)
            log_warning("[agent] clients: %s", entry.why.text);
        c->entries[c->count++] = entry;
    }
    return 0;
}

void clients_done(struct clients *c)
{
    while (c->count)
        cleanup_close(&c->entries[--c->count].fd);
    free(TAKE(c->entries));
}

int clients_find(const struct clients *c, const char *name, struct err *e)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct clients_entry *entry = &c->entries[i];
        if (strcmp(entry->name, name))
            continue;
        return entry->fd >= 0 ? entry->fd
                              : err_set(e, -ENOENT, "%s; mend it and start runner-agent again",
                                        entry->why.text);
    }
    return err_set(e, -ENOENT, "program %s: is none of the clients in [agent]", name);
}

// SPDX-License-Identifier: Apache-2.0
/* runner-task: the supervisor of one attempt on one node, as the user. Claims its launch, turns
 * the request into ranks, ends with their status. Its environment says where it is (place.h);
 * descriptor 3 is the request, 4 the keeper's control socket. Runs in the job's folder;
 * standard output and error are the job's log. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/xnew.h"
#include "runner/task/folder.h"
#include "runner/task/ranks.h"

enum {
    SPEC_FD = 3,
    CONTROL_FD = 4,
    FAILED = 125,     /* our own failure, told in the log */
    GRACE_MS = 10000, /* TERM to KILL for the ranks that are left when one fails */
};

static int read_spec(struct spec **out, struct err *e)
{
    struct stat st;
    if (fstat(SPEC_FD, &st) < 0 || st.st_size > SPEC_JSON_MAX)
        return err_set(e, -EINVAL, "the request is not there, or is too large");
    AUTO(cleanup_free) char *text = xalloc((size_t)st.st_size + 1, 1);
    if (pread(SPEC_FD, text, (size_t)st.st_size, 0) != st.st_size)
        return err_set(e, -EIO, "the request cannot be read");
    close(SPEC_FD);
    return spec_load(text, (size_t)st.st_size, out, e);
}

/* The request's own words, or the script: by its #! line, without one by bash. */
static int make_argv(const struct place *p, const struct spec *s, char ***out, struct err *e)
{
    if (!s->script) {
        size_t n = json_array_size(s->command);
        char **argv = xnew_array(char *, n + 1);
        for (size_t i = 0; i < n; i++)
            argv[i] = (char *)json_string_value(json_array_get(s->command, i));
        *out = argv;
        return n ? 0 : err_set(e, -EINVAL, "the command is empty");
    }
    char *path;
    int r = folder_write_script(p, s->script, &path, e);
    if (r < 0)
        return r;
    bool has_interpreter = !strncmp(s->script, "#!", 2);
    char **argv = xnew_array(char *, 3);
    argv[0] = has_interpreter ? path : (char *)"/bin/bash";
    argv[1] = has_interpreter ? NULL : path;
    *out = argv;
    return 0;
}

/* How the log names what does not start: a script's first line says which interpreter is
 * missing. */
static const char *shown(const struct spec *s, char *const *argv, char *room, size_t size)
{
    if (!s->script || strncmp(s->script, "#!", 2) != 0)
        return argv[0];
    snprintf(room, size, "the script's interpreter (%.*s)", (int)strcspn(s->script, "\r\n"),
             s->script);
    return room;
}

static int run(struct err *e)
{
    struct place place;
    struct spec *spec = NULL;
    char **argv = NULL;
    char room[256];
    int r = place_read(&place, e);
    if (r == 0)
        r = folder_claim(&place, e);
    if (r == 0)
        r = read_spec(&spec, e);
    if (r == 0)
        r = make_argv(&place, spec, &argv, e);
    if (r == 0)
        r = place_enter(&place, spec, e);
    if (r < 0)
        return r;
    folder_make();
    fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    const struct ranks_plan plan = {.place = &place,
                                    .kind = spec->kind,
                                    .argv = argv,
                                    .shown = shown(spec, argv, room, sizeof(room)),
                                    .control = CONTROL_FD,
                                    .grace_ms = GRACE_MS};
    return ranks_run(&plan); /* place, spec and argv live as long as the process */
}

int main(void)
{
    struct err why = {{0}};
    int r = run(&why);
    if (r < 0)
        dprintf(STDERR_FILENO, "firefly: %s\n", why.text);
    fflush(NULL);
    _exit(r < 0 ? FAILED : r); /* nothing to tidy: the process is the attempt */
}

// SPDX-License-Identifier: Apache-2.0
/* runner-task: the supervisor of one attempt on one node, as the user. Claims its launch, turns
 * the request into ranks, ends with their status. Runs in the job's folder; standard output and
 * error are the job's log.
 *
 *   runner-task                 below a keeper: its environment says where it is (place.h),
 *                               descriptor 3 is the request, 4 the keeper's control socket
 *   runner-task --batch FILE    what a batch system runs (batch.h): on one node the ranks, on
 *                               several the launcher that runs the next on each of them
 *   runner-task --node FILE     on each of several nodes
 *
 * Of its own: 125, it failed, and says why in the log; 79, this launch has run before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/xnew.h"
#include "runner/task/batch.h"
#include "runner/task/batch_slurm.h"
#include "runner/task/folder.h"
#include "runner/task/ranks.h"
#include "runner/task/record.h"

enum {
    SPEC_FD = 3,
    CONTROL_FD = 4,
    REPEATED = 79,    /* this launch has run before */
    FAILED = 125,     /* our own failure, told in the log */
    GRACE_MS = 10000, /* TERM to KILL for the ranks that are left when one fails */
    PATH_ROOM = 4096
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

/* The ranks of `spec`, by a plan that says the rest. */
static int run_ranks(struct ranks_plan *plan, const struct spec *spec, struct err *e)
{
    char **argv = NULL;
    char room[256];
    int r = make_argv(plan->place, spec, &argv, e);
    if (r == 0)
        r = place_enter(plan->place, spec, e);
    if (r < 0)
        return r;
    folder_make();
    plan->kind = spec->kind;
    plan->argv = argv;
    plan->shown = shown(spec, argv, room, sizeof(room));
    return ranks_run(plan); /* place, spec and argv live as long as the process */
}

static int run_kept(struct err *e)
{
    struct place place;
    struct spec *spec = NULL;
    char node[32];
    int r = place_read(&place, e);
    snprintf(node, sizeof(node), "%lld", (long long)place.node);
    if (r == 0)
        r = folder_claim(place.token, node, e);
    if (r == 0)
        r = read_spec(&spec, e);
    if (r < 0)
        return r;
    fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    struct ranks_plan plan = {.place = &place, .control = CONTROL_FD, .grace_ms = GRACE_MS};
    return run_ranks(&plan, spec, e);
}

/* The ranks of this node, with a record of our own. */
static int run_here(const struct batch *b, const struct batch_site *site, struct err *e)
{
    struct place place;
    struct record record;
    batch_enter(b, site);
    int r = place_read(&place, e);
    if (r == 0)
        r = record_start(&record, b->token, site, e);
    if (r < 0)
        return r;
    place.is_confined = true;
    struct ranks_plan plan = {.place = &place,
                              .control = -1,
                              .grace_ms = b->grace_ms,
                              .on_tick = record_beat,
                              .arg = &record,
                              .tick_ms = RECORD_BEAT_MS};
    if (place.gpu_count < b->spec->gpus_per_node)
        dprintf(STDERR_FILENO, "firefly: node %lld: %lld GPUs are seen, %lld were asked for\n",
                (long long)site->node, (long long)place.gpu_count,
                (long long)b->spec->gpus_per_node);
    record_beat(&record);
    r = run_ranks(&plan, b->spec, e);
    record_exit(&record, r < 0 ? FAILED : r);
    return r;
}

/* Becomes the launcher, which ends with the worst of the nodes' statuses. */
static int run_everywhere(const struct batch *b, const struct batch_site *site, struct err *e)
{
    char self[PATH_ROOM], file[PATH_ROOM + 128];
    struct batch_spread spread;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return err_set(e, -errno, "/proc/self/exe: %s", strerror(errno));
    self[n] = '\0';
    AUTO(cleanup_close) int folder = folder_open_attempt(b->token, e);
    int r = folder < 0 ? folder : folder_write(folder, "request", b->text, strlen(b->text), e);
    if (r < 0)
        return r;
    snprintf(file, sizeof(file), "%s/.firefly/attempt-%s/request", b->job_dir, b->token);
    batch_slurm_spread(&spread, site->node_count, b->launcher, self, file);
    execvp(spread.argv[0], (char *const *)spread.argv);
    return err_set(e, -errno, "%s: %s", spread.argv[0], strerror(errno));
}

/* `part` of the launch is claimed before anything else is touched. */
static int run_batch(const char *path, bool is_node, struct err *e)
{
    struct batch *b = NULL;
    struct batch_site site;
    char part[32];
    int r = batch_read(path, &b, e);
    if (r == 0)
        r = batch_slurm_read(&site, e);
    if (r == 0 && site.node_count != b->nodes)
        r = err_set(e, -EINVAL, "%lld nodes were given, the request has %lld",
                    (long long)site.node_count, (long long)b->nodes);
    if (r == 0)
        r = folder_enter(b->job_dir, e);
    if (r < 0)
        return r;
    snprintf(part, sizeof(part), "%lld", (long long)site.node);
    r = folder_claim(b->token, is_node ? part : "batch", e);
    if (r == -EEXIST) {
        dprintf(STDERR_FILENO, "firefly: this launch has run before; it does not run twice\n");
        return REPEATED;
    }
    if (r < 0)
        return r;
    bool is_spread = !is_node && site.node_count > 1;
    return is_spread ? run_everywhere(b, &site, e) : run_here(b, &site, e);
}

static int run(int argc, char **argv, struct err *e)
{
    if (argc == 1)
        return run_kept(e);
    bool is_node = !strcmp(argv[1], "--node");
    if (argc >= 3 && (is_node || !strcmp(argv[1], "--batch")))
        return run_batch(argv[2], is_node, e);
    return err_set(e, -EINVAL, "usage: runner-task --batch FILE, by a batch system");
}

int main(int argc, char **argv)
{
    struct err why = {{0}};
    int r = run(argc, argv, &why);
    if (r < 0)
        dprintf(STDERR_FILENO, "firefly: %s\n", why.text);
    fflush(NULL);
    _exit(r < 0 ? FAILED : r); /* nothing to tidy: the process is the attempt */
}

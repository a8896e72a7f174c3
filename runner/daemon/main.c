// SPDX-License-Identifier: Apache-2.0
/* runnerd: decides who runs, alone moves a job's state, meters and settles. Unprivileged;
 * speaks no HTTP; starts nothing without a hold. Configuration → database → supervisor → socket
 * → loop.
 *
 *   runnerd [check slurm] [--config FILE]   (else $FIREFLY_CONFIG, else /etc/firefly/firefly.conf)
 *
 * With `check slurm` it only says what is to be mended in the site's Slurm; see runner/slurm.md. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "quota/db/db.h"
#include "runner/base/conf.h"
#include "runner/base/log.h"
#include "runner/base/loop.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"
#include "runner/base/work.h"
#include "runner/base/xnew.h"
#include "runner/daemon/books.h"
#include "runner/daemon/check.h"
#include "runner/daemon/machine.h"
#include "runner/daemon/sample.h"
#include "runner/daemon/serve.h"
#include "runner/daemon/store.h"
#include "runner/proto/client.h"

enum { QUEUE_MAX = 20000, CLERK_QUEUE_MAX = 4, UIDS_MAX = 16, HOLDER_LEN = 32 };

struct runner_conf {
    const char *socket, *spool, *logs, *agent_socket, *state;
    struct conf_list portal_uids;
    const char *socket_group;
    int64_t executor, grace_ms, log_max_bytes, lease_ms, call_deadline_ms;
};

static const struct conf_key runner_keys[] = {
    {"socket", CONF_PATH, offsetof(struct runner_conf, socket), NULL, 0, 0, NULL,
     "where portald and quota ask"},
    {"executor", CONF_CHOICE, offsetof(struct runner_conf, executor), "local", 0, 0,
     machine_executors,
     "what runs the jobs: local (this machine), slurm, fake (nothing: for trying and measuring)"},
    {"spool", CONF_PATH, offsetof(struct runner_conf, spool), NULL, 0, 0, NULL,
     "folder of the keepers' records, owned by runnerd's uid, mode 0700"},
    {"logs", CONF_PATH, offsetof(struct runner_conf, logs), NULL, 0, 0, NULL,
     "folder of the jobs' logs, owned by runnerd's uid, mode 0700"},
    {"agent_socket", CONF_PATH, offsetof(struct runner_conf, agent_socket), NULL, 0, 0, NULL,
     "runner-agent's socket"},
    {"state", CONF_PATH, offsetof(struct runner_conf, state), NULL, 0, 0, NULL,
     "folder of runnerd's own lock"},
    {"portal_uids", CONF_LIST, offsetof(struct runner_conf, portal_uids), "", 0, 0, NULL,
     "uids or user names that may ask, besides runnerd's own and root"},
    {"socket_group", CONF_TEXT, offsetof(struct runner_conf, socket_group), "", 0, 64, NULL,
     "gid or name of the group whose members may open the socket; portald's"},
    {"grace", CONF_DURATION, offsetof(struct runner_conf, grace_ms), "30s", 0, 3600000, NULL,
     "from TERM to KILL"},
    {"log_max", CONF_SIZE, offsetof(struct runner_conf, log_max_bytes), "64M", 4096,
     INT64_C(1) << 40, NULL, "bytes of log kept of an attempt"},
    {"lease", CONF_DURATION, offsetof(struct runner_conf, lease_ms), "10s", 3000, 60000, NULL,
     "how long another runnerd waits for this one"},
    {"call_deadline", CONF_DURATION, offsetof(struct runner_conf, call_deadline_ms), "5s", 1000,
     60000, NULL, "how long runner-agent may take to answer"},
};

static const char *const foreign_sections[] = {"site",  "directory", "portal", "agent",
                                               "quota", "mail",      NULL};

/* Everything main() owns, in the order it is made. */
struct runnerd {
    struct conf *conf;
    struct runner_conf runner;
    struct db_conf db;
    struct audit_conf audit;
    struct supervise_conf supervise;
    char holder[HOLDER_LEN + 1];
    struct machine *machine;
    int lock_fd;
    struct loop *loop;
    struct work_pool *journal;
    struct client *agent;
    struct world world;
    struct supervisor *supervisor;
    struct loop_timer *tick;
    struct sampler *sampler; /* NULL: slots that were only declared */
    struct serve *serve;
    struct seal *seal;
    struct work_pool *clerk; /* the books' worker */
    struct books *books;
};

static int read_conf(struct runnerd *d, const char *path, struct err *e)
{
    int r = conf_read(path, &d->conf, e);
    if (r == 0)
        r = conf_apply(d->conf, "runner", NULL, runner_keys, COUNT(runner_keys), &d->runner, e);
    if (r == 0)
        r = db_conf_read(d->conf, &d->db, e);
    if (r == 0)
        r = refund_rules_read(d->conf, &d->supervise.refund, e);
    if (r == 0)
        r = audit_conf_read(d->conf, &d->audit, e);
    const struct machine_conf machine = {d->runner.executor, d->runner.spool,
                                         d->runner.call_deadline_ms};
    if (r == 0)
        r = machine_new(d->conf, &machine, &d->machine, e);
    return r < 0 ? r : conf_check(d->conf, foreign_sections, e);
}

/* A name of its own for this state folder, made once: whoever has the folder's lock may take
 * its own lease again at once. */
static int read_holder(struct runnerd *d, struct err *e)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/holder", d->runner.state);
    AUTO(cleanup_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    ssize_t n = read(fd, d->holder, HOLDER_LEN);
    if (n == HOLDER_LEN)
        return 0;
    random_hex(d->holder, HOLDER_LEN / 2);
    if (pwrite(fd, d->holder, HOLDER_LEN, 0) != HOLDER_LEN || fsync(fd) < 0)
        return err_set(e, -EIO, "%s: cannot be written", path);
    return 0;
}

static int take_lock(struct runnerd *d, struct err *e)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/runnerd.lock", d->runner.state);
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_fd < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(e, -EBUSY, "%s: another runnerd runs with this state folder", path);
    return read_holder(d, e);
}

static int socket_group(const struct runnerd *d, gid_t *out, struct err *e)
{
    const char *name = d->runner.socket_group;
    const struct group *g;
    int64_t gid;
    *out = (gid_t)-1;
    if (!*name)
        return 0;
    if (parse_i64(name, 0, UINT32_MAX - 1, &gid) < 0) {
        if (!(g = getgrnam(name)))
            return err_set(e, -EINVAL, "[runner] socket_group = %s: no such group", name);
        gid = g->gr_gid;
    }
    *out = (gid_t)gid;
    return 0;
}

static int allowed_uids(const struct runnerd *d, uid_t uids[UIDS_MAX], size_t *out_count,
                        struct err *e)
{
    size_t n = 0;
    uids[n++] = geteuid();
    if (geteuid() != 0)
        uids[n++] = 0;
    for (size_t i = 0; i < d->runner.portal_uids.count && n < UIDS_MAX; i++) {
        const char *name = d->runner.portal_uids.items[i];
        const struct passwd *pw;
        int64_t uid;
        if (parse_i64(name, 0, UINT32_MAX - 1, &uid) < 0) {
            if (!(pw = getpwnam(name)))
                return err_set(e, -EINVAL, "[runner] portal_uids: %s: no such user", name);
            uid = pw->pw_uid;
        }
        uids[n++] = (uid_t)uid;
    }
    *out_count = n;
    return 0;
}

static void *open_db(void *arg)
{
    struct db *db = NULL;
    struct err why;
    if (db_open(arg, DB_RUNNER, &db, &why) < 0)
        log_error("%s", why.text);
    return db;
}

static void close_db(void *db)
{
    db_close(db);
}

static void on_tick(void *arg)
{
    struct runnerd *d = arg;
    struct supervisor_view view;
    supervisor_tick(d->supervisor);
    supervisor_view(d->supervisor, &view);
    if (view.is_unfit)
        loop_stop(d->loop);
}

static int start_supervisor(struct runnerd *d, struct err *e)
{
    d->agent = client_new(d->loop, d->runner.agent_socket);
    int r = machine_open(d->machine, d->loop, d->agent, e);
    if (r < 0)
        return r;
    world_init(&d->world);
    d->world.executor = machine_executor(d->machine);
    d->world.store = store_db_new(d->journal);
    d->supervisor = supervisor_new(&d->world, &d->supervise);
    d->tick = loop_timer_new(d->loop, 0, SUPERVISE_TICK_MS, on_tick, d);
    if (machine_has_driver(d->machine))
        d->sampler = sampler_new(d->loop, supervisor_jobs(d->supervisor),
                                 &(struct sampler_conf){.node = machine_node(d->machine)->name,
                                                        .gpus = machine_gpus(d->machine),
                                                        .every_ms = SAMPLE_MS});
    return 0;
}

static int start_serving(struct runnerd *d, struct err *e)
{
    uid_t uids[UIDS_MAX];
    struct serve_conf serve = {.socket = d->runner.socket,
                               .logs = d->runner.logs,
                               .group = (gid_t)-1,
                               .uids = uids,
                               .agent = d->agent,
                               .logs_in_folders = machine_logs_in_folders(d->machine),
                               .call_deadline_ms = d->runner.call_deadline_ms};
    int r = allowed_uids(d, uids, &serve.uid_count, e);
    if (r == 0)
        r = socket_group(d, &serve.group, e);
    return r < 0 ? r : serve_new(d->loop, d->supervisor, d->journal, &serve, &d->serve, e);
}

static int start(struct runnerd *d, struct err *e)
{
    AUTO(db_closep) struct db *probe = NULL;
    struct work_local local = {open_db, close_db, &d->db};
    int r = db_open(&d->db, DB_RUNNER, &probe, e); /* a wrong schema or password ends us here */
    if (r == -ENOTCONN)
        log_warning("%s; trying again until it is there", e->text);
    else if (r < 0)
        return r;
    r = seal_new(&d->audit, &d->seal, e);
    if (r < 0)
        return r;
    if (!d->seal)
        log_warning("audit: its rows are not sealed, because there is no section [seal] with a "
                    "key_file: what is changed in them will not be found");
    d->loop = loop_new();
    d->journal = work_pool_new(d->loop, 1, QUEUE_MAX, &local);
    r = start_supervisor(d, e);
    if (r == 0)
        r = start_serving(d, e);
    if (r < 0)
        return r;
    d->clerk = work_pool_new(d->loop, 1, CLERK_QUEUE_MAX, &local);
    d->books = books_new(d->loop, d->supervisor, d->clerk, d->seal);
    return 0;
}

static void stop(struct runnerd *d)
{
    work_pool_free(d->clerk);
    books_free(d->books);
    seal_free(d->seal);
    work_pool_free(d->journal); /* first: what it drops belongs to those below */
    serve_free(d->serve);
    sampler_free(d->sampler);
    loop_timer_free(d->tick);
    if (d->world.store)
        d->world.store->ops->free(d->world.store);
    machine_free(d->machine); /* no answer comes any more */
    supervisor_free(d->supervisor);
    client_free(d->agent);
    loop_free(d->loop);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    conf_free(d->conf);
}

/* `*out_check`: `check slurm` was asked for. */
static const char *config_path(int argc, char **argv, bool *out_check)
{
    *out_check = argc >= 3 && !strcmp(argv[1], "check") && !strcmp(argv[2], "slurm");
    argc -= *out_check ? 2 : 0;
    argv += *out_check ? 2 : 0;
    if (argc == 3 && !strcmp(argv[1], "--config"))
        return argv[2];
    if (argc != 1) {
        fprintf(stderr, "usage: runnerd [check slurm] [--config FILE]\n");
        exit(2);
    }
    const char *path = getenv("FIREFLY_CONFIG");
    return path ? path : "/etc/firefly/firefly.conf";
}

/* Changes nothing, and may run beside a runnerd. */
static int check(struct runnerd *d)
{
    int status = check_slurm(&(struct check_ask){
        .conf = d->conf,
        .slurm = machine_slurm(d->machine),
        .db = &d->db,
        .is_executor = !strcmp(machine_executors[d->runner.executor], "slurm")});
    stop(d);
    return status;
}

int main(int argc, char **argv)
{
    struct runnerd d = {.lock_fd = -1};
    struct err why = {0};
    bool is_check;
    log_open("runnerd", LOG_INFO);
    int r = read_conf(&d, config_path(argc, argv, &is_check), &why);
    if (r == 0 && is_check)
        return check(&d);
    if (r == 0)
        r = take_lock(&d, &why);
    if (r == 0) {
        struct supervise_conf *s = &d.supervise;
        s->holder = d.holder;
        s->lease_ms = d.runner.lease_ms;
        s->grace_ms = d.runner.grace_ms;
        s->log_max_bytes = d.runner.log_max_bytes;
        r = start(&d, &why);
    }
    if (r < 0) {
        log_error("%s", why.text);
    } else {
        const struct exec_node *n = machine_node(d.machine);
        log_info("ready: executor %s, node %s, %lld GPUs (%s)",
                 machine_executors[d.runner.executor], n->name, (long long)n->gpus,
                 n->gpu_type);
        loop_run(d.loop);
        struct supervisor_view view;
        supervisor_view(d.supervisor, &view);
        r = view.is_unfit ? -EINVAL : 0;
    }
    stop(&d);
    return r < 0 ? 1 : 0;
}

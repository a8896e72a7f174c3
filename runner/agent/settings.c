// SPDX-License-Identifier: Apache-2.0
/* Reads [agent], resolves the service's uid and sees to the folders. State, spool and logs
 * belong to one uid alone; the roots of the users' folders belong to root, so that no user can
 * move what is directly below them. */
#include "runner/agent/settings.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/base/parse.h"

static const char *const modes[] = {"range", "nss", NULL};

#define FIELD(f) offsetof(struct settings, f)
static const struct conf_key keys[] = {
    {"socket", CONF_PATH, FIELD(socket), NULL, 0, 0, NULL, "where runnerd reaches the agent"},
    {"state", CONF_PATH, FIELD(state), NULL, 0, 0, NULL, "the agent's own folder"},
    {"spool", CONF_PATH, FIELD(spool), NULL, 0, 0, NULL, "the keepers' records"},
    {"logs", CONF_PATH, FIELD(logs), NULL, 0, 0, NULL, "the jobs' logs"},
    {"service_uid", CONF_TEXT, FIELD(service), "", 0, 64, NULL,
     "uid or name of runnerd and the keepers"},
    {"mode", CONF_CHOICE, FIELD(mode), "range", 0, 0, modes, "how accounts are known"},
    {"uid_min", CONF_INT, FIELD(uid_min), "200000", 1, UINT32_MAX - 1, NULL,
     "first uid and gid"},
    {"uid_max", CONF_INT, FIELD(uid_max), "299999", 1, UINT32_MAX - 1, NULL,
     "last uid and gid"},
    {"min_uid", CONF_INT, FIELD(min_uid), "1000", 1, UINT32_MAX - 1, NULL,
     "no job runs below this uid or gid"},
    {"jobs_root", CONF_PATH, FIELD(jobs_root), NULL, 0, 0, NULL, "parent of the job folders"},
    {"projects_root", CONF_PATH, FIELD(projects_root), NULL, 0, 0, NULL,
     "parent of the project folders"},
    {"programs", CONF_PATH, FIELD(programs), NULL, 0, 0, NULL,
     "folder of runner-keeper, runner-task, runner-files"},
    {"cgroup", CONF_TEXT, FIELD(cgroup), "firefly", 1, 64, NULL, "name below the cgroup roots"},
    {"clients", CONF_LIST, FIELD(clients), "", 0, 0, NULL,
     "absolute paths of the programs that runnerd may have run as a person"},
    {"clients_environment", CONF_LIST, FIELD(clients_environment), "", 0, 0, NULL,
     "NAME=value that they find besides PATH, HOME, LANG, USER and LOGNAME"},
    {"clients_max", CONF_INT, FIELD(clients_max), "64", 1, 256, NULL,
     "how many of them at once"},
};

static int resolve_service(struct settings *s, struct err *e)
{
    int64_t uid = -1;
    struct passwd *p = NULL;
    s->service_uid = getuid();
    s->service_gid = getgid();
    if (!s->is_root)
        return 0;
    if (parse_i64(s->service, 1, UINT32_MAX - 1, &uid) == 0)
        p = getpwuid((uid_t)uid);
    else
        p = getpwnam(s->service);
    if (p)
        uid = p->pw_uid;
    if (uid <= 0)
        return err_set(e, -EINVAL,
                       "[agent] service_uid = %s: as root the keepers need the uid or "
                       "name of an ordinary account",
                       s->service);
    s->service_uid = (uid_t)uid;
    s->service_gid = p ? p->pw_gid : (gid_t)uid;
    return 0;
}

static int check_clients(const struct settings *s, struct err *e)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    for (size_t i = 0; i < s->clients.count; i++)
        if (*s->clients.items[i] != '/')
            return err_set(e, -EINVAL, "[agent] clients: %s: write its absolute path",
                           s->clients.items[i]);
    for (size_t i = 0; i < s->clients_environment.count; i++) {
        const char *line = s->clients_environment.items[i];
        size_t name = strspn(line, alphabet);
        if (!name || line[name] != '=')
            return err_set(e, -EINVAL,
                           "[agent] clients_environment: %s: write NAME=value, the name in "
                           "capital letters",
                           line);
    }
    return 0;
}

int settings_read(struct conf *c, struct settings *out, struct err *e)
{
    struct settings s = {.is_root = geteuid() == 0};
    int r = conf_apply(c, "agent", NULL, keys, COUNT(keys), &s, e);
    if (r == 0)
        r = resolve_service(&s, e);
    if (r < 0)
        return r;
    if (!parse_is_slug(s.cgroup, 64))
        return err_set(e, -EINVAL,
                       "[agent] cgroup = %s: write lower-case letters, digits and '-'",
                       s.cgroup);
    if (s.uid_min > s.uid_max || s.uid_min < s.min_uid)
        return err_set(e, -EINVAL, "[agent] uid_min … uid_max: must rise, from min_uid on");
    r = check_clients(&s, e);
    if (r == 0)
        *out = s;
    return r;
}

/* A folder of `uid` that nobody else writes. */
static int make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *e)
{
    struct stat st;
    bool is_new = mkdir(path, mode) == 0;
    if ((!is_new && errno != EEXIST) || lstat(path, &st) < 0 ||
        (is_new &&
         (lchown(path, uid, gid) < 0 || chmod(path, mode) < 0 || lstat(path, &st) < 0)))
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode) || st.st_uid != uid || (st.st_mode & 022))
        return err_set(e, -EPERM, "%s: must be a folder of uid %u that nobody else can write",
                       path, uid);
    return 0;
}

int settings_make_folders(const struct settings *s, struct err *e)
{
    uid_t self = geteuid();
    const struct {
        const char *path;
        mode_t mode;
        uid_t uid;
        gid_t gid;
    } folders[] = {
        {s->state, 0700, self, getegid()},
        {s->spool, 0700, s->service_uid, s->service_gid},
        {s->logs, 0700, s->service_uid, s->service_gid},
        {s->jobs_root, s->is_root ? 0711 : 0700, self, getegid()},
        {s->projects_root, s->is_root ? 0711 : 0700, self, getegid()},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < COUNT(folders); i++)
        r = make_folder(folders[i].path, folders[i].mode, folders[i].uid, folders[i].gid, e);
    return r;
}

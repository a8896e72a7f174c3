// SPDX-License-Identifier: Apache-2.0
/* What portald and `quota` may ask of runnerd, on its socket.
 *
 *   knock   {}                            something is new in the database
 *   log     {job, attempt}                a descriptor to read that attempt's log
 *   files   {job} or {project, person}    a socket on which runner-files answers, as the owner
 *   status  {}                            {active, epoch, jobs}
 *
 * Who may see what is portald's to decide; whose account it is comes from the database.
 */
#ifndef FF_DAEMON_SERVE_H
#define FF_DAEMON_SERVE_H

#include "runner/base/loop.h"
#include "runner/base/work.h"
#include "runner/daemon/supervise.h"
#include "runner/proto/server.h"

struct serve_conf {
    const char *socket, *logs;
    const uid_t *uids; /* who may ask */
    size_t uid_count;
    gid_t group;          /* of the socket's file */
    struct client *agent; /* of this machine */
    bool logs_in_folders; /* the job's own, slurm_log_name(); not below `logs` */
    int64_t call_deadline_ms;
};

struct serve;
int serve_new(struct loop *l, struct supervisor *s, struct work_pool *journal,
              const struct serve_conf *conf, struct serve **out, struct err *e);
void serve_free(struct serve *s);

#endif

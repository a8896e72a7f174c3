// SPDX-License-Identifier: Apache-2.0
/* The fake executor: nothing runs, time passes. For the simulator, for measuring runnerd alone,
 * and for a site that wants to try the portal before it has a cluster.
 *
 * An attempt reads its command as a play: `sleep 90` runs for 90 s and ends with 0, `sleep 90 3`
 * with 3; anything else ends at once with 0. It obeys stops and limits like a keeper: TERM ends
 * it at once, with the cause of the stop.
 *
 * The cluster is what outlives a runnerd: its attempts, and the highest epoch it has seen. With
 * a folder they lie there, one file each (written aside, renamed), and the next runnerd finds
 * them; without they live as long as the cluster.
 */
#ifndef FF_EXEC_FAKE_H
#define FF_EXEC_FAKE_H

#include "runner/base/loop.h"
#include "runner/exec/executor.h"

struct fake_cluster;
struct fake_cluster_conf {
    const struct exec_node *nodes; /* borrowed for as long as the cluster lives */
    size_t node_count;
    const char *folder; /* NULL: in memory alone */
    int64_t start_ms;   /* from the asking until the play begins */
    int64_t (*wall_ms)(void *arg);
    void (*ran)(const char *token, void *arg); /* when a play begins; may be NULL */
    void *arg;
};
int fake_cluster_new(const struct fake_cluster_conf *conf, struct fake_cluster **out,
                     struct err *e);
void fake_cluster_free(struct fake_cluster *c);

/* An accident: its supervisor dies with it. -ENOENT: no such attempt, or it is over. */
int fake_cluster_lose(struct fake_cluster *c, const char *token);

/* How many attempts it knows, and how many of them go on. */
size_t fake_cluster_count(const struct fake_cluster *c, size_t *out_alive);

/* A runnerd's way to the cluster, which must outlive it. With a loop answers come by
 * themselves; with NULL when exec_fake_answer() is called: one each time, the oldest first;
 * false: there was none. Caller frees with ops->free. */
struct executor *exec_fake_new(struct loop *l, struct fake_cluster *c);
bool exec_fake_answer(struct executor *x);

#endif

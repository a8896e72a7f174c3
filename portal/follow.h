// SPDX-License-Identifier: Apache-2.0
/* Jobs that open pages watch: their state and what is added to their log, as server-sent
 * events.
 *
 *   state   {state, words, tone, reason, is_final, held, charged, attempt}   when any changes
 *   log     {attempt, from, to, text}      these bytes of its log, as logtext.h shows them
 *   skip    {attempt, bytes}               so much was left out: the reader was too far behind
 *   notice  {text}                         the log cannot be read now ("" when it can again)
 *   end     {}                             nothing more will come
 *
 * A job is looked at once for all who watch it: the database every POLL_MS, its log every
 * TICK_MS. A final state is told after the last byte of the log. A stream whose session has
 * ended, here or at another portald, or whose person may no longer see the log, is closed
 * within CHECK_MS. Everything on the loop; who may begin to watch was decided before. */
#ifndef FF_PORTAL_FOLLOW_H
#define FF_PORTAL_FOLLOW_H

#include <stdint.h>

struct follows;
struct portal;
struct request;

enum { FOLLOW_TICK_MS = 200, FOLLOW_POLL_MS = 400, FOLLOW_CHECK_MS = 3000 };

struct follows *follows_new(struct portal *p);
void follows_free(struct follows *all);

/* From where in which attempt's log; attempt 0: from the beginning of the latest. */
struct follow_from {
    int64_t job, attempt, offset;
};

/* Replies to the request with a stream. */
void follow_open(struct follows *all, struct request *r, const struct follow_from *from);

#endif

// SPDX-License-Identifier: Apache-2.0
/* May processes run as this account? The answer to what runnerd asks, given by the agent alone.
 * */
#ifndef FF_AGENT_ACCOUNT_H
#define FF_AGENT_ACCOUNT_H

#include "runner/agent/settings.h"
#include "runner/proto/agent_calls.h"

/* Mode range: uid, gid and groups all lie in uid_min … uid_max. Mode nss: the name is resolved
 * here (which may wait for the name service), the uid must be its uid and every gid one of its
 * groups. Never below min_uid. Not root: our own uid, and the groups are ignored. `project_gid`
 * (0: none) must be one of the account's. Returns 0 or -EPERM with the sentence. */
int account_check(const struct settings *s, const struct agent_account *a, int64_t project_gid,
                  struct err *e);

#endif

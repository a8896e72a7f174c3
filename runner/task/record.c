// SPDX-License-Identifier: Apache-2.0
/* Small JSON files, whole or absent. Writing waits for the file system, as the job's own log
 * does: one that hangs holds up both. */
#include "runner/task/record.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runner/base/jget.h"
#include "runner/base/now.h"
#include "runner/task/batch_slurm.h"
#include "runner/task/folder.h"

static json_t *record_json(const struct record *r)
{
    struct utsname name;
    int64_t run_ms = now_boot_ms() - r->started_boot_ms;
    uname(&name);
    return json_pack("{sIsssssssssssIsIsI}", "node", (json_int_t)r->site->node, "host",
                     name.nodename, "boot_id", now_boot_id(), "batch_id", r->site->id, "gpus",
                     r->site->gpus, "node_gpus", r->site->node_gpus, "started_ms",
                     (json_int_t)r->started_ms, "beat_ms", (json_int_t)now_ms(), "run_ms",
                     (json_int_t)run_ms);
}

static void put(struct record *r, const char *kind, json_t *o)
{
    struct err why = {{0}};
    char name[32];
    AUTO(json_freep) json_t *body = o;
    AUTO(cleanup_free) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    snprintf(name, sizeof(name), "%s-%lld", kind, (long long)r->site->node);
    if (!text || folder_write(r->folder, name, text, strlen(text), &why) == 0 || r->has_failed)
        return;
    r->has_failed = true;
    dprintf(STDERR_FILENO, "firefly: the record of this attempt: %s\n", why.text);
}

int record_start(struct record *r, const char *token, const struct batch_site *site,
                 struct err *e)
{
    *r =
        (struct record){.site = site, .started_ms = now_ms(), .started_boot_ms = now_boot_ms()};
    r->folder = folder_open_attempt(token, e);
    return r->folder < 0 ? r->folder : 0;
}

void record_beat(void *record)
{
    put(record, "beat", record_json(record));
}

void record_exit(struct record *r, int status)
{
    json_t *o = record_json(r);
    json_object_set_new(o, "exit_code", json_integer(status));
    json_object_set_new(o, "ended_ms", json_integer(now_ms()));
    put(r, "exit", o);
}

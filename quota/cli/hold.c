// SPDX-License-Identifier: Apache-2.0
/* `quota hold`: GPU-time set aside for jobs that have not ended. */
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/project.h"
#include "quota/request.h"

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"job", COLUMN_INT},    {"state", COLUMN_TEXT},     {"project", COLUMN_TEXT},
        {"login", COLUMN_TEXT}, {"directory", COLUMN_TEXT}, {"allocation", COLUMN_INT},
        {"hold", COLUMN_GPUMS}, {"held", COLUMN_GPUMS},     {"placed", COLUMN_TIME},
        {"age", COLUMN_SPAN},   {"note", COLUMN_TEXT},
    };
    const char *project = cli_value(c, "project");
    int64_t id;
    int r = cli_open(c, e);
    if (r == 0 && project)
        r = project_find(c->db, project, &id, NULL, e);
    if (r < 0)
        return r;
    project = project ? project : "";
    return cli_list(c, SQL_HOLD_LIST, DB_ARGS(DB_STR(project), DB_STR(project)), columns,
                    COUNT(columns), NULL, e);
}

static int release(struct cli *c, struct err *e)
{
    struct request_ask ask = {.kind = REQUEST_RELEASE};
    enum change_answer answer;
    int r = cli_parse_id("job", cli_arg(c, 0), &ask.job, e);
    if (r == 0)
        r = cli_begin(c, e, "ask to end the job %s and release its hold", cli_arg(c, 0));
    if (r == 0)
        r = request_add(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, "job", ask.job, e);
}

static const struct command_option list_options[] = {
    {"project", "NAME", "only this project's", false},
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list,
     "the holds of jobs that have not ended, the oldest first",
     "hold: set aside in all; held: not charged yet; age: since the job was placed.\n"},
    {"release", "JOB", 1, 1, NULL, 0, COMMAND_WRITES, release,
     "end a job that does not run and give its hold back",
     "For a job that is queued or suspended: runnerd ends it, and what it holds is free\n"
     "again. One that runs is refused; `quota job cancel` ends it.\n"},
};

const struct command_noun noun_hold = {"hold", "GPU-time set aside for jobs", verbs,
                                       COUNT(verbs)};

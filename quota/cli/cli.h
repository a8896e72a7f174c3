// SPDX-License-Identifier: Apache-2.0
/* What every verb has in hand: the call, the configuration, a connection, the output; and the
 * two ways most verbs go: list the rows of a statement, or make one change.
 *
 * A verb returns an exit code (enum cli_exit) or a negative errno with a sentence, which main()
 * turns into one: -EINVAL wrong use, -EPERM and -EEXIST refused, -ENOENT not found, all others
 * failed.
 */
#ifndef FF_QUOTA_CLI_CLI_H
#define FF_QUOTA_CLI_CLI_H

#include "quota/change.h"
#include "quota/cli/command.h"
#include "quota/cli/out.h"
#include "quota/db/db.h"

enum cli_exit {
    CLI_OK,
    CLI_FAILED,
    CLI_USAGE,
    CLI_REFUSED,
    CLI_NOT_FOUND,
    CLI_UNBALANCED,
};

struct cli {
    const struct command_call *call;
    struct out out;
    struct conf *conf;
    struct db_conf db_conf;
    struct db *db;
    char *site, *zone; /* after cli_open() */
    char actor[64];    /* who types: the unix user */
    char origin[64];   /* from where: "quota HOST", "quota ADDRESS" */
    char key[CHANGE_KEY_MAX + 1];
    struct change_by by; /* points into the three above */
};

/* Reads the options that all verbs share and who types. */
int cli_init(struct cli *c, const struct command_call *call, struct err *e);
void cli_done(struct cli *c);

int cli_read_conf(struct cli *c, struct err *e);

/* Reads the configuration, connects, and sets the process's zone to the site's. */
int cli_open(struct cli *c, struct err *e);

const char *cli_arg(const struct cli *c, int i); /* NULL: not given */
const char *cli_value(const struct cli *c, const char *option);

/* The argument or option as a whole number from 1. */
int cli_parse_id(const char *what, const char *text, int64_t *out, struct err *e);

/* The argument or option as a month: "2026-10" as 202610. */
int cli_parse_month(const char *what, const char *text, int *out_month, struct err *e);

/* "2026-11-23" as the first moment of that day in the site's zone; needs cli_open(). */
int cli_parse_day(const char *option, const char *text, int64_t *out_ms, struct err *e);

/* Prints all rows of a statement; *out_rows (may be NULL) gets how many. */
int cli_list(struct cli *c, enum sql id, struct db_args args, const struct column *columns,
             size_t count, size_t *out_rows, struct err *e);

/* The same without opening and closing: inside a group. */
int cli_table(struct cli *c, const char *name, enum sql id, struct db_args args,
              const struct column *columns, size_t count, struct err *e);

/* Whether --columns names columns of this table; before anything is written. */
int cli_check_columns(struct cli *c, const struct column *columns, size_t count, struct err *e);

/* Reads the options of a write; for verbs that write only sometimes, cli_init() did it for the
 * others. */
int cli_init_write(struct cli *c, struct err *e);

/* A write begins: checks reason and key, connects, shows the plan and asks. */
int cli_begin(struct cli *c, struct err *e, const char *plan, ...)
    __attribute__((format(printf, 3, 4)));

/* And ends: prints what became of it. `number` (0: none) is that of what was made. */
int cli_end(struct cli *c, enum change_answer answer, const char *object, int64_t number,
            struct err *e);

/* "'x': write one of a, b": one of the NULL-terminated words, or -EINVAL. */
int cli_parse_word(const char *what, const char *text, const char *const *words, struct err *e);

#endif

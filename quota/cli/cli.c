// SPDX-License-Identifier: Apache-2.0
/* What the verbs share. */
#include "quota/cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"
#include "runner/base/xnew.h"

/* Sections that other programs read. */
static const char *const others[] = {"site",  "portal",    "runner", "node", "fake", "slurm",
                                     "agent", "directory", "refund", "seal", "mail", NULL};

/* What a write answers with. */
static const struct column end_columns[] = {{"answer", COLUMN_TEXT},
                                            {"object", COLUMN_TEXT},
                                            {"number", COLUMN_INT},
                                            {"key", COLUMN_TEXT}};

static int find_word(const char *const *words, const char *text)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], text))
            return i;
    return -1;
}

static int read_print_options(struct cli *c, struct err *e)
{
    static const char *const formats[] = {"table", "csv", "json", "xlsx", "pdf", NULL};
    bool is_report = c->call->verb->kind == COMMAND_REPORTS;
    static const char *const units[] = {"h", "m", "s", NULL};
    const char *format = cli_value(c, "format"), *unit = cli_value(c, "unit");
    int f = format ? find_word(formats, format) : OUT_TABLE;
    int u = unit ? find_word(units, unit) : AMOUNT_HOURS;
    if (f < 0 || (f > OUT_JSON && !is_report))
        return err_set(e, -EINVAL, "--format '%.40s': write %s", format,
                       is_report ? "table, csv, json, xlsx or pdf" : "table, csv or json");
    if (u < 0)
        return err_set(e, -EINVAL, "--unit '%.40s': write h, m or s", unit);
    c->out = (struct out){.file = stdout,
                          .format = (enum out_format)f,
                          .unit = (enum amount_unit)u,
                          .picked = cli_value(c, "columns")};
    return 0;
}

/* "alice", or "alice as root" behind sudo. */
static int read_actor(struct cli *c, struct err *e)
{
    const struct passwd *pw = getpwuid(getuid());
    const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    if (!pw)
        snprintf(c->actor, sizeof(c->actor), "uid %u", (unsigned)getuid());
    else if (sudo && *sudo && strcmp(sudo, "root"))
        snprintf(c->actor, sizeof(c->actor), "%.40s as root", sudo);
    else
        snprintf(c->actor, sizeof(c->actor), "%.60s", pw->pw_name);
    return change_check_text("your user name", c->actor, sizeof(c->actor) - 1, e);
}

/* "quota HOST", or behind ssh "quota ADDRESS". */
static void read_origin(struct cli *c)
{
    const char *ssh = getenv("SSH_CONNECTION");
    int n = ssh ? (int)strspn(ssh, "0123456789abcdef.:") : 0;
    char host[HOST_NAME_MAX + 1] = "";
    if (n > 0)
        snprintf(c->origin, sizeof(c->origin), "quota %.*s", n, ssh);
    else if (gethostname(host, sizeof(host) - 1) == 0)
        snprintf(c->origin, sizeof(c->origin), "quota %s", host);
    else
        snprintf(c->origin, sizeof(c->origin), "quota");
}

int cli_check_columns(struct cli *c, const struct column *columns, size_t count, struct err *e)
{
    size_t order[OUT_COLUMNS_MAX], n;
    return out_pick(columns, count, c->out.picked, order, &n, e);
}

int cli_init_write(struct cli *c, struct err *e)
{
    const char *key = cli_value(c, "key");
    int r = read_actor(c, e);
    if (r == 0 && key)
        r = change_check_key(key, e);
    if (r == 0)
        r = change_check_reason(cli_value(c, "reason"), e);
    if (r < 0)
        return r;
    if (key)
        snprintf(c->key, sizeof(c->key), "%s", key);
    else
        random_hex(c->key, 16);
    read_origin(c);
    c->by = (struct change_by){c->actor, c->origin, cli_value(c, "reason"), c->key,
                               cli_value(c, "dry-run") != NULL};
    return 0;
}

int cli_init(struct cli *c, const struct command_call *call, struct err *e)
{
    *c = (struct cli){.call = call};
    int r = read_print_options(c, e);
    if (r == 0 && call->verb->kind == COMMAND_WRITES)
        r = cli_check_columns(c, end_columns, COUNT(end_columns), e);
    if (r == 0 && (call->verb->kind == COMMAND_WRITES || call->verb->kind == COMMAND_POSTS))
        r = cli_init_write(c, e);
    return r;
}

void cli_done(struct cli *c)
{
    free(c->zone);
    free(c->site);
    db_close(c->db);
    conf_free(c->conf);
}

int cli_read_conf(struct cli *c, struct err *e)
{
    const char *path = cli_value(c, "config");
    if (!path)
        path = getenv("FIREFLY_CONFIG");
    if (!path || !*path)
        path = "/etc/firefly/firefly.conf";
    int r = conf_read(path, &c->conf, e);
    if (r == 0)
        r = db_conf_read(c->conf, &c->db_conf, e);
    if (r == 0)
        r = conf_check(c->conf, others, e);
    return r < 0 ? -EIO : 0; /* the file is at fault, not what was typed */
}

/* The site's name and its zone, which becomes the process's. */
static int take_site(struct cli *c, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(c->db, SQL_SITE_GET, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -EIO, "the database has no site; `quota db init` makes it");
    c->site = xdup(db_rows_text(rows, 0));
    c->zone = xdup(db_rows_text(rows, 1));
    setenv("TZ", c->zone, 1);
    tzset();
    return 0;
}

int cli_open(struct cli *c, struct err *e)
{
    if (c->db)
        return 0;
    int r = cli_read_conf(c, e);
    if (r == 0)
        r = db_open(&c->db_conf, DB_ADMIN, &c->db, e);
    if (r == 0)
        r = take_site(c, e);
    return r < 0 ? -EIO : 0;
}

const char *cli_arg(const struct cli *c, int i)
{
    return i < c->call->arg_count ? c->call->args[i] : NULL;
}

const char *cli_value(const struct cli *c, const char *option)
{
    return command_value(c->call, option);
}

int cli_parse_id(const char *what, const char *text, int64_t *out, struct err *e)
{
    if (parse_i64(text, 1, INT64_MAX, out) == 0)
        return 0;
    return err_set(e, -EINVAL, "%s '%.40s': write its number, a whole number from 1", what,
                   text);
}

int cli_parse_word(const char *what, const char *text, const char *const *words, struct err *e)
{
    AUTO(buf_done) struct buf b = BUF_INIT(300);
    if (find_word(words, text) >= 0)
        return 0;
    for (int i = 0; words[i]; i++)
        buf_printf(&b, "%s%s", i ? ", " : "", words[i]);
    return err_set(e, -EINVAL, "%s '%.40s': write one of %s", what, text, buf_text(&b));
}

int cli_parse_month(const char *what, const char *text, int *out_month, struct err *e)
{
    if (parse_month(text, out_month) < 0)
        return err_set(e, -EINVAL, "%s '%.40s': write a month like 2026-10", what, text);
    return 0;
}

int cli_parse_day(const char *option, const char *text, int64_t *out_ms, struct err *e)
{
    int64_t days;
    const char *zone = getenv("TZ");
    if (parse_day(text, &days) < 0)
        return err_set(e, -EINVAL,
                       "--%s '%.40s': write a day like 2026-11-23; it is one of the site's "
                       "zone, %s",
                       option, text, zone ? zone : "UTC");
    *out_ms = now_day_start_ms(days);
    return 0;
}

/* ---- rows */

static void put_cells(struct out *o, const struct db_rows *rows)
{
    for (unsigned i = 0; i < o->count; i++) {
        if (db_rows_is_null(rows, i))
            out_null(o);
        else if (o->columns[i].kind == COLUMN_TEXT)
            out_text(o, db_rows_text(rows, i));
        else
            out_i64(o, db_rows_i64(rows, i));
    }
    out_row(o);
}

int cli_table(struct cli *c, const char *name, enum sql id, struct db_args args,
              const struct column *columns, size_t count, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(c->db, id, args, &rows, e);
    if (r == 0)
        r = out_begin(&c->out, name, columns, count, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0)
        put_cells(&c->out, rows);
    out_end(&c->out);
    return r;
}

int cli_list(struct cli *c, enum sql id, struct db_args args, const struct column *columns,
             size_t count, size_t *out_rows, struct err *e)
{
    int r = cli_open(c, e);
    if (r == 0)
        r = cli_table(c, "", id, args, columns, count, e);
    if (r == 0 && out_rows)
        *out_rows = c->out.rows;
    return r;
}

/* ---- writes */

static int ask(struct cli *c, const char *plan, struct err *e)
{
    char answer[8] = "";
    if (cli_value(c, "yes") || c->by.is_dry_run)
        return 0;
    if (!isatty(STDIN_FILENO))
        return err_set(e, -EINVAL,
                       "nobody is there to be asked (no terminal): add --yes to do it, or "
                       "--dry-run to try it");
    fputs("This will ", stderr);
    out_safe(stderr, plan);
    fprintf(stderr, "\nas %s, under the key %s. Go on? [y/N] ", c->actor, c->key);
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return 0;
    return err_set(e, -EPERM, "nothing was changed");
}

int cli_begin(struct cli *c, struct err *e, const char *plan, ...)
{
    char text[400];
    va_list args;
    va_start(args, plan);
    vsnprintf(text, sizeof(text), plan, args);
    va_end(args);
    int r = ask(c, text, e);
    return r < 0 ? r : cli_open(c, e);
}

int cli_end(struct cli *c, enum change_answer answer, const char *object, int64_t number,
            struct err *e)
{
    if (answer == CHANGE_OTHER_CONTENT)
        return err_set(e, -EEXIST,
                       "key %s was used for something else; take another key, or none", c->key);
    int r = out_begin(&c->out, "", end_columns, COUNT(end_columns), e);
    if (r < 0)
        return r;
    out_text(&c->out, answer == CHANGE_SAME ? "done before"
                      : c->by.is_dry_run    ? "would be done"
                                            : "done");
    out_text(&c->out, object);
    out_i64_or_null(&c->out, number);
    out_text(&c->out, c->key);
    out_row(&c->out);
    c->out.is_record = false;
    out_end(&c->out);
    return CLI_OK;
}

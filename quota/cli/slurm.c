// SPDX-License-Identifier: Apache-2.0
/* `quota slurm`: projects and their members as accounts and associations in Slurm's own
 * accounting, for a site that wants its fair share and its sreport by project. Firefly itself
 * needs none of it. The audit row is written before sacctmgr is asked for the first thing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/cli/slurm_accounts.h"
#include "runner/base/command.h"
#include "runner/base/loop.h"
#include "runner/base/xnew.h"

enum { ANSWER_MS = 120000, OUTPUT_MAX = 64 * 1024 * 1024, PATH_TEXT_MAX = 512 };

static const struct column columns[] = {
    {"change", COLUMN_TEXT}, {"account", COLUMN_TEXT}, {"users", COLUMN_TEXT},
    {"answer", COLUMN_TEXT}, {"command", COLUMN_TEXT},
};

/* sacctmgr, and what it said last. */
struct sacctmgr {
    struct loop *loop;
    char path[PATH_TEXT_MAX], conf[PATH_TEXT_MAX], cluster[SLURM_NAME_MAX + 1];
    const char *prefix;
    char *text;
    int status;
    struct err why;
};

/* ---- running it */

static void on_answer(const struct command_answer *a, void *arg)
{
    struct sacctmgr *s = arg;
    const char *said = a->err && *a->err ? a->err : a->out ? a->out : "";
    said += strspn(said, " \n");
    free(s->text);
    s->text = xdup(a->out ? a->out : "");
    s->status = a->status < 0 || a->exit_code != 0 || a->is_cut ? -EIO : 0;
    if (a->status < 0)
        s->why = a->why;
    else
        err_set(&s->why, 0, "sacctmgr: exit status %d: %.*s", a->exit_code,
                (int)strcspn(said, "\n"), said);
    loop_stop(s->loop);
}

/* Its answer is in s->text. */
static int run(struct sacctmgr *s, const char *const *words, struct err *e)
{
    const char *env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", *s->conf ? s->conf : NULL, NULL};
    s->status = err_set(&s->why, -EINTR, "stopped before sacctmgr had answered");
    struct command *c = command_start(
        s->loop,
        &(struct command_ask){
            .argv = words, .env = env, .timeout_ms = ANSWER_MS, .out_max = OUTPUT_MAX},
        on_answer, s);
    loop_run(s->loop);
    if (s->status == -EINTR)
        command_cancel(c);
    return s->status < 0 ? err_set(e, s->status, "%s", s->why.text) : 0;
}

static void sacctmgr_done(struct sacctmgr *s)
{
    free(s->text);
    if (s->loop)
        loop_free(s->loop);
}

/* The one of [slurm] cluster; without that the only one there is. */
static int find_cluster(struct sacctmgr *s, const char *said, struct err *e)
{
    const char *const words[] = {s->path,   "--parsable2",    "--noheader", "show",
                                 "cluster", "format=cluster", NULL};
    int r = *said ? 0 : run(s, words, e);
    if (r < 0)
        return r;
    const char *text = *said ? said : s->text;
    size_t len = strcspn(text, "\n");
    if (!*said && strspn(text + len, "\n") != strlen(text + len))
        return err_set(e, -EINVAL,
                       "Slurm's accounting knows several clusters: write which one is ours as "
                       "[slurm] cluster");
    snprintf(s->cluster, sizeof(s->cluster), "%.*s", (int)len, text);
    if (len > SLURM_NAME_MAX || !slurm_name_is_good(s->cluster))
        return err_set(e, -EIO, "'%.64s' is no cluster of Slurm's", text);
    return 0;
}

static const char *setting(const struct cli *c, const char *key, const char *otherwise)
{
    const char *value = conf_text(c->conf, "slurm", NULL, key);
    return value ? value : otherwise;
}

static int open_sacctmgr(struct cli *c, struct sacctmgr *s, struct err *e)
{
    const char *conf = setting(c, "conf", "");
    if (strcmp(setting(c, "accounts", "site"), "projects") != 0)
        return err_set(
            e, -EPERM,
            "[slurm] accounts = site: all jobs go to one account of Slurm's. Write "
            "accounts = projects, and start runnerd again, if each project shall have "
            "its own");
    s->prefix = setting(c, "account_prefix", "");
    s->loop = loop_new();
    snprintf(s->path, sizeof(s->path), "%s/sacctmgr", setting(c, "programs", "/usr/bin"));
    if (*conf)
        snprintf(s->conf, sizeof(s->conf), "SLURM_CONF=%s", conf);
    return find_cluster(s, setting(c, "cluster", ""), e);
}

/* ---- what there shall be, and what there is */

static int read_wanted(struct cli *c, const struct sacctmgr *s, struct slurm_pairs *out,
                       struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(c->db, SQL_SLURM_MEMBERS, DB_NO_ARGS, &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        char account[2 * SLURM_NAME_MAX];
        snprintf(account, sizeof(account), "%s%s", s->prefix, db_rows_text(rows, 0));
        r = slurm_pairs_add(out, account, "", false, e);
        if (r == 0 && !db_rows_is_null(rows, 1))
            r = slurm_pairs_add(out, account, db_rows_text(rows, 1), false, e);
    }
    slurm_pairs_sort(out);
    return r;
}

static int read_there(struct sacctmgr *s, struct slurm_pairs *have, struct slurm_pairs *known,
                      struct err *e)
{
    char cluster[SLURM_NAME_MAX + 16];
    snprintf(cluster, sizeof(cluster), "cluster=%s", s->cluster);
    const char *const links[] = {s->path, "--parsable2", "--noheader",          "show", "assoc",
                                 "where", cluster,       "format=account,user", NULL};
    const char *const accounts[] = {s->path, "--parsable2", "--noheader",
                                    "show",  "account",     "format=account,organization",
                                    NULL};
    int r = run(s, links, e);
    if (r < 0)
        return r;
    slurm_pairs_read(have, s->text);
    r = run(s, accounts, e);
    if (r < 0)
        return r;
    slurm_pairs_read(known, s->text);
    slurm_pairs_sort(have);
    slurm_pairs_sort(known);
    return 0;
}

/* ---- the steps */

static bool is_left(const struct cli *c, const struct slurm_step *step)
{
    return slurm_step_removes(step) && !cli_value(c, "remove");
}

static size_t count_due(const struct cli *c, const struct slurm_steps *steps)
{
    size_t due = 0;
    for (size_t i = 0; i < steps->count; i++)
        due += steps->items[i].kind != SLURM_FOREIGN && !is_left(c, &steps->items[i]);
    return due;
}

static void put_words(struct buf *b, const struct slurm_command *command)
{
    for (size_t i = 0; command->words[i]; i++)
        buf_printf(b, "%s%s", i ? " " : "", command->words[i]);
}

/* One step as a row; it is taken first, unless this is a rehearsal. */
static int take_step(struct cli *c, struct sacctmgr *s, const struct slurm_step *step)
{
    AUTO(buf_done) struct buf line = BUF_INIT(2 * SLURM_WORD_MAX);
    struct slurm_command command;
    struct err why;
    char users[SLURM_WORD_MAX];
    bool is_foreign = step->kind == SLURM_FOREIGN, is_ours = !is_foreign && !is_left(c, step);
    int r = 0;
    slurm_step_users(step, users);
    if (!is_foreign) {
        slurm_step_command(step, s->path, s->cluster, &command);
        put_words(&line, &command);
    }
    if (is_ours && !c->by.is_dry_run)
        r = run(s, command.words, &why);
    out_text(&c->out, slurm_step_name(step));
    out_text(&c->out, step->account);
    out_text(&c->out, users);
    out_text(&c->out, is_foreign ? "left: the site made this account itself; set [slurm] "
                                   "account_prefix"
                      : !is_ours ? "left: --remove takes it away"
                      : c->by.is_dry_run ? "would be done"
                      : r == 0           ? "done"
                                         : why.text);
    out_text_or_null(&c->out, buf_text(&line));
    out_row(&c->out);
    return r;
}

static int take_steps(struct cli *c, struct sacctmgr *s, const struct slurm_steps *steps,
                      struct err *e)
{
    size_t failed = 0;
    int r = out_begin(&c->out, "", columns, COUNT(columns), e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < steps->count; i++) {
        r = take_step(c, s, &steps->items[i]);
        failed += r < 0;
        if (s->status == -EINTR)
            break;
    }
    out_end(&c->out);
    if (failed)
        return err_set(e, -EIO, "%zu of these steps failed; when that is mended, run it again",
                       failed);
    return CLI_OK;
}

/* ---- the audit row */

static int read_nothing(struct db *db, void *arg, struct buf *before, struct err *e)
{
    (void)db, (void)arg, (void)before, (void)e;
    return 0;
}

static int apply_nothing(struct db *db, void *arg, struct err *e)
{
    (void)db, (void)arg, (void)e;
    return 0;
}

/* What is going to be done; a long list is cut. */
static void put_plan(const struct cli *c, const struct slurm_steps *steps, struct buf *b)
{
    char users[SLURM_WORD_MAX];
    for (size_t i = 0; i < steps->count; i++) {
        const struct slurm_step *step = &steps->items[i];
        if (step->kind == SLURM_FOREIGN || is_left(c, step))
            continue;
        slurm_step_users(step, users);
        if (b->len + strlen(users) + SLURM_NAME_MAX + 30 > b->max) {
            buf_put(b, "; …");
            return;
        }
        buf_printf(b, "%s%s %s%s%s", b->len ? "; " : "", slurm_step_name(step), step->account,
                   *users ? ": " : "", users);
    }
}

static int write_audit(struct cli *c, const struct sacctmgr *s, const struct slurm_steps *steps,
                       enum change_answer *out, struct err *e)
{
    AUTO(buf_done) struct buf plan = BUF_INIT(CHANGE_TEXT_MAX);
    char object[SLURM_NAME_MAX + 16];
    put_plan(c, steps, &plan);
    snprintf(object, sizeof(object), "cluster %s", s->cluster);
    return change_run(c->db, &c->by,
                      &(struct change){"slurm sync", object, buf_text(&plan), read_nothing,
                                       apply_nothing, NULL},
                      out, e);
}

/* ---- the verb */

static int do_steps(struct cli *c, struct sacctmgr *s, const struct slurm_steps *steps,
                    struct err *e)
{
    enum change_answer answer = CHANGE_DONE;
    size_t due = count_due(c, steps);
    int r = 0;
    if (due > 0)
        r = cli_begin(c, e, "change the accounts of the cluster %s in %zu step%s", s->cluster,
                      due, due == 1 ? "" : "s");
    if (r == 0 && due > 0)
        r = write_audit(c, s, steps, &answer, e);
    if (r < 0)
        return r;
    if (answer != CHANGE_DONE)
        return err_set(e, -EEXIST, "key %s was used before; take another key, or none", c->key);
    return take_steps(c, s, steps, e);
}

static int sync_it(struct cli *c, struct err *e)
{
    AUTO(sacctmgr_done) struct sacctmgr s = {0};
    AUTO(slurm_pairs_done) struct slurm_pairs want = {0};
    AUTO(slurm_pairs_done) struct slurm_pairs have = {0};
    AUTO(slurm_pairs_done) struct slurm_pairs known = {0};
    AUTO(slurm_steps_done) struct slurm_steps steps = {0};
    int r = cli_check_columns(c, columns, COUNT(columns), e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = open_sacctmgr(c, &s, e);
    if (r == 0)
        r = read_wanted(c, &s, &want, e);
    if (r == 0)
        r = read_there(&s, &have, &known, e);
    if (r < 0)
        return r;
    slurm_steps_make(&want, &have, &known, &steps);
    return do_steps(c, &s, &steps, e);
}

static const struct command_option sync_options[] = {
    {"remove", NULL, "also take away what no project or member stands for any more", false},
};

static const struct command_verb verbs[] = {
    {"sync", "", 0, 0, sync_options, COUNT(sync_options), COMMAND_POSTS, sync_it,
     "projects as accounts of Slurm's",
     "Gives each open project an account in Slurm, [slurm] account_prefix and its name, and\n"
     "each of its members an association with it, by sacctmgr; whoever runs this must be an\n"
     "administrator of Slurm's. What is there already stays: run it as often as you like.\n"
     "Without --remove nothing is taken away, and what would be is listed. Accounts that the\n"
     "site made itself (another organization than " SLURM_ORGANIZATION ") are never touched.\n"
     "  quota slurm sync --dry-run --reason 'what would be new?'\n"
     "  quota slurm sync --reason 'new projects' --yes\n"},
};

const struct command_noun noun_slurm = {"slurm", "accounts in Slurm", verbs, COUNT(verbs)};

// SPDX-License-Identifier: Apache-2.0
/* `quota ldap`: looks at the directories as a login would, step by step. */
#include <errno.h>
#include <string.h>

#include "auth/check.h"
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"

static const struct column columns[] = {{"directory", COLUMN_TEXT},
                                        {"step", COLUMN_TEXT},
                                        {"result", COLUMN_TEXT},
                                        {"text", COLUMN_TEXT}};

struct walk {
    struct cli *cli;
    const char *directory;
};

static void on_step(const struct check_step *step, void *arg)
{
    static const char *const results[] = {"ok", "note", "FAILED"};
    const struct walk *w = arg;
    out_text(&w->cli->out, w->directory);
    out_text(&w->cli->out, step->name);
    out_text(&w->cli->out, results[step->result]);
    out_text(&w->cli->out, step->text);
    out_row(&w->cli->out);
}

/* All directories, or the one that was named; returns how many steps failed. */
static size_t walk(struct cli *c, const struct directories *all, const char *only)
{
    size_t failed = 0;
    for (size_t i = 0; directories_at(all, i); i++) {
        const struct directory *d = directories_at(all, i);
        struct walk w = {c, directory_name(d)};
        if (!only || !strcmp(only, w.directory))
            failed += directory_check(d, cli_value(c, "user"), on_step, &w);
    }
    return failed;
}

static int check(struct cli *c, struct err *e)
{
    AUTO(directories_freep) struct directories *all = NULL;
    const char *only = cli_value(c, "directory");
    directory_init();
    int r = cli_read_conf(c, e);
    if (r == 0 && directories_load(c->conf, &all, e) < 0)
        r = -EIO;
    if (r == 0 && only && !directories_find(all, only))
        r = err_set(e, -ENOENT, "directory %.60s: the configuration has no [directory %.60s]",
                    only, only);
    if (r == 0)
        r = out_begin(&c->out, "", columns, COUNT(columns), e);
    if (r < 0)
        return r;
    size_t failed = walk(c, all, only);
    out_end(&c->out);
    return failed ? err_set(e, -EIO, "%zu step%s failed", failed, failed == 1 ? "" : "s") : 0;
}

static const struct command_option options[] = {
    {"user", "LOGIN", "also find this person, groups and tenant; no password is needed", false},
    {"directory", "NAME", "only this one", false},
};

static const struct command_verb verbs[] = {
    {"check", "", 0, 0, options, COUNT(options), COMMAND_READS, check,
     "connect, bind, search: what works and what does not",
     "Every address of every directory is tried: name, connection, certificate, service "
     "account,\n"
     "bases. Exit status 1 if any step failed.\n"
     "  quota ldap check --directory north --user alice\n"},
};

const struct command_noun noun_ldap = {"ldap", "the directories of people", verbs,
                                       COUNT(verbs)};

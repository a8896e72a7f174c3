// SPDX-License-Identifier: Apache-2.0
/* `quota person`: who has ever logged in. */
#include "quota/person.h"

#include <stdlib.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/people.h"

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"person", COLUMN_INT}, {"login", COLUMN_TEXT},      {"directory", COLUMN_TEXT},
        {"name", COLUMN_TEXT},  {"tenant", COLUMN_TEXT},     {"state", COLUMN_TEXT},
        {"admin", COLUMN_TEXT}, {"unix_name", COLUMN_TEXT},  {"uid", COLUMN_INT},
        {"since", COLUMN_TIME}, {"last_login", COLUMN_TIME},
    };
    const char *tenant = cli_value(c, "tenant");
    tenant = tenant ? tenant : "";
    return cli_list(c, SQL_PEOPLE_LIST, DB_ARGS(DB_STR(tenant), DB_STR(tenant)), columns,
                    COUNT(columns), NULL, e);
}

/* ---- show: the person, then projects, then what is left */

static int print_person(struct cli *c, const struct person *p, struct err *e)
{
    static const struct column columns[] = {
        {"person", COLUMN_INT},  {"login", COLUMN_TEXT},      {"directory", COLUMN_TEXT},
        {"name", COLUMN_TEXT},   {"mail", COLUMN_TEXT},       {"tenant", COLUMN_TEXT},
        {"active", COLUMN_TEXT}, {"admin", COLUMN_TEXT},      {"unix_name", COLUMN_TEXT},
        {"uid", COLUMN_INT},     {"gid", COLUMN_INT},         {"gids", COLUMN_TEXT},
        {"since", COLUMN_TIME},  {"last_login", COLUMN_TIME},
    };
    struct out *o = &c->out;
    int r = out_begin(o, "person", columns, COUNT(columns), e);
    if (r < 0)
        return r;
    out_i64(o, p->id);
    const char *texts[] = {p->login,
                           p->directory,
                           p->name,
                           p->mail,
                           p->tenant,
                           p->is_active ? "yes" : "no",
                           p->is_admin ? "yes" : "no",
                           p->unix_name};
    for (size_t i = 0; i < COUNT(texts); i++)
        out_text(o, texts[i]);
    out_i64(o, p->uid);
    out_i64(o, p->gid);
    out_text(o, p->gids);
    out_i64(o, p->first_seen_ms);
    out_i64(o, p->last_login_ms);
    out_row(o);
    out_end(o);
    return 0;
}

static int print_projects(struct cli *c, const struct person *p, struct err *e)
{
    static const struct column columns[] = {{"project", COLUMN_TEXT},
                                            {"tenant", COLUMN_TEXT},
                                            {"title", COLUMN_TEXT},
                                            {"role", COLUMN_TEXT},
                                            {"open", COLUMN_TEXT}};
    int r = out_begin(&c->out, "projects", columns, COUNT(columns), e);
    for (size_t i = 0; r == 0 && i < p->membership_count; i++) {
        const struct membership *m = &p->memberships[i];
        const char *texts[] = {m->project, m->tenant, m->title, m->is_pi ? "pi" : "member",
                               m->is_open ? "yes" : "no"};
        for (size_t k = 0; k < COUNT(texts); k++)
            out_text(&c->out, texts[k]);
        out_row(&c->out);
    }
    if (r == 0)
        out_end(&c->out);
    return r;
}

static int print_balances(struct cli *c, const struct person *p, struct err *e)
{
    static const struct column columns[] = {
        {"project", COLUMN_TEXT}, {"allocation", COLUMN_INT}, {"from", COLUMN_TIME},
        {"until", COLUMN_TIME},   {"open", COLUMN_TEXT},      {"free", COLUMN_GPUMS},
        {"held", COLUMN_GPUMS},   {"used", COLUMN_GPUMS},     {"share_free", COLUMN_GPUMS},
    };
    struct out *o = &c->out;
    int r = out_begin(o, "balance", columns, COUNT(columns), e);
    for (size_t i = 0; r == 0 && i < p->balance_count; i++) {
        const struct balance *b = &p->balances[i];
        out_text(o, b->project);
        out_i64(o, b->allocation_id);
        out_i64(o, b->from_ms);
        out_i64(o, b->until_ms);
        out_text(o, b->is_open ? "yes" : "no");
        out_i64(o, b->free_gpums);
        out_i64(o, b->held_gpums);
        out_i64(o, b->used_gpums);
        if (b->has_share)
            out_i64(o, b->share_free_gpums);
        else
            out_null(o);
        out_row(o);
    }
    if (r == 0)
        out_end(o);
    return r;
}

static int show(struct cli *c, struct err *e)
{
    AUTO(person_freep) struct person *p = NULL;
    int64_t id;
    int r = cli_open(c, e);
    if (r == 0)
        r = people_find(c->db, cli_arg(c, 0), &id, e);
    if (r == 0)
        r = person_load(c->db, id, &p, e);
    if (r < 0)
        return r;
    c->out.is_record = true;
    if (c->out.format == OUT_CSV || c->out.picked) /* one table a file */
        return print_person(c, p, e);
    out_group_begin(&c->out);
    r = print_person(c, p, e);
    c->out.is_record = false;
    if (r == 0)
        r = print_projects(c, p, e);
    if (r == 0)
        r = print_balances(c, p, e);
    out_group_end(&c->out);
    return r;
}

static int set_active(struct cli *c, bool is_active, struct err *e)
{
    enum change_answer answer;
    int64_t id;
    int r =
        cli_begin(c, e, "%s the person %s", is_active ? "enable" : "disable", cli_arg(c, 0));
    if (r == 0)
        r = people_find(c->db, cli_arg(c, 0), &id, e);
    if (r == 0)
        r = people_set_active(c->db, &c->by, id, is_active, &answer, e);
    return r < 0 ? r : cli_end(c, answer, cli_arg(c, 0), id, e);
}

static int disable(struct cli *c, struct err *e)
{
    return set_active(c, false, e);
}

static int enable(struct cli *c, struct err *e)
{
    return set_active(c, true, e);
}

static int anonymise(struct cli *c, struct err *e)
{
    enum change_answer answer;
    int64_t id;
    int r =
        cli_begin(c, e, "erase name, mail and login of the person %s, for good", cli_arg(c, 0));
    if (r == 0)
        r = people_find(c->db, cli_arg(c, 0), &id, e);
    if (r == 0)
        r = people_anonymise(c->db, &c->by, id, &answer, e);
    return r < 0 ? r : cli_end(c, answer, "person", id, e);
}

static const struct command_option list_options[] = {
    {"tenant", "NAME", "only this tenant's", false},
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list,
     "everybody who ever logged in", NULL},
    {"show", "PERSON", 1, 1, NULL, 0, COMMAND_READS, show, "account, projects and balance",
     "PERSON is login@directory, like alice@north, or a number of `quota person list`.\n"
     "As csv, and with --columns, the first table alone is printed.\n"},
    {"disable", "PERSON", 1, 1, NULL, 0, COMMAND_WRITES, disable, "no more logins and jobs",
     "Running jobs go on: `quota job cancel` ends them.\n"},
    {"enable", "PERSON", 1, 1, NULL, 0, COMMAND_WRITES, enable, "undo disable", NULL},
    {"anonymise", "PERSON", 1, 1, NULL, 0, COMMAND_WRITES, anonymise,
     "erase name, mail and login for good",
     "For somebody who left and asks to be forgotten; it cannot be undone. Name, mail,\n"
     "login, unix name and the notes of requests are erased, sessions end, tokens are\n"
     "revoked, open requests are withdrawn. Jobs, charges and reports keep the person's\n"
     "number (anonymised-7), so the books and closed months stay as they are; ledger and\n"
     "audit keep the login under which something was done, because they are sealed. Who\n"
     "logs in again with the same entry of the directory is somebody new. Refused while\n"
     "jobs of the person are alive.\n"
     "  quota person anonymise bob@north --reason 'left, letter of 3 November' --dry-run\n"},
};

const struct command_noun noun_person = {"person", "who has ever logged in", verbs,
                                         COUNT(verbs)};

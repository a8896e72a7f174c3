// SPDX-License-Identifier: Apache-2.0
/* `quota export` and `quota import`: the whole set-up of the site as text. */
#include "quota/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "runner/base/jget.h"

static const struct column columns[] = {{"answer", COLUMN_TEXT},
                                        {"object", COLUMN_TEXT},
                                        {"change", COLUMN_TEXT},
                                        {"note", COLUMN_TEXT}};

static int export_it(struct cli *c, struct err *e)
{
    AUTO(json_freep) json_t *setup = NULL;
    int r = cli_open(c, e);
    if (r == 0)
        r = setup_read(c->db, false, &setup, e);
    if (r < 0)
        return r;
    json_dumpf(setup, c->out.file, JSON_INDENT(2) | JSON_SORT_KEYS);
    fputc('\n', c->out.file);
    return CLI_OK;
}

/* The whole file, at most SETUP_BYTES_MAX; "-" is standard input. */
static int read_file(const char *path, struct buf *out, struct err *e)
{
    char part[65536];
    size_t n;
    FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
    if (!f)
        return err_set(e, -EIO, "%.200s: %s", path, strerror(errno));
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        buf_put_bytes(out, part, n);
    bool is_bad = ferror(f) != 0;
    if (f != stdin)
        fclose(f);
    if (is_bad)
        return err_set(e, -EIO, "%.200s: cannot be read", path);
    if (out->failed)
        return err_set(e, -EINVAL, "%.200s: larger than %d MiB", path, SETUP_BYTES_MAX >> 20);
    return 0;
}

static int read_setup(const char *path, json_t **out, struct err *e)
{
    AUTO(buf_done) struct buf text = BUF_INIT(SETUP_BYTES_MAX);
    AUTO(json_freep) json_t *setup = NULL;
    int r = read_file(path, &text, e);
    if (r < 0)
        return r;
    r = jget_parse(buf_text(&text), text.len, SETUP_BYTES_MAX, &setup, e);
    if (r == 0)
        r = setup_check(setup, e);
    if (r < 0)
        return err_wrap(e, -EINVAL, "%.200s", path);
    *out = TAKE(setup);
    return 0;
}

static void on_change(const struct setup_change *change, void *arg)
{
    struct cli *c = arg;
    const char *texts[] = {change->answer, change->object, change->change, change->note};
    for (size_t i = 0; i < COUNT(texts); i++)
        out_text(&c->out, texts[i]);
    out_row(&c->out);
}

static int import_it(struct cli *c, struct err *e)
{
    AUTO(json_freep) json_t *setup = NULL;
    struct change_by by = c->by;
    size_t refused = 0;
    by.key = cli_value(c, "key");
    int r = cli_check_columns(c, columns, COUNT(columns), e);
    if (r == 0)
        r = read_setup(cli_arg(c, 0), &setup, e);
    if (r == 0)
        r = cli_begin(c, e, "change the site to what %s says", cli_arg(c, 0));
    if (r == 0)
        r = out_begin(&c->out, "", columns, COUNT(columns), e);
    if (r < 0)
        return r;
    r = setup_apply(c->db, &by, setup, on_change, c, &refused, e);
    out_end(&c->out);
    if (r < 0)
        return r;
    return refused ? CLI_REFUSED : CLI_OK;
}

static const struct command_verb export_verbs[] = {
    {NULL, "", 0, 0, NULL, 0, COMMAND_SETS_UP, export_it,
     "the whole set-up of the site as text",
     "Prints one JSON object: the site, tenants with contact and administrators, projects,\n"
     "members, allocations with term and what was granted in them, members' shares, limits\n"
     "and prices; not the jobs, and not the ledger. Keys are sorted, so that two exports can\n"
     "be compared line by line. Amounts are GPU-milliseconds: 3600000 are a GPU-hour.\n"
     "  quota export > site.json\n"},
};

static const struct command_verb import_verbs[] = {
    {NULL, "FILE", 1, 1, NULL, 0, COMMAND_POSTS, import_it,
     "make the site like an exported text",
     "Changes what differs, each as a change of its own with its audit row, and prints each.\n"
     "What the file does not name stays; nothing is removed. The whole file is checked before\n"
     "the first change. Repeating it is harmless: what is there already is not changed again.\n"
     "FILE may be -. A person who never logged in here is skipped: import again later.\n"
     "GPU-time is granted only in allocations that are not there yet (known by project and\n"
     "term) and whose term is not over. Of the prices only the one that counts now and those\n"
     "to come are taken. --dry-run tries each change and keeps none; what needs another one\n"
     "first is only printed. Exit status 3 when any was refused or skipped.\n"
     "  quota import site.json --dry-run --reason 'new site'\n"},
};

const struct command_noun noun_export = {"export", "the whole set-up of the site as text",
                                         export_verbs, COUNT(export_verbs)};
const struct command_noun noun_import = {"import", "make the site like an exported text",
                                         import_verbs, COUNT(import_verbs)};

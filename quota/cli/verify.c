// SPDX-License-Identifier: Apache-2.0
/* `quota verify`: are the books in balance? */
#include "quota/verify.h"

#include <stdio.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"

static const struct column columns[] = {{"check", COLUMN_TEXT},
                                        {"where", COLUMN_TEXT},
                                        {"expected", COLUMN_TEXT},
                                        {"found", COLUMN_TEXT},
                                        {"meaning", COLUMN_TEXT}};

struct printer {
    struct out *out;
    bool is_open;
};

static void begin(struct printer *p)
{
    if (!p->is_open)
        out_begin(p->out, "", columns, COUNT(columns),
                  NULL); /* the columns were picked before */
    p->is_open = true;
}

static void on_fault(const struct verify_fault *fault, void *arg)
{
    struct printer *p = arg;
    begin(p);
    const char *texts[] = {fault->check, fault->where, fault->expected, fault->found,
                           fault->meaning};
    for (size_t i = 0; i < COUNT(texts); i++)
        out_text(p->out, texts[i]);
    out_row(p->out);
}

static int verify(struct cli *c, struct err *e)
{
    struct printer p = {.out = &c->out};
    struct verify_counts counts;
    size_t order[OUT_COLUMNS_MAX], count;
    int r = out_pick(columns, COUNT(columns), c->out.picked, order, &count, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0 && c->out.format != OUT_TABLE)
        begin(&p);
    if (r == 0)
        r = verify_run(c->db, on_fault, &p, &counts, e);
    if (r < 0)
        return r;
    if (p.is_open)
        out_end(&c->out);
    if (c->out.format == OUT_TABLE)
        fflush(c->out.file);
    FILE *words = c->out.format == OUT_TABLE ? c->out.file : stderr;
    fprintf(words, "books %s: %lld jobs, %lld transfers, %lld faults\n",
            counts.faults ? "DO NOT balance" : "balance", (long long)counts.jobs,
            (long long)counts.transfers, (long long)counts.faults);
    return counts.faults ? CLI_UNBALANCED : CLI_OK;
}

static const struct command_verb verbs[] = {
    {NULL, "", 0, 0, NULL, 0, COMMAND_READS, verify, "prove the books",
     "Computes every stored number again from the transfers and events, in one snapshot, while "
     "jobs\n"
     "go on: balances, holds, charges, releases, states, reports. Prints what is wrong, one "
     "row each\n"
     "(amounts in GPU-milliseconds), and exits 5; changes nothing. The last line says the "
     "result; in\n"
     "csv and json it goes to standard error.\n"},
};

const struct command_noun noun_verify = {"verify", "prove the books", verbs, COUNT(verbs)};

// SPDX-License-Identifier: Apache-2.0
/* Prints faults as they are found, so that the first is seen while the proof goes on. */
#include "quota/cli/faults.h"

static const struct column columns[] = {{"check", COLUMN_TEXT},
                                        {"where", COLUMN_TEXT},
                                        {"expected", COLUMN_TEXT},
                                        {"found", COLUMN_TEXT},
                                        {"meaning", COLUMN_TEXT}};

static void begin(struct faults *f)
{
    if (!f->is_open)
        out_begin(&f->cli->out, "", columns, COUNT(columns), NULL); /* picked before */
    f->is_open = true;
}

int faults_init(struct faults *f, struct cli *c, struct err *e)
{
    size_t order[OUT_COLUMNS_MAX], count;
    *f = (struct faults){.cli = c};
    return out_pick(columns, COUNT(columns), c->out.picked, order, &count, e);
}

void faults_print(const struct verify_fault *fault, void *arg)
{
    struct faults *f = arg;
    const char *texts[] = {fault->check, fault->where, fault->expected, fault->found,
                           fault->meaning};
    begin(f);
    for (size_t i = 0; i < COUNT(texts); i++)
        out_text(&f->cli->out, texts[i]);
    out_row(&f->cli->out);
}

int faults_end(struct faults *f, int64_t count, const char *result)
{
    struct out *out = &f->cli->out;
    if (out->format != OUT_TABLE)
        begin(f);
    if (f->is_open)
        out_end(out);
    fflush(out->file);
    fprintf(out->format == OUT_TABLE ? out->file : stderr, "%s\n", result);
    return count ? CLI_UNBALANCED : CLI_OK;
}

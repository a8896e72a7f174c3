// SPDX-License-Identifier: Apache-2.0
/* Reads the options of an interval. */
#include "quota/cli/interval.h"

#include <errno.h>

static int read_month(struct cli *c, const char *text, struct interval *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = cli_parse_month("--month", text, &out->month, e);
    if (r == 0)
        r = db_select_row(c->db, SQL_REPORT_MONTH, DB_ARGS(DB_I64(out->month)), &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "--month %s: not one of the site's months", text);
    out->from_ms = db_rows_i64(rows, 0);
    out->until_ms = db_rows_i64(rows, 1);
    return 0;
}

int interval_read(struct cli *c, struct interval *out, struct err *e)
{
    const char *month = cli_value(c, "month");
    const char *since = cli_value(c, "since"), *until = cli_value(c, "until");
    *out = (struct interval){.until_ms = INT64_MAX};
    if (month && (since || until))
        return err_set(e, -EINVAL,
                       "--month is an interval already; leave out --since and --until");
    if (month)
        return read_month(c, month, out, e);
    int r = since ? cli_parse_day("since", since, &out->from_ms, e) : 0;
    if (r == 0 && until)
        r = cli_parse_day("until", until, &out->until_ms, e);
    if (r == 0 && out->until_ms <= out->from_ms)
        return err_set(e, -EINVAL, "--until must be a later day than --since");
    return r;
}

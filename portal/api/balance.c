// SPDX-License-Identifier: Apache-2.0
/* What my projects have left, in plain numbers, with the forecast. */
#include "portal/access.h"
#include "portal/api/api.h"
#include "portal/session.h"
#include "portal/shown_budget.h"
#include "runner/base/now.h"

static const char *const kinds[] = {
    [FORECAST_FUTURE] = "future", [FORECAST_OVER] = "over",   [FORECAST_SPENT] = "spent",
    [FORECAST_IDLE] = "idle",     [FORECAST_LASTS] = "lasts", [FORECAST_ENDS] = "ends",
};

static json_t *forecast_json(const struct budget_row *b, int64_t at_ms)
{
    struct forecast f = shown_budget_forecast(b, at_ms);
    json_t *j = json_pack("{s:s}", "kind", kinds[f.kind]);
    if (f.kind == FORECAST_ENDS)
        json_object_set_new(j, "at_ms", json_integer((json_int_t)f.at_ms));
    return j;
}

static json_t *budget_json(const struct budget_row *b, int64_t at_ms)
{
    bool is_open =
        b->is_project_open && b->is_open && b->from_ms <= at_ms && at_ms < b->until_ms;
    json_t *j = json_pack(
        "{s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:o, s:i, s:b}", "project", b->project,
        "allocation", (json_int_t)b->allocation_id, "from_ms", (json_int_t)b->from_ms,
        "until_ms", (json_int_t)b->until_ms, "is_open", is_open, "free_gpums",
        (json_int_t)b->free_gpums, "held_gpums", (json_int_t)b->held_gpums, "used_gpums",
        (json_int_t)b->used_gpums, "used_in_30_days_gpums", (json_int_t)b->recent_gpums,
        "forecast", forecast_json(b, at_ms), "threshold",
        forecast_threshold(b->free_gpums, b->held_gpums, b->used_gpums), "term_ends_soon",
        forecast_term_ends_soon(b->from_ms, b->until_ms, at_ms));
    if (b->has_share)
        json_object_set_new(j, "share",
                            json_pack("{s:I, s:I, s:I}", "free_gpums",
                                      (json_int_t)b->share_free_gpums, "held_gpums",
                                      (json_int_t)b->share_held_gpums, "used_gpums",
                                      (json_int_t)b->share_used_gpums));
    return j;
}

int api_load_balance(void *local, struct request *r)
{
    AUTO(budget_list_done) struct budget_list list = {0};
    struct worker *w = local;
    int64_t me = session_of(r)->person_id;
    struct budget_filter filter = {.viewer_id = me, .person_id = me, .now_ms = now_ms()};
    int code = 0;
    struct db *db = worker_db(w, &code, &r->err);
    if (db)
        code = budget_list(db, &filter, &list, &r->err);
    if (code < 0)
        return code;
    json_t *rows = json_array();
    for (size_t i = 0; i < list.count; i++)
        if (list.rows[i].allocation_id)
            json_array_append_new(rows, budget_json(&list.rows[i], filter.now_ms));
    api_reply(r,
              json_pack("{s:I, s:o}", "as_of_ms", (json_int_t)filter.now_ms, "balances", rows));
    return 0;
}

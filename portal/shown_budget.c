// SPDX-License-Identifier: Apache-2.0
/* Rows of quota/budget.h as pages say them. */
#include "portal/shown_budget.h"

#include <string.h>

#include "portal/shown.h"

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static int64_t permille(int64_t part, int64_t total)
{
    __extension__ typedef __int128 wide;
    return total > 0 ? (int64_t)((wide)part * 1000 / total) : 0;
}

struct forecast shown_budget_forecast(const struct budget_row *b, int64_t now_ms)
{
    return forecast_of(&(struct forecast_ask){.now_ms = now_ms,
                                              .from_ms = b->from_ms,
                                              .until_ms = b->until_ms,
                                              .free_gpums = b->free_gpums,
                                              .held_gpums = b->held_gpums,
                                              .recent_gpums = b->recent_gpums});
}

const char *shown_forecast(struct arena *a, struct forecast f)
{
    switch (f.kind) {
    case FORECAST_FUTURE:
        return "not begun yet";
    case FORECAST_OVER:
        return "the term is over";
    case FORECAST_SPENT:
        return "nothing left";
    case FORECAST_IDLE:
        return "nothing used in the last 30 days";
    case FORECAST_LASTS:
        return "will last the term";
    case FORECAST_ENDS:
        return or_empty(arena_printf(a, "at this pace until %s", shown_date(a, f.at_ms)));
    }
    return "";
}

static void put_notice(json_t *list, const char *text)
{
    json_array_append_new(list, json_pack("{s:s}", "text", or_empty(text)));
}

/* What has passed a threshold. */
static json_t *notices_json(struct arena *a, const struct budget_row *b, int64_t now_ms)
{
    json_t *list = json_array();
    int threshold = forecast_threshold(b->free_gpums, b->held_gpums, b->used_gpums);
    int64_t days = (b->until_ms - now_ms + FORECAST_DAY_MS - 1) / FORECAST_DAY_MS;
    if (now_ms >= b->until_ms)
        return list;
    int64_t left_gpums = b->free_gpums + b->held_gpums;
    if (threshold == 100 && left_gpums == 0)
        put_notice(list, "All of it is used.");
    else if (threshold == 100)
        put_notice(list, arena_printf(a, "It is as good as used up: %s GPU-hours are left.",
                                      shown_hours(a, left_gpums)));
    else if (threshold)
        put_notice(list, arena_printf(a, "More than %d %% of it is used.", threshold));
    if (b->free_gpums == 0 && b->held_gpums > 0)
        put_notice(list, "Nothing is free for a new job until jobs give back what they hold.");
    if (forecast_term_ends_soon(b->from_ms, b->until_ms, now_ms))
        put_notice(list, arena_printf(a,
                                      "The term ends in %lld %s; what is not used by then "
                                      "expires.",
                                      (long long)days, days == 1 ? "day" : "days"));
    return list;
}

static json_t *share_json(struct arena *a, const struct budget_row *b)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s}", "share_free", shown_hours(a, b->share_free_gpums), "share_held",
        shown_hours(a, b->share_held_gpums), "share_used", shown_hours(a, b->share_used_gpums),
        "share_limit",
        shown_hours(a, b->share_free_gpums + b->share_held_gpums + b->share_used_gpums));
}

static const char *why_closed(const struct budget_row *b, int64_t now_ms)
{
    return !b->is_project_open     ? "the project is closed"
           : !b->is_open           ? "closed"
           : now_ms < b->from_ms   ? "not begun yet"
           : now_ms >= b->until_ms ? "the term is over"
                                   : "";
}

json_t *shown_budget(struct arena *a, const struct budget_row *b, int64_t now_ms)
{
    int64_t total = b->free_gpums + b->held_gpums + b->used_gpums;
    const char *closed = why_closed(b, now_ms);
    const char *term = arena_printf(a, "%s to %s", shown_date(a, b->from_ms),
                                    shown_date(a, b->until_ms - 1)); /* its last day */
    json_t *j =
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:b}", "allocation",
                  (json_int_t)b->allocation_id, "term", or_empty(term), "free",
                  shown_hours(a, b->free_gpums), "held", shown_hours(a, b->held_gpums), "used",
                  shown_hours(a, b->used_gpums), "total", shown_hours(a, total),
                  "used_permille", (json_int_t)permille(b->used_gpums, total), "held_permille",
                  (json_int_t)permille(b->held_gpums, total), "forecast",
                  *closed ? closed : shown_forecast(a, shown_budget_forecast(b, now_ms)),
                  "is_open", !*closed);
    json_object_set_new(j, "notices", notices_json(a, b, now_ms));
    if (b->has_share)
        json_object_set_new(j, "share", share_json(a, b));
    return j;
}

static json_t *project_json(const struct budget_row *b)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o}", "project", b->project, "project_title",
                     b->title, "tenant", b->tenant, "is_project_open", b->is_project_open,
                     "has_allocations", b->allocation_id != 0, "allocations", json_array());
}

json_t *shown_budgets(struct arena *a, const struct budget_list *l, int64_t now_ms)
{
    json_t *projects = json_array(), *last = NULL;
    for (size_t i = 0; i < l->count; i++) {
        const struct budget_row *b = &l->rows[i];
        if (i == 0 || b->project_id != l->rows[i - 1].project_id) {
            last = project_json(b);
            json_array_append_new(projects, last);
        }
        if (b->allocation_id)
            json_array_append_new(json_object_get(last, "allocations"),
                                  shown_budget(a, b, now_ms));
    }
    return projects;
}

static json_t *member_json(struct arena *a, const struct budget_member *m)
{
    json_t *j = json_pack(
        "{s:I, s:s, s:s, s:s, s:b, s:b, s:s, s:s, s:s}", "person_id", (json_int_t)m->person_id,
        "member_name", m->name, "member_login", m->login, "directory", m->directory, "is_pi",
        strcmp(m->role, "pi") == 0, "has_left", !*m->role, "since", shown_date(a, m->since_ms),
        "used", shown_hours(a, m->used_gpums), "held", shown_hours(a, m->held_gpums));
    if (m->has_limit)
        json_object_set_new(j, "limit",
                            json_pack("{s:s, s:s, s:s}", "hours",
                                      shown_hours(a, m->spent_gpums + m->rest_gpums), "spent",
                                      shown_hours(a, m->spent_gpums), "rest",
                                      shown_hours(a, m->rest_gpums)));
    return j;
}

json_t *shown_budget_members(struct arena *a, const struct budget_member_list *l,
                             int64_t allocation_id)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->count; i++)
        if (l->rows[i].allocation_id == allocation_id)
            json_array_append_new(list, member_json(a, &l->rows[i]));
    return list;
}

static json_t *mine_json(struct arena *a, const struct budget_member_list *l,
                         int64_t allocation_id, int64_t viewer_id)
{
    int64_t used_gpums = 0, held_gpums = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct budget_member *m = &l->rows[i];
        if (m->allocation_id != allocation_id || m->person_id != viewer_id)
            continue;
        used_gpums = m->used_gpums;
        held_gpums = m->held_gpums;
    }
    return json_pack("{s:s, s:s}", "mine_used", shown_hours(a, used_gpums), "mine_held",
                     shown_hours(a, held_gpums));
}

void shown_budget_put_members(struct arena *a, json_t *allocation,
                              const struct budget_member_list *l, int64_t viewer_id,
                              bool may_run)
{
    int64_t id = json_integer_value(json_object_get(allocation, "allocation"));
    json_t *list = may_run ? shown_budget_members(a, l, id) : json_array();
    json_object_set_new(allocation, "has_members", json_boolean(json_array_size(list) > 0));
    json_object_set_new(allocation, "members", list);
    if (!may_run)
        json_object_set_new(allocation, "mine", mine_json(a, l, id, viewer_id));
}

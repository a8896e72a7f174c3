// SPDX-License-Identifier: Apache-2.0
/* How the pages tell what an allocation has left: numbers, a bar, the forecast in words, and
 * a notice when a threshold is passed. Pure but for the process's time zone; texts are the
 * arena's. */
#ifndef FF_PORTAL_SHOWN_BUDGET_H
#define FF_PORTAL_SHOWN_BUDGET_H

#include <jansson.h>

#include "quota/budget.h"
#include "quota/forecast.h"
#include "runner/base/arena.h"

/* "at this pace until 14 March 2027", "will last the term". */
const char *shown_forecast(struct arena *a, struct forecast f);

/* The forecast of an allocation at a moment. */
struct forecast shown_budget_forecast(const struct budget_row *b, int64_t now_ms);

/* One allocation: {"allocation", "term", "free", "held", "used", "total", "…_permille",
 * "forecast", "is_open", "share", "notices": [{"text"}]}. Caller frees. */
json_t *shown_budget(struct arena *a, const struct budget_row *b, int64_t now_ms);

/* All rows, by project: [{"project", "project_title", "tenant", "allocations": […]}]. Caller
 * frees. */
json_t *shown_budgets(struct arena *a, const struct budget_list *l, int64_t now_ms);

/* Puts who used it into an allocation's JSON: {"members", "has_members"} if the viewer runs its
 * project, else his own part: {"mine": {"used", "held"}}. */
void shown_budget_put_members(struct arena *a, json_t *allocation,
                              const struct budget_member_list *l, int64_t viewer_id,
                              bool may_run);

/* Who used how much of the allocation, as [{"member_name", "member_login", "used", "held",
 * "limit", …}]; of allocation 0 the members themselves. Caller frees. */
json_t *shown_budget_members(struct arena *a, const struct budget_member_list *l,
                             int64_t allocation_id);

#endif

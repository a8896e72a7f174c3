// SPDX-License-Identifier: Apache-2.0
/* A table of sentences; a spent budget needs arithmetic, and limits say whose they are. */
#include "portal/refusal.h"

#include <inttypes.h>
#include <string.h>

#include "portal/shown.h"
#include "runner/base/cleanup.h"

int64_t refusal_fitting_ms(int64_t time_limit_ms, int64_t hold_gpums, int64_t free_gpums)
{
    if (hold_gpums <= 0 || free_gpums <= 0)
        return 0;
    __extension__ typedef __int128 wide;
    int64_t ms = (int64_t)((wide)time_limit_ms * free_gpums / hold_gpums);
    int64_t unit = ms >= 120000 ? 60000 : 1000;
    return ms - ms % unit;
}

static const char *gpus_text(struct arena *a, const struct spec *s)
{
    int64_t gpus = spec_gpus(s);
    return arena_printf(a, "%" PRId64 " %s", gpus, gpus == 1 ? "GPU" : "GPUs");
}

/* ", counted ×2" for GPUs that do not count as one each. */
static const char *counted_text(struct arena *a, const struct spec *s, int64_t hold_gpums)
{
    __extension__ typedef __int128 wide;
    wide plain = (wide)spec_gpus(s) * s->time_limit_ms;
    int64_t permille =
        plain > 0 ? (int64_t)(((wide)hold_gpums * 1000 + plain / 2) / plain) : 1000;
    const char *text =
        permille == 1000 ? "" : arena_printf(a, ", counted %s", shown_weight(a, permille));
    return text ? text : "";
}

/* What was to pay for it: "project climate", "allocation 3 of project climate". */
static const char *payer_text(struct arena *a, const struct spec *s)
{
    const char *text = s->allocation ? arena_printf(a, "allocation %" PRId64 " of project %s",
                                                    s->allocation, s->project)
                                     : arena_printf(a, "project %s", s->project);
    return text ? text : "it";
}

static struct refusal no_budget(struct arena *a, const struct spec *s,
                                const struct place_result *p)
{
    struct shown_pair hours = shown_hours_pair(a, p->hold_gpums, p->free_gpums);
    int64_t fit_ms = refusal_fitting_ms(s->time_limit_ms, p->hold_gpums, p->free_gpums);
    const char *gpus = gpus_text(a, s);
    const char *other = s->allocation ? "choose another allocation, " : "";
    struct refusal r = {.type = "no-budget", .field = "time_limit", .status = 422};
    r.detail =
        arena_printf(a,
                     "The job would hold %s GPU-hours (%s for %s%s), but %s has %s free for "
                     "you.",
                     hours.a, gpus, shown_duration(a, s->time_limit_ms),
                     counted_text(a, s, p->hold_gpums), payer_text(a, s), hours.b);
    r.at_field = "More than is free";
    if (fit_ms >= 1000)
        r.at_field =
            arena_printf(a, "At most %s fits with %s", shown_duration(a, fit_ms), gpus);
    if (fit_ms >= 1000)
        r.remedy = arena_printf(a,
                                "%s for at most %s would fit. Ask for fewer GPUs or less time, "
                                "%sor ask the project's PI for more GPU-hours.",
                                gpus, shown_duration(a, fit_ms), other);
    else
        r.remedy = arena_printf(a,
                                "Wait until running jobs give back what they do not use, %sor "
                                "ask the project's PI for more GPU-hours.",
                                other);
    return r;
}

/* ---- an allocation that was named and cannot be used now */

static const char *const other_allocation =
    "Choose another allocation, or none: then the one that ends first and has enough is taken.";

static struct refusal no_allocation(struct arena *a, const struct spec *s,
                                    const struct balance *b, int64_t now_ms)
{
    struct refusal r = {.type = "no-allocation", .field = "allocation", .status = 422};
    const char *free = b ? shown_hours(a, b->free_gpums) : "";
    r.remedy = other_allocation;
    if (!b) {
        r.at_field = arena_printf(a, "Not one of project %s", s->project);
        r.detail = arena_printf(a, "Project %s has no allocation %" PRId64 ".", s->project,
                                s->allocation);
    } else if (now_ms >= b->until_ms) {
        r.at_field = arena_printf(a, "Ended on %s", shown_date(a, b->until_ms - 1));
        r.detail = arena_printf(a, "The term of %s ended on %s.", payer_text(a, s),
                                shown_date(a, b->until_ms - 1));
    } else if (now_ms < b->from_ms) {
        r.at_field = arena_printf(a, "Begins on %s", shown_date(a, b->from_ms));
        r.detail = arena_printf(a, "The term of %s, which has %s GPU-hours free, begins on %s.",
                                payer_text(a, s), free, shown_date(a, b->from_ms));
    } else {
        r.at_field = "Closed";
        r.detail = arena_printf(
            a, "Allocation %" PRId64 " of project %s is closed; %s GPU-hours of it are free.",
            s->allocation, s->project, free);
    }
    return r;
}

/* ---- limits besides the budget */

/* Whose limit it is, as the beginning of a sentence. */
static const char *whose_text(struct arena *a, const struct spec *s, const char *scope)
{
    const char *project = arena_printf(a, "Jobs of project %s", s->project);
    if (strcmp(scope, "project") == 0 && project)
        return project;
    if (strcmp(scope, "tenant") == 0)
        return "Jobs of the project's university";
    return strcmp(scope, "person") == 0 ? "Your jobs" : "Jobs of one person";
}

static struct refusal too_long(struct arena *a, const struct spec *s,
                               const struct place_result *p)
{
    const char *most = shown_duration(a, p->limit_value);
    struct refusal r = {.type = "too-long", .field = "time_limit", .status = 422};
    r.detail = arena_printf(a, "%s may run for at most %s, and this one asks for %s.",
                            whose_text(a, s, p->limit_scope), most,
                            shown_duration(a, s->time_limit_ms));
    r.at_field = arena_printf(a, "At most %s", most);
    r.remedy =
        arena_printf(a,
                     "Ask for at most %s. What needs longer can save its state and go on "
                     "in a further job.",
                     most);
    return r;
}

static struct refusal type_refused(struct arena *a, const struct spec *s,
                                   const struct place_result *p)
{
    struct refusal r = {.type = "gpu-type-refused", .field = "gpu_type", .status = 422};
    r.detail = arena_printf(a, "%s may use these GPU types alone: %s. This one asks for %s.",
                            whose_text(a, s, p->limit_scope), p->limit_text, s->gpu_type);
    r.at_field = arena_printf(a, "Allowed: %s", p->limit_text);
    r.remedy = arena_printf(a, "Choose one of %s.", p->limit_text);
    return r;
}

static struct refusal too_many_gpus(struct arena *a, const struct spec *s,
                                    const struct place_result *p)
{
    struct refusal r = {.type = "too-many-gpus", .field = "gpus_per_node", .status = 422};
    r.detail = arena_printf(a,
                            "%s may have at most %" PRId64
                            " GPUs at once, and this one alone needs %" PRId64 ".",
                            whose_text(a, s, p->limit_scope), p->limit_value, spec_gpus(s));
    r.at_field = arena_printf(a, "At most %" PRId64 " in all", p->limit_value);
    r.remedy = arena_printf(a, "Ask for at most %" PRId64 " GPUs.", p->limit_value);
    return r;
}

static struct refusal too_many_waiting(struct arena *a, const struct spec *s,
                                       const struct place_result *p)
{
    struct refusal r = {.type = "too-many-waiting", .field = "", .status = 422};
    r.detail = arena_printf(a,
                            "%s may wait in the queue up to %" PRId64 " at a time, and %" PRId64
                            " wait there now.",
                            whose_text(a, s, p->limit_scope), p->limit_value, p->limit_there);
    r.remedy = "Send it again when some of them have started, or cancel one that waits.";
    return r;
}

struct refusal refusal_of(struct arena *a, const struct spec *s, const struct place_result *p,
                          const struct balance *named, int64_t now_ms)
{
    static const struct refusal answers[] = {
        [PLACE_OTHER_CONTENT] =
            {"other-content", "", "This form was sent before, with other content.",
             "Look at the job it made; to place another one, send it again.", 409},
        [PLACE_NO_ALLOCATION] =
            {"no-allocation", "project", "The project has no GPU-hours that may be used today.",
             "Ask the project's PI for an allocation, or choose another project.", 422},
        [PLACE_NO_PROJECT] = {"no-project", "project", "You have no project of this name.",
                              "Choose one of yours, or ask to join it on the home page.", 422},
        [PLACE_CLOSED] =
            {"closed", "project", "The project is closed and takes no jobs.",
             "Choose another project, or ask the site's administrators to open it.", 422},
        [PLACE_DISABLED] = {"disabled", "", "Your account is disabled and cannot place jobs.",
                            "Ask the site's administrators.", 403},
        [PLACE_NO_PRICE] = {"no-gpu-type", "gpu_type", "The site has no GPUs of this type.",
                            "Choose \"any\", or one of the types offered.", 422},
    };
    switch (p->answer) {
    case PLACE_NO_BUDGET:
        return no_budget(a, s, p);
    case PLACE_NO_ALLOCATION:
        return s->allocation ? no_allocation(a, s, named, now_ms) : answers[p->answer];
    case PLACE_TOO_LONG:
        return too_long(a, s, p);
    case PLACE_TYPE_REFUSED:
        return type_refused(a, s, p);
    case PLACE_TOO_MANY_GPUS:
        return too_many_gpus(a, s, p);
    case PLACE_TOO_MANY_WAITING:
        return too_many_waiting(a, s, p);
    default:
        return answers[p->answer];
    }
}

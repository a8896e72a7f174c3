// SPDX-License-Identifier: Apache-2.0
/* Formatting for people; the API gives plain numbers instead. */
#include "portal/shown.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "quota/amount.h"
#include "quota/price.h"

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static bool to_local(int64_t at_ms, struct tm *out)
{
    time_t seconds = (time_t)(at_ms / 1000);
    return at_ms != 0 && localtime_r(&seconds, out);
}

const char *shown_time(struct arena *a, int64_t at_ms)
{
    char text[64];
    struct tm t;
    if (!to_local(at_ms, &t) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M %Z", &t))
        return "";
    return or_empty(arena_dup(a, text));
}

const char *shown_date(struct arena *a, int64_t at_ms)
{
    char text[64];
    struct tm t;
    if (!to_local(at_ms, &t) || !strftime(text, sizeof(text), "%-d %B %Y", &t))
        return "";
    return or_empty(arena_dup(a, text));
}

const char *shown_clock(struct arena *a, int64_t at_ms)
{
    char text[16];
    struct tm t;
    if (!to_local(at_ms, &t) || !strftime(text, sizeof(text), "%H:%M:%S", &t))
        return "";
    return or_empty(arena_dup(a, text));
}

const char *shown_duration(struct arena *a, int64_t ms)
{
    int64_t s = (ms + 500) / 1000, m = s / 60, h = m / 60, d = h / 24;
    const char *text;
    if (d > 0)
        text = h % 24 ? arena_printf(a, "%" PRId64 " d %" PRId64 " h", d, h % 24)
                      : arena_printf(a, "%" PRId64 " d", d);
    else if (h > 0)
        text = m % 60 ? arena_printf(a, "%" PRId64 " h %" PRId64 " min", h, m % 60)
                      : arena_printf(a, "%" PRId64 " h", h);
    else if (m > 0)
        text = s % 60 ? arena_printf(a, "%" PRId64 " min %" PRId64 " s", m, s % 60)
                      : arena_printf(a, "%" PRId64 " min", m);
    else
        text = arena_printf(a, "%" PRId64 " s", s);
    return or_empty(text);
}

const char *shown_size(struct arena *a, int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    int64_t tenths = bytes * 10;
    int unit = -1;
    if (bytes > INT64_MAX / 10)
        return "huge";
    while (tenths >= 10240 && unit < 3) {
        tenths = (tenths + 512) / 1024;
        unit++;
    }
    if (unit < 0)
        return or_empty(arena_printf(a, "%" PRId64 " B", bytes));
    return or_empty(
        arena_printf(a, "%" PRId64 ".%" PRId64 " %s", tenths / 10, tenths % 10, units[unit]));
}

const char *shown_hours(struct arena *a, int64_t gpums)
{
    char text[32];
    price_hours_text(gpums, text);
    if (gpums > 0 && strcmp(text, "0.0") == 0) { /* little is not nothing */
        amount_text(gpums, AMOUNT_HOURS, text);
        if (strcmp(text, "0.000") == 0)
            return "<0.001";
    }
    return or_empty(arena_dup(a, text));
}

const char *shown_weight(struct arena *a, int64_t permille)
{
    char digits[8];
    snprintf(digits, sizeof(digits), "%03d", (int)(permille % 1000));
    for (size_t n = 3; n > 0 && digits[n - 1] == '0'; n--)
        digits[n - 1] = '\0';
    return or_empty(
        arena_printf(a, "×%" PRId64 "%s%s", permille / 1000, *digits ? "." : "", digits));
}

struct shown_pair shown_hours_pair(struct arena *a, int64_t one_gpums, int64_t other_gpums)
{
    struct shown_pair p = {shown_hours(a, one_gpums), shown_hours(a, other_gpums)};
    char one[AMOUNT_TEXT], other[AMOUNT_TEXT];
    if (one_gpums == other_gpums || strcmp(p.a, p.b) != 0)
        return p;
    amount_text(one_gpums, AMOUNT_HOURS, one);
    amount_text(other_gpums, AMOUNT_HOURS, other);
    return (struct shown_pair){or_empty(arena_dup(a, one)), or_empty(arena_dup(a, other))};
}

static const struct {
    const char *words, *tone, *then;
} states[JOB_STATES] = {
    [JOB_NONE] = {"unknown", "off", ""},
    [JOB_QUEUED] = {"waiting", "wait", "It starts as soon as its GPUs are free."},
    [JOB_STARTING] = {"starting", "wait", "Its GPUs are being prepared."},
    [JOB_RUNNING] = {"running", "run", ""},
    [JOB_SUSPENDING] = {"saving", "wait", "It was asked to save its state and make room."},
    [JOB_SUSPENDED] = {"suspended", "wait",
                       "Its state is saved; it goes on when GPUs are free."},
    [JOB_COMPLETING] = {"finishing", "run", "Its charge is being settled."},
    [JOB_COMPLETED] = {"completed", "good", ""},
    [JOB_FAILED] = {"failed", "bad", ""},
    [JOB_CANCELLED] = {"cancelled", "off", ""},
    [JOB_TIMED_OUT] = {"time limit reached", "bad", ""},
    [JOB_LOST] = {"lost", "bad",
                  "Its node or its keeper failed; it is charged to its last sign of life."},
};

const char *shown_state(enum job_state s)
{
    return states[s].words;
}

const char *shown_tone(enum job_state s)
{
    return states[s].tone;
}

const char *shown_reason(struct arena *a, enum job_state s, const char *waits_for,
                         const char *outcome)
{
    if (s == JOB_QUEUED && *waits_for)
        return or_empty(arena_printf(a, "Waits: %s.", waits_for));
    if (job_state_is_final(s) && *outcome)
        return or_empty(arena_dup(a, outcome));
    return states[s].then;
}

static const char *asked_text(struct arena *a, const struct job_row *row)
{
    const char *type = strcmp(row->gpu_type, "any") == 0 ? "" : row->gpu_type;
    if (row->nodes == 1)
        return or_empty(
            arena_printf(a, "%" PRId64 "%s%s", row->gpus_per_node, *type ? " " : "", type));
    return or_empty(arena_printf(a, "%" PRId64 " × %" PRId64 "%s%s", row->nodes,
                                 row->gpus_per_node, *type ? " " : "", type));
}

/* From the start of its first attempt to its end or now is not what it ran: suspensions lie
 * between. */
static const char *when_text(struct arena *a, const struct job_row *row)
{
    int64_t at = row->ended_ms     ? row->ended_ms
                 : row->started_ms ? row->started_ms
                                   : row->placed_ms;
    const char *what = row->ended_ms ? "ended" : row->started_ms ? "started" : "submitted";
    return or_empty(arena_printf(a, "%s %s", what, shown_time(a, at)));
}

json_t *shown_job(struct arena *a, const struct job_row *row)
{
    json_t *j = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "id",
                          (json_int_t)row->id, "name", row->name, "project", row->project,
                          "owner", row->person, "state_name", job_state_name(row->state),
                          "state", shown_state(row->state), "tone", shown_tone(row->state),
                          "reason", shown_reason(a, row->state, row->waits_for, row->outcome),
                          "is_final", job_state_is_final(row->state));
    json_t *more = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "gpus", asked_text(a, row),
        "time_limit", shown_duration(a, row->time_limit_ms), "hold",
        shown_hours(a, row->hold_gpums), "held", shown_hours(a, job_row_held_gpums(row)),
        "charged", shown_hours(a, row->charged_gpums - row->refunded_gpums), "refunded",
        row->refunded_gpums ? shown_hours(a, row->refunded_gpums) : "", "placed",
        shown_time(a, row->placed_ms), "started", shown_time(a, row->started_ms), "ended",
        shown_time(a, row->ended_ms), "when", when_text(a, row));
    json_object_update(j, more);
    json_decref(more);
    return j;
}

static int64_t permille(int64_t part, int64_t total)
{
    __extension__ typedef __int128 wide;
    return total > 0 ? (int64_t)((wide)part * 1000 / total) : 0;
}

json_t *shown_balance(struct arena *a, const struct balance *b)
{
    int64_t total = b->free_gpums + b->held_gpums + b->used_gpums;
    int64_t free_gpums = b->free_gpums;
    if (b->has_share && b->share_free_gpums < free_gpums)
        free_gpums = b->share_free_gpums;
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I}", "project", b->project,
                  "free", shown_hours(a, free_gpums), "held", shown_hours(a, b->held_gpums),
                  "used", shown_hours(a, b->used_gpums), "total", shown_hours(a, total), "from",
                  shown_time(a, b->from_ms), "until", shown_time(a, b->until_ms), "is_open",
                  b->is_open, "free_gpums", (json_int_t)free_gpums);
    if (b->has_share)
        json_object_set_new(j, "share",
                            json_pack("{s:s, s:s, s:s}", "free",
                                      shown_hours(a, b->share_free_gpums), "held",
                                      shown_hours(a, b->share_held_gpums), "used",
                                      shown_hours(a, b->share_used_gpums)));
    json_object_set_new(j, "used_permille", json_integer(permille(b->used_gpums, total)));
    json_object_set_new(j, "held_permille", json_integer(permille(b->held_gpums, total)));
    return j;
}

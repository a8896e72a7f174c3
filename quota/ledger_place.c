// SPDX-License-Identifier: Apache-2.0
/* Calls job_place() and job_place_many() and reads their rows. */
#include "quota/ledger_place.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "quota/answer.h"
#include "runner/base/jget.h"

/* The words of enum place_answer, in its order. */
static const char *const place_words[] = {
    "placed",       "same",          "other_content",    "no_budget", "no_allocation",
    "no_project",   "closed",        "disabled",         "no_price",  "too_long",
    "type_refused", "too_many_gpus", "too_many_waiting", NULL};

static int read_place(struct db *db, struct db_args args, struct place_result *out,
                      struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_JOB_PLACE, args, &rows, e);
    if (r <= 0)
        return r < 0 ? r : err_set(e, -EIO, "database: job_place gave no answer");
    r = answer_find(place_words, db_rows_text(rows, 0), e);
    if (r < 0)
        return r;
    *out = (struct place_result){.answer = (enum place_answer)r,
                                 .job = db_rows_i64(rows, 1),
                                 .hold_gpums = db_rows_i64(rows, 2),
                                 .free_gpums = db_rows_i64(rows, 3),
                                 .allocation = db_rows_i64(rows, 4),
                                 .limit_value = db_rows_i64(rows, 6),
                                 .limit_there = db_rows_i64(rows, 7)};
    snprintf(out->limit_scope, sizeof(out->limit_scope), "%s", db_rows_text(rows, 5));
    snprintf(out->limit_text, sizeof(out->limit_text), "%s", db_rows_text(rows, 8));
    return 0;
}

int ledger_place(struct db *db, const struct place_ask *ask, struct place_result *out,
                 struct err *e)
{
    const struct spec *s = ask->spec;
    char hash[DIGEST_HEX];
    AUTO(cleanup_free) char *text = spec_text(s);
    struct db_again again = DB_AGAIN(ANSWER_PATIENCE_MS);
    int r;
    spec_hash(s, hash);
    do
        r = read_place(
            db,
            DB_ARGS(DB_I64(ask->person_id), DB_STR(ask->key), DB_STR(hash), DB_STR(s->project),
                    DB_I64(s->allocation), DB_STR(spec_kind_name(s->kind)), DB_STR(s->name),
                    DB_I64(s->nodes), DB_I64(s->gpus_per_node), DB_STR(s->gpu_type),
                    DB_I64(s->cpus), DB_I64(s->memory_bytes), DB_I64(s->time_limit_ms),
                    DB_I64(s->checkpoint), DB_I64(s->checkpoint_interval_ms),
                    DB_I64(s->retries), DB_STR(spec_priority_name(s->priority)), DB_STR(text)),
            out, e);
    while (db_again(db, &again, r));
    return r;
}

/* One ask as job_place_many() reads it. */
static json_t *ask_json(const struct place_ask *ask)
{
    const struct spec *s = ask->spec;
    char hash[DIGEST_HEX];
    AUTO(cleanup_free) char *text = spec_text(s);
    spec_hash(s, hash);
    return json_pack("{sI ss ss ss sI ss ss sI sI ss sI sI sI si sI sI ss ss}", "person",
                     (json_int_t)ask->person_id, "key", ask->key, "hash", hash, "project",
                     s->project, "allocation", (json_int_t)s->allocation, "kind",
                     spec_kind_name(s->kind), "name", s->name, "nodes", (json_int_t)s->nodes,
                     "gpus_per_node", (json_int_t)s->gpus_per_node, "gpu_type", s->gpu_type,
                     "cpus", (json_int_t)s->cpus, "memory_bytes", (json_int_t)s->memory_bytes,
                     "time_limit_ms", (json_int_t)s->time_limit_ms, "checkpoint",
                     (int)s->checkpoint, "checkpoint_interval_ms",
                     (json_int_t)s->checkpoint_interval_ms, "retries", (json_int_t)s->retries,
                     "priority", spec_priority_name(s->priority), "spec", text);
}

/* One row of its answers: the columns of job_place(). */
static int read_row(const json_t *row, struct place_result *out, struct err *e)
{
    const char *word = json_string_value(json_array_get(row, 0));
    const char *scope = json_string_value(json_array_get(row, 5));
    const char *text = json_string_value(json_array_get(row, 8));
    int r = answer_find(place_words, word ? word : "", e);
    if (r < 0)
        return r;
    *out = (struct place_result){
        .answer = (enum place_answer)r,
        .job = json_integer_value(json_array_get(row, 1)),
        .hold_gpums = json_integer_value(json_array_get(row, 2)),
        .free_gpums = json_integer_value(json_array_get(row, 3)),
        .allocation = json_integer_value(json_array_get(row, 4)),
        .limit_value = json_integer_value(json_array_get(row, 6)),
        .limit_there = json_integer_value(json_array_get(row, 7)),
    };
    snprintf(out->limit_scope, sizeof(out->limit_scope), "%s", scope ? scope : "");
    snprintf(out->limit_text, sizeof(out->limit_text), "%s", text ? text : "");
    return 0;
}

static int read_many(struct db *db, const char *asks, size_t count, struct place_result *out,
                     struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    AUTO(json_freep) json_t *answers = NULL;
    int r = db_select_row(db, SQL_JOB_PLACE_MANY, DB_ARGS(DB_STR(asks)), &rows, e);
    if (r < 0)
        return r;
    if (r > 0)
        answers = json_loads(db_rows_text(rows, 1), 0, NULL);
    if (json_array_size(answers) != count)
        return err_set(e, -EIO, "database: job_place_many gave no answer");
    r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = read_row(json_array_get(answers, i), &out[i], e);
    return r;
}

int ledger_place_many(struct db *db, const struct place_ask *asks, size_t count,
                      struct place_result *out, struct err *e)
{
    AUTO(json_freep) json_t *all = json_array();
    assert(count <= PLACE_MANY_MAX);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(all, ask_json(&asks[i]));
    AUTO(cleanup_free) char *text = json_dumps(all, JSON_COMPACT);
    struct db_again again = DB_AGAIN(ANSWER_PATIENCE_MS);
    int r;
    if (!text)
        return -ENOMEM;
    do
        r = read_many(db, text, count, out, e);
    while (db_again(db, &again, r));
    return r;
}

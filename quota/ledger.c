// SPDX-License-Identifier: Apache-2.0
/* Calls the ledger's procedures and reads their one row. Every call is repeated whole while the
 * database says that repeating may help; the keys see to it that a repeat changes nothing
 * twice. */
#include "quota/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The columns of a procedure's answer after `outcome`. */
enum { OUTCOME_MAX = 32, NUMBERS_MAX = 4 };

struct answer {
    char outcome[OUTCOME_MAX];
    int64_t numbers[NUMBERS_MAX];
};

static int read_answer(struct db *db, enum sql id, struct db_args args, struct answer *out,
                       struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, id, args, &rows, e);
    if (r < 0)
        return r;
    r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -EIO, "database: a procedure gave no answer");
    *out = (struct answer){0};
    strncpy(out->outcome, db_rows_text(rows, 0), OUTCOME_MAX - 1);
    for (unsigned i = 1; i < db_rows_columns(rows) && i <= NUMBERS_MAX; i++)
        out->numbers[i - 1] = db_rows_i64(rows, i);
    return 0;
}

static int call(struct db *db, enum sql id, struct db_args args, struct answer *out,
                struct err *e)
{
    struct db_again again = DB_AGAIN(LEDGER_PATIENCE_MS);
    int r;
    do
        r = read_answer(db, id, args, out, e);
    while (db_again(db, &again, r));
    return r;
}

/* The place of `word` in a NULL-terminated list, which is the value of its enum. */
static int find_word(const char *const *words, const char *word, struct err *e)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], word))
            return i;
    return err_set(e, -EIO, "database: unknown answer '%s'", word);
}

int ledger_place(struct db *db, const struct place_ask *ask, struct place_result *out,
                 struct err *e)
{
    static const char *const words[] = {
        "placed",     "same",   "other_content", "no_budget", "no_allocation",
        "no_project", "closed", "disabled",      "no_price",  NULL};
    const struct spec *s = ask->spec;
    char hash[DIGEST_HEX];
    AUTO(cleanup_free) char *text = spec_text(s);
    struct answer a;
    spec_hash(s, hash);
    int r =
        call(db, SQL_JOB_PLACE,
             DB_ARGS(DB_I64(ask->person_id), DB_STR(ask->key), DB_STR(hash), DB_STR(s->project),
                     DB_I64(s->allocation), DB_STR(spec_kind_name(s->kind)), DB_STR(s->name),
                     DB_I64(s->nodes), DB_I64(s->gpus_per_node), DB_STR(s->gpu_type),
                     DB_I64(s->cpus), DB_I64(s->memory_bytes), DB_I64(s->time_limit_ms),
                     DB_I64(s->checkpoint), DB_I64(s->checkpoint_interval_ms),
                     DB_I64(s->retries), DB_STR(spec_priority_name(s->priority)), DB_STR(text)),
             &a, e);
    if (r < 0)
        return r;
    r = find_word(words, a.outcome, e);
    if (r < 0)
        return r;
    *out = (struct place_result){(enum place_answer)r, a.numbers[0], a.numbers[1], a.numbers[2],
                                 a.numbers[3]};
    return 0;
}

int ledger_lease(struct db *db, const char *holder, int64_t epoch, int64_t ttl_ms,
                 struct lease *out, struct err *e)
{
    struct answer a;
    int r =
        read_answer(db, SQL_LEASE_TAKE, DB_ARGS(DB_STR(holder), DB_I64(epoch), DB_I64(ttl_ms)),
                    &a, e); /* not repeated: a late answer is worth nothing */
    if (r == 0)
        *out = (struct lease){!strcmp(a.outcome, "held"), a.numbers[0], a.numbers[1]};
    return r;
}

int ledger_attempt(struct db *db, int64_t epoch, const struct attempt_ask *ask,
                   struct attempt_made *out, struct err *e)
{
    struct answer a;
    int r = call(db, SQL_ATTEMPT_CREATE,
                 DB_ARGS(DB_I64(epoch), DB_I64(ask->job), DB_I64(ask->seq), DB_STR(ask->token),
                         DB_STR(ask->executor), DB_STR(ask->place), DB_I64(ask->gpus),
                         DB_I64(ask->weight_permille)),
                 &a, e);
    if (r == 0)
        *out = (struct attempt_made){a.numbers[0], a.numbers[1]};
    return r;
}

int ledger_move(struct db *db, int64_t epoch, const struct move_ask *ask, struct err *e)
{
    struct answer a;
    return call(db, SQL_JOB_MOVE,
                DB_ARGS(DB_I64(epoch), DB_I64(ask->job), DB_I64(ask->seq),
                        DB_STR(job_event_name(ask->event)), DB_STR(job_state_name(ask->state)),
                        DB_I64_OR_NULL(ask->attempt), DB_I64(ask->at_ms), DB_STR(ask->note)),
                &a, e);
}

int ledger_end(struct db *db, int64_t epoch, const struct move_ask *ask,
               const struct attempt_end *end, struct err *e)
{
    struct answer a;
    return call(db, SQL_ATTEMPT_END,
                DB_ARGS(DB_I64(epoch), DB_I64(ask->job), DB_I64(ask->seq),
                        DB_STR(job_event_name(ask->event)), DB_STR(job_state_name(ask->state)),
                        DB_I64(ask->attempt), DB_I64(ask->at_ms), DB_I64(end->run_ms),
                        DB_I64(end->chargeable_ms), DB_I64(end->charge_gpums),
                        DB_STR(end->cause),
                        end->exit_code < 0 ? DB_NULL : DB_I64(end->exit_code),
                        DB_I64_OR_NULL(end->signal_no), DB_STR(ask->note)),
                &a, e);
}

int ledger_charge(struct db *db, int64_t epoch, int64_t attempt, int month, int64_t gpums,
                  struct err *e)
{
    struct answer a;
    return call(db, SQL_CHARGE_POST,
                DB_ARGS(DB_I64(epoch), DB_I64(attempt), DB_I64(month), DB_I64(gpums)), &a, e);
}

int ledger_finish(struct db *db, int64_t epoch, const struct move_ask *ask, int64_t exit_code,
                  struct err *e)
{
    struct answer a;
    int r = call(db, SQL_JOB_FINISH,
                 DB_ARGS(DB_I64(epoch), DB_I64(ask->job), DB_I64(ask->seq),
                         DB_STR(job_event_name(ask->event)), DB_STR(job_state_name(ask->state)),
                         exit_code < 0 ? DB_NULL : DB_I64(exit_code), DB_STR(ask->note)),
                 &a, e);
    if (r == 0 && strcmp(a.outcome, "ok"))
        r = err_set(e, -EBUSY, "job %lld: a charge is missing", (long long)ask->job);
    return r;
}

static int grant_answer(const struct answer *a, enum grant_answer *out, int64_t *out_number,
                        struct err *e)
{
    static const char *const words[] = {"done", "same", "other_content", NULL};
    if (!strncmp(a->outcome, "no_", 3)) {
        *out = GRANT_NOT_FOUND;
        return 0;
    }
    int r = find_word(words, a->outcome, e);
    if (r < 0)
        return r;
    *out = (enum grant_answer)r;
    *out_number = a->numbers[0];
    return 0;
}

int ledger_open(struct db *db, const struct grant_ask *ask, enum grant_answer *out,
                int64_t *out_allocation, struct err *e)
{
    struct answer a;
    int r = call(db, SQL_ALLOCATION_OPEN,
                 DB_ARGS(DB_STR(ask->project), DB_I64(ask->from_ms), DB_I64(ask->until_ms),
                         DB_I64(ask->gpums), DB_STR(ask->actor), DB_STR(ask->reason),
                         DB_STR(ask->reference), DB_STR(ask->key)),
                 &a, e);
    return r < 0 ? r : grant_answer(&a, out, out_allocation, e);
}

int ledger_grant(struct db *db, const struct grant_ask *ask, enum grant_answer *out,
                 int64_t *out_free_gpums, struct err *e)
{
    struct answer a;
    int r = call(db, SQL_GRANT_POST,
                 DB_ARGS(DB_I64(ask->allocation), DB_I64(ask->gpums), DB_STR(ask->actor),
                         DB_STR(ask->reason), DB_STR(ask->reference), DB_STR(ask->key)),
                 &a, e);
    return r < 0 ? r : grant_answer(&a, out, out_free_gpums, e);
}

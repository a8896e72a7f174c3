// SPDX-License-Identifier: Apache-2.0
/* A storm of submits: all at one moment, each through a connection of its own.
 *
 *   storm_probe CONF PERSON PROJECT COUNT ROUNDS
 *
 * COUNT threads connect, a few at a time. In each round all of them wait for one another and
 * then place one job of one GPU for one hour, in PROJECT0, PROJECT1 …; what the database did
 * not answer is asked again with its key, as a program would. Prints one line "PROJECT ANSWER"
 * each, or "PROJECT error SENTENCE". */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "quota/ledger_place.h"
#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

/* As many may connect at once; a server lets no more than its backlog wait at its door. */
enum { CONNECTING_MAX = 8, PATIENCE_MS = 120000, ROUNDS_MAX = 100, COUNT_MAX = 2000 };

static struct db_conf conf;
static const char *project;
static int64_t person, count, rounds;
static struct spec *specs[ROUNDS_MAX];
static pthread_barrier_t ready;
static sem_t door;

struct one {
    pthread_t thread;
    int64_t number;
};

static const char *answer_name(enum place_answer answer)
{
    return answer == PLACE_DONE || answer == PLACE_SAME ? "placed"
           : answer == PLACE_NO_BUDGET                  ? "no_budget"
                                                        : "other";
}

static void place(struct db *db, const struct one *one, int64_t round)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    struct place_result result;
    struct err e = {""};
    char key[LEDGER_KEY_LEN + 1];
    int r;
    snprintf(key, sizeof(key), "%016llx%016llx", (long long)round, (long long)one->number);
    do
        r = ledger_place(db, &(struct place_ask){person, key, specs[round]}, &result, &e);
    while (db_again(db, &again, r));
    if (r == 0)
        printf("%s%lld %s\n", project, (long long)round, answer_name(result.answer));
    else
        printf("%s%lld error %s\n", project, (long long)round, e.text);
}

static void *run(void *arg)
{
    struct err e = {""};
    struct db *db = NULL;
    sem_wait(&door);
    int r = db_open(&conf, DB_PORTAL, &db, &e);
    sem_post(&door);
    if (r < 0)
        printf("%s error %s\n", project, e.text);
    for (int64_t round = 0; round < rounds; round++) {
        pthread_barrier_wait(&ready);
        if (db)
            place(db, arg, round);
    }
    db_close(db);
    return NULL;
}

static int make_specs(struct err *e)
{
    static const struct spec_limits limits = {1, 8, 8, INT64_C(86400000)};
    for (int64_t i = 0; i < rounds; i++) {
        struct spec_fault fault;
        char name[64];
        snprintf(name, sizeof(name), "%.40s%lld", project, (long long)i);
        AUTO(json_freep)
        json_t *request =
            json_pack("{s:s, s:s, s:i, s:s, s:[s]}", "project", name, "name", "storm",
                      "gpus_per_node", 1, "time_limit", "1h", "command", "true");
        if (spec_parse(request, &limits, &specs[i], &fault) < 0)
            return err_set(e, -1, "%s: %s", fault.field, fault.why.text);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct err e = {""};
    struct conf *c = NULL;
    if (argc != 6 || parse_i64(argv[2], 1, INT64_MAX, &person) < 0 ||
        parse_i64(argv[4], 1, COUNT_MAX, &count) < 0 ||
        parse_i64(argv[5], 1, ROUNDS_MAX, &rounds) < 0) {
        fputs("storm_probe CONF PERSON PROJECT COUNT ROUNDS\n", stderr);
        return 2;
    }
    project = argv[3];
    if (conf_read(argv[1], &c, &e) < 0 || db_conf_read(c, &conf, &e) < 0 ||
        make_specs(&e) < 0) {
        fprintf(stderr, "storm_probe: %s\n", e.text);
        return 1;
    }
    struct one *all = xnew_array(struct one, (size_t)count);
    pthread_barrier_init(&ready, NULL, (unsigned)count);
    sem_init(&door, 0, CONNECTING_MAX);
    for (int64_t i = 0; i < count; i++) {
        all[i].number = i;
        if (pthread_create(&all[i].thread, NULL, run, &all[i]))
            abort();
    }
    for (int64_t i = 0; i < count; i++)
        pthread_join(all[i].thread, NULL);
    for (int64_t i = 0; i < rounds; i++)
        spec_free(specs[i]);
    free(all);
    conf_free(c);
    return 0;
}

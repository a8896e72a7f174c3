// SPDX-License-Identifier: Apache-2.0
/* Places jobs from many threads at once, each with its own connection, as portald's workers do.
 *
 *   place_probe CONF PERSON PROJECT COUNT PREFIX [many]
 *   place_probe CONF         opens a connection in each role, which prepares all its statements
 *   place_probe CONF PERSON  prints the numbers of the jobs that this person may see, a page of
 *                            two at a time
 *
 * COUNT threads place one job of one GPU for one hour each; all wait until the last is ready.
 * The key of the n-th is PREFIX (up to 24 hexadecimal digits) and n. With "many" each thread
 * places PLACE_MANY_MAX of them, or what is left, in one transaction. Prints, as each is
 * answered, one line "KEY ANSWER JOB HOLD FREE", or "KEY error SENTENCE", and ends with 0. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "quota/jobs.h"
#include "quota/ledger_place.h"
#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

static const char *const answers[] = {
    [PLACE_DONE] = "placed",
    [PLACE_SAME] = "same",
    [PLACE_OTHER_CONTENT] = "other_content",
    [PLACE_NO_BUDGET] = "no_budget",
    [PLACE_NO_ALLOCATION] = "no_allocation",
    [PLACE_NO_PROJECT] = "no_project",
    [PLACE_CLOSED] = "closed",
    [PLACE_DISABLED] = "disabled",
    [PLACE_NO_PRICE] = "no_price",
    [PLACE_TOO_LONG] = "too_long",
    [PLACE_TYPE_REFUSED] = "type_refused",
    [PLACE_TOO_MANY_GPUS] = "too_many_gpus",
    [PLACE_TOO_MANY_WAITING] = "too_many_waiting",
};

static struct db_conf conf;
static struct spec *spec;
static pthread_barrier_t ready;

/* What one thread places: one job, or several in one transaction. */
struct one {
    pthread_t thread;
    int64_t person;
    size_t count;
    char keys[PLACE_MANY_MAX][LEDGER_KEY_LEN + 1];
};

static int place_all(struct db *db, const struct one *one, struct place_result *results,
                     struct err *e)
{
    struct place_ask asks[PLACE_MANY_MAX];
    for (size_t i = 0; i < one->count; i++)
        asks[i] = (struct place_ask){one->person, one->keys[i], spec};
    return one->count == 1 ? ledger_place(db, asks, results, e)
                           : ledger_place_many(db, asks, one->count, results, e);
}

static void *place(void *arg)
{
    const struct one *one = arg;
    struct err e = {""};
    struct db *db = NULL;
    struct place_result results[PLACE_MANY_MAX];
    int r = db_open(&conf, DB_PORTAL, &db, &e);
    pthread_barrier_wait(&ready);
    if (r == 0)
        r = place_all(db, one, results, &e);
    for (size_t i = 0; i < one->count; i++) {
        const struct place_result *p = &results[i];
        if (r == 0)
            printf("%s %s %" PRId64 " %" PRId64 " %" PRId64 "\n", one->keys[i],
                   answers[p->answer], p->job, p->hold_gpums, p->free_gpums);
        else
            printf("%s error %s\n", one->keys[i], e.text);
    }
    fflush(stdout);
    db_close(db);
    return NULL;
}

static int make_spec(const char *project, struct err *e)
{
    static const struct spec_limits limits = {1, 8, 8, INT64_C(86400000)};
    struct spec_fault fault;
    AUTO(json_freep)
    json_t *request =
        json_pack("{s:s, s:s, s:i, s:s, s:[s]}", "project", project, "name", "probe",
                  "gpus_per_node", 1, "time_limit", "1h", "command", "true");
    if (spec_parse(request, &limits, &spec, &fault) < 0)
        return err_set(e, -1, "%s: %s", fault.field, fault.why.text);
    return 0;
}

/* Every role may use, and the server can prepare, all the statements that name it. */
static int open_roles(void)
{
    static const enum db_role roles[] = {DB_PORTAL, DB_RUNNER, DB_ADMIN, DB_REPORT};
    for (size_t i = 0; i < COUNT(roles); i++) {
        struct err e = {""};
        struct db *db = NULL;
        int r = db_open(&conf, roles[i], &db, &e);
        db_close(db);
        printf("role %d: %s\n", (int)roles[i], r < 0 ? e.text : "ok");
        if (r < 0)
            return 1;
    }
    return 0;
}

static int print_pages(struct db *db, int64_t viewer, struct err *e)
{
    struct jobs_filter f = {.viewer_id = viewer, .limit = 2};
    bool has_more = true;
    while (has_more) {
        AUTO(job_list_done) struct job_list page = {0};
        int r = jobs_list(db, &f, &page, e);
        if (r < 0)
            return r;
        for (size_t i = 0; i < page.count; i++) {
            printf("%" PRId64 "\n", page.rows[i].id);
            f.before_id = page.rows[i].id;
        }
        has_more = page.has_more;
    }
    return 0;
}

static int list_visible(int64_t viewer)
{
    struct err e = {""};
    struct db *db = NULL;
    int r = db_open(&conf, DB_PORTAL, &db, &e);
    if (r == 0)
        r = print_pages(db, viewer, &e);
    db_close(db);
    if (r < 0)
        printf("error %s\n", e.text);
    return r < 0;
}

static void place_from_threads(int64_t person, int64_t count, const char *prefix, size_t each)
{
    size_t threads = ((size_t)count + each - 1) / each;
    struct one *all = xnew_array(struct one, threads);
    pthread_barrier_init(&ready, NULL, (unsigned)threads);
    for (int64_t i = 0; i < count; i++) {
        struct one *one = &all[(size_t)i / each];
        one->person = person;
        snprintf(one->keys[one->count++], sizeof(one->keys[0]), "%.24s%0*" PRId64, prefix,
                 (int)(LEDGER_KEY_LEN - strnlen(prefix, 24)), i);
    }
    for (size_t i = 0; i < threads; i++)
        if (pthread_create(&all[i].thread, NULL, place, &all[i]))
            abort();
    for (size_t i = 0; i < threads; i++)
        pthread_join(all[i].thread, NULL);
    free(all);
}

int main(int argc, char **argv)
{
    struct err e = {""};
    struct conf *c = NULL;
    int64_t person, count;
    bool is_placing = argc == 6 || (argc == 7 && !strcmp(argv[6], "many"));
    if ((argc != 2 && argc != 3 && !is_placing) ||
        (argc > 2 && parse_i64(argv[2], 1, INT64_MAX, &person) < 0) ||
        (is_placing && parse_i64(argv[4], 1, 1000, &count) < 0)) {
        fputs("place_probe CONF PERSON PROJECT COUNT PREFIX [many]\n", stderr);
        return 2;
    }
    if (conf_read(argv[1], &c, &e) < 0 || db_conf_read(c, &conf, &e) < 0 ||
        (is_placing && make_spec(argv[3], &e) < 0)) {
        fprintf(stderr, "place_probe: %s\n", e.text);
        return 1;
    }
    int status = 0;
    if (is_placing)
        place_from_threads(person, count, argv[5], argc == 7 ? PLACE_MANY_MAX : 1);
    else
        status = argc == 2 ? open_roles() : list_visible(person);
    spec_free(spec);
    conf_free(c);
    return status;
}

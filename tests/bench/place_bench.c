// SPDX-License-Identifier: Apache-2.0
/* place_bench CONF PERSON SPEC CLIENTS SECONDS: jobs placed straight in the database.
 *
 * Each client is a thread with a connection of its own, as the account of portald, calling the
 * ledger's procedure by a prepared statement with a new key each time: what the REST path is
 * measured against. SPEC is a file with a canonical request. Prints one line of JSON
 * (figures.h).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "quota/ledger_place.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"
#include "runner/base/xnew.h"
#include "tests/bench/figures.h"

enum { CLIENTS_MAX = 256, SECONDS_MAX = 600 };

struct bench {
    struct db_conf db;
    struct spec *spec;
    int64_t person, clients, seconds;
    pthread_barrier_t start;
    atomic_bool is_over;
};

struct client {
    struct bench *bench;
    pthread_t thread;
    struct figures figures;
};

static void place_one(struct client *c, struct db *db)
{
    char key[LEDGER_KEY_LEN + 1];
    struct place_ask ask = {c->bench->person, key, c->bench->spec};
    struct place_result result;
    struct err e;
    random_hex(key, LEDGER_KEY_LEN / 2);
    int64_t begin = figures_now_us();
    if (ledger_place(db, &ask, &result, &e) < 0) {
        if (!c->figures.failed++)
            fprintf(stderr, "place_bench: %s\n", e.text);
        return;
    }
    if (result.answer == PLACE_DONE)
        figures_add(&c->figures, figures_now_us() - begin);
    else
        c->figures.refused++;
}

static void *run_client(void *arg)
{
    struct client *c = arg;
    AUTO(db_closep) struct db *db = NULL;
    struct err e;
    int r = db_open(&c->bench->db, DB_PORTAL, &db, &e);
    if (r < 0) {
        fprintf(stderr, "place_bench: %s\n", e.text);
        c->figures.failed++;
    }
    pthread_barrier_wait(&c->bench->start);
    while (r == 0 && !c->bench->is_over)
        place_one(c, db);
    return NULL;
}

static int64_t run_all(struct bench *b, struct figures *sum)
{
    struct client *clients = xnew_array(struct client, (size_t)b->clients);
    pthread_barrier_init(&b->start, NULL, (unsigned)b->clients + 1);
    for (int64_t i = 0; i < b->clients; i++) {
        clients[i].bench = b;
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]))
            abort();
    }
    pthread_barrier_wait(&b->start); /* every connection stands */
    int64_t begin = figures_now_us();
    nanosleep(&(struct timespec){.tv_sec = b->seconds}, NULL);
    b->is_over = true;
    for (int64_t i = 0; i < b->clients; i++) {
        pthread_join(clients[i].thread, NULL);
        figures_add_all(sum, &clients[i].figures);
        figures_done(&clients[i].figures);
    }
    free(clients);
    return figures_now_us() - begin;
}

static int read_spec(const char *path, struct spec **out, struct err *e)
{
    AUTO(cleanup_free) char *text = xalloc(SPEC_JSON_MAX, 1);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, SPEC_JSON_MAX, f) : 0;
    if (f)
        fclose(f);
    return spec_load(text, n, out, e);
}

AUTO_FREE(conf_free, struct conf)

static int run(char **argv, struct err *e)
{
    AUTO(conf_freep) struct conf *conf = NULL;
    struct bench b = {0};
    struct figures sum = {0};
    if (parse_i64(argv[2], 1, INT32_MAX, &b.person) < 0 ||
        parse_i64(argv[4], 1, CLIENTS_MAX, &b.clients) < 0 ||
        parse_i64(argv[5], 1, SECONDS_MAX, &b.seconds) < 0)
        return err_set(e, -1, "PERSON, CLIENTS and SECONDS are numbers");
    int r = conf_read(argv[1], &conf, e);
    if (r == 0)
        r = db_conf_read(conf, &b.db, e);
    if (r == 0)
        r = read_spec(argv[3], &b.spec, e);
    if (r == 0) {
        int64_t whole_us = run_all(&b, &sum);
        figures_print(&sum, whole_us);
        r = sum.failed ? err_set(e, -1, "some calls failed") : 0;
    }
    figures_done(&sum);
    spec_free(b.spec);
    return r;
}

int main(int argc, char **argv)
{
    struct err e;
    if (argc != 6) {
        fprintf(stderr, "usage: place_bench CONF PERSON SPEC CLIENTS SECONDS\n");
        return 2;
    }
    if (run(argv, &e) < 0) {
        fprintf(stderr, "place_bench: %s\n", e.text);
        return 1;
    }
    return 0;
}

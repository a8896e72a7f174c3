// SPDX-License-Identifier: Apache-2.0
/* The simulator: runnerd's supervisor as it is, two of them, in a world made from a seed.
 *
 *   sim --seeds 1:2001 [--ops 500] [--jobs 2] [--all-points]
 *   sim --seed 17 [--ops 500] [--verbose]       the same again
 *
 * --jobs 0: as many processes as there are processors. Prints how many seeds passed and how
 * often each fault point fired; a seed that fails prints the last things that happened. Exit 1:
 * some seed failed, or with --all-points some point never fired. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "tests/sim/points.h"
#include "tests/sim/sim.h"

enum { JOBS_MOST = 64, FAILURES_MOST = 5 };

struct options {
    int64_t from, until, ops, jobs; /* half-open */
    bool is_verbose, must_all;
};

/* What the processes count, each for itself. */
struct counts {
    int64_t passed, failed;
};

static int usage(void)
{
    fputs("usage: sim --seeds FROM:UNTIL | --seed N [--ops N] [--jobs N] [--verbose]"
          " [--all-points]\n",
          stderr);
    return 2;
}

static bool read_seeds(char *text, struct options *o)
{
    char *colon = strchr(text, ':');
    if (!colon)
        return false;
    *colon = '\0';
    return parse_i64(text, 0, INT64_MAX - 1, &o->from) == 0 &&
           parse_i64(colon + 1, 0, INT64_MAX, &o->until) == 0;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    *o = (struct options){.ops = 500, .jobs = 1};
    for (int i = 1; i < argc; i++) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool is_good = false, has_value = true;
        if (!strcmp(argv[i], "--verbose") || !strcmp(argv[i], "--all-points")) {
            *(argv[i][2] == 'v' ? &o->is_verbose : &o->must_all) = true;
            is_good = true;
            has_value = false;
        } else if (value && !strcmp(argv[i], "--seeds")) {
            is_good = read_seeds(value, o);
        } else if (value && !strcmp(argv[i], "--seed")) {
            is_good = parse_i64(value, 0, INT64_MAX - 1, &o->from) == 0;
            o->until = o->from + 1;
        } else if (value && !strcmp(argv[i], "--ops")) {
            is_good = parse_i64(value, 0, 1000000, &o->ops) == 0;
        } else if (value && !strcmp(argv[i], "--jobs")) {
            is_good = parse_i64(value, 0, JOBS_MOST, &o->jobs) == 0;
        }
        if (!is_good)
            return false;
        i += has_value;
    }
    if (o->jobs == 0)
        o->jobs = sysconf(_SC_NPROCESSORS_ONLN);
    if (o->jobs < 1 || o->jobs > JOBS_MOST)
        o->jobs = JOBS_MOST;
    return o->until > o->from;
}

static void play_one(const struct options *o, int64_t seed, struct counts *counts)
{
    struct sim s;
    sim_init(&s, seed);
    s.is_verbose = o->is_verbose;
    if (sim_play(&s, (int)o->ops)) {
        counts->passed++;
    } else {
        counts->failed++;
        if (!o->is_verbose)
            sim_print_trace(&s);
        printf("seed %lld: %s\n", (long long)seed, s.wrong);
        printf("again: sim --seed %lld --ops %lld --verbose\n\n", (long long)seed,
               (long long)o->ops);
        fflush(stdout);
    }
    sim_done(&s);
}

/* Every jobs-th seed from its own on. */
static void play_share(const struct options *o, int64_t share, struct counts *counts)
{
    for (int64_t seed = o->from + share; seed < o->until && counts->failed < FAILURES_MOST;
         seed += o->jobs)
        play_one(o, seed, counts);
}

static bool play_all(const struct options *o, struct counts *counts,
                     struct point_tally *tallies)
{
    bool are_well = true;
    if (o->jobs == 1) {
        points_tally_into(tallies);
        play_share(o, 0, counts);
        return true;
    }
    for (int64_t i = 0; i < o->jobs; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            points_tally_into(tallies + (size_t)i * points_count());
            play_share(o, i, &counts[i]);
            exit(0);
        }
        are_well = are_well && pid > 0;
    }
    for (int status; wait(&status) > 0 || errno == EINTR;)
        are_well = are_well && status == 0;
    return are_well;
}

static bool print(const struct options *o, const struct counts *counts,
                  const struct point_tally *tallies, int64_t ms)
{
    struct counts sum = {0};
    for (int64_t i = 0; i < o->jobs; i++) {
        sum.passed += counts[i].passed;
        sum.failed += counts[i].failed;
    }
    bool are_all = points_print(tallies, (size_t)o->jobs, o->must_all);
    printf("%lld of %lld seeds passed, %lld failed; %lld operations each; %lld.%lld s, %lld"
           " seeds per second\n",
           (long long)sum.passed, (long long)(o->until - o->from), (long long)sum.failed,
           (long long)o->ops, (long long)(ms / 1000), (long long)(ms % 1000 / 100),
           (long long)((sum.passed + sum.failed) * 1000 / (ms > 0 ? ms : 1)));
    return are_all && sum.passed == o->until - o->from;
}

int main(int argc, char **argv)
{
    struct options o;
    if (!read_options(argc, argv, &o))
        return usage();
    log_open("sim", o.is_verbose ? LOG_DEBUG : LOG_ERROR + 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    size_t bytes =
        (size_t)o.jobs * (sizeof(struct counts) + points_count() * sizeof(struct point_tally));
    void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("sim: mmap");
        return 1;
    }
    struct counts *counts = shared;
    struct point_tally *tallies = (struct point_tally *)(counts + o.jobs);
    int64_t began_ms = now_mono_ms();
    bool are_well = play_all(&o, counts, tallies);
    return print(&o, counts, tallies, now_mono_ms() - began_ms) && are_well ? 0 : 1;
}

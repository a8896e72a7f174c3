// SPDX-License-Identifier: Apache-2.0
/* What no cluster of these nodes could run is refused, with the number that would do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "portal/room.h"
#include "runner/base/cleanup.h"

static const struct cluster small = {
    .nodes = 7,
    .shapes = {{"a100", 8, 4}, {"h100", 4, 1}, {"a100", 2, 2}},
    .shape_count = 3,
};

static void what_never_could_run_is_refused_with_what_would(void **state)
{
    static const struct {
        int64_t nodes, gpus;
        const char *gpu_type, *field, *detail, *remedy; /* field NULL: it fits */
    } cases[] = {
        {1, 8, "a100", NULL, NULL, NULL},
        {4, 8, "any", NULL, NULL, NULL},
        {7, 1, "any", NULL, NULL, NULL},
        {5, 4, "any", NULL, NULL, NULL}, /* mixed types are one job's, when it says any */
        {1, 9, "a100", "gpus_per_node",
         "The largest node with a100 has 8 a100, and the job asks for 9 on each.",
         "Ask for at most 8 per node, or for more nodes."},
        {1, 12, "any", "gpus_per_node",
         "The largest node has 8 a100, and the job asks for 12 on each.",
         "Ask for at most 8 per node, or for more nodes."},
        {1, 5, "h100", "gpus_per_node",
         "The largest node with h100 has 4 h100, and the job asks for 5 on each.",
         "Ask for at most 4 per node, or for more nodes."},
        {5, 8, "a100", "nodes",
         "4 nodes of the cluster have 8 a100 or more, and the job asks for 5 such nodes.",
         "Ask for at most 4 nodes, or for at most 2 GPUs per node."},
        {2, 1, "h100", "nodes",
         "1 node of the cluster has 1 h100 or more, and the job asks for 2 such nodes.",
         "Ask for one node."},
        {8, 1, "any", "nodes",
         "7 nodes of the cluster have 1 GPU or more, and the job asks for 8 such nodes.",
         "Ask for at most 7 nodes."},
        {1, 1, "b200", "gpu_type", "No node of the cluster has GPUs of the type b200.",
         "Choose any type, or one of: a100, h100."},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(64 * 1024);
        struct spec s = {.nodes = cases[i].nodes,
                         .gpus_per_node = cases[i].gpus,
                         .gpu_type = cases[i].gpu_type};
        struct refusal r = {0};
        bool is_refused = room_refuses(a, &small, &s, &r);
        assert_int_equal(is_refused, cases[i].field != NULL);
        if (is_refused) {
            assert_string_equal(r.field, cases[i].field);
            assert_string_equal(r.detail, cases[i].detail);
            assert_string_equal(r.remedy, cases[i].remedy);
            assert_int_equal(r.status, 422);
        }
        arena_free(a);
    }
}

static void until_a_node_has_told_its_size_nothing_is_refused(void **state)
{
    struct cluster unknown = {0};
    struct spec s = {.nodes = 1000, .gpus_per_node = 64, .gpu_type = "b200"};
    struct refusal r;
    struct arena *a = arena_new(64 * 1024);
    (void)state;
    assert_false(room_refuses(a, &unknown, &s, &r));
    assert_null(room_remedy(a, &unknown, "gpus_per_node", 9));
    arena_free(a);
}

static void a_number_beyond_the_whole_cluster_comes_with_what_there_is(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    (void)state;
    assert_string_equal(
        room_remedy(a, &small, "gpus_per_node", 9),
        "The largest node has 8 a100: ask for at most 8 per node, or for more nodes.");
    assert_string_equal(room_remedy(a, &small, "nodes", 8),
                        "The cluster has 7 nodes with GPUs: ask for no more.");
    assert_null(room_remedy(a, &small, "gpus_per_node", 0));
    assert_null(room_remedy(a, &small, "nodes", 7));
    assert_null(room_remedy(a, &small, "time_limit", 9));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_never_could_run_is_refused_with_what_would),
        cmocka_unit_test(until_a_node_has_told_its_size_nothing_is_refused),
        cmocka_unit_test(a_number_beyond_the_whole_cluster_comes_with_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

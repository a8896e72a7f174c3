// SPDX-License-Identifier: Apache-2.0
/* Ranks and their environment, from what surrounds an attempt. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/task/place.h"
#include "tests/unit/test.h"

static void surround(const char *gpus, const char *nodes, const char *node)
{
    clearenv();
    setenv("FIREFLY_TOKEN", "t1", 1);
    setenv("FIREFLY_JOB_DIR", "/j/7", 1);
    setenv("FIREFLY_JOB_ID", "7", 1);
    setenv("FIREFLY_ATTEMPT", "2", 1);
    setenv("FIREFLY_GPUS", gpus, 1);
    setenv("FIREFLY_NODES", nodes, 1);
    setenv("FIREFLY_NODE", node, 1);
}

static void ranks_follow_kind_gpus_and_node(void **state)
{
    static const struct {
        const char *gpus, *nodes, *node;
        enum spec_kind kind;
        int64_t ranks;
        const char *last_rank, *world; /* of the last rank here */
    } cases[] = {
        {"0", "n1", "0", SPEC_BATCH, 1, "0", "1"},
        {"0,1,2,3", "n1", "0", SPEC_BATCH, 1, "0", "1"},
        {"0,1", "n1,n2", "0", SPEC_BATCH, 1, "0", "1"},
        {"0,1", "n1,n2", "1", SPEC_BATCH, 0, NULL, NULL},
        {"", "n1", "0", SPEC_DISTRIBUTED, 1, "0", "1"},
        {"", "n1,n2,n3", "2", SPEC_DISTRIBUTED, 1, "2", "3"},
        {"4,7", "n1", "0", SPEC_DISTRIBUTED, 2, "1", "2"},
        {"GPU-a,GPU-b", "n1,n2", "1", SPEC_DISTRIBUTED, 2, "3", "4"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(place_done) struct place p;
        surround(cases[i].gpus, cases[i].nodes, cases[i].node);
        assert_int_equal(place_read(&p, NULL), 0);
        assert_int_equal(place_ranks(&p, cases[i].kind), cases[i].ranks);
        if (!cases[i].ranks)
            continue;
        place_enter_rank(&p, cases[i].kind, cases[i].ranks - 1);
        assert_string_equal(getenv("RANK"), cases[i].last_rank);
        assert_string_equal(getenv("WORLD_SIZE"), cases[i].world);
    }
}

static int enter(const char *env, struct place *p)
{
    struct spec s = {.kind = SPEC_BATCH};
    AUTO(json_freep) json_t *o = json_object();
    json_object_set_new(o, "env", json_loads(env, 0, NULL));
    s.json = o;
    assert_int_equal(place_read(p, NULL), 0);
    return place_enter(p, &s, NULL);
}

static void a_request_adds_variables_but_replaces_none_of_ours(void **state)
{
    AUTO(place_done) struct place p;
    (void)state;
    surround("4,7", "n1,n2", "1");
    assert_int_equal(
        enter("{\"MINE\":\"x\",\"CUDA_VISIBLE_DEVICES\":\"0\",\"MASTER_ADDR\":\"evil\"}", &p),
        0);
    assert_string_equal(getenv("MINE"), "x");
    assert_string_equal(getenv("CUDA_VISIBLE_DEVICES"), "4,7");
    assert_string_equal(getenv("MASTER_ADDR"), "n1");
    assert_string_equal(getenv("FIREFLY_CHECKPOINT_DIR"), "/j/7/checkpoint");
    assert_null(getenv("FIREFLY_TOKEN"));
}

static void what_a_batch_system_confined_is_left_alone(void **state)
{
    static const struct {
        const char *found, *asked, *visible;
    } cases[] = {
        {"1,0", "{}", "1,0"},
        {"1,0", "{\"CUDA_VISIBLE_DEVICES\":\"7\"}", "1,0"},
        {NULL, "{}", NULL},
        {NULL, "{\"CUDA_VISIBLE_DEVICES\":\"7\"}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(place_done) struct place p;
        AUTO(json_freep) json_t *o = json_object();
        json_object_set_new(o, "env", json_loads(cases[i].asked, 0, NULL));
        const struct spec s = {.kind = SPEC_BATCH, .json = o};
        surround("0,1", "n1", "0");
        if (cases[i].found)
            setenv("CUDA_VISIBLE_DEVICES", cases[i].found, 1);
        assert_int_equal(place_read(&p, NULL), 0);
        p.is_confined = true;
        assert_int_equal(place_enter(&p, &s, NULL), 0);
        assert_null(getenv("CUDA_DEVICE_ORDER"));
        if (cases[i].visible)
            assert_string_equal(getenv("CUDA_VISIBLE_DEVICES"), cases[i].visible);
        else
            assert_null(getenv("CUDA_VISIBLE_DEVICES"));
    }
}

static void variables_of_ours_or_without_a_name_are_refused(void **state)
{
    static const char *const bad[] = {"{\"FIREFLY_JOB_ID\":\"8\"}", "{\"A=B\":\"x\"}",
                                      "{\"\":\"x\"}", "{\"A\":7}"};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(place_done) struct place p;
        surround("0", "n1", "0");
        assert_int_equal(enter(bad[i], &p), -EINVAL);
    }
}

static void the_master_port_is_free_on_one_node_and_the_same_on_several(void **state)
{
    char first[16];
    int64_t port;
    (void)state;
    for (int node = 0; node < 2; node++) {
        AUTO(place_done) struct place p;
        surround("0", "n1,n2", node ? "1" : "0");
        assert_int_equal(enter("{}", &p), 0);
        assert_int_equal(parse_i64(getenv("MASTER_PORT"), 10000, 29999, &port), 0);
        if (node)
            assert_string_equal(getenv("MASTER_PORT"), first);
        strncpy(first, getenv("MASTER_PORT"), sizeof(first) - 1);
        first[sizeof(first) - 1] = '\0';
    }
    AUTO(place_done) struct place alone;
    surround("0", "n1", "0");
    assert_int_equal(enter("{}", &alone), 0);
    assert_string_equal(getenv("MASTER_ADDR"), "127.0.0.1");
    assert_int_equal(parse_i64(getenv("MASTER_PORT"), 1024, 65535, &port), 0);
}

static void surroundings_that_are_not_there_are_named(void **state)
{
    static const char *const needed[] = {"FIREFLY_TOKEN", "FIREFLY_JOB_DIR", "FIREFLY_JOB_ID",
                                         "FIREFLY_GPUS",  "FIREFLY_NODES",   "FIREFLY_NODE"};
    (void)state;
    for (size_t i = 0; i < COUNT(needed); i++) {
        struct place p;
        struct err why;
        surround("0", "n1", "0");
        unsetenv(needed[i]);
        assert_int_equal(place_read(&p, &why), -EINVAL);
        assert_ptr_equal(strstr(why.text, needed[i]), why.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_follow_kind_gpus_and_node),
        cmocka_unit_test(a_request_adds_variables_but_replaces_none_of_ours),
        cmocka_unit_test(what_a_batch_system_confined_is_left_alone),
        cmocka_unit_test(variables_of_ours_or_without_a_name_are_refused),
        cmocka_unit_test(the_master_port_is_free_on_one_node_and_the_same_on_several),
        cmocka_unit_test(surroundings_that_are_not_there_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* The calls of the agent survive JSON, and what is out of its form or range is refused by its
 * field. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/proto/agent_calls.h"
#include "runner/proto/circumstances.h"
#include "runner/proto/wire.h"
#include "tests/unit/test.h"

static const struct agent_start whole = {
    .head = {.epoch = 3, .deadline_ms = 1700000000000},
    .token = "t-1",
    .job = 4711,
    .attempt = 2,
    .account = {.name = "alice",
                .uid = 200001,
                .gid = 200001,
                .groups = {200900, 200901},
                .group_count = 2},
    .project = "climate",
    .project_gid = 200900,
    .gpus = {{0, "/dev/nvidia0", "GPU-a"}, {3, NULL, NULL}},
    .gpu_count = 2,
    .nodes = {"n1", "n2"},
    .node_count = 2,
    .node = 1,
    .cpus = 4,
    .memory_bytes = INT64_C(1) << 33,
    .pids_max = 100,
    .limit_ms = 90500,
    .grace_ms = 30000,
    .log_max = 1 << 20,
    .resume = true,
};

static void a_start_comes_back_from_json(void **state)
{
    struct agent_start back = {0};
    (void)state;
    AUTO(json_freep) json_t *o = agent_start_json(&whole);
    assert_int_equal(agent_start_read(o, &back, NULL), 0);
    AUTO(json_freep) json_t *again = agent_start_json(&back);
    assert_true(json_equal(o, again));
    assert_int_equal(back.account.groups[1], 200901);
    assert_string_equal(back.gpus[0].device, "/dev/nvidia0");
    assert_null(back.gpus[1].device);
}

static void a_field_out_of_form_is_refused_by_its_name(void **state)
{
    static const struct {
        const char *field, *value, *named;
    } bad[] = {
        {"epoch", "-1", "epoch"},
        {"deadline_ms", "\"1\"", "deadline_ms"},
        {"token", "\"A\"", "token"},
        {"token", "\"../a\"", "token"},
        {"token", "7", "token"},
        {"job", "0", "job"},
        {"job", "1.0", "job"},
        {"attempt", "2147483648", "attempt"},
        {"account", "null", "account"},
        {"account", "{\"name\":\"a/b\",\"uid\":1,\"gid\":1}", "account"},
        {"account", "{\"name\":\"a\",\"uid\":4294967295,\"gid\":1}", "account"},
        {"account", "{\"name\":\"a\",\"uid\":-1,\"gid\":1}", "account"},
        {"account", "{\"name\":\"a\",\"uid\":1,\"gid\":1,\"groups\":7}", "groups"},
        {"account", "{\"name\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[\"0\"]}", "groups"},
        {"project", "\"\"", "project"},
        {"project", "\"..\"", "project"},
        {"project", "\"a/b\"", "project"},
        {"gpus", "{}", "gpus"},
        {"gpus", "[7]", "gpus"},
        {"gpus", "[{\"index\":-1}]", "gpus"},
        {"nodes", "[]", "nodes"},
        {"nodes", "[\"a,b\"]", "nodes"},
        {"nodes", "[\"a\\nb\",\"c\"]", "nodes"},
        {"node", "2", "node"},
        {"cpus", "-1", "cpus"},
        {"memory_bytes", "-1", "memory_bytes"},
        {"limit_ms", "0", "limit_ms"},
        {"grace_ms", "86400001", "grace_ms"},
        {"log_max", "true", "log_max"},
        {"resume", "1", "resume"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct agent_start out;
        struct err why;
        AUTO(json_freep) json_t *o = agent_start_json(&whole);
        json_object_set_new(o, bad[i].field, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
        assert_true(agent_start_read(o, &out, &why) < 0);
        assert_ptr_equal(strstr(why.text, bad[i].named), why.text);
    }
}

static void arrays_have_a_ceiling(void **state)
{
    static const struct {
        const char *field;
        size_t max;
    } arrays[] = {{"gpus", AGENT_GPUS_MAX}, {"nodes", AGENT_NODES_MAX}};
    (void)state;
    for (size_t i = 0; i < COUNT(arrays); i++) {
        AUTO(cleanup_free) struct agent_start *out = malloc(sizeof(*out));
        AUTO(json_freep) json_t *o = agent_start_json(&whole);
        json_t *array = json_array();
        for (size_t k = 0; k < arrays[i].max; k++)
            json_array_append_new(array, i ? json_string("n") : json_pack("{si}", "index", 0));
        json_object_set_new(o, arrays[i].field, array);
        assert_int_equal(agent_start_read(o, out, NULL), 0);
        json_array_append(array, json_array_get(array, 0));
        assert_int_equal(agent_start_read(o, out, NULL), -EINVAL);
    }
}

static void a_stop_and_a_limit_come_back_from_json(void **state)
{
    static const struct {
        const char *why;
        bool is_good;
    } whys[] = {{"cancelled", true}, {"node_fault", true}, {"maintenance", true}, {"", false},
                {"a b", false},      {"A", false},         {"x/y", false}};
    static const struct {
        int64_t limit_ms;
        bool is_good;
    } limits[] = {{1, true}, {3600000, true}, {0, false}, {-1, false}, {INT64_MAX, false}};
    (void)state;
    for (size_t i = 0; i < COUNT(whys); i++) {
        const struct agent_stop ask = {{3, 4}, "t-1", whys[i].why, 500};
        struct agent_stop back;
        AUTO(json_freep) json_t *o = agent_stop_json(&ask);
        assert_int_equal(agent_stop_read(o, &back, NULL) == 0, whys[i].is_good);
    }
    for (size_t i = 0; i < COUNT(limits); i++) {
        const struct agent_limit ask = {{3, 4}, "t-1", limits[i].limit_ms};
        struct agent_limit back;
        AUTO(json_freep) json_t *o = agent_limit_json(&ask);
        assert_int_equal(agent_limit_read(o, &back, NULL) == 0, limits[i].is_good);
        if (limits[i].is_good)
            assert_int_equal(back.limit_ms, limits[i].limit_ms);
    }
}

static void hello_and_list_come_back_from_json(void **state)
{
    const struct agent_hello hello = {.host = "n1",
                                      .boot_id = "b",
                                      .version = "1",
                                      .uid = 7,
                                      .is_root = true,
                                      .kill = "v2",
                                      .memory = "v1",
                                      .pids = "v1",
                                      .devices = "bpf",
                                      .cpu = "no",
                                      .private_ipc = true};
    struct agent_hello hello_back;
    AUTO(cleanup_free) struct agent_list_reply *back = malloc(sizeof(*back));
    struct agent_list_reply list = {
        .entries = {{"a", SPOOL_RUNNING}, {"b", SPOOL_DEAD}}, .count = 2, .more = true};
    (void)state;
    AUTO(json_freep) json_t *h = agent_hello_reply(&hello);
    assert_int_equal(agent_hello_reply_read(h, &hello_back, NULL), 0);
    assert_string_equal(hello_back.devices, "bpf");
    assert_true(hello_back.is_root && hello_back.private_ipc && !hello_back.private_tmp);
    AUTO(json_freep) json_t *l = agent_list_reply_json(&list);
    assert_int_equal(agent_list_reply_read(l, back, NULL), 0);
    assert_int_equal(back->count, 2);
    assert_int_equal(back->entries[1].state, SPOOL_DEAD);
    assert_true(back->more);
}

static void a_full_list_fits_into_a_packet(void **state)
{
    static struct agent_list_reply list;
    char token[SPOOL_TOKEN_MAX + 1];
    (void)state;
    memset(token, 'a', SPOOL_TOKEN_MAX);
    token[SPOOL_TOKEN_MAX] = '\0';
    for (list.count = 0; list.count < AGENT_LIST_MAX; list.count++)
        list.entries[list.count] = (struct agent_listed){token, SPOOL_STARTING};
    AUTO(json_freep) json_t *o = agent_list_reply_json(&list);
    AUTO(cleanup_free) char *text = json_dumps(o, JSON_COMPACT);
    assert_true(strlen(text) < 60 * 1024);
}

static void circumstances_are_what_was_asked_and_nothing_else(void **state)
{
    static const char *const wanted[] = {
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "LANG=C.UTF-8",
        "SHELL=/bin/bash",
        "HOME=/j/4711",
        "USER=alice",
        "LOGNAME=alice",
        "TMPDIR=/j/4711/.firefly/tmp",
        "FIREFLY_TOKEN=t-1",
        "FIREFLY_JOB_ID=4711",
        "FIREFLY_ATTEMPT=2",
        "FIREFLY_JOB_DIR=/j/4711",
        "FIREFLY_PROJECT=climate",
        "FIREFLY_PROJECT_DIR=/p/climate",
        "FIREFLY_RESUME=1",
        "FIREFLY_TIME_LIMIT_S=91",
        "FIREFLY_GPUS=GPU-a,3",
        "FIREFLY_NODES=n1,n2",
        "FIREFLY_NODE=1",
    };
    const struct circumstances_place at = {.jobs_root = "/j", .projects_root = "/p"};
    AUTO(circumstances_done) struct circumstances c;
    (void)state;
    circumstances_init(&c, &at, &whole);
    assert_int_equal(c.count, COUNT(wanted));
    for (size_t i = 0; i < COUNT(wanted); i++)
        assert_string_equal(c.lines[i], wanted[i]);
    assert_null(c.lines[c.count]);
}

static const struct agent_client errand = {
    .head = {.epoch = 3, .deadline_ms = 1700000000000},
    .account = {.name = "alice", .uid = 200001, .gid = 200001},
    .program = "sbatch",
    .args = {"--parsable", "", "--comment=a b \"c\"\n"},
    .arg_count = 3,
    .job = 4711,
    .project = "climate",
    .project_gid = 200900,
};

static void a_client_comes_back_from_json(void **state)
{
    struct agent_client back;
    (void)state;
    AUTO(json_freep) json_t *o = agent_client_json(&errand);
    assert_int_equal(agent_client_read(o, &back, NULL), 0);
    AUTO(json_freep) json_t *again = agent_client_json(&back);
    assert_true(json_equal(o, again));
    assert_int_equal(back.arg_count, 3);
    assert_string_equal(back.args[2], errand.args[2]);
}

static void a_client_out_of_form_is_refused_by_its_field(void **state)
{
    static const struct {
        const char *field, *value, *named;
    } bad[] = {
        {"epoch", "null", "epoch"},
        {"account", "7", "account"},
        {"program", "null", "program"},
        {"program", "\"\"", "program"},
        {"program", "\"/bin/sh\"", "program"},
        {"program", "\"..\"", "program"},
        {"program", "\"-x\"", "program"},
        {"args", "null", "args"},
        {"args", "\"-c\"", "args"},
        {"args", "[1]", "args"},
        {"args", "[[]]", "args"},
        {"args", "[null]", "args"},
        {"args", "[\"a\\u0000b\"]", "args"},
        {"job", "0", "job"},
        {"job", "\"7\"", "job"},
        {"project", "\"a/b\"", "project"},
        {"project", "null", "project"},
        {"project_gid", "-1", "project_gid"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct agent_client out;
        struct err why = {{0}};
        AUTO(json_freep) json_t *o = agent_client_json(&errand);
        json_t *value = json_loads(bad[i].value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        json_object_set_new(o, bad[i].field, value);
        assert_true(agent_client_read(o, &out, &why) < 0);
        assert_ptr_equal(strstr(why.text, bad[i].named), why.text);
    }
}

static void arguments_have_a_ceiling(void **state)
{
    static const struct {
        size_t count, bytes; /* of each */
        int result;
    } cases[] = {
        {0, 0, 0},
        {AGENT_ARGS_MAX, 1, 0},
        {AGENT_ARGS_MAX + 1, 1, -EINVAL},
        {1, AGENT_ARGS_BYTES - 1, 0},
        {1, AGENT_ARGS_BYTES, -E2BIG},
        {AGENT_ARGS_MAX, AGENT_ARGS_BYTES / AGENT_ARGS_MAX - 1, 0},
        {AGENT_ARGS_MAX, AGENT_ARGS_BYTES / AGENT_ARGS_MAX, -E2BIG},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct agent_client out;
        AUTO(json_freep) json_t *o = agent_client_json(&errand);
        AUTO(cleanup_free) char *text = calloc(1, cases[i].bytes + 1);
        json_t *args = json_array();
        memset(text, 'x', cases[i].bytes);
        for (size_t k = 0; k < cases[i].count; k++)
            json_array_append_new(args, json_string(text));
        json_object_set_new(o, "args", args);
        assert_int_equal(agent_client_read(o, &out, NULL), cases[i].result);
    }
}

static void the_longest_reply_of_a_client_fits_into_a_packet(void **state)
{
    char full[AGENT_OUTPUT_MAX + 1];
    struct agent_client_reply back;
    (void)state;
    memset(full, '"', AGENT_OUTPUT_MAX); /* the longest there is in JSON: two bytes for one */
    full[AGENT_OUTPUT_MAX] = '\0';
    const struct agent_client_reply reply = {
        .exit_code = -1, .signal = 9, .out = full, .err = full, .dropped_bytes = INT64_MAX};
    AUTO(json_freep) json_t *o = agent_client_reply_json(&reply);
    AUTO(json_freep) json_t *packet = wire_ok(INT64_MAX);
    json_object_update(packet, o);
    AUTO(cleanup_free) char *text = json_dumps(packet, JSON_COMPACT);
    assert_true(strlen(text) < WIRE_MAX);
    assert_int_equal(agent_client_reply_read(o, &back, NULL), 0);
    assert_int_equal(back.exit_code, -1);
    assert_int_equal(back.signal, 9);
    assert_string_equal(back.err, full);
    json_object_set_new(o, "exit_code", json_integer(256));
    assert_true(agent_client_reply_read(o, &back, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_comes_back_from_json),
        cmocka_unit_test(a_field_out_of_form_is_refused_by_its_name),
        cmocka_unit_test(arrays_have_a_ceiling),
        cmocka_unit_test(a_stop_and_a_limit_come_back_from_json),
        cmocka_unit_test(hello_and_list_come_back_from_json),
        cmocka_unit_test(a_full_list_fits_into_a_packet),
        cmocka_unit_test(circumstances_are_what_was_asked_and_nothing_else),
        cmocka_unit_test(a_client_comes_back_from_json),
        cmocka_unit_test(a_client_out_of_form_is_refused_by_its_field),
        cmocka_unit_test(arguments_have_a_ceiling),
        cmocka_unit_test(the_longest_reply_of_a_client_fits_into_a_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Requests: what is taken, in which canonical form, and which field is to blame for what is
 * not. */
#include "runner/job/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static const struct spec_limits limits = {
    .nodes = 4, .gpus_per_node = 8, .gpus = 32, .time_limit_ms = INT64_C(2) * 86400000};

static int parse(const char *text, struct spec **out, struct spec_fault *fault)
{
    json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    int r = spec_parse(j, &limits, out, fault);
    json_decref(j);
    return r;
}

#define GOOD "\"project\":\"p1\",\"name\":\"n\",\"gpus_per_node\":2,\"time_limit\":\"2h\","

static void a_request_comes_out_in_canonical_form(void **state)
{
    AUTO(spec_freep) struct spec *s = NULL, *again = NULL;
    struct spec_fault fault = {0};
    struct err e;
    (void)state;
    assert_int_equal(
        parse("{" GOOD "\"command\":[\"python3\",\"t.py\"],\"memory\":\"4G\"}", &s, &fault), 0);
    assert_string_equal(s->name, "n");
    assert_int_equal(s->time_limit_ms, 7200000);
    assert_int_equal(s->memory_bytes, INT64_C(4) << 30);
    assert_int_equal(s->nodes, 1);
    assert_int_equal(spec_gpus(s), 2);
    assert_int_equal(spec_ranks(s), 1);
    char *text = spec_text(s);
    assert_int_equal(spec_load(text, strlen(text), &again, &e), 0);
    char *second = spec_text(again);
    assert_string_equal(text, second);
    free(second);
    free(text);
}

static void the_same_meaning_has_the_same_hash(void **state)
{
    static const char *const same[] = {
        "{" GOOD "\"script\":\"true\"}",
        "{\"script\":\"true\",\"time_limit_ms\":7200000,\"gpus_per_node\":2,\"name\":\"n\","
        "\"project\":\"p1\",\"nodes\":1,\"priority\":\"normal\"}"};
    char hash[2][DIGEST_HEX];
    struct spec_fault fault;
    (void)state;
    for (int i = 0; i < 2; i++) {
        AUTO(spec_freep) struct spec *s = NULL;
        assert_int_equal(parse(same[i], &s, &fault), 0);
        spec_hash(s, hash[i]);
    }
    assert_string_equal(hash[0], hash[1]);
}

static void a_wrong_request_names_its_field(void **state)
{
    static const struct {
        const char *text, *field, *word;
    } cases[] = {
        {"{}", "gpus_per_node", "missing"},
        {"[]", "", "object"},
        {"{\"name\":\"n\",\"gpus_per_node\":1,\"time_limit\":\"1h\",\"script\":\"x\"}",
         "project", "missing"},
        {"{\"project\":\"p1\",\"name\":\"n\",\"gpus_per_node\":0,\"time_limit\":\"1h\"}",
         "gpus_per_node", "0 is not from 1 to 8"},
        {"{\"project\":\"p1\",\"name\":\"n\",\"gpus_per_node\":-1,\"time_limit\":\"1h\"}",
         "gpus_per_node", "-1 is not from 1"},
        {"{\"project\":\"p1\",\"name\":\"n\",\"gpus_per_node\":9999,\"time_limit\":\"1h\","
         "\"script\":\"x\"}",
         "gpus_per_node", "9999 is not from 1 to 8"},
        {"{\"project\":\"p1\",\"name\":\"n\",\"gpus_per_node\":1.5,\"time_limit\":\"1h\"}",
         "gpus_per_node", "whole number"},
        {"{\"project\":\"p1\",\"name\":\"n\",\"gpus_per_node\":1,\"time_limit\":\"25:61\"}",
         "time_limit", "HH:MM:SS"},
        {"{\"project\":\"p1\",\"name\":\"n\",\"gpus_per_node\":1,\"time_limit\":\"9d\","
         "\"script\":\"x\"}",
         "time_limit", "'9d' is not from 00:00:01 to 2d 00:00:00"},
        {"{" GOOD "\"nodes\":5,\"script\":\"x\"}", "nodes", "5 is not from 1 to 4"},
        {"{" GOOD "\"script\":\"  \"}", "script", "script or a command"},
        {"{" GOOD "\"script\":\"x\",\"command\":[\"y\"]}", "script", "script or a command"},
        {"{" GOOD "\"command\":[]}", "command", "1 to 256"},
        {"{" GOOD "\"command\":[1]}", "command", "text"},
        {"{" GOOD "\"script\":\"x\",\"env\":{\"FIREFLY_X\":\"1\"}}", "env", "FIREFLY_"},
        {"{" GOOD "\"script\":\"x\",\"gpuss\":1}", "", "no such field"},
        {"{" GOOD "\"script\":\"x\",\"kind\":\"array\"}", "kind", "none of its values"},
        {"{\"project\":\"'; DROP\",\"name\":\"n\",\"gpus_per_node\":1,\"time_limit\":\"1h\"}",
         "project", "lower-case"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spec *s = NULL;
        struct spec_fault fault = {0};
        assert_int_equal(parse(cases[i].text, &s, &fault), -EINVAL);
        assert_string_equal(fault.field, cases[i].field);
        if (!strstr(fault.why.text, cases[i].word))
            fail_msg("%s: %s", cases[i].text, fault.why.text);
    }
}

static void hostile_names_are_kept_as_they_are(void **state)
{
    static const char *const names[] = {"<script>alert(1)</script>", "'; DROP TABLE job; --",
                                        "\xf0\x9f\x94\xa5 run"};
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(spec_freep) struct spec *s = NULL;
        struct spec_fault fault;
        json_t *j = json_pack("{ss, ss, si, ss, ss}", "project", "p1", "name", names[i],
                              "gpus_per_node", 1, "time_limit", "1h", "script", "true");
        assert_int_equal(spec_parse(j, &limits, &s, &fault), 0);
        assert_string_equal(s->name, names[i]);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_out_in_canonical_form),
        cmocka_unit_test(the_same_meaning_has_the_same_hash),
        cmocka_unit_test(a_wrong_request_names_its_field),
        cmocka_unit_test(hostile_names_are_kept_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

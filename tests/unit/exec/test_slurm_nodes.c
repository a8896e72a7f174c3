// SPDX-License-Identifier: Apache-2.0
/* Nodes as sinfo shows them, and lists of node names. */
#include <errno.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/exec/slurm_nodes.h"
#include "tests/unit/test.h"

#define NONCE "k3f9a1b2"
#define S "|" NONCE "|"

/* Nodes written down as text, one line each. */
static void write_down(const struct slurm_node *n, void *arg)
{
    buf_printf(arg, "%s %s %s %lld %lld %lld %s %s\n", n->name, n->partition,
               slurm_node_state_name(n->state), (long long)n->cpus, (long long)n->memory_bytes,
               (long long)n->gpus, n->gpu_type, n->reason);
}

static void load(const char *name, struct buf *out)
{
    char path[512], block[4096];
    size_t n;
    snprintf(path, sizeof(path), "%s/slurm/%s", TESTS_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((n = fread(block, 1, sizeof(block), file)) > 0)
        buf_put_bytes(out, block, n);
    fclose(file);
}

static void the_nodes_of_a_real_slurm_are_read(void **state)
{
    AUTO(buf_done) struct buf text = BUF_INIT(1 << 16), json = BUF_INIT(1 << 16);
    AUTO(buf_done) struct buf got = BUF_INIT(4096), same = BUF_INIT(4096);
    struct slurm_count told;
    (void)state;
    load("sinfo-22.05.txt", &text);
    load("sinfo-22.05.json", &json);
    assert_int_equal(slurm_sinfo_read(text.data, text.len, NONCE,
                                      &(struct slurm_node_taker){write_down, &got}, &told),
                     0);
    assert_int_equal(told.rows, 4);
    assert_int_equal(told.bad, 0);
    assert_int_equal(slurm_sinfo_json(json.data, json.len,
                                      &(struct slurm_node_taker){write_down, &same}, &told,
                                      NULL),
                     0);
    assert_int_equal(told.rows, 2);
    assert_string_equal(buf_text(&same),
                        "n3 gpu up 32 67108864000 8 a100 \n"
                        "n4 gpu drained 32 67108864000 8 a100 memory errors | ECC, slot 3\n");
    assert_non_null(strstr(buf_text(&got), buf_text(&same)));
}

static void later_json_has_groups_of_nodes(void **state)
{
    AUTO(buf_done) struct buf text = BUF_INIT(4096);
    AUTO(buf_done) struct buf got = BUF_INIT(4096);
    struct slurm_count told;
    (void)state;
    load("sinfo-24.05.json", &text);
    assert_int_equal(slurm_sinfo_json(text.data, text.len,
                                      &(struct slurm_node_taker){write_down, &got}, &told,
                                      NULL),
                     0);
    assert_string_equal(buf_text(&got), "n1 gpu drained 32 1048576000 8 mixed fan\n"
                                        "n2 gpu drained 32 1048576000 8 mixed fan\n");
    assert_int_equal(told.bad, 1);
    assert_int_equal(
        slurm_sinfo_json("{}", 2, &(struct slurm_node_taker){write_down, &got}, &told, NULL),
        -EBADMSG);
}

static void a_bad_row_costs_no_other(void **state)
{
    static const char *const bad[] = {
        "garbage\n",
        "n1" S "gpu" S "\n",
        "" S "gpu" S "1" S "1" S "" S "none" S "idle" S "\n",
        "n1" S "gpu" S "x" S "1" S "gpu:1" S "none" S "idle" S "\n",
        "n1" S "gpu" S "1" S "-1" S "gpu:1" S "none" S "idle" S "\n",
        "n1" S "gpu" S "1" S "1" S "gpu:a100" S "none" S "idle" S "\n",
        "n1" S "gpu" S "1" S "99999999999999999" S "" S "none" S "idle" S "\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(buf_done) struct buf text = BUF_INIT(4096), got = BUF_INIT(4096);
        struct slurm_count told;
        buf_printf(&text,
                   "CLUSTER: north\n%sn7" S "gpu*" S "N/A" S "1" S "(null)" S "two\nlines" S
                   "down*" S "\n",
                   bad[i]);
        assert_int_equal(slurm_sinfo_read(text.data, text.len, NONCE,
                                          &(struct slurm_node_taker){write_down, &got}, &told),
                         0);
        assert_int_equal(told.bad, 1);
        assert_string_equal(buf_text(&got), "n7 gpu down -1 1048576 0  two\nlines\n");
    }
}

static void a_state_is_the_worst_of_its_words(void **state)
{
    static const struct {
        const char *words;
        enum slurm_node_state wanted;
    } cases[] = {
        {"idle", SLURM_NODE_UP},
        {"MIXED", SLURM_NODE_UP},
        {"idle+planned", SLURM_NODE_UP},
        {"idle~", SLURM_NODE_UP},
        {"idle#*", SLURM_NODE_DOWN},
        {"mixed-", SLURM_NODE_UP},
        {"idle+drain", SLURM_NODE_DRAINED},
        {"draining@", SLURM_NODE_DRAINED},
        {"allocated$", SLURM_NODE_DRAINED},
        {"down*+drain", SLURM_NODE_DOWN},
        {"IDLE+NOT_RESPONDING", SLURM_NODE_DOWN},
        {"idle+cloud+powered_down", SLURM_NODE_UP},
        {"", SLURM_NODE_UNKNOWN},
        {"new_word", SLURM_NODE_UNKNOWN},
        {"~", SLURM_NODE_UNKNOWN},
        {"+", SLURM_NODE_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(slurm_node_state_read(cases[i].words), cases[i].wanted);
}

static void gpus_of_a_node_are_added_up(void **state)
{
    static const struct {
        const char *gres, *type;
        int r;
        int64_t gpus;
    } cases[] = {
        {"gpu:a100:8", "a100", 0, 8},
        {"gpu:8", "", 0, 8},
        {"gpu:a100:8(S:0-1)", "a100", 0, 8},
        {"gpu:a100:2(IDX:0,3),gpu:a100:1", "a100", 0, 3},
        {"gpu:a100:4,mps:400,gpu:h100:4", "mixed", 0, 8},
        {"gpu:a100:no_consume:8", "a100", 0, 8},
        {"", "", 0, 0},
        {"mps:400,gpux:3", "", 0, 0},
        {"gpu:", "", -EINVAL, 0},
        {"gpu:a100", "", -EINVAL, 0},
        {"gpu::8", "", -EINVAL, 0},
        {"gpu:a100:-1", "", -EINVAL, 0},
        {"gpu:a100:99999999999", "", -EINVAL, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char type[SLURM_TYPE_MAX + 1] = "";
        int64_t gpus = 0;
        assert_int_equal(slurm_gres_gpus(cases[i].gres, &gpus, type), cases[i].r);
        assert_int_equal(gpus, cases[i].gpus);
        assert_string_equal(type, cases[i].type);
    }
}

static void add_name(const char *name, void *arg)
{
    buf_printf(arg, "%s ", name);
}

static void lists_of_names_are_written_out(void **state)
{
    static const struct {
        const char *list, *wanted;
        int count;
    } cases[] = {
        {"n1", "n1 ", 1},
        {"n[1-3,7]", "n1 n2 n3 n7 ", 4},
        {"n[08-10],login", "n08 n09 n10 login ", 4},
        {"r[1-2]n[1-2].x", "r1n1.x r1n2.x r2n1.x r2n2.x ", 4},
        {"a,b,c-1", "a b c-1 ", 3},
        {"n[5]", "n5 ", 1},
        {"", "", -EINVAL},
        {",", "", -EINVAL},
        {"a,", "", -EINVAL},
        {"n[", "", -EINVAL},
        {"n[]", "", -EINVAL},
        {"n]", "", -EINVAL},
        {"n[1", "", -EINVAL},
        {"n[1,]", "", -EINVAL},
        {"n[3-1]", "", -EINVAL},
        {"n[1-]", "", -EINVAL},
        {"n[-1]", "", -EINVAL},
        {"n[a]", "", -EINVAL},
        {"n[1[2]]", "", -EINVAL},
        {"n 1", "", -EINVAL},
        {"-n1", "", -EINVAL},
        {"n1\n", "", -EINVAL},
        {"n[1-9999999999]", "", -EINVAL},
        {"n[0-99]", "", -E2BIG},
        {"n[0-999999999]", "", -E2BIG},
        {"n[1-9][1-9][1-9]", "", -E2BIG},
        {"a[1][1][1][1][1]", "", -EINVAL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf got = BUF_INIT(4096);
        assert_int_equal(slurm_hosts(cases[i].list, 8, add_name, &got), cases[i].count);
        assert_string_equal(buf_text(&got), cases[i].wanted);
    }
    assert_int_equal(slurm_hosts("n[1-99999]", SIZE_MAX, NULL, NULL), -E2BIG);
    assert_int_equal(slurm_hosts("n[1-65536]", SIZE_MAX, NULL, NULL), 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nodes_of_a_real_slurm_are_read),
        cmocka_unit_test(later_json_has_groups_of_nodes),
        cmocka_unit_test(a_bad_row_costs_no_other),
        cmocka_unit_test(a_state_is_the_worst_of_its_words),
        cmocka_unit_test(gpus_of_a_node_are_added_up),
        cmocka_unit_test(lists_of_names_are_written_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

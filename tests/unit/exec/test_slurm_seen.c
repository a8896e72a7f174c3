// SPDX-License-Identifier: Apache-2.0
/* Jobs as squeue and sacct show them: samples of a real Slurm 22.05, rows made by hand, the
 * JSON of later releases, and whatever can be wrong with any of them. */
#include <errno.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/exec/slurm_seen.h"
#include "tests/unit/test.h"

#define NONCE "k3f9a1b2"
#define S "|" NONCE "|"
#define TOKEN "0123456789abcdef0123456789abcdef"

enum { SEEN_MAX = 32 };

/* What a reading gave; the texts are copies. */
struct book {
    struct slurm_seen jobs[SEEN_MAX];
    char texts[SEEN_MAX][4][128];
    size_t count;
    struct slurm_count told;
};

static void keep(const struct slurm_seen *seen, void *arg)
{
    struct book *b = arg;
    assert_true(b->count < SEEN_MAX);
    char(*t)[128] = b->texts[b->count];
    struct slurm_seen *s = &b->jobs[b->count++];
    *s = *seen;
    const char **texts[] = {&s->cluster, &s->user, &s->reason, &s->nodes};
    for (size_t i = 0; i < COUNT(texts); i++) {
        snprintf(t[i], sizeof(t[i]), "%s", *texts[i]);
        *texts[i] = t[i];
    }
}

static const struct slurm_seen *find(const struct book *b, int64_t id)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->jobs[i].id == id)
            return &b->jobs[i];
    fail_msg("job %lld was not seen", (long long)id);
    return NULL;
}

static struct book *squeue(const char *text, size_t len)
{
    static struct book b;
    b = (struct book){0};
    assert_int_equal(
        slurm_squeue_read(text, len, NONCE, &(struct slurm_taker){keep, &b}, &b.told), 0);
    assert_int_equal(b.told.rows, b.count);
    return &b;
}

static struct book *sacct(const char *text, size_t len)
{
    static struct book b;
    b = (struct book){0};
    assert_int_equal(
        slurm_sacct_read(text, len, NONCE, &(struct slurm_taker){keep, &b}, &b.told), 0);
    assert_int_equal(b.told.rows, b.count);
    return &b;
}

/* A file of tests/data/slurm. */
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
    assert_false(out->failed);
}

static void the_queue_of_a_real_slurm_is_read_whole(void **state)
{
    AUTO(buf_done) struct buf b = BUF_INIT(1 << 20);
    (void)state;
    load("squeue-22.05.txt", &b);
    const struct book *book = squeue(b.data, b.len);
    assert_int_equal(book->told.rows, 14);
    assert_int_equal(book->told.foreign, 5);
    assert_int_equal(book->told.bad, 0);
    const struct slurm_seen *runs = find(book, 38), *failed = find(book, 39);
    assert_string_equal(runs->cluster, "north");
    assert_string_equal(runs->user, "alice");
    assert_string_equal(runs->nodes, "n[3-4]");
    assert_string_equal(runs->gpu_type, "a100");
    assert_int_equal(runs->state, SLURM_RUNNING);
    assert_int_equal(runs->gpus, 4);
    assert_int_equal(runs->limit_ms, 300000);
    assert_int_equal(runs->start_ms, 1795489222000);
    assert_int_equal(runs->end_ms, -1);
    assert_int_equal(runs->elapsed_s, 3);
    assert_int_equal(failed->exit_code, 3);
    assert_string_equal(failed->reason, "NonZeroExitCode");
    assert_int_equal(find(book, 41)->signal_no, 9);
    assert_int_equal(find(book, 40)->exit_code, 0);
    assert_int_equal(find(book, 42)->gpus, -1); /* pending: asked for, not allotted */
    assert_int_equal(find(book, 47)->start_ms, -1);
}

static void the_record_of_a_real_slurm_is_read_whole(void **state)
{
    AUTO(buf_done) struct buf b = BUF_INIT(1 << 20);
    (void)state;
    load("sacct-22.05.txt", &b);
    const struct book *book = sacct(b.data, b.len);
    assert_int_equal(book->told.rows, 6);
    assert_int_equal(book->told.bad, 0);
    assert_int_equal(find(book, 7)->cancelled_by_uid, 0);
    assert_int_equal(find(book, 7)->start_ms, -1);
    assert_int_equal(find(book, 14)->limit_ms, -1);
    assert_int_equal(find(book, 22)->state, SLURM_REQUEUED); /* the first of its two runs */
    assert_int_equal(find(book, 22)->submit_ms, 1795488151000);
    assert_int_equal(find(book, 23)->state, SLURM_NODE_FAIL);
    assert_string_equal(find(book, 6)->token, "");
}

static void both_forms_say_the_same(void **state)
{
    AUTO(buf_done) struct buf text = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    static struct book b;
    (void)state;
    load("squeue-22.05.txt", &text);
    load("squeue-22.05.json", &json);
    assert_int_equal(
        slurm_squeue_json(json.data, json.len, &(struct slurm_taker){keep, &b}, &b.told, NULL),
        0);
    assert_int_equal(b.told.bad, 0);
    const struct book *rows = squeue(text.data, text.len);
    for (size_t i = 0; i < b.count; i++) {
        const struct slurm_seen *j = &b.jobs[i], *r = find(rows, j->id);
        assert_int_equal(j->state, r->state);
        assert_int_equal(j->submit_ms, r->submit_ms);
        assert_int_equal(j->start_ms, r->start_ms);
        assert_int_equal(j->end_ms, r->end_ms);
        assert_int_equal(j->limit_ms, r->limit_ms);
        assert_int_equal(j->exit_code, r->exit_code);
        assert_int_equal(j->uid, r->uid);
        assert_int_equal(j->gpus, r->gpus);
        assert_string_equal(j->token, r->token);
        assert_string_equal(j->nodes, r->nodes);
    }
}

/* A row of sacct's. */
static const char good_row[] =
    "4711" S "north" S "1700000000" S "COMPLETED" S "None" S "1700000010" S "1700000015" S "5" S
    "60" S "0:0" S "n[1-2]" S "2" S "gres/gpu=2,gres/gpu:a100=2" S "alice" S "firefly:" TOKEN S
    "1001\n";

static void what_is_unknown_is_never_0(void **state)
{
    static const char *const words[] = {"Unknown", "None", "N/A", "", "0", "(null)"};
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        char row[1024];
        snprintf(row, sizeof(row),
                 "7" S "north" S "%s" S "RUNNING" S "None" S "%s" S "%s" S "N/A" S "UNLIMITED" S
                 "N/A" S "None assigned" S "0" S "" S "" S "" S "4294967294\n",
                 words[i], words[i], words[i]);
        const struct slurm_seen *s = find(sacct(row, strlen(row)), 7);
        assert_true(s->submit_ms == -1 && s->start_ms == -1 && s->end_ms == -1);
        assert_true(s->elapsed_s == -1 && s->limit_ms == -1 && s->uid == -1);
        assert_true(s->node_count == -1 && s->gpus == -1 && s->exit_code == -1);
        assert_string_equal(s->nodes, "");
    }
}

static void what_is_only_expected_is_unknown(void **state)
{
    static const struct {
        const char *state, *nodes, *elapsed;
        bool has_start, has_end, has_gpus;
        int exit_code;
    } cases[] = {
        {"PENDING", "", "0", false, false, false, -1},
        {"RUNNING", "n1", "5", true, false, true, -1},
        {"SUSPENDED", "n1", "5", true, false, true, -1},
        {"COMPLETING", "n1", "5", true, true, true, -1},
        {"COMPLETED", "n1", "5", true, true, true, 0},
        {"CANCELLED by 7", "n1", "5", true, true, true, -1},
        {"CANCELLED by 7", "None assigned", "0", false, true, false, -1},
        {"CANCELLED by 7", "", "5", true, true, true, -1},
        {"FAILED", "n1", "0", true, true, true, -1},
        {"A_NEW_STATE", "n1", "5", true, false, true, -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char row[1024];
        snprintf(row, sizeof(row),
                 "7" S "north" S "100" S "%s" S "None" S "110" S "120" S "%s" S "60" S "0:0" S
                 "%s" S "1" S "gres/gpu=2" S "alice" S "" S "7\n",
                 cases[i].state, cases[i].elapsed, cases[i].nodes);
        const struct slurm_seen *s = find(sacct(row, strlen(row)), 7);
        assert_int_equal(s->start_ms, cases[i].has_start ? 110000 : -1);
        assert_int_equal(s->end_ms, cases[i].has_end ? 120000 : -1);
        assert_int_equal(s->gpus, cases[i].has_gpus ? 2 : -1);
        assert_int_equal(s->exit_code, cases[i].exit_code);
    }
}

static void ids_of_arrays_are_not_ours_and_others_are_none(void **state)
{
    static const struct {
        const char *id;
        size_t rows, foreign, bad;
    } cases[] = {
        {"123_4", 0, 1, 0},
        {"123+1", 0, 1, 0},
        {"123_[1-4%2]", 0, 1, 0},
        {"0", 0, 0, 1},
        {"-1", 0, 0, 1},
        {"4294967294", 0, 0, 1},
        {"99999999999999999999", 0, 0, 1},
        {"007", 0, 0, 1},
        {"12.batch", 0, 0, 1},
        {"4294967293", 1, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[1024];
        snprintf(text, sizeof(text), "%s%s", cases[i].id, good_row + 4);
        const struct book *b = sacct(text, strlen(text));
        assert_int_equal(b->told.rows, cases[i].rows);
        assert_int_equal(b->told.foreign, cases[i].foreign);
        assert_int_equal(b->told.bad, cases[i].bad);
    }
}

static void a_bad_row_costs_no_other(void **state)
{
    static const char *const bad[] = {
        "garbage\n",
        "8" S "north\n",
        "8" S "north" S "2023-11-14T22:13:20" S "COMPLETED" S "" S "" S "" S "5" S "60" S
        "0:0" S "" S "2" S "" S "alice" S "" S "1001\n",
        "8" S "north" S "1" S "COMPLETED" S "" S "" S "" S "-5" S "60" S "0:0" S "" S "2" S "" S
        "alice" S "" S "1001\n",
        "8" S "north" S "1" S "COMPLETED" S "" S "" S "" S "5" S "60" S "0:999" S "" S "2" S
        "" S "alice" S "" S "1001\n",
        "8" S "north" S "99999999999999999999" S "COMPLETED" S "" S "" S "" S "5" S "60" S
        "0:0" S "" S "2" S "" S "alice" S "" S "1001\n",
        "8" S "north" S "1" S "COMPLETED" S "" S "" S "" S "5" S "60" S "0:0" S "" S "2" S
        "gres/gpu=x" S "alice" S "" S "1001\n",
        "8" S "north" S "1" S "COMPLETED" S "" S "" S "" S "5" S "60" S "0:0" S "" S "2" S "" S
        "alice" S "" S "x\n",
        "8" S "north" S "1" S "CANCELLED by x" S "" S "" S "" S "5" S "60" S "0:0" S "" S "2" S
        "" S "alice" S "" S "7\n",
        "8|other000|north|other000|\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(buf_done) struct buf b = BUF_INIT(4096);
        buf_printf(&b, "%s%s%s", bad[i], good_row, good_row);
        const struct book *book = sacct(b.data, b.len);
        assert_int_equal(book->told.rows, 2);
        assert_int_equal(book->told.bad, 1);
        assert_true(strlen(book->told.first.text) > 0);
        assert_string_equal(book->jobs[1].token, TOKEN);
    }
}

static void output_cut_anywhere_gives_no_half_number(void **state)
{
    AUTO(buf_done) struct buf b = BUF_INIT(4096);
    (void)state;
    buf_printf(&b, "%s%s", good_row, good_row);
    for (size_t len = 0; len < b.len; len++) {
        const struct book *book = sacct(b.data, len);
        assert_int_equal(book->told.rows, len >= strlen(good_row));
    }
    assert_int_equal(sacct("", 0)->told.bad, 0);
    assert_int_equal(sacct("\0\0\n", 3)->told.rows, 0);
}

static void a_comment_cannot_pretend_to_be_a_row(void **state)
{
    static const char *const comments[] = {
        "x\n4711|north|1700000000|COMPLETED",
        "x\n4711|k3f9a1b|north|k3f9a1b|",
        "x\n4711",
        "x\n",
        "firefly:" TOKEN "\n",
        "\nfirefly:" TOKEN,
        "firefly:" TOKEN "|",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(comments); i++) {
        AUTO(buf_done) struct buf b = BUF_INIT(4096);
        buf_printf(&b, "8%.*s%s%s1002\n%s", (int)(strstr(good_row, "firefly:") - good_row - 4),
                   good_row + 4, comments[i], S, good_row);
        const struct book *book = sacct(b.data, b.len);
        assert_int_equal(book->told.rows, 2);
        assert_int_equal(book->told.bad, 0);
        assert_int_equal(book->jobs[0].uid, 1002);
        assert_string_equal(book->jobs[0].token, "");
        assert_string_equal(book->jobs[1].token, TOKEN);
    }
    struct slurm_count told;
    assert_int_equal(slurm_sacct_read("", 0, "short", &(struct slurm_taker){keep, NULL}, &told),
                     -EINVAL);
    assert_int_equal(slurm_squeue_read("", 0, NULL, &(struct slurm_taker){keep, NULL}, &told),
                     -EINVAL);
}

#define SET(n) "{\"set\":true,\"infinite\":false,\"number\":" #n "}"
#define UNSET "{\"set\":false,\"infinite\":false,\"number\":0}"

static void later_json_wraps_its_numbers(void **state)
{
    AUTO(buf_done) struct buf text = BUF_INIT(1 << 16);
    static struct book b;
    (void)state;
    b = (struct book){0};
    load("squeue-24.05.json", &text);
    assert_int_equal(
        slurm_squeue_json(text.data, text.len, &(struct slurm_taker){keep, &b}, &b.told, NULL),
        0);
    assert_int_equal(b.told.rows, 1);
    assert_int_equal(b.told.foreign, 2);
    assert_int_equal(b.told.bad, 2);
    const struct slurm_seen *s = find(&b, 4711);
    assert_int_equal(s->state, SLURM_COMPLETING);
    assert_int_equal(s->limit_ms, -1);
    assert_int_equal(s->end_ms, 1700000020000);
    assert_int_equal(s->restarts, 2);
    assert_int_equal(s->gpus, 4);
    assert_string_equal(s->token, TOKEN);
}

/* A job of sacct's JSON, with room for its state and its exit. */
#define RECORD                                                                                 \
    "{\"jobs\":[{\"job_id\":7,\"cluster\":\"north\",\"user\":\"alice\",\"nodes\":\"n1\","      \
    "\"array\":{\"job_id\":0},\"het\":{\"job_id\":" UNSET "},\"comment\":{\"job\":\"x\"},"     \
    "\"state\":{\"current\":[\"%s\"],\"reason\":\"None\"},\"time\":{\"elapsed\":5,"            \
    "\"submission\":100,\"start\":110,\"end\":115,\"limit\":60},\"exit_code\":%s,"             \
    "\"tres\":{\"allocated\":[{\"type\":\"gres\",\"name\":\"gpu\",\"count\":2},"               \
    "{\"type\":\"gres\",\"name\":\"gpu:a100\",\"count\":2},7]}}]}"

static void later_records_tell_code_and_signal(void **state)
{
    static const struct {
        const char *state, *exit;
        int code, signal_no;
    } cases[] = {
        {"FAILED", "{\"return_code\":" SET(3) ",\"signal\":{\"id\":" UNSET "}}", 3, 0},
        {"FAILED", "{\"return_code\":" UNSET ",\"signal\":{\"id\":" SET(9) "}}", -1, 9},
        {"FAILED", "{\"return_code\":null,\"signal\":{\"signal_id\":15}}", -1, 15},
        {"FAILED", "{\"status\":\"SUCCESS\",\"return_code\":0}", -1,
         0}, /* 22.05, of any failure */
        {"COMPLETED", "{\"status\":[\"SUCCESS\"],\"return_code\":" SET(0) "}", 0, 0},
        {"COMPLETED", "[]", -1, 0},
        {"COMPLETED", "{\"return_code\":999}", -1, 0},
        {"FAILED", "768", 3, 0},
        {"FAILED", "99999999", -1, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        static struct book b;
        AUTO(buf_done) struct buf text = BUF_INIT(4096);
        b = (struct book){0};
        buf_printf(&text, RECORD, cases[i].state, cases[i].exit);
        assert_int_equal(slurm_sacct_json(text.data, text.len, &(struct slurm_taker){keep, &b},
                                          &b.told, NULL),
                         0);
        const struct slurm_seen *s = find(&b, 7);
        assert_int_equal(s->exit_code, cases[i].code);
        assert_int_equal(s->signal_no, cases[i].signal_no);
        assert_int_equal(s->limit_ms, 3600000);
        assert_int_equal(s->gpus, 2);
        assert_string_equal(s->gpu_type, "a100");
    }
}

static void json_that_is_none_is_an_error(void **state)
{
    static const struct {
        const char *text;
        int r;
    } bad[] = {
        {"", -EINVAL},
        {"[]", -EINVAL},
        {"{\"jobs\":[", -EINVAL},
        {"{\"jobs\":[{\"job_id\":99999999999999999999}]}", -EINVAL},
        {"{}", -EBADMSG},
        {"{\"jobs\":{}}", -EBADMSG},
        {"{\"jobs\":[],\"errors\":[{\"error\":\"Unable to contact slurmdbd\"}]}", -EIO},
        {"{\"jobs\":[],\"errors\":[{\"description\":\"no\"}]}", -EIO},
        {"{\"jobs\":[],\"errors\":[7]}", -EIO},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct slurm_count told;
        struct err why = {""};
        const struct slurm_taker to = {keep, NULL};
        assert_int_equal(slurm_squeue_json(bad[i].text, strlen(bad[i].text), &to, &told, &why),
                         bad[i].r);
        assert_true(strlen(why.text) > 0);
        assert_int_equal(slurm_sacct_json(bad[i].text, strlen(bad[i].text), &to, &told, &why),
                         bad[i].r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_of_a_real_slurm_is_read_whole),
        cmocka_unit_test(the_record_of_a_real_slurm_is_read_whole),
        cmocka_unit_test(both_forms_say_the_same),
        cmocka_unit_test(what_is_unknown_is_never_0),
        cmocka_unit_test(what_is_only_expected_is_unknown),
        cmocka_unit_test(ids_of_arrays_are_not_ours_and_others_are_none),
        cmocka_unit_test(a_bad_row_costs_no_other),
        cmocka_unit_test(output_cut_anywhere_gives_no_half_number),
        cmocka_unit_test(a_comment_cannot_pretend_to_be_a_row),
        cmocka_unit_test(later_json_wraps_its_numbers),
        cmocka_unit_test(later_records_tell_code_and_signal),
        cmocka_unit_test(json_that_is_none_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* The identity that a report must satisfy, its canonical lines, who stands first, and shares;
 * and the small rules of changes. */
#include "quota/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quota/change.h"
#include "quota/report_book.h"
#include "quota/report_canonical.h"
#include "quota/report_waste.h"
#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static const struct report_sums sound = {
    .usage = {[USE_CHARGED] = 30, [USE_REFUNDED] = 7},
    .ledger_charged_gpums = 30,
    .ledger_refunded_gpums = 7,
    .flow.gpums = {[FLOW_OPENING] = 100,
                   [FLOW_GRANTED] = 50,
                   [FLOW_REVOKED] = 4,
                   [FLOW_TRANSFERRED_IN] = 9,
                   [FLOW_TRANSFERRED_OUT] = 3,
                   [FLOW_ADJUSTED] = -2,
                   [FLOW_EXPIRED] = 20,
                   [FLOW_CHARGED] = 30,
                   [FLOW_REFUNDED] = 5,
                   [FLOW_REFUND_EXPIRED] = 2,
                   [FLOW_CLOSING] = 105},
};

static void a_sound_month_adds_up(void **state)
{
    (void)state;
    assert_true(report_adds_up(&sound));
    assert_true(report_adds_up(&(struct report_sums){0}));
}

static void any_sum_off_by_one_is_seen(void **state)
{
    (void)state;
    for (int i = 0; i < 4 + FLOW_PARTS; i++) {
        struct report_sums s = sound;
        int64_t *const sums[] = {&s.usage[USE_CHARGED], &s.usage[USE_REFUNDED],
                                 &s.ledger_charged_gpums, &s.ledger_refunded_gpums};
        int part = i - 4;
        bool is_beside = part == FLOW_FREE || part == FLOW_HELD || part == FLOW_USED;
        ++*(i < 4 ? sums[i] : &s.flow.gpums[part]);
        assert_int_equal(report_adds_up(&s), is_beside);
    }
}

static void put_sentence(const char *sentence, void *arg)
{
    buf_printf(arg, "%s\n", sentence);
}

static void the_words_name_every_number(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(4096);
    struct report_sums s = sound;
    for (int i = 0; i < FLOW_PARTS; i++)
        s.flow.gpums[i] *= 36000000; /* ten hours each */
    s.usage[USE_CHARGED] = s.ledger_charged_gpums = s.flow.gpums[FLOW_CHARGED];
    s.usage[USE_REFUNDED] = s.ledger_refunded_gpums = 70 * 3600000;
    report_words(&s, put_sentence, &text);
    assert_string_equal(
        buf_text(&text),
        "charged: users = ledger = allocations: 300.000 = 300.000 = 300.000 GPU-hours\n"
        "refunded: users = ledger = allocations: 70.000 = 70.000 = 70.000 GPU-hours\n"
        "opening + granted - revoked + transferred in - transferred out + adjusted - expired "
        "- charged + refunded = closing: 1,000.000 + 500.000 - 40.000 + 90.000 - 30.000 + "
        "-20.000 - 200.000 - 300.000 + 50.000 = 1,050.000 GPU-hours\n"
        "charged: users = ledger = opening - closing + what came in - what went out: 300.000 = "
        "300.000 = 1,000.000 - 1,050.000 + 620.000 - 270.000 GPU-hours\n");
    buf_done(&text);
}

static void a_difference_that_hours_would_hide_is_told_exactly(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(4096);
    struct report_sums s = sound;
    s.usage[USE_CHARGED] = 1000031;
    s.flow.gpums[FLOW_CLOSING]++;
    report_words(&s, put_sentence, &text);
    const char *words = buf_text(&text);
    assert_non_null(strstr(words, "allocations: 1,000,031 = 30 = 30 GPU-milliseconds\n"));
    assert_non_null(strstr(words, "refunded: users = ledger = allocations: 0.000 = "));
    assert_non_null(
        strstr(words, ": 100 + 50 - 4 + 9 - 3 + -2 - 20 - 30 + 5 = 106 GPU-milliseconds\n"));
    assert_non_null(strstr(words, ": 1,000,031 = 30 = 100 - 106 + 62 - 27 GPU-milliseconds\n"));
    buf_done(&text);
}

static const char *fact_of(const struct book *b, const char *name)
{
    for (size_t i = 0; i < b->fact_count; i++)
        if (!strcmp(b->facts[i].name, name))
            return b->facts[i].value;
    return NULL;
}

static void the_head_says_what_it_is_of(void **state)
{
    static const struct {
        struct report_filter only;
        bool is_of_user, is_broken;
        const char *says, *adds_up;
    } cases[] = {
        {{NULL, NULL, NULL}, false, false, NULL, "yes, to the GPU-millisecond; "},
        {{"north", NULL, NULL}, false, true, "tenant north", "no: run `quota verify`"},
        {{"north", "lattice", "bob"},
         true,
         true,
         "tenant north, project lattice, user bob",
         NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct report r = {.sums = sound, .is_of_user = cases[i].is_of_user};
        struct report_about about = {.site = "Site", .zone = "UTC", .only = cases[i].only};
        r.sums.ledger_charged_gpums += cases[i].is_broken;
        AUTO(book_freep) struct book *b = report_book_paper(&r, &about);
        const char *only = fact_of(b, "Only"), *adds_up = fact_of(b, "Adds up");
        assert_true(only ? cases[i].says && !strcmp(only, cases[i].says) : !cases[i].says);
        assert_true(adds_up ? cases[i].adds_up &&
                                  !strncmp(adds_up, cases[i].adds_up, strlen(cases[i].adds_up))
                            : !cases[i].adds_up);
        assert_int_equal(report_is_balanced(&r), cases[i].is_of_user || !cases[i].is_broken);
    }
}

/* Three rows of one project: the order of names is not that of numbers. */
static struct report_usage users[] = {
    {"north", "lattice", "alice", "n", "Alice", 9, {[USE_CHARGED] = 10}},
    {"north", "lattice", "bob", "n", "Bob", 3, {[USE_CHARGED] = 30, [USE_REFUNDED] = 5}},
    {"north", "lattice", "carol", "n", "Carol", 5, {[USE_CHARGED] = 25}},
};

static void who_used_most_stands_first(void **state)
{
    (void)state;
    const struct report_usages all = {users, COUNT(users)};
    const struct report_usage *top[3];
    assert_int_equal(report_top(&all, 3, top), 3);
    assert_string_equal(top[0]->login, "bob"); /* as much as carol, but first by name */
    assert_string_equal(top[1]->login, "carol");
    assert_string_equal(top[2]->login, "alice");
    assert_int_equal(report_top(&all, 1, top), 1);
    assert_int_equal(report_top(&(struct report_usages){0}, 0, top), 0);
}

static void canonical_lines_have_numbers_for_persons(void **state)
{
    (void)state;
    struct report r = {.span = {202610, 202610, 1, 2, false},
                       .usage[REPORT_USERS] = {users, COUNT(users)},
                       .sums = sound};
    struct buf text = BUF_INIT(65536);
    report_put(&r, &text);
    const char *lines = buf_text(&text);
    assert_int_equal(strncmp(lines, "month 2026-10 from_ms 1 until_ms 2\n", 35), 0);
    const char *bob = strstr(lines, "user north lattice 3 started 0");
    const char *carol = strstr(lines, "user north lattice 5 ");
    const char *alice = strstr(lines, "user north lattice 9 ");
    assert_true(bob && carol && alice && bob < carol && carol < alice);
    assert_null(strstr(lines, "alice"));
    assert_null(strstr(lines, "Bob"));
    assert_non_null(strstr(lines, "allocations opening 100 granted 50 revoked 4 "));
    assert_null(strstr(lines, "free"));
    buf_done(&text);
}

static void a_checksum_changes_with_any_number_but_no_name(void **state)
{
    (void)state;
    struct report_usage rows[COUNT(users)];
    struct report r = {.usage[REPORT_USERS] = {rows, COUNT(users)}, .sums = sound};
    char first[DIGEST_HEX], other[DIGEST_HEX];
    memcpy(rows, users, sizeof(rows));
    assert_int_equal(report_checksum(&r, first, NULL), 0);
    char nobody[] = "person 9";
    rows[0].name = rows[0].login = nobody;
    assert_int_equal(report_checksum(&r, other, NULL), 0);
    assert_string_equal(first, other);
    rows[2].n[USE_WAITED]++;
    assert_int_equal(report_checksum(&r, other, NULL), 0);
    assert_string_not_equal(first, other);
}

static void months_are_written_with_a_dash(void **state)
{
    (void)state;
    char text[REPORT_SPAN_TEXT];
    report_span_text(&(struct report_span){.first = 202601, .last = 202601}, text);
    assert_string_equal(text, "2026-01");
    report_span_text(&(struct report_span){.first = 202611, .last = 202702}, text);
    assert_string_equal(text, "2026-11 to 2027-02");
}

static void shares_are_rounded_and_never_divide_by_nothing(void **state)
{
    static const struct {
        int64_t part, whole, share;
    } cases[] = {
        {0, 0, 0},
        {5, 0, 0},
        {1, 3, 333},
        {2, 3, 667},
        {1, 2000, 1},
        {1, 2001, 0},
        {7, 7, 1000},
        {14, 7, 2000},
        {INT64_MAX, INT64_MAX, 1000},
        {INT64_MAX / 2, INT64_MAX, 500},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(waste_share(cases[i].part, cases[i].whole), cases[i].share);
}

static void wasted_is_every_cause_but_idleness(void **state)
{
    (void)state;
    const struct waste_row row = {.gpums = {1000, 1, 20, 300, 4000, 50000, 7, 7}};
    assert_int_equal(waste_sum(&row), 54321);
}

static void the_parts_are_the_tables(void **state)
{
    (void)state;
    struct report r = {.span = {202610, 202610, 1, 2, false}};
    struct report_about about = {.site = "Site", .zone = "UTC", .checksum = "0123"};
    struct book *b = report_book(&r, &about);
    for (size_t i = 0; report_parts[i]; i++)
        assert_string_equal(b->tables[i].name, report_parts[i]);
    const struct table *sums = &b->tables[b->table_count - 1];
    assert_int_equal(sums->row_count, 1);
    assert_int_equal(sums->cell_count, sums->column_count);
    assert_true(sums->is_record);
    book_free(b);
}

static void a_key_is_never_one_of_the_ledgers_own(void **state)
{
    static const struct {
        const char *key;
        int r;
    } cases[] = {
        {"12345678", 0},
        {"settle-grant-lattice", 0},
        {"A.b_c-9999", 0},
        {"1234567", -EINVAL},
        {"", -EINVAL},
        {"hold:12345", -EINVAL},
        {"with blank", -EINVAL},
        {"line\nbreak", -EINVAL},
        {"0123456789012345678901234567890123456789012345678901234567890123", 0},
        {"01234567890123456789012345678901234567890123456789012345678901234", -EINVAL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(change_check_key(cases[i].key, NULL), cases[i].r);
}

static void texts_are_one_line_of_utf8(void **state)
{
    (void)state;
    assert_int_equal(change_check_text("title", "Müller 🚀 <script>", 40, NULL), 0);
    assert_int_equal(change_check_text("title", "", 40, NULL), 0);
    assert_int_equal(change_check_text("title", "\xff", 40, NULL), -EINVAL);
    assert_int_equal(change_check_text("title", "a\x1b[31m", 40, NULL), -EINVAL);
    assert_int_equal(change_check_text("title", "12345", 4, NULL), -EINVAL);
    assert_int_equal(change_check_reason("ok", NULL), -EINVAL);
    assert_int_equal(change_check_reason("why", NULL), 0);
    assert_int_equal(change_check_name("tenant", "north-1", NULL), 0);
    assert_int_equal(change_check_name("tenant", "-north", NULL), -EINVAL);
    assert_int_equal(change_check_name("tenant", "'; DROP TABLE job", NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_month_adds_up),
        cmocka_unit_test(any_sum_off_by_one_is_seen),
        cmocka_unit_test(the_words_name_every_number),
        cmocka_unit_test(a_difference_that_hours_would_hide_is_told_exactly),
        cmocka_unit_test(the_head_says_what_it_is_of),
        cmocka_unit_test(who_used_most_stands_first),
        cmocka_unit_test(canonical_lines_have_numbers_for_persons),
        cmocka_unit_test(a_checksum_changes_with_any_number_but_no_name),
        cmocka_unit_test(months_are_written_with_a_dash),
        cmocka_unit_test(shares_are_rounded_and_never_divide_by_nothing),
        cmocka_unit_test(wasted_is_every_cause_but_idleness),
        cmocka_unit_test(the_parts_are_the_tables),
        cmocka_unit_test(a_key_is_never_one_of_the_ledgers_own),
        cmocka_unit_test(texts_are_one_line_of_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* The identity that a month's report must satisfy; and the small rules of changes. */
#include "quota/report.h"

#include <errno.h>
#include <string.h>

#include "quota/change.h"
#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static const struct report_sums sound = {
    .usage_charged_gpums = 30,
    .usage_refunded_gpums = 5,
    .ledger_charged_gpums = 30,
    .ledger_refunded_gpums = 5,
    .opening_gpums = 100,
    .granted_gpums = 50,
    .expired_gpums = 20,
    .charged_gpums = 30,
    .refunded_gpums = 5,
    .closing_gpums = 105,
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
    for (int i = 0; i < 10; i++) {
        struct report_sums s = sound;
        int64_t *const sums[] = {&s.usage_charged_gpums,  &s.usage_refunded_gpums,
                                 &s.ledger_charged_gpums, &s.ledger_refunded_gpums,
                                 &s.opening_gpums,        &s.granted_gpums,
                                 &s.expired_gpums,        &s.charged_gpums,
                                 &s.refunded_gpums,       &s.closing_gpums};
        ++*sums[i];
        assert_false(report_adds_up(&s));
    }
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
        cmocka_unit_test(a_key_is_never_one_of_the_ledgers_own),
        cmocka_unit_test(texts_are_one_line_of_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

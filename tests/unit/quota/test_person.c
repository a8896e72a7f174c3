// SPDX-License-Identifier: Apache-2.0
/* Who sees what, as the table of the design says; and what one could still hold. */
#include "quota/person.h"

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

/* The job of person 1, in project 10 of tenant 100; its project's and tenant's reports; the
 * site. */
static const struct access_object job = {1, 10, 100}, project = {0, 10, 100},
                                  tenant = {0, 0, 100}, site = {0, 0, 0};

static struct membership member_of[] = {{.project_id = 10, .tenant_id = 100, .is_open = true}};
static struct membership pi_of[] = {
    {.project_id = 11, .tenant_id = 100, .is_pi = true},
    {.project_id = 10, .tenant_id = 100, .is_pi = true, .is_open = true}};
static struct membership stranger_to[] = {{.project_id = 11, .tenant_id = 100, .is_pi = true}};
static int64_t tenants[] = {99, 100}, other_tenants[] = {99};

static const struct person owner = {.id = 1, .tenant_id = 100, .is_active = true},
                           colleague = {.id = 2,
                                        .tenant_id = 100,
                                        .is_active = true,
                                        .memberships = member_of,
                                        .membership_count = 1},
                           pi = {.id = 3,
                                 .tenant_id = 100,
                                 .is_active = true,
                                 .memberships = pi_of,
                                 .membership_count = 2},
                           stranger = {.id = 4,
                                       .tenant_id = 100,
                                       .is_active = true,
                                       .memberships = stranger_to,
                                       .membership_count = 1,
                                       .admin_of = other_tenants,
                                       .admin_of_count = 1},
                           tenant_admin = {.id = 5,
                                           .tenant_id = 100,
                                           .is_active = true,
                                           .admin_of = tenants,
                                           .admin_of_count = 2},
                           admin = {.id = 6,
                                    .tenant_id = 100,
                                    .is_active = true,
                                    .is_admin = true},
                           disabled_admin = {.id = 6, .tenant_id = 100, .is_admin = true},
                           disabled_owner = {.id = 1, .tenant_id = 100};

#define N ACCESS_NO
#define Y ACCESS_YES
#define A ACCESS_AUDITED

static void everybody_sees_what_the_table_says(void **state)
{
    static const struct {
        const char *who;
        const struct person *person;
        enum access row, files, change, own_report, project_report, tenant_report, site_report;
    } cases[] = {
        {"owner", &owner, Y, Y, Y, Y, N, N, N},
        {"colleague", &colleague, Y, N, N, N, N, N, N},
        {"PI", &pi, Y, Y, Y, Y, Y, N, N},
        {"stranger", &stranger, N, N, N, N, N, N, N},
        {"tenant admin", &tenant_admin, Y, N, N, Y, Y, Y, N},
        {"admin", &admin, A, A, A, A, A, A, A},
        {"disabled admin", &disabled_admin, N, N, N, N, N, N, N},
        {"disabled owner", &disabled_owner, N, N, N, N, N, N, N},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct person *p = cases[i].person;
        print_message("%s\n", cases[i].who);
        assert_int_equal(access_may(p, ACCESS_ROW, job), cases[i].row);
        assert_int_equal(access_may(p, ACCESS_FILES, job), cases[i].files);
        assert_int_equal(access_may(p, ACCESS_CHANGE, job), cases[i].change);
        assert_int_equal(access_may(p, ACCESS_REPORT, job), cases[i].own_report);
        assert_int_equal(access_may(p, ACCESS_REPORT, project), cases[i].project_report);
        assert_int_equal(access_may(p, ACCESS_REPORT, tenant), cases[i].tenant_report);
        assert_int_equal(access_may(p, ACCESS_REPORT, site), cases[i].site_report);
    }
}

static void nobody_is_everybody(void **state)
{
    static const struct person none = {.is_active = true};
    (void)state;
    for (int what = ACCESS_ROW; what <= ACCESS_REPORT; what++)
        assert_int_equal(access_may(&none, (enum access_what)what, site), ACCESS_NO);
}

static void what_is_free_is_the_best_open_allocation(void **state)
{
    struct balance balances[] = {
        {.project_id = 10, .is_open = true, .free_gpums = 50},
        {.project_id = 10,
         .is_open = true,
         .free_gpums = 90,
         .has_share = true,
         .share_free_gpums = 70},
        {.project_id = 10, .is_open = false, .free_gpums = 1000},
        {.project_id = 11, .is_open = true, .free_gpums = 500},
        {.project_id = 12, .is_open = true, .free_gpums = 500, .has_share = true},
    };
    const struct person p = {.balances = balances, .balance_count = COUNT(balances)};
    (void)state;
    assert_int_equal(person_free_gpums(&p, 10), 70);
    assert_int_equal(person_free_gpums(&p, 11), 500);
    assert_int_equal(person_free_gpums(&p, 12), 0);
    assert_int_equal(person_free_gpums(&p, 13), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_sees_what_the_table_says),
        cmocka_unit_test(nobody_is_everybody),
        cmocka_unit_test(what_is_free_is_the_best_open_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

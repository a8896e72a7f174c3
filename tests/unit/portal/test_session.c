// SPDX-License-Identifier: Apache-2.0
/* Who may use which route, and which form's token is right for which session and action. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "portal/portal.h"
#include "portal/session.h"
#include "runner/base/cleanup.h"

static struct portal portal = {.form_key = (char *)"0123456789abcdef0123456789abcdef"};
static struct site site = {.arg = &portal};

static void routes_open_to_those_with_the_role(void **state)
{
    enum { NOBODY, PERSON, TENANT, ADMIN };
    static struct session people[] = {
        [PERSON] = {.person_id = 1},
        [TENANT] = {.person_id = 2, .is_tenant_admin = true},
        [ADMIN] = {.person_id = 3, .is_admin = true},
    };
    static const struct {
        int who;
        enum role role;
        enum router_verdict verdict;
    } cases[] = {
        {NOBODY, ROLE_ANYONE, ROUTER_ALLOW},       {NOBODY, ROLE_PERSON, ROUTER_LOGIN},
        {NOBODY, ROLE_ADMIN, ROUTER_LOGIN},        {PERSON, ROLE_PERSON, ROUTER_ALLOW},
        {PERSON, ROLE_TENANT_ADMIN, ROUTER_HIDE},  {PERSON, ROLE_ADMIN, ROUTER_HIDE},
        {TENANT, ROLE_TENANT_ADMIN, ROUTER_ALLOW}, {TENANT, ROLE_ADMIN, ROUTER_HIDE},
        {ADMIN, ROLE_TENANT_ADMIN, ROUTER_ALLOW},  {ADMIN, ROLE_ADMIN, ROUTER_ALLOW},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request r = {.session = cases[i].who ? &people[cases[i].who] : NULL};
        struct route route = {.role = cases[i].role};
        assert_int_equal(session_authorize(&r, &route), cases[i].verdict);
    }
}

static bool accepts(struct request *r, struct session *s, const char *path, const char *token)
{
    r->session = s;
    r->path = path;
    return session_check_token(NULL, r, token);
}

static void a_token_is_good_for_its_session_and_action_alone(void **state)
{
    struct session one = {.person_id = 1}, other = {.person_id = 1};
    struct request r = {.arena = arena_new(64 * 1024), .site = &site, .session = &one};
    (void)state;
    memset(one.hash, 'a', TOKEN_TEXT - 1);
    memset(other.hash, 'b', TOKEN_TEXT - 1);
    const char *token = session_form_token(&r, "POST /jobs/7/cancel");
    assert_true(token_is_form(token, strlen(token)));
    assert_true(accepts(&r, &one, "/jobs/7/cancel", token));
    assert_false(accepts(&r, &one, "/jobs/8/cancel", token));
    assert_false(accepts(&r, &one, "/jobs", token));
    assert_false(accepts(&r, &other, "/jobs/7/cancel", token));
    assert_false(accepts(&r, NULL, "/jobs/7/cancel", token));
    assert_false(accepts(&r, &one, "/jobs/7/cancel", ""));
    assert_false(accepts(&r, &one, "/jobs/7/cancel", "a token"));
    arena_free(r.arena);
}

static void another_form_key_makes_other_tokens(void **state)
{
    struct session one = {.person_id = 1};
    struct request r = {.arena = arena_new(64 * 1024), .site = &site, .session = &one};
    char *key = portal.form_key;
    (void)state;
    const char *token = session_form_token(&r, "POST /jobs");
    portal.form_key = (char *)"another key that is long enough.";
    assert_false(accepts(&r, &one, "/jobs", token));
    portal.form_key = key;
    assert_true(accepts(&r, &one, "/jobs", token));
    arena_free(r.arena);
}

static void nobody_has_a_form_token(void **state)
{
    struct request r = {.site = &site};
    (void)state;
    assert_string_equal(session_form_token(&r, "POST /jobs"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_open_to_those_with_the_role),
        cmocka_unit_test(a_token_is_good_for_its_session_and_action_alone),
        cmocka_unit_test(another_form_key_makes_other_tokens),
        cmocka_unit_test(nobody_has_a_form_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

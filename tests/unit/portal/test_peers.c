// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "portal/peers.h"

static struct peer *enter(struct peers *p, const char *address)
{
    struct sockaddr_in six_or_four[2] = {0};
    struct sockaddr_in6 *six = (void *)six_or_four;
    if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
    } else {
        assert_int_equal(inet_pton(AF_INET, address, &six_or_four[0].sin_addr), 1);
        six_or_four[0].sin_family = AF_INET;
    }
    return peers_enter(p, (struct sockaddr *)six_or_four);
}

static void an_address_has_max_each_places(void **state)
{
    struct peers *p = peers_new(2);
    (void)state;
    struct peer *one = enter(p, "192.0.2.1");
    assert_non_null(one);
    assert_non_null(enter(p, "192.0.2.1"));
    assert_null(enter(p, "192.0.2.1"));
    assert_non_null(enter(p, "192.0.2.2")); /* a neighbour counts for himself */
    peers_leave(p, one);
    assert_non_null(enter(p, "192.0.2.1"));
    assert_null(enter(p, "192.0.2.1"));
    peers_leave(p, NULL);
    peers_free(p);
}

static void an_ipv6_network_counts_together(void **state)
{
    struct peers *p = peers_new(2);
    (void)state;
    assert_non_null(enter(p, "2001:db8:1:2::1"));
    assert_non_null(enter(p, "2001:db8:1:2:ffff::9"));
    assert_null(enter(p, "2001:db8:1:2::3"));
    assert_non_null(enter(p, "2001:db8:1:3::1"));
    peers_free(p);
}

static void an_address_that_left_is_forgotten(void **state)
{
    struct peers *p = peers_new(1);
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct peer *one = enter(p, "192.0.2.1");
        assert_non_null(one);
        peers_leave(p, one);
    }
    peers_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_max_each_places),
        cmocka_unit_test(an_ipv6_network_counts_together),
        cmocka_unit_test(an_address_that_left_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Buffers and arenas stop at their ceilings and remember it; secrets are read only when ours
 * alone. */
#include "runner/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/arena.h"
#include "runner/base/cleanup.h"
#include "runner/base/secret.h"
#include "tests/unit/test.h"

static void a_buffer_never_passes_its_ceiling(void **state)
{
    AUTO(buf_done) struct buf b = BUF_INIT(10);
    (void)state;
    buf_put(&b, "12345");
    buf_printf(&b, "%d", 67890);
    assert_false(b.failed);
    assert_string_equal(buf_text(&b), "1234567890");
    buf_put_char(&b, 'x');
    assert_true(b.failed);
    buf_put(&b, "");
    assert_string_equal(buf_text(&b), "1234567890");
    buf_clear(&b);
    assert_false(b.failed);
    assert_string_equal(buf_text(&b), "");
}

static void an_arena_gives_null_at_its_ceiling(void **state)
{
    struct arena *a = arena_new(16 * 1024);
    (void)state;
    assert_non_null(arena_printf(a, "%s-%d", "job", 7));
    assert_null(arena_alloc(a, 1 << 20));
    int given = 0;
    while (arena_alloc(a, 1000) && given < 1000)
        given++;
    assert_in_range(given, 8, 16);
    arena_free(a);
}

static void a_secret_that_others_may_read_is_refused(void **state)
{
    char path[] = "/tmp/secretXXXXXX", *text = NULL;
    int fd = mkstemp(path);
    struct err e = {0};
    (void)state;
    assert_int_equal(write(fd, "hush\n", 5), 5);
    fchmod(fd, 0640);
    assert_int_equal(secret_read(path, &text, &e), -EACCES);
    assert_non_null(strstr(e.text, "chmod 600"));
    fchmod(fd, 0600);
    assert_int_equal(secret_read(path, &text, &e), 0);
    assert_string_equal(text, "hush");
    secret_free(text);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(secret_read(path, &text, &e), -EINVAL);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_never_passes_its_ceiling),
        cmocka_unit_test(an_arena_gives_null_at_its_ceiling),
        cmocka_unit_test(a_secret_that_others_may_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

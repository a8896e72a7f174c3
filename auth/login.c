// SPDX-License-Identifier: Apache-2.0
/* Decides on tries by numbers alone. Where they are stored, and what the page says, is the
 * caller's business; whether the password is right is directory.c's. */
#include "auth/login.h"

#include <errno.h>
#include <string.h>

#include <arpa/inet.h>

#include "runner/base/buf.h"

/* Failures that still count. A clock set back by more than a window forgets them too: a wrong
 * clock must not lock anybody out. */
static int64_t counted(const struct login_tries *t, int64_t now_ms)
{
    int64_t quiet_ms = now_ms - t->last_ms;
    return quiet_ms >= LOGIN_WINDOW_MS || quiet_ms <= -LOGIN_WINDOW_MS ? 0 : t->count;
}

static int64_t wait_ms(const struct login_tries *t, int64_t free_tries, int64_t now_ms)
{
    int64_t over = counted(t, now_ms) - free_tries;
    if (over < 0)
        return 0;
    int64_t wait = LOGIN_WAIT_FIRST_MS;
    while (over-- > 0 && wait < LOGIN_WAIT_MOST_MS)
        wait *= 2;
    if (wait > LOGIN_WAIT_MOST_MS)
        wait = LOGIN_WAIT_MOST_MS;
    int64_t quiet_ms = now_ms > t->last_ms ? now_ms - t->last_ms : 0;
    return quiet_ms >= wait ? 0 : wait - quiet_ms;
}

int64_t login_wait_ms(const struct login_tries *account, const struct login_tries *address,
                      int64_t now_ms)
{
    int64_t a = wait_ms(account, LOGIN_ACCOUNT_FREE, now_ms);
    int64_t b = wait_ms(address, LOGIN_ADDRESS_FREE, now_ms);
    return a > b ? a : b;
}

void login_tries_add(struct login_tries *t, int64_t now_ms)
{
    t->count = counted(t, now_ms) + 1;
    t->last_ms = now_ms;
}

void login_tries_undo(struct login_tries *t)
{
    if (t->count > 0)
        t->count--;
}

static void copy_key(const struct buf *key, char out[LOGIN_KEY_MAX])
{
    memset(out, 0, LOGIN_KEY_MAX);
    memcpy(out, buf_text(key), key->len);
}

bool login_account_key(const char *directory, const char *login, size_t len,
                       char out[LOGIN_KEY_MAX])
{
    AUTO(buf_done) struct buf key = BUF_INIT(LOGIN_KEY_MAX - 1);
    if (!directory_is_login(login, len))
        return false;
    buf_printf(&key, "%.64s/", directory);
    for (size_t i = 0; i < len; i++)
        buf_put_char(&key,
                     login[i] >= 'A' && login[i] <= 'Z' ? (char)(login[i] + 32) : login[i]);
    copy_key(&key, out);
    return true;
}

void login_address_key(const char *address, char out[LOGIN_KEY_MAX])
{
    AUTO(buf_done) struct buf key = BUF_INIT(LOGIN_KEY_MAX - 1);
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr v6;
    if (inet_pton(AF_INET6, address, &v6) != 1) {
        buf_printf(&key, "%.64s", address);
    } else if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        inet_ntop(AF_INET, &v6.s6_addr[12], text, sizeof(text));
        buf_put(&key, text);
    } else {
        memset(&v6.s6_addr[8], 0, 8);
        inet_ntop(AF_INET6, &v6, text, sizeof(text));
        buf_printf(&key, "%s/64", text);
    }
    copy_key(&key, out);
}

enum login_answer login_check(const struct directories *all, const struct login_ask *ask,
                              struct identity **out, struct err *why)
{
    const struct directory *d = directories_find(all, ask->directory);
    if (!d) {
        err_set(why, -ENOENT, "directory %.64s: not configured", ask->directory);
        return LOGIN_REFUSED;
    }
    return directory_login(d, ask->login, ask->login_len, ask->password, ask->password_len, out,
                           why);
}

// SPDX-License-Identifier: Apache-2.0
/* The connection: found, made and secured by us step by step, so that each step has a deadline
 * and a sentence of its own. libldap's own connecting is not used: it waits for ever in a
 * handshake unless two options are set, and gives one error for all causes. What is said over
 * it is in link_say.c. */
#include "auth/link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ldap.h>
#include <openldap.h>

#include "auth/certificate.h"
#include "auth/link_say.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"

enum {
    REPLY_MAX_BYTES = 4 * 1024 * 1024,
    CLOCK_LEVEL = (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2
};

struct link *link_new(const struct directory *d, const char *uri, int64_t by_ms)
{
    struct link *l = xnew(struct link);
    int64_t connect_by_ms = now_mono_ms() + d->connect_timeout;
    l->d = d;
    l->uri = uri;
    l->fd = -1;
    l->by_ms = connect_by_ms < by_ms ? connect_by_ms : by_ms;
    l->all_by_ms = by_ms;
    return l;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    if (l->ldap)
        ldap_unbind_ext(l->ldap, NULL, NULL); /* closes the socket */
    cleanup_close(&l->fd);
    if (l->addresses)
        freeaddrinfo(l->addresses);
    ldap_free_urldesc(l->url);
    free(l);
}

static bool is_local(const struct link *l)
{
    return !strcmp(l->url->lud_scheme, "ldapi");
}

const char *link_uri(const struct link *l)
{
    return l->uri;
}

bool link_has_tls(const struct link *l)
{
    return !is_local(l) && (!strcmp(l->url->lud_scheme, "ldaps") || l->d->tls != TLS_NONE);
}

void link_peek(struct link *l)
{
    l->is_peek = true;
}

/* getaddrinfo(3) cannot be given a time limit; directory_init() bounds the resolver itself. */
int link_resolve(struct link *l, struct err *e)
{
    if (ldap_url_parse(l->uri, &l->url) != LDAP_URL_SUCCESS)
        return err_set(e, -EPROTO, "%s: not a URI", l->uri);
    if (is_local(l))
        return 0;
    char port[8] = {0};
    for (int n = l->url->lud_port & 0xffff, at = 4; at >= 0; at--, n /= 10)
        port[at] = (char)('0' + n % 10);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int r = getaddrinfo(l->url->lud_host, port, &hints, &l->addresses);
    if (r != 0)
        return err_set(e, -EHOSTDOWN, "%s: the name %s is not found (%s)", l->uri,
                       l->url->lud_host, gai_strerror(r));
    return 0;
}

/* Ends connect(2) on a socket that does not block. */
static int wait_connected(int fd, int64_t by_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int code = 0;
    socklen_t size = sizeof(code);
    for (;;) {
        int64_t left_ms = by_ms - now_mono_ms();
        int n = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (n > 0)
            break;
        if (errno != EINTR)
            return -errno;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
        return -errno;
    return -code;
}

static int connect_to(struct link *l, const struct sockaddr *address, socklen_t size,
                      int64_t by_ms)
{
    AUTO(cleanup_close)
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    if (address->sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int r = connect(fd, address, size) < 0 ? -errno : 0;
    if (r == -EINPROGRESS)
        r = wait_connected(fd, by_ms);
    if (r < 0)
        return r;
    l->fd = fd;
    fd = -1;
    return 0;
}

static int connect_local(struct link *l)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(l->url->lud_host);
    if (len >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, l->url->lud_host, len);
    return connect_to(l, (struct sockaddr *)&address, sizeof(address), l->by_ms);
}

/* Every address gets its share of the time that is left, so that one dead address of several
 * does not use it all. */
static int connect_any(struct link *l)
{
    int r = -EADDRNOTAVAIL;
    int64_t count = 0;
    for (const struct addrinfo *a = l->addresses; a; a = a->ai_next)
        count++;
    for (const struct addrinfo *a = l->addresses; a && r < 0; a = a->ai_next) {
        int64_t now = now_mono_ms();
        int64_t share_ms = (l->by_ms - now) / count--;
        r = connect_to(l, a->ai_addr, a->ai_addrlen, now + share_ms);
    }
    return r;
}

struct option {
    int name;
    const void *value;
};

static int set_options(struct link *l, const struct option *options, size_t count,
                       struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (ldap_set_option(l->ldap, options[i].name, options[i].value) != LDAP_OPT_SUCCESS)
            return err_set(e, -EPROTO, "%s: libldap refuses its option 0x%x", l->uri,
                           (unsigned)options[i].name);
    return 0;
}

/* A layer between the socket and TLS that ends everything at the link's deadline. libldap's own
 * limit on a handshake begins anew with every byte, so a server that drips would hold us for
 * hours. */
static int clock_setup(Sockbuf_IO_Desc *at, void *arg)
{
    at->sbiod_pvt = arg;
    return 0;
}

static int clock_pass(Sockbuf_IO_Desc *at)
{
    (void)at;
    return 0;
}

static int clock_control(Sockbuf_IO_Desc *at, int option, void *arg)
{
    return LBER_SBIOD_CTRL_NEXT(at, option, arg);
}

static bool is_over(const Sockbuf_IO_Desc *at)
{
    const struct link *l = at->sbiod_pvt;
    if (now_mono_ms() < l->by_ms)
        return false;
    errno = ETIMEDOUT;
    return true;
}

static ber_slen_t clock_read(Sockbuf_IO_Desc *at, void *data, ber_len_t len)
{
    return is_over(at) ? -1 : LBER_SBIOD_READ_NEXT(at, data, len);
}

static ber_slen_t clock_write(Sockbuf_IO_Desc *at, void *data, ber_len_t len)
{
    return is_over(at) ? -1 : LBER_SBIOD_WRITE_NEXT(at, data, len);
}

static Sockbuf_IO clock_layer = {clock_setup, clock_pass,  clock_control,
                                 clock_read,  clock_write, clock_pass};

/* CONNECT_ASYNC together with NETWORK_TIMEOUT makes a handshake with a silent server end. */
static int set_general(struct link *l, struct err *e)
{
    static const int version = LDAP_VERSION3, deref = LDAP_DEREF_NEVER;
    const struct option options[] = {
        {LDAP_OPT_PROTOCOL_VERSION, &version},
        {LDAP_OPT_REFERRALS, LDAP_OPT_OFF},
        {LDAP_OPT_DEREF, &deref},
        {LDAP_OPT_CONNECT_ASYNC, LDAP_OPT_ON},
        {LDAP_OPT_RESTART, LDAP_OPT_ON},
    };
    int r = set_options(l, options, COUNT(options), e);
    Sockbuf *sockbuf = NULL;
    ber_len_t most = REPLY_MAX_BYTES;
    if (r == 0 && (ldap_get_option(l->ldap, LDAP_OPT_SOCKBUF, &sockbuf) != LDAP_OPT_SUCCESS ||
                   ber_sockbuf_ctrl(sockbuf, LBER_SB_OPT_SET_MAX_INCOMING, &most) != 1 ||
                   ber_sockbuf_add_io(sockbuf, &clock_layer, CLOCK_LEVEL, l) != 0))
        return err_set(e, -EPROTO, "%s: libldap refuses the limits on replies", l->uri);
    return r;
}

static int set_tls(struct link *l, struct err *e)
{
    static const int hard = LDAP_OPT_X_TLS_HARD, never = LDAP_OPT_X_TLS_NEVER, client = 0;
    static const int least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
    const struct option options[] = {
        {LDAP_OPT_X_TLS_REQUIRE_CERT, l->is_peek ? &never : &hard},
        {LDAP_OPT_X_TLS_PROTOCOL_MIN, &least},
        {LDAP_OPT_X_TLS_CACERTFILE, l->d->ca_file},
    };
    const struct option own[] = {{LDAP_OPT_X_TLS_CERTFILE, l->d->client_cert_file},
                                 {LDAP_OPT_X_TLS_KEYFILE, l->d->client_key_file}};
    const struct option context = {LDAP_OPT_X_TLS_NEWCTX, &client};
    int r = set_options(l, options, COUNT(options), e);
    if (r == 0 && *l->d->client_cert_file)
        r = set_options(l, own, COUNT(own), e);
    if (r < 0)
        return r;
    if (access(l->d->ca_file, R_OK) < 0)
        return err_set(e, -EPROTO, "%s: ca_file %s: %s", l->uri, l->d->ca_file,
                       strerror(errno));
    if (set_options(l, &context, 1, NULL) < 0)
        return err_set(e, -EPROTO, "%s: ca_file %s or the client certificate is not PEM",
                       l->uri, l->d->ca_file);
    return 0;
}

/* With GnuTLS libldap passes over PROTOCOL_MIN, so what came out is looked at before anything
 * is sent. (CIPHER_SUITE would do it there, and leaks 8 KiB a connection in libldap 2.5.) */
static int check_version(struct link *l, struct err *e)
{
    char *version = NULL;
    ldap_get_option(l->ldap, LDAP_OPT_X_TLS_VERSION, &version);
    const char *number = version ? version + strcspn(version, "0123456789") : "";
    bool is_good = !strcmp(number, "1.2") || !strcmp(number, "1.3");
    int r = is_good ? 0
                    : err_set(e, -EPROTO,
                              "%s: the server speaks %s; it should speak TLS 1.2 or 1.3",
                              l->uri, version ? version : "no TLS");
    ldap_memfree(version);
    return r;
}

int link_connect(struct link *l, struct err *e)
{
    int r = is_local(l) ? connect_local(l) : connect_any(l);
    if (r < 0)
        return err_set(e, r == -ETIMEDOUT ? r : -EHOSTDOWN, "%s: cannot connect: %s", l->uri,
                       strerror(-r));
    if (ldap_init_fd(l->fd, is_local(l) ? LDAP_PROTO_IPC : LDAP_PROTO_TCP, l->uri, &l->ldap) !=
        LDAP_SUCCESS)
        return err_set(e, -EPROTO, "%s: libldap does not take the connection", l->uri);
    l->fd = -1; /* libldap's now */
    return set_general(l, e);
}

static int handshake(struct link *l, struct err *e)
{
    int64_t left_ms = l->by_ms - now_mono_ms();
    if (left_ms <= 0)
        return err_set(e, -ETIMEDOUT, "%s: no TLS in time", l->uri);
    struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    const struct option limit = {LDAP_OPT_NETWORK_TIMEOUT, &left};
    int r = set_options(l, &limit, 1, e);
    if (r < 0)
        return r;
    int code = ldap_install_tls(l->ldap);
    if (now_mono_ms() >= l->by_ms)
        return err_set(e, -ETIMEDOUT, "%s: no TLS in time", l->uri);
    return code == LDAP_SUCCESS ? check_version(l, e) : link_failed(l, code, "TLS", e);
}

int link_secure(struct link *l, struct err *e)
{
    bool has_tls = link_has_tls(l);
    int r = has_tls ? set_tls(l, e) : 0;
    if (r == 0 && has_tls && strcmp(l->url->lud_scheme, "ldaps") != 0)
        r = link_start_tls(l, e);
    if (r == 0 && has_tls)
        r = handshake(l, e);
    if (r == 0)
        l->by_ms = l->all_by_ms;
    return r;
}

int link_open(const struct directory *d, const char *uri, int64_t by_ms, struct link **out,
              struct err *e)
{
    AUTO(link_freep) struct link *l = link_new(d, uri, by_ms);
    int r = link_resolve(l, e);
    if (r == 0)
        r = link_connect(l, e);
    if (r == 0)
        r = link_secure(l, e);
    if (r == 0)
        *out = TAKE(l);
    return r;
}

int link_certificate(struct link *l, struct certificate *out)
{
    struct berval der = {0};
    if (ldap_get_option(l->ldap, LDAP_OPT_X_TLS_PEERCERT, &der) != LDAP_OPT_SUCCESS ||
        !der.bv_val)
        return -ENODATA;
    int r = certificate_read(der.bv_val, der.bv_len, out);
    ldap_memfree(der.bv_val);
    return r;
}

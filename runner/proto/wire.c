// SPDX-License-Identifier: Apache-2.0
/* Packets over SOCK_SEQPACKET: one sendmsg(2) or recvmsg(2) each, so that a packet is whole or
 * not there. What a packet means is left to its reader. A descriptor that came with a bad
 * packet never stays open. */
#include "runner/proto/wire.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner/base/now.h"

enum {
    BACKLOG = 128,
    ERRNO_MAX = 133,  /* the highest errno of Linux */
    FDS_LOOKED_AT = 4 /* room in the control message, so that a second descriptor is seen */
};

void packet_done(struct packet *p)
{
    json_decref(p->body);
    p->body = NULL;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

int packet_take_fd(struct packet *p)
{
    int fd = p->fd;
    p->fd = -1;
    return fd;
}

/* Waits until `sock` is ready for `events` or `until` (monotonic, -1: for ever) has passed. */
static int wait_for(int sock, short events, int64_t until, struct err *e)
{
    struct pollfd p = {.fd = sock, .events = events};
    for (;;) {
        int64_t left = until < 0 ? -1 : until - now_mono_ms();
        if (until >= 0 && left < 0)
            left = 0;
        int n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
        if (n > 0)
            return 0;
        if (n == 0)
            return err_set(e, -ETIMEDOUT, "the other side does not answer");
        if (errno != EINTR)
            return err_set(e, -errno, "poll: %s", strerror(errno));
    }
}

static int send_bytes(int sock, const char *text, size_t len, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = (char *)text, .iov_len = len};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS,
                              .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    return sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int wire_send(int sock, const json_t *body, int fd, int64_t wait_ms, struct err *e)
{
    int64_t until = wait_ms < 0 ? -1 : now_mono_ms() + wait_ms;
    AUTO(cleanup_free) char *text = json_dumps(body, JSON_COMPACT);
    if (!text)
        return err_set(e, -EINVAL, "a packet that is not JSON");
    size_t len = strlen(text);
    if (len > WIRE_MAX)
        return err_set(e, -EMSGSIZE, "a packet of %zu bytes, at most %d are allowed", len,
                       WIRE_MAX);
    for (;;) {
        int r = send_bytes(sock, text, len, fd);
        if (r == -EINTR)
            continue;
        if (r == -EAGAIN && wait_ms != 0)
            r = wait_for(sock, POLLOUT, until, e);
        else if (r <= 0)
            return r == 0 ? 0 : err_set(e, r, "send: %s", strerror(-r));
        if (r < 0)
            return r;
    }
}

/* Puts the one descriptor into out->fd; closes all and says false if there were more. */
static bool collect_fds(struct msghdr *m, struct packet *out)
{
    int count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++, count++) {
            if (out->fd >= 0)
                close(out->fd);
            memcpy(&out->fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
    }
    return count <= 1 && !(m->msg_flags & MSG_CTRUNC);
}

static int receive_once(int sock, char *room, struct packet *out, struct err *e)
{
    char control[CMSG_SPACE(FDS_LOOKED_AT * sizeof(int))];
    struct iovec part = {.iov_base = room, .iov_len = WIRE_MAX};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return err_set(e, -errno, "receive: %s", strerror(errno));
    if (!collect_fds(&m, out))
        return err_set(e, -EBADMSG, "a packet with more than one descriptor");
    if (n == 0)
        return err_set(e, -ECONNRESET, "the other side closed the connection");
    if (m.msg_flags & MSG_TRUNC)
        return err_set(e, -EMSGSIZE, "a packet of more than %d bytes", WIRE_MAX);
    return jget_parse(room, (size_t)n, WIRE_MAX, &out->body, e) < 0 ? -EBADMSG : 0;
}

int wire_receive(int sock, int64_t wait_ms, struct packet *out, struct err *e)
{
    int64_t until = wait_ms < 0 ? -1 : now_mono_ms() + wait_ms;
    AUTO(cleanup_free) char *room = malloc(WIRE_MAX);
    if (!room)
        return err_set(e, -ENOMEM, "no memory for a packet");
    for (;;) {
        AUTO(packet_done) struct packet p = PACKET_NONE;
        int r = receive_once(sock, room, &p, e);
        if (r == 0) {
            *out = p;
            p = PACKET_NONE;
            return 0;
        }
        if (r == -EINTR)
            continue;
        if (r != -EAGAIN || wait_ms == 0)
            return r;
        r = wait_for(sock, POLLIN, until, e);
        if (r < 0)
            return r;
    }
}

static int set_address(struct sockaddr_un *a, const char *path, struct err *e)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a->sun_path))
        return err_set(e, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes", path,
                       sizeof(a->sun_path) - 1);
    memcpy(a->sun_path, path, strlen(path));
    return 0;
}

int wire_connect(const char *path, struct err *e)
{
    struct sockaddr_un a;
    int r = set_address(&a, path, e);
    if (r < 0)
        return r;
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return err_set(e, -errno, "socket: %s", strerror(errno));
    if (connect(sock, (struct sockaddr *)&a, sizeof(a)) < 0) {
        r = -errno;
        close(sock);
        return err_set(e, r, "%s: %s", path, strerror(-r));
    }
    return sock;
}

/* Removes a socket nobody listens on; anything else in the way stays. */
static int clear_way(const char *path, struct err *e)
{
    AUTO(cleanup_close) int alive = wire_connect(path, NULL);
    if (alive == -ENOENT)
        return 0;
    if (alive != -ECONNREFUSED)
        return err_set(e, -EADDRINUSE, "%s: in use by another program", path);
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return err_set(e, -EEXIST, "%s: exists and is no socket", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    return 0;
}

static int place(int sock, const struct wire_place *at, const struct sockaddr_un *a)
{
    /* bind(2) makes the file with the socket's mode less the umask: never wider than asked for.
     */
    if (fchmod(sock, at->mode) < 0 || bind(sock, (const struct sockaddr *)a, sizeof(*a)) < 0)
        return -errno;
    bool is_given = at->owner != (uid_t)-1 || at->group != (gid_t)-1;
    if (is_given && lchown(at->path, at->owner, at->group) < 0)
        return -errno;
    return chmod(at->path, at->mode) < 0 || listen(sock, BACKLOG) < 0 ? -errno : 0;
}

int wire_listen(const struct wire_place *at, struct err *e)
{
    struct sockaddr_un a;
    int r = set_address(&a, at->path, e);
    if (r == 0)
        r = clear_way(at->path, e);
    if (r < 0)
        return r;
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return err_set(e, -errno, "socket: %s", strerror(errno));
    r = place(sock, at, &a);
    if (r < 0) {
        close(sock);
        return err_set(e, r, "%s: cannot listen: %s", at->path, strerror(-r));
    }
    return sock;
}

int wire_peer(int sock, uid_t *out_uid, pid_t *out_pid)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return -errno;
    *out_uid = who.uid;
    if (out_pid)
        *out_pid = who.pid;
    return 0;
}

json_t *wire_ok(int64_t id)
{
    return json_pack("{sIsb}", "id", (json_int_t)id, "ok", 1);
}

json_t *wire_refusal(int64_t id, int code, const struct err *why)
{
    const char *name = strerrorname_np(-code);
    const char *text = why && why->text[0] ? why->text : strerror(-code);
    AUTO(json_freep) json_t *sentence = json_string(text);
    if (!sentence) /* not UTF-8: something from outside was quoted */
        sentence = json_string(strerror(-code));
    return json_pack("{sIsbsssO}", "id", (json_int_t)id, "ok", 0, "errno", name ? name : "EIO",
                     "error", sentence);
}

static int errno_find(const char *name)
{
    for (int code = 1; code <= ERRNO_MAX; code++) {
        const char *known = strerrorname_np(code);
        if (known && !strcmp(known, name))
            return code;
    }
    return EIO;
}

int wire_status(const json_t *reply, struct err *e)
{
    bool is_ok;
    if (jget_bool_or(reply, "ok", false, &is_ok, e) < 0)
        return -EBADMSG;
    if (is_ok)
        return 0;
    const char *name, *text;
    if (jget_text(reply, "errno", 32, &name, e) < 0 ||
        jget_text_or(reply, "error", sizeof(e->text), "no reason given", &text, e) < 0)
        return -EBADMSG;
    return err_set(e, -errno_find(name), "%s", text);
}

// SPDX-License-Identifier: Apache-2.0
/* Two tables of keys, and what follows from several keys together. */
#include "portal/site_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS INT64_C(86400000)

static const char *const accounts_modes[] = {"range", "nss", NULL};

static const struct conf_key site_keys[] = {
    {"name", CONF_TEXT, offsetof(struct site_conf, name), "Firefly", 1, 80, NULL,
     "the site's name, as people know it"},
    {"zone", CONF_TEXT, offsetof(struct site_conf, zone), "UTC", 1, 64, NULL,
     "time zone of the site, an IANA name such as Europe/Berlin"},
    {"poll", CONF_DURATION, offsetof(struct site_conf, poll_ms), "1s", 100, 60000, NULL,
     "how often what changes is looked at"},
};

#define PORTAL_KEY(name, type, field, value, min, max, help)                                   \
    {                                                                                          \
        name, type, offsetof(struct site_conf, field), value, min, max, NULL, help             \
    }

static const struct conf_key portal_keys[] = {
    PORTAL_KEY("listen", CONF_TEXT, listen, "127.0.0.1:8443", 3, 64,
               "address and port, like 127.0.0.1:8443 or [::]:443; port 0 takes a free one"),
    PORTAL_KEY("port_file", CONF_PATH, port_file, "", 0, 0,
               "file that gets the port it listens at"),
    PORTAL_KEY("hosts", CONF_LIST, given_hosts, "", 0, 0,
               "names of the site in browsers' address lines"),
    PORTAL_KEY("tls", CONF_BOOL, tls, "yes", 0, 0, "no: plain HTTP, on loopback alone"),
    PORTAL_KEY("tls_cert", CONF_PATH, tls_cert, "", 0, 0, "certificate chain, PEM"),
    PORTAL_KEY("tls_key", CONF_PATH, tls_key, "", 0, 0, "its key, PEM, mode 0600"),
    PORTAL_KEY("runner_socket", CONF_PATH, runner_socket, NULL, 0, 0, "where runnerd answers"),
    PORTAL_KEY("form_key_file", CONF_PATH, form_key_file, NULL, 0, 0,
               "at least 32 random characters, mode 0600"),
    PORTAL_KEY("templates", CONF_PATH, templates, NULL, 0, 0, "folder of the pages' templates"),
    PORTAL_KEY("bootstrap", CONF_PATH, bootstrap, "/usr/share/javascript/bootstrap5", 0, 0,
               "folder of Bootstrap 5, with css/ and js/"),
    PORTAL_KEY("workers", CONF_INT, workers, "16", 1, 256,
               "database connections, one a worker thread"),
    PORTAL_KEY("connections_max", CONF_INT, connections_max, "4000", 1, 1000000,
               "connections of browsers, in all"),
    PORTAL_KEY("connections_per_address", CONF_INT, connections_per_address, "256", 1, 1000000,
               "and of one address; a campus often sits behind one"),
    PORTAL_KEY("session_idle", CONF_DURATION, session_idle_ms, "30m", MINUTE_MS, DAY_MS,
               "after that long without a page one must log in again"),
    PORTAL_KEY("session_max", CONF_DURATION, session_max_ms, "12h", MINUTE_MS, 7 * DAY_MS,
               "and after that long in any case"),
    PORTAL_KEY("time_limit_max", CONF_DURATION, time_limit_max_ms, "7d", MINUTE_MS, 31 * DAY_MS,
               "the longest time limit a job may ask for"),
    {"accounts", CONF_CHOICE, offsetof(struct site_conf, accounts), "range", 0, 0,
     accounts_modes,
     "range: a uid from uid_min … uid_max for each person; nss: the machine's own accounts"},
    PORTAL_KEY("uid_min", CONF_INT, uid_min, "200000", 1000, 4000000000,
               "as in [agent]; with accounts = nss the least uid that may run jobs"),
    PORTAL_KEY("uid_max", CONF_INT, uid_max, "299999", 1000, 4000000000, "as in [agent]"),
};

/* "[::1]:8443" and "host:8443" without the port. */
static char *without_port(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    char *host = xdup(listen);
    if (colon && !strchr(colon, ']'))
        host[colon - listen] = '\0';
    return host;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0 ||
           strcmp(host, "localhost") == 0;
}

/* The names given, or the address listened at; for loopback also the name everybody types. */
static void choose_hosts(struct site_conf *s)
{
    size_t n = 0;
    s->hosts = xnew_array(const char *, s->given_hosts.count + 3);
    for (size_t i = 0; i < s->given_hosts.count; i++)
        s->hosts[n++] = without_port(s->given_hosts.items[i]);
    if (n > 0)
        return;
    s->hosts[n++] = without_port(s->listen);
    if (is_loopback(s->hosts[0]))
        s->hosts[n++] = xdup("localhost");
}

static int check_together(const struct site_conf *s, struct err *e)
{
    if (s->tls && (!*s->tls_cert || !*s->tls_key))
        return err_set(
            e, -EINVAL,
            "[portal]: give tls_cert and tls_key, or tls = no to serve plain HTTP on "
            "this machine alone");
    if (s->uid_min > s->uid_max)
        return err_set(e, -EINVAL, "[portal] uid_min: %lld is more than uid_max %lld",
                       (long long)s->uid_min, (long long)s->uid_max);
    if (s->session_idle_ms > s->session_max_ms)
        return err_set(e, -EINVAL, "[portal] session_idle: is longer than session_max");
    return 0;
}

int site_conf_read(struct conf *c, struct site_conf *out, struct err *e)
{
    *out = (struct site_conf){0};
    int r = conf_apply(c, "site", NULL, site_keys, COUNT(site_keys), out, e);
    if (r == 0)
        r = conf_apply(c, "portal", NULL, portal_keys, COUNT(portal_keys), out, e);
    if (r == 0)
        r = db_conf_read(c, &out->db, e);
    if (r == 0)
        r = check_together(out, e);
    if (r == 0)
        choose_hosts(out);
    return r;
}

void site_conf_done(struct site_conf *s)
{
    for (const char **h = s->hosts; h && *h; h++)
        free((char *)*h);
    free(s->hosts);
    s->hosts = NULL;
}

int site_conf_check(const struct conf *c, struct err *e)
{
    static const char *const others[] = {"runner", "node",   "fake", "slurm", "agent",
                                         "quota",  "refund", "seal", "mail",  NULL};
    return conf_check(c, others, e);
}

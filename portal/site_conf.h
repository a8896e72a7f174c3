// SPDX-License-Identifier: Apache-2.0
/* What portald reads of firefly.conf: the sections [site], [portal] and [database]; the
 * sections [directory NAME] are auth's.
 *
 * Texts live as long as the configuration they came from. Everything that can be wrong with
 * a value is told with file, line, key and remedy, before anything is opened. */
#ifndef FF_PORTAL_SITE_CONF_H
#define FF_PORTAL_SITE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "quota/db/db.h"
#include "runner/base/conf.h"

enum accounts_mode { ACCOUNTS_RANGE, ACCOUNTS_NSS };

struct site_conf {
    /* [site] */
    const char *name, *zone;
    int64_t poll_ms;
    /* [portal] */
    const char *listen, *port_file, *tls_cert, *tls_key;
    bool tls;
    const char **hosts; /* without ports, NULL-terminated */
    struct conf_list given_hosts;
    const char *runner_socket, *form_key_file, *templates, *bootstrap;
    int64_t workers, connections_max, connections_per_address;
    int64_t session_idle_ms, session_max_ms, time_limit_max_ms;
    int64_t accounts, uid_min, uid_max;
    /* [database] */
    struct db_conf db;
};

/* Fills `out`; site_conf_done() also after a failure. */
int site_conf_read(struct conf *c, struct site_conf *out, struct err *e);
void site_conf_done(struct site_conf *s);

/* Fails on sections and keys that no program of ours knows; after the directories were read. */
int site_conf_check(const struct conf *c, struct err *e);

#endif

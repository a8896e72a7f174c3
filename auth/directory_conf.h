// SPDX-License-Identifier: Apache-2.0
/* The options of one [directory NAME] section, as auth's own files see them. Others include
 * directory.h, where a directory is opaque.
 *
 * `type` sets the values of all keys that the section does not give (the table in
 * directory_conf.c), and the word "none" switches an attribute off. Texts live as long as the
 * configuration they came from; nothing changes after loading, so any thread may read.
 */
#ifndef FF_AUTH_DIRECTORY_CONF_H
#define FF_AUTH_DIRECTORY_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/conf.h"

enum directory_type { TYPE_OPENLDAP, TYPE_AD, TYPE_389DS };
enum directory_tls { TLS_STARTTLS, TLS_LDAPS, TLS_NONE };
enum directory_bind { BIND_SIMPLE, BIND_EXTERNAL };
enum directory_whoami { WHOAMI_AUTO, WHOAMI_DN, WHOAMI_ANY, WHOAMI_NO };
enum directory_id { ID_AUTO, ID_TEXT, ID_GUID };
enum directory_answer { ANSWER_AUTO, ANSWER_YES, ANSWER_NO };
enum directory_scope { SCOPE_SUB, SCOPE_ONE };

struct directory {
    const char *name; /* of the section */
    const char *title;
    int64_t type;

    /* how it is reached */
    struct conf_list uri; /* tried in this order */
    int64_t tls; /* what an ldap:// URI does; ldaps:// and ldapi:// are what they are */
    const char *ca_file;
    const char *client_cert_file, *client_key_file;
    int64_t connect_timeout; /* ms: name, connection and TLS with one server */
    int64_t timeout;         /* ms: the whole login, over all servers */

    /* as whom it is read */
    int64_t bind_method;
    const char *bind_dn, *bind_password_file;
    char *bind_password; /* owned; NULL: anonymous or external */

    /* where people are */
    const char *user_base, *user_filter;
    int64_t user_scope;
    const char *login_attribute, *id_attribute, *name_attribute, *mail_attribute;
    const char *uid_attribute, *gid_attribute, *member_of_attribute;
    const char
        *disabled_attribute; /* "" none; its bits disabled_mask, or TRUE when that is 0 */
    int64_t disabled_mask;
    int64_t id_format, login_lowercase;
    int64_t whoami;
    const char *decoy_dn; /* bound with the password given for an unknown user */

    /* where groups are */
    const char *group_base; /* "" none */
    int64_t group_scope;
    struct conf_list group_kinds; /* posix names unique nested */
    const char *group_filter;     /* "": made from group_kinds */
    const char *group_name_attribute, *group_gid_attribute;
    char *group_template; /* owned: the filter that is used, with %u %d %g */

    /* what follows from them */
    const char *allowed_group, *admin_group;
    const char *tenant, *tenant_attribute;
    struct conf_list tenants; /* VALUE:SLUG of tenant_attribute */
};

/* Reads and checks one section and its password file. `*d` is zeroed first;
 * directory_conf_done() also after a failure. */
int directory_conf_read(struct conf *c, const char *name, struct directory *d, struct err *e);
void directory_conf_done(struct directory *d); /* wipes the password */

/* Is this host of a URI the machine itself, by address or as "localhost"? */
bool directory_host_is_loopback(const char *host);

#endif

// SPDX-License-Identifier: Apache-2.0
/* The configuration file: sections, keys, typed values, and an exact complaint for what is
 * wrong.
 *
 *   # firefly.conf
 *   [portal]
 *   listen = 127.0.0.1:8443
 *   [directory north]
 *   uri = ldaps://ldap.north.example
 *
 * One file serves all programs; each reads the sections it knows by tables of `struct conf_key`
 * and names the sections that are others'. A value is the rest of its line, trimmed; a '#'
 * begins a comment only at the start of a line. Every complaint says file, line, key, value and
 * the remedy.
 */
#ifndef FF_BASE_CONF_H
#define FF_BASE_CONF_H

#include <stddef.h>
#include <stdint.h>

#include "runner/base/err.h"

enum conf_type {
    CONF_TEXT,     /* const char *; min, max: length in bytes */
    CONF_PATH,     /* const char *; must begin with '/' */
    CONF_INT,      /* int64_t within min … max */
    CONF_DURATION, /* int64_t milliseconds within min … max milliseconds */
    CONF_SIZE,     /* int64_t bytes within min … max */
    CONF_BOOL,     /* bool; yes or no */
    CONF_CHOICE,   /* int64_t, the index in `choices` */
    CONF_LIST,     /* struct conf_list; values separated by blanks */
};

struct conf_list {
    const char **items;
    size_t count;
};

struct conf_key {
    const char *name;
    enum conf_type type;
    size_t offset;              /* offsetof() in the struct that conf_apply() fills */
    const char *value;          /* when the file does not say; NULL: required */
    int64_t min, max;           /* 0, 0: any that the type allows */
    const char *const *choices; /* CONF_CHOICE: NULL-terminated */
    const char *help;           /* what it is, for the complaint and for --help */
};

struct conf;

/* Reads and splits the file. Values live as long as `*out`. -EINVAL: a bad line, told in `e`.
 * */
int conf_read(const char *path, struct conf **out, struct err *e);
void conf_free(struct conf *c);

/* Fills `out` from the section [section] or [section name] (name may be NULL). A section that
 * is missing gives all default values; -EINVAL: unknown key, bad value, key twice, required key
 * absent. */
int conf_apply(struct conf *c, const char *section, const char *name,
               const struct conf_key *keys, size_t count, void *out, struct err *e);

/* One value as it stands in a section that another program reads, unchecked; NULL: it does not
 * stand there. `name` may be NULL. */
const char *conf_text(const struct conf *c, const char *section, const char *name,
                      const char *key);

/* The names of the sections [section NAME], in the order of the file; NULL past the last. */
const char *conf_name(const struct conf *c, const char *section, size_t index);

/* Fails on any section that neither was applied nor is in `others` (NULL-terminated). */
int conf_check(const struct conf *c, const char *const *others, struct err *e);

#endif

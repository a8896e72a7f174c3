// SPDX-License-Identifier: Apache-2.0
/* Splits the file into (section, name, key, value, line) and lays values into structs by table.
 * */
#include "runner/base/conf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum { LINE_MAX_BYTES = 4096, ENTRIES_MAX = 4096 };

struct entry {
    char *section, *name, *key, *value; /* key NULL: the section's own line; name "" if none */
    int line;
    bool used;
};

struct conf {
    char *path;
    struct entry *entries;
    size_t count;
    struct conf_list *lists; /* what CONF_LIST handed out; freed with us */
    size_t list_count;
};

AUTO_FREE(conf_free, struct conf)

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1]))
        text[--n] = '\0';
    return text;
}

static struct entry *add(struct conf *c, const struct entry *e)
{
    c->entries = xgrow(c->entries, c->count + 1, sizeof(*e));
    struct entry *copy = &c->entries[c->count++];
    *copy = (struct entry){xdup(e->section), xdup(e->name), xdup(e->key),
                           xdup(e->value),   e->line,       false};
    return copy;
}

/* "[section]" or "[section name]" into the entry that later keys inherit. */
static int split_section(struct conf *c, char *text, struct entry *at, struct err *e)
{
    size_t n = strlen(text);
    if (text[n - 1] != ']')
        return err_set(e, -EINVAL, "%s:%d: '%s': a section ends with ']'", c->path, at->line,
                       text);
    text[n - 1] = '\0';
    char *section = trim(text + 1);
    char *name = section + strcspn(section, " \t");
    if (*name)
        *name++ = '\0';
    name = trim(name);
    if (!*section || (*name && !parse_is_slug(name, 64)))
        return err_set(e, -EINVAL,
                       "%s:%d: write [section] or [section name], the name of "
                       "lower-case letters, digits and '-'",
                       c->path, at->line);
    for (size_t i = 0; i < c->count; i++)
        if (!c->entries[i].key && !strcmp(c->entries[i].section, section) &&
            !strcmp(c->entries[i].name, name))
            return err_set(e, -EINVAL, "%s:%d: section [%s%s%s] stands at line %d already",
                           c->path, at->line, section, *name ? " " : "", name,
                           c->entries[i].line);
    struct entry head = {section, name, NULL, NULL, at->line, false};
    struct entry *kept = add(c, &head);
    at->section = kept->section;
    at->name = kept->name;
    return 0;
}

static int split_line(struct conf *c, char *raw, struct entry *at, struct err *e)
{
    char *text = trim(raw);
    if (!*text || *text == '#')
        return 0;
    if (!parse_is_utf8(text, strlen(text)) || c->count >= ENTRIES_MAX)
        return err_set(e, -EINVAL, "%s:%d: %s", c->path, at->line,
                       c->count >= ENTRIES_MAX ? "too many lines" : "not UTF-8");
    if (*text == '[')
        return split_section(c, text, at, e);
    char *equals = strchr(text, '=');
    if (!equals)
        return err_set(e, -EINVAL, "%s:%d: '%s': write key = value", c->path, at->line, text);
    *equals = '\0';
    struct entry found = {at->section, at->name, trim(text), trim(equals + 1), at->line, false};
    if (!at->section)
        return err_set(e, -EINVAL, "%s:%d: key '%s' stands before any [section]", c->path,
                       at->line, found.key);
    for (size_t i = 0; i < c->count; i++)
        if (c->entries[i].key && !strcmp(c->entries[i].section, at->section) &&
            !strcmp(c->entries[i].name, at->name) && !strcmp(c->entries[i].key, found.key))
            return err_set(e, -EINVAL, "%s:%d: key '%s' stands at line %d already", c->path,
                           at->line, found.key, c->entries[i].line);
    add(c, &found);
    return 0;
}

int conf_read(const char *path, struct conf **out, struct err *e)
{
    AUTO(conf_freep) struct conf *c = xnew(struct conf);
    c->path = xdup(path);
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    char line[LINE_MAX_BYTES];
    struct entry at = {0};
    int r = 0;
    while (r == 0 && fgets(line, sizeof(line), file)) {
        at.line++;
        if (strlen(line) == sizeof(line) - 1)
            r = err_set(e, -EINVAL, "%s:%d: line longer than %d bytes", path, at.line,
                        LINE_MAX_BYTES - 2);
        else
            r = split_line(c, line, &at, e);
    }
    if (r == 0 && ferror(file))
        r = err_set(e, -EIO, "%s: cannot be read", path);
    fclose(file);
    if (r == 0)
        *out = TAKE(c);
    return r;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        free(c->entries[i].section);
        free(c->entries[i].name);
        free(c->entries[i].key);
        free(c->entries[i].value);
    }
    for (size_t i = 0; i < c->list_count; i++) {
        for (size_t k = 0; k < c->lists[i].count; k++)
            free((char *)c->lists[i].items[k]);
        free(c->lists[i].items);
    }
    free(c->lists);
    free(c->entries);
    free(c->path);
    free(c);
}

static struct conf_list split_list(struct conf *c, const char *value)
{
    struct conf_list list = {0};
    for (const char *p = value + strspn(value, " \t"); *p; p += strspn(p, " \t")) {
        size_t n = strcspn(p, " \t");
        char *item = xalloc(n + 1, 1);
        memcpy(item, p, n);
        list.items = xgrow(list.items, list.count + 1, sizeof(*list.items));
        list.items[list.count++] = item;
        p += n;
    }
    c->lists = xgrow(c->lists, c->list_count + 1, sizeof(list));
    c->lists[c->list_count++] = list;
    return list;
}

static int choose(const char *value, const char *const *choices, int64_t *out)
{
    for (int64_t i = 0; choices[i]; i++) {
        if (strcmp(value, choices[i]))
            continue;
        *out = i;
        return 0;
    }
    return -EINVAL;
}

static int lay(struct conf *c, const struct conf_key *key, const char *value, void *out)
{
    void *field = (char *)out + key->offset;
    int64_t min = key->min, max = key->max || key->min ? key->max : INT64_MAX;
    switch (key->type) {
    case CONF_PATH:
        if (*value && *value != '/')
            return -EINVAL;
        *(const char **)field = value;
        return 0;
    case CONF_TEXT: {
        int64_t n = (int64_t)strlen(value);
        if (n < min || n > max)
            return -ERANGE;
        *(const char **)field = value;
        return 0;
    }
    case CONF_INT:
        return parse_i64(value, min, max, field);
    case CONF_DURATION:
        return parse_duration_ms(value, min, max, field);
    case CONF_SIZE:
        return parse_size_bytes(value, min, max, field);
    case CONF_BOOL:
        return parse_bool(value, field);
    case CONF_CHOICE:
        return choose(value, key->choices, field);
    case CONF_LIST:
        *(struct conf_list *)field = split_list(c, value);
        return 0;
    }
    return -EINVAL;
}

/* Says what a key would have taken. */
static void put_wanted(struct buf *b, const struct conf_key *key)
{
    static const char *const forms[] = {
        [CONF_TEXT] = "text",
        [CONF_PATH] = "a path beginning with '/'",
        [CONF_INT] = "a whole number",
        [CONF_DURATION] = "a duration like 90, 30m, 2h or 1d12h",
        [CONF_SIZE] = "a size like 512K or 16G",
        [CONF_BOOL] = "yes or no",
        [CONF_CHOICE] = "one of",
        [CONF_LIST] = "values separated by blanks",
    };
    buf_put(b, forms[key->type]);
    for (size_t i = 0; key->type == CONF_CHOICE && key->choices[i]; i++)
        buf_printf(b, " %s", key->choices[i]);
    if (key->min || key->max) {
        char low[32], high[32];
        if (key->type == CONF_DURATION) {
            parse_duration_text(key->min, low);
            parse_duration_text(key->max, high);
        } else {
            snprintf(low, sizeof(low), "%lld", (long long)key->min);
            snprintf(high, sizeof(high), "%lld", (long long)key->max);
        }
        buf_printf(b, "%s from %s to %s", key->type == CONF_TEXT ? " of bytes" : "", low, high);
    }
}

static int unknown_key(const struct conf *c, const struct entry *found,
                       const struct conf_key *keys, size_t count, struct err *e)
{
    AUTO(buf_done) struct buf b = BUF_INIT(400);
    for (size_t i = 0; i < count; i++)
        buf_printf(&b, "%s%s", i ? " " : "", keys[i].name);
    return err_set(e, -EINVAL, "%s:%d: [%s] has no key '%s'; it has: %s", c->path, found->line,
                   found->section, found->key, buf_text(&b));
}

static int bad_value(const struct conf *c, const struct entry *found,
                     const struct conf_key *key, struct err *e)
{
    AUTO(buf_done) struct buf b = BUF_INIT(400);
    put_wanted(&b, key);
    return err_set(e, -EINVAL, "%s:%d: %s = %s: write %s (%s)", c->path, found->line, key->name,
                   found->value, buf_text(&b), key->help);
}

/* Marks the section's lines as read and refuses keys that the table does not name. */
static int claim(struct conf *c, const char *section, const char *name,
                 const struct conf_key *keys, size_t count, struct err *e)
{
    for (size_t i = 0; i < c->count; i++) {
        struct entry *entry = &c->entries[i];
        if (strcmp(entry->section, section) || strcmp(entry->name, name))
            continue;
        entry->used = true;
        size_t k = 0;
        while (entry->key && k < count && strcmp(keys[k].name, entry->key))
            k++;
        if (entry->key && k == count)
            return unknown_key(c, entry, keys, count, e);
    }
    return 0;
}

static const struct entry *look_up(const struct conf *c, const char *section, const char *name,
                                   const char *key)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct entry *entry = &c->entries[i];
        if (entry->key && !strcmp(entry->section, section) && !strcmp(entry->name, name) &&
            !strcmp(entry->key, key))
            return entry;
    }
    return NULL;
}

int conf_apply(struct conf *c, const char *section, const char *name,
               const struct conf_key *keys, size_t count, void *out, struct err *e)
{
    name = name ? name : "";
    int r = claim(c, section, name, keys, count, e);
    for (size_t k = 0; r == 0 && k < count; k++) {
        const struct entry *found = look_up(c, section, name, keys[k].name);
        if (!found && !keys[k].value)
            return err_set(e, -EINVAL, "%s: [%s%s%s] needs the key '%s' (%s)", c->path, section,
                           *name ? " " : "", name, keys[k].name, keys[k].help);
        if (found && lay(c, &keys[k], found->value, out) < 0)
            return bad_value(c, found, &keys[k], e);
        if (!found && lay(c, &keys[k], keys[k].value, out) < 0)
            return err_set(e, -EINVAL, "[%s] %s: its default value is out of its own range",
                           section, keys[k].name);
    }
    return r;
}

const char *conf_text(const struct conf *c, const char *section, const char *name,
                      const char *key)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct entry *e = &c->entries[i];
        if (e->key && !strcmp(e->section, section) && !strcmp(e->name, name ? name : "") &&
            !strcmp(e->key, key))
            return e->value;
    }
    return NULL;
}

const char *conf_name(const struct conf *c, const char *section, size_t index)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct entry *entry = &c->entries[i];
        if (!entry->key && !strcmp(entry->section, section) && *entry->name && index-- == 0)
            return entry->name;
    }
    return NULL;
}

int conf_check(const struct conf *c, const char *const *others, struct err *e)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct entry *entry = &c->entries[i];
        size_t k = 0;
        while (others[k] && strcmp(others[k], entry->section))
            k++;
        if (!entry->used && !others[k])
            return err_set(e, -EINVAL,
                           "%s:%d: no section [%s%s%s] is known; remove it or mend "
                           "its name",
                           c->path, entry->line, entry->section, *entry->name ? " " : "",
                           entry->name);
    }
    return 0;
}

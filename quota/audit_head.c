// SPDX-License-Identifier: Apache-2.0
/* Reads the seals' configuration and key; reads and writes the head's file: one line, "17
 * SEAL". */
#include "quota/audit_head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runner/base/parse.h"
#include "runner/base/secret.h"

enum { KEY_MIN = 32, LINE_MAX_BYTES = 128, PATH_MAX_BYTES = 512 };

int audit_conf_read(struct conf *c, struct audit_conf *out, struct err *e)
{
    static const struct conf_key keys[] = {
        {"key_file", CONF_PATH, offsetof(struct audit_conf, key_file), "", 0, 0, NULL,
         "key of the audit's seals, of runnerd's uid, mode 0600; nobody else has it"},
        {"head_file", CONF_PATH, offsetof(struct audit_conf, head_file), "", 0, 0, NULL,
         "where runnerd keeps the last seal, in a folder of its own"},
    };
    int r = conf_apply(c, "seal", NULL, keys, COUNT(keys), out, e);
    if (r == 0 && !*out->key_file != !*out->head_file)
        r = err_set(e, -EINVAL, "[seal] %s: missing; give both key_file and head_file",
                    *out->key_file ? "head_file" : "key_file");
    return r;
}

int audit_key_read(const char *path, char **out_key, struct err *e)
{
    char *key = NULL;
    int r = geteuid() == 0 ? secret_read_lent(path, &key, e) : secret_read(path, &key, e);
    if (r < 0)
        return err_wrap(e, r, "[seal] key_file");
    if (strlen(key) < KEY_MIN) {
        secret_free(key);
        return err_set(e, -EINVAL,
                       "[seal] key_file: %s holds less than %d characters; write one with "
                       "`openssl rand -hex 32`",
                       path, KEY_MIN);
    }
    *out_key = key;
    return 0;
}

static bool parse_head(char *line, struct audit_head *out)
{
    char *seal = strchr(line, ' ');
    if (!seal)
        return false;
    *seal++ = '\0';
    size_t digits = strspn(seal, "0123456789abcdef");
    if (digits != AUDIT_SEAL_LEN || strcmp(seal + digits, "\n") ||
        parse_i64(line, 0, INT64_MAX, &out->no) < 0)
        return false;
    memcpy(out->seal, seal, AUDIT_SEAL_LEN);
    out->seal[AUDIT_SEAL_LEN] = '\0';
    return true;
}

int audit_head_read(const char *path, struct audit_head *out, struct err *e)
{
    char line[LINE_MAX_BYTES] = {0};
    struct audit_head head;
    AUTO(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
    if (n < 0)
        return err_set(e, -errno, "[seal] head_file: %s: %s", path, strerror(errno));
    if (!parse_head(line, &head))
        return err_set(e, -EBADMSG,
                       "[seal] head_file: %s does not hold the number and seal of the last "
                       "audit row; bring it back from a copy",
                       path);
    *out = head;
    return 0;
}

static int sync_folder(const char *path)
{
    char folder[PATH_MAX_BYTES];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    AUTO(cleanup_close) int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_file(const char *path, const char *line)
{
    ssize_t len = (ssize_t)strlen(line);
    AUTO(cleanup_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, line, (size_t)len);
    if (n != len)
        return n < 0 ? -errno : -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

int audit_head_write(const char *path, const struct audit_head *head, struct err *e)
{
    char line[LINE_MAX_BYTES], aside[PATH_MAX_BYTES];
    snprintf(line, sizeof(line), "%lld %s\n", (long long)head->no, head->seal);
    if (snprintf(aside, sizeof(aside), "%s.new", path) >= (int)sizeof(aside))
        return err_set(e, -ENAMETOOLONG, "[seal] head_file: %s: too long a path", path);
    int r = write_file(aside, line);
    if (r == 0 && rename(aside, path) < 0)
        r = -errno;
    if (r == 0)
        r = sync_folder(path);
    return r < 0 ? err_set(e, r, "[seal] head_file: %s: %s", path, strerror(-r)) : 0;
}

// SPDX-License-Identifier: Apache-2.0
/* `quota audit`: who changed what, and whether that record is whole. */
#include <errno.h>
#include <stdio.h>

#include "quota/audit_proof.h"
#include "quota/cli/cli.h"
#include "quota/cli/faults.h"
#include "quota/cli/interval.h"
#include "quota/cli/nouns.h"
#include "runner/base/parse.h"
#include "runner/base/secret.h"

enum { LIMIT_DEFAULT = 100 };

/* ---- list */

static const struct column columns[] = {
    {"row", COLUMN_INT},     {"at", COLUMN_TIME},     {"actor", COLUMN_TEXT},
    {"origin", COLUMN_TEXT}, {"verb", COLUMN_TEXT},   {"object", COLUMN_TEXT},
    {"reason", COLUMN_TEXT}, {"before", COLUMN_TEXT}, {"after", COLUMN_TEXT},
    {"key", COLUMN_TEXT},    {"chain", COLUMN_INT},   {"sealed", COLUMN_TEXT},
};

static const char *text_of(const struct cli *c, const char *option)
{
    const char *value = cli_value(c, option);
    return value ? value : "";
}

static int print(struct cli *c, const struct interval *when, int64_t limit, struct err *e)
{
    const char *actor = text_of(c, "actor"), *verb = text_of(c, "verb");
    const char *object = text_of(c, "object");
    return cli_table(c, "", cli_value(c, "reverse") ? SQL_AUDIT_LIST_OLDEST : SQL_AUDIT_LIST,
                     DB_ARGS(DB_STR(actor), DB_STR(actor), DB_STR(verb), DB_STR(verb),
                             DB_STR(verb), DB_STR(verb), DB_STR(object), DB_STR(object),
                             DB_STR(object), DB_STR(object), DB_I64(when->from_ms),
                             DB_I64(when->until_ms), DB_I64(limit)),
                     columns, COUNT(columns), e);
}

static int list(struct cli *c, struct err *e)
{
    const char *text = cli_value(c, "limit");
    int64_t limit = LIMIT_DEFAULT;
    struct interval when;
    int r = 0;
    if (text && parse_i64(text, 1, INT32_MAX, &limit) < 0)
        r = err_set(e, -EINVAL, "--limit '%.40s': write a whole number from 1", text);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = interval_read(c, &when, e);
    return r < 0 ? r : print(c, &when, limit, e);
}

/* ---- verify */

/* The key and the head; *out_has_head tells whether there is one. */
static int read_seal(struct cli *c, char **out_key, struct audit_head *out, bool *out_has_head,
                     struct err *e)
{
    struct audit_conf conf;
    int r = audit_conf_read(c->conf, &conf, e);
    if (r == 0 && !*conf.key_file)
        return err_set(e, -EIO,
                       "[seal] key_file: the configuration has none; without the key that "
                       "runnerd seals with, the audit cannot be proved");
    if (r == 0)
        r = audit_key_read(conf.key_file, out_key, e);
    if (r < 0)
        return -EIO;
    r = audit_head_read(conf.head_file, out, e);
    *out_has_head = r == 0;
    return r < 0 && r != -ENOENT ? -EIO : 0;
}

static int verify(struct cli *c, struct err *e)
{
    struct faults f;
    struct audit_head head;
    struct audit_counts counts;
    char *key = NULL, result[240];
    bool has_head = false;
    int r = faults_init(&f, c, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = read_seal(c, &key, &head, &has_head, e);
    if (r == 0)
        r = audit_proof_run(
            c->db, &(struct audit_proof){key, has_head ? &head : NULL, faults_print, &f},
            &counts, e);
    secret_free(key);
    if (r < 0)
        return r;
    snprintf(result, sizeof(result),
             "audit %s: %lld rows sealed, %lld not yet, %lld faults; head %lld %.64s",
             counts.faults ? "is NOT whole" : "is whole", (long long)counts.sealed,
             (long long)counts.waiting, (long long)counts.faults, (long long)counts.head.no,
             counts.head.seal);
    return faults_end(&f, counts.faults, result);
}

static const struct command_option list_options[] = {
    {"actor", "NAME", "only what this user did, as the rows name him", false},
    {"verb", "VERB", "only these changes: grant, 'tenant set', or tenant for all of that noun",
     false},
    {"object", "OBJECT", "only changes of it: 'allocation 3', or allocation for all of them",
     false},
    INTERVAL_OPTIONS,
    {"limit", "N", "at most so many (else 100)", false},
    {"reverse", NULL, "the oldest first", false},
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list,
     "changes, the newest first",
     "chain: the row's number in the chain of seals, given by runnerd within a second or two;\n"
     "key: the same key again repeats nothing.\n"
     "  quota audit list --verb grant --month 2026-11\n"
     "  quota audit list --object 'allocation 3' --reverse\n"},
    {"verify", "", 0, 0, NULL, 0, COMMAND_READS, verify,
     "prove that no row was changed or removed",
     "Needs to read the key and the head of [seal]: run it as root or as runnerd's user.\n"
     "Computes every seal again, and compares the end of the chain with runnerd's file and\n"
     "with what closed months wrote down. Prints what is wrong, one row each, and exits 5;\n"
     "changes nothing. The last line says the result and the head; in csv and json it goes to\n"
     "standard error. Keep the head elsewhere too: a later chain has that seal at that\n"
     "number.\n"},
};

const struct command_noun noun_audit = {"audit", "who changed what", verbs, COUNT(verbs)};

// SPDX-License-Identifier: Apache-2.0
/* The parser: noun, verb, then options and arguments in any order. It knows no noun by name. */
#include "quota/cli/command.h"

#include <errno.h>
#include <string.h>

#include "runner/base/cleanup.h"

enum { NAMES_MAX = 64, WORD_MAX = 40 };

static const struct command_option common_options[] = {
    {"config", "FILE", "the configuration (else $FIREFLY_CONFIG, /etc/firefly/firefly.conf)",
     false},
    {"help", NULL, "this text", false},
};

static const struct command_option print_options[] = {
    {"format", "table|csv|json",
     "table for people (the default), csv for spreadsheets, json exact", false},
    {"columns", "A,B,...", "print only these columns, in this order", false},
    {"unit", "h|m|s", "GPU-time in hours (the default), minutes, or seconds, exact", false},
};

static const struct command_option report_options[] = {
    {"format", "FORMAT", "table (the default), csv, json (exact), xlsx or pdf", false},
    {"out", "FILE", "write there instead of the terminal; xlsx and pdf need it", false},
    {"columns", "A,B,...", "print only these columns, in this order (table, csv, json)", false},
    {"unit", "h|m|s", "GPU-time in hours (the default), minutes, or seconds, exact", false},
};

static const struct command_option write_options[] = {
    {"reason", "TEXT", "why; it is kept in the audit", true},
    {"key", "KEY", "repeating with the same key changes nothing (else a new random one)",
     false},
    {"dry-run", NULL, "do everything but keep nothing", false},
    {"yes", NULL, "do not ask", false},
};

/* One of the lists above, or the verb's own. */
struct options {
    const struct command_option *items;
    size_t count;
};

/* The lists that a verb takes; returns how many. */
static size_t options_of(const struct command_verb *v, struct options out[4])
{
    size_t n = 0;
    out[n++] = (struct options){v->options, v->option_count};
    if (v->kind == COMMAND_WRITES || v->kind == COMMAND_POSTS)
        out[n++] = (struct options){write_options, COUNT(write_options)};
    if (v->kind == COMMAND_REPORTS)
        out[n++] = (struct options){report_options, COUNT(report_options)};
    else if (v->kind != COMMAND_SETS_UP)
        out[n++] = (struct options){print_options, COUNT(print_options)};
    out[n++] = (struct options){common_options, COUNT(common_options)};
    return n;
}

/* ---- the nearest name */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, taken out, changed or swapped with their neighbour
 * (Damerau). Three rows of the table are kept: this one and the two before. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] =
                least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

const char *command_nearest(const char *typed, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t least_far = strlen(typed) / 3 + 2; /* further away it is another word */
    for (size_t i = 0; i < count; i++) {
        size_t far = distance(typed, names[i]);
        if (far >= least_far)
            continue;
        least_far = far;
        best = names[i];
    }
    return best;
}

static int unknown(const char *what, const char *typed, const char *const *names, size_t count,
                   struct err *e)
{
    const char *near = command_nearest(typed, names, count);
    if (near)
        return err_set(e, -EINVAL, "%s '%.60s' is unknown; did you mean '%s'?", what, typed,
                       near);
    return err_set(e, -EINVAL, "%s '%.60s' is unknown; --help shows all", what, typed);
}

/* ---- nouns and verbs */

static int find_noun(const struct command_noun *const *nouns, const char *typed,
                     const struct command_noun **out, struct err *e)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (; nouns[count] && count < NAMES_MAX; count++) {
        names[count] = nouns[count]->name;
        if (strcmp(names[count], typed))
            continue;
        *out = nouns[count];
        return 0;
    }
    return unknown("command", typed, names, count, e);
}

static int find_verb(const struct command_noun *noun, const char *typed,
                     const struct command_verb **out, struct err *e)
{
    const char *names[NAMES_MAX];
    char what[WORD_MAX];
    for (size_t i = 0; i < noun->verb_count; i++) {
        names[i] = noun->verbs[i].name;
        if (strcmp(names[i], typed))
            continue;
        *out = &noun->verbs[i];
        return 0;
    }
    snprintf(what, sizeof(what), "quota %s:", noun->name);
    return unknown(what, typed, names, noun->verb_count, e);
}

/* ---- options */

static const struct command_option *find_option(const struct command_verb *v, const char *name,
                                                size_t len)
{
    struct options lists[4];
    size_t n = options_of(v, lists);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < lists[i].count; k++)
            if (strlen(lists[i].items[k].name) == len &&
                !memcmp(lists[i].items[k].name, name, len))
                return &lists[i].items[k];
    return NULL;
}

static int unknown_option(const struct command_verb *v, const char *typed, struct err *e)
{
    struct options lists[4];
    const char *names[NAMES_MAX];
    char word[WORD_MAX];
    size_t n = options_of(v, lists), count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < lists[i].count; k++)
            names[count++] = lists[i].items[k].name;
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(typed, "="), typed);
    const char *near = command_nearest(word, names, count);
    if (near)
        return err_set(e, -EINVAL, "option '--%s' is unknown; did you mean '--%s'?", word,
                       near);
    return err_set(e, -EINVAL, "option '--%s' is unknown; --help shows all", word);
}

/* Takes argv[*at], which begins with "--", and its value. */
static int take_option(struct command_call *call, int argc, char **argv, int *at, struct err *e)
{
    const char *typed = argv[*at] + 2;
    size_t len = strcspn(typed, "=");
    const struct command_option *option = find_option(call->verb, typed, len);
    if (!option)
        return unknown_option(call->verb, typed, e);
    const char *value = typed[len] ? typed + len + 1 : NULL;
    if (!option->value && value)
        return err_set(e, -EINVAL, "option '--%s' takes no value", option->name);
    if (option->value && !value) {
        if (*at + 1 >= argc)
            return err_set(e, -EINVAL, "option '--%s' needs a value: --%s %s", option->name,
                           option->name, option->value);
        value = argv[++*at];
    }
    if (command_value(call, option->name))
        return err_set(e, -EINVAL, "option '--%s' is given twice", option->name);
    if (call->given_count == COMMAND_OPTIONS_MAX)
        return err_set(e, -EINVAL, "too many options");
    call->given[call->given_count].name = option->name;
    call->given[call->given_count++].value = value ? value : "";
    call->wants_help |= !strcmp(option->name, "help");
    return 0;
}

const char *command_value(const struct command_call *call, const char *name)
{
    for (int i = 0; i < call->given_count; i++)
        if (!strcmp(call->given[i].name, name))
            return call->given[i].value;
    return NULL;
}

/* "tenant add", "verify": how the verb is called. */
static void put_name(const struct command_call *call, char out[WORD_MAX * 2])
{
    snprintf(out, WORD_MAX * 2, "%s%s%s", call->noun->name, call->verb->name ? " " : "",
             call->verb->name ? call->verb->name : "");
}

static int check_required(const struct command_call *call, struct err *e)
{
    struct options lists[4];
    char name[WORD_MAX * 2];
    size_t n = options_of(call->verb, lists);
    put_name(call, name);
    if (call->arg_count < call->verb->min_args)
        return err_set(e, -EINVAL, "quota %s needs %s; see `quota %s --help`", name,
                       call->verb->args, name);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < lists[i].count; k++)
            if (lists[i].items[k].is_required && !command_value(call, lists[i].items[k].name))
                return err_set(e, -EINVAL, "quota %s needs --%s %s (%s)", name,
                               lists[i].items[k].name, lists[i].items[k].value,
                               lists[i].items[k].help);
    return 0;
}

static int take_rest(struct command_call *call, int argc, char **argv, int at, struct err *e)
{
    bool only_args = false;
    for (; at < argc; at++) {
        if (!only_args && !strcmp(argv[at], "--")) {
            only_args = true;
            continue;
        }
        if (!only_args && !strncmp(argv[at], "--", 2)) {
            int r = take_option(call, argc, argv, &at, e);
            if (r < 0)
                return r;
            continue;
        }
        if (call->arg_count == call->verb->max_args)
            return err_set(e, -EINVAL, "'%.60s' is one argument too many; see --help",
                           argv[at]);
        call->args[call->arg_count++] = argv[at];
    }
    return call->wants_help ? 0 : check_required(call, e);
}

static bool is_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help");
}

int command_parse(const struct command_noun *const *nouns, int argc, char **argv,
                  struct command_call *out, struct err *e)
{
    struct command_call call = {0};
    int at = 1, r = 0;
    if (argc < 2)
        return err_set(e, -EINVAL, "say what to do; `quota --help` shows all commands");
    if (is_help(argv[at])) {
        call.wants_help = true;
        *out = call;
        return 0;
    }
    r = find_noun(nouns, argv[at++], &call.noun, e);
    if (r < 0)
        return r;
    if (!call.noun->verbs[0].name) {
        call.verb = &call.noun->verbs[0];
    } else if (at < argc && !is_help(argv[at])) {
        r = find_verb(call.noun, argv[at++], &call.verb, e);
    } else {
        call.wants_help = at < argc;
        if (!call.wants_help)
            return err_set(e, -EINVAL,
                           "quota %s: say what to do with it; `quota %s --help` shows what "
                           "there is",
                           call.noun->name, call.noun->name);
    }
    if (r == 0 && call.verb)
        r = take_rest(&call, argc, argv, at, e);
    if (r == 0)
        *out = call;
    return r;
}

/* ---- help */

static void help_options(const struct options *list, FILE *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct command_option *o = &list->items[i];
        char left[WORD_MAX * 2];
        snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        fprintf(out, "  %-26s %s%s\n", left, o->help, o->is_required ? " (required)" : "");
    }
}

static void help_verb(const struct command_call *call, FILE *out)
{
    struct options lists[4];
    char name[WORD_MAX * 2];
    size_t n = options_of(call->verb, lists);
    put_name(call, name);
    fprintf(out, "quota %s%s%s [OPTIONS]\n\n%s\n", name, *call->verb->args ? " " : "",
            call->verb->args, call->verb->summary);
    if (call->verb->help)
        fprintf(out, "\n%s", call->verb->help);
    fprintf(out, "\nOptions:\n");
    for (size_t i = 0; i < n; i++)
        help_options(&lists[i], out);
}

static void help_noun(const struct command_noun *noun, FILE *out)
{
    fprintf(out, "quota %s VERB: %s\n\n", noun->name, noun->summary);
    for (size_t i = 0; i < noun->verb_count; i++) {
        char left[WORD_MAX * 2];
        snprintf(left, sizeof(left), "%s %s", noun->verbs[i].name, noun->verbs[i].args);
        fprintf(out, "  %-26s %s\n", left, noun->verbs[i].summary);
    }
    fprintf(out, "\n`quota %s VERB --help` says more.\n", noun->name);
}

static void help_all(const struct command_noun *const *nouns, FILE *out)
{
    fputs("quota NOUN VERB [ARGUMENTS] [OPTIONS]: GPU-time and the people who use it.\n\n",
          out);
    for (size_t i = 0; nouns[i]; i++)
        fprintf(out, "  %-12s %s\n", nouns[i]->name, nouns[i]->summary);
    fputs("\n`quota NOUN --help` and `quota NOUN VERB --help` say more.\n"
          "Exit status: 0 done, 1 failed, 2 wrong use, 3 refused, 4 not found, 5 the books do "
          "not balance.\n",
          out);
}

void command_help(const struct command_noun *const *nouns, const struct command_call *call,
                  FILE *out)
{
    if (call->verb)
        help_verb(call, out);
    else if (call->noun)
        help_noun(call->noun, out);
    else
        help_all(nouns, out);
}

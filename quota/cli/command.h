// SPDX-License-Identifier: Apache-2.0
/* The command line as tables: nouns, their verbs, the verbs' options; one parser that walks
 * them and one printer of help. Pure but for the help's printing.
 *
 *   quota NOUN VERB [ARGUMENTS] [--option value | --option=value | --flag] …
 *
 * A noun with a single verb without a name is a command by itself (`quota verify`). Every verb
 * also takes the options that its kind says. What is unknown is refused with the nearest that
 * exists.
 */
#ifndef FF_QUOTA_CLI_COMMAND_H
#define FF_QUOTA_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "runner/base/err.h"

enum { COMMAND_ARGS_MAX = 4, COMMAND_OPTIONS_MAX = 24 };

enum command_kind {
    COMMAND_READS,   /* prints rows: --format --columns --unit --config */
    COMMAND_WRITES,  /* the same, and --reason --key --dry-run --yes */
    COMMAND_POSTS,   /* the same, but prints columns of its own; checks them before it writes */
    COMMAND_REPORTS, /* as COMMAND_READS, and --format xlsx and pdf, and --out */
    COMMAND_SETS_UP  /* --config alone: it makes or checks what the others need */
};

struct cli;

struct command_option {
    const char *name;
    const char *value; /* what stands for its value in the help; NULL: a flag without one */
    const char *help;
    bool is_required;
};

struct command_verb {
    const char *name; /* NULL: the noun is the command */
    const char *args; /* for the help: "PROJECT HOURS" */
    int min_args, max_args;
    const struct command_option *options;
    size_t option_count;
    enum command_kind kind;
    /* Gives an exit code, or a negative errno with a sentence. */
    int (*run)(struct cli *c, struct err *e);
    const char *summary; /* one line */
    const char *help;    /* paragraphs and examples, ending in a newline; may be NULL */
};

struct command_noun {
    const char *name, *summary;
    const struct command_verb *verbs;
    size_t verb_count;
};

struct command_call {
    const struct command_noun *noun; /* NULL: help about everything */
    const struct command_verb *verb; /* NULL: help about the noun */
    bool wants_help;
    const char *args[COMMAND_ARGS_MAX];
    int arg_count;
    struct {
        const char *name, *value; /* a flag's value is "" */
    } given[COMMAND_OPTIONS_MAX];
    int given_count;
};

/* `nouns` ends with a NULL. -EINVAL: told in `e`. Everything is borrowed from argv and the
 * tables. */
int command_parse(const struct command_noun *const *nouns, int argc, char **argv,
                  struct command_call *out, struct err *e);

/* What was given for an option, or NULL. */
const char *command_value(const struct command_call *call, const char *name);

/* Prints the help that the call asks for. */
void command_help(const struct command_noun *const *nouns, const struct command_call *call,
                  FILE *out);

/* The name of the list nearest to `typed`, or NULL if none is near. */
const char *command_nearest(const char *typed, const char *const *names, size_t count);

#endif

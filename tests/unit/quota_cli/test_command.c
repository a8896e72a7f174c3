// SPDX-License-Identifier: Apache-2.0
/* The parser of the command line: what is taken, what is refused and with which words. */
#include "quota/cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static const struct command_option options[] = {
    {"title", "TEXT", "a title", false},
    {"tenant", "NAME", "a tenant", true},
    {"all", NULL, "a flag", false},
};
static const struct command_verb thing_verbs[] = {
    {.name = "add",
     .args = "NAME [OTHER]",
     .min_args = 1,
     .max_args = 2,
     .options = options,
     .option_count = COUNT(options),
     .kind = COMMAND_READS,
     .summary = "adds"},
    {.name = "list", .args = "", .kind = COMMAND_READS, .summary = "lists"},
    {.name = "close",
     .args = "NAME",
     .min_args = 1,
     .max_args = 1,
     .kind = COMMAND_WRITES,
     .summary = "closes"},
};
static const struct command_verb check_verbs[] = {
    {.args = "[X]", .max_args = 1, .kind = COMMAND_SETS_UP, .summary = "checks"}};
static const struct command_noun thing = {"thing", "things", thing_verbs, COUNT(thing_verbs)},
                                 check = {"check", "a check", check_verbs, COUNT(check_verbs)};
static const struct command_noun *const nouns[] = {&thing, &check, NULL};

enum { WORDS_MAX = 12 };

static int parse(const char *const words[WORDS_MAX], struct command_call *out, struct err *e)
{
    char *argv[WORDS_MAX + 1] = {(char *)"quota"};
    int argc = 1;
    for (; argc <= WORDS_MAX && words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    return command_parse(nouns, argc, argv, out, e);
}

static void arguments_and_options_come_in_any_order(void **state)
{
    static const char *const cases[][WORDS_MAX] = {
        {"thing", "add", "a", "b", "--tenant", "north", "--title", "x y"},
        {"thing", "add", "--tenant=north", "a", "--title=x y", "b"},
        {"thing", "add", "--title", "x y", "--tenant", "north", "--", "a", "b"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct command_call call;
        assert_int_equal(parse(cases[i], &call, NULL), 0);
        assert_ptr_equal(call.noun, &thing);
        assert_ptr_equal(call.verb, &thing_verbs[0]);
        assert_int_equal(call.arg_count, 2);
        assert_string_equal(call.args[0], "a");
        assert_string_equal(call.args[1], "b");
        assert_string_equal(command_value(&call, "tenant"), "north");
        assert_string_equal(command_value(&call, "title"), "x y");
        assert_null(command_value(&call, "all"));
        assert_false(call.wants_help);
    }
}

static void odd_values_are_kept_as_they_are(void **state)
{
    struct command_call call;
    (void)state;
    assert_int_equal(parse((const char *const[WORDS_MAX]){"thing", "add", "", "-1", "--tenant",
                                                          "--all", "--title=a=b", "--all"},
                           &call, NULL),
                     0);
    assert_string_equal(call.args[0], "");
    assert_string_equal(call.args[1], "-1");
    assert_string_equal(command_value(&call, "tenant"), "--all");
    assert_string_equal(command_value(&call, "title"), "a=b");
    assert_string_equal(command_value(&call, "all"), "");
}

static void a_noun_can_be_the_command(void **state)
{
    struct command_call call;
    (void)state;
    assert_int_equal(parse((const char *const[WORDS_MAX]){"check"}, &call, NULL), 0);
    assert_ptr_equal(call.verb, &check_verbs[0]);
    assert_int_equal(parse((const char *const[WORDS_MAX]){"check", "this"}, &call, NULL), 0);
    assert_string_equal(call.args[0], "this");
}

static void help_is_asked_for_anywhere(void **state)
{
    static const char *const cases[][WORDS_MAX] = {
        {"--help"},
        {"help"},
        {"-h"},
        {"thing", "--help"},
        {"thing", "add", "--help"},
        {"thing", "add", "a", "--help"},
        {"check", "--help"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct command_call call;
        assert_int_equal(parse(cases[i], &call, NULL), 0);
        assert_true(call.wants_help);
    }
}

static void what_is_wrong_is_said_with_the_remedy(void **state)
{
    static const struct {
        const char *words[WORDS_MAX], *says;
    } cases[] = {
        {{NULL}, "--help"},
        {{"thng"}, "did you mean 'thing'?"},
        {{"zebra"}, "unknown; --help"},
        {{"thing"}, "quota thing --help"},
        {{"thing", "lits"}, "did you mean 'list'?"},
        {{"thing", "list", "--fromat", "csv"}, "did you mean '--format'?"},
        {{"thing", "list", "--all"}, "'--all' is unknown"},
        {{"thing", "list", "x"}, "'x' is one argument too many"},
        {{"thing", "list", "--format"}, "--format table|csv|json"},
        {{"thing", "list", "--unit", "h", "--unit=m"}, "given twice"},
        {{"thing", "add", "a"}, "needs --tenant NAME"},
        {{"thing", "add", "--tenant", "x"}, "needs NAME [OTHER]"},
        {{"thing", "add", "a", "--tenant", "x", "--all=1"}, "takes no value"},
        {{"thing", "close", "a"}, "needs --reason TEXT"},
        {{"thing", "list", "--reason", "x"}, "'--reason' is unknown"},
        {{"check", "--format", "csv"}, "'--format' is unknown"},
        {{"check", "--"}, NULL},
        {{"check", "--", "--format"}, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct command_call call;
        struct err e = {""};
        int r = parse(cases[i].words, &call, &e);
        assert_int_equal(r, cases[i].says ? -EINVAL : 0);
        if (cases[i].says && !strstr(e.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", e.text, cases[i].says);
    }
}

static void the_nearest_name_is_near(void **state)
{
    static const char *const names[] = {"list", "show", "add", "remove"};
    static const struct {
        const char *typed, *nearest;
    } cases[] = {
        {"lst", "list"},
        {"lsit", "list"},
        {"shwo", "show"},
        {"ad", "add"},
        {"rm", NULL},
        {"x", NULL},
        {"remvoe", "remove"},
        {"", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *found = command_nearest(cases[i].typed, names, COUNT(names));
        if (cases[i].nearest)
            assert_string_equal(found, cases[i].nearest);
        else
            assert_null(found);
    }
}

static void too_many_options_are_an_answer(void **state)
{
    struct command_call call;
    struct err e = {""};
    char *argv[64] = {(char *)"quota", (char *)"thing", (char *)"list"};
    (void)state;
    for (int i = 3; i < 64; i++)
        argv[i] = (char *)"--help";
    assert_int_equal(command_parse(nouns, 64, argv, &call, &e), -EINVAL);
}

static void help_names_every_option(void **state)
{
    struct command_call call;
    char *text = NULL;
    size_t len = 0;
    (void)state;
    assert_int_equal(
        parse((const char *const[WORDS_MAX]){"thing", "close", "--help"}, &call, NULL), 0);
    FILE *out = open_memstream(&text, &len);
    command_help(nouns, &call, out);
    fclose(out);
    static const char *const words[] = {"quota thing close NAME",
                                        "--reason TEXT",
                                        "(required)",
                                        "--key KEY",
                                        "--dry-run",
                                        "--yes",
                                        "--format",
                                        "--columns",
                                        "--unit",
                                        "--config",
                                        "--help"};
    for (size_t i = 0; i < COUNT(words); i++)
        if (!strstr(text, words[i]))
            fail_msg("no '%s' in:\n%s", words[i], text);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_and_options_come_in_any_order),
        cmocka_unit_test(odd_values_are_kept_as_they_are),
        cmocka_unit_test(a_noun_can_be_the_command),
        cmocka_unit_test(help_is_asked_for_anywhere),
        cmocka_unit_test(what_is_wrong_is_said_with_the_remedy),
        cmocka_unit_test(the_nearest_name_is_near),
        cmocka_unit_test(too_many_options_are_an_answer),
        cmocka_unit_test(help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

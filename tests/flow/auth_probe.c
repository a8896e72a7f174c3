// SPDX-License-Identifier: Apache-2.0
/* Asks the auth library from a test: one JSON object a line in, one out.
 *
 *   auth_probe CONF < asks
 *   {"do": "login",   "directory": "north", "login": "alice", "password": "secret"}
 *   {"do": "look_up", "directory": "north", "login": "alice"}
 *   {"do": "check",   "directory": "north", "login": "alice"}
 *
 * A configuration that is refused ends it with exit 1 and the sentence on standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "auth/check.h"
#include "auth/login.h"
#include "runner/base/now.h"

AUTO_FREE(conf_free, struct conf)

static const char *const answers[] = {"ok", "refused", "down"};

static json_t *groups_json(const struct identity *i)
{
    json_t *all = json_object();
    for (size_t k = 0; k < i->group_count; k++)
        json_object_set_new(all, i->groups[k].name, json_integer(i->groups[k].gid));
    return all;
}

static json_t *answer_json(enum login_answer answer, const struct identity *i,
                           const struct err *why, int64_t took_ms)
{
    if (answer != LOGIN_OK)
        return json_pack("{s:s, s:s, s:I}", "answer", answers[answer], "why", why->text, "ms",
                         (json_int_t)took_ms);
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:o}",
                     "answer", answers[answer], "ms", (json_int_t)took_ms, "directory",
                     i->directory, "id", i->id, "login", i->login, "name", i->name, "mail",
                     i->mail, "dn", i->dn, "tenant", i->tenant, "uid", (json_int_t)i->uid,
                     "gid", (json_int_t)i->gid, "is_admin", i->is_admin, "groups",
                     groups_json(i));
}

static const char *text_of(const json_t *ask, const char *key, size_t *out_len)
{
    const json_t *value = json_object_get(ask, key);
    *out_len = value ? json_string_length(value) : 0;
    return value ? json_string_value(value) : "";
}

static json_t *ask_login(const struct directories *all, const json_t *ask)
{
    AUTO(identity_freep) struct identity *i = NULL;
    struct login_ask wanted;
    struct err why = {0};
    size_t len;
    wanted.directory = text_of(ask, "directory", &len);
    wanted.login = text_of(ask, "login", &wanted.login_len);
    wanted.password = text_of(ask, "password", &wanted.password_len);
    int64_t start_ms = now_mono_ms();
    enum login_answer answer = login_check(all, &wanted, &i, &why);
    return answer_json(answer, i, &why, now_mono_ms() - start_ms);
}

static json_t *ask_look_up(const struct directory *d, const json_t *ask)
{
    AUTO(identity_freep) struct identity *i = NULL;
    struct err why = {0};
    size_t len;
    int64_t start_ms = now_mono_ms();
    enum login_answer answer = directory_look_up(d, text_of(ask, "login", &len), &i, &why);
    return answer_json(answer, i, &why, now_mono_ms() - start_ms);
}

static void on_step(const struct check_step *step, void *arg)
{
    static const char *const results[] = {"ok", "note", "failed"};
    json_array_append_new(
        arg, json_pack("[s, s, s]", step->name, results[step->result], step->text));
}

static json_t *ask_check(const struct directory *d, const json_t *ask)
{
    const json_t *login = json_object_get(ask, "login");
    json_t *steps = json_array();
    size_t failed = directory_check(d, login ? json_string_value(login) : NULL, on_step, steps);
    return json_pack("{s:I, s:o}", "failed", (json_int_t)failed, "steps", steps);
}

static json_t *reply(const struct directories *all, const json_t *ask)
{
    size_t len;
    const char *verb = text_of(ask, "do", &len);
    const struct directory *d = directories_find(all, text_of(ask, "directory", &len));
    if (d && !strcmp(verb, "look_up"))
        return ask_look_up(d, ask);
    if (d && !strcmp(verb, "check"))
        return ask_check(d, ask);
    return ask_login(all, ask);
}

static void serve(const struct directories *all)
{
    AUTO(cleanup_free) char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_error_t error;
        json_t *ask = json_loads(line, JSON_ALLOW_NUL, &error);
        json_t *said = ask ? reply(all, ask) : json_pack("{s:s}", "error", error.text);
        json_dumpf(said, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(said);
        json_decref(ask);
    }
}

int main(int argc, char **argv)
{
    AUTO(conf_freep) struct conf *c = NULL;
    AUTO(directories_freep) struct directories *all = NULL;
    struct err e = {0};
    directory_init();
    if (argc != 2 || conf_read(argv[1], &c, &e) < 0 || directories_load(c, &all, &e) < 0) {
        fprintf(stderr, "%s\n", argc == 2 ? e.text : "usage: auth_probe CONF");
        return EXIT_FAILURE;
    }
    serve(all);
    return EXIT_SUCCESS;
}

// SPDX-License-Identifier: Apache-2.0
/* Statements: the months there are, one month as a page, and the same as CSV, PDF or XLSX.
 * Who sees what is the scope: a tenant admin his tenants, a PI his projects, everybody his
 * own rows. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "portal/access.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/portal.h"
#include "portal/shown.h"
#include "portal/tenants.h"
#include "quota/sheet_csv.h"
#include "quota/sheet_pdf.h"
#include "quota/sheet_xlsx.h"
#include "quota/statement.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"

enum {
    ROWS_SHOWN = 500, /* of a table on the page; the files have all */
    PROJECT_MAX = 32, /* bytes of a project's name */
    FILE_MAX = 64 * 1024 * 1024,
};

/* What is asked for: the month, whose, and the part of the address that says whose. */
struct asked {
    struct statement_month month;
    struct statement_scope scope;
    struct person *person;
    const struct tenant_row *tenant; /* whose it is, or NULL … */
    const char *project;             /* … or "" */
    const char *query;               /* "", "?project=climate" … */
    const char *whose;               /* "", "climate", "north", "me": of files' names */
    const char *title;               /* in words */
};

/* ---- whose */

/* Everything he may see: each project once, though its tenant be his too. */
static int scope_all(struct request *r, struct asked *a)
{
    const struct person *p = a->person;
    int64_t *projects = arena_alloc(r->arena, (p->membership_count + 1) * sizeof(*projects));
    size_t n = 0;
    if (!projects)
        return -ENOMEM;
    for (size_t i = 0; i < p->membership_count; i++) {
        const struct membership *m = &p->memberships[i];
        bool is_told = false;
        for (size_t k = 0; k < p->admin_of_count; k++)
            is_told |= p->admin_of[k] == m->tenant_id;
        if (m->is_pi && !is_told)
            projects[n++] = m->project_id;
    }
    a->scope = (struct statement_scope){.tenants = p->admin_of,
                                        .tenant_count = p->admin_of_count,
                                        .projects = projects,
                                        .project_count = n,
                                        .person_id = p->id};
    a->title = n + p->admin_of_count ? "All that you may see" : "Your own use";
    return 0;
}

static int scope_project(struct worker *w, struct request *r, const char *name, struct asked *a)
{
    struct access_project project;
    int64_t *id = arena_alloc(r->arena, sizeof(*id));
    int code = id ? access_project(w, r, name, "statement", &project) : -ENOMEM;
    if (code == 0 && !project.may_run)
        code = err_set(&r->err, -ENOENT, "project %.40s: not found", name);
    if (code < 0)
        return code;
    *id = project.id;
    a->scope = (struct statement_scope){.projects = id, .project_count = 1};
    a->whose = a->project = project.name;
    a->title = arena_printf(r->arena, "Project %s", project.name);
    a->query = arena_printf(r->arena, "?project=%s", project.name);
    return a->title && a->query ? 0 : -ENOMEM;
}

static int scope_tenant(struct worker *w, struct request *r, const char *name, struct asked *a)
{
    struct tenant_row *t;
    int code = tenants_find(w->db, r, a->person, name, &t);
    if (code < 0)
        return code;
    a->tenant = t;
    a->scope = (struct statement_scope){.tenants = &t->id, .tenant_count = 1};
    a->whose = t->name;
    a->title = t->title;
    a->query = arena_printf(r->arena, "?tenant=%s", t->name);
    return a->query ? 0 : -ENOMEM;
}

static int find_scope(struct worker *w, struct request *r, struct asked *a)
{
    const char *project = request_query(r, "project"), *tenant = request_query(r, "tenant");
    const char *of = request_query(r, "of");
    if (project)
        return scope_project(w, r, project, a);
    if (tenant)
        return scope_tenant(w, r, tenant, a);
    if (!of || strcmp(of, "me") != 0)
        return scope_all(r, a);
    a->scope = (struct statement_scope){.person_id = a->person->id};
    a->query = "?of=me";
    a->whose = "me";
    a->title = "Your own use";
    return 0;
}

static int find_asked(struct worker *w, struct request *r, struct asked *a)
{
    int month;
    *a = (struct asked){.project = "", .query = "", .whose = "", .title = ""};
    if (parse_month(request_param(r, "month"), &month) < 0)
        return err_set(&r->err, -ENOENT, "A month is written like 2026-10.");
    int code = access_person(w, r, &a->person);
    if (code == 0)
        code = statement_month_get(w->db, month, now_ms(), &a->month, &r->err);
    return code < 0 ? code : find_scope(w, r, a);
}

/* ---- the list of months */

static const char *month_name(struct request *r, int month)
{
    const char *text = arena_printf(r->arena, "%d-%02d", month / 100, month % 100);
    return text ? text : "";
}

static const char *month_words(struct request *r, int month)
{
    char words[32];
    statement_month_text(month, words);
    const char *text = arena_dup(r->arena, words);
    return text ? text : "";
}

static json_t *month_json(struct request *r, const struct statement_month *m, const char *query)
{
    const char *path =
        arena_printf(r->arena, "/statements/%s%s", month_name(r, m->month), query);
    return json_pack("{s:s, s:s, s:b, s:s}", "month", month_words(r, m->month), "path",
                     path ? path : "/statements", "is_closed", m->closed_ms != 0, "closed",
                     shown_date(r->arena, m->closed_ms));
}

/* The part of the addresses that says whose; who may see it is the month's to ask. */
static const char *months_query(struct request *r, const char *project)
{
    const char *query = project && parse_is_slug(project, PROJECT_MAX)
                            ? arena_printf(r->arena, "?project=%s", project)
                            : "";
    return query ? query : "";
}

int load_statements(void *local, struct request *r)
{
    struct worker *w = local;
    int code = 0;
    const char *query = months_query(r, request_query(r, "project"));
    size_t count = 0;
    struct statement_month *months =
        arena_alloc(r->arena, STATEMENT_MONTHS_MAX * sizeof(*months));
    struct db *db = months ? worker_db(w, &code, &r->err) : NULL;
    if (!db)
        return months ? code : -ENOMEM;
    code = statement_months(db, now_ms(), months, &count, &r->err);
    if (code < 0)
        return code;
    json_t *page = page_new(r, "Statements", "statements"), *list = json_array();
    page_template(page, "pages/statements");
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, month_json(r, &months[i], query));
    json_object_set_new(page, "months", list);
    json_object_set_new(page, "of_project", json_string(*query ? strchr(query, '=') + 1 : ""));
    return 0;
}

/* ---- one month as a page */

static const char *hours_at(struct request *r, const struct table *t, size_t row, size_t column)
{
    return shown_hours(r->arena, table_cell(t, row, column)->number);
}

/* The columns are those of quota/statement.h. */
static json_t *usage_json(struct request *r, const struct table *t, size_t row)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "project", table_cell(t, row, 1)->text,
        "login", table_cell(t, row, 2)->text, "directory", table_cell(t, row, 3)->text, "name",
        table_cell(t, row, 4)->text, "jobs", (json_int_t)table_cell(t, row, 5)->number, "used",
        hours_at(r, t, row, 6), "refunded", hours_at(r, t, row, 7), "net",
        hours_at(r, t, row, 8), "raw", hours_at(r, t, row, 9));
}

static json_t *allocation_json(struct request *r, const struct table *t, size_t row)
{
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "project",
                     table_cell(t, row, 1)->text, "allocation",
                     (json_int_t)table_cell(t, row, 2)->number, "until",
                     shown_date(r->arena, table_cell(t, row, 4)->number - 1), "opening",
                     hours_at(r, t, row, 5), "granted", hours_at(r, t, row, 6), "used",
                     hours_at(r, t, row, 7), "refunded", hours_at(r, t, row, 8), "expired",
                     hours_at(r, t, row, 9), "closing", hours_at(r, t, row, 10), "held",
                     hours_at(r, t, row, 11));
}

static void put_table(struct request *r, json_t *page, const struct table *t,
                      json_t *(*row_json)(struct request *r, const struct table *t, size_t row))
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->row_count && i < ROWS_SHOWN; i++)
        json_array_append_new(rows, row_json(r, t, i));
    json_object_set_new(page, t->name,
                        json_pack("{s:o, s:b, s:b, s:I}", "rows", rows, "has_rows",
                                  t->row_count > 0, "is_cut", t->row_count > ROWS_SHOWN,
                                  "count", (json_int_t)t->row_count));
}

static json_t *link_json(const char *label, const char *path, bool is_chosen)
{
    return json_pack("{s:s, s:s, s:b}", "label", label, "path", path ? path : "/statements",
                     "selected", is_chosen);
}

/* Each project he heads, and the one shown, which he may see by another role. */
static void put_projects(struct request *r, json_t *list, const struct asked *a,
                         const char *here)
{
    bool is_shown = !*a->project;
    for (size_t i = 0; i < a->person->membership_count; i++) {
        const struct membership *m = &a->person->memberships[i];
        bool is_this = strcmp(a->project, m->project) == 0;
        if (!m->is_pi)
            continue;
        json_array_append_new(
            list,
            link_json(m->project, arena_printf(r->arena, "%s?project=%s", here, m->project),
                      is_this));
        is_shown |= is_this;
    }
    if (!is_shown)
        json_array_append_new(
            list, link_json(a->project, arena_printf(r->arena, "%s%s", here, a->query), true));
}

/* The links to the scopes that the person has: all, his own, projects, tenants. */
static int put_scopes(struct worker *w, struct request *r, json_t *page, const struct asked *a)
{
    const char *here = arena_printf(r->arena, "/statements/%s", month_name(r, a->month.month));
    json_t *list = json_array();
    here = here ? here : "/statements";
    json_array_append_new(list, link_json("All", here, !*a->query));
    json_array_append_new(list, link_json("Mine", arena_printf(r->arena, "%s?of=me", here),
                                          strcmp(a->query, "?of=me") == 0));
    put_projects(r, list, a, here);
    bool is_needed = json_array_size(list) > 2 || a->person->admin_of_count > 0 || a->tenant;
    json_object_set_new(page, "has_scopes", json_boolean(is_needed));
    json_object_set_new(page, "scopes", list);
    json_object_set_new(page, "here", json_string(here));
    return tenants_put(w->db, r, a->person, page, here, a->tenant);
}

static int run(struct worker *w, struct asked *a, struct book **out,
               struct statement_sums *sums, struct request *r)
{
    int code = statement_run(w->db, &a->month, &a->scope, out, sums, &r->err);
    if (code < 0)
        return code;
    book_fact(*out, "Site", w->portal->conf.name);
    book_fact(*out, "Scope", a->title);
    return 0;
}

int load_statement(void *local, struct request *r)
{
    AUTO(book_freep) struct book *book = NULL;
    struct worker *w = local;
    struct asked a;
    struct statement_sums sums;
    int code = find_asked(w, r, &a);
    if (code == 0)
        code = run(w, &a, &book, &sums, r);
    if (code < 0)
        return code;
    const char *month = month_words(r, a.month.month);
    json_t *page = page_new(r, month, "statements");
    json_object_set_new(page, "of_project", json_string(a.project));
    page_template(page, "pages/statement");
    put_table(r, page, &book->tables[0], usage_json);
    if (book->table_count > 1)
        put_table(r, page, &book->tables[1], allocation_json);
    json_object_update_new(
        page, json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s}", "month", month,
                        "scope_title", a.title, "is_closed", a.month.closed_ms != 0, "closed",
                        shown_date(r->arena, a.month.closed_ms), "query", a.query, "sum_used",
                        shown_hours(r->arena, sums.used_gpums), "sum_raw",
                        shown_hours(r->arena, sums.raw_gpums), "sum_refunded",
                        shown_hours(r->arena, sums.refunded_gpums), "sum_net",
                        shown_hours(r->arena, sums.used_gpums - sums.refunded_gpums)));
    return put_scopes(w, r, page, &a);
}

/* ---- one month as a file */

struct made {
    const char *type, *filename;
    struct buf bytes; /* CSV, PDF */
    int fd;           /* XLSX; -1: none */
};

static void drop_made(void *arg)
{
    struct made *m = arg;
    buf_done(&m->bytes);
    if (m->fd >= 0)
        close(m->fd);
}

static int make_csv(const struct book *b, const char *table, struct made *m, struct err *e)
{
    for (size_t i = 0; i < b->table_count; i++)
        if (strcmp(b->tables[i].name, table) == 0) {
            sheet_csv_write(&b->tables[i], &m->bytes);
            return m->bytes.failed ? -EMSGSIZE : 0;
        }
    return err_set(e, -ENOENT, "The statement has no such table.");
}

/* The writer knows names alone: it writes in a folder that is ours alone and gone at once. */
static int make_xlsx(const struct book *b, struct made *m, struct err *e)
{
    char folder[] = "/tmp/firefly-XXXXXX", path[64];
    if (!mkdtemp(folder))
        return err_set(e, -errno, "%s: cannot be made: %s", folder, strerror(errno));
    snprintf(path, sizeof(path), "%s/statement.xlsx", folder);
    int code = sheet_xlsx_write(b, path, e);
    if (code == 0)
        m->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (code == 0 && m->fd < 0)
        code = err_set(e, -errno, "%s: cannot be read: %s", path, strerror(errno));
    unlink(path);
    rmdir(folder);
    return code;
}

static int make_usage(const struct book *b, struct made *m, struct err *e)
{
    return make_csv(b, "usage", m, e);
}

static int make_allocations(const struct book *b, struct made *m, struct err *e)
{
    return make_csv(b, "allocations", m, e);
}

static int make_pdf(const struct book *b, struct made *m, struct err *e)
{
    return sheet_pdf_write(b, &m->bytes, e);
}

/* The files of a month: the last part of the address, and what a saved one is called. */
static const struct kind {
    const char *file, *type, *stem, *ending;
    int (*make)(const struct book *b, struct made *m, struct err *e);
} kinds[] = {
    {"usage.csv", "text/csv; charset=utf-8; header=present", "usage", "csv", make_usage},
    {"allocations.csv", "text/csv; charset=utf-8; header=present", "allocations", "csv",
     make_allocations},
    {"statement.pdf", "application/pdf", "statement", "pdf", make_pdf},
    {"statement.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
     "statement", "xlsx", make_xlsx},
};

static const struct kind *find_kind(const char *file)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i].file, file) == 0)
            return &kinds[i];
    return NULL;
}

int load_statement_file(void *local, struct request *r)
{
    AUTO(book_freep) struct book *book = NULL;
    struct worker *w = local;
    struct asked a;
    struct statement_sums sums;
    const struct kind *kind = find_kind(request_param(r, "file"));
    struct made *m = arena_alloc(r->arena, sizeof(*m));
    if (!kind || !m)
        return kind ? -ENOMEM : -ENOENT;
    *m = (struct made){.type = kind->type, .bytes = BUF_INIT(FILE_MAX), .fd = -1};
    request_keep(r, drop_made, m);
    int code = find_asked(w, r, &a);
    if (code == 0)
        code = run(w, &a, &book, &sums, r);
    if (code == 0)
        code = kind->make(book, m, &r->err);
    if (code < 0)
        return code;
    m->filename =
        arena_printf(r->arena, "%s-%s%s%s.%s", kind->stem, month_name(r, a.month.month),
                     *a.whose ? "-" : "", a.whose, kind->ending);
    r->state = m;
    return m->filename ? 0 : -ENOMEM;
}

void show_statement_file(struct request *r, int status)
{
    struct made *m = r->state;
    if (status < 0) {
        request_fail(r, status);
        return;
    }
    struct request_file as = {.type = m->type, .filename = m->filename};
    if (m->fd >= 0) {
        int fd = m->fd;
        m->fd = -1; /* is the stream's now */
        request_stream(r, &as, fd, 0, -1);
        return;
    }
    struct evbuffer *body = evbuffer_new();
    evbuffer_add(body, m->bytes.data ? m->bytes.data : "", m->bytes.len);
    request_bytes(r, &as, body);
    evbuffer_free(body);
}

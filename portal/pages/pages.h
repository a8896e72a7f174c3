// SPDX-License-Identifier: Apache-2.0
/* The pages, each a pair: `load` asks the database on a worker, `show` replies on the loop.
 * Which path leads to which is portal/routes.c's. */
#ifndef FF_PORTAL_PAGES_PAGES_H
#define FF_PORTAL_PAGES_PAGES_H

#include "portal/request.h"

/* login.c */
void show_login(struct request *r, int status);
int load_login_try(void *worker, struct request *r);
void show_login_try(struct request *r, int status);
int load_logout(void *worker, struct request *r);
void show_logout(struct request *r, int status);

/* home.c */
int load_home(void *worker, struct request *r);

/* balance.c */
int load_balance(void *worker, struct request *r);

/* statement.c */
int load_statements(void *worker, struct request *r);
int load_statement(void *worker, struct request *r);
int load_statement_file(void *worker, struct request *r);
void show_statement_file(struct request *r, int status);

/* project.c: a project, and one member of it */
int load_project(void *worker, struct request *r);
int load_member(void *worker, struct request *r);
int load_member_role(void *worker, struct request *r);
int load_member_limit(void *worker, struct request *r);
void show_member_changed(struct request *r, int status);
int load_member_remove(void *worker, struct request *r);
void show_member_removed(struct request *r, int status);

/* requests.c */
int load_requests(void *worker, struct request *r);
int load_ask_join(void *worker, struct request *r);
int load_ask_project(void *worker, struct request *r);
int load_ask_hours(void *worker, struct request *r);
void show_asked(struct request *r, int status);
int load_request(void *worker, struct request *r);
int load_request_answer(void *worker, struct request *r);
int load_request_withdraw(void *worker, struct request *r);
void show_request_answered(struct request *r, int status);
json_t *requests_join_form(struct request *r); /* the form to join a project; caller frees */

/* jobs.c: the list */
int load_jobs(void *worker, struct request *r);

/* job_new.c: the form, and what comes of it */
int load_job_new(void *worker, struct request *r);
int load_place(void *worker, struct request *r);
void show_placed(struct request *r, int status);

/* job.c: one job */
int load_job(void *worker, struct request *r);
void show_job(struct request *r, int status);
int load_cancel(void *worker, struct request *r);
void show_cancelled(struct request *r, int status);

/* job_log.c */
int load_log(void *worker, struct request *r);
void show_log(struct request *r, int status);
void show_events(struct request *r, int status);

/* job_files.c */
int load_files(void *worker, struct request *r);
void show_files(struct request *r, int status);
void show_file(struct request *r, int status);

#endif

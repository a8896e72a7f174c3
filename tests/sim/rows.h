// SPDX-License-Identifier: Apache-2.0
/* quota/db/db.h over the model, for the statements of looks and of the journal. */
#ifndef FF_SIM_ROWS_H
#define FF_SIM_ROWS_H

#include "quota/db/db.h"

struct model;
struct life;
struct sim;

enum db_fault { DB_FINE, DB_BEFORE, DB_AFTER, DB_DEADLOCK, DB_GONE };

/* A connection for one task. */
struct db {
    struct life *life;
    struct model *model;
    enum db_fault fault;
    int fault_in; /* statements until then */
};

/* What will happen to the task's statements; and a break that surely comes. */
void db_plan_fault(struct db *db, struct sim *s);
void db_break_somewhere(struct db *db, struct sim *s);

/* Around each transaction: 0, or the error that comes before it is carried out, or after. */
int db_ask(struct db *db, struct err *e);
int db_answer(struct db *db, struct err *e);

#endif

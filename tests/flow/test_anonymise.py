# SPDX-License-Identifier: Apache-2.0
"""Somebody who left is forgotten: no name, no mail, no login anywhere but where it is sealed; the books,
the closed months and their proofs stay as they are."""
import hashlib
import unittest

from books import HOUR, WHY, YES, Case
from mail_server import MailServer
from test_month import Past, name

LOGIN, NAME = "zelda.quux", "Zelda Quux"
ENTRY = f"{LOGIN}-uuid"
TRACES = ("zelda", "quux")
# What is kept of the login: who did what, in rows that are sealed or proved by their ids.
SIGNED = {("audit", "actor"), ("transfer", "actor")}


class Anonymise(Case):
    """A person with a past: a month closed since, requests, answers, sessions, tokens, mail."""

    def setUp(self):
        b = self.books = Past().furnish(100)
        self.addCleanup(b.close)
        self.zelda = self.log_in()
        self.who = str(self.zelda)
        self.furnish()

    def log_in(self, uid=0):
        """As portald would; returns the number."""
        row = self.books.call("portal", f"CALL person_login('north', '{ENTRY}', 'north', '{LOGIN}',"
                                        f" '{NAME}', '{LOGIN}@north.example', 0, {uid}, {uid}, '',"
                                        " 200000, 299999)")[0]
        self.assertEqual("ok", row[0])
        return int(row[1])

    def ask(self, kind, project, note, person=None):
        key = hashlib.md5((kind + project + note).encode()).hexdigest()
        row = self.books.call("portal", f"CALL user_request_add({person or self.zelda}, 'portal ::1',"
                                        f" '{key}', '{kind}', '{project}', '', {HOUR}, '{note}')")[0]
        self.assertEqual("done", row[0])
        return int(row[1])

    def furnish(self):
        b = self.books
        b.write("member", "add", "lattice", f"{LOGIN}@north", "--role", "pi")
        b.write("share", "set", b.allocation, f"{LOGIN}@north", "50")
        b.write("limit", "set", "person", f"{LOGIN}@north", "--gpus", "4")
        b.write("tenant", "appoint", "north", f"{LOGIN}@north")
        b.write("person", "disable", f"{LOGIN}@north")
        b.write("person", "enable", f"{LOGIN}@north")
        b.run_job(self.zelda, used=HOUR // 2)
        b.run_job(self.zelda, gpus=2, used=HOUR)
        b.age()
        b.run_job(self.zelda, used=HOUR // 4)
        b.freeze(b.last)
        denied = self.ask("join", "optics", f"I am {NAME}, let me in")
        b.write("request", "deny", denied)
        self.open = self.ask("hours", "lattice", f"{NAME} needs more, write to {LOGIN}@north.example")
        self.answer_somebody()
        self.sessions_and_mail()

    def answer_somebody(self):
        """Her answer as PI, which the asker goes on reading."""
        b = self.books
        dave = b.person("dave")
        self.asked = self.ask("join", "lattice", "please", dave)
        row = b.call("portal", f"CALL user_request_answer({self.zelda}, 'portal ::1', 'welcome',"
                               f" '{'a' * 32}', {self.asked}, 1)")[0]
        self.assertEqual("done", row[0])

    def sessions_and_mail(self):
        b = self.books
        b.sql(f"INSERT INTO session VALUES (REPEAT('a', 64), {self.zelda}, 1, 1, 9e15, '::1'),"
              f" (REPEAT('b', 64), {b.bob}, 1, 1, 9e15, '::1');"
              "INSERT INTO api_token (person_id, token_hash, name, scope, created_ms, until_ms)"
              f" VALUES ({self.zelda}, REPEAT('a', 64), 'laptop', 'jobs', 1, 9e15),"
              f" ({b.bob}, REPEAT('b', 64), 'laptop', 'jobs', 1, 9e15)")
        server = MailServer()
        self.addCleanup(server.close)
        with open(b.conf, "a", encoding="utf-8") as conf:
            conf.write(f"[mail]\nserver = smtp://127.0.0.1:{server.port}\ntls = no\n"
                       "from = firefly@cloud.example\n")
        b.sql("UPDATE allocation SET until_ms = now_ms() + 20 * 86400000")
        b.ok("notice", "send")
        self.assertEqual(2, b.number("SELECT COUNT(*) FROM mail WHERE state = 'sent'"))

    def forget(self, *more):
        return self.books.ok("person", "anonymise", self.who, *YES, "--format", "json", *more).json()[0]

    # ---- looking for what is left

    def columns(self):
        return self.books.sql(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c"
            " JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name ="
            " c.table_name WHERE c.table_schema = 'firefly' AND t.table_type = 'BASE TABLE'"
            " AND c.character_set_name IS NOT NULL")

    def traces(self):
        """(table, column) where any part of the name is found, in any table there is."""
        columns = self.columns()
        found = self.books.sql(" UNION ALL ".join(
            f"SELECT '{table}', '{column}', COUNT(*) FROM `{table}` WHERE "
            + " OR ".join(f"LOWER(`{column}`) LIKE '%{trace}%'" for trace in TRACES)
            for table, column in columns))
        return {(table, column) for table, column, count in found if int(count)}

    def dump(self):
        """A checksum of every table."""
        tables = ", ".join(sorted({table for table, _ in self.columns()}
                                  | {"transfer", "member", "tenant_admin"}))
        return self.books.sql(f"CHECKSUM TABLE {tables}")

    def month_rows(self):
        b = self.books
        return (self.rows("month", "show", name(b.last)), b.text(b.last), b.checksum(b.last),
                b.sql("SELECT * FROM month_balance ORDER BY 1, 2"))

    # ---- what it does

    def test_no_trace_is_left_but_where_it_is_signed(self):
        before = self.traces()
        for place in (("person", "name"), ("person", "mail"), ("person", "login"),
                      ("person", "entry_id"), ("account", "unix_name"), ("user_request", "note"),
                      ("user_request", "answered_by"), ("mail", "address")):
            self.assertIn(place, before)
        self.assertFalse({("audit", "before_text"), ("audit", "after_text"), ("audit", "reason"),
                          ("audit", "object")} & before)
        done = self.forget()
        self.assertEqual(("done", self.zelda), (done["answer"], done["number"]))
        self.assertEqual(set(), self.traces() - SIGNED)
        self.assertEqual([["", "", f"anonymised-{self.zelda}", "anonymised"]], self.books.sql(
            f"SELECT name, mail, login, state FROM person WHERE id = {self.zelda}"))

    def test_sessions_end_and_tokens_are_revoked(self):
        self.forget()
        b = self.books
        self.assertEqual([[str(b.bob)]], b.sql("SELECT person_id FROM session"))
        self.assertEqual([["1", "0"]], b.sql(
            f"SELECT SUM(person_id = {self.zelda} AND revoked_ms IS NOT NULL),"
            f" SUM(person_id = {b.bob} AND revoked_ms IS NOT NULL) FROM api_token"))
        self.assertEqual("disabled", b.place(self.zelda)[0])

    def test_requests_keep_their_story_without_the_name(self):
        self.forget()
        rows = {r["request"]: r for r in self.rows("request", "list", "--all")}
        mine = rows[self.open]
        self.assertEqual(("withdrawn", "", f"anonymised-{self.zelda}@north"),
                         (mine["state"], mine["note"], mine["person"]))
        self.assertEqual(("approved", f"anonymised-{self.zelda}", "welcome"),
                         tuple(rows[self.asked][k] for k in ("state", "answered_by", "answer")))
        self.fails(3, "request", "approve", self.open, "--allocation", self.books.allocation, *YES,
                   says=("withdrawn already",))
        self.assertEqual([], self.rows("request", "list"))

    def test_the_books_and_the_closed_month_stay(self):
        b = self.books
        tables = ("transfer", "budget", "job", "attempt", "event", "month", "month_report",
                  "month_balance", "allocation", "member")
        before = [b.sql(f"SELECT * FROM {t} ORDER BY 1, 2") for t in tables], self.month_rows()
        b.ok("verify")
        self.forget()
        self.assertEqual(before, ([b.sql(f"SELECT * FROM {t} ORDER BY 1, 2") for t in tables],
                                  self.month_rows()))
        self.assertEqual("intact", self.month_rows()[0][0]["proof"])
        b.ok("verify")

    def test_reports_show_a_number(self):
        month = name(self.books.last)
        args = ("report", "user", "--month", month)
        before = self.rows(*args)
        self.forget()
        after = self.rows(*args)
        nobody = f"anonymised-{self.zelda}"
        self.assertEqual([nobody if r["login"] == LOGIN else r["login"] for r in before],
                         [r["login"] for r in after])
        numbers = [[{k: v for k, v in r.items() if k not in ("login", "name")} for r in rows]
                   for rows in (before, after)]
        self.assertEqual(*numbers)
        for report in (("month", month), ("top", "--month", month), ("waste", "--month", month)):
            text = self.books.ok("report", *report).out.lower()
            self.assertFalse([trace for trace in TRACES if trace in text], report)
        folder = self.books.folder / "set"
        folder.mkdir()
        self.books.ok("report", "month", month, "--all", "--out", folder)
        for file in folder.iterdir():
            if not file.name.startswith("ledger"):
                self.assertNotIn(b"zelda", file.read_bytes().lower(), file.name)
        for list_ in (("person", "list"), ("member", "list", "lattice"), ("job", "list"),
                      ("share", "list")):
            text = self.books.ok(*list_).out
            self.assertIn(nobody, text, list_)
            self.assertFalse([trace for trace in TRACES if trace in text.lower()], list_)

    def test_the_audit_says_that_it_was_done_and_to_whom_by_number(self):
        self.forget()
        row = self.rows("audit", "list", "--verb", "person anonymise")[0]
        self.assertEqual((f"person {self.zelda}", "state active", "a test"),
                         (row["object"], row["before"], row["reason"]))

    # ---- the same entry of the directory again

    def test_who_logs_in_again_is_somebody_new(self):
        self.forget()
        again = self.log_in()
        self.assertNotEqual(self.zelda, again)
        new, old = (self.rows("person", "show", str(n))["person"][0] for n in (again, self.zelda))
        self.assertEqual((LOGIN, NAME, LOGIN), (new["login"], new["name"], new["unix_name"]))
        self.assertEqual("", old["name"])
        self.assertNotEqual(new["uid"], old["uid"])
        self.assertEqual([], self.rows("person", "show", str(again))["projects"])
        self.assertEqual([], self.rows("job", "list", "--person", str(again)))
        self.assertEqual("placed", self.books.place(self.books.bob)[0])

    def test_with_the_machines_own_accounts_too(self):
        self.books.sql(f"UPDATE account SET uid = 4711, gid = 4711 WHERE person_id = {self.zelda}")
        self.forget()
        again = self.log_in(4711)
        self.assertEqual([[str(again), LOGIN]],
                         self.books.sql("SELECT person_id, unix_name FROM account WHERE uid = 4711"))
        self.assertEqual(f"anonymised-{self.zelda}",
                         self.rows("person", "show", self.who)["person"][0]["login"])
        self.books.ok("verify")

    # ---- what it refuses

    def test_live_jobs_are_let_end_first(self):
        b = self.books
        b.sql("UPDATE allocation SET until_ms = now_ms() + 9e9")
        job = b.job(self.zelda)
        before = self.dump()
        for more in ((), ("--dry-run",)):
            self.fails(3, "person", "anonymise", self.who, *YES, *more,
                       says=(f"person {self.zelda} has 1 live job", "quota job cancel"))
        self.assertEqual(before, self.dump())
        b.finish(job, b.start(job), HOUR // 2)
        self.forget()

    def test_twice_is_refused_and_the_same_key_is_the_same(self):
        done = self.forget("--key", "forget-her-once")
        self.assertEqual("done before", self.forget("--key", "forget-her-once")["answer"])
        self.fails(3, "person", "anonymise", self.who, *YES,
                   says=(f"person {self.zelda} is anonymised", "stays so"))
        for verb in ("enable", "disable"):
            self.fails(3, "person", verb, self.who, *YES, says=("stays so",))
        self.fails(4, "person", "anonymise", f"{LOGIN}@north", *YES, says=("never logged in",))
        self.assertEqual("done", done["answer"])
        self.assertEqual(1, self.books.number("SELECT COUNT(*) FROM audit"
                                              " WHERE verb = 'person anonymise'"))

    def test_a_dry_run_changes_nothing(self):
        before = self.dump(), self.traces()
        self.assertEqual("would be done", self.books.ok(
            "person", "anonymise", self.who, *WHY, "--dry-run", "--format", "json").json()[0]["answer"])
        self.assertEqual(before, (self.dump(), self.traces()))


if __name__ == "__main__":
    unittest.main()

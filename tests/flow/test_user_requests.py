# SPDX-License-Identifier: Apache-2.0
"""What people ask for, answered by an administrator with `quota request`: to join a project, a project
of their own, more GPU-hours; each answered once, and granted once whatever is cut off."""
import hashlib
import subprocess
import unittest

from books import HOUR, QUOTA, WHY, YES, Books, Case

TERM = ("--from", "2026-01-01", "--until", "2090-01-01")
TABLES = ("user_request", "member", "project", "allocation", "budget", "transfer", "audit")


class UserRequests(Case):
    """One site; each test asks by people of its own."""

    @classmethod
    def setUpClass(cls):
        b = cls.books = Books().furnish(100)
        cls.addClassCleanup(b.close)
        b.write("project", "add", "optics", "--tenant", "north", "--title", "Optics")
        cls.elsewhere = b.write("grant", "optics", 10, *TERM)["number"]
        cls.count = 0

    def newcomer(self):
        type(self).count += 1
        self.login = f"asker{self.count}"
        return self.books.person(self.login)

    def ask(self, kind="join", project="lattice", hours=0, title="", person=None, note="please"):
        """The request's number."""
        person = person or (self.books.alice if kind == "hours" else self.newcomer())
        type(self).count += 1
        key = hashlib.md5(str(self.count).encode()).hexdigest()
        row = self.books.call("portal", f"CALL user_request_add({person}, 'portal ::1', '{key}',"
                                        f" '{kind}', '{project}', '{title}', {hours * HOUR},"
                                        f" '{note}')")[0]
        self.assertEqual("done", row[0])
        self.addCleanup(self.books.sql, "UPDATE user_request SET state = 'withdrawn'"
                                        f" WHERE id = {row[1]} AND state = 'open'")
        return int(row[1])

    def approve(self, number, *more):
        return self.books.ok("request", "approve", number, *YES, *more, "--format", "json").json()

    def state(self, number):
        return self.books.sql("SELECT state, COALESCE(answered_by, ''), COALESCE(answer, '')"
                              f" FROM user_request WHERE id = {number}")[0]

    def role(self, project):
        return [r["role"] for r in self.rows("member", "list", project) if r["login"] == self.login]

    def tables(self):
        return [self.books.sql(f"SELECT * FROM {t} ORDER BY 1, 2") for t in TABLES]

    def changes_nothing(self, code, *args, says=()):
        before = self.tables()
        self.fails(code, *args, says=says)
        self.assertEqual(before, self.tables())

    def rehearse(self, number, *more, verb="approve"):
        before = self.tables()
        rows = self.books.ok("request", verb, number, *WHY, "--dry-run", "--format", "json",
                             *more).json()
        self.assertEqual({"would be done"}, {r["answer"] for r in rows})
        self.assertEqual(before, self.tables())

    # ---- to join

    def test_a_person_joins(self):
        number = self.ask()
        self.rehearse(number)
        row = self.approve(number)[0]
        self.assertEqual(("done", number), (row["answer"], row["number"]))
        self.assertEqual(["member"], self.role("lattice"))
        self.assertEqual(["approved", "root", "a test"], self.state(number))

    def test_as_pi_when_that_is_said(self):
        number = self.ask()
        self.rehearse(number, "--role", "pi")
        self.fails(2, "request", "approve", number, "--role", "boss", *YES, says=("member, pi",))
        self.approve(number, "--role", "pi")
        self.assertEqual(["pi"], self.role("lattice"))

    def test_who_became_a_member_meanwhile_stays_as_he_is(self):
        number = self.ask()
        self.books.write("member", "add", "lattice", f"{self.login}@north", "--role", "pi")
        self.approve(number)
        self.assertEqual(["pi"], self.role("lattice"))
        self.assertEqual("approved", self.state(number)[0])

    def test_to_join_what_is_not_there_can_only_be_denied(self):
        number = self.ask(project="latice")
        self.changes_nothing(4, "request", "approve", number, *YES,
                             says=("no project latice", "deny it"))
        self.rehearse(number, verb="deny")
        self.books.write("request", "deny", number)
        self.assertEqual(["denied", "root", "a test"], self.state(number))

    def test_who_was_disabled_is_let_in_nowhere(self):
        for kind, project in (("join", "lattice"), ("project", "of-a-ghost")):
            number = self.ask(kind, project)
            self.books.write("person", "disable", f"{self.login}@north")
            self.changes_nothing(3, "request", "approve", number, *YES,
                                 says=("is disabled", "deny it"))
            self.books.write("request", "deny", number)

    # ---- a new project

    def test_a_project_is_opened_with_its_pi(self):
        number = self.ask("project", "glass", title="Glass, <b>and</b> its flow")
        self.rehearse(number)
        self.approve(number)
        self.assertEqual(["pi"], self.role("glass"))
        row = self.rows("project", "show", "glass")[0]
        self.assertEqual(("north", "Glass, <b>and</b> its flow"), (row["tenant"], row["title"]))
        self.assertEqual("approved", self.state(number)[0])

    def test_a_name_that_is_taken_is_not_given_twice(self):
        number = self.ask("project", "optics")
        self.changes_nothing(3, "request", "approve", number, *YES,
                             says=("is a project optics already", "deny it"))

    def test_a_name_that_no_project_can_have_is_not_given(self):
        number = self.ask("project", "soon-odd")
        self.books.sql(f"UPDATE user_request SET project_name = '../Odd' WHERE id = {number}")
        self.changes_nothing(3, "request", "approve", number, *YES,
                             says=("no project can be named '../Odd'", "deny it"))
        self.rehearse(number, verb="deny")

    def test_options_of_another_kind_are_refused(self):
        join, project = self.ask(), self.ask("project", "metals")
        hours = self.ask("hours", hours=5)
        for number, options, says in (
                (project, ("--role", "member"), "leave out --role"),
                (hours, ("--role", "pi", "--allocation", self.books.allocation), "leave out --role"),
                (join, ("--hours", "5"), "leave out --hours"),
                (join, ("--allocation", self.books.allocation), "leave out --allocation"),
                (project, TERM, "leave out --from")):
            self.changes_nothing(2, "request", "approve", number, *options, *YES, says=(says,))

    # ---- GPU-hours

    def free(self, allocation):
        return self.books.number("SELECT free FROM budget WHERE kind = 'allocation' AND"
                                 f" allocation_id = {allocation}")

    def grants(self, number):
        """What was granted for the request."""
        return [(int(a), int(g)) for a, g in self.books.sql(
            "SELECT allocation_id, gpums FROM transfer t JOIN budget b ON b.id = t.credit_budget"
            f" WHERE t.reference = 'request {number}' ORDER BY t.id")]

    def test_hours_are_added_to_an_allocation_of_the_project(self):
        number, there = self.ask("hours", hours=7), self.books.allocation
        free = self.free(there)
        self.rehearse(number, "--allocation", there)
        row = self.approve(number, "--allocation", there)[0]
        self.assertEqual(("done", there, 7 * HOUR), tuple(row[k] for k in (
            "answer", "number", "moved_gpums")))
        self.assertEqual(free + 7 * HOUR, self.free(there))
        self.assertEqual(["approved", "root", "a test"], self.state(number))
        self.assertEqual([(there, 7 * HOUR)], self.grants(number))
        self.books.ok("verify")

    def test_fewer_hours_than_asked_for(self):
        number, there = self.ask("hours", hours=7), self.books.allocation
        self.approve(number, "--allocation", there, "--hours", "2.5")
        self.assertEqual([(there, 5 * HOUR // 2)], self.grants(number))

    def test_hours_for_a_term_of_their_own(self):
        number = self.ask("hours", hours=3)
        self.rehearse(number, *TERM)
        row = self.approve(number, *TERM)[0]
        self.assertNotEqual(self.books.allocation, row["number"])
        self.assertEqual([(row["number"], 3 * HOUR)], self.grants(number))
        shown = [r for r in self.rows("balance", "lattice") if r["allocation"] == row["number"]]
        self.assertEqual(3 * HOUR, shown[0]["free_gpums"])

    def test_where_the_hours_go_must_be_said(self):
        number, there = self.ask("hours", hours=3), str(self.books.allocation)
        for options, says in (
                ((), ("--allocation NUMBER", "--from DAY --until DAY")),
                (("--from", "2026-01-01"), ("--from DAY --until DAY",)),
                (("--allocation", there, "--until", "2090-01-01"), ("--allocation NUMBER",)),
                (("--allocation", there, *TERM), ("--allocation NUMBER",)),
                (("--allocation", "x"), ("'x'", "whole number")),
                (("--from", "2026-02-30", "--until", "2090-01-01"), ("--from '2026-02-30'",)),
                (("--from", "2090-01-01", "--until", "2026-01-01"), ("later day",)),
                (("--allocation", there, "--hours", "0"), ("'0'", "like 118.5")),
                (("--allocation", there, "--hours", "1e9"), ("'1e9'",)),
                (("--allocation", str(self.elsewhere)), ("is of the project optics",
                                                         "the request is for lattice"))):
            self.changes_nothing(2, "request", "approve", number, *options, *YES, says=says)
        self.changes_nothing(4, "request", "approve", number, "--allocation", "999", *YES,
                             says=("999: not found",))
        self.changes_nothing(3, "request", "approve", number, "--from", "2020-01-01", "--until",
                             "2021-01-01", *YES, says=("that term is over already",))
        self.books.write("allocation", "close", there)
        self.addCleanup(self.books.write, "allocation", "open", there)
        self.changes_nothing(3, "request", "approve", number, "--allocation", there, *YES,
                             says=(f"quota allocation open {there}",))

    def cut_off(self, number, *options):
        """As after a crash between the grant and the answer."""
        self.approve(number, *options)
        self.books.sql("UPDATE user_request SET state = 'open', answered_by = NULL, answered_ms ="
                       f" NULL, answer = NULL WHERE id = {number};"
                       f"DELETE FROM audit WHERE object = 'request {number}' AND verb ="
                       " 'request approve'")

    def test_cut_off_between_grant_and_answer_it_is_granted_once(self):
        for options in (("--allocation", self.books.allocation), TERM):
            number = self.ask("hours", hours=4)
            self.cut_off(number, *options)
            granted = self.grants(number)
            self.assertEqual(1, len(granted))
            self.changes_nothing(3, "request", "approve", number, *options, "--hours", "3", *YES,
                                 says=("cut off", "has granted other GPU-hours",
                                       f"request-{number}-grant"))
            self.assertEqual("done before", self.approve(number, *options)[0]["answer"])
            self.assertEqual(granted, self.grants(number))
            self.assertEqual("approved", self.state(number)[0])
        self.books.ok("verify")

    def test_many_at_once_grant_once(self):
        number = self.ask("hours", hours=4)
        command = [QUOTA, "request", "approve", str(number), "--allocation",
                   str(self.books.allocation), "--config", self.books.conf, *YES]
        children = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    for _ in range(4)]
        codes = [child.wait(60) for child in children]
        self.assertIn(0, codes)
        self.assertTrue({0, 3}.issuperset(codes), codes)
        self.assertEqual([(self.books.allocation, 4 * HOUR)], self.grants(number))

    def test_denied_hours_are_not_granted(self):
        number = self.ask("hours", hours=4)
        self.rehearse(number, verb="deny")
        self.books.write("request", "deny", number)
        self.assertEqual([], self.grants(number))
        self.changes_nothing(3, "request", "approve", number, "--allocation",
                             self.books.allocation, *YES, says=("is denied already",))

    # ---- once

    def test_what_is_answered_stays_answered(self):
        for kind, project, options in (("join", "lattice", ()), ("project", "wires", ()),
                                       ("hours", "lattice", TERM)):
            number = self.ask(kind, project, hours=2)
            args = ("request", "approve", number, *options, *YES)
            self.books.ok(*args, "--key", f"answer-{number}")
            self.changes_nothing(3, *args, says=(f"request {number} is approved already",))
            self.changes_nothing(3, "request", "deny", number, *YES,
                                 says=(f"request {number} is approved already",))
            before = self.tables()
            again = self.books.ok(*args, "--key", f"answer-{number}", "--format", "json").json()
            self.assertEqual("done before", again[0]["answer"])
            self.assertEqual(before, self.tables())
            self.changes_nothing(3, "request", "deny", number, "--key", f"answer-{number}", *YES,
                                 says=("used for something else",))

    def test_the_audit_says_who_asked_for_what_by_number(self):
        number = self.ask()
        self.approve(number, "--role", "pi")
        row = self.rows("audit", "list", "--object", f"request {number}")[0]
        person = self.books.number(f"SELECT person_id FROM user_request WHERE id = {number}")
        self.assertEqual((f"person {person} asks: join lattice", "approved, role pi", "root"),
                         (row["before"], row["after"], row["actor"]))

    def test_a_list_has_what_waits_and_the_history(self):
        number = self.ask("hours", hours=5, note="=1+1")
        row = next(r for r in self.rows("request", "list") if r["request"] == number)
        self.assertEqual(("hours", "alice@north", "lattice", 5 * HOUR, "=1+1", "open"),
                         tuple(row[k] for k in ("kind", "person", "project", "wished_gpums", "note",
                                                "state")))
        self.books.write("request", "deny", number)
        self.assertNotIn(number, [r["request"] for r in self.rows("request", "list")])
        row = next(r for r in self.rows("request", "list", "--all") if r["request"] == number)
        self.assertEqual(("denied", "root", "a test"),
                         tuple(row[k] for k in ("state", "answered_by", "answer")))

    def test_what_is_no_request(self):
        self.changes_nothing(4, "request", "approve", "999", *YES, says=("999: not found",
                                                                        "quota request list"))
        self.changes_nothing(4, "request", "deny", "999", *YES, says=("999: not found",))
        for number in ("0", "x", "-1", "1.5", "9223372036854775808", ""):
            self.changes_nothing(2, "request", "approve", *YES, "--", number,
                                 says=(f"'{number}'", "whole number"))


if __name__ == "__main__":
    unittest.main()

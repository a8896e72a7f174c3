# SPDX-License-Identifier: Apache-2.0
"""The command `quota` against a real MariaDB: every verb right and wrong, keys, amounts,
formats and directories."""
import csv
import io
import os
import subprocess
import unittest

from books import HOUR, PROBE, QUOTA, WHY, YES, Books, Case
from portal.embedded.slapd import Person, Slapd, University


class Verbs(Case):
    @classmethod
    def setUpClass(cls):
        cls.books = Books().furnish()

    @classmethod
    def tearDownClass(cls):
        result = cls.books.quota("verify")
        cls.books.close()
        assert result.code == 0, result.out

    def audits(self):
        return self.books.number("SELECT COUNT(*) FROM audit")

    # ---- usage

    def test_help_stands_at_every_noun_and_verb(self):
        text = self.books.ok("--help").out
        nouns = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]
        self.assertGreaterEqual(len(nouns), 30)
        self.assertEqual(text, self.books.ok("help").out)
        for noun in nouns:
            text = self.books.ok(noun, "--help").out
            if "Options:" in text:
                continue
            for line in filter(lambda l: l.startswith("  "), text.splitlines()):
                verb = self.books.ok(noun, line.split()[0], "--help").out
                self.assertIn(f"quota {noun} {line.split()[0]}", verb)
                self.assertIn("--config FILE", verb)
                self.assertTrue(all(len(row) <= 110 for row in verb.splitlines()), verb)

    def test_what_is_unknown_is_answered_with_the_nearest(self):
        for args, says in (((), "quota --help"), (("tenat",), "'tenant'"),
                           (("tenant", "lsit"), "'list'"),
                           (("tenant",), "quota tenant --help"), (("frobnicate",), "--help"),
                           (("tenant", "list", "--fromat", "csv"), "'--format'"),
                           (("tenant", "list", "--fromat=csv"), "'--format'"),
                           (("tenant", "list", "--yes"), "unknown"),
                           (("tenant", "list", "extra"), "one argument too many"),
                           (("tenant", "add"), "needs NAME"),
                           (("tenant", "list", "--format"), "needs a value"),
                           (("tenant", "list", "--format", "xml"), "table, csv or json"),
                           (("tenant", "list", "--unit", "d"), "h, m or s"),
                           (("tenant", "list", "--format", "csv", "--format", "csv"), "twice"),
                           (("request", "list", "--all=x"), "takes no value"),
                           (("tenant", "list", "--columns", "tenant,nme"),
                            "'nme' is no column; there are tenant,"),
                           (("tenant", "list", "--columns", ""), "is no column"),
                           (("verify", "--columns", "chek"), "'chek'"),
                           (("report", "month", "--part", "user"), "users, projects"),
                           (("tenant", "add", "x", "--yes"), "--reason")):
            self.fails(2, *args, says=(says,))

    def test_nobody_to_ask_is_refused_with_the_remedy(self):
        before = self.audits()
        self.fails(2, "tenant", "add", "silent", *WHY, says=("--yes", "--dry-run"))
        self.fails(2, "grant", "lattice", "1", "--from", "2026-01-01", "--until", "2027-01-01",
                   *WHY,
                   says=("--yes",))
        self.assertEqual(before, self.audits())

    def test_a_dry_run_changes_nothing(self):
        before = self.audits(), self.rows("balance"), self.rows("member", "list")
        for args in (("tenant", "add", "dry"), ("project", "close", "lattice"),
                     ("member", "remove", "lattice", "bob@north"),
                     ("price", "set", "a100", "0.5"),
                     ("person", "disable", "bob@north"), ("grant", "--allocation", "1", "5"),
                     ("grant", "lattice", "5", "--from", "2026-01-01", "--until",
                      "2090-02-01")):
            answer = self.books.ok(*args, *WHY, "--dry-run", "--format", "json").json()[0]
            self.assertEqual("would be done", answer["answer"], args)
        self.assertEqual(before,
                         (self.audits(), self.rows("balance"), self.rows("member", "list")))
        self.fails(4, "project", "close", "none", *WHY, "--dry-run", says=("not found",))
        self.fails(4, "grant", "--allocation", "99", "5", *WHY, "--dry-run",
                   says=("not found",))

    def test_a_reason_is_words(self):
        for reason in ("", "ab", "x" * 201, "two\nlines", "\x07bell"):
            self.fails(2, "tenant", "add", "why", "--reason", reason, "--yes", says=("reason",))
        self.fails(2, "tenant", "add", "why", "--yes", says=("--reason TEXT",))

    # ---- keys

    def test_the_same_key_and_content_is_done_once(self):
        for n, args in enumerate((("tenant", "add", "once", "--title", "Once"),
                                  ("project", "add", "once", "--tenant", "north"),
                                  ("member", "set", "lattice", "bob@north", "--role", "member"),
                                  ("price", "set", "once", "2"),
                                  ("person", "enable", "bob@north"),
                                  ("grant", "--allocation", str(self.books.allocation),
                                   "0.001"),
                                  ("grant", "lattice", "0.001", "--from", "2030-01-01",
                                   "--until",
                                   "2030-01-02"))):
            key = f"test-key-{n}"
            first = self.books.ok(*args, *YES, "--key", key, "--format", "json").json()[0]
            self.assertEqual("done", first["answer"])
            seen = self.audits(), self.rows("balance"), self.rows("price", "list")
            again = self.books.ok(*args, *YES, "--key", key, "--format", "json").json()[0]
            self.assertIsNone(again.pop("left_gpums", None))  # others may have posted since
            first.pop("left_gpums", None)
            self.assertEqual({**first, "answer": "done before"}, again)
            self.assertEqual(seen,
                             (self.audits(), self.rows("balance"), self.rows("price", "list")))
            self.fails(3, "tenant", "add", f"other{n}", *YES, "--key", key,
                       says=(key, "something else", "take another key"))
            self.fails(3, "grant", "lattice", "77", "--from", "2031-01-01", "--until",
                       "2031-01-02", *YES,
                       "--key", key, says=(key, "something else"))

    def test_a_key_can_never_be_one_of_the_ledgers(self):
        for key in ("hold:1", "short", "", "x" * 65, "with blank", "ünïcode-key"):
            self.fails(2, "tenant", "add", "keyed", *YES, "--key", key, says=("8 to 64",))

    def test_each_write_leaves_one_audit_row(self):
        before = self.audits()
        answer = self.books.write("project", "set", "lattice", "--title", "Lattice QCD 2")
        self.assertEqual(before + 1, self.audits())
        row = self.books.sql("SELECT actor, origin, verb, object, reason, before_text, "
                             "after_text FROM audit "
                             f"WHERE request_key = '{answer['key']}'")[0]
        self.assertTrue(row[1].startswith("quota "), row[1])  # and from where
        self.assertEqual(["project set", "project lattice", "a test"], row[2:5])
        self.assertIn("'Lattice QCD'", row[5])
        self.assertIn("'Lattice QCD 2'", row[6])
        self.assertTrue(row[0])
        self.fails(3, "project", "add", "lattice", "--tenant", "north", *YES,
                   says=("there already",))
        self.assertEqual(before + 1, self.audits())
        self.books.write("project", "set", "lattice", "--title", "Lattice QCD")

    # ---- tenants, projects, members, people

    def test_tenants(self):
        self.books.write("tenant", "add", "south", "--title", "South, \"the\" <script>",
                         "--contact", "a@b.c")
        self.assertEqual("South, \"the\" <script>",
                         self.rows("tenant", "show", "south")[0]["title"])
        self.books.write("tenant", "set", "south", "--contact", "d@e.f")
        self.assertEqual(["d@e.f", "open"], [self.rows("tenant", "show", "south")[0][k]
                                             for k in ("contact", "state")])
        self.books.write("tenant", "close", "south")
        self.assertEqual("closed", self.rows("tenant", "show", "south")[0]["state"])
        self.books.write("tenant", "set", "south", "--state", "open")
        self.fails(2, "tenant", "set", "south", *YES, says=("--title, --contact or --state",))
        self.fails(2, "tenant", "set", "south", "--state", "ajar", *YES, says=("open, closed",))
        self.fails(3, "tenant", "add", "south", *YES, says=("there already", "tenant set"))
        for verb in (("set", "nowhere", "--title", "x"), ("close", "nowhere"),
                     ("appoint", "nowhere", "1")):
            self.fails(4, "tenant", *verb, *YES, says=("nowhere: not found",))
        self.fails(4, "tenant", "show", "nowhere", says=("nowhere: not found",))

    def test_tenant_administrators(self):
        self.books.write("tenant", "appoint", "north", "alice@north")
        self.assertEqual("alice@north", self.rows("tenant", "show", "north")[0]["admins"])
        self.fails(3, "tenant", "appoint", "north", "alice@north", *YES, says=("already",))
        self.books.write("tenant", "dismiss", "north", "alice@north")
        self.fails(4, "tenant", "dismiss", "north", "alice@north", *YES,
                   says=("does not administer",))

    def test_names_are_slugs_and_texts_are_kept_as_they_are(self):
        for name in ("", "North", "-x", "a b", "x" * 33, "'; DROP TABLE job; --", "<script>",
                     "ä", "a\nb", "a/b"):
            self.fails(2, "tenant", "add", name, *YES, says=("lower-case letters",))
            self.fails(2, "project", "add", name, "--tenant", "north", *YES,
                       says=("lower-case letters",))
        self.fails(2, "tenant", "add", "long", "--title", "x" * 121, *YES,
                   says=("121 bytes", "120"))
        self.fails(2, "tenant", "add", "long", "--title", "x" * 100000, *YES,
                   says=("100000 bytes",))
        self.fails(2, "tenant", "add", "lines", "--title", "a\x1b[31mb", *YES,
                   says=("control",))
        title = "🚀 '; DROP TABLE job; -- \\ % _ \" <script>alert(1)</script>"
        self.books.write("tenant", "add", "odd", "--title", title)
        self.assertEqual(title, self.rows("tenant", "show", "odd")[0]["title"])

    def test_projects(self):
        self.books.write("project", "add", "spin", "--tenant", "north", "--title", "Spins")
        row = self.rows("project", "show", "spin")[0]
        self.assertEqual(["north", "Spins", "open", 0, 0], [row[k] for k in (
            "tenant", "title", "state", "members", "free_gpums")])
        self.books.write("project", "close", "spin")
        self.books.write("member", "add", "spin", "alice@north")
        self.assertEqual("closed", self.books.place(self.books.alice, project="spin")[0])
        self.fails(3, "grant", "spin", "1", "--from", "2026-01-01", "--until", "2027-01-01",
                   *YES,
                   says=("spin is closed", "--state open"))
        self.books.write("project", "set", "spin", "--state", "open")
        self.assertEqual("no_allocation", self.books.place(self.books.alice, project="spin")[0])
        self.fails(3, "project", "add", "spin", "--tenant", "north", *YES,
                   says=("unique in the site",))
        self.fails(4, "project", "add", "spun", "--tenant", "none", *YES,
                   says=("tenant none: not found",))
        self.fails(2, "project", "add", "spun", *YES, says=("--tenant NAME",))
        self.books.write("tenant", "add", "west")
        self.books.write("project", "add", "far", "--tenant", "west")
        self.assertEqual(["far"],
                         [r["project"] for r in self.rows("project", "list", "--tenant",
                                                          "west")])

    def test_members(self):
        carol = self.books.person("carol")
        answer = self.books.write("member", "add", "lattice", "carol@north")
        self.assertEqual(carol, answer["number"])
        self.books.write("member", "set", "lattice", str(carol), "--role", "pi")
        self.assertIn(["carol", "pi"],
                      [[r["login"], r["role"]] for r in self.rows("member", "list", "lattice")])
        self.fails(3, "member", "add", "lattice", "carol@north", *YES,
                   says=("already", "member set"))
        self.fails(2, "member", "set", "lattice", "carol@north", "--role", "boss", *YES,
                   says=("member, pi",))
        self.fails(2, "member", "set", "lattice", "carol@north", *YES, says=("--role",))
        self.books.write("member", "remove", "lattice", "carol@north")
        self.fails(4, "member", "remove", "lattice", "carol@north", *YES, says=("no member",))
        self.fails(4, "member", "add", "lattice", "nobody@north", *YES,
                   says=("never logged in", "first login"))
        self.fails(4, "member", "add", "none", "carol@north", *YES,
                   says=("project none: not found",))
        for who in ("carol", "@north", "carol@", "", "0", "-1"):
            self.fails(2, "member", "add", "lattice", who, *YES, says=("login@directory",))
        self.fails(4, "member", "add", "lattice", "999", *YES, says=("never logged in",))

    def test_people(self):
        dave = self.books.person("dave")
        self.books.write("member", "add", "lattice", "dave@north")
        self.books.write("person", "disable", "dave@north")
        self.assertEqual("disabled", self.books.place(dave)[0])
        shown = self.rows("person", "show", "dave@north")
        self.assertEqual(["no", "dave"],
                         [shown["person"][0]["active"], shown["person"][0]["unix_name"]])
        self.assertEqual("lattice", shown["projects"][0]["project"])
        self.books.write("person", "enable", str(dave))
        self.assertEqual("placed", self.books.place(dave)[0])
        self.fails(4, "person", "show", "nobody@north", says=("never logged in",))
        self.fails(4, "person", "disable", "12345", *YES, says=("never logged in",))
        self.assertIn("dave",
                      [r["login"] for r in self.rows("person", "list", "--tenant", "north")])
        self.assertEqual([], self.rows("person", "list", "--tenant", "nowhere"))

    def test_requests_to_join(self):
        erin = self.books.person("erin")
        for project in ("lattice", "latice"):
            row = self.books.call("portal", f"CALL user_request_add({erin}, 'portal', MD5('{project}'),"
                                            f" 'join', '{project}', '', 0, '=please')")[0]
            self.assertEqual("done", row[0])
        first, second = self.rows("request", "list")
        self.assertEqual(["erin@north", "yes", "no"],
                         [first["person"], first["exists"], second["exists"]])
        self.fails(4, "request", "approve", second["request"], *YES,
                   says=("no project latice", "deny it"))
        self.books.write("request", "approve", first["request"])
        self.books.write("request", "deny", second["request"])
        self.assertIn("erin", [r["login"] for r in self.rows("member", "list", "lattice")])
        self.fails(3, "request", "deny", first["request"], *YES, says=("approved already",))
        self.fails(4, "request", "approve", "999", *YES, says=("not found",))
        self.fails(2, "request", "approve", "x", *YES, says=("number",))
        self.assertEqual([], self.rows("request", "list"))
        self.assertEqual(["approved", "denied"],
                         [r["state"] for r in self.rows("request", "list", "--all")])

    # ---- GPU-hours

    AMOUNTS = ("-1", "0", "0.000", "0.0001", "9223372036854775808", "9223372036854775807",
               "1000000000.001",
               "NaN", "nan", "inf", "1e3", "1e309", "0x10", " 5", "5 ", "+5", "1,5", "1.", ".5",
               "", "1.2345",
               "١", "5h", "--5"[1:], "1_000")

    def test_an_amount_is_gpu_hours_and_nothing_else(self):
        before = self.rows("balance")
        for amount in self.AMOUNTS:
            for args in (("--allocation", "1", "--", amount),
                         ("--from", "2026-01-01", "--until", "2027-01-01", "--", "lattice",
                          amount)):
                self.fails(2, "grant", *YES, *args, says=(f"'{amount}'", "like 118.5"))
        self.assertEqual(before, self.rows("balance"))

    def test_amounts_are_exact(self):
        self.books.write("project", "add", "exact", "--tenant", "north")
        number = self.books.write("grant", "exact", "0.001", "--from", "2026-01-01", "--until",
                                  "2027-01-01")["number"]
        self.books.write("grant", "--allocation", number, "118.5")
        self.books.write("grant", "--allocation", number, "1000000000")
        row = self.rows("balance", "exact")[0]
        self.assertEqual(1000000118501 * HOUR // 1000, row["free_gpums"])
        text = self.books.ok("balance", "exact", "--format", "csv", "--columns", "free",
                             "--unit", "s").out
        self.assertEqual(f"free_gpu_s\r\n{1000000118501 * 36 // 10}.600\r\n", text)

    def test_a_term_is_days(self):
        for day in ("2026-02-30", "26-01-01", "2026-1-1", "yesterday", "", "2026-13-01",
                    "2026-01-01T00:00"):
            self.fails(2, "grant", "lattice", "1", "--from", day, "--until", "2027-01-01", *YES,
                       says=("--from", "2026-11-23"))
        self.fails(2, "grant", "lattice", "1", "--from", "2027-01-01", "--until", "2027-01-01",
                   *YES,
                   says=("later day",))
        self.fails(2, "grant", "lattice", "1", *YES, says=("--from DAY --until DAY",))
        self.fails(2, "grant", "1", *YES, says=("quota grant PROJECT HOURS",))
        self.fails(2, "grant", "lattice", "1", "--allocation", "1", *YES, says=("quota grant",))
        self.fails(2, "grant", "1", "--allocation", "1", "--from", "2026-01-01", *YES,
                   says=("leave out",))
        self.fails(4, "grant", "none", "1", "--from", "2026-01-01", "--until", "2027-01-01",
                   *YES,
                   says=("project none: not found",))
        self.fails(4, "grant", "1", "--allocation", "999", *YES, says=("not found",))
        self.fails(2, "grant", "1", "--allocation", "x", *YES, says=("number",))

    def test_a_closed_allocation_takes_no_jobs(self):
        self.books.write("project", "add", "shut", "--tenant", "north")
        self.books.write("member", "add", "shut", "alice@north")
        number = self.books.write("grant", "shut", "5", "--from", "2026-01-01", "--until",
                                  "2090-01-01")["number"]
        self.assertEqual("placed", self.books.place(self.books.alice, project="shut")[0])
        self.books.write("allocation", "close", number)
        self.assertEqual("closed", self.rows("balance", "shut")[0]["state"])
        self.assertEqual("no_allocation", self.books.place(self.books.alice, project="shut")[0])
        self.books.write("allocation", "open", number)
        self.assertEqual("placed", self.books.place(self.books.alice, project="shut")[0])
        self.fails(4, "allocation", "close", "999", *YES, says=("not found",))

    def test_prices(self):
        self.books.write("price", "set", "a100", "0.5")
        self.books.write("price", "set", "a100", "0.25")
        rows = [r for r in self.rows("price", "list") if r["gpu_type"] == "a100"]
        self.assertEqual([(250, "yes"), (500, "no")],
                         [(r["weight_permille"], r["now"]) for r in rows])
        for weight in ("0", "-1", "100.001", "1.0001", "x", "1e1"):
            self.fails(2, "price", "set", *YES, "--", "a100", weight,
                       says=(f"'{weight}'", "like 1 or 0.25"))
        self.fails(2, "price", "set", "any", "1", *YES, says=("dearest",))
        self.fails(2, "price", "set", "H 100", "1", *YES, says=("lower-case",))

    # ---- jobs

    def test_jobs_are_listed_shown_and_cancelled(self):
        job = self.books.job(self.books.bob, gpus=2, hours=3, name="listed")
        row = self.rows("job", "list", "--limit", "1")[0]
        self.assertEqual([job, "queued", "bob", 2, 6 * HOUR, 6 * HOUR], [row[k] for k in (
            "job", "state", "login", "gpus", "hold_gpums", "held_gpums")])
        self.assertEqual([],
                         [r for r in self.rows("job", "list", "--person", "bob@north",
                                               "--state", "ended")
                              if r["job"] == job])
        self.assertIn(job,
                      [r["job"] for r in self.rows("job", "list", "--project", "lattice",
                                                   "--state",
                                                         "queued,running", "--tenant",
                                                        "north")])
        older = self.rows("job", "list", "--before", str(job))
        self.assertTrue(all(r["job"] < job for r in older))
        answer = self.books.write("job", "cancel", job)
        self.assertEqual(job, answer["number"])
        self.assertEqual([["cancel", str(job)]], self.books.sql(
            f"SELECT kind, job_id FROM request WHERE job_id = {job}"))
        self.fails(3, "job", "cancel", job, *YES, says=("being cancelled already",))
        ended = self.books.run_job(self.books.bob)
        self.fails(3, "job", "cancel", ended, *YES, says=("ended already: completed",))
        shown = self.rows("job", "show", ended)
        self.assertEqual(["placed", "attempt", "started", "ended", "completed"],
                         [e["kind"] for e in shown["events"]])
        self.assertEqual(HOUR // 2, shown["attempts"][0]["charge_gpums"])

    def visible(self, person):
        done = subprocess.run([PROBE, self.books.conf, str(person)], capture_output=True,
                              text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout)
        return [int(line) for line in done.stdout.split()]

    def test_a_list_holds_what_its_viewer_may_see(self):
        b = self.books
        b.write("tenant", "add", "east")
        for project in ("eins", "zwei"):
            b.write("project", "add", project, "--tenant", "east")
            b.write("grant", project, "100", "--from", "2026-01-01", "--until", "2090-01-01")
        greta, heidi, ivan, jane = (b.person(name, tenant="east") for name in ("greta", "heidi",
                                                                               "ivan", "jane"))
        for project, who, role in (("eins", "greta", "pi"), ("eins", "heidi", "member"),
                                   ("zwei", "ivan", "pi")):
            b.write("member", "add", project, f"{who}@north", "--role", role)
        one, two, three = (b.job(heidi, project="eins") for _ in range(3))
        four = b.job(ivan, project="zwei")
        self.assertEqual([three, two, one], self.visible(greta))
        self.assertEqual([three, two, one], self.visible(heidi))
        self.assertEqual([four], self.visible(ivan))
        self.assertEqual([], self.visible(jane))
        b.write("tenant", "appoint", "east", "jane@north")
        self.assertEqual([four, three, two, one], self.visible(jane))
        b.write("member", "remove", "eins", "heidi@north")
        b.write("member", "remove", "eins", "greta@north")
        self.assertEqual([three, two, one], self.visible(heidi))  # his own stay his
        self.assertEqual([], self.visible(greta))

    def test_jobs_that_are_not_there(self):
        self.fails(4, "job", "show", "999999", says=("job 999999: not found",))
        self.fails(4, "job", "cancel", "999999", *YES, says=("not found",))
        for job in ("0", "x", "1.5", "9223372036854775808", ""):
            self.fails(2, "job", "show", job, says=("number",))
        self.fails(2, "job", "list", "--state", "done", says=("live, ended",))
        self.fails(2, "job", "list", "--limit", "0", says=("--limit",))
        self.fails(4, "job", "list", "--project", "none", says=("not found",))

    # ---- formats

    def test_csv_is_safe_for_spreadsheets(self):
        titles = ("=1+1", "+1", "-1", "@x", "＝1+1", "a,b", 'say "hi"', "plain")
        for n, title in enumerate(titles):
            self.books.write("project", "add", f"csv-{n}", "--tenant", "north", "--title",
                             title)
        text = self.books.ok("project", "list", "--format", "csv").out
        self.assertEqual(text.count("\n"), text.count("\r\n"))
        rows = {r["project"]: r["title"] for r in csv.DictReader(io.StringIO(text, newline=""))}
        wanted = ["'" + t if t[0] in "=+-@＝" else t for t in titles]
        self.assertEqual(wanted, [rows[f"csv-{n}"] for n in range(len(titles))])

    def test_columns_are_picked_in_order(self):
        text = self.books.ok("tenant", "list", "--columns", "state,tenant", "--format",
                             "csv").out
        self.assertEqual("state,tenant", text.splitlines()[0])
        self.assertIn("open,north", text.splitlines())

    def test_a_table_shows_control_bytes_and_aligns(self):
        self.books.sql("UPDATE project SET title = CONCAT('a', CHAR(27), '[31mü') WHERE name = "
                       "'lattice'")
        text = self.books.ok("project", "list").out
        self.books.sql("UPDATE project SET title = 'Lattice QCD' WHERE name = 'lattice'")
        self.assertNotIn("\x1b", text)
        self.assertIn("a\\x1b[31mü", text)
        lines = text.splitlines()
        column = lines[0].index("STATE")
        self.assertTrue(all(line[column:].startswith(("open",
                                                      "closed")) for line in lines[1:-1]), text)

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([QUOTA, "tenant", "list"], stdout=full,
                                  stderr=subprocess.PIPE,
                                  env={**os.environ, "FIREFLY_CONFIG": str(self.books.conf)},
                                  check=False)
        self.assertEqual(1, done.returncode)


class Directories(Case):
    """`quota ldap check` against a real slapd; it needs no database."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books(init=False)
        north = University("dc=north,dc=example", title="North", tenant="north",
                           people=[Person("alice", "secret", 20001, 30001)])
        cls.slapd = Slapd(cls.books.folder / "l", [north])
        cls.slapd.start()
        cls.conf = cls.books.conf.read_text()
        cls.section = cls.slapd.section(north, "north")

    @classmethod
    def tearDownClass(cls):
        cls.slapd.stop()
        cls.books.close()

    def steps(self, code, *args):
        result = self.books.quota("ldap", "check", *args, "--format", "json")
        self.assertEqual(code, result.code, result.err)
        return {row["step"]: (row["result"], row["text"]) for row in result.json()}

    def test_each_step_is_told(self):
        self.books.conf.write_text(self.conf + self.section)
        steps = self.steps(0, "--user", "alice", "--directory", "north")
        for step in ("connect", "tls", "bind", "base", "user", "tenant"):
            self.assertEqual("ok", steps[step][0], steps)
        self.assertIn("alice", steps["user"][1])

    def test_what_fails_is_said_with_its_cause(self):
        self.books.conf.write_text(self.conf + self.section)
        self.assertEqual("FAILED", self.steps(1, "--user", "nobody")["user"][0])
        self.fails(4, "ldap", "check", "--directory", "south", says=("no [directory south]",))
        self.books.conf.write_text(self.conf)
        self.fails(1, "ldap", "check", says=("directory",))
        self.books.conf.write_text(self.conf + self.section + "usr_base = x\n")
        self.fails(1, "ldap", "check", says=("'usr_base'", str(self.books.conf)))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The command `quota` against a real MariaDB: setting up, every verb right and wrong, who may do what,
and many who place jobs at once, also while the server is killed."""
import collections
import csv
import io
import os
import stat
import subprocess
import unittest

from books import BUILD, CONF, HOUR, Books

PROBE = BUILD / "tests/place_probe"
WHY = ("--reason", "a test")
YES = (*WHY, "--yes")


class Case(unittest.TestCase):
    """Assertions about one run of the command."""

    books = None

    def fails(self, code, *args, says=(), **more):
        """The command ends with `code`, prints nothing on stdout, and says each of the words."""
        result = self.books.quota(*args, **more)
        self.assertEqual(code, result.code, f"{args}: {result.err}{result.out}")
        self.assertEqual("", result.out, args)
        self.assertTrue(result.err.startswith("quota: "), result.err)
        self.assertEqual(1, result.err.count("\n"), result.err)
        for word in says:
            self.assertIn(word, result.err, args)
        return result

    def rows(self, *args):
        return self.books.ok(*args, "--format", "json").json()


class SettingUp(Case):
    """Each test has a server of its own choice; most share one without a database."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books(init=False)

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    INIT = ("db", "init", "--site", "Test", "--zone", "Europe/Berlin")

    def tearDown(self):
        self.books.mariadb.sql("SET GLOBAL local_infile = OFF; SET GLOBAL innodb_flush_log_at_trx_commit = 1;"
                               "DROP DATABASE IF EXISTS firefly", "")
        for account in ("owner", "portal", "runner", "admin", "report"):
            self.books.mariadb.sql(f"DROP USER IF EXISTS firefly_{account}@localhost", "")
        for password in self.books.folder.glob("*.password"):
            password.unlink()
        self.books.conf.write_text(CONF.format(socket=self.books.mariadb.socket, folder=self.books.folder))

    def nothing_is_left(self):
        self.assertEqual([], self.books.mariadb.sql("SHOW DATABASES LIKE 'firefly'", ""))
        self.assertEqual([["0"]], self.books.mariadb.sql(
            "SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'firefly%'", ""))
        self.assertEqual([], list(self.books.folder.glob("*.password")))

    def test_init_makes_a_site_whose_books_balance(self):
        self.assertIn("four accounts", self.books.ok(*self.INIT).out)
        for account in ("portal", "runner", "admin", "report"):
            mode = (self.books.folder / f"{account}.password").stat().st_mode
            self.assertEqual(0o600, stat.S_IMODE(mode))
        self.assertIn("settings safe", self.books.ok("db", "check").out)
        self.assertEqual("books balance: 0 jobs, 0 transfers, 0 faults\n", self.books.ok("verify").out)
        self.assertEqual(["Test", "Europe/Berlin"],
                         [self.rows("site", "show")[0][k] for k in ("site", "zone")])

    def test_every_role_can_prepare_its_statements(self):
        self.books.ok(*self.INIT)
        done = subprocess.run([PROBE, self.books.conf], capture_output=True, text=True, check=False)
        self.assertEqual((0, 4), (done.returncode, done.stdout.count(": ok\n")), done.stdout)

    def test_init_never_touches_an_existing_password_file(self):
        path = self.books.folder / "runner.password"
        path.write_text("mine\n")
        self.fails(3, *self.INIT, says=(str(path), "there already"))
        self.assertEqual("mine\n", path.read_text())
        path.unlink()
        self.nothing_is_left()

    def test_init_never_touches_an_existing_database(self):
        self.books.ok(*self.INIT)
        password = (self.books.folder / "admin.password").read_text()
        self.fails(3, *self.INIT, says=("password file", "there already"))
        kept = {p: p.read_text() for p in self.books.folder.glob("*.password")}
        for path in kept:
            path.unlink()
        self.fails(3, *self.INIT, says=("database firefly is there already", "quota db update"))
        for path, text in kept.items():
            path.write_text(text)
            path.chmod(0o600)
        self.assertEqual(password, (self.books.folder / "admin.password").read_text())
        self.books.ok("db", "check")

    def test_update_runs_what_is_missing_and_no_more(self):
        self.books.ok(*self.INIT)
        self.assertIn("0 migrations run", self.books.ok("db", "update").out)
        self.books.ok("db", "check")

    def test_a_failed_init_leaves_nothing(self):
        for zone in ("Mars/Olympus", "../../etc/passwd", "", "Europe/Berlin;"):
            self.fails(2, "db", "init", "--site", "x", "--zone", zone, says=("Europe/Berlin",))
        self.books.conf.write_text(CONF.format(socket=self.books.mariadb.socket, folder=self.books.folder)
                                   .replace("/admin.password", "/none/admin.password"))
        self.fails(4, *self.INIT, says=("none/admin.password",))
        self.nothing_is_left()

    def test_init_says_what_it_needs(self):
        self.fails(2, "db", "init", "--site", "x", says=("--zone",))
        self.fails(2, "db", "init", "--zone", "UTC", says=("--site",))
        self.fails(1, *self.INIT, "--admin-user", "nobody-here", says=("Access denied",))
        self.nothing_is_left()

    def test_a_server_that_could_lose_a_commit_is_refused(self):
        self.books.ok(*self.INIT)
        for name, bad in (("local_infile", "ON"), ("innodb_flush_log_at_trx_commit", "2")):
            self.books.mariadb.sql(f"SET GLOBAL {name} = {bad}", "")
            for command in (("db", "check"), ("balance",), ("verify",)):
                self.fails(1, *command, says=(f"{name} is {bad}; set it to",))
            self.tearDownOfSettings()
        self.books.ok("db", "check")

    def tearDownOfSettings(self):
        self.books.mariadb.sql("SET GLOBAL local_infile = OFF; SET GLOBAL innodb_flush_log_at_trx_commit = 1", "")

    def test_settings_of_the_start_are_refused_too(self):
        self.books.ok(*self.INIT)
        for flag, says in (("--innodb-rollback-on-timeout=OFF", "innodb_rollback_on_timeout is OFF"),
                           ("--skip-innodb-doublewrite", "innodb_doublewrite is OFF"),
                           ("--log-bin=b", "sync_binlog is 0; set it to 1")):
            self.books.mariadb.flags = [flag]
            self.books.mariadb.restart()
            self.fails(1, "db", "check", says=(says,))
        self.books.mariadb.flags = []
        self.books.mariadb.restart()
        self.books.ok("db", "check")

    def test_another_schema_version_is_refused(self):
        self.books.ok(*self.INIT)
        self.books.sql("INSERT INTO schema_version VALUES (99, '0099_future', 'x', 0)")
        for command in (("db", "check"), ("tenant", "list"), ("verify",)):
            self.fails(1, *command, says=("schema version 99", "quota db update"))
        self.books.sql("DELETE FROM schema_version WHERE version = 99")
        self.books.sql("DELETE FROM schema_version WHERE version > 1")
        self.fails(1, "db", "check", says=("schema version 1, this program needs",))
        self.books.sql("DROP TABLE schema_version")
        self.fails(1, "db", "check", says=("quota db init",))

    def test_a_secret_others_can_read_is_refused(self):
        self.books.ok(*self.INIT)
        path = self.books.folder / "admin.password"
        for mode in (0o644, 0o640, 0o604):
            path.chmod(mode)
            self.fails(1, "balance", says=(str(path), f"{mode:04o}", "chmod 600"))
        path.chmod(0o600)
        self.books.ok("balance")
        path.write_text("wrong\n")
        self.fails(1, "balance", says=("Access denied",))

    def test_a_wrong_configuration_names_file_line_key_and_remedy(self):
        good = self.books.conf.read_text()
        conf = str(self.books.conf)
        for text, says in (
                (good.replace("socket", "sockett"), (f"{conf}:2:", "'sockett'", "it has: socket host")),
                (good + "port = 99999\n", (f"{conf}:8:", "port = 99999", "1 to 65535")),
                (good + "socket = x\n", (f"{conf}:8:", "'socket' stands at line 2")),
                (good.replace("/admin", "admin").replace(str(self.books.folder), ""),
                 ("beginning with '/'",)),
                (good + "[datbase]\nx = 1\n", (f"{conf}:8:", "[datbase]", "remove it or mend")),
                (good + "nonsense\n", (f"{conf}:8:", "key = value")),
                (good + "[open\n", (f"{conf}:8:", "ends with ']'")),
                ("[database]\n", ("give either socket or host",)),
                (good + "host = db.example\n", ("give either socket or host",)),
                (good.replace("name = firefly", "name = "), (f"{conf}:3:", "name = ")),
                (good + "port = \xff\n", (f"{conf}:8:",))):
            self.books.conf.write_text(text, encoding="latin-1")
            self.fails(1, "balance", says=says)
        self.fails(1, "balance", "--config", "/nowhere/firefly.conf", says=("/nowhere/firefly.conf",))

    def test_a_server_that_is_down_is_said_at_once(self):
        self.books.ok(*self.INIT)
        self.books.mariadb.stop()
        self.fails(1, "balance", says=(self.books.mariadb.socket,))
        self.fails(1, "tenant", "add", "x", *YES, says=(self.books.mariadb.socket,))
        self.books.mariadb.start()
        self.books.ok("balance")


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
        self.assertEqual(16, len(nouns))
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
        for args, says in (((), "quota --help"), (("tenat",), "'tenant'"), (("tenant", "lsit"), "'list'"),
                           (("tenant",), "quota tenant --help"), (("frobnicate",), "--help"),
                           (("tenant", "list", "--fromat", "csv"), "'--format'"),
                           (("tenant", "list", "--fromat=csv"), "'--format'"),
                           (("tenant", "list", "--yes"), "unknown"),
                           (("tenant", "list", "extra"), "one argument too many"),
                           (("tenant", "add"), "needs NAME"), (("tenant", "list", "--format"), "needs a value"),
                           (("tenant", "list", "--format", "xml"), "table, csv or json"),
                           (("tenant", "list", "--unit", "d"), "h, m or s"),
                           (("tenant", "list", "--format", "csv", "--format", "csv"), "twice"),
                           (("request", "list", "--all=x"), "takes no value"),
                           (("tenant", "list", "--columns", "tenant,nme"), "'nme' is no column; there are tenant,"),
                           (("tenant", "list", "--columns", ""), "is no column"),
                           (("verify", "--columns", "chek"), "'chek'"),
                           (("report", "month", "--part", "user"), "users, projects"),
                           (("tenant", "add", "x", "--yes"), "--reason")):
            self.fails(2, *args, says=(says,))

    def test_nobody_to_ask_is_refused_with_the_remedy(self):
        before = self.audits()
        self.fails(2, "tenant", "add", "silent", *WHY, says=("--yes", "--dry-run"))
        self.fails(2, "grant", "lattice", "1", "--from", "2026-01-01", "--until", "2027-01-01", *WHY,
                   says=("--yes",))
        self.assertEqual(before, self.audits())

    def test_a_dry_run_changes_nothing(self):
        before = self.audits(), self.rows("balance"), self.rows("member", "list")
        for args in (("tenant", "add", "dry"), ("project", "close", "lattice"),
                     ("member", "remove", "lattice", "bob@north"), ("price", "set", "a100", "0.5"),
                     ("person", "disable", "bob@north"), ("grant", "--allocation", "1", "5"),
                     ("grant", "lattice", "5", "--from", "2026-01-01", "--until", "2026-02-01")):
            answer = self.books.ok(*args, *WHY, "--dry-run", "--format", "json").json()[0]
            self.assertEqual("would be done", answer["answer"], args)
        self.assertEqual(before, (self.audits(), self.rows("balance"), self.rows("member", "list")))
        self.fails(4, "project", "close", "none", *WHY, "--dry-run", says=("not found",))
        self.fails(4, "grant", "--allocation", "99", "5", *WHY, "--dry-run", says=("not found",))

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
                                  ("grant", "--allocation", str(self.books.allocation), "0.001"),
                                  ("grant", "lattice", "0.001", "--from", "2030-01-01", "--until",
                                   "2030-01-02"))):
            key = f"test-key-{n}"
            first = self.books.ok(*args, *YES, "--key", key, "--format", "json").json()[0]
            self.assertEqual("done", first["answer"])
            seen = self.audits(), self.rows("balance"), self.rows("price", "list")
            again = self.books.ok(*args, *YES, "--key", key, "--format", "json").json()[0]
            self.assertEqual({**first, "answer": "done before"}, again)
            self.assertEqual(seen, (self.audits(), self.rows("balance"), self.rows("price", "list")))
            self.fails(3, "tenant", "add", f"other{n}", *YES, "--key", key,
                       says=(key, "something else", "take another key"))
            self.fails(3, "grant", "lattice", "77", "--from", "2031-01-01", "--until", "2031-01-02", *YES,
                       "--key", key, says=(key, "something else"))

    def test_a_key_can_never_be_one_of_the_ledgers(self):
        for key in ("hold:1", "short", "", "x" * 65, "with blank", "ünïcode-key"):
            self.fails(2, "tenant", "add", "keyed", *YES, "--key", key, says=("8 to 64",))

    def test_each_write_leaves_one_audit_row(self):
        before = self.audits()
        answer = self.books.write("project", "set", "lattice", "--title", "Lattice QCD 2")
        self.assertEqual(before + 1, self.audits())
        row = self.books.sql("SELECT actor, origin, verb, object, reason, before_text, after_text FROM audit "
                             f"WHERE request_key = '{answer['key']}'")[0]
        self.assertEqual(["quota", "project set", "project lattice", "a test"], row[1:5])
        self.assertIn("'Lattice QCD'", row[5])
        self.assertIn("'Lattice QCD 2'", row[6])
        self.assertTrue(row[0])
        self.fails(3, "project", "add", "lattice", "--tenant", "north", *YES, says=("there already",))
        self.assertEqual(before + 1, self.audits())
        self.books.write("project", "set", "lattice", "--title", "Lattice QCD")

    # ---- tenants, projects, members, people

    def test_tenants(self):
        self.books.write("tenant", "add", "south", "--title", "South, \"the\" <script>", "--contact", "a@b.c")
        self.assertEqual("South, \"the\" <script>", self.rows("tenant", "show", "south")[0]["title"])
        self.books.write("tenant", "set", "south", "--contact", "d@e.f")
        self.assertEqual(["d@e.f", "open"], [self.rows("tenant", "show", "south")[0][k]
                                             for k in ("contact", "state")])
        self.books.write("tenant", "close", "south")
        self.assertEqual("closed", self.rows("tenant", "show", "south")[0]["state"])
        self.books.write("tenant", "set", "south", "--state", "open")
        self.fails(2, "tenant", "set", "south", *YES, says=("--title, --contact or --state",))
        self.fails(2, "tenant", "set", "south", "--state", "ajar", *YES, says=("open, closed",))
        self.fails(3, "tenant", "add", "south", *YES, says=("there already", "tenant set"))
        for verb in (("set", "nowhere", "--title", "x"), ("close", "nowhere"), ("appoint", "nowhere", "1")):
            self.fails(4, "tenant", *verb, *YES, says=("nowhere: not found",))
        self.fails(4, "tenant", "show", "nowhere", says=("nowhere: not found",))

    def test_tenant_administrators(self):
        self.books.write("tenant", "appoint", "north", "alice@north")
        self.assertEqual("alice@north", self.rows("tenant", "show", "north")[0]["admins"])
        self.fails(3, "tenant", "appoint", "north", "alice@north", *YES, says=("already",))
        self.books.write("tenant", "dismiss", "north", "alice@north")
        self.fails(4, "tenant", "dismiss", "north", "alice@north", *YES, says=("does not administer",))

    def test_names_are_slugs_and_texts_are_kept_as_they_are(self):
        for name in ("", "North", "-x", "a b", "x" * 33, "'; DROP TABLE job; --", "<script>", "ä", "a\nb", "a/b"):
            self.fails(2, "tenant", "add", name, *YES, says=("lower-case letters",))
            self.fails(2, "project", "add", name, "--tenant", "north", *YES, says=("lower-case letters",))
        self.fails(2, "tenant", "add", "long", "--title", "x" * 121, *YES, says=("121 bytes", "120"))
        self.fails(2, "tenant", "add", "long", "--title", "x" * 100000, *YES, says=("100000 bytes",))
        self.fails(2, "tenant", "add", "lines", "--title", "a\x1b[31mb", *YES, says=("control",))
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
        self.fails(3, "grant", "spin", "1", "--from", "2026-01-01", "--until", "2027-01-01", *YES,
                   says=("spin is closed", "--state open"))
        self.books.write("project", "set", "spin", "--state", "open")
        self.assertEqual("no_allocation", self.books.place(self.books.alice, project="spin")[0])
        self.fails(3, "project", "add", "spin", "--tenant", "north", *YES, says=("unique in the site",))
        self.fails(4, "project", "add", "spun", "--tenant", "none", *YES, says=("tenant none: not found",))
        self.fails(2, "project", "add", "spun", *YES, says=("--tenant NAME",))
        self.books.write("tenant", "add", "west")
        self.books.write("project", "add", "far", "--tenant", "west")
        self.assertEqual(["far"], [r["project"] for r in self.rows("project", "list", "--tenant", "west")])

    def test_members(self):
        carol = self.books.person("carol")
        answer = self.books.write("member", "add", "lattice", "carol@north")
        self.assertEqual(carol, answer["number"])
        self.books.write("member", "set", "lattice", str(carol), "--role", "pi")
        self.assertIn(["carol", "pi"], [[r["login"], r["role"]] for r in self.rows("member", "list", "lattice")])
        self.fails(3, "member", "add", "lattice", "carol@north", *YES, says=("already", "member set"))
        self.fails(2, "member", "set", "lattice", "carol@north", "--role", "boss", *YES, says=("member, pi",))
        self.fails(2, "member", "set", "lattice", "carol@north", *YES, says=("--role",))
        self.books.write("member", "remove", "lattice", "carol@north")
        self.fails(4, "member", "remove", "lattice", "carol@north", *YES, says=("no member",))
        self.fails(4, "member", "add", "lattice", "nobody@north", *YES, says=("never logged in", "first login"))
        self.fails(4, "member", "add", "none", "carol@north", *YES, says=("project none: not found",))
        for who in ("carol", "@north", "carol@", "", "0", "-1"):
            self.fails(2, "member", "add", "lattice", who, *YES, says=("login@directory",))
        self.fails(4, "member", "add", "lattice", "999", *YES, says=("never logged in",))

    def test_people(self):
        dave = self.books.person("dave")
        self.books.write("member", "add", "lattice", "dave@north")
        self.books.write("person", "disable", "dave@north")
        self.assertEqual("disabled", self.books.place(dave)[0])
        shown = self.rows("person", "show", "dave@north")
        self.assertEqual(["no", "dave"], [shown["person"][0]["active"], shown["person"][0]["unix_name"]])
        self.assertEqual("lattice", shown["projects"][0]["project"])
        self.books.write("person", "enable", str(dave))
        self.assertEqual("placed", self.books.place(dave)[0])
        self.fails(4, "person", "show", "nobody@north", says=("never logged in",))
        self.fails(4, "person", "disable", "12345", *YES, says=("never logged in",))
        self.assertIn("dave", [r["login"] for r in self.rows("person", "list", "--tenant", "north")])
        self.assertEqual([], self.rows("person", "list", "--tenant", "nowhere"))

    def test_requests_to_join(self):
        erin = self.books.person("erin")
        for project in ("lattice", "latice"):
            self.books.call("portal", "INSERT INTO join_request (project_name, person_id, note, at_ms) "
                                      f"VALUES ('{project}', {erin}, '=please', now_ms()); SELECT 1")
        first, second = self.rows("request", "list")
        self.assertEqual(["erin@north", "yes", "no"], [first["person"], first["exists"], second["exists"]])
        self.fails(4, "request", "approve", second["request"], *YES, says=("no project latice", "deny it"))
        self.books.write("request", "approve", first["request"])
        self.books.write("request", "deny", second["request"])
        self.assertIn("erin", [r["login"] for r in self.rows("member", "list", "lattice")])
        self.fails(3, "request", "deny", first["request"], *YES, says=("approved already",))
        self.fails(4, "request", "approve", "999", *YES, says=("not found",))
        self.fails(2, "request", "approve", "x", *YES, says=("number",))
        self.assertEqual([], self.rows("request", "list"))
        self.assertEqual(["approved", "denied"], [r["state"] for r in self.rows("request", "list", "--all")])

    # ---- GPU-hours

    AMOUNTS = ("-1", "0", "0.000", "0.0001", "9223372036854775808", "9223372036854775807", "1000000000.001",
               "NaN", "nan", "inf", "1e3", "1e309", "0x10", " 5", "5 ", "+5", "1,5", "1.", ".5", "", "1.2345",
               "١", "5h", "--5"[1:], "1_000")

    def test_an_amount_is_gpu_hours_and_nothing_else(self):
        before = self.rows("balance")
        for amount in self.AMOUNTS:
            for args in (("--allocation", "1", "--", amount),
                         ("--from", "2026-01-01", "--until", "2027-01-01", "--", "lattice", amount)):
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
        text = self.books.ok("balance", "exact", "--format", "csv", "--columns", "free", "--unit", "s").out
        self.assertEqual(f"free_gpu_s\r\n{1000000118501 * 36 // 10}.600\r\n", text)

    def test_a_term_is_days(self):
        for day in ("2026-02-30", "26-01-01", "2026-1-1", "yesterday", "", "2026-13-01", "2026-01-01T00:00"):
            self.fails(2, "grant", "lattice", "1", "--from", day, "--until", "2027-01-01", *YES,
                       says=("--from", "2026-11-23"))
        self.fails(2, "grant", "lattice", "1", "--from", "2027-01-01", "--until", "2027-01-01", *YES,
                   says=("later day",))
        self.fails(2, "grant", "lattice", "1", *YES, says=("--from DAY --until DAY",))
        self.fails(2, "grant", "1", *YES, says=("quota grant PROJECT HOURS",))
        self.fails(2, "grant", "lattice", "1", "--allocation", "1", *YES, says=("quota grant",))
        self.fails(2, "grant", "1", "--allocation", "1", "--from", "2026-01-01", *YES, says=("leave out",))
        self.fails(4, "grant", "none", "1", "--from", "2026-01-01", "--until", "2027-01-01", *YES,
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
        self.assertEqual([(250, "yes"), (500, "no")], [(r["weight_permille"], r["now"]) for r in rows])
        for weight in ("0", "-1", "100.001", "1.0001", "x", "1e1"):
            self.fails(2, "price", "set", *YES, "--", "a100", weight, says=(f"'{weight}'", "like 1 or 0.25"))
        self.fails(2, "price", "set", "any", "1", *YES, says=("dearest",))
        self.fails(2, "price", "set", "H 100", "1", *YES, says=("lower-case",))

    # ---- jobs

    def test_jobs_are_listed_shown_and_cancelled(self):
        job = self.books.job(self.books.bob, gpus=2, hours=3, name="listed")
        row = self.rows("job", "list", "--limit", "1")[0]
        self.assertEqual([job, "queued", "bob", 2, 6 * HOUR, 6 * HOUR], [row[k] for k in (
            "job", "state", "login", "gpus", "hold_gpums", "held_gpums")])
        self.assertEqual([], [r for r in self.rows("job", "list", "--person", "bob@north", "--state", "ended")
                              if r["job"] == job])
        self.assertIn(job, [r["job"] for r in self.rows("job", "list", "--project", "lattice", "--state",
                                                         "queued,running", "--tenant", "north")])
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
        titles = ("=1+1", "+1", "-1", "@x", "a,b", 'say "hi"', "plain")
        for n, title in enumerate(titles):
            self.books.write("project", "add", f"csv-{n}", "--tenant", "north", "--title", title)
        text = self.books.ok("project", "list", "--format", "csv").out
        self.assertEqual(text.count("\n"), text.count("\r\n"))
        rows = {r["project"]: r["title"] for r in csv.DictReader(io.StringIO(text, newline=""))}
        wanted = ["'" + t if t[0] in "=+-@" else t for t in titles]
        self.assertEqual(wanted, [rows[f"csv-{n}"] for n in range(len(titles))])

    def test_columns_are_picked_in_order(self):
        text = self.books.ok("tenant", "list", "--columns", "state,tenant", "--format", "csv").out
        self.assertEqual("state,tenant", text.splitlines()[0])
        self.assertIn("open,north", text.splitlines())

    def test_a_table_shows_control_bytes_and_aligns(self):
        self.books.sql("UPDATE project SET title = CONCAT('a', CHAR(27), '[31mü') WHERE name = 'lattice'")
        text = self.books.ok("project", "list").out
        self.books.sql("UPDATE project SET title = 'Lattice QCD' WHERE name = 'lattice'")
        self.assertNotIn("\x1b", text)
        self.assertIn("a\\x1b[31mü", text)
        lines = text.splitlines()
        column = lines[0].index("STATE")
        self.assertTrue(all(line[column:].startswith(("open", "closed")) for line in lines[1:-1]), text)

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BUILD / "quota", "tenant", "list"], stdout=full, stderr=subprocess.PIPE,
                                  env={**os.environ, "FIREFLY_CONFIG": str(self.books.conf)}, check=False)
        self.assertEqual(1, done.returncode)


class Rights(Case):
    """What each account may not do, tried."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books().furnish()
        cls.books.run_job(cls.books.alice)

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def denied(self, account, *statements):
        for statement in statements:
            result = self.books.client(account, statement)
            self.assertNotEqual(0, result.code, f"{account} may: {statement}")
            self.assertRegex(result.err, "denied|ERROR 1142|ERROR 1143|ERROR 1370|ERROR 1044", statement)

    EVERYBODY = ("UPDATE budget SET free = free + 1", "DELETE FROM budget", "DELETE FROM transfer",
                 "UPDATE transfer SET gpums = 1", "INSERT INTO transfer (type) VALUES ('grant')",
                 "UPDATE job SET state = 'completed'", "UPDATE job SET charged_gpums = 0", "DELETE FROM job",
                 "DELETE FROM event", "UPDATE event SET kind = 'placed'", "INSERT INTO event VALUES (1, 9, 'x', NULL, 0, '')",
                 "UPDATE audit SET actor = 'x'", "DELETE FROM audit", "UPDATE attempt SET charge_gpums = 0",
                 "UPDATE month SET closed_ms = NULL", "DELETE FROM account_right", "DROP TABLE job",
                 "CALL ledger_move('grant', 1, 'free', 5, 'free', 1, NULL, NULL, 202611, '', '', '', 'k', 0, @x)",
                 "CALL event_append(1, 2, 'x', 'x', NULL, 0, '')", "CALL rights_grant('firefly', 'localhost')",
                 "UPDATE account SET uid = 0", "UPDATE person SET is_admin = 1",
                 "SELECT * FROM mysql.user", "CREATE TABLE x (a INT)")

    def test_no_account_moves_gpu_time_or_history_by_hand(self):
        for account in ("portal", "runner", "admin", "report"):
            self.denied(account, *self.EVERYBODY)

    def test_the_portal_places_jobs_and_no_more(self):
        self.denied("portal", "CALL job_finish(1, 1, 1, 'completed', 'completed', 0, '')",
                    "CALL charge_post(1, 1, 202611, 1)", "CALL lease_take('runnerd', 'x', 0, 1)",
                    "CALL grant_post(1, 1, 'x', 'x', '', 'some-key')", "UPDATE request SET answer = 'done'",
                    "INSERT INTO member VALUES (1, 1, 'pi', 0)", "UPDATE project SET state = 'open'",
                    "SELECT * FROM audit", "UPDATE person SET state = 'active'",
                    "INSERT INTO account VALUES (1, 'root', 0, 0, '')", "UPDATE node SET gpus = 0")

    def test_the_runner_grants_and_places_nothing(self):
        self.denied("runner", "CALL grant_post(1, 1, 'x', 'x', '', 'some-key')",
                    "CALL job_place(1,'','','',0,'batch','',1,1,'any',0,0,1,0,0,0,'normal','{}')",
                    "SELECT * FROM session", "SELECT * FROM api_token", "INSERT INTO audit (actor) VALUES ('x')",
                    "UPDATE audit SET reason = 'x'", "INSERT INTO member VALUES (1, 1, 'pi', 0)")

    def test_the_admin_reads_no_sessions_and_runs_no_jobs(self):
        self.denied("admin", "SELECT * FROM session", "SELECT * FROM api_token", "SELECT * FROM login_try",
                    "CALL job_finish(1, 1, 1, 'completed', 'completed', 0, '')",
                    "CALL lease_take('runnerd', 'x', 0, 1)", "DELETE FROM tenant", "DELETE FROM project",
                    "UPDATE project SET tenant_id = 2", "UPDATE price SET weight_permille = 1")

    def test_the_report_account_reads(self):
        self.denied("report", "INSERT INTO request (kind) VALUES ('cancel')", "UPDATE tenant SET title = 'x'",
                    "CALL grant_post(1, 1, 'x', 'x', '', 'some-key')", "SELECT * FROM session",
                    "INSERT INTO audit (actor) VALUES ('x')")
        self.assertEqual(0, self.books.client("report", "SELECT COUNT(*) FROM transfer").code)

    def test_the_owner_is_locked(self):
        self.assertEqual([["1"]], self.books.sql(
            "SELECT JSON_VALUE(priv, '$.account_locked') FROM mysql.global_priv WHERE user = 'firefly_owner'"))
        done = subprocess.run(["mariadb", "--no-defaults", "--user=firefly_owner",
                               f"--socket={self.books.mariadb.socket}", "-e", "SELECT 1"],
                              capture_output=True, text=True, check=False)
        self.assertNotEqual(0, done.returncode)


class Months(Case):
    """A job over the month's end, booked in both."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books().furnish(100)

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def test_a_month_adds_up_and_stays(self):
        b = self.books
        now = b.month()
        past = b.number(f"SELECT MAX(month) FROM month WHERE month < {now}")
        start = b.number(f"SELECT from_ms FROM month WHERE month = {past}") + 1000
        job = b.job(b.alice, gpus=2, hours=4)
        attempt = b.start(job, 2)
        b.sql(f"UPDATE transfer SET month = {past}, at_ms = {start};"
              f"UPDATE attempt SET created_ms = {start}, started_ms = {start};"
              f"UPDATE job SET placed_ms = {start}, started_ms = {start}")
        self.assertEqual("posted", b.runner(f"CALL charge_post(EPOCH, {attempt}, {past}, {3 * HOUR})")[0])
        self.assertEqual("same", b.runner(f"CALL charge_post(EPOCH, {attempt}, {past}, {3 * HOUR})")[0])
        self.assertEqual("posted", b.runner(f"CALL charge_post(EPOCH, {attempt}, {now}, 0)")[0])
        seq = b.number(f"SELECT seq FROM job WHERE id = {job}")
        b.runner(f"CALL attempt_end(EPOCH, {job}, {seq + 1}, 'ended', 'completing', {attempt}, now_ms(), "
                 f"{2 * HOUR}, {2 * HOUR}, {4 * HOUR}, 'exit', 0, NULL, '')")
        self.assertEqual("uncharged", b.runner(
            f"CALL job_finish(EPOCH, {job}, {seq + 2}, 'completed', 'completed', 0, 'done')")[0])
        b.runner(f"CALL charge_post(EPOCH, {attempt}, {now}, {HOUR})")
        b.runner(f"CALL job_finish(EPOCH, {job}, {seq + 2}, 'completed', 'completed', 0, 'done')")

        name = f"{past // 100}-{past % 100:02d}"
        first = b.ok("report", "month", name, "--format", "json").json()
        self.assertEqual([3 * HOUR, 1, 0], [first["users"][0][k] for k in ("charged_gpums", "jobs", "ended")])
        self.assertEqual([0, 100 * HOUR, 92 * HOUR, 5 * HOUR, 3 * HOUR], [first["allocations"][0][k] for k in (
            "opening_gpums", "granted_gpums", "free_gpums", "held_gpums", "used_gpums")])
        self.assertEqual("yes", first["sums"][0]["adds_up"])
        second = b.ok("report", "month", "--format", "json").json()
        self.assertEqual([HOUR, 1, 1], [second["users"][0][k] for k in ("charged_gpums", "jobs", "ended")])
        self.assertEqual([97 * HOUR, 0, 96 * HOUR, 0, 4 * HOUR], [second["allocations"][0][k] for k in (
            "opening_gpums", "granted_gpums", "free_gpums", "held_gpums", "used_gpums")])
        for part in ("users", "projects", "tenants"):
            self.assertEqual(HOUR, sum(r["charged_gpums"] for r in second[part]))
        b.ok("verify")
        b.run_job(b.bob)
        self.assertEqual(first, b.ok("report", "month", name, "--format", "json").json())
        self.printed(name)

    def printed(self, name):
        text = self.books.ok("report", "month", name).out
        self.assertIn(f"{3 * HOUR} = {3 * HOUR} = {3 * HOUR} gpums", text)
        self.assertIn(f"0 + {100 * HOUR} - 0 - {3 * HOUR} + 0 = {97 * HOUR} gpums", text)
        table = self.books.ok("report", "month", name, "--format", "csv", "--part", "allocations").out
        self.assertEqual("92.000", next(csv.DictReader(io.StringIO(table)))["free_gpu_h"])

    def test_a_month_is_written_so(self):
        for month in ("2026-13", "2026-1", "202611", "x", "", "1999-01", "2026-11 "):
            self.fails(2, "report", "month", month, says=("like 2026-11",))
        self.fails(4, "report", "month", "2150-01", says=("table of months",))
        empty = self.books.ok("report", "month", "2021-03", "--format", "json").json()
        self.assertEqual([], empty["users"] + empty["allocations"])


class Races(Case):
    """Two hundred at once on a budget for a hundred."""

    def setUp(self):
        self.books = Books().furnish(100)

    def tearDown(self):
        self.books.close()

    def probe(self, prefix="ab"):
        return subprocess.Popen([PROBE, self.books.conf, str(self.books.alice), "lattice", "200", prefix],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def counts(self, text):
        return collections.Counter(line.split()[1] for line in text.splitlines())

    def check_books(self, jobs):
        self.assertEqual(jobs, self.books.number("SELECT COUNT(*) FROM job"))
        self.assertIn(f"books balance: {jobs} jobs", self.books.ok("verify").out)

    def test_exactly_as_many_are_placed_as_the_budget_holds(self):
        out, err = self.probe().communicate(timeout=120)
        self.assertEqual({"placed": 100, "no_budget": 100}, dict(self.counts(out)), err)
        refused = [line.split() for line in out.splitlines() if "no_budget" in line]
        self.assertTrue(all(r[3] == str(HOUR) and int(r[4]) < HOUR for r in refused))
        self.check_books(100)
        out, _ = self.probe().communicate(timeout=120)
        self.assertEqual({"same": 100, "no_budget": 100}, dict(self.counts(out)))
        self.check_books(100)
        self.assertEqual(0, self.rows("balance")[0]["free_gpums"])

    def test_verify_holds_while_jobs_come_in(self):
        probe = self.probe()
        looks = 0
        while probe.poll() is None:
            self.books.ok("verify")
            looks += 1
        probe.communicate()
        self.assertGreater(looks, 0)
        self.check_books(100)

    def test_every_acknowledged_job_exists_once_though_the_server_is_killed(self):
        probe = self.probe()
        lines = [probe.stdout.readline() for _ in range(20)]  # in the middle of it
        self.books.mariadb.kill()
        self.books.mariadb.start()
        lines += probe.stdout.readlines()
        probe.communicate()
        acknowledged = {line.split()[0]: line.split()[2] for line in lines
                        if line.split()[1] in ("placed", "same")}
        self.assertGreaterEqual(len(acknowledged), 20)
        self.assertLessEqual(len(acknowledged), 100)
        stored = dict(self.books.sql("SELECT request_key, id FROM job"))
        for key, job in acknowledged.items():
            self.assertEqual(job, stored.get(key), f"job {job} was acknowledged and is not there")
        self.check_books(len(stored))
        out, err = self.probe().communicate(timeout=120)
        counts = self.counts(out)
        self.assertEqual((100, 100), (counts["placed"] + counts["same"], counts["no_budget"]), out + err)
        self.check_books(100)


if __name__ == "__main__":
    unittest.main()

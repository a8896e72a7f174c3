# SPDX-License-Identifier: Apache-2.0
"""Every verb that writes has --dry-run, and it changes nothing: the table of commands is walked as
`quota --help` prints it, and each write is rehearsed on a site that has one of everything."""
import re
import subprocess
import unittest

from books import HOUR, QUOTA, WHY, Case
from mail_server import MailServer
from test_month import Past, name

# What only looks. A verb that is new belongs here, or needs --dry-run and a rehearsal below.
READS = {
    "db check", "site show", "ldap check", "tenant list", "tenant show", "project list", "project show",
    "member list", "request list", "person list", "person show", "allocation list", "balance",
    "share list", "limit list", "price list", "node list", "job list", "job show", "hold list",
    "ledger list", "month list", "month show", "month diff", "report month", "report project",
    "report user", "report tenant", "report waste", "report top", "notice list", "verify",
    "audit list", "audit verify", "export"}


def help_of(*words):
    done = subprocess.run([QUOTA, *words, "--help"], capture_output=True, text=True, check=True)
    return done.stdout


def listed(text):
    """The first words of the indented lines that make up a list."""
    return re.findall(r"^  ([a-z]+)(?: .*)?$", text.split("\n`quota")[0], re.M)


def verbs():
    """'noun verb' and 'noun' of all there is, with the help of each."""
    for noun in listed(help_of()):
        text = help_of(noun)
        if not text.startswith(f"quota {noun} VERB"):
            yield noun, text
            continue
        for verb in listed(text):
            yield f"{noun} {verb}", help_of(noun, verb)


class Walk(unittest.TestCase):
    """The table itself; it needs no site."""

    def test_every_verb_reads_or_has_a_rehearsal(self):
        found = dict(verbs())
        self.assertGreater(len(found), 60)
        self.assertEqual(set(), READS - found.keys())
        options = {verb: set(re.findall(r"^  --([a-z-]+)", text, re.M))
                   for verb, text in found.items()}
        self.assertEqual([], [v for v in found if v not in READS and "dry-run" not in options[v]])
        self.assertEqual([], [v for v in READS if options[v] & {"dry-run", "reason", "yes"}])

    def test_every_help_can_be_read(self):
        for verb, text in verbs():
            with self.subTest(verb):
                lines = text.splitlines()
                self.assertTrue(lines[0].startswith(f"quota {verb}"))
                self.assertTrue(lines[2], "a summary")
                self.assertEqual([], [line for line in lines if len(line) > 100])
                for example in re.findall(r"^  quota (.*)$", text, re.M):
                    self.assertEqual("", self.refused(example))

    def refused(self, example):
        """What the parser says of an example; --help makes it look at all of it and do nothing."""
        words = example.split(" > ")[0]
        done = subprocess.run(["sh", "-c", f'exec "$0" {words} --help', QUOTA], capture_output=True,
                              text=True, check=False)
        return done.stderr


class Rehearse(Case):
    """A furnished site, and each write with arguments that it would take."""

    @classmethod
    def setUpClass(cls):
        b = cls.books = Past().furnish(100)
        cls.addClassCleanup(b.close)
        cls.server = MailServer()
        cls.addClassCleanup(cls.server.close)
        cls.furnish_people()
        cls.furnish_jobs()
        cls.furnish_files()

    @classmethod
    def furnish_people(cls):
        b = cls.books
        for args in (("tenant", "set", "north", "--contact", "dean@north.example"),
                     ("tenant", "appoint", "north", "bob@north"),
                     ("project", "add", "optics", "--tenant", "north", "--title", "Optics"),
                     ("share", "set", b.allocation, "bob@north", "50"),
                     ("limit", "set", "person", "bob@north", "--gpus", "8")):
            b.write(*args)
        b.person("carol")
        b.person("gone")
        cls.requests = {}
        for who, kind, project, hours in ((b.person("dave"), "join", "lattice", 0),
                                          (b.person("erin"), "project", "glass", 0),
                                          (b.alice, "hours", "lattice", 7)):
            row = b.call("portal", f"CALL user_request_add({who}, 'portal ::1', MD5('{kind}'), '{kind}',"
                                   f" '{project}', '', {hours * HOUR}, 'please')")[0]
            cls.requests[kind] = int(row[1])

    @classmethod
    def furnish_jobs(cls):
        """Two months, the older one closed; jobs that ended, run and wait; a term that is over."""
        b = cls.books
        cls.ended = b.run_job(b.alice, hours=2, used=HOUR)
        b.age()
        b.run_job(b.bob, used=HOUR // 2)
        b.age()
        b.freeze(b.older)
        cls.running, cls.waiting = b.job(b.bob, hours=2), b.job(b.alice)
        b.start(cls.running)
        cls.other = b.write("grant", "optics", 10, "--from", "2020-01-01", "--until",
                            "2090-01-01")["number"]
        cls.shut = b.write("grant", "optics", 1, "--from", "2020-01-01", "--until",
                           "2090-01-01")["number"]
        b.write("allocation", "close", cls.shut)
        cls.past = b.write("grant", "optics", 3, "--from", "2020-01-01", "--until",
                           "2090-01-01")["number"]
        b.sql(f"UPDATE allocation SET until_ms = now_ms() - 1000 WHERE id = {cls.past};"
              f"UPDATE allocation SET until_ms = now_ms() + 20 * 86400000 WHERE id = {cls.other};"
              "INSERT INTO notice (allocation_id, kind, at_ms, batch_ms) VALUES"
              f" ({b.allocation}, 'used75', now_ms(), now_ms() - 1)")
        # what `job reconcile` finds: a job that is alive though its attempt is over
        lost = b.job(b.bob)
        attempt = b.start(lost)
        b.sql(f"UPDATE attempt SET ended_ms = now_ms() - 86400000 WHERE id = {attempt}")

    @classmethod
    def furnish_files(cls):
        b = cls.books
        with open(b.conf, "a", encoding="utf-8") as conf:
            conf.write(f"[mail]\nserver = smtp://127.0.0.1:{cls.server.port}\ntls = no\n"
                       "from = firefly@cloud.example\n"
                       f"[slurm]\naccounts = projects\nprograms = {b.folder}\n")
        fake = b.folder / "sacctmgr"  # a Slurm that knows its own name and no account
        fake.write_text("#!/bin/sh\ncase \"$*\" in\n*'show cluster'*) echo firefly ;;\n"
                        "*show*) ;;\n*) exit 1 ;;\nesac\n")
        fake.chmod(0o755)
        cls.setup = b.folder / "site.json"
        text = b.ok("export").out.replace("Lattice QCD", "Another title")
        cls.setup.write_text(text)
        fresh = b.conf.read_text().replace("name = firefly", "name = another").replace(
            ".password", ".another")
        cls.fresh = b.folder / "fresh.conf"
        cls.fresh.write_text(fresh)

    def rehearsals(self):
        """(verb, its arguments); those with --reason are given one."""
        b, first, r = self.books, self.books.allocation, self.requests
        term = ("--from", "2026-01-01", "--until", "2090-01-01")
        return (
            ("db init", "--site", "Other", "--zone", "Europe/Berlin", "--config", self.fresh),
            ("db update",),
            ("tenant add", "south"), ("tenant set", "north", "--title", "Northern"),
            ("tenant close", "north"), ("tenant appoint", "north", "alice@north"),
            ("tenant dismiss", "north", "bob@north"),
            ("project add", "spin", "--tenant", "north"),
            ("project set", "lattice", "--title", "Spin"), ("project close", "lattice"),
            ("member add", "lattice", "carol@north"),
            ("member set", "lattice", "bob@north", "--role", "pi"),
            ("member remove", "lattice", "bob@north"),
            ("request approve", r["join"]), ("request approve", r["join"], "--role", "pi"),
            ("request approve", r["project"]),
            ("request approve", r["hours"], "--allocation", first),
            ("request approve", r["hours"], "--hours", "2", *term),
            ("request deny", r["join"]), ("request deny", r["hours"]),
            ("person disable", "bob@north"), ("person enable", "bob@north"),
            ("person anonymise", "gone@north"),
            ("grant", "lattice", "5", *term), ("grant", "--allocation", first, "5"),
            ("revoke", "--allocation", first, "5"), ("transfer", first, self.other, "5"),
            ("refund", self.ended, "--cause", "goodwill"),
            ("refund", self.ended, "0.5", "--cause", "error"),
            ("adjust", first, "+5"), ("adjust", first, "-5", "--job", self.ended),
            ("expire",), ("expire", self.past),
            ("allocation close", first), ("allocation open", self.shut),
            ("share set", first, "alice@north", "20"), ("share set", first, "bob@north", "none"),
            ("limit set", "everyone", "--gpus", "16"), ("limit clear", "person", "bob@north"),
            ("price set", "a100", "0.5"), ("price set", "h100", "2", "--since", "2099-01-01"),
            ("slurm sync",),
            ("job cancel", self.waiting), ("job cancel", self.running, "--cause", "maintenance"),
            ("job extend", self.running, "1h"), ("job reconcile", "--apply"),
            ("hold release", self.waiting),
            ("month close", name(b.last)),
            ("report send", name(b.older)), ("notice send",),
            ("import", self.setup))

    def dump(self):
        tables = [row[0] for row in self.books.sql(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'firefly' AND"
            " table_type = 'BASE TABLE' ORDER BY 1")]
        self.assertGreater(len(tables), 30)
        databases = self.books.sql("SHOW DATABASES")
        return databases, self.books.sql(f"CHECKSUM TABLE {', '.join(tables)}")

    def files(self):
        return sorted((p.name, p.stat().st_size) for p in self.books.folder.iterdir()
                      if p.is_file())

    def test_a_dry_run_of_each_write_changes_nothing(self):
        options = {verb: text for verb, text in verbs()}
        tables, files = self.dump(), self.files()
        for verb, *args in self.rehearsals():
            with self.subTest(verb, args=args):
                why = WHY if "--reason TEXT" in options[verb] or verb == "job reconcile" else ()
                result = self.books.quota(*verb.split(), *args, *why, "--dry-run")
                self.assertEqual(0, result.code, result.err + result.out)
                self.assertRegex(result.out, "would be (done|sent|asked|made)|0 migrations would be run")
                self.assertEqual(tables, self.dump())
        self.assertEqual((files, []), (self.files(), self.server.taken))

    def test_a_site_that_is_there_is_not_made_again(self):
        init = ("db", "init", "--site", "Other", "--zone", "Europe/Berlin", "--dry-run")
        self.fails(3, *init, says=("portal.password is there already",))
        conf = self.books.folder / "again.conf"
        conf.write_text(self.fresh.read_text().replace("name = another", "name = firefly"))
        self.fails(3, *init, "--config", conf, says=("database firefly is there already",))
        conf.unlink()

    def test_each_write_is_rehearsed(self):
        rehearsed = {verb for verb, *_ in self.rehearsals()}
        self.assertEqual(set(), {verb for verb, _ in verbs()} - READS - rehearsed)

    def test_the_site_would_take_them(self):
        """What the rehearsals promise is what happens: the grants and the limits, for one."""
        tables = self.dump()
        self.books.ok("limit", "set", "everyone", "--gpus", "16", *WHY, "--yes")
        self.assertNotEqual(tables, self.dump())
        self.books.ok("limit", "clear", "everyone", *WHY, "--yes")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""Reports: every number of a month that had everything in it, in each format; the set of files;
months as intervals; waste by cause; and that no page reads a whole table of jobs."""
import ast
import csv
import io
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest
import zipfile

from books import HOUR, PROBE, ROOT, Books, Case

FILL = ROOT / "tests/bench/report_fill.sql"
HOURS_PER_ALLOCATION = 100
FLOW = ("granted", "revoked", "transferred_in", "transferred_out", "adjusted", "expired", "charged",
        "refunded", "closing", "free", "held", "refund_expired")


def name_of(month):
    return f"{month // 100}-{month % 100:02d}"


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def gpums(text):
    """Of exact seconds with three decimals."""
    whole, part = text.split(".")
    return int(whole + part)


class Report(Case):
    """One month that had every verb in it, and jobs of every end."""

    @classmethod
    def setUpClass(cls):
        cls.books = b = Books().furnish(HOURS_PER_ALLOCATION)
        cls.folder = pathlib.Path(tempfile.mkdtemp(dir=b.folder))
        cls.now = b.month()
        cls.past = b.number(f"SELECT MAX(month) FROM month WHERE month < {cls.now}")
        b.write("tenant", "add", "south", "--title", "Universität des Südens")
        b.write("project", "add", "climate", "--tenant", "south", "--title", "Climate")
        cls.carol = b.person("carol", "south", "south")
        b.write("member", "add", "climate", "carol@south", "--role", "pi")
        b.sql(f"UPDATE person SET name = '=2+5*cmd|'' /C calc''!A0' WHERE id = {b.bob};"
              f"UPDATE person SET name = 'Ünal \"Zoë\", X' WHERE id = {cls.carol}")
        cls.other = b.write("grant", "climate", 40, "--from", "2020-01-01", "--until",
                            "2090-01-01")["number"]
        cls.fill_month()

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    @classmethod
    def fill_month(cls):
        b, first, other = cls.books, cls.books.allocation, cls.other
        for args in (("grant", "--allocation", other, 10), ("revoke", "--allocation", other, 3),
                     ("transfer", first, other, 7), ("adjust", first, "+2.5"),
                     ("adjust", other, "-1.5")):
            b.ok(*args, "--reason", "a test", "--yes")
        cls.over_the_end()
        cls.first = cls.report(name_of(cls.past))
        b.run_job(b.alice, gpus=2, hours=4, used=6 * HOUR)
        cls.end_badly(b.alice, "failed", 3 * HOUR)
        cls.end_badly(b.bob, "timed_out", 1 * HOUR, sampled=2 * HOUR, idle=HOUR)
        cls.end_badly(b.bob, "cancelled", HOUR // 2)
        lost = cls.end_badly(cls.carol, "lost", 2 * HOUR, project="climate")
        b.ok("refund", lost, 1.25, "--cause", "node_fault", "--reason", "ECC errors", "--yes")
        cls.waiting = b.job(cls.carol, gpus=1, hours=5, project="climate")

    @classmethod
    def end_badly(cls, person, event, used, sampled=0, idle=0, **what):
        b = cls.books
        job = b.job(person, gpus=1, hours=4, **what)
        attempt = b.start(job)
        seq = b.number(f"SELECT seq FROM job WHERE id = {job}")
        b.runner(f"CALL attempt_end(EPOCH, {job}, {seq + 1}, 'ended', 'completing', {attempt}, "
                 f"now_ms(), {used}, {used}, {used}, {sampled}, {idle}, 'exit', 1, NULL, '')")
        b.runner(f"CALL charge_post(EPOCH, {attempt}, {b.month()}, {used}, {used})")
        b.runner(f"CALL job_finish(EPOCH, {job}, {seq + 2}, '{event}', '{event}', 1, 'x')")
        return job

    @classmethod
    def over_the_end(cls):
        """A job that began in the month before: 3 hours there, 1 here."""
        b, past, now = cls.books, cls.past, cls.now
        start = b.number(f"SELECT until_ms FROM month WHERE month = {past}") - 3 * HOUR
        cls.over = job = b.job(b.alice, gpus=1, hours=8)
        attempt = b.start(job)
        b.sql(f"UPDATE transfer SET month = {past}, at_ms = {start} WHERE job_id = {job};"
              f"UPDATE transfer SET month = {past}, at_ms = {start - 1000} WHERE type = 'grant'"
              f" AND request_key NOT LIKE '%:%' ORDER BY id LIMIT 1;"
              f"UPDATE attempt SET created_ms = {start}, started_ms = {start} WHERE id = {attempt};"
              f"UPDATE event SET at_ms = {start} WHERE job_id = {job};"
              f"UPDATE job SET placed_ms = {start - 60000}, started_ms = {start} WHERE id = {job}")
        b.runner(f"CALL charge_post(EPOCH, {attempt}, {past}, {3 * HOUR}, {3 * HOUR})")
        seq = b.number(f"SELECT seq FROM job WHERE id = {job}")
        b.runner(f"CALL attempt_end(EPOCH, {job}, {seq + 1}, 'ended', 'completing', {attempt}, "
                 f"now_ms(), {4 * HOUR}, {4 * HOUR}, {4 * HOUR}, 0, 0, 'exit', 0, NULL, '')")
        b.runner(f"CALL charge_post(EPOCH, {attempt}, {now}, {HOUR}, {HOUR})")
        b.runner(f"CALL job_finish(EPOCH, {job}, {seq + 2}, 'completed', 'completed', 0, 'x')")

    @classmethod
    def report(cls, *args):
        return cls.books.ok("report", "month", *args, "--format", "json").json()

    def allocation(self, report, number):
        row = next(a for a in report["allocations"] if a["allocation"] == number)
        return [row[part + "_gpums"] / HOUR for part in ("opening", *FLOW)]

    # ---- the numbers

    def test_every_number_of_the_month(self):
        r = self.report()
        self.assertEqual(
            [97, 0, 0, 0, 7, 2.5, 0, 11.5, 0, 81, 81, 0, 0],
            self.allocation(r, self.books.allocation))
        self.assertEqual([0, 50, 3, 7, 0, -1.5, 0, 2, 1.25, 51.75, 46.75, 5, 0],
                         self.allocation(r, self.other))
        users = {u["login"]: u for u in r["users"]}
        self.assertEqual({"alice": (2, 3, 1, 10, 10, 0, 3), "bob": (2, 2, 1, 1.5, 1.5, 0, 1.5),
                          "carol": (1, 1, 1, 2, 2, 1.25, 2)},
                         {who: (u["jobs_started"], u["jobs_ended"], u["jobs_failed"],
                                u["raw_gpums"] / HOUR, u["charged_gpums"] / HOUR,
                                u["refunded_gpums"] / HOUR, u["wasted_gpums"] / HOUR)
                          for who, u in users.items()})
        self.assertEqual(["climate", "lattice"], sorted(p["project"] for p in r["projects"]))
        total = r["sums"][0]
        self.assertEqual(("yes", name_of(self.now), "Europe/Berlin", "no"),
                         tuple(total[k] for k in ("adds_up", "month", "zone", "closed")))
        for level in ("users", "projects", "tenants"):
            for key in ("charged", "refunded", "raw", "wasted"):
                want = total[{"charged": "usage_charged", "refunded": "usage_refunded"}.get(key, key)
                             + "_gpums"]
                self.assertEqual(want, sum(row[key + "_gpums"] for row in r[level]), (level, key))

    def test_the_identity_is_printed(self):
        path = self.folder / "identity.pdf"
        self.books.ok("report", "month", "--format", "pdf", "--out", path)
        paper = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True,
                               check=True).stdout.decode()
        self.assertNotIn("gpums", paper)
        for text in (self.books.ok("report", "month").out, re.sub(r"\s+", " ", paper)):
            for line in ("users = ledger = allocations: 13.500 = 13.500 = 13.500 GPU-hours",
                         "users = ledger = allocations: 1.250 = ",
                         ": 97.000 + 50.000 - 3.000 + 7.000 - 7.000 + 1.000 - 0.000 - 13.500 + "
                         "1.250 = 132.750 GPU-hours"):
                self.assertIn(line, text)
        about = {row["name"]: row["value"] for row in self.report()["about"]}
        self.assertEqual("Test", about["Site"])
        self.assertRegex(about["Checksum"], "^[0-9a-f]{64}$")
        self.assertNotIn("Only", about)
        about = {row["name"]: row["value"] for row in self.report("--tenant", "south")["about"]}
        self.assertEqual("tenant south", about["Only"])

    def test_help_fits_the_page(self):
        for verb in ("month", "project", "user", "tenant", "waste", "top", "send"):
            lines = self.books.ok("report", verb, "--help").out.splitlines()
            self.assertEqual([], [line for line in lines if len(line) > 96], verb)

    def test_a_month_that_is_over_stays_as_it_is(self):
        before = self.first
        self.assertEqual([0, 100, 0, 0, 0, 0, 0, 3, 0, 97, 92, 5, 0],
                         self.allocation(before, self.books.allocation))
        self.assertEqual([(1, 0, 3)], [(u["jobs_started"], u["jobs_ended"], u["charged_gpums"] / HOUR)
                                       for u in before["users"]])
        self.assertEqual(60000, before["users"][0]["waited_ms"])
        self.assertEqual(before, self.report(name_of(self.past)))

    def test_months_are_an_interval(self):
        after = (self.now // 100 + 1) * 100 + 1 if self.now % 100 == 12 else self.now + 1
        both = self.report("--since", name_of(self.past), "--until", name_of(after))
        self.assertEqual(both, self.report("--since", name_of(self.past)))
        one, two = self.report("--month", name_of(self.past)), self.report()
        for key in ("charged", "granted", "raw", "refunded", "usage_charged", "ledger_charged"):
            self.assertEqual(both["sums"][0][key + "_gpums"],
                             sum(r["sums"][0][key + "_gpums"] for r in (one, two)), key)
        self.assertEqual(0, both["sums"][0]["opening_gpums"])
        self.assertEqual(two["sums"][0]["closing_gpums"], both["sums"][0]["closing_gpums"])
        self.assertEqual(f"{name_of(self.past)} to {name_of(self.now)}", both["sums"][0]["month"])

    def test_filters(self):
        r = self.report("--tenant", "south")
        self.assertEqual(["carol"], [u["login"] for u in r["users"]])
        self.assertEqual([self.other], [a["allocation"] for a in r["allocations"]])
        self.assertEqual("yes", r["sums"][0]["adds_up"])
        self.assertEqual(["alice", "bob"],
                         [u["login"] for u in self.report("--project", "lattice")["users"]])
        for who in ("bob", "bob@north"):
            r = self.report("--user", who)
            self.assertEqual((["bob"], []), ([u["login"] for u in r["users"]], r["allocations"]))
        for nobody in (("--user", "bo"), ("--user", "bob@south"), ("--tenant", "nowhere")):
            self.assertEqual([], self.report(*nobody)["users"], nobody)

    def test_levels_and_top(self):
        for level, count in (("user", 3), ("project", 2), ("tenant", 2)):
            self.assertEqual(count, len(self.rows("report", level)), level)
        top = self.rows("report", "top", "--limit", 2)
        self.assertEqual(["alice", "bob"], [row["login"] for row in top])
        self.assertEqual(["lattice"], [r["project"] for r in
                                       self.rows("report", "top", "--by", "project", "--limit", 1)])
        bars = [line for line in self.books.ok("report", "top", "--chart").out.splitlines()
                if line.endswith("Example (lattice)") and "#" in line]
        self.assertTrue(bars[0].startswith("#" * 50), bars)
        self.assertIn("10.000", bars[0])

    def test_waste_by_cause(self):
        rows = self.rows("report", "waste")
        whole = rows[-1]
        self.assertEqual(("", ""), (whole["tenant"], whole["project"]))
        self.assertEqual([16.5, 3, 1, 0.5, 2, 0, 6.5, 2, 1],
                         [whole[k + "_gpums"] / HOUR for k in
                          ("charged", "failed", "timed_out", "cancelled", "lost", "preempted",
                           "wasted", "sampled", "idle")])
        self.assertEqual((394, 500), (whole["wasted_of_charged_permille"],
                                      whole["idle_of_sampled_permille"]))
        self.assertEqual([("north", "lattice"), ("north", ""), ("south", "climate"), ("south", ""),
                          ("", "")], [(r["tenant"], r["project"]) for r in rows])
        table = read_csv(self.books.ok("report", "waste", "--tenant", "south", "--format",
                                       "csv").out)
        self.assertEqual("100.0", table[0]["wasted_of_charged_percent"])

    def test_work_lost_to_preemption(self):
        b = self.books
        job = b.number(f"SELECT MIN(id) FROM job WHERE state = 'completed' AND charged_gpums > 0")
        gpus = b.number(f"SELECT gpus FROM attempt WHERE job_id = {job}")
        charged = b.number(f"SELECT charged_gpums FROM job WHERE id = {job}")
        for cause, checkpoint, interval, lost in (
                ("exit", 1, 60000, 0), ("preempted", 1, 60000, gpus * 60000),
                ("maintenance", 1, 10 * HOUR, charged), ("lost", 0, 0, charged),
                ("suspended", 1, 60000, 0)):
            b.sql(f"UPDATE attempt SET cause = '{cause}' WHERE job_id = {job};"
                  f"UPDATE job SET checkpoint = {checkpoint}, checkpoint_interval_ms = {interval}"
                  f" WHERE id = {job}")
            self.assertEqual(lost, self.rows("report", "waste")[-1]["preempted_gpums"], cause)
        b.sql(f"UPDATE attempt SET cause = 'exit' WHERE job_id = {job};"
              f"UPDATE job SET checkpoint = 0, checkpoint_interval_ms = 0 WHERE id = {job}")

    def test_erasing_a_name_keeps_the_checksum(self):
        before = self.report("--part", "sums")[0]["checksum"]
        self.books.sql(f"UPDATE person SET name = 'somebody' WHERE id = {self.books.alice}")
        self.assertEqual(before, self.report("--part", "sums")[0]["checksum"])
        self.books.sql("UPDATE person SET name = 'Alice Example' WHERE id = "
                       f"{self.books.alice}")

    def test_damage_ends_with_5(self):
        b = self.books
        for broken, mended in (
                (f"UPDATE budget SET free = free + 1 WHERE allocation_id = {self.other}",
                 f"UPDATE budget SET free = free - 1 WHERE allocation_id = {self.other}"),
                ("UPDATE transfer SET person_id = 999 WHERE type = 'charge' AND job_id = "
                 f"{self.over} AND month = {self.now}",
                 f"UPDATE transfer SET person_id = {b.alice} WHERE job_id = {self.over}")):
            b.sql("SET foreign_key_checks = 0;" + broken)
            result = b.quota("report", "month")
            b.sql("SET foreign_key_checks = 0;" + mended)
            self.assertEqual(5, result.code, broken)
            self.assertIn("does not add up", result.err)
        b.ok("report", "month")

    def test_a_snapshot_that_does_not_add_up_is_read_once_more(self):
        """A lock holds the report between its snapshot and the balances, which are mended there:
        its first snapshot is damaged, the second is whole."""
        b = self.books
        where = f"WHERE allocation_id = {self.other}"
        mend = f"UPDATE budget SET free = {b.number(f'SELECT free FROM budget {where}')} {where};"
        self.addCleanup(b.sql, mend)
        b.sql(f"UPDATE budget SET free = free + 1 {where}")
        with subprocess.Popen(["mariadb", "--no-defaults", "--user=root", "--unbuffered",
                               f"--socket={b.mariadb.socket}", "firefly"],
                              stdin=subprocess.PIPE, text=True) as other:
            other.stdin.write("LOCK TABLES budget WRITE;\n")
            other.stdin.flush()
            self.wait_for("the lock", "SHOW OPEN TABLES FROM firefly WHERE `Table` = 'budget' AND"
                          " In_use > 0")
            with subprocess.Popen([str(self.quota_path()), "report", "month"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  env={**os.environ, "FIREFLY_CONFIG": str(b.conf)}) as report:
                self.wait_for("the report at the lock", "SELECT 1 FROM"
                              " information_schema.processlist WHERE state LIKE '%metadata lock%'")
                other.stdin.write(mend + "UNLOCK TABLES;\n")
                other.stdin.close()
                self.assertEqual(b"", report.stderr.read())
            self.assertEqual(0, report.returncode)

    def wait_for(self, what, query):
        until = time.monotonic() + 20
        while not self.books.sql(query):
            self.assertLess(time.monotonic(), until, what)

    # ---- formats

    def test_csv_is_rfc_4180_and_safe_against_formulas(self):
        text = self.books.ok("report", "user", "--format", "csv", "--unit", "s").out
        raw = subprocess.run([str(self.quota_path()), "report", "user", "--format", "csv"],
                             capture_output=True, check=True,
                             env={**os.environ, "FIREFLY_CONFIG": str(self.books.conf)}).stdout
        self.assertEqual(raw.count(b"\n"), raw.count(b"\r\n"))
        rows = {row["login"]: row for row in read_csv(text)}
        self.assertEqual("'=2+5*cmd|' /C calc'!A0", rows["bob"]["name"])
        self.assertEqual('Ünal "Zoë", X', rows["carol"]["name"])
        self.assertEqual(int(1.5 * HOUR), gpums(rows["bob"]["charged_gpu_s"]))

    def quota_path(self):
        return pathlib.Path(os.environ.get("FIREFLY_BUILD", ROOT / "build/debug")) / "quota"

    def test_files_of_every_format(self):
        for verb in ("month", "project", "user", "tenant", "waste", "top"):
            for kind, begin in (("xlsx", b"PK"), ("pdf", b"%PDF-"), ("json", b""), ("csv", b""),
                                ("table", b"")):
                path = self.folder / f"{verb}.{kind}"
                self.assertEqual("", self.books.ok("report", verb, "--format", kind, "--out",
                                                   path).out)
                content = path.read_bytes()
                self.assertTrue(content.startswith(begin) and content, path)
                if kind == "xlsx":
                    self.assertIsNone(zipfile.ZipFile(path).testzip())
        self.assertEqual(self.report("--part", "users"),
                         json.loads((self.folder / "month.json").read_text())["users"])

    def test_a_page_for_each_tenant(self):
        path = self.folder / "print.pdf"
        self.books.ok("report", "month", "--format", "pdf", "--out", path)
        pages = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True,
                               check=True).stdout.decode().split("\f")
        south = [page for page in pages if "Universität des Südens" in page and "climate" in page]
        self.assertTrue(south)
        self.assertNotIn("lattice", south[-1])

    # ---- the set

    def test_the_set_of_files(self):
        month, folder = name_of(self.now), self.folder / "set"
        folder.mkdir()
        (folder / "keep").write_text("mine")
        for _ in range(2):  # files of the same name are replaced
            done = self.books.ok("report", "month", month, "--all", "--out", folder)
            self.assertEqual(
                f"quota: {month}: charged: users = ledger = opening - closing + what came in - "
                "what went out: 13.500 = 13.500 = 97.000 - 132.750 + 59.250 - 10.000 GPU-hours\n",
                done.err)
            self.assertEqual(sorted([f"usage-{month}.csv", f"usage-{month}.xlsx", f"usage-{month}.pdf",
                                     f"jobs-{month}.csv", f"ledger-{month}.csv",
                                     f"summary-{month}.json", "keep"]),
                             sorted(os.listdir(folder)))
        jobs = read_csv((folder / f"jobs-{month}.csv").read_bytes().decode())
        usage = read_csv((folder / f"usage-{month}.csv").read_bytes().decode())
        ledger = read_csv((folder / f"ledger-{month}.csv").read_bytes().decode())
        total = json.loads((folder / f"summary-{month}.json").read_text())["sums"][0]
        for kind, column in (("charge", "charged"), ("refund", "refunded")):
            of_ledger = sum(gpums(row["amount_gpu_s"]) for row in ledger
                            if row["type"] == kind and row["leg"] == "0")
            self.assertEqual(total[f"usage_{column}_gpums"], of_ledger)
            self.assertEqual(of_ledger, sum(gpums(row[f"month_{column}_gpu_s"]) for row in jobs))
            self.assertEqual(of_ledger, sum(gpums(row[f"{column}_gpu_s"]) for row in usage))
        self.assertEqual(total["raw_gpums"], sum(gpums(row["month_raw_gpu_s"]) for row in jobs))
        self.assertEqual(total["ledger_entries"], len(ledger))
        self.assertEqual(total["ledger_entries"], self.books.number(
            f"SELECT COUNT(*) FROM transfer WHERE month = {self.now}"))
        self.a_job_over_the_end(next(row for row in jobs if row["job"] == str(self.over)))
        self.assertNotIn(str(self.waiting), [row["job"] for row in jobs])

    def a_job_over_the_end(self, row):
        self.assertEqual([1, 4, 8], [gpums(row[k]) / HOUR for k in (
            "month_charged_gpu_s", "job_charged_gpu_s", "hold_gpu_s")])
        self.assertEqual(("completed", "0", "1.000", "60000", str(4 * HOUR), "1"),
                         tuple(row[k] for k in ("state", "exit", "weight", "waited_ms", "run_ms",
                                                "attempts")))
        self.assertRegex(row["submitted"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+]0[12]:00$")

    def test_the_set_is_whole_or_not_there(self):
        month = name_of(self.now)
        for folder, says in ((self.folder / "nowhere", "make it first"),
                             (self.books.conf, "no folder")):
            self.fails(1, "report", "month", month, "--all", "--out", folder,
                       says=(str(folder), says))
        folder = self.folder / "taken"
        (folder / f"ledger-{month}.csv").mkdir(parents=True)
        self.fails(2, "report", "month", month, "--all", "--out", folder, says=("is no file",))
        self.assertEqual([f"ledger-{month}.csv"], os.listdir(folder))

    # ---- bad input

    def test_bad_input(self):
        now, past = name_of(self.now), name_of(self.past)
        for args, says in (
                (("month", now, "--month", now), "given twice"),
                (("month", now, "--since", past), "one or the other"),
                (("month", "--until", now), "needs --since"),
                (("month", "--since", now, "--until", now), "later month"),
                (("month", "--since", now, "--until", past), "later month"),
                (("month", "--since", "2026-09-15"), "like 2026-10"),
                (("month", "--format", "xlsx"), "--out FILE"),
                (("month", "--format", "pdf"), "--out FILE"),
                (("month", "--format", "doc"), "xlsx or pdf"),
                (("month", "--format", "xlsx", "--out", "x", "--columns", "net"), "--columns"),
                (("month", "--part", "user"), "users, projects"),
                (("month", "--columns", "nets"), "is no column"),
                (("month", "--all"), "--out DIR"),
                (("month", "--all", "--out", "x", "--tenant", "north"), "leave out --tenant"),
                (("month", "--all", "--out", "x", "--since", past), "leave out --since"),
                (("month", "--all", "--out", "x", "--format", "pdf"), "leave out --format"),
                (("top", "--limit", "0"), "from 1"), (("top", "--limit", "1e3"), "from 1"),
                (("top", "--by", "users"), "user, project, tenant"),
                (("top", "--chart", "--format", "csv"), "--chart"),
                (("waste", "--user", "bob"), "unknown")):
            self.fails(2, "report", *args, says=(says,))
        for month in ("2026-13", "2026-1", "202611", "x", "", "1999-01", "2026-11 "):
            self.fails(2, "report", "month", month, says=("like 2026-10",))
        self.fails(4, "report", "month", "2150-01", says=("table of months",))
        self.fails(1, "report", "month", "--out", self.folder / "no" / "file",
                   says=("must exist",))
        empty = self.report("2021-03")
        self.assertEqual([], empty["users"] + empty["allocations"])


class Size(Case):
    """A site of many jobs, as the bench fills it."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books()
        cls.month = cls.books.number(
            "SELECT MAX(month) FROM month WHERE month < (SELECT MAX(month) FROM month"
            " WHERE month < month_now())")
        cls.books.sql(f"SET @jobs = 20000, @projects = 100, @people = 5, @month = {cls.month};"
                      + FILL.read_text())

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def test_what_the_bench_fills_is_sound(self):
        self.books.ok("verify")
        total = self.books.ok("report", "month", name_of(self.month), "--format",
                              "json").json()["sums"][0]
        self.assertEqual("yes", total["adds_up"])
        self.assertGreater(total["held_gpums"], 0)  # by jobs that ran over the month's end
        self.assertEqual(self.books.number("SELECT SUM(gpums) FROM transfer WHERE type = 'charge'"
                                           f" AND month = {self.month}"),
                         total["charged_gpums"])

    def test_lists_of_jobs_are_those_of_a_plain_query(self):
        live, ended = map(int, self.books.sql("SELECT id, ended_ms FROM job WHERE person_id = 7 AND"
                                              " state = 'completed' ORDER BY id LIMIT 1")[0])
        self.books.sql(f"UPDATE job SET state = 'running', ended_ms = NULL WHERE id = {live}")
        for args, where in (
                ((), "TRUE"),
                (("--person", "user7@north"), "person_id = 7"),
                (("--person", "user7@north", "--project", "project-2"),
                 "person_id = 7 AND project_id = 2"),
                (("--person", "user7@north", "--project", "project-3"), "FALSE"),
                (("--project", "project-2", "--state", "lost,failed"),
                 "project_id = 2 AND state IN ('lost', 'failed')"),
                (("--tenant", "tenant-3"), "project_id % 20 = 2"),
                (("--tenant", "tenant-3", "--person", "user7@north"), "person_id = 7"),
                (("--tenant", "tenant-4", "--person", "user7@north"), "FALSE"),
                (("--tenant", "tenant-3", "--project", "project-22", "--state", "cancelled"),
                 "project_id = 22 AND state = 'cancelled'"),
                (("--state", "running,queued"), f"id = {live}"),
                (("--state", "running", "--tenant", "tenant-3"), f"id = {live}"),
                (("--state", "running", "--person", "user7@north"), f"id = {live}"),
                (("--state", "running", "--project", "project-4"), "FALSE"),
                (("--state", "running,lost", "--person", "user7@north"),
                 "person_id = 7 AND state IN ('running', 'lost')")):
            for before in (0, 9000):
                more = ("--before", before) if before else ()
                want = self.books.sql(f"SELECT id FROM job WHERE ({where}) AND ({before} = 0 OR id <"
                                      f" {before}) ORDER BY id DESC LIMIT 60")
                found = self.rows("job", "list", "--limit", 60, *args, *more)
                self.assertEqual([int(row[0]) for row in want], [row["job"] for row in found], args)
        self.books.sql(f"UPDATE job SET state = 'completed', ended_ms = {ended} WHERE id = "
                       f"{live}")

    def test_everybody_sees_own_jobs_and_those_of_a_role(self):
        """Page by page, as the portal asks: a member, one who left, a tenant's admin."""
        b = self.books
        b.sql("DELETE FROM member WHERE person_id = 8;"
              "INSERT INTO tenant_admin (tenant_id, person_id) VALUES (5, 9), (2, 9)")
        for who, where in ((7, "project_id = 2"), (8, "person_id = 8"),
                           (9, "project_id = 2 OR project_id % 20 IN (4, 1)"), (999999, "FALSE")):
            done = subprocess.run([PROBE, b.conf, str(who)], capture_output=True, text=True,
                                  check=True)
            want = b.sql(f"SELECT id FROM job WHERE {where} ORDER BY id DESC")
            self.assertEqual([row[0] for row in want], done.stdout.split(), who)

    def test_no_page_reads_a_whole_table(self):
        """EXPLAIN of everything portald may ask for: no scan of what grows with jobs."""
        grows = {"job", "job_spec", "attempt", "event", "transfer", "audit", "request"}
        found = []
        for name, text in portal_statements(self.month):
            tables = {m[1] or m[0]: m[0] for m in
                      re.findall(r"(?:FROM|JOIN)\s+(\w+)(?:\s+(?:AS\s+)?(?!(?:WHERE|JOIN|LEFT|ON|FORCE|"
                                 r"ORDER|GROUP|UNION|STRAIGHT_JOIN)\b)(\w+))?", text)}
            for row in self.books.sql("EXPLAIN FORMAT=JSON " + text.replace(";", "")):
                plan = json.loads(row[0].replace("\\n", "\n").replace("\\t", "\t"))
                found += [(name, tables.get(t["table_name"], t["table_name"]), t["access_type"])
                          for t in tables_of(plan)
                          if tables.get(t["table_name"], t["table_name"]) in grows
                          and (t["access_type"] == "ALL" or t.get("key") == "month"
                               or is_long_index(t))]
        self.assertEqual([], found)


def is_long_index(table):
    """A walk over a whole index, unless it stops at a page's end."""
    return table["access_type"] == "index" and table.get("rows", 0) > 2000


def tables_of(plan):
    if isinstance(plan, list):
        for item in plan:
            yield from tables_of(item)
    elif isinstance(plan, dict):
        if "table_name" in plan and "access_type" in plan:
            yield plan
        for value in plan.values():
            yield from tables_of(value)


def portal_statements(month):
    """(name, text) of every SELECT of sql.def that portald may run, with values in place."""
    text = subprocess.run(
        ["cc", "-E", "-P", "-x", "c", "-D", "SQL(roles, name, text)=@@ roles @@ name @@ text @@",
         str(ROOT / "quota/db/sql.def")], capture_output=True, check=True).stdout.decode()
    for roles, name, literals in re.findall(r"@@ (.*?) @@ (\w+) @@ (.*?) @@", text, re.S):
        sql = "".join(ast.literal_eval(part) for part in
                      re.findall(r'"(?:[^"\\]|\\.)*"', literals))
        if "DB_PORTAL" in roles and re.match(r"\s*(SELECT|WITH)\b", sql):
            yield name, with_values(sql, month)


def with_values(sql, month):
    sql = re.sub(r"month (=|>=|>) \?", rf"month \1 {month}", sql)
    sql = sql.replace("month BETWEEN ? AND ?", f"month BETWEEN {month} AND {month + 1}")
    sql = re.sub(r"LIMIT \?", "LIMIT 50", sql)
    sql = re.sub(r"(\w\.)?id < \?", r"\1id < 15000", sql)
    sql = re.sub(r"(\w\.)?id > \?", r"\1id > 10", sql)
    sql = sql.replace("JSON_TABLE(?", "JSON_TABLE('[7,8,9]'").replace("state = ?", "state = 'failed'")
    return sql.replace("?", "'7'")


if __name__ == "__main__":
    unittest.main()

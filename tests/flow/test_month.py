# SPDX-License-Identifier: Apache-2.0
"""Months that close: in order, once, whole or not at all, with a chain of checksums; late
charges and corrections go to the open month and name the closed one; damage is found.

Months are made by moving everything that happened back in time."""
import hashlib
import subprocess
import unittest

from books import HOUR, QUOTA, WHY, YES, Books, Case

# Times that move when the books are aged.
TIMES = {"site": ("created_ms",), "transfer": ("at_ms",), "event": ("at_ms",),
         "attempt": ("created_ms", "started_ms", "ended_ms"),
         "job": ("placed_ms", "started_ms", "ended_ms"),
         "allocation": ("created_ms",), "audit": ("at_ms",)}


def name(month):
    return f"{month // 100}-{month % 100:02d}"


def before(month, n=1):
    months = month // 100 * 12 + month % 100 - 1 - n
    return months // 12 * 100 + months % 12 + 1


class Past(Books):
    """A site whose past can be made."""

    def furnish(self, hours=100):
        super().furnish(hours)
        self.now = self.month()
        self.last, self.older = before(self.now), before(self.now, 2)
        return self

    def age(self):
        """Moves all that happened to the middle of the month before."""
        middle = self.number("SELECT m.from_ms + 14 * 86400000 FROM month m WHERE m.month = "
                             "(SELECT MAX(n.month) FROM month n WHERE n.month < "
                             "(SELECT MAX(month) FROM transfer))")
        move = self.number("SELECT MAX(at_ms) FROM transfer") - middle
        self.sql("".join(f"UPDATE {table} SET {column} = {column} - {move};"
                         for table, columns in TIMES.items() for column in columns) + """
            UPDATE transfer t JOIN month m ON m.from_ms <= t.at_ms AND t.at_ms < m.until_ms
            SET t.month = m.month, t.request_key = IF(t.type = 'charge',
                CONCAT('charge:', t.attempt_id, ':', m.month), t.request_key)""")

    def history(self):
        """Two months that are over, each with a job, and one job in this one."""
        self.first = self.run_job(self.alice, used=HOUR // 2)
        self.age()
        self.second = self.run_job(self.bob, gpus=2, used=HOUR)
        self.age()
        self.third = self.run_job(self.alice, used=HOUR // 4)
        return self

    def charge(self, attempt, month, gpums):
        self.runner(f"CALL charge_post(EPOCH, {attempt}, {month}, {gpums}, {gpums})")

    def freeze(self, month, *more):
        return self.ok("month", "close", name(month), *YES, *more, "--format", "json").json()[0]

    def freeze_both(self):
        return [self.freeze(month) for month in (self.older, self.last)]

    def frozen(self):
        """What closing writes, byte for byte."""
        return [self.sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in
                ("month_report", "month_balance", "month", "audit")]

    def text(self, month):
        return self.sql(f"SELECT HEX(text) FROM month_report WHERE month = {month}")[0][0]

    def checksum(self, month):
        return self.sql(f"SELECT checksum FROM month WHERE month = {month}")[0][0]


class Months(Case):
    def proof(self, month):
        return self.rows("month", "show", name(month))[0]["proof"]

    def faults(self, code=5):
        """What `quota verify` says of months."""
        result = self.books.quota("verify", "--format", "json")
        self.assertEqual(code, result.code, result.err)
        return {(row["check"], row["where"]) for row in result.json()
                if row["where"].startswith("month")}


class Closing(Months):
    def setUp(self):
        b = self.books = Past().furnish(100)
        self.addCleanup(b.close)
        self.now, self.last, self.older = b.now, b.last, b.older

    # ---- closing

    def test_months_close_in_order_with_a_chain(self):
        self.books.history()
        rows = self.rows("month", "list")
        self.assertEqual([(name(self.older), "over"), (name(self.last), "over"),
                          (name(self.now), "running")],
                         [(r["month"], r["state"]) for r in rows])
        self.fails(3, "month", "close", name(self.last), *YES,
                   says=(f"the one of {name(self.older)} is open still",
                         f"quota month close {name(self.older)}"))
        first, second = self.books.freeze(self.older), self.books.freeze(self.last)
        texts = [self.books.text(m) for m in (self.older, self.last)]
        one = hashlib.sha256(bytes.fromhex(texts[0])).hexdigest()
        two = hashlib.sha256(one.encode() + bytes.fromhex(texts[1])).hexdigest()
        self.assertEqual([one, two], [first["checksum"], second["checksum"]])
        self.assertEqual([one, two],
                         [self.books.checksum(self.older), self.books.checksum(self.last)])
        self.assertEqual(["closed", "closed", "running"],
                         [r["state"] for r in self.rows("month", "list")])
        for month in (self.older, self.last):
            shown = self.rows("month", "show", name(month))[0]
            self.assertEqual("intact", shown["proof"])
            self.assertEqual("Europe/Berlin", shown["zone"])
            self.assertEqual(self.books.checksum(month), shown["checksum"])
        self.assertEqual(HOUR, self.rows("month", "show", name(self.last))[0]["charged_gpums"])
        self.assertEqual(set(), self.faults(0))

    def test_a_refund_names_the_closed_month_by_itself(self):
        self.books.history()
        self.books.freeze_both()
        job = self.books.number("SELECT MAX(job_id) FROM transfer WHERE type = 'charge' AND "
                                f"leg = 0 AND month = {self.last}")
        self.fails(3, "refund", job, "0.001", "--cause", "error", "--month", name(self.now), *YES,
                   says=("was not charged in it",))
        self.books.write("refund", job, "0.001", "--cause", "error")
        self.assertEqual([[str(self.now), str(self.last)]], self.books.sql(
            f"SELECT month, corrects_month FROM transfer WHERE type = 'refund' AND job_id = {job}"))
        diff = self.books.ok("month", "diff", name(self.last), "--format", "json").json()
        self.assertEqual([("refund", job)], [(r["type"], r["job"]) for r in diff["corrections"]])

    def test_the_report_of_a_closed_month_says_what_its_closing_printed(self):
        self.books.history()
        done = self.books.freeze(self.older)
        self.assertIn(done["checksum"], self.books.ok("report", "month", name(self.older)).out)
        self.assertNotIn("of the closing", self.books.ok("report", "month", name(self.last)).out)

    def test_what_is_frozen_names_nobody(self):
        self.books.history()
        self.books.freeze(self.older)
        text = self.books.sql(f"SELECT text FROM month_report WHERE month = {self.older}")[0][0]
        self.assertIn("lattice", text)
        for word in ("alice", "Alice", "bob", "example"):
            self.assertNotIn(word, text)

    def test_a_month_that_is_not_over_stays_open(self):
        self.books.history()
        for month in (self.now, before(self.now, -1)):
            self.fails(3, "month", "close", name(month), *YES, says=("is not over yet", ":10:"))
        # ten minutes of grace
        self.books.sql("UPDATE month SET until_ms = now_ms() - 60000"
                       f" WHERE month = {self.last};"
                       f"UPDATE month SET from_ms = now_ms() - 60000 WHERE month = {self.now}")
        self.books.freeze(self.older)
        self.fails(3, "month", "close", name(self.last), *YES, says=("is not over yet",))
        self.books.sql(f"UPDATE month SET from_ms = from_ms - 600000 WHERE month = {self.now};"
                       "UPDATE month SET until_ms = until_ms - 600000"
                       f" WHERE month = {self.last}")
        self.books.freeze(self.last)

    def test_months_before_the_books_are_none(self):
        self.books.history()
        self.fails(3, "month", "close", name(before(self.older)), *YES,
                   says=(f"the books begin with {name(self.older)}",))
        self.fails(2, "month", "close", "2026-13", *YES, says=("write a month like 2026-10",))
        self.fails(2, "month", "show", "last", says=("write a month like 2026-10",))
        self.fails(4, "month", "show", "2199-12", says=("not in the site's table",))

    def test_twice_with_one_key_and_with_another(self):
        self.books.history()
        done = self.books.freeze(self.older, "--key", "close-the-first")
        self.assertEqual("done", done["answer"])
        tables = self.books.frozen()
        again = self.books.freeze(self.older, "--key", "close-the-first")
        self.assertEqual(("done before", done["checksum"]),
                         (again["answer"], again["checksum"]))
        self.fails(3, "month", "close", name(self.older), *YES,
                   says=("was closed at", "a correction is booked"))
        self.fails(3, "month", "close", name(self.last), *YES, "--key", "close-the-first",
                   says=("used for something else",))
        self.assertEqual(tables, self.books.frozen())
        rows = self.books.sql("SELECT verb, object, before_text, after_text FROM audit"
                              " WHERE request_key = 'close-the-first'")
        self.assertEqual(["month close", f"month {name(self.older)}", "open"], rows[0][:3])
        self.assertIn(f"checksum {done['checksum']} after none", rows[0][3])

    def test_a_dry_run_changes_nothing_and_says_the_checksum(self):
        self.books.history()
        tables = self.books.frozen()
        dry = self.books.ok("month", "close", name(self.older), *WHY, "--dry-run", "--format",
                            "json").json()[0]
        self.assertEqual("would be done", dry["answer"])
        self.assertEqual(tables, self.books.frozen())
        self.assertEqual(dry["checksum"], self.books.freeze(self.older)["checksum"])

    def test_it_asks_for_a_reason_and_a_yes(self):
        self.books.history()
        self.fails(2, "month", "close", name(self.older), "--yes", says=("--reason",))
        self.fails(2, "month", "close", name(self.older), *WHY, says=("--yes",))

    def test_two_closings_at_once_are_one(self):
        self.books.history()
        for month in (self.older, self.last):
            commands = [[str(QUOTA), "month", "close", name(month), *YES, "--format", "json"]
                        for _ in range(4)]
            env = {"FIREFLY_CONFIG": str(self.books.conf), "PATH": "/usr/bin:/bin"}
            runs = [subprocess.Popen(c, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                    for c in commands]
            ends = [(run.communicate(), run.returncode) for run in runs]
            self.assertEqual([0, 3, 3, 3], sorted(code for _, code in ends), ends)
        self.assertEqual(2, self.books.number("SELECT COUNT(*) FROM audit"
                                              " WHERE verb = 'month close'"))
        self.assertEqual(set(), self.faults(0))

    def test_the_balances_it_leaves_are_those_of_its_end(self):
        self.books.history()
        self.books.freeze(self.older)
        row = self.books.sql("SELECT m.free, m.held, m.used FROM month_balance m JOIN budget b"
                             " ON b.id = m.budget_id WHERE b.kind = 'allocation'")
        self.assertEqual([[str(100 * HOUR - HOUR // 2), "0", str(HOUR // 2)]], row)
        self.assertEqual(0, self.books.number(
            "SELECT COALESCE(SUM(free + held + used), 0) FROM month_balance"))
        self.books.freeze(self.last)
        self.assertEqual([[str(98 * HOUR + HOUR // 2), "0", str(HOUR + HOUR // 2)]],
                         self.books.sql(f"""SELECT m.free, m.held, m.used FROM month_balance m
                             JOIN budget b ON b.id = m.budget_id WHERE b.kind = 'allocation'
                             AND m.month = {self.last}"""))

    def test_the_head_of_the_audit_chain_is_kept(self):
        self.books.history()
        seal = "ab" * 32
        self.books.sql(f"UPDATE audit SET chain_no = 1, seal = '{seal}' ORDER BY id LIMIT 1")
        done = self.books.freeze(self.older)
        self.assertEqual((1, seal), (done["audit_no"], done["audit_seal"]))
        shown = self.rows("month", "show", name(self.older))[0]
        self.assertEqual((1, seal), (shown["audit_no"], shown["audit_seal"]))

    # ---- charges that are late

    def over_the_end(self):
        """A job that began in the month before and runs still."""
        b = self.books
        self.job = b.job(b.alice, gpus=2, hours=10)
        self.attempt = b.start(self.job, gpus=2)
        self.books.age()

    def test_a_month_waits_for_the_charges_of_what_ran_in_it(self):
        self.over_the_end()
        self.fails(3, "month", "close", name(self.last), *YES,
                   says=("1 attempt ran in it", f"(job {self.job})", "is it running?",
                         "--anyway"))
        self.books.charge(self.attempt, self.last, HOUR)
        self.assertEqual(0, self.books.freeze(self.last)["uncharged"])

    def test_what_is_uncharged_is_listed_up_to_ten(self):
        b = self.books
        jobs = [b.job(b.alice, gpus=1, hours=1) for _ in range(12)]
        for job in jobs:
            b.start(job)
        self.books.age()
        result = self.fails(3, "month", "close", name(self.last), *YES,
                            says=("12 attempts", f"jobs {jobs[0]}, "))
        self.assertIn(f", {jobs[9]} …)", result.err)
        self.assertNotIn(f", {jobs[10]}", result.err)

    def test_what_ended_without_using_anything_keeps_no_month_open(self):
        b = self.books
        b.finish(job := b.job(b.alice), b.start(job), 0)
        queued = b.job(b.bob)
        self.books.age()
        b.start(queued)
        self.books.freeze(self.last)

    def test_an_attempt_that_is_over_and_not_charged_keeps_it_open(self):
        b = self.books
        job = b.job(b.alice)
        attempt = b.start(job)
        b.runner(f"CALL attempt_end(EPOCH, {job}, 4, 'ended', 'completing', {attempt}, "
                 f"now_ms(), {HOUR}, {HOUR}, {HOUR}, 0, 0, 'exit', 0, NULL, '')")
        self.books.age()
        self.fails(3, "month", "close", name(self.last), *YES, says=(f"(job {job})",))

    def test_a_late_charge_goes_to_the_open_month_and_names_the_closed_one(self):
        self.over_the_end()
        done = self.books.freeze(self.last, "--anyway")
        self.assertEqual(1, done["uncharged"])
        text = self.books.text(self.last)
        self.books.charge(self.attempt, self.last, HOUR)
        self.assertEqual([[str(self.now), str(self.last)]], self.books.sql(
            f"SELECT month, corrects_month FROM transfer WHERE type = 'charge' AND leg = 0"))
        self.assertEqual(text, self.books.text(self.last))
        shown = self.rows("month", "show", name(self.last))[0]
        self.assertEqual(("intact", 1, 0),
                         (shown["proof"], shown["corrections"], shown["charged_gpums"]))
        diff = self.books.ok("month", "diff", name(self.last), "--format", "json").json()
        self.assertEqual([], diff["lines"])
        row = diff["corrections"][0]
        self.assertEqual((name(self.now), "charge", "lattice", self.job, HOUR),
                         (row["booked"], row["type"], row["project"], row["job"],
                          row["charged_gpums"]))
        self.assertEqual(set(), self.faults(0))

    def test_charges_that_come_while_it_closes_are_in_it_or_correct_it(self):
        b = self.books
        attempts = [b.start(b.job(b.alice)) for _ in range(24)]
        b.age()
        env = {"FIREFLY_CONFIG": str(b.conf), "PATH": "/usr/bin:/bin"}
        closing = None
        for i, attempt in enumerate(attempts):
            if i == 6:
                closing = subprocess.Popen(
                    [str(QUOTA), "month", "close", name(self.last), *YES, "--anyway"], env=env,
                    stdout=subprocess.DEVNULL)
            b.charge(attempt, self.last, HOUR // 2)
        self.assertEqual(0, closing.wait())
        inside, late = (b.number("SELECT COUNT(*) FROM transfer WHERE type = 'charge' AND "
                                 f"month = {month} AND corrects_month <=> {corrects}")
                        for month, corrects in ((self.last, "NULL"), (self.now, self.last)))
        self.assertEqual(24, inside + late)
        self.assertGreaterEqual(inside, 6)
        text = bytes.fromhex(b.text(self.last)).decode()
        self.assertIn(f" charged {inside * HOUR // 2} ", text)
        self.assertEqual(set(), self.faults(0))

    def test_corrections_by_hand_name_the_month(self):
        self.books.history().freeze_both()
        sums = [self.books.checksum(m) for m in (self.older, self.last)]
        self.books.write("refund", self.books.first, "0.1", "--cause", "goodwill", "--month",
                         name(self.older))
        self.books.write("adjust", self.books.allocation, "-2", "--job", self.books.first,
                         "--month", name(self.older))
        diff = self.books.ok("month", "diff", name(self.older), "--format", "json").json()
        self.assertEqual([], diff["lines"])
        self.assertEqual([("refund", -HOUR // 10, None, self.books.first),
                          ("adjust", None, -2 * HOUR, self.books.first)],
                         [(r["type"], r["charged_gpums"], r["adjusted_gpums"], r["job"])
                          for r in diff["corrections"]])
        self.assertEqual([], self.books.ok("month", "diff", name(self.last), "--format",
                                           "json").json()["corrections"])
        self.assertEqual(sums, [self.books.checksum(m) for m in (self.older, self.last)])
        self.assertEqual("intact", self.proof(self.older))
        self.assertEqual(set(), self.faults(0))

    def test_only_a_closed_month_is_named_by_a_correction(self):
        b = self.books.history()
        b.freeze(self.older)
        kept = b.sql("SELECT COUNT(*) FROM transfer"), b.frozen()
        for month in (self.last, self.now, before(self.now, -1)):
            self.fails(3, "adjust", b.allocation, "-1", "--job", b.first, "--month", name(month),
                       *YES, says=(f"month {name(month)} is not closed", "without --month"))
        self.assertEqual(kept, (b.sql("SELECT COUNT(*) FROM transfer"), b.frozen()))
        b.write("adjust", b.allocation, "-1", "--job", b.first, "--month", name(self.older))
        b.write("adjust", b.allocation, "-1", "--job", b.second)

    def test_the_text_that_the_checksum_covers_is_shown(self):
        self.books.history()
        self.fails(3, "month", "show", name(self.older), "--text", says=("is not closed",))
        frozen = self.books.freeze_both()
        previous = ""
        for month, done in zip((self.older, self.last), frozen):
            text = self.books.ok("month", "show", name(month), "--text").out
            self.assertEqual(self.books.text(month), text.encode().hex().upper())
            previous = hashlib.sha256((previous + text).encode()).hexdigest()
            self.assertEqual(done["checksum"], previous)
        for more in (("--format", "json"), ("--columns", "month")):
            self.fails(2, "month", "show", name(self.last), "--text", *more, says=("no table",))
        self.fails(4, "month", "show", "2199-12", "--text", says=("not in the site's table",))

    def test_what_comes_later_changes_nothing(self):
        b = self.books
        self.books.history().freeze_both()
        b.write("project", "add", "optics", "--tenant", "north", "--title", "Optics")
        b.write("grant", "optics", "10", "--from", "2020-01-01", "--until", "2090-01-01")
        b.run_job(b.alice, used=HOUR)
        b.job(b.bob)
        self.assertEqual(set(), self.faults(0))

    # ---- comparing

    def test_two_months_are_compared_by_project(self):
        self.books.history()
        rows = self.rows("month", "diff", name(self.older), name(self.last))
        self.assertEqual([("north", "lattice", HOUR // 2, HOUR, HOUR // 2)],
                         [tuple(row.values()) for row in rows])
        rows = self.rows("month", "diff", name(self.last), name(self.now))
        self.assertEqual(HOUR // 4 - HOUR, rows[0]["change_gpums"])

    def test_an_open_month_has_nothing_to_differ_from(self):
        self.books.history()
        self.fails(3, "month", "diff", name(self.now), says=("is not closed",))
        self.fails(2, "month", "diff", name(self.now), "--part", "sums",
                   says=("lines, corrections",))
        self.fails(2, "month", "diff", name(self.now), "--columns", "nothing",
                   says=("side,line",))


class Proof(Months):
    """Every test begins with the same two closed months, which are restored after it."""

    tables_kept = ("transfer", "month", "month_report", "month_balance", "budget", "person")

    @classmethod
    def setUpClass(cls):
        b = cls.books = Past().furnish(100).history()
        b.freeze_both()
        cls.now, cls.last, cls.older = b.now, b.last, b.older
        cls.books.sql("".join(f"CREATE TABLE sound_{t} AS SELECT * FROM {t};"
                              for t in cls.tables_kept))

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def tearDown(self):
        self.books.sql("SET foreign_key_checks = 0, check_constraint_checks = 0;" + "".join(
            f"DELETE FROM {t}; INSERT INTO {t} SELECT * FROM sound_{t};"
            for t in self.tables_kept))
        self.assertEqual(set(), self.faults(0))

    def test_the_two_are_intact(self):
        for month in (self.older, self.last):
            self.assertEqual("intact", self.proof(month))

    def test_names_erased_change_nothing(self):
        self.books.sql("UPDATE person SET login = CONCAT('x', id), name = '', mail = '',"
                       " state = 'anonymised'")
        for month in (self.older, self.last):
            self.assertEqual("intact", self.proof(month))
        self.assertEqual(set(), self.faults(0))

    def test_a_changed_transfer_is_found(self):
        self.books.sql(f"UPDATE transfer SET gpums = gpums + 1, raw_gpums = raw_gpums + 1"
                       f" WHERE job_id = {self.books.first} AND type = 'charge'")
        result = self.books.quota("month", "show", name(self.older), "--format", "json")
        self.assertEqual(5, result.code)
        self.assertIn("BROKEN", result.json()[0]["proof"])
        self.assertIn(("month text", f"month {name(self.older)}"), self.faults())
        result = self.books.quota("month", "diff", name(self.older), "--format", "json")
        self.assertEqual(5, result.code)
        sides = {row["side"] for row in result.json()["lines"]}
        self.assertEqual({"frozen", "now"}, sides)

    def test_a_changed_reason_is_found(self):
        self.books.sql("UPDATE transfer SET reason = 'nothing' WHERE type = 'grant'")
        self.assertIn(("month text", f"month {name(self.older)}"), self.faults())

    def test_a_transfer_slipped_into_a_closed_month_is_found(self):
        self.books.sql(f"UPDATE transfer SET month = {self.last} WHERE type = 'charge'"
                       f" AND job_id = {self.books.third}")
        self.assertIn(("month text", f"month {name(self.last)}"), self.faults())

    def test_a_changed_text_breaks_the_chain(self):
        self.books.sql(f"UPDATE month_report SET text = CONCAT(text, ' ')"
                       f" WHERE month = {self.older}")
        self.assertEqual({("month checksum", f"month {name(self.older)}"),
                          ("month text", f"month {name(self.older)}")}, self.faults())

    def test_a_text_with_a_new_checksum_breaks_the_next_link(self):
        self.books.sql(f"UPDATE month_report SET text = CONCAT(text, 'x')"
                       f" WHERE month = {self.older};"
                       f"UPDATE month m JOIN month_report r ON r.month = m.month"
                       f" SET m.checksum = SHA2(r.text, 256) WHERE m.month = {self.older}")
        self.assertEqual({("month text", f"month {name(self.older)}"),
                          ("month audit", f"month {name(self.older)}"),
                          ("month checksum", f"month {name(self.last)}")}, self.faults())

    def test_a_removed_text_is_found(self):
        self.books.sql(f"DELETE FROM month_report WHERE month = {self.last}")
        self.assertIn(("month text", f"month {name(self.last)}"), self.faults())
        self.fails(4, "month", "diff", name(self.last), says=("has no frozen report",))


if __name__ == "__main__":
    unittest.main()

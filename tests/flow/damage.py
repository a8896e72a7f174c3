# SPDX-License-Identifier: Apache-2.0
"""Sound books in which everything happened that can: months closed and corrected, GPU-time
moved by every verb, shares set and lifted, jobs in every stage; and ways to damage them."""
import unittest

from books import HOUR, Books

TABLES = ("budget", "job", "attempt", "event", "transfer", "audit", "site", "month",
          "month_report", "month_balance", "spend_limit")
COLUMNS = ("type", "debit_budget", "debit_bucket", "credit_budget", "credit_bucket", "gpums",
           "raw_gpums", "job_id", "attempt_id", "person_id", "month", "corrects_month", "cause",
           "at_ms", "actor",
           "reason", "reference", "request_key", "leg")


class DamageCase(unittest.TestCase):
    """Every test begins with the same sound books, which are restored after it."""

    @classmethod
    def setUpClass(cls):
        b = cls.books = Books().furnish(100)
        cls.old_month(b)
        cls.set_up_budgets(b)
        cls.completed = b.run_job(b.alice, gpus=2, used=HOUR // 2)
        cls.running = b.job(b.alice)
        b.start(cls.running)
        cls.queued = b.job(b.bob, gpus=2)
        b.write("job", "extend", cls.queued, "30m")
        cls.shared = b.run_job(b.bob, used=HOUR // 4)
        cls.cancelled = b.job(b.bob)
        b.runner(f"CALL job_finish(EPOCH, {cls.cancelled}, 2, 'cancelled', 'cancelled', NULL, "
                 f"'asked')")
        cls.charge_suspended(b)
        cls.refund(b)
        for table in TABLES:
            b.sql(f"CREATE TABLE sound_{table} AS SELECT * FROM {table}")

    @classmethod
    def old_month(cls, b):
        """The month before this one is closed, with a job of its own and two that ran over its
        end: `over` was charged for it in time, `late` too late."""
        cls.old, begin, end = map(int, b.sql(
            "SELECT month, from_ms, until_ms FROM month WHERE until_ms = "
            "(SELECT from_ms FROM month WHERE month = month_now())")[0])
        b.sql(f"UPDATE site SET created_ms = {begin}")
        early = b.run_job(b.alice, used=HOUR)
        cls.over, cls.late = b.job(b.alice), b.job(b.alice)
        attempts = [b.start(job) for job in (cls.over, cls.late)]
        b.runner(f"CALL charge_post(EPOCH, {attempts[0]}, {cls.old}, {HOUR // 8}, {HOUR // 8})")
        move = end - HOUR - b.number("SELECT now_ms()")
        for table, columns in (("job", ("placed_ms", "started_ms", "ended_ms")),
                               ("event", ("at_ms",)),
                               ("attempt", ("created_ms", "started_ms", "ended_ms"))):
            b.sql(f"UPDATE {table} SET " + ", ".join(f"{c} = {c} + {move}" for c in columns))
        b.sql(f"UPDATE transfer SET at_ms = at_ms + {move}, month = {cls.old}, request_key = "
              f"IF(type = 'charge', CONCAT('charge:', attempt_id, ':{cls.old}'), request_key) "
              f"WHERE type IN ('grant', 'hold') OR job_id = {early}")
        name = f"{cls.old // 100}-{cls.old % 100:02d}"
        b.write("month", "close", name, "--anyway")
        b.runner(f"CALL charge_post(EPOCH, {attempts[1]}, {cls.old}, {HOUR // 4}, {HOUR // 4})")
        for job, attempt, gpums in zip((cls.over, cls.late), attempts, (HOUR // 4, HOUR // 2)):
            cls.end_over(b, job, attempt, gpums)

    @staticmethod
    def end_over(b, job, attempt, gpums):
        """Ends an attempt of one GPU with gpums in all, a part of which is posted already."""
        posted = b.number(f"SELECT SUM(gpums) FROM transfer WHERE attempt_id = {attempt} AND "
                          "leg = 0")
        b.runner(f"CALL attempt_end(EPOCH, {job}, 4, 'ended', 'completing', {attempt}, "
                 f"now_ms(), {gpums}, {gpums}, {gpums}, 0, 0, 'exit', 0, NULL, '')")
        b.runner(f"CALL charge_post(EPOCH, {attempt}, {b.month()}, {gpums - posted}, "
                 f"{gpums - posted})")
        b.runner(f"CALL job_finish(EPOCH, {job}, 5, 'completed', 'completed', 0, 'done')")

    @classmethod
    def set_up_budgets(cls, b):
        """A second allocation, every way to move GPU-time by hand, shares, limits."""
        cls.other = b.write("grant", "lattice", 10, "--from", "2020-01-01", "--until",
                            "2095-01-01")["number"]
        b.write("transfer", b.allocation, cls.other, 5)
        b.write("revoke", 1, "--allocation", cls.other)
        b.write("adjust", cls.other, "+2")
        b.write("adjust", cls.other, "-1")
        b.write("share", "set", b.allocation, "bob@north", 20)
        b.write("share", "set", b.allocation, "alice@north", 30)
        b.write("share", "set", b.allocation, "alice@north", "none")
        b.write("limit", "set", "project", "lattice", "--gpus", 64)
        b.write("limit", "set", "everyone", "--waiting", 100)

    @classmethod
    def charge_suspended(cls, b):
        """A job with two attempts, suspended between them, still running."""
        cls.resumed = b.job(b.alice, hours=2)
        cls.first = attempt = b.start(cls.resumed)
        b.runner(f"CALL job_move(EPOCH, {cls.resumed}, 4, 'suspend', 'suspending', {attempt}, "
                 f"now_ms(), '')")
        b.runner(f"CALL attempt_end(EPOCH, {cls.resumed}, 5, 'suspended', 'suspended', "
                 f"{attempt}, now_ms(), {HOUR}, {HOUR}, {HOUR}, 0, 0, 'suspended', 0, NULL, "
                 "'')")
        b.runner(f"CALL charge_post(EPOCH, {attempt}, {b.month()}, {HOUR}, {HOUR})")
        b.start(cls.resumed)

    @classmethod
    def refund(cls, b):
        """Of a job that is over, by hand; of one that lives, by the site."""
        b.write("refund", cls.shared, "0.125", "--cause", "goodwill", "--key", "refund-of-bob")
        row = b.runner(f"CALL attempt_refund(EPOCH, {cls.first}, {HOUR // 2}, 'preempted')")
        assert row == ["refunded"], row

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def tearDown(self):
        b = self.books
        b.sql("SET foreign_key_checks = 0, check_constraint_checks = 0;" + "".join(
            f"DELETE FROM {t}; INSERT INTO {t} SELECT * FROM sound_{t};" for t in TABLES))
        self.assertEqual([], self.found())

    @staticmethod
    def forge(where, **changes):
        """SQL that adds a transfer like another one (or those, under other keys)."""
        values = [changes.get(c, c) for c in COLUMNS]
        return (f"INSERT INTO transfer ({', '.join(COLUMNS)}) SELECT "
                f"{', '.join(map(str, values))} "
                f"FROM transfer WHERE {where};")

    @staticmethod
    def make_fit(where, factor=1):
        """SQL that moves the balances as the transfer `where` did; with -1 takes it back."""
        return "".join(
            f"UPDATE budget b SET b.{bucket} = b.{bucket} + {sign * factor} * (SELECT "
            "COALESCE(SUM(t.gpums), 0) "
            f"FROM transfer t WHERE t.{side}_budget = b.id AND t.{side}_bucket = '{bucket}' "
            f"AND t.{where});"
            for side, sign in (("debit", -1), ("credit", 1))
            for bucket in ("free", "held", "used"))

    def found(self):
        """The findings as (check, where)."""
        result = self.books.quota("verify", "--format", "json")
        rows = result.json()
        self.assertEqual(5 if rows else 0, result.code, result.err)
        self.assertIn(f"{len(rows)} faults", result.err)
        for row in rows:
            self.assertNotEqual(row["expected"], row["found"])
            self.assertGreater(len(row["meaning"]), 10)
        return [(r["check"], r["where"]) for r in rows]

    def breaks(self, sql, *findings, exactly=False):
        """After the damage each finding is there (exactly: and no other); `where` may be a part
        of the words."""
        self.books.sql("SET foreign_key_checks = 0, check_constraint_checks = 0;" + sql)
        found = self.found()
        for check, where in findings:
            self.assertTrue(any(c == check and where in w for c, w in found),
                            f"no {check} {where} in {found}")
        if exactly:
            self.assertEqual(len(findings), len(found), found)
        return found

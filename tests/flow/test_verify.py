# SPDX-License-Identifier: Apache-2.0
"""`quota verify` against damage done by hand: each kind is found, named, and ends with exit
status 5; books without damage balance. Every test begins with the same sound books, which are
restored after it."""
import unittest

from books import HOUR, Books

TABLES = ("budget", "job", "attempt", "event", "transfer", "audit")


class Damage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        b = cls.books = Books().furnish(100)
        cls.give_share(b, b.bob, 20 * HOUR)
        cls.completed = b.run_job(b.alice, gpus=2, used=HOUR // 2)
        cls.running = b.job(b.alice)
        b.start(cls.running)
        cls.queued = b.job(b.bob, gpus=2)
        cls.shared = b.run_job(b.bob, used=HOUR // 4)
        cls.cancelled = b.job(b.bob)
        b.runner(f"CALL job_finish(EPOCH, {cls.cancelled}, 2, 'cancelled', 'cancelled', NULL, "
                 f"'asked')")
        cls.charge_suspended(b)
        for table in TABLES:
            b.sql(f"CREATE TABLE sound_{table} AS SELECT * FROM {table}")

    @staticmethod
    def give_share(b, person, gpums):
        """A member's limit, as a later verb will set it."""
        b.sql(f"""
            INSERT INTO budget (kind, allocation_id, person_id, free)
            VALUES ('share', {b.allocation}, {person}, {gpums});
            SET @share = LAST_INSERT_ID();
            UPDATE budget SET free = free - {gpums} WHERE name = 'shares';
            INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket,
                                  gpums, month, at_ms, actor, reason, request_key, leg)
            VALUES ('grant', (SELECT id FROM budget WHERE name = 'shares'), 'free', @share, 'free',
                    {gpums}, month_now(), now_ms(), 'root', 'a limit', 'share-of-bob', 0);
            INSERT INTO audit (at_ms, actor, origin, verb, object, reason, request_key)
            VALUES (now_ms(), 'root', 'test', 'share', 'bob', 'a limit', 'share-of-bob')""")

    @classmethod
    def charge_suspended(cls, b):
        """A job with two attempts, suspended between them, still running."""
        cls.resumed = b.job(b.alice, hours=2)
        attempt = b.start(cls.resumed)
        b.runner(f"CALL job_move(EPOCH, {cls.resumed}, 4, 'suspend', 'suspending', {attempt}, "
                 f"now_ms(), '')")
        b.runner(f"CALL attempt_end(EPOCH, {cls.resumed}, 5, 'suspended', 'suspended', "
                 f"{attempt}, now_ms(), "
                 f"{HOUR}, {HOUR}, {HOUR}, 'suspended', 0, NULL, '')")
        b.runner(f"CALL charge_post(EPOCH, {attempt}, {b.month()}, {HOUR})")
        b.start(cls.resumed)

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def tearDown(self):
        b = self.books
        b.sql("SET foreign_key_checks = 0, check_constraint_checks = 0;" + "".join(
            f"DELETE FROM {t}; INSERT INTO {t} SELECT * FROM sound_{t};" for t in TABLES))
        self.assertEqual([], self.found())

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

    def breaks(self, sql, *findings):
        """After the damage each finding is there; `where` may be a part of the words."""
        self.books.sql("SET foreign_key_checks = 0, check_constraint_checks = 0;" + sql)
        found = self.found()
        for check, where in findings:
            self.assertTrue(any(c == check and where in w for c, w in found),
                            f"no {check} {where} in {found}")
        return found

    def test_sound_books_balance(self):
        result = self.books.ok("verify")
        self.assertRegex(result.out, r"^books balance: 6 jobs, \d+ transfers, 0 faults\n$")

    def test_findings_are_a_table_for_people(self):
        self.books.sql("UPDATE budget SET free = free + 1 WHERE kind = 'allocation'")
        result = self.books.quota("verify")
        self.assertEqual(5, result.code)
        self.assertIn("allocation 1 free", result.out)
        self.assertIn("books DO NOT balance: 6 jobs,", result.out)

    # ---- budgets

    def test_a_changed_balance(self):
        self.breaks("UPDATE budget SET free = free + 1 WHERE kind = 'allocation'",
                    ("balance", "allocation 1 free"), ("sum", "all budgets"))

    def test_a_balance_moved_between_two_budgets(self):
        found = self.breaks("UPDATE budget SET free = free + 5 WHERE kind = 'allocation';"
                            "UPDATE budget SET free = free - 5 WHERE name = 'issued'",
                            ("balance", "allocation 1 free"),
                            ("balance", "account issued free"))
        self.assertNotIn(("sum", "all budgets"), found)

    def test_a_balance_below_nothing(self):
        self.breaks("UPDATE budget SET free = -1, used = used + free + 1 WHERE kind = "
                    "'allocation'",
                    ("negative", "allocation 1"))

    def test_a_share_that_was_changed(self):
        self.breaks("UPDATE budget SET held = held + 1 WHERE kind = 'share'",
                    ("balance", f"allocation 1 share of person {self.books.bob} held"))

    # ---- transfers

    def test_a_missing_release(self):
        self.breaks(f"DELETE FROM transfer WHERE request_key = 'release:{self.completed}'",
                    ("held", f"job {self.completed} "), ("balance", "allocation 1 held"))

    def test_a_missing_release_whose_balance_was_made_to_fit(self):
        found = self.breaks(
            f"UPDATE budget b JOIN transfer t ON t.request_key = 'release:{self.completed}' "
            f"AND t.leg = 0 "
            "AND b.id = t.debit_budget SET b.held = b.held + t.gpums, b.free = b.free - "
            "t.gpums;"
            f"DELETE FROM transfer WHERE request_key = 'release:{self.completed}'",
            ("held", f"job {self.completed} "))
        self.assertEqual(1, len(found), found)

    def test_a_swapped_sign(self):
        self.breaks(f"UPDATE transfer SET debit_bucket = 'used', credit_bucket = 'held' "
                    f"WHERE type = 'charge' AND job_id = {self.completed}",
                    ("direction", f"(charge of job {self.completed})"),
                    ("balance", "allocation 1 used"))

    def test_a_type_that_never_moves_so(self):
        for kind in ("hold", "release", "grant", "revoke", "expire", "adjust"):
            self.breaks(f"UPDATE transfer SET type = '{kind}' WHERE request_key LIKE "
                        f"'charge:%' LIMIT 1",
                        ("direction", f"({kind} of job"))

    def test_a_changed_amount(self):
        self.breaks(f"UPDATE transfer SET gpums = gpums + 1 WHERE request_key = "
                    f"'hold:{self.queued}' AND leg = 0",
                    ("hold", f"job {self.queued}"), ("balance", "allocation 1 held"),
                    ("legs", "hold of job"))

    def test_a_deleted_hold(self):
        self.breaks(f"DELETE FROM transfer WHERE request_key = 'hold:{self.running}'",
                    ("hold", f"job {self.running}"), ("held", f"job {self.running} "))

    def test_a_second_hold(self):
        self.breaks("INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, "
                    "credit_bucket, gpums, "
                    "job_id, month, at_ms, actor, reason, request_key, leg) SELECT type, "
                    "debit_budget, debit_bucket, "
                    "credit_budget, credit_bucket, gpums, job_id, month, at_ms, actor, reason, "
                    "'again', leg "
                    f"FROM transfer WHERE request_key = 'hold:{self.running}'",
                    ("hold", f"job {self.running}"), ("key", f"(hold of job {self.running})"))

    def test_a_charge_too_many(self):
        attempt = self.books.number(f"SELECT id FROM attempt WHERE job_id = {self.completed}")
        self.breaks("INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, "
                    "credit_bucket, gpums, "
                    "job_id, attempt_id, month, at_ms, actor, reason, request_key, leg) SELECT "
                    "type, debit_budget, "
                    "debit_bucket, credit_budget, credit_bucket, 7, job_id, attempt_id, month, "
                    "at_ms, actor, reason, "
                    f"'charge:{attempt}:209912', leg FROM transfer WHERE type = 'charge' "
                    f"AND job_id = {self.completed}",
                    ("charge", f"job {self.completed}"),
                    ("attempt charge", f"job {self.completed} attempt 1"),
                    ("held", f"job {self.completed} "))

    def test_a_missing_charge(self):
        self.breaks(f"DELETE FROM transfer WHERE type = 'charge' AND job_id = {self.completed}",
                    ("charge", f"job {self.completed}"),
                    ("attempt charge", f"job {self.completed} attempt 1"))

    def test_a_charge_of_another_jobs_attempt(self):
        self.breaks(f"UPDATE transfer SET attempt_id = (SELECT MAX(id) FROM attempt) WHERE "
                    f"type = 'charge' "
                    f"AND job_id = {self.completed}",
                    ("attempt charge", f"(charge of job {self.completed})"))

    def test_a_release_before_the_end(self):
        self.breaks("INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, "
                    "credit_bucket, gpums, "
                    "job_id, month, at_ms, actor, reason, request_key, leg) SELECT 'release', "
                    "debit_budget, 'held', "
                    f"credit_budget, 'free', gpums, job_id, month, at_ms, actor, reason, "
                    f"'release:{self.running}', leg "
                    f"FROM transfer WHERE request_key = 'hold:{self.running}'",
                    ("release", f"job {self.running} (running)"))

    def test_a_missing_share_leg(self):
        self.breaks(f"DELETE FROM transfer WHERE request_key = 'release:{self.shared}' AND leg "
                    f"= 1",
                    ("legs", f"(release of job {self.shared})"))

    def test_a_share_leg_alone(self):
        self.breaks(f"DELETE FROM transfer WHERE request_key = 'hold:{self.queued}' AND leg = 0",
                    ("legs", f"(hold of job {self.queued})"), ("hold", f"job {self.queued}"))

    def test_a_changed_key(self):
        self.breaks(f"UPDATE transfer SET request_key = 'hold:99' WHERE request_key = "
                    f"'hold:{self.running}'",
                    ("key", f"(hold of job {self.running})"))

    def test_a_grant_under_a_ledgers_key(self):
        self.breaks("UPDATE transfer SET request_key = 'hold:1000' WHERE type = 'grant' AND "
                    "leg = 0 LIMIT 1",
                    ("key", "(grant)"), ("audit", "(grant)"))

    def test_another_month(self):
        self.breaks(f"UPDATE transfer SET month = 202101 WHERE job_id = {self.completed}",
                    ("month", f"(hold of job {self.completed})"),
                    ("month", f"(charge of job {self.completed})"))
        self.breaks(f"UPDATE transfer SET month = 1 WHERE job_id = {self.completed}",
                    ("month", f"(release of job {self.completed})"))

    def test_a_grant_without_audit(self):
        self.breaks("DELETE FROM audit WHERE verb = 'grant'", ("audit", "(grant)"))

    # ---- jobs

    def test_a_changed_state(self):
        self.breaks(f"UPDATE job SET state = 'failed' WHERE id = {self.completed}",
                    ("state", f"job {self.completed}"))
        self.breaks(f"UPDATE job SET state = 'queued' WHERE id = {self.running}",
                    ("state", f"job {self.running}"))

    def test_a_missing_event(self):
        self.breaks(f"DELETE FROM event WHERE job_id = {self.completed} AND seq = 3",
                    ("events", f"job {self.completed}"))

    def test_a_missing_last_event(self):
        self.breaks(f"DELETE FROM event WHERE job_id = {self.completed} AND seq = 5",
                    ("events", f"job {self.completed}"), ("state", f"job {self.completed}"))

    def test_all_events_missing(self):
        self.breaks(f"DELETE FROM event WHERE job_id = {self.queued}",
                    ("state", f"job {self.queued}"))

    def test_events_in_another_order(self):
        self.breaks(f"UPDATE event SET kind = IF(seq = 2, 'started', 'attempt') WHERE job_id = "
                    f"{self.completed} "
                    "AND seq IN (2, 3)", ("event order", f"job {self.completed}"))

    def test_an_event_nobody_knows(self):
        self.breaks(f"UPDATE event SET kind = 'promoted' WHERE job_id = {self.running} AND seq "
                    f"= 3",
                    ("event order", f"job {self.running}"))

    def test_a_changed_last_seq(self):
        self.breaks(f"UPDATE job SET seq = seq + 1 WHERE id = {self.running}",
                    ("events", f"job {self.running}"))

    def test_a_changed_charge(self):
        self.breaks(f"UPDATE job SET charged_gpums = charged_gpums - 1 WHERE id = "
                    f"{self.completed}",
                    ("charge", f"job {self.completed}"))

    def test_a_changed_refund(self):
        self.breaks(f"UPDATE job SET refunded_gpums = 1 WHERE id = {self.resumed}",
                    ("charge", f"job {self.resumed}"), ("held", f"job {self.resumed} "))

    def test_a_changed_request(self):
        self.breaks(f"UPDATE job SET gpus_per_node = 8 WHERE id = {self.queued}",
                    ("hold size", f"job {self.queued}"))

    def test_a_changed_hold(self):
        self.breaks(f"UPDATE job SET hold_gpums = hold_gpums * 2 WHERE id = {self.queued}",
                    ("hold size", f"job {self.queued}"), ("hold", f"job {self.queued}"))

    def test_another_budget(self):
        self.breaks(f"UPDATE job SET budget_id = share_id WHERE id = {self.queued}",
                    ("budget", f"job {self.queued}"),
                    ("budget", f"(hold of job {self.queued})"))

    def test_a_deleted_job(self):
        self.breaks(f"DELETE FROM job WHERE id = {self.completed}",
                    ("budget", f"(hold of job {self.completed})"), ("report", "month"))

    def test_an_end_too_early_and_none_at_all(self):
        self.breaks(f"UPDATE job SET ended_ms = NULL WHERE id = {self.completed};"
                    f"UPDATE job SET ended_ms = 1 WHERE id = {self.running}",
                    ("ended", f"job {self.completed} "), ("ended", f"job {self.running} "))

    # ---- attempts

    def test_a_changed_attempt_charge(self):
        self.breaks(f"UPDATE attempt SET charge_gpums = charge_gpums - 1 WHERE job_id = "
                    f"{self.completed}",
                    ("attempt charge", f"job {self.completed} attempt 1"))

    def test_an_attempt_charged_for_more_than_it_ran(self):
        self.breaks(f"UPDATE attempt SET chargeable_ms = 1 WHERE job_id = {self.completed}",
                    ("attempt size", f"job {self.completed} attempt 1"))

    def test_an_open_attempt_of_an_ended_job(self):
        self.breaks(f"UPDATE attempt SET ended_ms = NULL WHERE job_id = {self.completed}",
                    ("attempt open", f"job {self.completed} "))

    def test_an_open_attempt_before_another(self):
        self.breaks(f"UPDATE attempt SET ended_ms = NULL WHERE job_id = {self.resumed} AND no "
                    f"= 1",
                    ("attempt open", f"job {self.resumed} "))

    def test_a_missing_attempt(self):
        self.breaks(f"DELETE FROM attempt WHERE job_id = {self.resumed} AND no = 1",
                    ("attempts", f"job {self.resumed}"),
                    ("attempt charge", f"(charge of job {self.resumed})"))

    def test_nothing_is_mended(self):
        self.books.sql("UPDATE budget SET free = free + 1 WHERE kind = 'allocation'")
        first = self.found()
        self.assertEqual(first, self.found())


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""What a job does to the ledger once it is placed: it is charged and settled, gets more time,
and is refunded."""
import unittest

from books import HOUR
from ledgers import DAY, Ledger


class Settling(Ledger):
    """The end of a job in one transaction, in every shape."""

    def test_settle_does_what_end_charge_refund_and_finish_do(self):
        b = self.books
        allocation = self.open(10)
        self.post("share", allocation, b.alice, 5 * HOUR)
        job = self.job_in(allocation, hours=2)
        attempt = b.start(job)
        for _ in range(2):  # its answer may be lost
            self.assertEqual("ok", b.runner(
                f"CALL job_settle(EPOCH, {job}, {attempt}, 4, now_ms(), {HOUR}, {HOUR}, "
                f"{HOUR}, 70, 30, 'exit', 3, NULL, 'note', {b.month()}, {HOUR}, {HOUR}, NULL, "
                f"0, 'failed', 'failed', 3, 'exit code 3')")[0])
        self.assertEqual([9, 0, 1], self.buckets(allocation))
        self.assertEqual([4, 0, 1], self.buckets(allocation, b.alice))
        row = self.job_row(job, "state, seq, exit_code, outcome, charged_gpums, raw_gpums")
        self.assertEqual(["failed", "5", "3", "exit code 3", str(HOUR), str(HOUR)], row)
        self.assertEqual([["70", "30", "exit", str(HOUR)]], b.sql(
            "SELECT sampled_gpums, idle_gpums, cause, charge_gpums FROM attempt "
            f"WHERE id = {attempt}"))
        events = b.sql(f"SELECT kind FROM event WHERE job_id = {job} ORDER BY seq")
        self.assertEqual(["placed", "attempt", "started", "ended", "failed"],
                         [r[0] for r in events])
        refused = b.client("runner", (f"CALL job_settle({b.epoch}, {job}, {attempt}, 4, "
                                      "now_ms(), 0, 0, 0, 0, 0, 'exit', 0, NULL, '', "
                                      f"{b.month()}, 0, 0, NULL, 0, 'lost', 'lost', 0, '')"))
        self.assertIn("moved on", refused.err)

    def test_nothing_used_and_all_used(self):
        allocation = self.open(10)
        for used in (0, HOUR):
            job = self.job_in(allocation)
            self.assertEqual("ok", self.settle(job, self.books.start(job), used))
        self.assertEqual([9, 0, 1], self.buckets(allocation))

    def test_what_was_posted_while_it_ran_counts(self):
        b = self.books
        allocation = self.open(10)
        job = self.job_in(allocation, hours=3)
        attempt = b.start(job)
        past = b.number(f"SELECT MAX(month) FROM month WHERE month < {b.month()}")
        b.sql(f"UPDATE attempt SET created_ms = created_ms - {40 * DAY}, "
              f"started_ms = started_ms - {40 * DAY} WHERE id = {attempt};"
              f"UPDATE job SET placed_ms = placed_ms - {40 * DAY} WHERE id = {job}")
        self.assertEqual("posted", self.charge(attempt, HOUR, past))
        self.assertEqual("same", self.charge(attempt, HOUR, past))
        self.assertEqual("uncharged", self.settle(job, attempt, 2 * HOUR))
        self.assertEqual("uncharged", self.settle(job, attempt, 2 * HOUR, post=HOUR - 1))
        self.assertEqual("ok", self.settle(job, attempt, 2 * HOUR, post=HOUR))
        self.assertEqual([8, 0, 2], self.buckets(allocation))

    def test_an_attempt_is_never_charged_less_than_was_posted(self):
        b = self.books
        allocation = self.open(10)
        for settled in (True, False):
            job = self.job_in(allocation, hours=3)
            attempt = b.start(job)
            self.charge(attempt, HOUR)
            if settled:
                self.assertEqual("ok", self.settle(job, attempt, 5, post=0))
            else:
                self.end(job, attempt, 5)
                b.runner(f"CALL job_finish(EPOCH, {job}, 5, 'completed', 'completed', 0, '')")
            self.assertEqual(HOUR,
                             b.number(f"SELECT charge_gpums FROM attempt WHERE id = {attempt}"))
            # as runnerd says it
            b.sql(f"UPDATE attempt SET chargeable_ms = {HOUR} WHERE id = {attempt}")

    def test_a_running_attempt_is_charged_no_more_than_the_hold(self):
        allocation = self.open(10)
        job = self.job_in(allocation, hours=2)
        attempt = self.books.start(job)
        self.assertEqual("posted", self.charge(attempt, 5 * HOUR))
        self.assertEqual([8, 0, 2], self.buckets(allocation))
        self.assertEqual("ok", self.settle(job, attempt, 2 * HOUR, post=0))

    def test_a_term_that_ends_while_jobs_run(self):
        b = self.books
        allocation = self.open(10)
        jobs = [self.job_in(allocation, hours=2) for _ in range(2)]
        attempts = [b.start(job) for job in jobs]
        self.end_term(allocation)
        expired = self.account("expired")
        self.assertEqual(["done"], b.runner(f"CALL allocation_expire(EPOCH, {allocation})"))
        self.assertEqual(["nothing"], b.runner(f"CALL allocation_expire(EPOCH, {allocation})"))
        self.assertEqual([0, 4, 0], self.buckets(allocation))
        self.assertEqual("ok", self.settle(jobs[0], attempts[0], HOUR))
        b.finish(jobs[1], attempts[1], HOUR)
        self.assertEqual([0, 0, 2], self.buckets(allocation))
        self.assertEqual(expired + 8, self.account("expired"))
        self.assertEqual("nothing", self.post("expire", allocation)[0])

    def test_only_the_lease_s_holder_expires_and_settles(self):
        b = self.books
        b.runner("SELECT now_ms()")
        for text in (f"CALL allocation_expire({b.epoch + 1}, 1)",
                     f"CALL attempt_refund({b.epoch + 1}, 1, 1, 'node_fault')",
                     f"CALL job_settle({b.epoch + 1}, 1, 1, 4, 0, 0, 0, 0, 0, 0, '', 0, NULL, "
                     f"'', 1, 0, 0, NULL, 0, 'lost', 'lost', 0, '')"):
            self.assertIn("another runnerd is active", b.client("runner", text).err)


class Extending(Ledger):
    """More time for a job that lives."""

    def test_a_job_gets_more_time_and_another_hold(self):
        b = self.books
        allocation = self.open(20)
        self.post("share", allocation, b.bob, 12 * HOUR)
        job = self.job_in(allocation, b.bob, hours=2, gpus=2)
        key = self.key()
        self.assertEqual(["done", job, 6 * HOUR, 10 * HOUR],
                         self.post("extend", job, 3 * HOUR, key=key))
        self.assertEqual([2, 10, 0], self.buckets(allocation, b.bob))
        self.assertEqual([str(5 * HOUR), str(10 * HOUR)],
                         self.job_row(job, "time_limit_ms, hold_gpums"))
        self.assertEqual([["extend", "root"]],
                         b.sql(f"SELECT kind, actor FROM request WHERE job_id = {job}"))
        attempt = b.start(job, 2)  # it has its hold
        self.assertEqual(["too_little", None, None, 2 * HOUR],
                         self.post("extend", job, 2 * HOUR))
        self.assertEqual("done", self.post("share", allocation, b.bob, -1)[0])
        self.assertEqual("done", self.post("extend", job, 2 * HOUR)[0])  # it limits no more
        b.sql(f"DELETE FROM request WHERE job_id = {job}")
        self.assertEqual("ok", self.settle(job, attempt, 7 * HOUR))
        self.assertEqual([13, 0, 7], self.buckets(allocation))
        self.assertEqual("over", self.post("extend", job, HOUR)[0])

    def test_what_refuses_it(self):
        b = self.books
        allocation = self.open(2)
        job = self.job_in(allocation)
        self.assertEqual("no_job", self.post("extend", 4711, HOUR)[0])
        self.assertEqual(["too_little", None, None, HOUR], self.post("extend", job, 2 * HOUR))
        for more in (31 * DAY, 1 << 62, (1 << 63) - 1):
            self.assertEqual(["too_long", None, None, 31 * DAY], self.post("extend", job, more))
        b.sql("INSERT INTO spend_limit (scope, scope_id, time_limit_ms) VALUES ('everyone', "
              f"0, {2 * HOUR})")
        self.assertEqual(["too_long", None, None, 2 * HOUR], self.post("extend", job, 2 * HOUR))
        b.sql("DELETE FROM spend_limit")
        self.end_term(allocation)
        self.assertEqual("closed", self.post("extend", job, HOUR)[0])
        b.runner(f"CALL job_finish(EPOCH, {job}, 2, 'cancelled', 'cancelled', NULL, '')")


class Refunds(Ledger):
    """What a job was charged comes back once, and goes where it belongs."""

    def charged_job(self, allocation, person=None, used=HOUR):
        job = self.job_in(allocation, person, hours=2)
        self.books.finish(job, self.books.start(job), used)
        return job

    def test_at_most_what_was_charged_and_never_twice(self):
        allocation = self.open(10)
        job, key = self.charged_job(allocation), self.key()
        self.assertEqual(["too_little", None, None, HOUR],
                         self.post("refund", job, HOUR + 1, "error", 0, ""))
        self.assertEqual(["done", job, HOUR // 4, HOUR - HOUR // 4],
                         self.post("refund", job, HOUR // 4, "error", self.books.month(), "",
                                   key=key))
        self.assertEqual("same", self.post("refund", job, HOUR // 4, "error",
                                           self.books.month(), "", key=key)[0])
        self.assertEqual(["done", job, HOUR - HOUR // 4, 0],
                         self.post("refund", job, 0, "goodwill", 0, ""))
        self.assertEqual(["nothing", None, None, 0],
                         self.post("refund", job, 1, "error", 0, ""))
        self.assertEqual([10, 0, 0], self.buckets(allocation))
        self.assertEqual("no_job", self.post("refund", 4711, 1, "error", 0, "")[0])
        queued = self.job_in(allocation)
        self.assertEqual("nothing", self.post("refund", queued, 0, "error", 0, "")[0])
        other = self.charged_job(allocation)
        self.assertEqual("wrong_month", self.post("refund", other, 1, "error", 999912, "")[0])

    def test_while_the_job_lives_it_returns_to_its_hold(self):
        allocation = self.open(10)
        job = self.job_in(allocation, hours=4)
        attempt = self.books.start(job)
        self.assertEqual("posted", self.charge(attempt, HOUR))
        self.assertEqual([6, 3, 1], self.buckets(allocation))
        self.assertEqual("done", self.post("refund", job, 0, "error", 0, "")[0])
        self.assertEqual([6, 4, 0], self.buckets(allocation))
        self.end(job, attempt, HOUR)
        self.assertEqual("ok", self.books.runner(
            f"CALL job_finish(EPOCH, {job}, 5, 'completed', 'completed', 0, 'done')")[0])
        self.assertEqual([10, 0, 0], self.buckets(allocation))

    def test_after_the_term_it_expires(self):
        b = self.books
        allocation = self.open(10)
        self.post("share", allocation, b.alice, 5 * HOUR)
        job = self.charged_job(allocation)
        self.end_term(allocation)
        expired = self.account("expired")
        self.assertEqual("done", self.post("refund", job, 0, "error", 0, "")[0])
        self.assertEqual([9, 0, 0], self.buckets(allocation))
        self.assertEqual([5, 0, 0], self.buckets(allocation, b.alice))
        self.assertEqual(expired + 1, self.account("expired"))

    def test_the_share_gets_its_part(self):
        b = self.books
        allocation = self.open(10)
        self.post("share", allocation, b.bob, 5 * HOUR)
        job = self.charged_job(allocation, b.bob)
        self.assertEqual([4, 0, 1], self.buckets(allocation, b.bob))
        self.post("refund", job, 0, "error", 0, "")
        self.assertEqual([5, 0, 0], self.buckets(allocation, b.bob))

    def test_automatic_refunds_are_once_for_each_attempt(self):
        b = self.books
        allocation = self.open(10)
        job = self.job_in(allocation, hours=4)
        first = b.start(job)
        b.runner(f"CALL job_move(EPOCH, {job}, 4, 'suspend', 'suspending', {first}, now_ms(), "
                 "'')")
        self.end(job, first, HOUR, "suspended", "suspended", "preempted")
        self.charge(first, HOUR)
        for answer in ("refunded", "same"):
            self.assertEqual([answer], b.runner(
                f"CALL attempt_refund(EPOCH, {first}, {HOUR // 2}, 'preempted')"))
        self.assertEqual([str(HOUR), str(HOUR // 2)],
                         self.job_row(job, "charged_gpums, refunded_gpums"))
        second = b.start(job)
        self.assertEqual(["nothing"], b.runner(
            f"CALL attempt_refund(EPOCH, {second}, {HOUR}, 'node_fault')"))
        self.assertEqual("ok",
                         self.settle(job, second, HOUR, refund=f"'node_fault', {99 * HOUR}"))
        self.assertEqual([str(2 * HOUR), str(HOUR + HOUR // 2)],
                         self.job_row(job, "charged_gpums, refunded_gpums"))
        self.assertEqual([9.5, 0, 0.5], self.buckets(allocation))
        third = self.charged_job(allocation)
        attempt = b.number(f"SELECT id FROM attempt WHERE job_id = {third}")
        self.post("refund", third, HOUR - 5, "error", 0, "")
        self.assertEqual(["refunded"], b.runner(
            f"CALL attempt_refund(EPOCH, {attempt}, {HOUR}, 'maintenance')"))
        self.assertEqual([9.5, 0, 0.5], self.buckets(allocation))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""`quota verify` against damage done by hand: each kind is found, named, and ends with exit
status 5; books without damage balance, also while they are written."""
import concurrent.futures
import subprocess
import unittest

from books import HOUR, PROBE, Books
from damage import DamageCase


class Damage(DamageCase):
    def test_sound_books_balance(self):
        result = self.books.ok("verify")
        self.assertRegex(result.out, r"^books balance: 9 jobs, \d+ transfers, 0 faults\n$")

    def test_findings_are_a_table_for_people(self):
        self.books.sql("UPDATE budget SET free = free + 1 WHERE kind = 'allocation'")
        result = self.books.quota("verify")
        self.assertEqual(5, result.code)
        self.assertIn("allocation 1 free", result.out)
        self.assertIn("books DO NOT balance: 9 jobs,", result.out)

    # ---- budgets

    def test_a_changed_balance(self):
        self.breaks("UPDATE budget SET free = free + 1 WHERE kind = 'allocation'",
                    ("balance", "allocation 1 free"), ("sum", "all budgets"))

    def test_a_balance_moved_between_two_budgets(self):
        found = self.breaks("UPDATE budget SET free = free + 5 WHERE kind = 'allocation' AND "
                            f"allocation_id = {self.books.allocation};"
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
            "AND t.leg = 0 AND b.id = t.debit_budget SET b.held = b.held + t.gpums, b.free = "
            "b.free - t.gpums;DELETE FROM transfer WHERE request_key = "
            f"'release:{self.completed}'", ("held", f"job {self.completed} "))
        self.assertEqual(1, len(found), found)

    def test_a_swapped_sign(self):
        self.breaks(f"UPDATE transfer SET debit_bucket = 'used', credit_bucket = 'held' "
                    f"WHERE type = 'charge' AND job_id = {self.completed}",
                    ("direction", f"(charge of job {self.completed})"),
                    ("balance", "allocation 1 used"))

    def test_a_type_that_never_moves_so(self):
        for kind in ("hold", "release", "grant", "revoke", "transfer", "expire", "adjust"):
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
        self.breaks(self.forge(f"request_key = 'hold:{self.running}'", request_key="'again'"),
                    ("hold", f"job {self.running} "), ("key", f"(hold of job {self.running})"))

    def test_a_charge_too_many(self):
        attempt = self.books.number(f"SELECT id FROM attempt WHERE job_id = {self.completed}")
        self.breaks(self.forge(f"type = 'charge' AND job_id = {self.completed}", gpums=7,
                               request_key=f"'charge:{attempt}:209912'"),
                    ("charge", f"job {self.completed} "),
                    ("attempt charge", f"job {self.completed} (completed) attempt 1"),
                    ("corrects", f"(charge of job {self.completed})"),
                    ("held", f"job {self.completed} "))

    def test_a_missing_charge(self):
        self.breaks(f"DELETE FROM transfer WHERE type = 'charge' AND job_id = {self.completed}",
                    ("charge", f"job {self.completed}"),
                    ("attempt charge", f"job {self.completed} (completed) attempt 1"))

    def test_a_charge_of_another_jobs_attempt(self):
        self.breaks(f"UPDATE transfer SET attempt_id = (SELECT MAX(id) FROM attempt) WHERE "
                    f"type = 'charge' AND job_id = {self.completed}",
                    ("attempt", f"(charge of job {self.completed})"))

    def test_a_release_before_the_end(self):
        self.breaks(self.forge(f"request_key = 'hold:{self.running}'", type="'release'",
                               debit_bucket="'held'", credit_bucket="'free'",
                               request_key=f"'release:{self.running}'"),
                    ("release", f"job {self.running} (running)"))

    def test_a_missing_share_leg(self):
        self.breaks(f"DELETE FROM transfer WHERE request_key = 'release:{self.shared}' AND leg "
                    f"= 1",
                    ("legs", f"(release of job {self.shared})"))

    def test_a_share_leg_alone(self):
        self.breaks(f"DELETE FROM transfer WHERE request_key = 'hold:{self.queued}' "
                    "AND leg = 0",
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
                    f"{self.completed} AND seq IN (2, 3)",
                    ("event order", f"job {self.completed}"))

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
                    ("attempt charge", f"job {self.completed} (completed) attempt 1"))

    def test_an_attempt_charged_for_more_than_it_ran(self):
        self.breaks(f"UPDATE attempt SET chargeable_ms = 1 WHERE job_id = {self.completed}",
                    ("attempt size", f"job {self.completed} (completed) attempt 1"))

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
                    ("attempt", f"(charge of job {self.resumed})"))

    def test_an_attempt_charged_for_less_than_it_ran(self):
        """With everything that says how much made to fit."""
        one = f"type = 'charge' AND job_id = {self.completed}"
        self.breaks(self.make_fit(f"job_id = {self.completed} AND t.type IN ('charge', "
                                  "'release')", -1) +
                    f"UPDATE transfer SET gpums = gpums - 9, raw_gpums = raw_gpums - 9 WHERE "
                    f"{one};UPDATE transfer SET gpums = gpums + 9 WHERE request_key = "
                    f"'release:{self.completed}';"
                    f"UPDATE job SET charged_gpums = charged_gpums - 9, raw_gpums = raw_gpums "
                    f"- 9 WHERE id = {self.completed};"
                    f"UPDATE attempt SET charge_gpums = charge_gpums - 9 WHERE job_id = "
                    f"{self.completed};" +
                    self.make_fit(f"job_id = {self.completed} AND t.type IN ('charge', "
                                  "'release')"),
                    ("attempt size", f"job {self.completed} "),
                    ("attempt raw", f"job {self.completed} "),
                    exactly=True)

    def test_changed_gpus_of_an_attempt(self):
        self.breaks(f"UPDATE attempt SET gpus = gpus * 2 WHERE job_id = {self.completed}",
                    ("attempt raw", f"job {self.completed} "),
                    ("attempt size", f"job {self.completed} "))

    def test_a_changed_charge_without_weight(self):
        self.breaks(f"UPDATE transfer SET raw_gpums = raw_gpums + 1000 WHERE type = 'charge' "
                    f"AND job_id = {self.completed}",
                    ("raw", f"job {self.completed} "),
                    ("attempt raw", f"job {self.completed} "))
        self.tearDown()
        self.breaks(f"UPDATE job SET raw_gpums = 0 WHERE id = {self.completed}",
                    ("raw", f"job {self.completed} "), exactly=True)

    def test_a_running_attempt_charged_for_more_than_the_time_since_its_launch(self):
        attempt = self.books.number(f"SELECT id FROM attempt WHERE job_id = {self.running}")
        self.breaks(self.forge(f"request_key = 'hold:{self.running}'", type="'charge'",
                               debit_bucket="'held'", credit_bucket="'used'",
                               attempt_id=attempt,
                               request_key=f"CONCAT('charge:{attempt}:', month)"),
                    ("attempt charge", f"job {self.running} (running) attempt 1"))

    # ---- extensions

    def test_a_missing_extension(self):
        self.breaks("DELETE FROM transfer WHERE request_key LIKE 'extend:%'",
                    ("hold", f"job {self.queued} "), ("held", f"job {self.queued} "))

    def test_more_time_without_its_hold(self):
        self.breaks(f"UPDATE job SET time_limit_ms = time_limit_ms + 60000 WHERE id = "
                    f"{self.queued}",
                    ("hold size", f"job {self.queued} "), exactly=True)

    def test_an_extension_without_audit(self):
        self.breaks("DELETE FROM audit WHERE verb = 'job extend'",
                    ("audit", f"(hold of job {self.queued})"))

    # ---- refunds

    def test_a_doubled_refund(self):
        again = self.forge("request_key = 'refund-of-bob'", request_key="'refund-again'")
        self.breaks(again + self.make_fit("request_key = 'refund-again'"),
                    ("charge", f"job {self.shared} "),
                    ("audit", f"(refund of job {self.shared})"))

    def test_a_refund_of_more_than_was_charged(self):
        self.breaks(f"UPDATE job SET refunded_gpums = charged_gpums + 1 WHERE id = "
                    f"{self.shared}",
                    ("overdrawn", f"job {self.shared} "))

    def test_a_refund_without_cause(self):
        self.breaks("UPDATE transfer SET cause = '' WHERE request_key = 'refund-of-bob'",
                    ("refund", f"(refund of job {self.shared})"), exactly=True)

    def test_a_refund_to_the_hold_of_a_job_that_is_over(self):
        self.breaks("UPDATE transfer SET credit_bucket = 'held' WHERE request_key = "
                    "'refund-of-bob'",
                    ("refund", f"(refund of job {self.shared})"),
                    ("held", f"job {self.shared} "))

    def test_a_refund_that_a_living_job_does_not_hold(self):
        self.breaks(f"UPDATE transfer SET credit_bucket = 'free' WHERE request_key = "
                    f"'refund:{self.first}'",
                    ("refund", f"(refund of job {self.resumed})"),
                    ("held", f"job {self.resumed} "))

    def test_a_refund_that_expired_within_the_term(self):
        self.breaks("UPDATE transfer SET credit_budget = (SELECT id FROM budget WHERE name = "
                    "'expired') WHERE request_key = 'refund-of-bob' AND leg = 0",
                    ("refund", f"(refund of job {self.shared})"))

    def test_a_refund_that_came_back_after_the_term(self):
        self.breaks(f"UPDATE allocation SET until_ms = 1700000000000 WHERE id = "
                    f"{self.books.allocation}",
                    ("refund", f"(refund of job {self.shared})"))
        self.books.sql(f"UPDATE allocation SET until_ms = 3786908400000 WHERE id = "
                       f"{self.books.allocation}")

    def test_a_refund_for_another_jobs_attempt(self):
        self.breaks(f"UPDATE transfer SET attempt_id = attempt_id + 1 WHERE request_key = "
                    f"'refund:{self.first}'", ("key", f"(refund of job {self.resumed})"))
        self.tearDown()
        self.breaks("UPDATE transfer SET attempt_id = 1 WHERE request_key = 'refund-of-bob' "
                    "AND leg = 0",
                    ("legs", f"(refund of job {self.shared})"),
                    ("attempt", f"(refund of job {self.shared})"), exactly=True)

    def test_a_refund_without_audit(self):
        self.breaks("DELETE FROM audit WHERE verb = 'refund'",
                    ("audit", f"(refund of job {self.shared})"),
                    ("audit", f"(refund of job {self.resumed})"))

    # ---- what is posted by hand

    @staticmethod
    def latest(kind):
        """The latest transfer of a type, for a WHERE: MariaDB updates no table that it selects
        from but through another select."""
        return ("id = (SELECT x.id FROM (SELECT MAX(id) AS id FROM transfer "
                f"WHERE type = '{kind}' AND leg = 0) x)")

    def test_a_transfer_with_one_side(self):
        self.breaks("UPDATE transfer SET credit_budget = (SELECT id FROM budget WHERE name = "
                    "'adjusted') WHERE type = 'transfer'", ("direction", "(transfer)"))

    def test_a_transfer_into_used(self):
        self.breaks("UPDATE transfer SET credit_bucket = 'used' WHERE type = 'transfer'",
                    ("direction", "(transfer)"))

    def test_an_adjustment_of_an_account(self):
        self.breaks("UPDATE transfer SET credit_budget = (SELECT id FROM budget WHERE name = "
                    "'issued') WHERE type = 'adjust'", ("direction", "(adjust)"))

    def test_an_amount_of_nothing(self):
        self.breaks("UPDATE transfer SET gpums = 0 WHERE type = 'revoke' AND leg = 0",
                    ("direction", "(revoke)"))

    def test_another_amount_than_the_audit_says(self):
        """With the balances made to fit, as by who grants himself more."""
        for kind in ("grant", "revoke", "transfer", "adjust"):
            one = self.latest(kind)
            self.breaks(self.make_fit(one, -1) +
                        f"UPDATE transfer SET gpums = gpums + {HOUR} WHERE {one};" +
                        self.make_fit(one), ("audit", f"({kind})"), exactly=True)
            self.tearDown()

    def test_a_posting_that_was_taken_out(self):
        one = self.latest("revoke")
        self.breaks(self.make_fit(one, -1) + f"DELETE FROM transfer WHERE {one}",
                    ("posting", "(revoke, allocation"), exactly=True)

    def test_an_expiry_under_a_key_of_its_own(self):
        self.breaks("UPDATE transfer SET type = 'expire', credit_budget = (SELECT id FROM "
                    "budget WHERE name = 'expired'), request_key = 'expire:a999:1' WHERE type "
                    "= 'revoke' AND leg = 0",
                    ("key", "(expire)"), ("audit", "(expire)"))

    # ---- shares and limits

    def test_a_share_that_was_lifted(self):
        self.breaks(f"UPDATE budget SET is_lifted = TRUE WHERE person_id = {self.books.bob}",
                    ("share", f"share of person {self.books.bob}"), exactly=True)

    def test_a_lifted_share_that_limits_again(self):
        self.breaks(f"UPDATE budget SET is_lifted = FALSE WHERE person_id = {self.books.alice}",
                    ("share", f"share of person {self.books.alice}"), exactly=True)

    def test_a_larger_share(self):
        one = (f"id = (SELECT x.id FROM (SELECT t.id FROM transfer t JOIN budget b ON b.id = "
               f"t.credit_budget AND b.person_id = {self.books.bob} WHERE t.type = 'grant') x)")
        self.breaks(self.make_fit(one, -1) +
                    f"UPDATE transfer SET gpums = gpums * 2 WHERE {one};" +
                    self.make_fit(one), ("share", f"share of person {self.books.bob}"),
                    exactly=True)

    def test_a_share_of_another_member(self):
        self.breaks(f"UPDATE job SET share_id = (SELECT id FROM budget WHERE person_id = "
                    f"{self.books.alice}) WHERE id = {self.shared}",
                    ("budget", f"job {self.shared}"), ("legs", f"of job {self.shared})"))

    def test_a_limit_of_nobody(self):
        self.breaks("UPDATE spend_limit SET scope_id = 999 WHERE scope = 'project'",
                    ("limit", "project 999"),
                    exactly=True)

    # ---- whose it is

    def test_another_person(self):
        self.breaks(f"UPDATE transfer SET person_id = {self.books.alice} WHERE job_id = "
                    f"{self.shared}",
                    ("person", f"(charge of job {self.shared})"))
        self.tearDown()
        self.breaks(f"UPDATE transfer SET person_id = NULL WHERE request_key = "
                    f"'hold:{self.shared}'",
                    ("person", f"(hold of job {self.shared})"))

    # ---- months

    def name_of_old(self):
        return f"month {self.old // 100}-{self.old % 100:02d}"

    def test_a_charge_that_corrects_nothing(self):
        late = f"job_id = {self.late} AND corrects_month IS NOT NULL"
        self.breaks(f"UPDATE transfer SET corrects_month = NULL WHERE {late}",
                    ("corrects", f"(charge of job {self.late})"))
        self.tearDown()
        self.breaks(f"UPDATE transfer SET corrects_month = 202001 WHERE {late}",
                    ("corrects", f"(charge of job {self.late})"))

    def test_a_correction_of_a_month_that_was_open(self):
        self.breaks(f"UPDATE transfer SET corrects_month = month WHERE type = 'charge' AND "
                    f"job_id = {self.completed}",
                    ("corrects", f"(charge of job {self.completed})"))
        self.tearDown()
        self.breaks("UPDATE transfer SET corrects_month = 209901 WHERE request_key = "
                    "'refund-of-bob'",
                    ("corrects", f"(refund of job {self.shared})"))
        self.tearDown()
        self.breaks(f"UPDATE transfer SET corrects_month = {self.old} WHERE type = 'revoke' "
                    "AND leg = 0",
                    ("corrects", "(revoke)"))

    def test_something_booked_in_a_closed_month(self):
        self.breaks(f"UPDATE transfer SET month = {self.old} WHERE request_key = "
                    f"'hold:{self.running}'",
                    ("month", f"(hold of job {self.running})"),
                    ("month balance", self.name_of_old()),
                    ("month text", self.name_of_old()))

    def test_something_booked_after_the_closing(self):
        self.breaks(self.forge(f"type = 'charge' AND month = {self.old} AND job_id = "
                               f"{self.over}",
                               at_ms="at_ms + 600000", gpums=1,
                               request_key="CONCAT(request_key, '9')"),
                    ("closed", f"(charge of job {self.over})"))

    def test_a_changed_month_balance(self):
        budget = ("budget_id = (SELECT id FROM budget WHERE person_id IS NULL "
                  f"AND allocation_id = {self.books.allocation})")
        self.breaks(f"UPDATE month_balance SET free = free + 1 WHERE {budget}",
                    ("month balance",
                     f"{self.name_of_old()}, allocation {self.books.allocation}"))
        self.tearDown()
        self.breaks(f"DELETE FROM month_balance WHERE {budget}",
                    ("month balance",
                     f"{self.name_of_old()}, allocation {self.books.allocation}"))

    def test_a_changed_report(self):
        self.breaks("UPDATE month_report SET text = REPLACE(text, '1', '2')",
                    ("month checksum", self.name_of_old()), ("month text", self.name_of_old()))

    def test_a_report_and_its_checksum_changed(self):
        self.breaks("UPDATE month_report SET text = CONCAT(text, 'more\n');"
                    "UPDATE month m JOIN month_report r ON r.month = m.month SET m.checksum = "
                    "SHA2(r.text, 256)",
                    ("month text", self.name_of_old()), ("month audit", self.name_of_old()),
                    exactly=True)

    def test_a_missing_report(self):
        self.breaks("DELETE FROM month_report", ("month row", self.name_of_old()),
                    ("month text", self.name_of_old()))

    def test_a_month_that_was_opened_again(self):
        self.breaks("UPDATE month SET closed_ms = NULL WHERE closed_ms IS NOT NULL",
                    ("month row", self.name_of_old()),
                    ("corrects", f"(charge of job {self.late})"))

    def test_a_month_that_was_opened_again_without_a_trace(self):
        self.breaks("DELETE FROM month_report; DELETE FROM month_balance;"
                    "UPDATE month SET closed_ms = NULL, closed_by = NULL, checksum = NULL, "
                    "audit_no = NULL, audit_seal = NULL;"
                    f"UPDATE transfer SET month = {self.old}, corrects_month = NULL "
                    f"WHERE corrects_month = {self.old}",
                    ("month audit", self.name_of_old()))

    def test_a_month_closed_before_its_end(self):
        self.breaks("UPDATE month SET closed_ms = from_ms WHERE closed_ms IS NOT NULL",
                    ("month row", self.name_of_old()))

    def test_a_month_between_that_is_open(self):
        self.breaks(f"UPDATE month SET closed_ms = until_ms, closed_by = 'x', checksum = "
                    "REPEAT('0', 64) WHERE month = (SELECT x.month FROM (SELECT MAX(month) AS "
                    f"month FROM month WHERE month < {self.old} - 1) x)",
                    ("month row", "month "))

    # ----

    def test_nothing_is_mended(self):
        self.books.sql("UPDATE budget SET free = free + 1 WHERE kind = 'allocation'")
        first = self.found()
        self.assertEqual(first, self.found())


class Load(unittest.TestCase):
    """Jobs come, run and end, hours are granted and refunded, while the books are proved."""

    ROUNDS, PLACED = 12, 60

    def setUp(self):
        self.books = Books().furnish(1000)

    def tearDown(self):
        self.books.close()

    def submit(self):
        for turn in range(self.ROUNDS):
            subprocess.run([PROBE, self.books.conf, str(self.books.bob), "lattice",
                            str(self.PLACED),
                            f"{turn:02x}"], stdout=subprocess.DEVNULL, check=True)

    def live(self):
        for turn in range(self.ROUNDS):
            job = self.books.run_job(self.books.alice, used=HOUR // 2 + turn)
            self.books.write("refund", job, "0.25", "--cause", "error")
            self.books.write("grant", "--allocation", self.books.allocation, 1)

    def test_books_balance_at_every_moment(self):
        proofs = 0
        with concurrent.futures.ThreadPoolExecutor() as pool:
            tasks = [pool.submit(self.submit), pool.submit(self.live)]
            while not all(t.done() for t in tasks):
                self.books.ok("verify")
                proofs += 1
            for task in tasks:
                task.result()
        self.assertGreaterEqual(proofs, 5)
        self.assertIn(f"books balance: {self.ROUNDS * (self.PLACED + 1)} jobs",
                      self.books.ok("verify").out)


if __name__ == "__main__":
    unittest.main()

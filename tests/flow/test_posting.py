# SPDX-License-Identifier: Apache-2.0
"""What administrators post in the ledger: each verb, each refusal, each key twice, dry and at
once; months that are closed, and shares."""
import unittest

from books import HOUR
from ledgers import DAY, Ledger
from probes import Probe, Refused


class Verbs(Ledger):
    """What each verb does and what it refuses."""

    def test_open_makes_an_allocation_with_its_first_grant(self):
        allocation = self.open(10)
        self.assertEqual([10, 0, 0], self.buckets(allocation))
        for project, until, answer in (("nosuch", 2 * DAY, "no_project"),
                                       ("lattice", -1, "closed")):
            end = self.books.number("SELECT now_ms()") + until
            self.assertEqual([answer, None, None, None],
                             self.post("open", project, 0, end, HOUR, ""))

    def test_a_closed_project_is_granted_nothing_and_gives_back(self):
        b = self.books
        b.write("project", "add", "shut", "--tenant", "north", "--title", "Shut")
        allocation = self.open(10, "shut")
        b.write("project", "set", "shut", "--state", "closed")
        there = 10 * HOUR
        self.assertEqual(["closed", None, None, there],
                         self.post("grant", allocation, HOUR, ""))
        self.assertEqual(["closed", None, None, there],
                         self.post("adjust", allocation, HOUR, 0, 0, ""))
        self.assertEqual("closed", self.post("open", "shut", 0, 1 << 50, HOUR, "")[0])
        self.assertEqual("closed", self.post("transfer", b.allocation, allocation, HOUR, "")[0])
        self.assertEqual(["done", allocation, HOUR, 9 * HOUR],
                         self.post("transfer", allocation, b.allocation, HOUR, ""))
        self.assertEqual(["done", allocation, HOUR, 8 * HOUR],
                         self.post("revoke", allocation, HOUR, ""))

    def test_grant_and_revoke(self):
        allocation = self.open(10)
        self.assertEqual(["done", allocation, HOUR, 11 * HOUR],
                         self.post("grant", allocation, HOUR, "invoice 1"))
        self.assertEqual(["done", allocation, 11 * HOUR, 0],
                         self.post("revoke", allocation, 11 * HOUR, ""))
        self.assertEqual(["too_little", None, None, 0], self.post("revoke", allocation, 1, ""))
        self.assertEqual("no_allocation", self.post("grant", 4711, 1, "")[0])
        self.assertEqual("no_allocation", self.post("revoke", 4711, 1, "")[0])
        self.end_term(allocation)
        self.assertEqual("closed", self.post("grant", allocation, 1, "")[0])

    def test_more_than_the_books_can_hold_is_refused(self):
        allocation = self.open(10)
        outcome, _, _, there = self.post("grant", allocation, (1 << 63) - 1, "")
        self.assertEqual("too_much", outcome)
        self.assertEqual(["done", allocation, there, 10 * HOUR + there],
                         self.post("grant", allocation, there, ""))
        self.assertEqual(["too_much", None, None, 0], self.post("grant", allocation, 1, ""))
        self.assertEqual("too_much", self.post("adjust", allocation, (1 << 63) - 1, 0, 0,
                                               "")[0])
        self.assertEqual("done", self.post("revoke", allocation, there, "")[0])
        refused = self.books.client("admin", self.call_text("grant", allocation, 0, ""))
        self.assertIn("must move something", refused.err)

    def test_transfer_is_one_row_between_projects(self):
        b = self.books
        b.write("project", "add", "spin", "--tenant", "north", "--title", "Spin")
        here, there = self.open(10), self.open(1, "spin")
        key = self.key()
        self.assertEqual(["done", here, 4 * HOUR, 6 * HOUR],
                         self.post("transfer", here, there, 4 * HOUR, "", key=key))
        self.assertEqual([["transfer", str(4 * HOUR), "0"]],
                         b.sql("SELECT type, gpums, leg FROM transfer WHERE request_key = "
                               f"'{key}'"))
        self.assertEqual((6, 5), (self.free(here), self.free(there)))
        self.assertEqual(["too_little", None, None, 6 * HOUR],
                         self.post("transfer", here, there, 7 * HOUR, ""))
        self.assertEqual("nothing", self.post("transfer", here, here, HOUR, "")[0])
        self.assertEqual("no_allocation", self.post("transfer", here, 4711, HOUR, "")[0])
        self.end_term(here)
        self.assertEqual("closed", self.post("transfer", here, there, HOUR, "")[0])
        self.assertEqual("closed", self.post("transfer", there, here, HOUR, "")[0])

    def test_adjust_goes_up_and_down_and_names_what_it_corrects(self):
        b = self.books
        allocation, now = self.open(10), b.month()
        month = b.number(f"SELECT MAX(month) FROM month WHERE month < {now}")
        job = self.job_in(allocation)
        key = self.key()
        for open_month in (now, month):
            self.assertEqual("wrong_month",
                             self.post("adjust", allocation, HOUR, job, open_month, "")[0])
        b.sql(f"UPDATE month SET closed_ms = 1 WHERE month = {month}")
        self.assertEqual(["done", allocation, HOUR, 10 * HOUR],
                         self.post("adjust", allocation, HOUR, job, month, "", key=key))
        self.assertEqual([[str(job), str(month)]], b.sql(
            f"SELECT job_id, corrects_month FROM transfer WHERE request_key = '{key}'"))
        b.sql(f"UPDATE month SET closed_ms = NULL WHERE month = {month}")
        self.assertEqual(["done", allocation, 10 * HOUR, 0],
                         self.post("adjust", allocation, -10 * HOUR, 0, 0, ""))
        for args, answer in (((-1, 0, 0), "too_little"), ((1, 4711, 0), "no_job"),
                             ((1, 0, 999912), "wrong_month"), ((1, 0, 17), "wrong_month")):
            self.assertEqual(answer, self.post("adjust", allocation, *args, "")[0], args)
        self.assertEqual("no_job", self.post("adjust", b.allocation, 1, job, 0, "")[0])
        self.end_term(allocation)
        self.assertEqual("closed", self.post("adjust", allocation, 1, 0, 0, "")[0])

    def test_expire_takes_what_is_free_when_the_term_is_over(self):
        allocation = self.open(10)
        self.assertEqual(["over", None, None, 10 * HOUR], self.post("expire", allocation))
        before = self.account("expired")
        self.end_term(allocation)
        key = self.key()
        self.assertEqual(["done", allocation, 10 * HOUR, 0],
                         self.post("expire", allocation, key=key))
        self.assertEqual(before + 10, self.account("expired"))
        self.assertEqual(["same", allocation, 10 * HOUR, 0],
                         self.post("expire", allocation, key=key))
        self.assertEqual("nothing", self.post("expire", allocation)[0])
        self.assertEqual("no_allocation", self.post("expire", 4711)[0])

    def test_runnerd_lets_all_expire_but_the_one_that_fails(self):
        b = self.books
        probe = Probe(b.conf)
        self.addCleanup(probe.close)
        b.runner("SELECT now_ms()")
        probe.ask("expire_all", epoch=b.epoch)  # what other tests left
        first, end = self.open(1), b.number("SELECT now_ms()") + DAY
        opened = b.client("admin", ";".join(self.call_text("open", "lattice", 0, end, HOUR, "")
                                            for _ in range(300)))
        self.assertEqual(300, opened.out.count("done"), opened.err)
        b.sql(f"UPDATE allocation SET until_ms = now_ms() - 1 WHERE id >= {first};"
              "CREATE TRIGGER broken BEFORE INSERT ON audit FOR EACH ROW SET NEW.reason = "
              f"IF(NEW.object = 'allocation {first}', NULL, NEW.reason)")
        before = self.account("expired")
        got = probe.ask("expire_all", epoch=b.epoch)
        b.sql("DROP TRIGGER broken")
        self.assertEqual((300, 1), (got["number"], got["there"]))
        self.assertEqual((before + 300, 1), (self.account("expired"), self.free(first)))
        with self.assertRaises(Refused):
            probe.ask("expire_all", epoch=b.epoch + 1)
        for done in (1, 0):
            got = probe.ask("expire_all", epoch=b.epoch)
            self.assertEqual((done, 0), (got["number"], got["there"]))

    def test_every_posting_leaves_its_audit_row(self):
        b = self.books
        allocation, key = self.open(10), self.key()
        self.post("grant", allocation, HOUR, 'a "quoted" number', key=key)
        rows = b.sql("SELECT actor, origin, verb, object, reason, before_text, after_text "
                     f"FROM audit WHERE request_key = '{key}'")
        self.assertEqual(
            [["root", "quota here", "grant", f"allocation {allocation}", "a test",
              f"free {10 * HOUR} gpums",
              f'{HOUR} gpums, reference "a \\"quoted\\" number"; free {11 * HOUR} gpums']],
            [[v.replace("\\\\", "\\") for v in row] for row in rows])


class Keys(Ledger):
    """The same key twice, with other content, at once, and dry."""

    def test_a_key_posts_once_whatever_is_asked_with_it_again(self):
        for verb, args, other in self.every_verb():
            key = self.key()
            self.books.sql("SELECT 1")
            done = self.post(verb, *args, key=key)
            self.assertEqual("done", done[0], (verb, args))
            before = self.dump()
            same = self.post(verb, *args, key=key)
            self.assertEqual(["same", done[1]], same[:2], (verb, args))
            if done[2]:
                self.assertEqual(done[2], same[2], (verb, args))
            self.assertEqual("other_content", self.post(verb, *other, key=key)[0],
                             (verb, other))
            self.assertEqual("other_content", self.post(
                "revoke", self.books.allocation, 12345, "elsewhere", key=key)[0], (verb, other))
            self.assertEqual(before, self.dump(), verb)

    def test_a_dry_run_does_all_of_it_and_changes_nothing(self):
        for verb, args, _ in self.every_verb():
            before, key = self.dump(), self.key()
            dry = self.post(verb, *args, key=key, dry=1)
            self.assertEqual("done", dry[0], (verb, args))
            self.assertEqual(before, self.dump(), verb)
            done = self.post(verb, *args, key=key)
            self.assertEqual(dry[2:], done[2:], (verb, args))
            self.assertEqual("same", self.post(verb, *args, key=key, dry=1)[0], verb)

    def test_two_at_once_with_one_key_post_once(self):
        self.assert_two_at_once_post_once()


class Months(Ledger):
    """A month that is closed takes nothing more."""

    def test_a_charge_for_it_is_booked_in_the_open_one_and_says_so(self):
        b = self.books
        now = b.month()
        past = b.number(f"SELECT MAX(month) FROM month WHERE month < {now}")
        b.sql(f"UPDATE transfer SET month = {past}, "  # the books began in that month
              f"at_ms = (SELECT from_ms FROM month WHERE month = {past})")
        allocation = self.open(10)
        b.write("month", "close", f"{past // 100}-{past % 100:02}")
        jobs = [self.job_in(allocation) for _ in range(2)]
        attempts = [b.start(job) for job in jobs]
        self.end(jobs[0], attempts[0], HOUR)
        self.assertEqual("posted", self.charge(attempts[0], HOUR, past))
        self.assertEqual("same", self.charge(attempts[0], HOUR, past))
        b.runner(f"CALL job_finish(EPOCH, {jobs[0]}, 5, 'completed', 'completed', 0, '')")
        self.assertEqual("ok", self.settle(jobs[1], attempts[1], HOUR, month=past))
        for job in jobs:
            self.assertEqual([[str(now), str(past)]], b.sql(
                f"SELECT month, corrects_month FROM transfer WHERE job_id = {job} "
                "AND type = 'charge'"))

    def test_none_is_booked_when_that_of_now_is_closed_or_unknown(self):
        b = self.books
        allocation, now = self.open(10), b.month()
        job = self.job_in(allocation)
        attempt = b.start(job)
        calls = (("admin", self.call_text("grant", allocation, HOUR, "")),
                 ("runner", f"CALL charge_post({b.epoch}, {attempt}, {now}, 1, 1)"),
                 ("runner", f"CALL allocation_expire({b.epoch}, {allocation})"))
        for damage, mend, says in (
                ("closed_ms = 1", "closed_ms = NULL", "ERROR 1213 (40001) at line 1: the month of "
                 "now is closed"),  # try again: the clock goes on
                ("until_ms = until_ms - 4e9", "until_ms = until_ms + 4e9",
                 "ERROR 30003 (45000) at line 1: the month of now is not in the calendar")):
            b.sql("SET check_constraint_checks = 0; "
                  f"UPDATE month SET {damage} WHERE month = {now}")
            try:
                for account, text in calls:
                    self.assertIn(says, b.client(account, text).err)
            finally:
                b.sql(f"UPDATE month SET {mend} WHERE month = {now}")
        for month, says in ((209901, "ERROR 1213 (40001) at line 1: a charge for a month that has "
                             "not begun"),
                            (209913, "ERROR 30003 (45000) at line 1: a charge for a month not in")):
            text = f"CALL charge_post({b.epoch}, {attempt}, {month}, 1, 1)"
            self.assertIn(says, b.client("runner", text).err)


class Shares(Ledger):
    """How much a member may use of an allocation."""

    def test_a_share_is_set_lowered_lifted_and_set_again_over_live_jobs(self):
        b = self.books
        allocation = self.open(20)
        self.assertEqual(["done", allocation, 5 * HOUR, 5 * HOUR],
                         self.post("share", allocation, b.bob, 5 * HOUR))
        self.assertEqual(["no_budget", str(6 * HOUR), str(5 * HOUR)],
                         [v for v in self.place_in(allocation, b.bob, hours=6) if v != "NULL"])
        job = self.job_in(allocation, b.bob, hours=3)
        self.assertEqual([2, 3, 0], self.buckets(allocation, b.bob))
        self.assertEqual(["too_little", None, None, 3 * HOUR],
                         self.post("share", allocation, b.bob, 2 * HOUR))
        self.assertEqual(["done", allocation, 2 * HOUR, 0],
                         self.post("share", allocation, b.bob, 3 * HOUR))
        self.assertEqual("no_budget", self.place_in(allocation, b.bob)[0])
        self.assertEqual("done", self.post("share", allocation, b.bob, -1)[0])
        self.assertEqual("nothing", self.post("share", allocation, b.bob, -1)[0])
        free = self.job_in(allocation, b.bob, hours=10)
        self.assertEqual("NULL", self.job_row(free, "share_id")[0])
        b.finish(job, b.start(job), HOUR)
        self.assertEqual([2, 0, 1], self.buckets(allocation, b.bob))
        self.assertEqual(["done", allocation, HOUR, 3 * HOUR],
                         self.post("share", allocation, b.bob, 4 * HOUR))
        self.assertEqual("no_budget", self.place_in(allocation, b.bob, hours=4)[0])
        self.job_in(allocation, b.bob, hours=3)

    def test_whose_share_it_may_be(self):
        b = self.books
        allocation, carol = self.open(20), b.person("carol")
        self.assertEqual("no_person", self.post("share", allocation, carol, HOUR)[0])
        self.assertEqual("no_person", self.post("share", allocation, 4711, HOUR)[0])
        self.assertEqual("no_allocation", self.post("share", 4711, b.bob, HOUR)[0])
        self.assertEqual("nothing", self.post("share", allocation, b.bob, -1)[0])
        self.assertEqual(["done", allocation, 0, 0], self.post("share", allocation, b.bob, 0))
        self.assertEqual("no_budget", self.place_in(allocation, b.bob)[0])
        self.end_term(allocation)
        self.assertEqual("closed", self.post("share", allocation, b.bob, HOUR)[0])
        self.assertEqual("done", self.post("share", allocation, b.bob, -1)[0])

    def test_a_member_who_left_is_settled_all_the_same(self):
        b = self.books
        allocation, dave = self.open(20), b.person("dave")
        b.write("member", "add", "lattice", "dave@north")
        self.post("share", allocation, dave, 5 * HOUR)
        job = self.job_in(allocation, dave, hours=3)
        attempt = b.start(job)
        b.write("member", "remove", "lattice", "dave@north")
        self.assertEqual("ok", self.settle(job, attempt, HOUR))
        self.assertEqual([4, 0, 1], self.buckets(allocation, dave))
        self.assertEqual("done", self.post("share", allocation, dave, -1)[0])


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The verbs that move GPU-time and those that limit its use: right and wrong, dry and repeated,
with the numbers and the remedy in each refusal."""
import datetime
import unittest

from books import HOUR, WHY, YES
from ledger_site import Site

AMOUNTS = ("-1", "0", "2147483648", "9223372036854775808", "1000000000000000000", "NaN",
           "1e309",
           "0x10", " 5", "1.2345", "", "\u0661")  # test_quota.py has more of them


class Postings(Site):
    def test_an_amount_is_gpu_hours_and_nothing_else(self):
        job = self.books.run_job(self.books.alice)
        before = self.state()
        for amount in AMOUNTS:
            for args in (("grant", "--allocation", self.first, *YES, "--", amount),
                         ("revoke", "--allocation", self.first, *YES, "--", amount),
                         ("transfer", *YES, "--", self.first, self.other, amount),
                         ("refund", "--cause", "error", *YES, "--", job, amount),
                         ("adjust", *YES, "--", self.first, "+" + amount),
                         ("adjust", *YES, "--", self.first, "-" + amount),
                         ("share", "set", *YES, "--", self.first, "bob@north", amount)):
                self.fails(2, *args, says=(f"'{amount}'", "like 118.5"))
        for amount in ("5", "", "±5", "x"):
            self.fails(2, "adjust", *YES, "--", self.first, amount, says=("+HOURS", "-HOURS"))
        for number in ("0", "-1", "x", "1.5", "9223372036854775808", ""):
            for args in (("revoke", "--allocation", number, "1"),
                         ("transfer", number, "1", "1"), ("transfer", "1", number, "1"),
                         ("adjust", number, "+1"), ("refund", number, "--cause", "error"),
                         ("expire", number), ("share", "set", number, "bob@north", "1"),
                         ("job", "extend", number, "2h")):
                self.fails(2, *args, *YES, says=(f"'{number}'", "whole number"))
        self.assertEqual(before, self.state())

    def test_more_than_the_books_can_hold_is_refused(self):
        full, most = self.grant("spin", 1), 899 * 10**16
        by = "'root', 'quota test', 'a test'"
        done = self.books.call("admin", f"CALL posting_grant({by}, 'to-the-brim', 0, {full}, "
                                        f"{most}, '')")
        self.assertEqual("done", done[0][0])
        for _ in range(10):  # 10^9 GPU-hours are 3.6 * 10^15 GPU-milliseconds
            result = self.books.quota("grant", "--allocation", full, "1000000000", *YES)
            if result.code:
                break
        self.assertEqual(3, result.code, result.err)
        self.assertIn("the books hold at most", result.err)
        left = result.err.split("at most ")[1].split()[0]
        self.books.write("grant", "--allocation", full, left)
        self.changes_nothing(3, "grant", "--allocation", full, "0.001", *YES,
                             says=("the books hold at most 0.000",))
        self.books.call("admin", f"CALL posting_revoke({by}, 'out-of-the-brim', 0, {full}, "
                                 f"{most}, '')")

    def test_gpus_times_hours_beyond_all_bounds_are_refused(self):
        result = self.books.client("portal", (
            f"CALL job_place({self.books.alice}, REPEAT('f', 32), SHA2('x', 256), 'lattice', 0,"
            f" 'batch', 'n', 10000, 64, 'any', 0, 0, {10**18}, 0, 0, 0, 'normal', '{{}}')"))
        self.assertNotIn("placed", result.out)
        self.assertEqual(0, self.books.number(
            "SELECT COUNT(*) FROM job WHERE request_key = REPEAT('f', 32)"))

    def test_revoke_takes_what_is_free(self):
        number = self.grant("lattice", 10)
        answer = self.books.write("revoke", "--allocation", number, "4", "--reference", "x 1")
        self.assertEqual([4 * HOUR, 6 * HOUR],
                         [answer["moved_gpums"], answer["left_gpums"]])
        self.changes_nothing(3, "revoke", "--allocation", number, "50", *YES, says=(
            f"allocation {number} has 6.000 GPU-hours free, 50.000 asked",
            f"`quota revoke --allocation {number} 6.000`"))
        self.changes_nothing(4, "revoke", "--allocation", "999", "1", *YES, says=("not found",))
        self.books.write("revoke", "--allocation", number, "6")
        self.changes_nothing(3, "revoke", "--allocation", number, "1", *YES,
                             says=("nothing free",))
        self.fails(2, "revoke", "1", *YES, says=("--allocation NUMBER",))

    def test_what_is_proposed_is_possible(self):
        number = self.grant("lattice", 10)
        job = self.books.job(self.books.alice, hours=1)
        self.books.finish(job, self.books.start(job), HOUR // 3 + 1)
        allocation = self.books.number(f"SELECT allocation_id FROM job WHERE id = {job}")
        result = self.fails(3, "revoke", "--allocation", allocation, "1000000", *YES)
        amount = result.err.split(f"--allocation {allocation} ")[1].split("`")[0]
        self.books.write("revoke", "--allocation", allocation, amount)
        self.assertLess(self.free(allocation), 3600)
        self.books.write("grant", "--allocation", allocation, "100")
        self.books.write("revoke", "--allocation", number, "10")

    def test_transfer_moves_across(self):
        one, two = self.grant("lattice", 10), self.grant("spin", 1)
        answer = self.books.write("transfer", one, two, "2.5")
        self.assertEqual([one, 5 * HOUR // 2, 15 * HOUR // 2], [
            answer["number"], answer["moved_gpums"], answer["left_gpums"]])
        self.assertEqual([15 * HOUR // 2, 7 * HOUR // 2], [self.free(one), self.free(two)])
        self.changes_nothing(3, "transfer", one, two, "8", *YES, says=(
            f"allocation {one} has 7.500 GPU-hours free, 8.000 asked",
            f"`quota transfer {one} {two} 7.500`"))
        self.changes_nothing(2, "transfer", one, one, "1", *YES, says=("the same allocation",))
        self.changes_nothing(4, "transfer", one, "999", "1", *YES, says=("999: not found",))
        self.changes_nothing(4, "transfer", "998", one, "1", *YES, says=("998: not found",))
        past = self.past(1)
        self.changes_nothing(3, "transfer", one, past, "1", *YES,
                             says=(f"allocation {past} was over", "quota grant spin"))
        self.changes_nothing(3, "transfer", past, one, "1", *YES,
                             says=(f"allocation {past} was over",))
        self.books.write("allocation", "close", two)
        self.changes_nothing(3, "transfer", one, two, "1", *YES,
                             says=(f"`quota allocation open {two}`",))
        self.books.write("expire", past)

    def test_a_refund_is_at_most_the_charge_and_never_twice(self):
        job = self.books.run_job(self.books.alice, hours=2, used=HOUR)
        free = self.free(self.first)
        self.changes_nothing(3, "refund", job, "1.001", "--cause", "error", *YES,
                             says=(f"job {job} has 1.000 GPU-hours", "1.001 asked"))
        answer = self.books.write("refund", job, "0.25", "--cause", "node_fault")
        self.assertEqual([HOUR // 4, 3 * HOUR // 4],
                         [answer["moved_gpums"], answer["left_gpums"]])
        answer = self.books.write("refund", job, "--cause", "goodwill")
        self.assertEqual([3 * HOUR // 4, 0], [answer["moved_gpums"], answer["left_gpums"]])
        self.assertEqual(free + HOUR, self.free(self.first))
        for args in (("1",), ("0.001",), ()):
            self.changes_nothing(3, "refund", job, *args, "--cause", "error", *YES,
                                 says=("nothing that can be refunded",))
        self.assertEqual(["node_fault", "goodwill"],
                         [r["cause"] for r in self.rows("ledger", "list", "--job", job,
                                                        "--type", "refund")])
        self.changes_nothing(4, "refund", "999999", "--cause", "error", *YES,
                             says=("not found",))
        self.fails(2, "refund", job, *YES, says=("--cause",))
        self.fails(2, "refund", job, "--cause", "whim", *YES, says=("goodwill",))
        for month in ("2026-13", "26-10", "October", "2026-1", ""):
            self.fails(2, "refund", job, "--cause", "error", "--month", month, *YES,
                       says=("like 2026-10",))
        other = self.books.run_job(self.books.alice)
        self.changes_nothing(3, "refund", other, "--cause", "error", "--month", "2150-01", *YES,
                             says=("2150-01", "was not charged in it"))

    def test_a_running_job_is_refunded_into_its_hold(self):
        job = self.books.job(self.books.alice, hours=2)
        attempt = self.books.start(job)
        self.changes_nothing(3, "refund", job, "--cause", "error", *YES,
                             says=("was charged nothing",))
        self.books.runner(f"CALL charge_post(EPOCH, {attempt}, {self.books.month()},"
                          f" {HOUR}, {HOUR})")
        free, held = self.free(self.first), self.held(job)
        answer = self.books.write("refund", job, "0.5", "--cause", "node_fault")
        self.assertEqual(HOUR // 2, answer["left_gpums"])
        self.assertEqual([free, held + HOUR // 2], [self.free(self.first), self.held(job)])
        self.books.finish(job, attempt, HOUR)

    def held(self, job):
        return self.rows("job", "show", job)["job"][0]["held_gpums"]

    def test_adjust_corrects_up_and_down(self):
        number = self.grant("lattice", 10)
        self.books.write("adjust", number, "+1.5")
        answer = self.books.write("adjust", number, "-2.5")
        self.assertEqual([5 * HOUR // 2, 9 * HOUR],
                         [answer["moved_gpums"], answer["left_gpums"]])
        self.changes_nothing(3, "adjust", number, "-9.001", *YES, says=(
            "9.000 GPU-hours free", f"`quota adjust {number} -9.000`"))
        self.fails(2, "adjust", number, "+1", "--month", "2026-10", *YES,
                   says=("--month needs --job",))
        self.changes_nothing(4, "adjust", number, "+1", "--job", "999999", *YES,
                             says=("job 999999: not found",))
        job = self.books.run_job(self.books.alice)
        mine = self.books.number(f"SELECT allocation_id FROM job WHERE id = {job}")
        self.changes_nothing(3, "adjust", mine, "-0.5", "--job", job, "--month", "2020-01", *YES,
                             says=("month 2020-01 is not closed", "without --month"))
        closed = "UPDATE month SET closed_ms = {} WHERE month = 202001"
        self.books.sql(closed.format(1))
        self.books.write("adjust", mine, "-0.5", "--job", job, "--month", "2020-01")
        self.books.sql(closed.format("NULL"))
        row = self.rows("ledger", "list", "--job", job, "--type", "adjust")[0]
        self.assertEqual(["2020-01", HOUR // 2, job],
                         [row["corrects"], row["amount_gpums"], row["job"]])
        self.assertEqual("alice@north", row["person"])

    def test_what_was_not_used_expires(self):
        past = [self.past(hours) for hours in (1, 2)]
        self.changes_nothing(3, "expire", self.first, *YES, says=(
            "not over before 2090-01-01", f"quota revoke --allocation {self.first}"))
        self.changes_nothing(4, "expire", "999", *YES, says=("not found",))
        before = self.state()
        dry = self.books.ok("expire", *WHY, "--dry-run", "--format", "json").json()
        self.assertEqual(before, self.state())
        self.assertEqual([(past[0], HOUR), (past[1], 2 * HOUR)],
                         [(r["number"], r["moved_gpums"]) for r in dry])
        self.assertEqual({"would be done"}, {r["answer"] for r in dry})
        self.fails(2, "expire", *WHY, says=("--yes",))
        args = ("expire", *YES, "--key", "expire-all", "--format", "json")
        rows = self.books.ok(*args).json()
        self.assertEqual([f"expire-all-{n}" for n in past], [r["key"] for r in rows])
        self.assertEqual([0, 0], [self.free(n) for n in past])
        self.assertEqual([], self.books.ok(*args).json())
        self.changes_nothing(3, "expire", past[0], *YES, says=("nothing free",))
        self.fails(2, "expire", *YES, "--key", "x" * 60, says=("at most",))

    def test_a_share_limits_a_member(self):
        number = self.grant("spin", 20)
        self.books.write("member", "add", "spin", "bob@north")
        self.books.write("allocation", "close", self.other)
        answer = self.books.write("share", "set", number, "bob@north", "3")
        self.assertEqual(3 * HOUR, answer["left_gpums"])
        self.assertEqual("no_budget", self.books.place(self.books.bob, hours=4,
                                                       project="spin")[0])
        job = self.books.job(self.books.bob, hours=2, project="spin")
        row = [r for r in self.rows("share", "list", "spin") if r["allocation"] == number][0]
        self.assertEqual([3 * HOUR, HOUR, 2 * HOUR, 0],
                         [row[k + "_gpums"] for k in ("limit", "free", "held", "used")])
        self.changes_nothing(3, "share", "set", number, "bob@north", "1.5", *YES, says=(
            "holds and has used 2.000", f"`quota share set {number}"))
        self.books.write("share", "set", number, "bob@north", "2")
        self.books.write("share", "set", number, "bob@north", "none")
        self.changes_nothing(3, "share", "set", number, "bob@north", "none", *YES,
                             says=("has no limit",))
        self.assertEqual([], [r for r in self.rows("share", "list")
                              if r["allocation"] == number])
        self.books.job(self.books.bob, hours=4, project="spin")
        self.books.finish(job, self.books.start(job), HOUR)
        self.changes_nothing(4, "share", "set", number, "alice@north", "1", *YES,
                             says=("no member",))
        self.changes_nothing(4, "share", "set", number, "zoe@north", "1", *YES,
                             says=("never logged in",))
        self.books.write("allocation", "open", self.other)

    def test_more_time_is_another_hold(self):
        number = self.grant("lattice", 10, until="2087-01-01")  # ends first
        job = self.books.job(self.books.alice, gpus=2, hours=1)
        answer = self.books.write("job", "extend", job, "1h30m")
        self.assertEqual([3 * HOUR, 5 * HOUR], [answer["moved_gpums"], answer["left_gpums"]])
        shown = self.rows("job", "show", job)["job"][0]
        self.assertEqual([9000000, 5 * HOUR], [shown["time_limit_ms"], shown["held_gpums"]])
        self.assertEqual([["extend"]], self.books.sql(
            f"SELECT kind FROM request WHERE job_id = {job}"))
        self.changes_nothing(3, "job", "extend", job, "5h", *YES,
                             says=("5.000 GPU-hours free", "quota grant --allocation"))
        self.changes_nothing(3, "job", "extend", job, "31d", *YES, says=("31d 00:00:00",))
        for more in ("0", "-1", "1.5h", "2w", "25:61", "", "1e3", "32d"):
            self.fails(2, "job", "extend", *YES, "--", job, more, says=(f"'{more}'", "1d12h"))
        self.changes_nothing(4, "job", "extend", "999999", "1h", *YES, says=("not found",))
        ended = self.books.run_job(self.books.alice)
        self.changes_nothing(3, "job", "extend", ended, "1h", *YES, says=("ended already",))
        self.books.write("allocation", "close", number)
        self.changes_nothing(3, "job", "extend", job, "1h", *YES,
                             says=(f"`quota allocation open {number}`",))

    def test_who_leaves_a_project_is_settled_all_the_same(self):
        self.books.person("carol")
        self.books.write("member", "add", "lattice", "carol@north")
        carol = self.books.number("SELECT id FROM person WHERE login = 'carol'")
        self.books.write("share", "set", self.first, "carol@north", "5")
        job = self.books.job(carol, hours=2)
        attempt = self.books.start(job)
        self.books.write("member", "remove", "lattice", "carol@north")
        self.books.finish(job, attempt, HOUR)
        shown = self.rows("job", "show", job)["job"][0]
        self.assertEqual(["completed", HOUR, 0],
                         [shown[k] for k in ("state", "charged_gpums", "held_gpums")])
        self.books.write("refund", job, "0.5", "--cause", "goodwill")

    def test_nothing_with_entries_is_deleted(self):
        self.fails(2, "project", "delete", "lattice", *YES, says=("unknown",))
        self.books.write("project", "close", "spin")
        self.changes_nothing(3, "grant", "spin", "1", "--from", "2026-01-01", "--until",
                             "2027-01-01", *YES, says=("project spin is closed",))
        self.changes_nothing(3, "grant", "--allocation", self.other, "1", *YES,
                             says=("--state open",))
        # what is there goes out
        self.books.write("revoke", "--allocation", self.other, "0.001")
        self.books.write("project", "set", "spin", "--state", "open")
        self.books.write("tenant", "close", "north")
        self.changes_nothing(3, "grant", "--allocation", self.other, "1", *YES,
                             says=("the tenant of project spin is closed",))
        self.books.write("tenant", "set", "north", "--state", "open")
        denied = self.books.client("admin", "DELETE FROM project WHERE name = 'spin'")
        self.assertIn("denied", denied.err)

    # ---- keys and dry runs

    def writes(self):
        """Each verb once, on objects of its own."""
        number = self.grant("lattice", 10, until="2088-01-01")
        other = self.grant("spin", 10)
        past = self.past(1)
        ended = self.books.run_job(self.books.alice, hours=1)
        waiting, running = (self.books.job(self.books.alice, hours=1) for _ in range(2))
        self.books.start(running)
        return (("grant", "lattice", "1", "--from", "2026-01-01", "--until", "2080-01-01"),
                ("grant", "--allocation", number, "1"), ("revoke", "--allocation", number, "1"),
                ("transfer", number, other, "1"), ("refund", ended, "--cause", "error"),
                ("adjust", number, "+1"), ("adjust", number, "-1"), ("expire", past),
                ("share", "set", number, "alice@north", "9"),
                ("share", "set", number, "alice@north", "none"),
                ("job", "extend", waiting, "1h"), ("hold", "release", waiting),
                ("job", "cancel", running, "--cause", "maintenance"),
                ("limit", "set", "everyone", "--gpus", "1000"),
                ("limit", "set", "person", "bob@north", "--time", "20d"),
                ("limit", "clear", "everyone"), ("limit", "clear", "person", "bob@north"),
                ("price", "set", "a100-1g.5gb", "0.1", "--since", "2099-01-01"))

    def test_each_verb_is_dry_first_then_done_once_under_its_key(self):
        for n, args in enumerate(self.writes()):
            with self.subTest(args=args):
                key, before = f"once-and-again-{n}", self.state()
                dry = self.books.ok(*args, *WHY, "--dry-run", "--format", "json").json()[0]
                self.assertEqual("would be done", dry["answer"])
                self.assertEqual(before, self.state())
                done = self.books.ok(*args, *YES, "--key", key, "--format", "json").json()[0]
                self.assertEqual("done", done["answer"])
                self.assertEqual(dry.get("moved_gpums"), done.get("moved_gpums"))
                after = self.state()
                self.assertNotEqual(before, after)
                again = self.books.ok(*args, *YES, "--key", key, "--format", "json").json()[0]
                done.pop("left_gpums", None), again.pop("left_gpums", None)
                self.assertEqual({**done, "answer": "done before"}, again)
                self.fails(3, "grant", "--allocation", self.first, "0.007", *YES, "--key", key,
                           says=(key, "something else", "take another key"))
                self.assertEqual(after, self.state())
                audit = self.books.sql("SELECT origin, reason, before_text, after_text FROM "
                                       f"audit WHERE request_key = '{key}'")[0]
                self.assertTrue(audit[0].startswith("quota"))
                self.assertEqual("a test", audit[1])
                self.assertTrue(audit[3])

    def test_columns_are_checked_before_anything_is_written(self):
        before = self.state()
        for args in (("grant", "--allocation", self.first, "1"), ("expire",),
                     ("revoke", "--allocation", self.first, "1")):
            self.fails(2, *args, *YES, "--columns", "moved,nme", says=("'nme' is no column",))
        self.assertEqual(before, self.state())


class Limits(Site):
    def limits(self):
        return {(r["scope"], r["name"]): (r["gpus"], r["waiting"], r["time_limit_ms"],
                                          r["types"])
                for r in self.rows("limit", "list")}

    def test_limits_are_set_kept_and_cleared(self):
        self.books.write("limit", "set", "everyone", "--gpus", "16", "--waiting", "100")
        self.books.write("limit", "set", "everyone", "--time", "2d", "--waiting", "none")
        self.books.write("limit", "set", "person", "bob@north", "--gpus", "none")
        self.books.write("limit", "set", "project", "lattice", "--types", "h100")
        self.books.write("limit", "set", "tenant", "north", "--waiting", "7")
        self.assertEqual({("everyone", ""): (16, None, 172800000, None),
                          ("person", "bob@north"): (None, None, None, None),
                          ("project", "lattice"): (None, None, None, "h100"),
                          ("tenant", "north"): (None, 7, None, None)}, self.limits())
        for scope in (("everyone",), ("person", "bob@north"), ("project", "lattice"),
                      ("tenant", "north")):
            self.books.write("limit", "clear", *scope)
            self.changes_nothing(4, "limit", "clear", *scope, *YES, says=("no limits",))
        self.assertEqual({}, self.limits())

    def test_bad_limits_are_named(self):
        for args, says in (
                (("nobody", "--gpus", "1"), "everyone, person, project, tenant"),
                (("person", "--gpus", "1"), "say which person"),
                (("everyone", "bob", "--gpus", "1"), "needs no name"),
                (("everyone",), "--gpus, --waiting, --time or --types"),
                (("everyone", "--gpus", "0"), "'0'"), (("everyone", "--gpus", "-1"), "'-1'"),
                (("everyone", "--gpus", "1.5"), "'1.5'"), (("everyone", "--gpus", ""), "''"),
                (("everyone", "--waiting", "2147483648"), "'2147483648'"),
                (("everyone", "--time", "32d"), "up to 31d"),
                (("everyone", "--time", "0"), "'0'"),
                (("everyone", "--time", "soon"), "'soon'"),
                (("everyone", "--types", ""), "separated by commas"),
                (("everyone", "--types", "H100"), "lower-case"),
                (("everyone", "--types", "h100,"), "lower-case"),
                (("everyone", "--types", "any"), "dearest"),
                (("everyone", "--types", "h" * 600), "500")):
            self.changes_nothing(2, "limit", "set", *args, *YES, says=(says,))
        for args, says in ((("everyone", "--types", "h101"), "h101 has no price"),
                           (("person", "zoe@north", "--gpus", "1"), "never logged in"),
                           (("project", "none", "--gpus", "1"), "none: not found"),
                           (("tenant", "none", "--gpus", "1"), "none: not found")):
            self.changes_nothing(4, "limit", "set", *args, *YES, says=(says,))


class Prices(Site):
    def test_a_price_begins_now_or_later(self):
        tomorrow = str(datetime.date.today() + datetime.timedelta(days=2))
        self.books.write("price", "set", "a100-1g.5gb", "0.072")
        self.books.write("price", "set", "a100-1g.5gb", "0.08", "--since", tomorrow)
        rows = [r for r in self.rows("price", "list") if r["gpu_type"] == "a100-1g.5gb"]
        self.assertEqual([(80, "no"), (72, "yes")],
                         [(r["weight_permille"], r["now"]) for r in rows])
        self.changes_nothing(3, "price", "set", "a100-1g.5gb", "0.09", "--since", tomorrow,
                             *YES, says=("begins at that moment already",))
        for day in ("2020-01-01", str(datetime.date.today() - datetime.timedelta(days=1))):
            self.changes_nothing(3, "price", "set", "h100", "2", "--since", day, *YES,
                                 says=("never begins in the past",))
        for day in ("tomorrow", "2027-1-1", "2027-01-01T00:00+09:00", ""):
            self.changes_nothing(2, "price", "set", "h100", "2", "--since", day, *YES,
                                 says=("like 2026-11-23", "Europe/Berlin"))

    def test_a_type_is_written_as_nodes_call_it(self):
        for kind in ("h100", "a100-3g.20gb", "1g.10gb+me", "rtx-6000", "x" * 32):
            self.books.write("price", "set", kind, "1")
        for kind in ("H100", "a 100", "", "-x", ".x", "a,b", "a/b", "x" * 33, "ä", "a_b"):
            self.changes_nothing(2, "price", "set", *YES, "--", kind, "1", says=("lower-case",))


if __name__ == "__main__":
    unittest.main()

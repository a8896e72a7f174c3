# SPDX-License-Identifier: Apache-2.0
"""The verbs that move GPU-time and those that limit its use: right and wrong, dry and repeated, with
the numbers and the remedy in each refusal, and the books in balance after all of it."""
import datetime
import unittest
import zoneinfo

from books import HOUR, WHY, YES, Books, Case

AMOUNTS = ("-1", "0", "2147483648", "9223372036854775808", "1000000000000000000", "NaN", "1e309",
           "0x10", " 5", "1.2345", "", "\u0661")  # test_quota.py has more of them


class Site(Case):
    """Allocations 1 (of lattice, 100 GPU-hours) and `other` (of spin, 50), and one whose term is
    over."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books().furnish()
        cls.books.write("project", "add", "spin", "--tenant", "north")
        cls.first = cls.books.allocation
        cls.other = cls.grant("spin", 50)

    @classmethod
    def tearDownClass(cls):
        result = cls.books.quota("verify")
        cls.books.close()
        assert result.code == 0, result.out + result.err

    @classmethod
    def grant(cls, project, hours, since="2020-01-01", until="2090-01-01"):
        return cls.books.write("grant", project, hours, "--from", since, "--until",
                               until)["number"]

    def past(self, hours):
        """One whose term is over since: nobody may open such a one."""
        number = self.grant("spin", hours)
        self.books.sql(f"UPDATE allocation SET until_ms = now_ms() - 1 WHERE id = {number}")
        return number

    def free(self, allocation):
        return self.books.number("SELECT free FROM budget WHERE person_id IS NULL"
                                 f" AND allocation_id = {allocation}")

    def state(self):
        """All that a refused or dry verb must leave as it is."""
        return [self.books.sql(f"CHECKSUM TABLE {table}") for table in (
            "budget", "transfer", "audit", "job", "request", "spend_limit", "price", "allocation",
            "member", "event")]

    def changes_nothing(self, code, *args, says=()):
        before = self.state()
        result = self.fails(code, *args, says=says)
        self.assertEqual(before, self.state(), args)
        return result


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
            for args in (("revoke", "--allocation", number, "1"), ("transfer", number, "1", "1"),
                         ("transfer", "1", number, "1"), ("adjust", number, "+1"),
                         ("refund", number, "--cause", "error"), ("expire", number),
                         ("share", "set", number, "bob@north", "1"),
                         ("job", "extend", number, "2h")):
                self.fails(2, *args, *YES, says=(f"'{number}'", "whole number"))
        self.assertEqual(before, self.state())

    def test_more_than_the_books_can_hold_is_refused(self):
        full, most = self.grant("spin", 1), 899 * 10**16
        by = "'root', 'quota test', 'a test'"
        done = self.books.call("admin", f"CALL posting_grant({by}, 'to-the-brim', 0, {full}, {most},"
                                        " '')")
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
        self.books.call("admin", f"CALL posting_revoke({by}, 'out-of-the-brim', 0, {full}, {most},"
                                 " '')")

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
                             says=("2150-01", "has not begun"))

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
        self.books.write("adjust", mine, "-0.5", "--job", job, "--month", "2020-01")
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
        self.books.write("revoke", "--allocation", self.other, "0.001")  # what is there goes out
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
                audit = self.books.sql("SELECT origin, reason, before_text, after_text FROM audit"
                                       f" WHERE request_key = '{key}'")[0]
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
        return {(r["scope"], r["name"]): (r["gpus"], r["waiting"], r["time_limit_ms"], r["types"])
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
                (("everyone", "--time", "0"), "'0'"), (("everyone", "--time", "soon"), "'soon'"),
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
        self.changes_nothing(3, "price", "set", "a100-1g.5gb", "0.09", "--since", tomorrow, *YES,
                             says=("begins at that moment already",))
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


class Lists(Site):
    def test_holds_are_those_of_live_jobs(self):
        job = self.books.job(self.books.bob, gpus=2, hours=1)
        row = [r for r in self.rows("hold", "list", "--project", "lattice") if r["job"] == job][0]
        self.assertEqual([2 * HOUR, 2 * HOUR, "bob", "queued", self.first],
                         [row[k] for k in ("hold_gpums", "held_gpums", "login", "state",
                                           "allocation")])
        self.assertGreaterEqual(row["age_ms"], 0)
        self.assertEqual([], self.rows("hold", "list", "--project", "spin"))
        self.fails(4, "hold", "list", "--project", "none", says=("not found",))
        running = self.books.job(self.books.bob)
        self.books.start(running)
        self.changes_nothing(3, "hold", "release", running, *YES, says=(
            "is running", f"`quota job cancel {running}`"))
        self.books.write("hold", "release", job)
        self.changes_nothing(3, "hold", "release", job, *YES, says=("being released already",))
        self.assertEqual([["release", ""]], self.books.sql(
            f"SELECT kind, cause FROM request WHERE job_id = {job}"))
        self.books.write("job", "cancel", running, "--cause", "node_fault")
        self.assertEqual([["cancel", "node_fault"]], self.books.sql(
            f"SELECT kind, cause FROM request WHERE job_id = {running}"))
        self.fails(2, "job", "cancel", running, "--cause", "goodwill", *YES,
                   says=("maintenance, node_fault",))

    def test_the_ledger_is_listed_and_filtered(self):
        self.books.write("share", "set", self.first, "alice@north", "60")
        job = self.books.run_job(self.books.alice, used=HOUR // 2)
        month = str(self.books.month())
        month = f"{month[:4]}-{month[4:]}"
        rows = self.rows("ledger", "list", "--job", job)
        self.assertEqual(["hold", "charge", "release"], [r["type"] for r in rows])
        self.assertEqual([HOUR, HOUR // 2, HOUR // 2], [r["amount_gpums"] for r in rows])
        self.assertEqual([None, HOUR // 2, None], [r["raw_gpums"] for r in rows])
        self.assertEqual(["alice@north"] * 3, [r["person"] for r in rows])
        self.assertEqual({f"allocation {self.first} held"}, {rows[0]["to"], rows[1]["from"]})
        self.assertEqual(6, len(self.rows("ledger", "list", "--job", job, "--shares")))
        self.assertEqual(rows, self.rows("ledger", "list", "--job", job, "--month", month,
                                         "--project", "lattice", "--allocation", self.first))
        self.assertEqual([rows[1]], self.rows("ledger", "list", "--job", job, "--type", "charge",
                                              "--month", month, "--project", "lattice"))
        self.assertEqual([], self.rows("ledger", "list", "--month", "2020-01"))
        self.assertEqual([], self.rows("ledger", "list", "--until", "2020-01-01"))
        self.assertEqual([], self.rows("ledger", "list", "--project", "spin", "--job", job))
        everything = self.books.number("SELECT COUNT(*) FROM transfer")
        self.assertEqual(everything, len(self.rows("ledger", "list", "--shares")))
        self.assertEqual(everything, len(self.rows("ledger", "list", "--shares", "--since",
                                                   "2020-01-01", "--until", "2190-01-01")))
        self.assertTrue(self.books.ok("ledger", "list", "--shares").out.endswith(
            f"{everything} rows\n"))
        for args, says in ((("--type", "gift"), "grant, revoke"), (("--job", "x"), "number"),
                           (("--month", "2026-13"), "like 2026-10"),
                           (("--month", "2026-10", "--since", "2026-10-01"), "leave out"),
                           (("--since", "2026-10-02", "--until", "2026-10-01"), "later day"),
                           (("--since", "x"), "like 2026-11-23")):
            self.fails(2, "ledger", "list", *args, says=(says,))
        self.fails(4, "ledger", "list", "--project", "none", says=("not found",))
        self.fails(4, "ledger", "list", "--month", "2199-01", says=("not one of the site's",))

    # ---- jobs whose books do not agree

    def wrong(self, job):
        return {r["job"]: r for r in self.rows("job", "reconcile")}.get(job)

    def test_an_attempt_that_ended_without_its_job_is_proposed_to_be_charged(self):
        job = self.books.job(self.books.alice, hours=2)
        attempt = self.books.start(job)
        self.assertIsNone(self.wrong(job))
        seq = self.books.number(f"SELECT seq FROM job WHERE id = {job}")
        self.books.runner(f"CALL attempt_end(EPOCH, {job}, {seq + 1}, 'ended', 'completing',"
                          f" {attempt}, now_ms(), {HOUR}, {HOUR}, {HOUR}, 0, 0, 'exit', 0, NULL,"
                          " '')")
        self.assertIsNone(self.wrong(job))  # runnerd may be about to settle it
        self.books.sql(f"UPDATE attempt SET ended_ms = ended_ms - 61000 WHERE id = {attempt}")
        row = self.wrong(job)
        self.assertEqual(["its attempt has ended, the job has not", 2 * HOUR, 0, HOUR],
                         [row[k] for k in ("problem", "held_gpums", "charged_gpums",
                                           "proposed_gpums")])
        self.books.runner(f"CALL charge_post(EPOCH, {attempt}, {self.books.month()}, {HOUR},"
                          f" {HOUR})")
        self.assertEqual(0, self.wrong(job)["proposed_gpums"])
        before = self.state()
        self.fails(2, "job", "reconcile", "--apply", says=("--reason",))
        self.fails(2, "job", "reconcile", "--apply", *WHY, says=("--yes",))
        dry = self.books.ok("job", "reconcile", job, "--apply", *WHY, "--dry-run", "--format",
                            "json").json()
        self.assertEqual(["would be asked"], [r["answer"] for r in dry])
        self.assertEqual(before, self.state())
        args = ("job", "reconcile", job, "--apply", *YES, "--key", "reconciled", "--format",
                "json")
        self.assertEqual(["asked"], [r["answer"] for r in self.books.ok(*args).json()])
        self.assertEqual(["asked before"], [r["answer"] for r in self.books.ok(*args).json()])
        self.assertEqual([["reconcile"]], self.books.sql(
            f"SELECT kind FROM request WHERE job_id = {job}"))
        again = self.books.ok("job", "reconcile", "--apply", *YES, "--format", "json").json()
        self.assertIn("asked already", [r for r in again if r["job"] == job][0]["answer"])
        row = self.books.runner(f"CALL job_finish(EPOCH, {job}, {seq + 2}, 'completed',"
                                " 'completed', 0, 'done')")
        self.assertEqual("ok", row[0])
        self.assertIsNone(self.wrong(job))

    def test_a_node_that_is_not_seen_is_a_finding(self):
        b = self.books
        job = b.job(b.alice, gpus=2, hours=2)
        attempt = b.start(job, gpus=2)
        b.sql("INSERT INTO node VALUES ('n1', 'fake', 'h100', 8, 8, 1, 'up', '', now_ms())")
        b.sql("UPDATE attempt SET place = '{\"nodes\":[{\"name\":\"n1\",\"gpus\":[0,1]}]}',"
              f" started_ms = now_ms() - {HOUR} - 120000 WHERE id = {attempt}")
        self.assertIsNone(self.wrong(job))
        b.sql("UPDATE node SET seen_ms = now_ms() - 120000 WHERE name = 'n1'")
        row = self.wrong(job)
        self.assertEqual("its node has not been seen", row["problem"])
        self.assertAlmostEqual(HOUR, row["run_ms"], delta=20000)
        self.assertEqual(2 * row["run_ms"], row["proposed_gpums"])
        self.assertIsNone({r["job"]: r for r in self.rows("job", "reconcile", job + 1)}.get(job))
        b.sql("UPDATE node SET seen_ms = now_ms() WHERE name = 'n1'")
        b.sql(f"UPDATE attempt SET started_ms = created_ms WHERE id = {attempt}")
        b.finish(job, attempt, 6)

    def test_an_ended_job_with_something_missing_is_told_and_left(self):
        job = self.books.run_job(self.books.alice, used=HOUR // 2)
        self.books.sql(f"UPDATE attempt SET charge_gpums = {HOUR} WHERE job_id = {job}")
        row = self.wrong(job)
        self.assertEqual("it has ended, but charges are missing", row["problem"])
        applied = self.books.ok("job", "reconcile", job, "--apply", *YES, "--format", "json")
        self.assertIn("quota verify", applied.json()[0]["answer"])
        self.assertEqual([], self.books.sql(f"SELECT id FROM request WHERE job_id = {job}"))
        self.books.sql(f"UPDATE attempt SET charge_gpums = {HOUR // 2} WHERE job_id = {job}")
        self.assertIsNone(self.wrong(job))


class Days(Case):
    """Terms in a zone that has no midnight on some days."""

    ZONE = "America/Santiago"

    @classmethod
    def setUpClass(cls):
        cls.books = Books(init=False)
        cls.books.ok("db", "init", "--site", "South", "--zone", cls.ZONE)
        cls.books.write("tenant", "add", "south")
        cls.books.write("project", "add", "andes", "--tenant", "south")

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def first_moment(self, day):
        """Of a day, by looking: the last moment whose local day is an earlier one, and one second."""
        zone = zoneinfo.ZoneInfo(self.ZONE)
        at = int(datetime.datetime(day.year, day.month, day.day,
                                   tzinfo=datetime.timezone.utc).timestamp()) - 86400
        while datetime.datetime.fromtimestamp(at, zone).date() < day:
            at += 900
        return at * 1000

    def days_without_midnight(self):
        zone = zoneinfo.ZoneInfo(self.ZONE)
        day = datetime.date.today() + datetime.timedelta(days=2)
        while day < datetime.date.today() + datetime.timedelta(days=800):
            moment = datetime.datetime.fromtimestamp(self.first_moment(day) / 1000, zone)
            if moment.hour or moment.minute:
                yield day
            day += datetime.timedelta(days=1)

    def test_a_term_begins_and_ends_where_its_days_do(self):
        gaps = list(self.days_without_midnight())
        self.assertTrue(gaps, "this zone's rules have changed: take another")
        for day in [*gaps, gaps[0] - datetime.timedelta(days=1), datetime.date(2099, 4, 4),
                    datetime.date(2099, 4, 5), datetime.date(2099, 11, 1)]:
            number = self.books.write("grant", "andes", "1", "--from", day, "--until",
                                      day + datetime.timedelta(days=1))["number"]
            row = [r for r in self.rows("balance") if r["allocation"] == number][0]
            self.assertEqual([self.first_moment(day),
                              self.first_moment(day + datetime.timedelta(days=1))],
                             [row["from_ms"], row["until_ms"]], day)

    def test_terms_may_overlap_but_not_be_reversed_or_of_another_zone(self):
        for _ in range(2):
            self.books.write("grant", "andes", "1", "--from", "2026-11-01", "--until",
                             "2099-11-01")
        self.fails(3, "grant", "andes", "1", "--from", "2020-01-01", "--until", "2021-01-01", *YES,
                   says=("--until 2021-01-01", "over already"))
        for since, until in (("2027-01-01", "2026-01-01"), ("2027-01-01", "2027-01-01")):
            self.fails(2, "grant", "andes", "1", "--from", since, "--until", until, *YES,
                       says=("later day",))
        for day in ("2026-11-01T00:00+09:00", "2026-11-01T00:00Z", "2026-11-01 00:00",
                    "2026-11-01+09:00"):
            self.fails(2, "grant", "andes", "1", "--from", day, "--until", "2027-01-01", *YES,
                       says=(f"'{day}'", "like 2026-11-23", self.ZONE))

    def test_months_begin_where_their_first_day_does(self):
        zone = zoneinfo.ZoneInfo(self.ZONE)
        for month, at_ms in self.books.sql("SELECT month, from_ms FROM month WHERE month"
                                           " BETWEEN 202601 AND 202912"):
            moment = datetime.datetime.fromtimestamp(int(at_ms) / 1000, zone)
            self.assertEqual(f"{month}01", moment.strftime("%Y%m%d"))
            before = moment - datetime.timedelta(seconds=1)
            self.assertNotEqual(month, before.astimezone(zone).strftime("%Y%m"))


if __name__ == "__main__":
    unittest.main()

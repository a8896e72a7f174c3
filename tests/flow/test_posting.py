# SPDX-License-Identifier: Apache-2.0
"""What administrators post in the ledger, the limits that submits are held against, and what runnerd
posts at a job's end: each verb, each refusal, each key twice. The books are proved after each."""
import os
import subprocess
import unittest

from books import HOUR, PROBE, Books, Case

DAY = 24 * HOUR
DUMP_IGNORES = ("lease",)  # runnerd's, and not the books'


class Ledger(Case):
    """A fresh site for each class, its books proved after each test."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.books = Books(flags=cls.flags).furnish(100)
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def tearDown(self):
        self.books.ok("verify")

    def key(self):
        type(self).number += 1
        return f"test-key-{self.number:04}"

    def call_text(self, verb, *args, key=None, dry=0):
        values = ", ".join("NULL" if a is None else f"'{a}'" if isinstance(a, str) else str(a)
                           for a in args)
        return (f"CALL posting_{verb}('root', 'quota here', 'a test', '{key or self.key()}', {dry}"
                f"{', ' if args else ''}{values})")

    def post(self, verb, *args, key=None, dry=0):
        """outcome, number, moved, there (None where the answer has none)."""
        row = self.books.call("admin", self.call_text(verb, *args, key=key, dry=dry))[0]
        return [row[0], *(None if v == "NULL" else int(v) for v in row[1:])]

    def open(self, hours=10, project="lattice", until=None, start=0):
        """A new allocation; `until`: days from now (below 0: its term is over)."""
        end = self.books.number("SELECT now_ms()") + (until or 300) * DAY
        row = self.post("open", project, start, max(end, 1), hours * HOUR, "")
        self.assertEqual("done", row[0])
        return row[1]

    def end_term(self, allocation):
        """Its term is over now: nobody can wait for that in a test."""
        self.books.sql(f"UPDATE allocation SET until_ms = now_ms() - 1 WHERE id = {allocation}")

    def free(self, allocation):
        return self.buckets(allocation)[0]

    def buckets(self, allocation, person=None):
        """free, held, used in hours."""
        who = f"= {person}" if person else "IS NULL"
        row = self.books.sql(f"SELECT free, held, used FROM budget WHERE allocation_id = {allocation} "
                             f"AND person_id {who}")[0]
        return [int(v) / HOUR for v in row]

    def account(self, name):
        return self.books.number(f"SELECT free FROM budget WHERE name = '{name}'") / HOUR

    def dump(self):
        """Every row of every table of the books."""
        tables = [t for (t,) in self.books.sql("SHOW TABLES") if t not in DUMP_IGNORES]
        return {t: self.books.sql(f"SELECT * FROM {t}") for t in tables}

    def place_in(self, allocation, person=None, hours=1, gpus=1, key=None, gpu_type="any"):
        """The whole row of job_place()."""
        self.books.keys += 1
        key = key or f"{self.books.keys:032x}"
        return self.books.call("portal", (
            f"CALL job_place({person or self.books.alice}, '{key}', SHA2('x', 256), 'lattice', "
            f"{allocation}, 'batch', 'a job', 1, {gpus}, '{gpu_type}', 0, 0, {int(hours * HOUR)}, 0, 0, "
            f"0, 'normal', '{{}}')"))[0]

    def job_in(self, allocation, person=None, hours=1, gpus=1):
        row = self.place_in(allocation, person, hours, gpus)
        self.assertEqual("placed", row[0])
        return int(row[1])

    def job_row(self, job, columns):
        return self.books.sql(f"SELECT {columns} FROM job WHERE id = {job}")[0]

    def end(self, job, attempt, gpums, event="ended", state="completing", cause="exit"):
        seq = self.books.number(f"SELECT seq FROM job WHERE id = {job}") + 1
        self.books.runner(f"CALL attempt_end(EPOCH, {job}, {seq}, '{event}', '{state}', {attempt}, "
                          f"now_ms(), {gpums}, {gpums}, {gpums}, 0, 0, '{cause}', 0, NULL, '')")

    def charge(self, attempt, gpums, month=None):
        return self.books.runner(f"CALL charge_post(EPOCH, {attempt}, {month or self.books.month()}, "
                                 f"{gpums}, {gpums})")[0]

    def settle(self, job, attempt, gpums, post=None, refund="NULL, 0", month=None):
        seq = self.books.number(f"SELECT seq FROM job WHERE id = {job}") + 1
        run = gpums // self.books.number(f"SELECT gpus FROM attempt WHERE id = {attempt}")
        post = gpums if post is None else post
        return self.books.runner(
            f"CALL job_settle(EPOCH, {job}, {attempt}, {seq}, now_ms(), {run}, {run}, {gpums}, 7, 3, "
            f"'exit', 0, NULL, '', {month or self.books.month()}, {post}, {post}, {refund}, "
            f"'completed', 'completed', 0, 'done')")[0]


class Verbs(Ledger):
    """What each verb does and what it refuses."""

    def test_open_makes_an_allocation_with_its_first_grant(self):
        allocation = self.open(10)
        self.assertEqual([10, 0, 0], self.buckets(allocation))
        for project, until, answer in (("nosuch", 2 * DAY, "no_project"), ("lattice", -1, "closed")):
            end = self.books.number("SELECT now_ms()") + until
            self.assertEqual([answer, None, None, None],
                             self.post("open", project, 0, end, HOUR, ""))

    def test_a_closed_project_is_granted_nothing_and_gives_back(self):
        b = self.books
        b.write("project", "add", "shut", "--tenant", "north", "--title", "Shut")
        allocation = self.open(10, "shut")
        b.write("project", "set", "shut", "--state", "closed")
        there = 10 * HOUR
        self.assertEqual(["closed", None, None, there], self.post("grant", allocation, HOUR, ""))
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
        self.assertEqual("too_much", self.post("adjust", allocation, (1 << 63) - 1, 0, 0, "")[0])
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
                         b.sql(f"SELECT type, gpums, leg FROM transfer WHERE request_key = '{key}'"))
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
        allocation, month = self.open(10), b.month()
        job = self.job_in(allocation)
        key = self.key()
        self.assertEqual(["done", allocation, HOUR, 10 * HOUR],
                         self.post("adjust", allocation, HOUR, job, month, "", key=key))
        self.assertEqual([[str(job), str(month)]], b.sql(
            f"SELECT job_id, corrects_month FROM transfer WHERE request_key = '{key}'"))
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

    def test_every_posting_leaves_its_audit_row(self):
        b = self.books
        allocation, key = self.open(10), self.key()
        self.post("grant", allocation, HOUR, 'a "quoted" number', key=key)
        self.assertEqual(
            [["root", "quota here", "grant", f"allocation {allocation}", "a test",
              f"free {10 * HOUR} gpums",
              f'{HOUR} gpums, reference "a \\"quoted\\" number"; free {11 * HOUR} gpums']],
            b.sql("SELECT actor, origin, verb, object, reason, before_text, "
                  "REPLACE(after_text, CHAR(92), CHAR(92)) FROM audit "
                  f"WHERE request_key = '{key}'") and
            [[v.replace("\\\\", "\\") for v in row] for row in b.sql(
                "SELECT actor, origin, verb, object, reason, before_text, after_text FROM audit "
                f"WHERE request_key = '{key}'")])


class Keys(Ledger):
    """The same key twice, with other content, at once, and dry."""

    def every_verb(self):
        """(verb, arguments, other arguments), each of which can be done now."""
        b = self.books
        allocation, other, over = self.open(10), self.open(10), self.open(10)
        self.end_term(over)
        charged = self.job_in(allocation, hours=2)
        attempt = b.start(charged)
        b.finish(charged, attempt, HOUR)
        live = self.job_in(allocation)
        self.assertEqual("done", self.post("share", other, b.alice, 5 * HOUR)[0])
        end = b.number("SELECT now_ms()") + 9 * DAY
        return [
            ("open", ("lattice", 0, end, HOUR, ""), ("lattice", 0, end, HOUR, "x")),
            ("grant", (allocation, HOUR, ""), (allocation, 2 * HOUR, "")),
            ("revoke", (allocation, HOUR, ""), (other, HOUR, "")),
            ("transfer", (allocation, other, HOUR, ""), (other, allocation, HOUR, "")),
            ("refund", (charged, 1, "error", 0, ""), (charged, 2, "error", 0, "")),
            ("refund", (charged, 0, "error", 0, ""), (charged, 0, "goodwill", 0, "")),
            ("adjust", (allocation, 7, 0, 0, ""), (allocation, -7, 0, 0, "")),
            ("expire", (over,), (other,)),
            ("share", (allocation, b.alice, HOUR), (allocation, b.alice, -1)),
            ("share", (other, b.alice, -1), (other, b.alice, HOUR)),
            ("extend", (live, HOUR), (live, HOUR // 2)),
        ]

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
            self.assertEqual("other_content", self.post(verb, *other, key=key)[0], (verb, other))
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
        b = self.books
        password = (b.folder / "admin.password").read_text().strip()
        for verb, args, _ in self.every_verb():
            text = self.call_text(verb, *args, key=self.key())
            at_once = [subprocess.Popen(
                ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--user=firefly_admin",
                 "--init-command=SET tx_isolation = 'READ-COMMITTED'",
                 f"--socket={b.mariadb.socket}", "firefly", "-e", text], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, env={**os.environ, "MYSQL_PWD": password})
                for _ in range(6)]
            answers = sorted(p.communicate()[0].split("\t")[0] for p in at_once)
            self.assertEqual(["done"] + 5 * ["same"], answers, text)


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
                         self.post("refund", job, HOUR // 4, "error", self.books.month(), "", key=key))
        self.assertEqual("same", self.post("refund", job, HOUR // 4, "error", self.books.month(), "",
                                           key=key)[0])
        self.assertEqual(["done", job, HOUR - HOUR // 4, 0],
                         self.post("refund", job, 0, "goodwill", 0, ""))
        self.assertEqual(["nothing", None, None, 0], self.post("refund", job, 1, "error", 0, ""))
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
        b.runner(f"CALL job_move(EPOCH, {job}, 4, 'suspend', 'suspending', {first}, now_ms(), '')")
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
        self.assertEqual("ok", self.settle(job, second, HOUR, refund=f"'node_fault', {99 * HOUR}"))
        self.assertEqual([str(2 * HOUR), str(HOUR + HOUR // 2)],
                         self.job_row(job, "charged_gpums, refunded_gpums"))
        self.assertEqual([9.5, 0, 0.5], self.buckets(allocation))
        third = self.charged_job(allocation)
        attempt = b.number(f"SELECT id FROM attempt WHERE job_id = {third}")
        self.post("refund", third, HOUR - 5, "error", 0, "")
        self.assertEqual(["refunded"], b.runner(
            f"CALL attempt_refund(EPOCH, {attempt}, {HOUR}, 'maintenance')"))
        self.assertEqual([9.5, 0, 0.5], self.buckets(allocation))


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
                f"CALL job_settle(EPOCH, {job}, {attempt}, 4, now_ms(), {HOUR}, {HOUR}, {HOUR}, 70, 30, "
                f"'exit', 3, NULL, 'note', {b.month()}, {HOUR}, {HOUR}, NULL, 0, 'failed', 'failed', 3, "
                f"'exit code 3')")[0])
        self.assertEqual([9, 0, 1], self.buckets(allocation))
        self.assertEqual([4, 0, 1], self.buckets(allocation, b.alice))
        self.assertEqual(["failed", "5", "3", "exit code 3", str(HOUR), str(HOUR)], self.job_row(
            job, "state, seq, exit_code, outcome, charged_gpums, raw_gpums"))
        self.assertEqual([["70", "30", "exit", str(HOUR)]], b.sql(
            "SELECT sampled_gpums, idle_gpums, cause, charge_gpums FROM attempt "
            f"WHERE id = {attempt}"))
        self.assertEqual(["placed", "attempt", "started", "ended", "failed"], [r[0] for r in b.sql(
            f"SELECT kind FROM event WHERE job_id = {job} ORDER BY seq")])
        refused = b.client("runner", (f"CALL job_settle({b.epoch}, {job}, {attempt}, 4, now_ms(), 0, 0, 0, "
                                      f"0, 0, 'exit', 0, NULL, '', {b.month()}, 0, 0, NULL, 0, 'lost', "
                                      f"'lost', 0, '')"))
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
            self.assertEqual(HOUR, b.number(f"SELECT charge_gpums FROM attempt WHERE id = {attempt}"))
            b.sql(f"UPDATE attempt SET chargeable_ms = {HOUR} WHERE id = {attempt}")  # as runnerd says it

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
                     f"CALL job_settle({b.epoch + 1}, 1, 1, 4, 0, 0, 0, 0, 0, 0, '', 0, NULL, '', 1, 0, 0, "
                     f"NULL, 0, 'lost', 'lost', 0, '')"):
            self.assertIn("another runnerd is active", b.client("runner", text).err)


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
        b.sql(f"UPDATE month SET closed_ms = 1 WHERE month = {now}")
        try:
            for account, text in (
                    ("admin", self.call_text("grant", allocation, HOUR, "")),
                    ("runner", f"CALL charge_post({b.epoch}, {attempt}, {now}, 1, 1)"),
                    ("runner", f"CALL allocation_expire({b.epoch}, {allocation})")):
                self.assertIn("the month of now is closed", b.client(account, text).err)
        finally:
            b.sql(f"UPDATE month SET closed_ms = NULL WHERE month = {now}")
        later = b.client("runner", f"CALL charge_post({b.epoch}, {attempt}, 209901, 1, 1)")
        self.assertIn("has not begun", later.err)


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
        self.assertEqual(["too_little", None, None, 2 * HOUR], self.post("extend", job, 2 * HOUR))
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
        b.sql(f"INSERT INTO spend_limit (scope, scope_id, time_limit_ms) VALUES ('everyone', 0, {2 * HOUR})")
        self.assertEqual(["too_long", None, None, 2 * HOUR], self.post("extend", job, 2 * HOUR))
        b.sql("DELETE FROM spend_limit")
        self.end_term(allocation)
        self.assertEqual("closed", self.post("extend", job, HOUR)[0])
        b.runner(f"CALL job_finish(EPOCH, {job}, 2, 'cancelled', 'cancelled', NULL, '')")


class Limits(Ledger):
    """What job_place() refuses besides the budget."""

    def setUp(self):
        self.books.sql("DELETE FROM spend_limit")
        self.project = self.books.number("SELECT id FROM project WHERE name = 'lattice'")

    def limit(self, scope, scope_id, **what):
        self.books.sql(f"INSERT INTO spend_limit (scope, scope_id, {', '.join(what)}) VALUES "
                       f"('{scope}', {scope_id}, {', '.join(str(v) for v in what.values())})")

    def test_each_limit_of_each_scope_is_named_with_its_numbers(self):
        b = self.books
        tenant = b.number("SELECT id FROM tenant WHERE name = 'north'")
        for scope, number in (("everyone", 0), ("person", b.alice), ("project", self.project),
                              ("tenant", tenant)):
            self.setUp()
            self.limit(scope, number, time_limit_ms=HOUR, gpus=3, gpu_types="'a100,h100'")
            for what, answer, value, there, text in (
                    ({"hours": 2, "gpu_type": "h100"}, "too_long", str(HOUR), "NULL", "NULL"),
                    ({"gpus": 4, "gpu_type": "h100"}, "too_many_gpus", "3", "4", "NULL"),
                    ({}, "type_refused", "NULL", "NULL", "a100,h100")):
                row = self.place_in(0, **what)
                self.assertEqual([answer, scope, value, there, text], [row[0], *row[5:]], what)
            self.assertEqual("placed", self.place_in(0, gpus=3, gpu_type="h100")[0], scope)

    def test_the_row_of_a_person_stands_in_for_that_of_everyone(self):
        b = self.books
        self.limit("everyone", 0, time_limit_ms=HOUR)
        self.limit("person", b.alice, time_limit_ms=2 * HOUR)
        self.assertEqual("placed", self.place_in(0, hours=2)[0])
        self.assertEqual("too_long", self.place_in(0, b.bob, hours=2)[0])

    def test_jobs_that_wait_are_counted(self):
        b = self.books
        carol = b.person("carol")
        b.write("member", "add", "lattice", "carol@north")
        self.limit("everyone", 0, waiting=2)
        jobs = [self.job_in(0, carol) for _ in range(2)]
        row = self.place_in(0, carol)
        self.assertEqual(["too_many_waiting", "everyone", "2", "2", "NULL"], [row[0], *row[5:]])
        b.start(jobs[0])
        self.assertEqual("placed", self.place_in(0, carol)[0])

    def test_the_count_is_exact_when_many_come_at_once(self):
        b = self.books
        for scope, number, mode in (("everyone", 0, ()), ("project", self.project, ()),
                                    ("everyone", 0, ("many",))):
            self.setUp()
            waiting = b.number("SELECT COUNT(*) FROM job WHERE state = 'queued'" +
                               (f" AND person_id = {b.alice}" if scope == "everyone" else ""))
            self.limit(scope, number, waiting=waiting + 3)
            done = subprocess.run([PROBE, b.conf, str(b.alice), "lattice", "40", os.urandom(8).hex(),
                                   *mode], capture_output=True, text=True, check=False, timeout=60)
            answers = sorted(line.split()[1] for line in done.stdout.splitlines())
            self.assertEqual(3 * ["placed"] + 37 * ["too_many_waiting"], answers, done.stdout)

    def test_numbers_beyond_all_bounds_are_a_budget_that_is_not_there(self):
        b = self.books
        b.sql("INSERT INTO price VALUES ('gold', 0, 100000)")
        row = b.call("portal", (
            f"CALL job_place({b.alice}, '{'e' * 32}', SHA2('x', 256), 'lattice', 0, 'batch', 'big', 10000, "
            f"64, 'gold', 0, 0, 2678400000, 0, 0, 0, 'normal', '{{}}')"))[0]
        self.assertEqual(["no_budget", str(10000 * 64 * 2678400000 * 100)], [row[0], row[2]])
        b.sql("DELETE FROM price WHERE gpu_type = 'gold'")


class Many(Ledger):
    """Several submits in one transaction."""

    def ask(self, key, **what):
        return {"person": self.books.alice, "key": key * 32, "hash": "0" * 64, "project": "lattice",
                "allocation": 0, "kind": "batch", "name": "é'\"\\", "nodes": 1, "gpus_per_node": 1,
                "gpu_type": "any", "cpus": 0, "memory_bytes": 0, "time_limit_ms": HOUR,
                "checkpoint": 0, "checkpoint_interval_ms": 0, "retries": 0, "priority": "normal",
                "spec": '{"name": "é\'\\"\\\\"}', **what}

    def place_many(self, *asks):
        import json
        text = json.dumps(asks).replace("\\", "\\\\").replace("'", "\\'")
        row = self.books.client("portal", f"SET NAMES utf8mb4; CALL job_place_many('{text}')")
        self.assertEqual(0, row.code, row.err)
        return json.loads(row.out.split("\t")[1])

    def test_each_is_answered_for_itself(self):
        b = self.books
        b.write("project", "add", "small", "--tenant", "north", "--title", "Small")
        b.write("member", "add", "small", "alice@north")
        small = self.open(2, "small")
        answers = self.place_many(
            self.ask("0"), self.ask("0"), self.ask("0", hash="1" * 64),
            self.ask("1", project="small", time_limit_ms=3 * HOUR), self.ask("2", project="small"),
            self.ask("3", project="small"), self.ask("4", project="small"),
            self.ask("5", project="nosuch"), self.ask("6", gpu_type="tpu"),
            self.ask("7", person=4711), self.ask("8", allocation=small), self.ask("9"))
        self.assertEqual(["placed", "same", "other_content", "no_budget", "placed", "placed",
                          "no_budget", "no_project", "no_price", "no_project", "no_allocation",
                          "placed"], [a[0] for a in answers])
        self.assertEqual(answers[0][1], answers[1][1])
        self.assertEqual([3 * HOUR, 2 * HOUR], answers[3][2:4])
        self.assertEqual([0, 2, 0], self.buckets(small))
        spec, name = b.sql("SELECT spec, name FROM job_spec JOIN job ON id = job_id "
                           f"WHERE id = {answers[0][1]}")[0]
        self.assertEqual("é'\"\\\\", name)
        self.assertIn("é", spec)
        again = self.place_many(self.ask("9"), self.ask("8"))
        self.assertEqual(["same", "placed"], [a[0] for a in again])

    def test_batches_and_single_submits_at_once_spend_no_more_than_there_is(self):
        b = self.books
        b.write("project", "add", "hot", "--tenant", "north", "--title", "Hot")
        b.write("member", "add", "hot", "alice@north")
        hot = self.open(150, "hot")
        probes = [subprocess.Popen([PROBE, b.conf, str(b.alice), "hot", "100", prefix, *mode],
                                   stdout=subprocess.PIPE, text=True)
                  for prefix, mode in (("a1", ()), ("b2", ("many",)), ("a1", ("many",)))]
        lines = [line.split() for p in probes for line in p.communicate(timeout=120)[0].splitlines()]
        self.assertEqual({"placed", "same", "no_budget"}, {line[1] for line in lines})
        placed = [line[0] for line in lines if line[1] == "placed"]
        self.assertEqual((150, 150), (len(placed), len(set(placed))))
        self.assertEqual([0, 150, 0], self.buckets(hot))


class SnapshotIsolation(Many):
    """The same with the server's stricter snapshots."""

    flags = ("--innodb-snapshot-isolation=ON",)

    def test_two_at_once_with_one_key_post_once(self):
        Keys.test_two_at_once_with_one_key_post_once(self)

    every_verb = Keys.every_verb


if __name__ == "__main__":
    unittest.main()

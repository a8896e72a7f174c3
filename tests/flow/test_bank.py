# SPDX-License-Identifier: Apache-2.0
"""The bank test: many workers do everything that moves GPU-time, at random, on few projects, while
the database server is killed every few seconds. Nothing may be made, lost, overdrawn, done twice, or
forgotten once it was acknowledged.

FIREFLY_BANK_S: how long, in seconds (tests/run --long: 600).
"""
import errno
import os
import random
import threading
import time
import unittest

from books import Books, Case
from portal.embedded.mariadb import MariadbError
from probes import POSTINGS, Probe, Refused

SECONDS = float(os.environ.get("FIREFLY_BANK_S", "60"))
SEED = int(os.environ.get("FIREFLY_SEED", "20261101"))
WORKERS, PROJECTS, KILL_EVERY_S, TERM_MS = 32, 10, 3, 2000
AGAIN = (-errno.EAGAIN, -errno.ENOTCONN)


class Worker(threading.Thread):
    """Does one thing after the other until the time is up. What was not acknowledged is asked again,
    with its key, until it is."""

    def __init__(self, bank, number):
        super().__init__()
        self.bank, self.number = bank, number
        self.random = random.Random(SEED * 1000 + number)
        self.probe = Probe(bank.books.conf)
        self.keys = 0
        self.jobs = {}  # number: [seq, attempt, gpus, limit in ms]
        self.placed, self.ended, self.terms = [], [], []
        self.log = []  # (operation, what was asked, answer) as acknowledged
        self.repeats = 0
        self.trouble = None

    def run(self):
        try:
            while not self.bank.is_over():
                self.random.choice(self.ACTS)(self)
        except Exception as e:  # pylint: disable=broad-except
            self.trouble = e
        finally:
            self.probe.close()

    def key(self):
        self.keys += 1
        return f"{self.number + 1:08x}{self.keys:024x}"

    def ask(self, op, **what):
        until = time.monotonic() + 120
        while True:
            try:
                got = self.probe.ask(op, **what)
                self.log.append((op, what, got["answer"]))
                return got
            except Refused as refused:
                if refused.args[0] not in AGAIN or time.monotonic() > until:
                    raise
                self.repeats += 1

    def allocation(self):
        return self.random.choice(self.bank.allocations)

    def hours(self):
        return self.random.randint(1, 40) * 100000

    def post(self):
        op = self.random.choice(("grant", "revoke", "transfer", "adjust", "share"))
        what = {"key": self.key(), "allocation": self.allocation(), "gpums": self.hours()}
        if op == "transfer":
            what["to_allocation"] = self.random.choice(
                [a for a in self.bank.allocations if a != what["allocation"]])
        elif op == "adjust":
            what["gpums"] *= self.random.choice((1, -1))
        elif op == "share":
            what["person_id"] = self.random.choice(self.bank.people)
            what["gpums"] = self.random.choice((-1, 50 * what["gpums"]))
        self.ask(op, **what)

    def place(self):
        gpus, limit_ms = self.random.randint(1, 4), self.random.randint(1, 600) * 1000
        got = self.ask("place", key=self.key(), person_id=self.random.choice(self.bank.people),
                       project=f"bank{self.random.randrange(PROJECTS)}", gpus=gpus,
                       limit_ms=limit_ms)
        if got["answer"] in ("placed", "same"):
            self.placed.append(got["number"])
            self.jobs[got["number"]] = [1, 0, gpus, limit_ms]

    def step(self, op, job, **what):
        run = self.jobs[job]
        got = self.ask(op, job=job, epoch=self.bank.epoch, seq=run[0] + 1, attempt=run[1],
                       at_ms=int(time.time() * 1000), **what)
        run[0] += 1
        return got

    def live(self):
        jobs = list(self.jobs)
        return self.random.choice(jobs) if jobs else None

    def advance(self):
        job = self.live()
        if not job:
            return
        run = self.jobs[job]
        if run[1]:
            self.settle(job, run)
        elif self.random.random() < 0.2:
            self.step("cancel", job)
            self.end(job)
        else:
            run[1] = self.step("attempt", job, token=self.key(), gpus=run[2],
                               weight=1000)["number"]
            self.step("started", job)

    def settle(self, job, run):
        run_ms = self.random.randint(0, run[3])
        refund = self.random.choice((0, 0, 100000))
        self.step("settle", job, run_ms=run_ms, gpums=run_ms * run[2], post=run_ms * run[2],
                  month=self.bank.month, refund=refund,
                  refund_cause="node_fault" if refund else "")
        self.end(job)

    def end(self, job):
        del self.jobs[job]
        self.ended.append(job)

    def extend(self):
        job = self.live()
        if job:
            got = self.ask("extend", key=self.key(), job=job, more_ms=60000)
            if got["answer"] in ("done", "same"):
                self.jobs[job][3] += 60000

    def refund(self):
        if self.ended:
            self.ask("refund", key=self.key(), job=self.random.choice(self.ended),
                     gpums=self.random.randint(1, 100000), cause="goodwill")

    def term(self):
        """Opens an allocation that ends in a moment, which jobs draw on first; one that was opened
        before expires, if it is over."""
        if self.terms and self.random.random() < 0.6:
            self.ask("expire", key=self.key(), allocation=self.random.choice(self.terms))
            return
        got = self.ask("open", key=self.key(), project=f"bank{self.random.randrange(PROJECTS)}",
                       from_ms=1000, until_ms=int(time.time() * 1000) + TERM_MS,
                       gpums=self.hours())
        if got["answer"] in ("done", "same"):
            self.terms.append(got["number"])

    ACTS = (post, post, place, place, place, advance, advance, advance, extend, refund, term)


class Bank(Case):
    """One site for all."""

    FLAGS = ()

    def setUp(self):
        self.books = Books(flags=self.FLAGS).furnish(1)
        people = [f"p{n}" for n in range(6)]
        self.people = [self.books.person(p) for p in people]
        self.books.sql("INSERT INTO project (tenant_id, name, title, created_ms) "
                       f"SELECT 1, CONCAT('bank', seq), 'Bank', 1 FROM seq_0_to_{PROJECTS - 1}; "
                       "INSERT INTO member SELECT p.id, w.id, 'member', 1 FROM project p "
                       "JOIN person w WHERE p.name LIKE 'bank%'")
        self.month = self.books.month()
        asker = Probe(self.books.conf)
        self.epoch = asker.ask("lease")["number"]
        self.allocations = [
            asker.ask("open", key=f"open-{p}-{n:04}", project=f"bank{p}", from_ms=1000,
                      until_ms=3000000000000 + n, gpums=20000000)["number"]
            for p in range(PROJECTS) for n in range(2)]
        asker.close()
        self.troubles = []

    def tearDown(self):
        self.books.close()

    def is_over(self):
        return time.monotonic() > self.end

    def kill_now_and_then(self):
        """The one thread that may touch the server."""
        kills = 0
        while not self.is_over():
            due = time.monotonic() + KILL_EVERY_S
            while time.monotonic() < due and not self.is_over():
                self.look()
            self.books.mariadb.kill()
            self.books.mariadb.start()
            kills += 1
        return kills

    def look(self):
        """Every look, in one snapshot, sees books that balance and nothing below zero."""
        try:
            row = self.books.sql("SELECT SUM(free + held + used), SUM(kind != 'system' AND "
                                 "LEAST(free, held, used) < 0) FROM budget")[0]
            if row != ["0", "0"]:
                self.troubles.append(f"a look found total and overdrawn {row}")
        except MariadbError as e:
            self.troubles.append(str(e))

    def test_nothing_is_lost_made_or_done_twice(self):
        self.end = time.monotonic() + SECONDS
        workers = [Worker(self, n) for n in range(WORKERS)]
        for w in workers:
            w.start()
        kills = self.kill_now_and_then()
        for w in workers:
            w.join()
        self.assertEqual([], self.troubles)
        self.assertEqual([], [repr(w.trouble) for w in workers if w.trouble])
        self.books.ok("verify")
        self.check_acknowledged(workers)
        done = sum(len(w.log) for w in workers)
        print(f"\n{done} operations acknowledged by {WORKERS} workers in {SECONDS:.0f} s, "
              f"{kills} kills, {sum(w.repeats for w in workers)} asked again")
        self.assertGreater(done, 10 * SECONDS)

    def check_acknowledged(self, workers):
        """Totals by type, and every key and job by itself."""
        log = [entry for w in workers for entry in w.log]
        ok = [(op, what) for op, what, answer in log if answer in ("done", "placed", "same")]
        self.assertNotIn("other_content", {answer for _, _, answer in log})
        for op in ("grant", "revoke", "transfer", "adjust", "refund"):
            ops = (op, "open") if op == "grant" else (op,)
            expected = sum(abs(what["gpums"]) for o, what in ok if o in ops)
            found = self.books.number(
                "SELECT COALESCE(SUM(gpums), 0) FROM transfer WHERE leg = 0 AND actor = 'probe' "
                f"AND type = '{op}' AND request_key NOT LIKE 'open-%' AND debit_budget NOT IN "
                "(SELECT id FROM budget WHERE kind = 'share' OR name = 'shares') "
                "AND credit_budget NOT IN (SELECT id FROM budget WHERE kind = 'share' OR "
                "name = 'shares')")
            self.assertEqual(expected, found, op)
        self.assertGreater(sum(entry[0] == "expire" and entry[2] == "done" for entry in log), 0)
        keys = {r[0] for r in self.books.sql("SELECT request_key FROM audit")}
        lost = [what["key"] for op, what in ok if op in POSTINGS and what["key"] not in keys]
        self.assertEqual([], lost)
        stored = {int(r[0]): r[1] for r in self.books.sql("SELECT id, state FROM job")}
        placed = [j for w in workers for j in w.placed]
        self.assertEqual(sorted(stored), sorted(placed), "each placed once, none unasked")
        over = {j for w in workers for j in w.ended}
        self.assertEqual(over, {j for j, s in stored.items() if s in ("completed", "cancelled")})


class BankUnderSnapshotIsolation(Bank):
    """The same where a row that changed since the snapshot is an error (MariaDB's newer default)."""

    FLAGS = ("--innodb-snapshot-isolation=ON",)


if __name__ == "__main__":
    unittest.main()

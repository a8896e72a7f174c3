# SPDX-License-Identifier: Apache-2.0
"""The bank test: many workers do everything that moves GPU-time, at random, on few projects,
while the database server is killed every few seconds. Nothing may be made, lost, overdrawn,
done twice, or forgotten once it was acknowledged.

What is only asked of runnerd (a release, a reconciliation) is asked, and then done as runnerd
does it. Three months are over when it begins: jobs that ran through them are charged for each,
before it closes or after.

FIREFLY_BANK_S: how long, in seconds (tests/run --long: 600).
"""
import dataclasses
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
PAST = 3  # months that are over when it begins
OLD = 2  # jobs of each worker that ran through them
AUDITED = (*POSTINGS, "release", "reconcile", "close")
AGAIN = (-errno.EAGAIN, -errno.ENOTCONN)


@dataclasses.dataclass
class Run:
    """A job that has not ended."""

    seq: int
    attempt: int
    gpus: int
    limit_ms: int
    months: list = dataclasses.field(default_factory=list)  # to be charged still
    posted_ms: int = 0


class Worker(threading.Thread):
    """Does one thing after the other until the time is up. What was not acknowledged is asked
    again, with its key, until it is."""

    def __init__(self, bank, number):
        super().__init__()
        self.bank, self.number = bank, number
        self.random = random.Random(SEED * 1000 + number)
        self.probe = Probe(bank.books.conf)
        self.keys = 0
        self.jobs, self.old = {}, {}  # number: Run; old ones ran through the past months
        self.recall_every_s = SECONDS / ((PAST + 1) * OLD)
        self.recalled = time.monotonic()
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
            self.jobs[got["number"]] = Run(1, 0, gpus, limit_ms)

    def step(self, op, job, run, **what):
        got = self.ask(op, job=job, epoch=self.bank.epoch, seq=run.seq + 1, attempt=run.attempt,
                       at_ms=int(time.time() * 1000), **what)
        run.seq += 1
        return got

    def live(self):
        jobs = list(self.jobs)
        return self.random.choice(jobs) if jobs else None

    def advance(self):
        job = self.live()
        if not job:
            return
        run = self.jobs[job]
        if run.attempt:
            self.random.choice((self.settle, self.settle, self.reconcile))(job, run)
            self.end(job)
        elif self.random.random() < 0.2:
            if self.random.random() < 0.5:
                self.ask("release", key=self.key(), job=job)
            self.step("cancel", job, run)
            self.end(job)
        else:
            self.start_job(job, run)

    def start_job(self, job, run):
        run.attempt = self.step("attempt", job, run, token=self.key(), gpus=run.gpus,
                                weight=1000)["number"]
        self.step("started", job, run)

    def settle(self, job, run):
        """The end in one transaction, with what was not charged before."""
        run_ms = self.random.randint(run.posted_ms, run.limit_ms)
        refund = self.random.choice((0, 0, 100000))
        self.step("settle", job, run, run_ms=run_ms, gpums=run_ms * run.gpus,
                  post=(run_ms - run.posted_ms) * run.gpus, month=self.bank.month,
                  refund=refund, refund_cause="node_fault" if refund else "")

    def reconcile(self, job, run):
        """The end step by step, as that of a job whose keeper is gone."""
        self.ask("reconcile", key=self.key(), job=job)
        run_ms = self.random.randint(run.posted_ms, run.limit_ms)
        self.step("end", job, run, run_ms=run_ms, gpums=run_ms * run.gpus)
        self.charge(run, self.bank.month, run_ms - run.posted_ms)
        self.ask("give_back", epoch=self.bank.epoch, attempt=run.attempt,
                 gpums=run_ms * run.gpus, cause="node_fault")
        self.step("lost", job, run)

    def charge(self, run, month, run_ms):
        self.ask("charge", epoch=self.bank.epoch, attempt=run.attempt, month=month,
                 gpums=run_ms * run.gpus)
        run.posted_ms += run_ms

    def end(self, job):
        del self.jobs[job]
        self.ended.append(job)

    def recall(self):
        """Charges an old job for one of its months, in any order, and ends it after the last;
        no faster than that they last for the whole test."""
        if not self.old or time.monotonic() < self.recalled + self.recall_every_s:
            return
        self.recalled = time.monotonic()
        job = self.random.choice(list(self.old))
        run = self.old[job]
        if run.months:
            month = run.months.pop(self.random.randrange(len(run.months)))
            self.charge(run, month, self.random.randint(1, run.limit_ms // (PAST + 1)))
            return
        self.random.choice((self.settle, self.reconcile))(job, run)
        self.ended.append(job)
        del self.old[job]

    def close(self):
        """Closes the next month when its time has come, perhaps as others do; sometimes over
        charges that are not there yet, which are then booked in the month of now."""
        month = self.bank.due()
        if month:
            got = self.ask("close", key=self.key(), month=month,
                           anyway=self.random.random() < 0.5)
            if got["answer"] in ("done", "same", "closed"):
                self.bank.closed.add(month)

    def extend(self):
        job = self.live()
        if job:
            got = self.ask("extend", key=self.key(), job=job, more_ms=60000)
            if got["answer"] in ("done", "same"):
                self.jobs[job].limit_ms += 60000

    def refund(self):
        if self.ended:
            self.ask("refund", key=self.key(), job=self.random.choice(self.ended),
                     gpums=self.random.randint(1, 100000), cause="goodwill")

    def term(self):
        """Opens an allocation that ends in a moment, which jobs draw on first; one that was
        opened before expires, if it is over."""
        if self.terms and self.random.random() < 0.6:
            self.ask("expire", key=self.key(), allocation=self.random.choice(self.terms))
            return
        got = self.ask("open", key=self.key(), project=f"bank{self.random.randrange(PROJECTS)}",
                       from_ms=1000, until_ms=int(time.time() * 1000) + TERM_MS,
                       gpums=self.hours())
        if got["answer"] in ("done", "same"):
            self.terms.append(got["number"])

    ACTS = (post, post, place, place, place, advance, advance, advance, extend, refund, term,
            recall, close)


class Bank(Case):
    """One site for all."""

    FLAGS = ()

    def setUp(self):
        self.books = Books(flags=self.FLAGS).furnish(1)
        people = [f"p{n}" for n in range(6)]
        self.people = [self.books.person(p) for p in people]
        self.books.sql("INSERT INTO project (tenant_id, name, title, created_ms) "
                       "SELECT 1, CONCAT('bank', seq), 'Bank', 1 "
                       f"FROM seq_0_to_{PROJECTS - 1}; "
                       "INSERT INTO member SELECT p.id, w.id, 'member', 1 FROM project p "
                       "JOIN person w WHERE p.name LIKE 'bank%'")
        self.month = self.books.month()
        self.past = sorted(int(m) for m, in self.books.sql(
            f"SELECT month FROM month WHERE month < {self.month} ORDER BY month DESC "
            f"LIMIT {PAST}"))
        self.closed = set()
        asker = Probe(self.books.conf)
        self.epoch = asker.ask("lease")["number"]
        self.allocations = [
            asker.ask("open", key=f"open-{p}-{n:04}", project=f"bank{p}", from_ms=1000,
                      until_ms=3000000000000 + n, gpums=20000000)["number"]
            for p in range(PROJECTS) for n in range(2)]
        asker.close()
        self.troubles = []
        self.workers = [self.worker_with_old_jobs(n) for n in range(WORKERS)]
        self.age()

    def worker_with_old_jobs(self, number):
        worker = Worker(self, number)
        for _ in range(OLD):
            got = worker.ask("place", key=worker.key(), person_id=self.people[0],
                             project=f"bank{number % PROJECTS}", gpus=1, limit_ms=100000)
            run = Run(1, 0, 1, 100000, list(self.past))
            worker.start_job(got["number"], run)
            worker.old[got["number"]] = run
        worker.placed = list(worker.old)
        return worker

    def age(self):
        """Moves all that happened to the begin of the first of the past months."""
        first = self.past[0]
        move = self.books.number("SELECT created_ms FROM site") - self.books.number(
            f"SELECT from_ms FROM month WHERE month = {first}")
        self.books.sql(
            "".join(f"UPDATE {table} SET {column} = {column} - {move};" for table, column in (
                ("site", "created_ms"), ("allocation", "created_ms"), ("audit", "at_ms"),
                ("transfer", "at_ms"), ("job", "placed_ms"), ("event", "at_ms"),
                ("attempt", "created_ms"), ("attempt", "started_ms")))
            + f"UPDATE transfer SET month = {first}")

    def tearDown(self):
        self.books.close()

    def due(self):
        """The first month that is not closed, when its time has come: they are spread over the
        test."""
        month = next((m for m in self.past if m not in self.closed), None)
        part = (len(self.closed) + 1) / (PAST + 1)
        return month if month and time.monotonic() > self.end - (1 - part) * SECONDS else None

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
        """Every look, in one snapshot, sees books that balance and nothing below zero. A
        snapshot that was drawn up while others commit may hold a later transaction without an
        earlier one that it built on (quota/verify.h), so what a look finds is looked for again
        at once, and is a trouble when the second look finds something too."""
        try:
            if self.totals() != ["0", "0"] and (row := self.totals()) != ["0", "0"]:
                self.troubles.append(f"two looks found total and overdrawn {row}")
        except MariadbError as e:
            self.troubles.append(str(e))

    def totals(self):
        return self.books.sql("SELECT SUM(free + held + used), SUM(kind != 'system' AND "
                              "LEAST(free, held, used) < 0) FROM budget")[0]

    def test_nothing_is_lost_made_or_done_twice(self):
        workers = self.workers
        self.end = time.monotonic() + SECONDS
        for w in workers:
            w.start()
        kills = self.kill_now_and_then()
        for w in workers:
            w.join()
        self.assertEqual([], self.troubles)
        self.assertEqual([], [repr(w.trouble) for w in workers if w.trouble])
        self.books.ok("verify")
        self.check_acknowledged(workers)
        self.check_months(workers)
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
                "SELECT COALESCE(SUM(gpums), 0) FROM transfer WHERE leg = 0 "
                f"AND actor = 'probe' AND type = '{op}' AND request_key NOT LIKE 'open-%' "
                "AND debit_budget NOT IN "
                "(SELECT id FROM budget WHERE kind = 'share' OR name = 'shares') "
                "AND credit_budget NOT IN (SELECT id FROM budget WHERE kind = 'share' OR "
                "name = 'shares')")
            self.assertEqual(expected, found, op)
        self.assertGreater(sum(entry[0] == "expire" and entry[2] == "done" for entry in log), 0)
        keys = {r[0] for r in self.books.sql("SELECT request_key FROM audit")}
        lost = [what["key"] for op, what in ok if op in AUDITED and what["key"] not in keys]
        self.assertEqual([], lost)
        stored = {int(r[0]): r[1] for r in self.books.sql("SELECT id, state FROM job")}
        placed = [j for w in workers for j in w.placed]
        self.assertEqual(sorted(stored), sorted(placed), "each placed once, none unasked")
        over = {j for w in workers for j in w.ended}
        self.assertEqual(over, {j for j, s in stored.items()
                                if s in ("completed", "cancelled", "lost")})

    def check_months(self, workers):
        """Each closed once, and what was charged for them is all there, in time or late."""
        log = [entry for w in workers for entry in w.log]
        closed = [what["month"] for op, what, answer in log
                  if op == "close" and answer in ("done", "same")]
        self.assertEqual(self.past, sorted(closed))
        charged = sum(what.get("post", what["gpums"]) for op, what, _ in log
                      if op in ("charge", "settle"))
        self.assertEqual(charged, self.books.number(
            "SELECT SUM(gpums) FROM transfer WHERE type = 'charge' AND leg = 0"))


class BankUnderSnapshotIsolation(Bank):
    """The same where a row that changed since the snapshot is an error (MariaDB's newer
    default)."""

    FLAGS = ("--innodb-snapshot-isolation=ON",)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The ledger against a plain model of it, on random sequences of operations.

Each sequence has a project of its own; several are done at once, side by side. FIREFLY_SEED takes
another seed, FIREFLY_SEQUENCES another number of them.
"""
import os
import random
import threading
import time
import unittest

from books import Books, Case
from model import Allocation, Budget, Model
from probes import Probe

SEED = int(os.environ.get("FIREFLY_SEED", "20261101"))
SEQUENCES = int(os.environ.get("FIREFLY_SEQUENCES", "2000"))
WORKERS = 4
STEPS = 12
COMPARE_EVERY = 250
FAR_MS = 3000000000000


class Site:
    """What all workers know."""

    def __init__(self, books):
        self.books = books
        self.epoch = 0
        self.month = books.month()


class Worker(threading.Thread):
    """Does its share of the sequences in the ledger and in a model, and compares."""

    def __init__(self, site, number):
        super().__init__()
        self.site, self.number = site, number
        self.random = random.Random(SEED + number)
        self.probe = Probe(site.books.conf)
        self.model = Model()
        self.trouble = None
        self.keys = 0
        self.done = 0

    def run(self):
        try:
            for i in range(self.number, SEQUENCES, WORKERS):
                Sequence(self, i).run()
                self.done += 1
                if self.done % COMPARE_EVERY == 0 or i + WORKERS >= SEQUENCES:
                    self.compare()
        except Exception as e:  # pylint: disable=broad-except
            self.trouble = e
        finally:
            self.probe.close()

    def key(self):
        self.keys += 1
        return f"{self.number:08x}{self.keys:024x}"

    def compare(self):
        """All allocations of the model against their budget rows; then they are forgotten."""
        ids = ",".join(str(a) for a in self.model.allocations)
        rows = self.site.books.sql(
            "SELECT allocation_id, COALESCE(person_id, 0), free, held, used FROM budget "
            f"WHERE allocation_id IN ({ids})")
        found = {(int(r[0]), int(r[1])): tuple(int(n) for n in r[2:]) for r in rows}
        expected = self.model.rows()
        wrong = {k for k in expected if expected[k] != found.get(k)} | (found.keys() - expected)
        for k in wrong:
            raise AssertionError(f"seed {SEED}: budget {k}: the model has {expected.get(k)}, "
                                 f"the ledger {found.get(k)}")
        self.model.allocations.clear()
        self.model.jobs.clear()
        self.model.answers.clear()


class Sequence:
    """Some operations on one project with one or two allocations."""

    def __init__(self, worker, number):
        self.worker, self.model, self.random = worker, worker.model, worker.random
        self.site = worker.site
        self.project = f"m{number}"
        self.allocations, self.live, self.ended, self.history = [], [], [], []
        self.runs = {}  # job: (seq, attempt, charged at a month's end)

    def run(self):
        for _ in range(self.random.choice((1, 1, 2))):
            self.open()
        acts = (self.place,) * 5 + (self.start, self.charge, self.settle, self.settle, self.cancel,
                                    self.refund, self.extend, self.share, self.share, self.grant,
                                    self.revoke, self.transfer, self.adjust, self.expire,
                                    self.end_term, self.again)
        for _ in range(STEPS):
            self.random.choice(acts)()
        while any(self.runs[j][2] for j in self.live):  # a charge of what runs is for its time only
            self.settle()

    def amount(self, most=60):
        return self.random.randint(1, most) * 1000 + self.random.choice((0, 0, 1, 999))

    def agree(self, name, got, expected, ask):
        self.history.append((name, ask, got["answer"]))
        if (got["answer"], got["moved"] if expected[0] == "done" else 0) != \
           (expected[0], expected[1] if expected[0] == "done" else 0):
            steps = "\n  ".join(str(h) for h in self.history)
            raise AssertionError(f"seed {SEED}, project {self.project}: the model says {expected}, "
                                 f"the ledger {got} to the last of\n  {steps}")

    def post(self, op, key=None, **ask):
        key = key or self.worker.key()
        if self.random.random() < 0.1:  # a rehearsal first, which changes nothing
            self.worker.probe.ask(op, key=key, dry=True, **ask)
        got = self.worker.probe.ask(op, key=key, **ask)
        self.agree(op, got, self.model.do(key, op, **ask), {"key": key, **ask})

    def one_of(self, things):
        return self.random.choice(things) if things else None

    # ---- administrators

    def open(self):
        until = FAR_MS + self.random.randint(0, 5) * 86400000
        gpums = self.amount(100)
        got = self.worker.probe.ask("open", key=self.worker.key(), project=self.project,
                                    from_ms=1000, until_ms=until, gpums=gpums)
        assert got["answer"] == "done", got
        self.model.accounts["issued"] -= gpums
        self.model.allocations[got["number"]] = Allocation(got["number"], self.project, until,
                                                           Budget(free=gpums))
        self.allocations.append(got["number"])

    def grant(self):
        self.post("grant", allocation=self.one_of(self.allocations), gpums=self.amount())

    def revoke(self):
        self.post("revoke", allocation=self.one_of(self.allocations), gpums=self.amount())

    def transfer(self):
        if len(self.allocations) == 2:
            a, b = self.random.sample(self.allocations, 2)
            self.post("transfer", allocation=a, to_allocation=b, gpums=self.amount())

    def adjust(self):
        self.post("adjust", allocation=self.one_of(self.allocations),
                  gpums=self.amount() * self.random.choice((1, -1)))

    def share(self):
        gpums = self.random.choice((-1, 0, self.amount(), self.amount()))
        self.post("share", allocation=self.one_of(self.allocations),
                  person_id=self.one_of(self.site.people), gpums=gpums)

    def expire(self):
        self.post("expire", allocation=self.one_of(self.allocations))

    def end_term(self):
        """As if time had passed."""
        if self.random.random() < 0.7:
            return
        allocation = self.one_of(self.allocations)
        self.site.end_term(allocation)
        self.model.allocations[allocation].is_over = True
        self.history.append(("end of term", allocation))

    def refund(self):
        job = self.one_of(self.live + self.ended)
        if job:
            self.post("refund", job=job, gpums=self.random.choice((0, self.amount(10))),
                      cause="error")

    def extend(self):
        job = self.one_of(self.live + self.ended)
        if job:
            self.post("extend", job=job, more_ms=self.random.randint(1, 5) * 1000)

    def again(self):
        """The last posting once more: its key, with the same content or with other."""
        last = [h for h in self.history if len(h) == 3 and "key" in h[1] and h[2] == "done"]
        if not last:
            return
        name, ask, _ = last[-1]
        ask = dict(ask)
        if "gpums" in ask and ask["gpums"] > 0 and self.random.random() < 0.5:
            ask["gpums"] += 7
        self.post(name, **ask)

    # ---- jobs

    def place(self):
        ask = {"person_id": self.one_of(self.site.people), "project": self.project,
               "gpus": self.random.randint(1, 4), "limit_ms": self.random.randint(1, 10) * 1000}
        got = self.worker.probe.ask("place", key=self.worker.key(), **ask)
        self.agree("place", got, self.model.place(got["number"], **ask), ask)
        if got["answer"] == "placed":
            self.live.append(got["number"])
            self.runs[got["number"]] = [1, 0, 0]

    def step(self, op, job, **ask):
        run = self.runs[job]
        got = self.worker.probe.ask(op, job=job, epoch=self.site.epoch, seq=run[0] + 1,
                                    attempt=run[1], at_ms=int(time.time() * 1000), **ask)
        self.history.append((op, ask, job))
        return got

    def start(self):
        waiting = [j for j in self.live if not self.runs[j][1]]
        if not waiting:
            return
        job = self.one_of(waiting)
        run = self.runs[job]
        run[1] = self.step("attempt", job, token=self.worker.key(), gpus=self.model.jobs[job].gpus,
                           weight=1000)["number"]
        run[0] += 1
        self.step("started", job)
        run[0] += 1

    def running(self, is_charged):
        return [j for j in self.live if self.runs[j][1] and (self.runs[j][2] > 0 or not is_charged)]

    def charge(self):
        jobs = [j for j in self.running(False) if not self.runs[j][2]]
        if not jobs:
            return
        job = self.one_of(jobs)
        run_ms = self.random.randint(1, self.model.jobs[job].limit)
        gpums = run_ms * self.model.jobs[job].gpus
        self.step("charge", job, month=self.site.month, gpums=gpums)
        self.runs[job][2] = run_ms
        self.model.charge(job, gpums)

    def settle(self):
        job = self.one_of(self.running(False))
        if not job:
            return
        j, charged_ms = self.model.jobs[job], self.runs[job][2]
        run_ms = charged_ms or self.random.randint(0, j.limit)
        post = 0 if charged_ms else run_ms * j.gpus
        refund = self.random.choice((0, 0, self.amount(20)))
        self.step("settle", job, run_ms=run_ms, gpums=run_ms * j.gpus, post=post,
                  month=self.site.month, refund_cause="node_fault" if refund else "", refund=refund)
        self.model.settle(job, post, refund)
        self.live.remove(job)
        self.ended.append(job)

    def cancel(self):
        waiting = [j for j in self.live if not self.runs[j][1]]
        if waiting:
            job = self.one_of(waiting)
            self.step("cancel", job)
            self.model.finish(job)
            self.live.remove(job)
            self.ended.append(job)


class RandomSequences(Case):
    """Two implementations, one truth."""

    def setUp(self):
        self.books = Books().furnish(1)
        self.books.sql(
            "INSERT INTO project (tenant_id, name, title, created_ms) "
            f"SELECT 1, CONCAT('m', seq), 'Random', 1 FROM seq_0_to_{SEQUENCES}; "
            f"INSERT INTO member SELECT id, {self.books.alice}, 'pi', 1 FROM project "
            "WHERE name != 'lattice'; "
            f"INSERT INTO member SELECT id, {self.books.bob}, 'member', 1 FROM project "
            "WHERE name != 'lattice'")

    def tearDown(self):
        self.books.close()

    def test_ledger_and_model_agree_on_random_sequences(self):
        site = Site(self.books)
        site.people = [self.books.alice, self.books.bob]
        lock = threading.Lock()

        def end_term(allocation):
            with lock:
                self.books.sql(f"UPDATE allocation SET until_ms = 2000 WHERE id = {allocation}")
        site.end_term = end_term
        workers = [Worker(site, n) for n in range(WORKERS)]
        for w in workers:  # all are connected: what is tested here is arithmetic, not the disk
            site.epoch = w.probe.ask("lease")["number"]
        self.books.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        for w in workers:
            if w.trouble:
                raise w.trouble
        self.assertEqual(SEQUENCES, sum(w.done for w in workers))
        for name in ("issued", "expired", "adjusted", "shares"):
            expected = sum(w.model.accounts[name] for w in workers)
            found = self.books.number(f"SELECT free FROM budget WHERE name = '{name}'")
            self.assertEqual(expected - (3600000 if name == "issued" else 0), found, name)
        self.books.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        self.books.ok("verify")


if __name__ == "__main__":
    unittest.main()

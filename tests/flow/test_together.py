# SPDX-License-Identifier: Apache-2.0
"""Jobs that are placed or settled together, with one statement for each table, leave the same
rows and answers as one by one; what is not plain is not done together and changes nothing."""
import json
import unittest

from books import HOUR
from ledgers import Ledger


class Together(Ledger):
    """Two projects furnished alike: in `solo` is done one by one what in `crowd` is done
    together."""

    def setUp(self):
        b = self.books
        type(self).number += 1
        self.solo, self.crowd = (f"{name}{self.number}" for name in ("solo", "crowd"))
        self.small, self.large = {}, {}
        for project in (self.solo, self.crowd):
            b.write("project", "add", project, "--tenant", "north", "--title", "A project")
            for login in ("alice", "bob"):
                b.write("member", "add", project, f"{login}@north")
            self.large[project] = self.open(100, project, until=200)
            self.small[project] = self.open(4, project, until=100)
            self.post("share", self.large[project], b.bob, 30 * HOUR)

    def asks(self, project):
        """Of two persons, one with a share; in the one that ends first until it is too small."""
        b = self.books
        lines = [(b.alice, 2, 0), (b.bob, 5, 0), (b.alice, 7, 0), (b.bob, 2, 0),
                 (b.alice, 1, self.large[project])]
        return [{"person": person, "key": self.fresh(), "hash": "0" * 64, "project": project,
                 "allocation": allocation, "kind": "batch", "name": f"é'{i}", "nodes": 1,
                 "gpus_per_node": 1, "gpu_type": "any" if i % 2 else "h100", "cpus": i,
                 "memory_bytes": 10 ** 12, "time_limit_ms": hours * HOUR, "checkpoint": i % 2,
                 "checkpoint_interval_ms": 60000, "retries": i, "priority": "normal",
                 "spec": json.dumps({"é'\\": i})}
                for i, (person, hours, allocation) in enumerate(lines)]

    def fresh(self):
        self.books.keys += 1
        return f"{self.books.keys:032x}"

    def many(self, asks):
        """The answers, and whether they were placed together."""
        text = json.dumps(asks).replace("\\", "\\\\").replace("'", "\\'")
        answers, (_, count) = self.books.sql(
            f"SET tx_isolation = 'READ-COMMITTED'; CALL job_place_many('{text}');"
            "SHOW SESSION STATUS LIKE 'Com_insert'")
        return json.loads(answers[1].replace("\\\\", "\\")), count == "0"

    def place_solo(self, asks):
        return [self.many([ask, {**ask, "person": 4711}])[0][0] for ask in asks]

    def rows(self, project):
        """All that lies in a project's books, without the numbers that only count rows."""
        b = self.books
        of = f"(SELECT id FROM project WHERE name = '{project}')"
        low = b.number(f"SELECT MIN(id) FROM job WHERE project_id = {of}")
        job = (f"SELECT ROW_NUMBER() OVER (ORDER BY j.id), j.person_id, a.until_ms > now_ms() + "
               "150 * 86400000, s.person_id, j.kind, j.name, j.nodes, j.gpus_per_node, "
               "j.gpu_type, j.cpus, j.memory_bytes, j.time_limit_ms, j.checkpoint, "
               "j.checkpoint_interval_ms, j.retries, j.priority, j.weight_permille, "
               "j.hold_gpums, j.charged_gpums, j.refunded_gpums, j.raw_gpums, j.state, j.seq, "
               "j.outcome, j.exit_code, j.started_ms IS NULL, j.ended_ms IS NULL, p.spec "
               "FROM job j JOIN allocation a ON a.id = j.allocation_id "
               "LEFT JOIN budget s ON s.id = j.share_id JOIN job_spec p ON p.job_id = j.id "
               f"WHERE j.project_id = {of} ORDER BY j.id")
        transfer = ("SELECT x.job_id, x.type, d.kind, x.debit_bucket, c.kind, x.credit_bucket, "
                    "x.gpums, x.raw_gpums, x.attempt_id IS NULL, x.person_id, x.month, x.cause, "
                    "x.actor, x.reason, x.leg, SUBSTRING_INDEX(x.request_key, ':', 1) "
                    "FROM transfer x JOIN job j ON j.id = x.job_id JOIN budget d ON d.id = "
                    "x.debit_budget JOIN budget c ON c.id = x.credit_budget "
                    f"WHERE j.project_id = {of} ORDER BY x.job_id, x.type, x.leg")
        event = ("SELECT e.job_id, e.seq, e.kind, e.attempt_id IS NULL, e.note FROM event e "
                 f"JOIN job j ON j.id = e.job_id WHERE j.project_id = {of} "
                 "ORDER BY e.job_id, e.seq")
        attempt = ("SELECT t.job_id, t.no, t.run_ms, t.chargeable_ms, t.charge_gpums, "
                   "t.sampled_gpums, t.idle_gpums, t.cause, t.exit_code, t.signal_no, "
                   "t.ended_ms IS NULL FROM attempt t JOIN job j ON j.id = t.job_id "
                   f"WHERE j.project_id = {of} ORDER BY t.job_id")
        budget = ("SELECT b.kind, b.person_id, b.free, b.held, b.used FROM budget b "
                  "JOIN allocation a ON a.id = b.allocation_id "
                  f"WHERE a.project_id = {of} ORDER BY b.id")
        counted = [[[str(int(row[0]) - low), *row[1:]] for row in b.sql(text)]
                   for text in (transfer, event, attempt)]
        return [b.sql(job), b.sql(budget), *counted]

    def alike(self):
        for ours, theirs in zip(self.rows(self.solo), self.rows(self.crowd)):
            self.assertEqual(ours, theirs)

    # ---- placing

    def test_the_rows_are_those_of_one_by_one(self):
        alone = self.place_solo(self.asks(self.solo))
        asks = self.asks(self.crowd)
        answers, is_together = self.many(asks)
        self.assertTrue(is_together)
        self.assertEqual([a[0] for a in alone], [a[0] for a in answers])
        self.assertEqual([a[2:4] + a[5:] for a in alone], [a[2:4] + a[5:] for a in answers])
        self.assertEqual(["placed"] * 5, [a[0] for a in answers])
        here = {self.small[self.crowd]: 0, self.large[self.crowd]: 1}
        self.assertEqual([0, 1, 1, 0, 1], [here[a[4]] for a in answers])
        self.alike()
        again, is_together = self.many(asks)
        self.assertFalse(is_together)
        self.assertEqual([["same", *a[1:]] for a in answers], again)

    def test_what_does_not_fit_together_is_answered_as_one_by_one(self):
        """The fourth took what the fifth would have found; a refusal among them; a key twice."""
        def hard(project):
            asks = self.asks(project)
            asks[3]["time_limit_ms"] = 3 * HOUR
            asks.append({**asks[0], "key": self.fresh(), "time_limit_ms": 100 * HOUR})
            asks.append({**asks[0], "key": self.fresh(), "project": "nosuch"})
            asks.append({**asks[0], "hash": "1" * 64})
            return asks
        alone = self.place_solo(hard(self.solo))
        answers, is_together = self.many(hard(self.crowd))
        self.assertFalse(is_together)
        self.assertEqual(["no_budget", "no_project", "other_content"],
                         [a[0] for a in answers[5:]])
        self.assertEqual([a[0] for a in alone], [a[0] for a in answers])
        self.assertEqual([a[2:4] + a[5:] for a in alone], [a[2:4] + a[5:] for a in answers])
        self.alike()

    # ---- settling

    def ends(self, project, used):
        """Starts each job of the project; what its end would say."""
        b = self.books
        jobs = b.sql("SELECT j.id, j.hold_gpums FROM job j JOIN project p ON p.id = j.project_id "
                     f"WHERE p.name = '{project}' ORDER BY j.id")
        return [{"job": int(job), "attempt": b.start(int(job)), "seq": 4, "ended_ms": 0,
                 "run_ms": part, "chargeable_ms": part, "charge_gpums": part,
                 "sampled_gpums": 7, "idle_gpums": 3, "cause": "exit", "exit_code": None,
                 "signal_no": 9, "note": "é'", "month": b.month(), "gpums": part,
                 "raw_gpums": part, "kind": "failed", "state": "failed", "job_exit": 3,
                 "outcome": "exit code 3"}
                for (job, hold), part in zip(jobs, [min(u, int(h)) for u, (_, h) in
                                                    zip(used, jobs)])]

    def settle_many(self, ends):
        text = json.dumps(ends).replace("\\", "\\\\").replace("'", "\\'")
        return self.books.runner(f"CALL job_settle_many(EPOCH, '{text}')")[0]

    def settle_solo(self, end):
        values = ", ".join("NULL" if end[k] is None else "'" + end[k].replace("'", "\\'") + "'"
                           if isinstance(end[k], str) else str(end[k]) for k in (
                               "job", "attempt", "seq", "ended_ms", "run_ms", "chargeable_ms",
                               "charge_gpums", "sampled_gpums", "idle_gpums", "cause",
                               "exit_code", "signal_no", "note", "month", "gpums", "raw_gpums"))
        return self.books.runner(f"CALL job_settle(EPOCH, {values}, NULL, 0, 'failed', 'failed', "
                                 "3, 'exit code 3')")[0]

    def furnish(self):
        used = [0, HOUR, 100 * HOUR, 1, HOUR // 2]
        for project in (self.solo, self.crowd):
            self.assertTrue(self.many(self.asks(project))[1])
        return self.ends(self.solo, used), self.ends(self.crowd, used)

    def test_ends_leave_the_rows_of_one_by_one(self):
        solo, crowd = self.furnish()
        self.assertEqual(["ok"] * 5, [self.settle_solo(e) for e in solo])
        self.assertEqual("ok", self.settle_many(crowd))
        self.alike()
        before = self.dump()
        self.assertEqual("one_by_one", self.settle_many(crowd))  # its answer was lost
        self.assertEqual(["ok"] * 5, [self.settle_solo(e) for e in crowd])
        self.assertEqual(before, self.dump())

    def test_one_end_that_is_not_plain_changes_nothing(self):
        b = self.books
        _, crowd = self.furnish()
        job, attempt = crowd[1]["job"], crowd[1]["attempt"]
        before = self.dump()
        for name, what in (("moved on", {"seq": 5}), ("not all posted", {"gpums": 1}),
                           ("another attempt", {"attempt": crowd[2]["attempt"]}),
                           ("another month", {"month": b.month() - 1}),
                           ("no such job", {"job": 10 ** 9}),
                           ("more than its hold", {"gpums": 10 ** 12, "charge_gpums": 10 ** 12})):
            asks = [crowd[0], {**crowd[1], **what}, *crowd[2:]]
            self.assertEqual("one_by_one", self.settle_many(asks), name)
            self.assertEqual(before, self.dump(), name)
        b.runner(f"CALL charge_post(EPOCH, {attempt}, {b.month()}, 5, 5)")
        self.assertEqual("one_by_one", self.settle_many(crowd), "charged before")
        self.assertEqual(["1"], b.sql("SELECT COUNT(*) FROM transfer WHERE type = 'charge' "
                                      f"AND leg = 0 AND job_id = {job}")[0])
        refused = b.client("runner", f"CALL job_settle_many({b.epoch + 1}, '[]')")
        self.assertIn("another runnerd is active", refused.err)
        self.end_term(self.small[self.crowd])
        self.assertEqual("one_by_one", self.settle_many(crowd[3:4]), "after the term")


if __name__ == "__main__":
    unittest.main()

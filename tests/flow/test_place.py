# SPDX-License-Identifier: Apache-2.0
"""What job_place() refuses besides the budget, and many submits at once."""
import os
import subprocess
import unittest

from books import HOUR, PROBE
from ledgers import Ledger


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
            done = subprocess.run([PROBE, b.conf, str(b.alice), "lattice", "40",
                                   os.urandom(8).hex(), *mode], capture_output=True, text=True,
                                  check=False, timeout=60)
            answers = sorted(line.split()[1] for line in done.stdout.splitlines())
            self.assertEqual(3 * ["placed"] + 37 * ["too_many_waiting"], answers, done.stdout)

    def test_numbers_beyond_all_bounds_are_a_budget_that_is_not_there(self):
        b = self.books
        b.sql("INSERT INTO price VALUES ('gold', 0, 100000)")
        row = b.call("portal", (
            f"CALL job_place({b.alice}, '{'e' * 32}', SHA2('x', 256), 'lattice', 0, 'batch', "
            f"'big', 10000, 64, 'gold', 0, 0, 2678400000, 0, 0, 0, 'normal', '{{}}')"))[0]
        self.assertEqual(["no_budget", str(10000 * 64 * 2678400000 * 100)], [row[0], row[2]])
        b.sql("DELETE FROM price WHERE gpu_type = 'gold'")


class Many(Ledger):
    """Several submits in one transaction."""

    def ask(self, key, **what):
        return {"person": self.books.alice, "key": key * 32, "hash": "0" * 64,
                "project": "lattice", "allocation": 0, "kind": "batch", "name": "é'\"\\",
                "nodes": 1, "gpus_per_node": 1, "gpu_type": "any", "cpus": 0, "memory_bytes": 0,
                "time_limit_ms": HOUR, "checkpoint": 0, "checkpoint_interval_ms": 0,
                "retries": 0, "priority": "normal", "spec": '{"name": "é\'\\"\\\\"}', **what}

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
            self.ask("1", project="small", time_limit_ms=3 * HOUR),
            self.ask("2", project="small"), self.ask("3", project="small"),
            self.ask("4", project="small"), self.ask("5", project="nosuch"),
            self.ask("6", gpu_type="tpu"), self.ask("7", person=4711),
            self.ask("8", allocation=small), self.ask("9"))
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
        lines = [line.split() for p in probes
                 for line in p.communicate(timeout=120)[0].splitlines()]
        self.assertEqual({"placed", "same", "no_budget"}, {line[1] for line in lines})
        placed = [line[0] for line in lines if line[1] == "placed"]
        self.assertEqual((150, 150), (len(placed), len(set(placed))))
        self.assertEqual([0, 150, 0], self.buckets(hot))


class SnapshotIsolation(Many):
    """The same with the server's stricter snapshots."""

    flags = ("--innodb-snapshot-isolation=ON",)

    def test_two_at_once_with_one_key_post_once(self):
        self.assert_two_at_once_post_once()


if __name__ == "__main__":
    unittest.main()

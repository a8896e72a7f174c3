# SPDX-License-Identifier: Apache-2.0
"""Many who place jobs at once, also while the database server is killed and started again."""
import collections
import subprocess
import unittest

from books import BUILD, HOUR, PROBE, Books, Case

STORM = BUILD / "tests/storm_probe"


class Races(Case):
    """Two hundred at once on a budget for a hundred."""

    def setUp(self):
        self.books = Books().furnish(100)

    def tearDown(self):
        self.books.close()

    def probe(self, prefix="ab"):
        return subprocess.Popen([PROBE, self.books.conf, str(self.books.alice), "lattice",
                                 "200", prefix],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def counts(self, text):
        return collections.Counter(line.split()[1] for line in text.splitlines())

    def check_books(self, jobs):
        self.assertEqual(jobs, self.books.number("SELECT COUNT(*) FROM job"))
        self.assertIn(f"books balance: {jobs} jobs", self.books.ok("verify").out)

    def test_exactly_as_many_are_placed_as_the_budget_holds(self):
        out, err = self.probe().communicate(timeout=120)
        self.assertEqual({"placed": 100, "no_budget": 100}, dict(self.counts(out)), err)
        refused = [line.split() for line in out.splitlines() if "no_budget" in line]
        self.assertTrue(all(r[3] == str(HOUR) and int(r[4]) < HOUR for r in refused))
        self.check_books(100)
        out, _ = self.probe().communicate(timeout=120)
        self.assertEqual({"same": 100, "no_budget": 100}, dict(self.counts(out)))
        self.check_books(100)
        self.assertEqual(0, self.rows("balance")[0]["free_gpums"])

    def test_verify_holds_while_jobs_come_in(self):
        probe = self.probe()
        looks = 0
        while probe.poll() is None:
            self.books.ok("verify")
            looks += 1
        probe.communicate()
        self.assertGreater(looks, 0)
        self.check_books(100)

    def test_every_acknowledged_job_exists_once_though_the_server_is_killed(self):
        probe = self.probe()
        lines = [probe.stdout.readline() for _ in range(20)]  # in the middle of it
        self.books.mariadb.kill()
        self.books.mariadb.start()
        lines += probe.stdout.readlines()
        probe.communicate()
        acknowledged = {line.split()[0]: line.split()[2] for line in lines
                        if line.split()[1] in ("placed", "same")}
        self.assertGreaterEqual(len(acknowledged), 20)
        self.assertLessEqual(len(acknowledged), 100)
        stored = dict(self.books.sql("SELECT request_key, id FROM job"))
        for key, job in acknowledged.items():
            self.assertEqual(job, stored.get(key),
                             f"job {job} was acknowledged and is not there")
        self.check_books(len(stored))
        out, err = self.probe().communicate(timeout=120)
        counts = self.counts(out)
        self.assertEqual((100, 100), (counts["placed"] + counts["same"], counts["no_budget"]),
                         out + err)
        self.check_books(100)


class Thousands(Case):
    """A thousand at once on a budget for five hundred, ten times in a row."""

    def setUp(self):
        self.books = Books(flags=("--max-connections=1100", "--max-prepared-stmt-count=200000"))
        self.books.furnish(1)

    def tearDown(self):
        self.books.close()

    def test_exactly_five_hundred_of_a_thousand_each_of_ten_times(self):
        self.books.sql(
            "INSERT INTO project (tenant_id, name, title, created_ms) "
            "SELECT 1, CONCAT('storm', seq), 'A storm', 1 FROM seq_0_to_9; "
            f"INSERT INTO member SELECT id, {self.books.alice}, 'member', 1 FROM project "
            "WHERE name LIKE 'storm%'")
        for turn in range(10):
            self.books.write("grant", f"storm{turn}", "500", "--from", "2020-01-01", "--until",
                             "2090-01-01")
        done = subprocess.run([STORM, self.books.conf, str(self.books.alice), "storm", "1000",
                               "10"], capture_output=True, text=True, check=False, timeout=500)
        counts = collections.Counter(tuple(line.split()[:2]) for line in done.stdout.splitlines())
        expected = {(f"storm{n}", what): 500 for n in range(10) for what in ("placed", "no_budget")}
        self.assertEqual(expected, dict(counts), done.stderr)
        self.assertIn("books balance: 5000 jobs", self.books.ok("verify").out)


if __name__ == "__main__":
    unittest.main()

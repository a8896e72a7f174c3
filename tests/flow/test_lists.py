# SPDX-License-Identifier: Apache-2.0
"""The lists of holds, of the ledger, and of jobs whose books do not agree: their rows and
filters, and what is done about such a job."""
import unittest

from books import HOUR, WHY, YES
from ledger_site import Site


class Lists(Site):
    def test_holds_are_those_of_live_jobs(self):
        job = self.books.job(self.books.bob, gpus=2, hours=1)
        row = [r for r in self.rows("hold", "list", "--project", "lattice")
               if r["job"] == job][0]
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
        self.assertEqual([rows[1]], self.rows("ledger", "list", "--job", job, "--type",
                                              "charge", "--month", month, "--project",
                                              "lattice"))
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
                          f" {attempt}, now_ms(), {HOUR}, {HOUR}, {HOUR}, 0, 0, 'exit', 0, "
                          "NULL, '')")
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
        self.assertIsNone({r["job"]: r for r in self.rows("job", "reconcile",
                                                          job + 1)}.get(job))
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


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end: log in, submit in the form, watch the log, fetch the result; the
GPU-time is held, charged and reported, and the books hold."""
import json

import sites

SCRIPT = """#!/bin/bash
echo "uid $(id -u) groups $(id -G)"
echo "gpus $CUDA_VISIBLE_DEVICES rank $RANK of $WORLD_SIZE local $LOCAL_RANK"
echo "at $MASTER_ADDR:$MASTER_PORT"
env | grep ^FIREFLY_ | sort
for i in 1 2 3; do echo "step $i"; sleep 0.2; done
echo '{"answer": 42}' > result.json
"""


class MainJob(sites.SiteTest):
    def submit(self, session, **more):
        return session.submit(**{"project": "climate", "name": "main", "gpus_per_node": 2,
                                 "gpu_type": "a100", "time_limit": "10m",
                                 "script": SCRIPT, **more})

    def test_a_job_runs_and_is_charged_for_what_it_used(self):
        alice = self.alice
        before = self.balance("climate")
        job = self.submit(alice)
        placed = alice.job(job)
        self.assertEqual(placed["hold_gpums"], 2 * 600_000)
        text = "".join(alice.follow_log(job))
        done = alice.wait_job(job)
        self.assertEqual((done["state"], done["exit_code"]), ("completed", 0), text)
        for step in ("step 1\n", "step 2\n", "step 3\n"):
            self.assertIn(step, text)
        self.assertEqual(alice.log(job).decode(), text)
        self.assertEqual(json.loads(alice.fetch(job, "result.json")), {"answer": 42})
        self.assertGreater(done["charged_gpums"], 2 * 550)
        self.assertLess(done["charged_gpums"], 2 * 20_000)
        after = self.balance("climate")
        self.assertEqual(before["free_gpums"] - after["free_gpums"], done["charged_gpums"])
        self.assertEqual(after["held_gpums"], before["held_gpums"])
        self.assert_books_hold()

    def test_a_job_for_any_gpus_holds_the_dearest_and_is_charged_what_it_got(self):
        alice = self.alice
        self.site.sql("INSERT INTO node VALUES ('n9', 'local', 'h100', 8, 8, 1, 'up', '', now_ms())")
        self.addCleanup(self.site.sql, "DELETE FROM node WHERE name = 'n9'")
        self.site.sql("UPDATE node SET state = 'down' WHERE name = 'n9'")  # it only has a price
        job = self.submit(alice, gpu_type="any", script="exit 0\n")
        self.assertEqual(alice.job(job)["hold_gpums"], 2 * 2 * 600_000)  # an h100 counts twice
        done = alice.wait_job(job, "completed")
        ran_ms = sum(a["run_ms"] for a in done["attempts"])
        self.assertEqual(done["charged_gpums"], 2 * ran_ms)
        self.assert_books_hold()

    def test_a_job_has_its_environment_and_its_persons_uid(self):
        alice = self.alice
        job = self.submit(alice)
        alice.wait_job(job, "completed")
        text = alice.log(job).decode()
        self.assertRegex(text, r"gpus \d,\d rank 0 of 1 local 0\nat \S+:\d+\n")
        self.assertIn(f"FIREFLY_JOB_ID={job}", text)
        if self.site.is_root:
            uid = self.site.sql("SELECT uid FROM account JOIN person ON person.id = person_id "
                                "WHERE login = 'alice' AND directory = 'north'")[0][0]
            self.assertIn(f"uid {uid} ", text)
            self.assertGreaterEqual(int(uid), self.site.first_job_uid)

    def test_the_two_alices_are_two_people(self):
        north, south = self.alice, self.session("alice", "south")
        job = self.submit(north)
        self.assertEqual(south.get(f"/jobs/{job}").status, 404)
        self.assertEqual(south.request("GET", f"/api/v1/jobs/{job}").status, 404)
        self.assertEqual(south.request("GET", f"/jobs/{job}/log").status, 404)
        self.assertEqual(north.wait_job(job)["state"], "completed")

    def test_a_member_sees_the_projects_jobs_but_not_their_logs(self):
        job = self.submit(self.alice)
        self.alice.wait_job(job)
        bob = self.session("bob", "north")
        self.assertEqual(bob.get(f"/jobs/{job}/log").status, 404)
        self.assertEqual(bob.get(f"/jobs/{job}/files/result.json").status, 404)

    def test_cancel_ends_a_running_job_and_charges_what_it_ran(self):
        alice = self.alice
        job = self.submit(alice, script="echo begun\nsleep 600\n")
        alice.wait_job(job, "running")
        alice.cancel(job)
        done = alice.wait_job(job, "cancelled", seconds=45)
        self.assertLess(done["charged_gpums"], 2 * 45_000)
        self.assert_books_hold()

    def test_the_time_limit_ends_a_job(self):
        alice = self.alice
        job = self.submit(alice, script="sleep 600\n", time_limit="2s", gpus_per_node=1)
        done = alice.wait_job(job, "timed_out", seconds=20)
        self.assertEqual(done["charged_gpums"], 2000)

    def test_a_job_that_fails_says_how(self):
        alice = self.alice
        job = self.submit(alice, script="exit 7\n")
        done = alice.wait_job(job, "failed")
        self.assertEqual(done["exit_code"], 7)

    def test_the_months_report_is_the_ledgers(self):
        self.alice.wait_job(self.submit(self.alice), "completed")
        report = self.site.quota_json("report", "month")
        charged = int(self.site.sql("SELECT SUM(gpums) FROM transfer "
                                    "WHERE type = 'charge' AND leg = 0")[0][0])
        for part in ("users", "projects", "tenants", "allocations", "sums"):
            self.assertEqual(sum(row["charged_gpums"] for row in report[part]), charged, part)
        total = report["sums"][0]
        self.assertEqual(total["ledger_charged_gpums"], charged)
        self.assertEqual(total["adds_up"], "yes")
        self.assertEqual(sum(a["free_gpums"] + a["held_gpums"] for a in report["allocations"]),
                         total["closing_gpums"])

    def balance(self, project):
        row = self.site.sql("SELECT b.free, b.held, b.used FROM budget b "
                            "JOIN allocation a ON a.id = b.allocation_id "
                            "JOIN project p ON p.id = a.project_id "
                            f"WHERE p.name = '{project}' AND b.person_id IS NULL")[0]
        return dict(zip(("free_gpums", "held_gpums", "used_gpums"), map(int, row)))


if __name__ == "__main__":
    sites.main()

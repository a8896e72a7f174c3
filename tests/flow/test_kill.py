# SPDX-License-Identifier: Apache-2.0
"""kill -9 of every process of the site while a job runs.

A daemon's death, whenever it comes, changes nothing for the job: it runs once, ends as it would
have, and is charged once. The keeper's death is the exception, by its rule: the job is lost,
what is left of it is killed, and it is charged to the last heartbeat."""
import concurrent.futures
import json
import os
import signal
import threading

import sites
from portal.embedded import process
from portal.embedded.session import FINAL

FAMILY = 4  # below a keeper whose script runs two programs
DAEMONS = ("portald", "runnerd", "agent", "mariadb")


class Killed(sites.SiteTest):
    def start_job(self, session, script, **more):
        """Running, or over already."""
        job = session.submit(project="climate", name="killed", gpus_per_node=1,
                             time_limit="10m",
                             script=f"#!/bin/bash\necho begun >> begun\n{script}\n", **more)
        session.wait_job(job, "running", *FINAL)
        return job

    def assert_ran_once(self, session, job, state, exit_code, least_ms, most_ms):
        done = session.wait_job(job, state)
        self.assertEqual(done["exit_code"], exit_code)
        self.assertEqual(session.fetch(job, "begun"), b"begun\n")
        charges = self.site.sql("SELECT gpums FROM transfer WHERE type = 'charge' AND leg = 0 "
                                f"AND job_id = {job}")
        self.assertEqual(len(charges), 1)
        self.assertEqual(int(charges[0][0]), done["charged_gpums"])
        self.assertGreaterEqual(done["charged_gpums"], least_ms)
        self.assertLess(done["charged_gpums"], most_ms)
        self.assert_books_hold()

    def test_a_daemon_killed_while_a_job_runs_changes_nothing(self):
        for name in DAEMONS:
            with self.subTest(killed=name):
                alice = self.alice
                job = self.start_job(alice, "sleep 2; exit 5")
                self.site.kill(name)
                self.site.start_one(name)
                self.assert_ran_once(self.alice, job, "failed", 5, 1900, 4000)

    def test_a_job_that_ends_while_a_daemon_is_dead_is_charged_what_it_ran(self):
        for name in DAEMONS:
            with self.subTest(killed=name):
                alice = self.alice
                job = self.start_job(alice, "sleep 0.5; exit 5")
                token = self.token(job)
                self.site.kill(name)
                ending = self.site.folder / "spool" / token / "exit"
                if name != "agent" and name != "runnerd":  # those may clean it up meanwhile
                    self.wait_gone_or(ending, token)
                else:
                    process.wait_until(ending.exists, 20, what="the keeper's exit")
                self.site.start_one(name)
                self.assert_ran_once(self.alice, job, "failed", 5, 400, 2000)

    def test_both_runner_daemons_killed_at_the_start_of_a_job_start_it_once(self):
        alice = self.alice
        for _ in range(5):
            job = alice.submit(project="climate", name="at once", gpus_per_node=1,
                               time_limit="10m",
                               script="#!/bin/bash\necho begun >> begun\nsleep 0.3\n")
            for name in ("runnerd", "agent"):
                self.site.kill(name)
            for name in ("agent", "runnerd"):
                self.site.start_one(name)
            self.assert_ran_once(alice, job, "completed", 0, 250, 3000)

    def test_the_keeper_killed_loses_the_job_and_ends_its_processes(self):
        alice = self.alice
        job = self.start_job(alice, "sleep 600 & sleep 600")
        start = json.loads((self.site.folder / "spool" / self.token(job) / "start").read_text())
        process.wait_until(lambda: len(process.children_of(start["keeper"])) >= FAMILY, 20,
                           what="runner-task, bash and two sleeps")
        family = process.children_of(start["keeper"])
        process.wait_until((self.site.folder / "spool" / self.token(job) / "beat").exists, 10)
        os.kill(start["keeper"], 9)
        done = alice.wait_job(job, "lost")
        self.assertLess(done["charged_gpums"], 5000)
        self.assertEqual(len(done["attempts"]), 1)
        for pid in family:
            process.wait_until(lambda p=pid: not is_alive(p), 15, what=f"the end of {pid}")
        self.assertIn("lost", alice.get(f"/jobs/{job}").page().text.lower())
        after = self.start_job(alice, "true")  # its GPU is free again
        self.assertEqual(alice.wait_job(after)["state"], "completed")
        self.assert_books_hold()

    def test_a_keeper_that_hangs_cannot_keep_its_job_from_being_cancelled(self):
        alice = self.alice
        job = self.start_job(alice, "sleep 600")
        start = json.loads((self.site.folder / "spool" / self.token(job) / "start").read_text())
        os.kill(start["keeper"], signal.SIGSTOP)
        alice.cancel(job)
        alice.wait_job(job, "lost")
        process.wait_until(lambda: not is_alive(start["keeper"]), 15, what="the keeper's end")
        self.assert_books_hold()

    def test_every_submit_acknowledged_while_the_database_is_killed_exists_once(self):
        stop = threading.Event()
        placed = []

        def submit_on_and_on(who):
            session = self.session("alice", who)
            project = {"north": "climate", "south": "optics"}[who]
            while not stop.is_set():
                key = os.urandom(16).hex()
                request = {"project": project, "name": "under load", "gpus_per_node": 1,
                           "time_limit": "1s", "command": ["/bin/true"], "key": key}
                for _ in range(400):  # a repeat with the same key does no harm
                    reply = session.post_json("/api/v1/jobs", request)
                    if reply is not None and reply.status < 300:
                        placed.append((key, reply.json()["id"]))
                        break
                    if stop.wait(0.05):
                        break

        def wait_for_submits():
            wanted = len(placed) + 20
            process.wait_until(lambda: len(placed) >= wanted, 30, what="20 more submits")

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            running = [pool.submit(submit_on_and_on, who) for who in ("north", "south") * 2]
            try:
                for _ in range(3):
                    wait_for_submits()
                    self.site.kill("mariadb")
                    self.site.start_one("mariadb")
                wait_for_submits()
            finally:
                stop.set()
            for one in running:
                one.result()
        rows = self.site.sql("SELECT request_key, id FROM job")
        stored = {key: int(job) for key, job in rows}
        self.assertGreaterEqual(len(placed), 80)
        for key, job in placed:
            self.assertEqual(stored.get(key), job)
        self.assert_books_hold()

    def token(self, job):
        return self.site.sql(f"SELECT token FROM attempt WHERE job_id = {job}")[-1][0]

    def wait_gone_or(self, ending, token):
        entry = self.site.folder / "spool" / token
        process.wait_until(lambda: ending.exists() or not entry.exists(), 20, what="the end")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


if __name__ == "__main__":
    sites.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a real Slurm below the portal: its servers, its nodes, its operators and
its other users. Whatever it is, the user's code runs at most once, the job ends once, and is
charged what sacct says.

FIREFLY_LONG=1: those too that take minutes (tests/run --long)."""
import contextlib

import slurm_site

from portal.embedded import process

WAIT_S = slurm_site.WAIT_S


class Servers(slurm_site.SlurmTest):
    """slurmctld, slurmdbd and runnerd, away or hung."""

    def wait_said(self, text, before=""):
        return process.wait_until(lambda: text in self.log_of()[len(before):], WAIT_S,
                                  what=f"runnerd saying '{text}'")

    def test_a_hung_slurmctld_accepts_what_timed_out(self):
        before = self.log_of()
        try:
            job = self.submit_while_hung("exit 4")
            self.wait_said(f"job {job}: start:", before)
        finally:
            self.slurm.resume("slurmctld")
        self.assertEqual(self.wait(job, "failed")["exit_code"], 4)
        self.assertEqual(len(self.ids(job)), 1)
        self.assertEqual(len(self.attempts(job)), 1)
        self.assert_agrees(job)

    def submit_while_hung(self, script):
        """A job whose sbatch waits for a slurmctld that does not answer."""
        for _ in range(5):
            self.slurm.pause("slurmctld")
            job = self.submit(script)
            with contextlib.suppress(TimeoutError):
                process.wait_until(lambda: self.alice.job(job)["state"] == "starting", 3)
                return job
            self.slurm.resume("slurmctld")  # runnerd had just asked for the nodes, in vain
            self.wait(job)
        return self.fail("runnerd always asked for the nodes first")

    def test_a_dead_slurmctld_gets_the_job_when_it_is_back(self):
        before = self.log_of()
        self.slurm.stop_one("slurmctld")
        try:
            job = self.submit("exit 4")
            self.wait_said(f"job {job}: start:", before)
        finally:
            self.slurm.start_one("slurmctld")
        self.assertEqual(self.wait(job, "failed")["exit_code"], 4)
        self.assert_agrees(job)

    def test_a_job_ends_while_slurmctld_is_dead(self):
        job = self.begun(self.submit("sleep 3; exit 4"))
        before = self.log_of()
        self.slurm.stop_one("slurmctld")
        try:
            self.wait_said("slurm: squeue", before)
        finally:
            self.slurm.start_one("slurmctld")
        self.assertEqual(self.wait(job, "failed")["exit_code"], 4)
        self.assert_agrees(job)

    def test_a_slurmctld_that_forgets_what_it_began_runs_nothing_twice(self):
        job = self.begun(self.submit("sleep 8; exit 4"))
        self.slurm.kill("slurmctld")  # before it has written that down
        self.slurm.start_one("slurmctld")
        done = self.wait(job, "failed", "lost", seconds=120)
        if done["state"] == "failed":
            self.assertEqual(done["exit_code"], 4)
        if done["state"] == "lost":
            self.assertEqual(done["charged_gpums"], 0)  # what it was charged came back
        self.assertEqual(self.runs_of(job), 1)
        self.assertEqual(len(self.attempts(job)), 1)

    def test_a_cancel_is_heard_when_slurmctld_is_back(self):
        job = self.begun(self.submit("exec sleep 600"))
        before = self.log_of()
        self.slurm.stop_one("slurmctld")
        try:
            self.alice.cancel(job)
            self.wait_said(f"job {job}: stop:", before)
        finally:
            self.slurm.start_one("slurmctld")
        self.assertIn("cancelled while it ran", self.wait(job, "cancelled")["outcome"])
        self.assert_agrees(job)

    def test_a_job_ends_while_slurmdbd_is_dead(self):
        job = self.begun(self.submit("sleep 1; exit 4"))
        self.slurm.kill("slurmdbd")
        try:
            self.assertEqual(self.wait(job, "failed")["exit_code"], 4)  # by squeue's word
        finally:
            self.slurm.start_one("slurmdbd")
        self.assert_agrees(job)

    def test_runnerd_killed_around_a_submission_and_during_a_job(self):
        job = self.submit("sleep 4; exit 4")
        self.wait(job, "starting", "running")
        self.site.kill("runnerd")
        self.site.start_one("runnerd")
        self.begun(job)
        self.site.kill("runnerd")
        self.site.start_one("runnerd")
        self.assertEqual(self.wait(job, "failed")["exit_code"], 4)
        self.assertEqual(len(self.ids(job)), 1)
        self.assert_agrees(job)

    def test_the_limit_is_kept_by_the_next_runnerd(self):
        job = self.begun(self.submit("exec sleep 600", time_limit="6s"))
        self.site.kill("runnerd")
        self.site.start_one("runnerd")
        done = self.wait(job, "timed_out")
        self.assertGreaterEqual(done["charged_gpums"], 5000)
        self.assert_agrees(job)

    def test_a_cancel_that_a_killed_runnerd_had_begun_is_a_cancel(self):
        job = self.begun(self.submit("exec sleep 600"))
        self.alice.cancel(job)
        self.site.kill("runnerd")
        self.site.start_one("runnerd")
        self.assertIn("cancelled while it ran", self.wait(job, "cancelled")["outcome"])
        self.assert_agrees(job)

    def test_a_node_is_rebooted(self):
        job = self.begun(self.submit("exec sleep 600"))
        node = self.records_node(job)
        self.slurm.cut_power(node)
        self.slurm.start_one(node)
        self.wait(job, "lost", seconds=120)
        self.assertEqual([cause for cause, _ in self.refunds(job)], ["node_fault"])
        self.assert_agrees(job)

    def records_node(self, job):
        return self.slurm.ok("squeue", "-h", "-j", self.id(job), "-o", "%N").strip()


class Others(slurm_site.SlurmTest):
    """Operators, and users who submit past the portal."""
    slurm_keys = {"pending": "5s"}

    def control(self, *args):
        return self.slurm.ok("scontrol", *args)

    def test_requeued_outside_it_does_not_run_again(self):
        job = self.begun(self.submit("exec sleep 600"))
        number = self.id(job)
        self.control("update", f"JobId={number}", "Requeue=1")
        self.control("requeue", number)
        done = self.wait(job, "cancelled")
        self.assertIn("outside", done["outcome"])
        self.wait_state(number, "CANCELLED")
        self.assert_agrees(job)

    def test_a_longer_limit_outside_changes_nothing(self):
        job = self.begun(self.submit("exec sleep 600", time_limit="8s"))
        self.control("update", f"JobId={self.id(job)}", "TimeLimit=60")
        done = self.wait(job, "timed_out")
        self.assertLessEqual(done["charged_gpums"], 8000)
        self.assert_agrees(job)

    if slurm_site.IS_LONG:
        def test_a_shorter_limit_outside_ends_it(self):
            job = self.begun(self.submit("exec sleep 600"))
            self.control("update", f"JobId={self.id(job)}", "TimeLimit=1")
            self.wait(job, "timed_out", seconds=180)
            self.assert_agrees(job)

    def test_preempted_outside_it_is_refunded(self):
        self.slurm.ok("sacctmgr", "-i", "-Q", "add", "qos", "urgent", "Preempt=normal",
                      "Priority=1000")
        self.slurm.add_user("root")
        self.slurm.ok("sacctmgr", "-i", "-Q", "modify", "user", "root", "set", "QOS+=urgent",
                      "DefaultAccount=main")
        job = self.begun(self.submit("exec sleep 600"))
        self.occupy(*self.slurm.nodes, qos="urgent")
        done = self.wait(job, "cancelled")
        self.assertIn("another job", done["outcome"])
        self.assertEqual([cause for cause, _ in self.refunds(job)], ["preempted"])
        self.assert_agrees(job)

    def test_another_limit_is_the_operators_to_give(self):
        for is_operator in (False, True):
            level = "Operator" if is_operator else "None"
            self.slurm.run("sacctmgr", "-i", "-Q", "add", "user", "firefly-runner",
                           "Account=main")
            self.slurm.ok("sacctmgr", "-i", "-Q", "modify", "user", "firefly-runner", "set",
                          f"AdminLevel={level}")
            with self.subTest(is_operator=is_operator):
                job = self.begun(self.submit("exec sleep 600", time_limit="5m"))
                self.site.quota("job", "extend", job, "20m", "--reason", "more", "--yes")
                answer, note = self.answer(job)
                self.assertEqual(answer, "done" if is_operator else "refused", note)
                self.assertIn("new time limit" if is_operator else "operator", note)
                self.alice.cancel(job)
                self.wait(job, "cancelled")
                self.assert_agrees(job)

    def answer(self, job):
        return process.wait_until(
            lambda: [row for row in self.site.sql(
                "SELECT answer, answer_note FROM request WHERE kind = 'extend' AND "
                f"answered_ms IS NOT NULL AND job_id = {job}")], WAIT_S,
            what=f"the answer about job {job}")[0]

    def test_who_slurm_does_not_know_is_told_so(self):
        dave = self.session("dave", "south")
        name = self.unix_name("dave", "south")
        self.slurm.ok("sacctmgr", "-i", "-Q", "delete", "user", name)
        try:
            job = self.submit("true", session=dave, project="optics")
            done = dave.wait_job(job, "failed")
            self.assertIn("could not be started: Slurm:", done["outcome"])
            self.assertIn("account", done["outcome"])
            self.assertEqual(done["charged_gpums"], 0)
        finally:
            self.slurm.add_user(name)

    def test_an_account_that_slurm_does_not_have(self):
        keys = self.site.options["slurm"]
        self.reconfigure(keys, account="nolab")
        try:
            done = self.wait(self.submit("true"), "failed")
            self.assertIn("Invalid account", done["outcome"])
        finally:
            self.reconfigure(keys, account=None)

    def reconfigure(self, keys, **more):
        keys.update(more)
        self.site.write_conf()
        self.site.stop_one("runnerd")
        self.site.start_one("runnerd")

    def test_a_closed_partition_is_waited_for(self):
        for state in ("INACTIVE", "DOWN") if slurm_site.IS_LONG else ("INACTIVE",):
            with self.subTest(state=state):
                self.control("update", "PartitionName=gpu", f"State={state}")
                try:
                    job = self.submit("exit 0")
                    self.waits_for(job, "partition is closed")
                    self.assertIn("partition is closed", self.alice.get(f"/jobs/{job}").text)
                finally:
                    self.control("update", "PartitionName=gpu", "State=UP")
                self.wait(job, "completed", seconds=120)
                self.assert_agrees(job)

    def test_a_drained_node_gets_nothing(self):
        self.control("update", "NodeName=n1", "State=DRAIN", "Reason=fan")
        try:
            process.wait_until(lambda: "drain" in self.site.sql(
                "SELECT enforced FROM node WHERE name = 'n1'")[0][0], WAIT_S, what="n1")
            jobs = [self.submit("exit 0", gpus_per_node=4) for _ in range(3)]
            for job in jobs:
                self.wait(job, "completed")
                self.assertNotIn('"n1"', self.attempts(job)[-1]["place"])
                self.assert_agrees(job)
        finally:
            self.control("update", "NodeName=n1", "State=RESUME")

    def test_what_slurm_leaves_waiting_is_withdrawn_and_runs_later(self):
        foreign = self.occupy(*self.slurm.nodes)
        job = self.submit("exit 0")
        self.waits_for(job, "its nodes are busy")
        self.assertIn("its nodes are busy", self.alice.get(f"/jobs/{job}").text)
        self.assertEqual(self.slurm.ok("squeue", "-h", "-n", f"firefly-{job}-1"), "")
        self.slurm.ok("scancel", foreign)
        if slurm_site.IS_LONG:
            self.wait(job, "completed", seconds=120)
            self.assertEqual(len(self.attempts(job)), 2)
            self.assert_agrees(job)
        else:
            self.alice.cancel(job)
            self.wait(job, "cancelled", seconds=90)
            self.assert_agrees(job, runs=0)

    def test_a_forged_comment_changes_nothing(self):
        bob = self.unix_name("bob", "north")
        job = self.begun(self.submit("sleep 5; exit 4"))
        comment, name = self.slurm.ok("squeue", "-h", "-j", self.id(job), "-o",
                                      "%k|%j").strip().split("|")
        forged = self.slurm.ok("sbatch", "--parsable", f"--comment={comment}",
                               f"--job-name={name}", "--output=/dev/null", user=bob,
                               text="#!/bin/sh\nexit 9\n").strip()
        self.wait_state(forged, "FAILED")
        self.assertEqual(self.wait(job, "failed")["exit_code"], 4)
        self.assertEqual(self.state(forged), "FAILED")


if __name__ == "__main__":
    slurm_site.main()

# SPDX-License-Identifier: Apache-2.0
"""`runnerd check slurm` on a real Slurm: what is right, and what an administrator breaks."""
import os
import subprocess

import slurm_site

from portal.embedded import process
from portal.embedded.layout import DATABASE_GID, RUNNER_UID

ACCOUNT = "firefly-runner"  # what the site calls the uid of runnerd


class Check(slurm_site.SlurmTest):
    slurm_keys = {"submit_deadline": "30s", "settle": "60s"}

    def check(self, *edits):
        """(exit status, {word: lines}) as runnerd's own account; `edits` are (line, line) of the
        configuration."""
        conf = self.site.conf
        if edits:
            conf = self.site.folder / "edited.conf"
            text = self.site.conf.read_text()
            for old, new in edits:
                self.assertIn(old, text)
                text = text.replace(old, new)
            conf.write_text(text)
        who = {"user": RUNNER_UID, "group": RUNNER_UID, "extra_groups": [DATABASE_GID]}
        done = subprocess.run(
            [self.site.program("runnerd"), "check", "slurm", "--config", conf],
            capture_output=True, text=True, timeout=300, cwd="/", env=self.site.environment,
            check=False, **(who if os.geteuid() == 0 else {}))
        self.assertEqual(done.stderr, "")
        lines = {"ok": [], "note": [], "mend": []}
        for line in done.stdout.splitlines():
            word, _, text = line.partition(":")
            lines[word].append(text.strip())
        return done.returncode, lines

    def says(self, lines, *texts):
        for text in texts:
            self.assertTrue([x for x in lines if text in x], f"{text!r} is not in {lines}")

    def breaks(self, *texts, edits=()):
        """Something is to be mended, and it is said so."""
        status, lines = self.check(*edits)
        self.assertEqual(status, 1, lines)
        self.says(lines["mend"], *texts)
        return lines

    def test_a_slurm_that_is_right_has_nothing_to_mend(self):
        status, lines = self.check()
        self.assertEqual((status, lines["mend"]), (0, []))
        self.says(lines["ok"], "Slurm 22.", "Slurmctld(primary)", "is UP", "clock is ours",
                  "GresTypes = gpu", "ConstrainDevices = yes", "MessageTimeout = 5 s",
                  "PrivateData = none", "slurmdbd answers and knows the cluster firefly",
                  "partition gpu: up", "a100, which has a price: 16 GPUs, 4 nodes up",
                  "[agent] clients has /usr/bin/sbatch")
        self.says(lines["note"], f"sacctmgr add user {ACCOUNT} account=root", "Epilog = (nothing)")

    def test_what_firefly_was_told_wrongly(self):
        at = self.site.folder
        self.breaks("[agent] clients lacks scancel", edits=[(" /usr/bin/scancel", "")])
        self.breaks("clients_environment lacks SLURM_CONF",
                    edits=[("clients_environment = SLURM_CONF=", "clients_environment = X=")])
        self.breaks(f"[slurm] task = {at}/programs/none",
                    edits=[(f"task = {at}/programs/runner-task", f"task = {at}/programs/none")])
        self.breaks("submit_deadline that is longer than MessageTimeout",
                    edits=[("submit_deadline = 30s", "submit_deadline = 5s")])
        self.breaks("partition tpu: there is none", edits=[("partition = gpu", "partition = tpu")])
        self.breaks("squeue: No such file", "Slurm's version",
                    edits=[("[slurm]\n", "[slurm]\nprograms = /nowhere\n")])
        slurm, there = self.site.sections()["slurm"], f"jobs_root = {at}/jobs\n"
        self.assertEqual(str(slurm["jobs_root"]), f"{at}/jobs")
        text = self.site.conf.read_text()
        head, _, tail = text.partition("[slurm]")
        edited = tail.replace(there, f"jobs_root = {at}/elsewhere\n", 1)
        self.breaks(f"[slurm] jobs_root = {at}/elsewhere: there is no such folder",
                    edits=[(head + "[slurm]" + tail, head + "[slurm]" + edited)])

    def test_a_type_without_a_price(self):
        self.site.sql("CREATE TABLE kept AS SELECT * FROM price")
        self.addCleanup(self.site.sql, "DROP TABLE kept")
        self.addCleanup(self.site.sql, "INSERT INTO price SELECT * FROM kept")
        self.site.sql("DELETE FROM price WHERE gpu_type = 'a100'")
        self.addCleanup(self.site.sql, "DELETE FROM price")
        self.breaks("GPU type a100 has no price. Run: quota price set a100 1")

    def test_what_slurm_closes_or_loses(self):
        self.addCleanup(self.slurm.ok, "scontrol", "update", "PartitionName=gpu", "State=UP")
        self.slurm.ok("scontrol", "update", "PartitionName=gpu", "State=DOWN")
        self.breaks("partition gpu: State = DOWN")
        self.slurm.ok("scontrol", "update", "PartitionName=gpu", "State=UP")
        self.addCleanup(self.slurm.ok, "scontrol", "update", "NodeName=n1", "State=RESUME")
        self.slurm.ok("scontrol", "update", "NodeName=n1", "State=DRAIN", "Reason=fan")
        status, lines = self.check()
        self.assertEqual(status, 0, lines)
        self.says(lines["note"], "node n1: by Slurm: drained, fan")
        self.says(lines["ok"], "16 GPUs, 3 nodes up")

    def test_an_operator_may_raise_limits(self):
        self.slurm.ok("sacctmgr", "-i", "-Q", "add", "user", ACCOUNT, "account=root",
                      "adminlevel=Operator")
        self.addCleanup(self.slurm.ok, "sacctmgr", "-i", "-Q", "remove", "user", ACCOUNT)
        _, lines = self.check()
        self.says(lines["ok"], f"{ACCOUNT} is an operator of Slurm's")

    def test_servers_that_are_away(self):
        self.slurm.kill("slurmdbd")
        try:
            self.breaks("slurmdbd: sacctmgr: exit status", "the records of jobs: sacct: ")
        finally:
            self.slurm.start_one("slurmdbd")
        self.slurm.kill("slurmctld")
        try:
            self.breaks("slurmctld: does not answer")
        finally:
            self.slurm.start_one("slurmctld")
        process.wait_until(lambda: self.check()[0] == 0, 60, what="all is well again")


class Usage(slurm_site.sites.unittest.TestCase):
    def test_what_cannot_be_checked_is_refused(self):
        for args in (["check"], ["check", "nothing"], ["check", "slurm", "now"]):
            done = subprocess.run([slurm_site.sites.BUILD / "runnerd", *args], text=True,
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn("usage: runnerd [check slurm] [--config FILE]", done.stderr)


if __name__ == "__main__":
    slurm_site.main()

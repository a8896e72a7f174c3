# SPDX-License-Identifier: Apache-2.0
"""The demonstration, as somebody runs it who has just found this: twice, two at once, on Slurm,
and ended by Ctrl-C. Installing and building, which portal/demo does before, is left out."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import sites
from portal.embedded.stack import cgroup_roots

LAST_LINE = {"job", "state", "charged_gpums", "verify", "executor", "seconds"}
PATIENCE_S = 240


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ffd", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)

    def start(self, state, *args):
        demo = subprocess.Popen(
            [sys.executable, "-m", "portal.embedded.demo", "--state", self.folder / state,
             "--build", sites.BUILD, *args], cwd=sites.ROOT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(demo.stdout.close)
        self.addCleanup(demo.kill)
        return demo

    def once(self, demo, executor="local"):
        """What it said, and its last line."""
        said, _ = demo.communicate(timeout=PATIENCE_S)
        self.assertEqual(demo.returncode, 0, said)
        last = json.loads(said.splitlines()[-1])
        self.assertEqual(set(last), LAST_LINE | ({"nodes"} if executor == "slurm" else set()))
        self.assertEqual((last["state"], last["verify"], last["executor"]),
                         ("completed", "ok", executor))
        self.assertGreater(last["charged_gpums"], 0)
        return said, last

    def assert_nothing_is_left(self, state):
        """No process has a path of the site in its command line, no cgroup has its name."""
        folder = str(self.folder / state)
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = pathlib.Path("/proc", entry, "cmdline").read_text(errors="replace")
            except OSError:
                continue
            self.assertNotIn(folder, words, f"process {entry} is left")
        conf = (self.folder / state / "firefly.conf").read_text()
        name = next(x for x in conf.splitlines() if x.startswith("cgroup = ")).split()[-1]
        for root in cgroup_roots():
            self.assertFalse((root / name).exists(), f"{root}/{name} is left")

    def test_it_shows_a_real_job_and_goes_on_with_its_state(self):
        two = [self.start(state, "--once") for state in ("a", "b")]
        for demo in two:
            said, last = self.once(demo)
            self.assertEqual(last["job"], 1)
            for step in ("logs in at https://127.0.0.1:", "epoch 10", "The job is completed",
                         "result.json, fetched through the portal", "the rest is free again",
                         "books balance: 1 jobs", "LEDGER CHARGED"):
                self.assertIn(step, said)
        self.assert_nothing_is_left("a")
        self.assertEqual(self.once(self.start("a", "--once"))[1]["job"], 2)
        self.assertEqual(self.once(self.start("b", "--once", "--reset"))[1]["job"], 1)

    def test_on_slurm_one_of_its_jobs_has_two_nodes(self):
        for number in (1, 3):  # and goes on with its queue and its people
            said, last = self.once(self.start("s", "--once", "--slurm"), "slurm")
            self.assertEqual((last["job"], last["nodes"]), (number, 2))
            for step in ("a Slurm of its own with 4 nodes of 8 declared a100", "epoch 10",
                         "2 GPUs on each of 2 nodes", "rank 0 of 4 on n1 sees GPUs 0,1",
                         "rank 3 of 4 on n2 sees GPUs 0,1", "together 3.14159265",
                         f"books balance: {number + 1} jobs"):
                self.assertIn(step, said)
            self.assert_nothing_is_left("s")
            self.assert_no_group_is_left("firefly-slurm-", self.folder / "s/slurm")

    def assert_no_group_is_left(self, prefix, folder):
        name = prefix + hashlib.sha256(str(folder).encode()).hexdigest()[:8]
        for root in cgroup_roots():
            self.assertFalse((root / name).exists(), f"{root}/{name} is left")

    def test_ctrl_c_while_the_job_runs_ends_everything(self):
        self.end_at("epoch  1", 130)

    def test_ctrl_c_while_it_serves_ends_everything(self):
        self.assertIn("==> Ending everything", self.end_at("Ctrl-C ends everything", 0))

    def end_at(self, words, status):
        demo = self.start("a")
        for line in demo.stdout:
            if words in line:
                break
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate(timeout=PATIENCE_S)
        self.assertEqual(demo.returncode, status, said)
        self.assert_nothing_is_left("a")
        return said

    def test_a_folder_of_somebody_else_is_not_removed(self):
        precious = self.folder / "a/precious"
        precious.parent.mkdir()
        precious.write_text("kept")
        demo = self.start("a", "--once", "--reset")
        said, _ = demo.communicate(timeout=PATIENCE_S)
        self.assertEqual(demo.returncode, 1)
        self.assertIn("holds something else; --reset removes only a site's folder", said)
        self.assertEqual(precious.read_text(), "kept")


if __name__ == "__main__":
    sites.main()

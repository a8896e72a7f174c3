#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The private Slurm of the demonstration: what the other tests of Slurm rely on.

Jobs are submitted as their own user, the script on standard input, as runner-agent does it."""
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from portal.embedded import names, process  # noqa: E402
from portal.embedded.cgroup import cgroup_roots  # noqa: E402
from portal.embedded.mariadb import Mariadb  # noqa: E402
from portal.embedded.slurm import Slurm, SlurmError, can_confine  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FIREFLY_BUILD", ROOT / "build/debug"))
ALICE, BOB = names.Account("alice", 200000), names.Account("bob-200001", 200001)
FIRST_JOB_S = 10  # from nothing to the first job's end, on a machine of its own
JOB_S = 60
LIVE = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED")


class Cluster:
    """A database and a Slurm in a folder that is gone afterwards."""

    def __init__(self, template=BUILD / "mariadb-template"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ffs", dir="/tmp"))
        self.folder.chmod(0o755)
        self.jobs = self.folder / "jobs"
        self.jobs.mkdir()
        self.jobs.chmod(0o1777)
        self.database = Mariadb(self.folder / "db", template)
        self.slurm = Slurm(self.folder / "s", self.database, options={"SlurmdTimeout": 10})

    def start(self):
        try:
            self.database.start()
            self.slurm.start()
            self.slurm.add_user(ALICE.name, BOB.name)
        except BaseException:
            self.close()
            raise
        return self

    def close(self):
        self.slurm.stop()
        self.database.stop()
        shutil.rmtree(self.folder)

    def submit(self, script, *args, user=ALICE):
        """The job's number."""
        return self.slurm.ok("sbatch", "--parsable", f"--output={self.jobs}/%j.out", *args,
                             text=f"#!/bin/bash\n{script}\n", user=user.name,
                             cwd=self.jobs).strip()

    def state(self, job):
        """Of squeue, which knows first; "" when it does not answer."""
        return self.slurm.run("squeue", "-h", "-a", "-t", "all", "-j", job, "-o",
                              "%T").stdout.strip()

    def wait(self, job, *states):
        return process.wait_until(lambda: self.state(job) in states, JOB_S,
                                  what=f"job {job}: {states}")

    def wait_end(self, job):
        def ended():
            state = self.state(job)
            return state if state and state not in LIVE else ""
        return process.wait_until(ended, JOB_S, what=f"the end of job {job}")

    def output(self, job):
        path = self.jobs / f"{job}.out"
        return path.read_text() if path.exists() else ""

    def accounted(self, job, *fields):
        """sacct's line, once it has the job's end, which comes a little later."""
        def line():
            text = self.slurm.ok("sacct", "-P", "-n", "-X", "-D", "-j", job, "-o",
                                 ",".join(("End", *fields))).strip()
            end, *found = text.split("|") if text else ("Unknown",)
            return None if end == "Unknown" else found
        return process.wait_until(line, JOB_S, what=f"sacct of job {job}")


def is_alive(pid):
    """False too for one that waits to be buried by the machine's first process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def left_of(slurm):
    """Processes, control groups and mounts that belong to it."""
    groups = [r / slurm.cgroup for r in cgroup_roots() if (r / slurm.cgroup).exists()]
    mounts = [line for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()
              if str(slurm.folder) in line]
    return groups + mounts


class OneSlurm(unittest.TestCase):
    """All tests share one."""

    @classmethod
    def setUpClass(cls):
        begin = time.monotonic()
        names.enter([ALICE, BOB])
        cls.cluster = Cluster().start()
        cls.addClassCleanup(cls.end)
        cls.cluster.wait_end(cls.cluster.submit("true"))
        cls.first_job_s = time.monotonic() - begin

    @classmethod
    def end(cls):
        cls.cluster.close()
        left = left_of(cls.cluster.slurm)
        assert not left, f"left behind: {left}"

    @property
    def slurm(self):
        return self.cluster.slurm

    def test_the_first_job_is_soon_done(self):
        print(f"from nothing to the first job's end: {self.first_job_s:.1f} s")
        if os.getloadavg()[0] < os.cpu_count():  # others' load is not ours to judge
            self.assertLess(self.first_job_s, FIRST_JOB_S)

    def test_two_nodes_with_two_gpus_each(self):
        script = "srun bash -c 'echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES $(id -un)'"
        job = self.cluster.submit(script, "--nodelist=n1,n2", "--gres=gpu:a100:2",
                                  "--comment=firefly:token-1")
        self.assertEqual("COMPLETED", self.cluster.wait_end(job))
        self.assertEqual(["n1 0,1 alice", "n2 0,1 alice"],
                         sorted(self.cluster.output(job).splitlines()))
        state, comment, code, tres = self.cluster.accounted(job, "State", "Comment", "ExitCode",
                                                            "AllocTRES")
        self.assertEqual(["COMPLETED", "firefly:token-1", "0:0"], [state, comment, code])
        self.assertIn("gres/gpu=4", tres.split(","))
        self.assertIn("gres/gpu:a100=4", tres.split(","))

    def test_a_job_has_only_its_own_gpus(self):
        if not can_confine():
            self.skipTest("Slurm confines GPUs by control groups of version 1, which this "
                          "machine has not")
        script = (f"for i in 0 1 2 3 4 5 6 7; do python3 -c 'import os, sys\n"
                  f"try: os.open(sys.argv[1], os.O_RDWR)\n"
                  f"except OSError as e: print(e.errno)' {self.slurm.folder}/dev/nvidia$i; "
                  "done | sort | uniq -c")
        job = self.cluster.submit(script, "--gres=gpu:a100:3")
        self.cluster.wait_end(job)
        # EPERM of five that are others', ENXIO of the own three, which have no driver
        self.assertEqual([["5", "1"], ["3", "6"]],
                         [line.split() for line in self.cluster.output(job).splitlines()])

    def test_exit_codes_are_accounted(self):
        job = self.cluster.submit("exit 7", user=BOB)
        self.assertEqual("FAILED", self.cluster.wait_end(job))
        self.assertEqual(["FAILED", "7:0", BOB.name],
                         self.cluster.accounted(job, "State", "ExitCode", "User"))

    def test_a_running_job_is_cancelled(self):
        job = self.cluster.submit("sleep 600")
        self.cluster.wait(job, "RUNNING")
        self.slurm.ok("scancel", job, user=ALICE.name)
        self.assertEqual("CANCELLED", self.cluster.wait_end(job))
        self.assertEqual([f"CANCELLED by {ALICE.uid}"], self.cluster.accounted(job, "State"))

    def test_others_cannot_cancel(self):
        job = self.cluster.submit("sleep 600")
        self.cluster.wait(job, "RUNNING")
        self.slurm.run("scancel", job, user=BOB.name)
        self.assertEqual("RUNNING", self.cluster.state(job))
        self.slurm.ok("scancel", job)

    def test_accounts_and_people_come_later(self):
        carol = names.Account("carol", 200002)
        names.add([carol])
        self.slurm.add_account("climate")
        self.slurm.add_user(carol.name, account="climate")
        job = self.cluster.submit("id -un", user=carol)
        self.assertEqual("COMPLETED", self.cluster.wait_end(job))
        self.assertEqual("carol\n", self.cluster.output(job))
        self.assertEqual(["climate"], self.cluster.accounted(job, "Account"))

    def test_nobody_without_an_account_submits(self):
        names.add([names.Account("dave", 200003)])
        with self.assertRaisesRegex(SlurmError, "Invalid account"):
            self.cluster.submit("true", user=names.Account("dave", 200003))

    def test_slurmctld_is_killed_in_the_middle(self):
        go = self.cluster.jobs / "go"
        job = self.cluster.submit(f"until [ -e {go} ]; do sleep 0.05; done; echo once")
        self.cluster.wait(job, "RUNNING")
        # what it has not saved is lost with it, and it saves every few seconds
        self.slurm.restart("slurmctld")
        self.slurm.kill("slurmctld")
        self.assertEqual("", self.cluster.state(job))
        self.slurm.start_one("slurmctld")
        self.assertEqual("RUNNING", self.cluster.state(job))
        go.touch()
        self.assertEqual("COMPLETED", self.cluster.wait_end(job))
        self.assertEqual("once\n", self.cluster.output(job))
        self.assertEqual(["COMPLETED"], self.cluster.accounted(job, "State"))

    def test_a_paused_slurmctld_goes_on(self):
        self.slurm.pause("slurmctld")
        try:
            done = self.slurm.run("squeue", "-h")
            self.assertNotEqual(0, done.returncode)
        finally:
            self.slurm.resume("slurmctld")
        self.assertEqual("COMPLETED", self.cluster.wait_end(self.cluster.submit("true")))

    def test_a_node_loses_its_power(self):
        job = self.cluster.submit("sleep 600", "--nodelist=n4", "--no-requeue")
        self.cluster.wait(job, "RUNNING")
        self.slurm.cut_power("n4")
        self.assertEqual("NODE_FAIL", self.cluster.wait_end(job))
        self.slurm.start_one("n4")
        self.assertEqual("COMPLETED", self.cluster.wait_end(
            self.cluster.submit("true", "--nodelist=n4")))

    def test_killing_slurmd_leaves_its_jobs(self):
        job = self.cluster.submit("sleep 600", "--nodelist=n3")
        self.cluster.wait(job, "RUNNING")
        self.slurm.kill("n3")
        self.slurm.start_one("n3")
        self.assertEqual("RUNNING", self.cluster.state(job))
        self.slurm.ok("scancel", job)
        self.assertEqual("CANCELLED", self.cluster.wait_end(job))


class Ending(unittest.TestCase):
    def setUp(self):
        names.enter([ALICE, BOB])

    def test_two_at_once_and_nothing_is_left(self):
        """Jobs that run end with their cluster, also those that will not, and only they."""
        one, two = Cluster(), Cluster()
        self.addCleanup(lambda: two.folder.exists() and two.close())
        self.addCleanup(lambda: one.folder.exists() and one.close())
        one.start()
        two.start()
        job = two.submit("true", "--begin=now+1hour")
        stubborn = one.submit("trap '' TERM; setsid sleep 600 & echo $!; wait")
        one.wait(stubborn, "RUNNING")
        pid = int(process.wait_until(lambda: one.output(stubborn), JOB_S))
        self.assertTrue(is_alive(pid))
        one.slurm.stop()
        self.assertFalse(is_alive(pid))
        self.assertEqual([], left_of(one.slurm))
        self.assertEqual("PENDING", two.state(job))
        two.slurm.stop()
        two.slurm = Slurm(two.slurm.folder, two.database).start()  # the folder goes on
        self.assertEqual("PENDING", two.state(job))
        for cluster in (one, two):
            cluster.close()
            self.assertEqual([], left_of(cluster.slurm))

    def test_it_ends_with_its_starter(self):
        """Also when that is killed: servers end by themselves, and stop() tidies up."""
        cluster = Cluster()
        self.addCleanup(cluster.close)
        cluster.database.start()
        child = os.fork()
        if child == 0:
            cluster.slurm.start()
            pids = [str(cluster.slurm.pid(name)) for name in cluster.slurm.order]
            (cluster.folder / "pids.new").write_text(" ".join(pids))
            (cluster.folder / "pids.new").rename(cluster.folder / "pids")
            signal.pause()
        told = cluster.folder / "pids"
        process.wait_until(told.exists, JOB_S, what="the servers' pids")
        process.kill(child)
        os.waitpid(child, 0)
        for pid in told.read_text().split():
            process.wait_until(lambda p=pid: not is_alive(p), JOB_S, what=f"the end of {pid}")
        cluster.slurm.stop()
        self.assertEqual([], left_of(cluster.slurm))

    def test_names_are_for_us_alone(self):
        self.assertEqual(BOB.uid, names.known_uid(BOB.name))
        machine = pathlib.Path(f"/proc/{os.getppid()}/root/etc")  # who started us is outside
        for path in ("passwd", "group"):
            self.assertNotIn(BOB.name, (machine / path).read_text())
        with self.assertRaisesRegex(ValueError, "is there with uid 200001"):
            names.add([names.Account(BOB.name, 5)])

    def test_without_root_all_is_one_users(self):
        cluster = Cluster(template=None)
        self.addCleanup(shutil.rmtree, cluster.folder)
        os.chown(cluster.folder, ALICE.uid, ALICE.uid)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(ALICE.uid)
                os.setuid(ALICE.uid)
                status = as_one_user(cluster)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        self.assertEqual(0, os.waitpid(child, 0)[1])


def as_one_user(cluster):
    """In a process of ALICE's, without root: 0 when all is well."""
    cluster.slurm = Slurm(cluster.folder / "s", cluster.database)
    cluster.database.start()
    try:
        cluster.slurm.start()
        cluster.slurm.add_user(ALICE.name)
        job = cluster.submit("echo $(id -un) $CUDA_VISIBLE_DEVICES $$; exec sleep 600",
                             "--nodes=2", "--gres=gpu:a100:2")
        name, gpus, pid = process.wait_until(lambda: cluster.output(job), JOB_S,
                                             what="its output").split()
        pids = [int(pid), *(cluster.slurm.pid(server) for server in cluster.slurm.order)]
    finally:
        cluster.slurm.stop()
        cluster.database.stop()
    return 0 if (name, gpus) == (ALICE.name, "0,1") and not any(map(is_alive, pids)) else 1


if __name__ == "__main__":
    unittest.main(verbosity=2)

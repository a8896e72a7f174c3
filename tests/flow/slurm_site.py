# SPDX-License-Identifier: Apache-2.0
"""A whole site on a real Slurm of its own, and what its tests ask of both.

    class SomeTest(slurm_site.SlurmTest):
        def test_a_job_runs(self):
            job = self.submit("echo hello")
            self.alice.wait_job(job, "completed")
            self.assert_agrees(job)

All tests of a class share one site; at its end the books must hold and Slurm's queue be empty.
What Slurm knows of an attempt is found by the name that the attempt has there."""
import contextlib
import os
import sys

import sites

from portal.embedded import names, process
from portal.embedded.session import FINAL

IS_LONG = os.environ.get("FIREFLY_LONG") == "1"  # tests/run --long
WAIT_S = 60
HEAD = "#!/bin/bash\necho begun >> begun\n"  # each run of the user's code leaves a line
FIELDS = ("JobIDRaw", "State", "ExitCode", "Submit", "Start", "End", "ElapsedRaw", "AllocTRES",
          "NodeList", "JobName")


def ms(text):
    """A time of sacct's; None for one that it has not."""
    return int(text) * 1000 if text.isdigit() else None


def gpus_in(tres):
    found = [item.partition("=")[2] for item in tres.split(",") if item.startswith("gres/gpu=")]
    return int(found[0]) if found else 0


class SlurmTest(sites.SiteTest):
    """slurm_keys: our [slurm] besides the site's. slurm_conf: of Slurm's own."""
    slurm_keys = {}
    slurm_conf = {}
    sessions = ()

    @classmethod
    def setUpClass(cls):
        cls.sessions = []
        names.enter()
        names.append(names.HOSTS, "127.0.0.1 n1 n2 n3 n4\n")
        keys = {"submit_deadline": "12s", "settle": "13s", **cls.slurm_keys}
        cls.options = {"executor": "slurm", "gpus": 4,
                       "options": {"runner": {"grace": "2s"}, "slurm": keys}}
        cls.site = sites.new_site(**cls.options)
        cls.site.slurm.options = {"SlurmdTimeout": 6, "BatchStartTimeout": 5,
                                  **cls.slurm_conf}
        try:
            cls.site.start()
        except BaseException:
            cls.remove()
            raise
        cls.addClassCleanup(cls.end)

    @classmethod
    def end(cls):
        try:
            left = cls.left_in_queue()
            verify = cls.site.quota("verify", is_checked=False)
        finally:
            for session in cls.sessions:
                session.close()
            log = cls.site.log("runnerd")
            super().end()
        if left or verify.returncode:
            print(f"---- runnerd\n{log[-8000:]}", file=sys.stderr)
        assert not left, f"left in the queue: {left}"
        assert verify.returncode == 0, verify.stdout + verify.stderr

    @classmethod
    def left_in_queue(cls):
        """What has just ended takes a moment to go."""
        def queue():
            return cls.site.slurm.ok("squeue", "-h", "-o", "%A %j %T %r")
        with contextlib.suppress(TimeoutError):
            process.wait_until(lambda: not queue(), 20)
        return queue()

    @property
    def slurm(self):
        return self.site.slurm

    @property
    def alice(self):
        """One login for the whole class."""
        if not self.sessions:
            self.sessions.append(self.site.session("alice", "north"))
        return self.sessions[0]

    # ---- jobs

    def submit(self, script, session=None, **more):
        """The number of a job of alice's on one GPU; `script` comes after HEAD."""
        return (session or self.alice).submit(
            **{"project": "climate", "name": "real", "gpus_per_node": 1, "gpu_type": "a100",
               "time_limit": "10m", "script": HEAD + script + "\n", **more})

    def wait(self, job, *states, seconds=WAIT_S):
        return self.alice.wait_job(job, *(states or FINAL), seconds=seconds)

    def waits_for(self, job, text, seconds=WAIT_S):
        """Until that is what the job's page says about why it waits."""
        return process.wait_until(lambda: text in self.alice.job(job)["waits_for"], seconds,
                                  what=f"job {job} waiting for {text}")

    def runs_of(self, job):
        """How often the user's code began."""
        reply = self.alice.get(f"/jobs/{job}/files/begun")
        return reply.body.decode().count("begun") if reply.status == 200 else 0

    def begun(self, job):
        self.wait(job, "running", *FINAL)
        process.wait_until(lambda: self.runs_of(job), WAIT_S, what=f"job {job} has begun")
        return job

    def attempts(self, job):
        columns = ("no", "place", "gpus", "run_ms", "chargeable_ms", "charge_gpums", "cause",
                   "exit_code", "signal_no", "started_ms", "ended_ms")
        rows = self.site.sql(f"SELECT {', '.join(columns)} FROM attempt WHERE job_id = {job} "
                             "ORDER BY no")
        return [{k: None if v == "NULL" else v for k, v in zip(columns, row)} for row in rows]

    def refunds(self, job):
        """(cause, gpums) of each."""
        return [(cause, int(gpums)) for cause, gpums in self.site.sql(
            "SELECT cause, gpums FROM transfer WHERE type = 'refund' AND leg = 0 "
            f"AND job_id = {job}")]

    def log_of(self):
        return self.site.log("runnerd")

    def unix_name(self, login, university):
        return self.site.sql("SELECT unix_name FROM account JOIN person ON person.id = "
                             f"person_id WHERE login = '{login}' AND "
                             f"directory = '{university}'")[0][0]

    # ---- Slurm

    def ids(self, job, attempt=None):
        """Of the jobs that an attempt is, or was, in Slurm; the last attempt's."""
        name = f"firefly-{job}-{attempt or max(len(self.attempts(job)), 1)}"
        text = self.slurm.run("squeue", "-h", "-a", "-t", "all", "-n", name, "-o", "%A").stdout
        return sorted(set(map(int, text.split())))

    def id(self, job):
        found = process.wait_until(lambda: self.ids(job), WAIT_S, what=f"job {job} in Slurm")
        self.assertEqual(len(found), 1, f"job {job} is {found} in Slurm")
        return found[0]

    def state(self, number):
        return self.slurm.run("squeue", "-h", "-a", "-t", "all", "-j", number, "-o",
                              "%T").stdout.strip()

    def wait_state(self, number, *states, seconds=WAIT_S):
        return process.wait_until(lambda: self.state(number) in states, seconds,
                                  what=f"Slurm's job {number}: {states}")

    def records(self, job, attempt):
        """What sacct has of an attempt, once nothing of it is live any more."""
        name = f"firefly-{job}-{attempt}"

        def over():
            done = self.slurm.run("env", "SLURM_TIME_FORMAT=%s", "sacct", "-P", "-n", "-X",
                                  "-D", "-S", "now-1hours", "--name", name, "-o",
                                  ",".join(FIELDS))
            rows = [dict(zip(FIELDS, line.split("|"))) for line in done.stdout.splitlines()]
            is_over = done.returncode == 0 and all(r["End"].isdigit() for r in rows)
            return rows if is_over and rows else None
        return process.wait_until(over, WAIT_S, what=f"sacct's record of {name}")

    def occupy(self, *nodes, qos=None, seconds=600):
        """A job of root's that has the nodes to itself; its number."""
        text = "#!/bin/sh\nexec sleep " + str(seconds) + "\n"
        more = [f"--qos={qos}"] if qos else []
        number = int(self.slurm.ok("sbatch", "--parsable", "--exclusive", "--output=/dev/null",
                                   f"--nodelist={','.join(nodes)}", f"--nodes={len(nodes)}",
                                   *more, text=text))
        self.addCleanup(self.slurm.run, "scancel", number)
        self.wait_state(number, "RUNNING")
        return number

    # ---- what must be true of every job that is over

    def assert_agrees(self, job, runs=1):
        """sacct and the ledger say the same to 1 s x GPUs, for each attempt; the user's code
        began `runs` times, and what Slurm calls the attempt ran once."""
        charged = 0
        for attempt in self.attempts(job):
            charge_gpums, gpus = int(attempt["charge_gpums"] or 0), int(attempt["gpus"])
            charged += charge_gpums
            if not attempt["started_ms"] and not self.ids(job, attempt["no"]):
                self.assertEqual(charge_gpums, 0, f"{attempt}: Slurm never had it")
                continue
            records = self.records(job, attempt["no"])
            ran = [r for r in records if ms(r["Start"]) and r["NodeList"] != "None assigned"]
            if not ran:
                self.assertEqual(charge_gpums, 0, f"{attempt}: it never ran: {records}")
                continue
            first = min(ran, key=lambda r: ms(r["Start"]))
            self.assertEqual(gpus_in(first["AllocTRES"]), gpus, records)
            used_gpums = int(first["ElapsedRaw"]) * 1000 * gpus
            limit_gpums = self.alice.job(job)["time_limit_ms"] * gpus
            self.assertLessEqual(abs(charge_gpums - min(used_gpums, limit_gpums)), 1000 * gpus,
                                 f"{attempt}: {records}")
        posted = self.site.sql("SELECT COALESCE(SUM(gpums), 0) FROM transfer WHERE leg = 0 "
                               f"AND type = 'charge' AND job_id = {job}")
        self.assertEqual(int(posted[0][0]), charged)
        if runs is not None:
            self.assertEqual(self.runs_of(job), runs)


main = sites.main

# SPDX-License-Identifier: Apache-2.0
"""The cells of the crash matrix that need a real Slurm: tests/run --long. What is true of each
job is what slurm_site.py asks of one: its code began once, and sacct and the ledger agree."""
import json
import time

import slurm_site
from matrix_site import STOP_S, is_stopped

from portal.embedded import process

VICTIMS = (("kill", "slurmctld"), ("stop", "slurmctld"), ("kill", "slurmdbd"),
           ("kill", "runnerd"), ("kill", "agent"))
AT = {"submit": "slurm.submitting", "launch": "slurm.submitted", "cancel": "slurm.cancelling"}
RUNS_S = 4
SAVED_S = 6  # what began earlier is in slurmctld's saved state. What did not, it forgets when it
             # is killed, gives its number away again, and ends who has that number now
OVER_S = 90  # of Slurm's own: a slurmctld that was killed asks its nodes first
CELLS = [(step, fault, victim) for step in ("submit", "launch", "run", "exit", "cancel")
         for fault, victim in VICTIMS] + [(step, "lost", "node") for step in ("run", "exit")]
LEFT_OUT = (
    ("submit, launch, cancel × node lost", "which node it will be is known when the job runs"),
    ("settle, requeue", "what they ask of Slurm is sacct and a cancel, which are in exit and "
     "cancel; the rest is the database's, with the fake executor"),
    ("stop × slurmdbd, agent, runnerd", "stop × slurmctld is the longest way; the others are in "
     "the lanes that tests/run has without --long"),
)


class SlurmMatrix(slurm_site.SlurmTest):
    """A round: the job is brought to the step, the fault comes, all goes on, the job ends."""

    def test_every_cell_holds(self):
        passed = 0
        for step, fault, victim in CELLS:
            with self.subTest(cell=f"{step}/{fault}-{victim}"):
                began = time.monotonic()
                self.round(step, fault, victim)
                passed += 1
                print(f"slurm:{step}/{fault}-{victim}: {time.monotonic() - began:.0f} s",
                      flush=True)
        print(f"{passed} cells passed of {len(CELLS)} with a real Slurm")
        for what, why in LEFT_OUT:
            print(f"left out: {what}: {why}")
        self.assertEqual(passed, len(CELLS))

    def round(self, step, fault, victim):
        states = {"cancel": ("cancelled",)}.get(step, ("failed",))
        if victim in ("node", "slurmctld"):  # a slurmctld forgets what it began last
            states += ("lost",)
        if step in ("submit", "launch"):
            self.set_gate(AT[step])
            job = self.submit(f"sleep {RUNS_S}; exit 3")
            self.strike(fault, victim, self.wait_gate())
        else:
            before = SAVED_S if (fault, victim) == ("kill", "slurmctld") else 0
            seconds = 600 if step == "cancel" else before + RUNS_S * (1 if step == "exit" else 4)
            if step == "cancel":
                self.set_gate(AT[step])
                self.gate.touch()
            job = self.begun(self.submit(f"sleep {seconds}; exit 3"))
            time.sleep(before)
            if step == "cancel":
                self.gate.unlink()
                self.alice.cancel(job)
                self.strike(fault, victim, self.wait_gate())
            else:
                self.strike(fault, victim, None, job, RUNS_S + 1 if step == "exit" else 0)
        done = self.wait(job, *states, seconds=OVER_S)
        if done["state"] == "failed":
            self.assertEqual(done["exit_code"], 3)
        self.assertEqual(self.runs_of(job), 1)
        self.assertEqual(len(self.attempts(job)), 1)
        if done["state"] != "lost":  # a lost one is refunded
            self.assert_agrees(job)
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM transfer WHERE type = 'release' AND "
                                       f"leg = 0 AND job_id = {job}")[0][0], "1")

    # ---- where runnerd waits

    @property
    def gate(self):
        return self.site.folder.parent / "gates/runnerd"

    def set_gate(self, point):
        """runnerd, started anew, waits there."""
        self.gate.parent.mkdir(exist_ok=True)
        self.gate.parent.chmod(0o777)
        self.gate.unlink(missing_ok=True)
        self.site.environments["runnerd"] = {"FIREFLY_FAULT_POINT": point, "FIREFLY_FAULT": "stop",
                                             "FIREFLY_FAULT_ONCE": str(self.gate)}
        self.site.stop_one("runnerd")
        self.site.start_one("runnerd")

    def wait_gate(self):
        pid = self.site.pid("runnerd")
        process.wait_until(lambda: self.gate.exists() and is_stopped(pid), 30,
                           what="runnerd at its gate")
        return pid

    # ---- striking

    def strike(self, fault, victim, waiting, job=None, seconds=0):
        """`waiting` goes on when the fault has begun; healed after `seconds` at least."""
        who = self.slurm if victim.startswith("slurm") else self.site
        if fault == "stop":
            self.slurm.pause(victim)
        elif fault == "kill":
            who.kill(victim)
        else:
            victim = json.loads(self.attempts(job)[-1]["place"])["nodes"][0]["name"]
            self.slurm.cut_power(victim)
            who, seconds = self.slurm, 8  # longer than Slurm waits for a node
        if waiting and victim != "runnerd":
            process.kill(waiting, 18)
        time.sleep(max(seconds, STOP_S if fault == "stop" else 1))  # what the fault lasts
        if fault == "stop":
            self.slurm.resume(victim)
        else:
            who.start_one(victim)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs on a real Slurm, from the portal to the ledger: what people see, and that sacct and the
ledger say the same. Faults are test_slurm_faults.py's."""
import json
import re
import time

import slurm_site

from portal.embedded import process

# Every rank tells where it is; then all of them meet at MASTER_ADDR.
MEETING = """
echo "rank $RANK of $WORLD_SIZE on $SLURMD_NODENAME sees $CUDA_VISIBLE_DEVICES"
exec python3 - <<'END'
import os, socket, time
address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
count = int(os.environ["WORLD_SIZE"])
if os.environ["RANK"] == "0":
    with socket.create_server(address) as server:
        others = [server.accept()[0].recv(16).decode() for _ in range(count - 1)]
    print("met", *sorted(others), flush=True)
    time.sleep(2)  # Slurm charges whole seconds
else:
    for _ in range(200):
        try:
            socket.create_connection(address).sendall(os.environ["RANK"].encode())
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
END
"""


class RealSlurm(slurm_site.SlurmTest):
    def test_two_nodes_run_as_one_job(self):
        job = self.submit(MEETING, kind="distributed", nodes=2, gpus_per_node=2)
        done = self.wait(job, "completed")
        log = self.alice.log(job).decode()
        self.assertIn("met 1 2 3\n", log)
        told = re.findall(r"rank (\d) of 4 on (\w+) sees ([\d,]+)", log)
        self.assertEqual([rank for rank, _, _ in sorted(told)], ["0", "1", "2", "3"], log)
        nodes = sorted({node for _, node, _ in told})
        self.assertEqual(nodes, sorted(self.planned(job)), log)
        self.assertEqual(len(nodes), 2)
        self.assertGreater(done["charged_gpums"], 0)
        self.assert_agrees(job, runs=4)

    def planned(self, job):
        """{node: number of GPUs} of the last attempt, as we placed it."""
        place = json.loads(self.attempts(job)[-1]["place"])
        return {slot["name"]: len(slot["gpus"]) for slot in place["nodes"]}

    def test_gpus_are_those_that_were_planned(self):
        script = ('echo "on $SLURMD_NODENAME sees $CUDA_VISIBLE_DEVICES is $SLURM_JOB_GPUS"; '
                  "sleep 2")
        asked = (1, 3, 4, 2)
        jobs = [self.submit(script, gpus_per_node=n) for n in asked]
        taken = set()
        for job, n in zip(jobs, asked):
            with self.subTest(gpus=n):
                self.wait(job, "completed")
                node, seen, own = re.search(r"on (\w+) sees ([\d,]+) is ([\d,]+)",
                                            self.alice.log(job).decode()).groups()
                self.assertEqual(self.planned(job), {node: n})
                self.assertEqual(len(seen.split(",")), n)
                devices = {(node, gpu) for gpu in own.split(",")}
                self.assertFalse(devices & taken)
                taken |= devices
                self.assert_agrees(job)

    def test_exit_code_signal_and_memory(self):
        eats = "exec python3 -c 'b = bytearray(1 << 30); print(len(b))'"
        cases = (("exit 7", {}, "failed", "exit status 7"),
                 ("kill -SEGV $$", {}, "failed", "exit status 139"),
                 ("exit 0", {}, "completed", "exit status 0"),
                 (eats, {"memory": "200M"}, "failed", "more memory than it asked for"))
        jobs = [self.submit(script, **more) for script, more, _, _ in cases]
        for job, (script, _, state, outcome) in zip(jobs, cases):
            with self.subTest(script=script):
                done = self.wait(job)
                self.assertEqual(done["state"], state, done)
                self.assertIn(outcome, done["outcome"])
                self.assert_agrees(job)

    def test_the_time_limit_ends_a_job(self):
        job = self.submit("exec sleep 600", time_limit="5s", gpus_per_node=2)
        begin = time.monotonic()
        done = self.wait(job, "timed_out")
        self.assertLess(time.monotonic() - begin, 30)
        self.assertLessEqual(done["charged_gpums"], 2 * 5000)
        self.assertGreaterEqual(done["charged_gpums"], 2 * 4000)
        self.assert_agrees(job)

    def test_cancel_while_it_runs(self):
        script = "trap 'echo told; exit 0' TERM; while :; do sleep 0.1; done"
        job = self.begun(self.submit(script))
        self.alice.cancel(job)
        done = self.wait(job, "cancelled")
        self.assertIn("cancelled while it ran", done["outcome"])
        self.assertIn(b"told\n", self.alice.log(job))
        self.assert_agrees(job)

    def test_cancel_on_two_nodes_tells_the_ranks(self):
        script = "trap 'echo told $RANK; sleep 0.3; exit 0' TERM; while :; do sleep 0.1; done"
        job = self.begun(self.submit(script, kind="distributed", nodes=2))
        process.wait_until(lambda: self.runs_of(job) == 2, slurm_site.WAIT_S,
                           what=f"both ranks of job {job}")
        self.alice.cancel(job)
        self.wait(job, "cancelled")
        self.assertEqual(sorted(re.findall(r"told (\d)", self.alice.log(job).decode())),
                         ["0", "1"], self.alice.log(job))
        self.assert_agrees(job, runs=2)

    def test_cancel_while_it_waits_in_slurms_queue(self):
        self.occupy(*self.slurm.nodes)
        job = self.submit("true")
        number = self.id(job)
        self.wait_state(number, "PENDING")
        self.alice.cancel(job)
        self.wait(job, "cancelled")
        self.wait_state(number, "CANCELLED")
        self.assertEqual(self.alice.job(job)["charged_gpums"], 0)
        self.assert_agrees(job, runs=0)

    def test_scancel_outside_ends_a_job_for_good(self):
        alice = self.unix_name("alice", "north")
        for who in (alice, None):
            with self.subTest(who=who, running=True):
                job = self.begun(self.submit("exec sleep 600"))
                self.slurm.ok("scancel", self.id(job), user=who)
                done = self.wait(job, "cancelled")
                self.assertIn("outside", done["outcome"])
                self.assert_agrees(job)
        self.occupy(*self.slurm.nodes)
        for who in (alice, None):
            with self.subTest(who=who, running=False):
                job = self.submit("true")
                number = self.id(job)
                self.wait_state(number, "PENDING")
                self.slurm.ok("scancel", number, user=who)
                done = self.wait(job, "cancelled")
                self.assertIn("outside", done["outcome"])
                self.assertEqual(len(self.attempts(job)), 1)
                self.assert_agrees(job, runs=0)

    def test_a_node_that_dies_gives_a_refund(self):
        job = self.begun(self.submit("exec sleep 600", gpus_per_node=2))
        node = next(iter(self.planned(job)))
        self.slurm.cut_power(node)
        try:
            done = self.wait(job, "lost")
            self.assertIn("node", done["outcome"])
            self.assertEqual([cause for cause, _ in self.refunds(job)], ["node_fault"])
            self.assert_agrees(job)
        finally:
            self.slurm.start_one(node)

    def test_slurmctld_killed_in_the_middle(self):
        job = self.begun(self.submit("while [ ! -e go ]; do sleep 0.1; done; exit 3"))
        number, begun = self.id(job), time.time()
        memory = self.slurm.folder / "state/job_state"  # written soon after something changed
        self.slurm.ok("sbatch", "--output=/dev/null", text="#!/bin/sh\ntrue\n")
        process.wait_until(lambda: memory.stat().st_mtime > begun, slurm_site.WAIT_S,
                           what="slurmctld writing down what it knows")
        self.slurm.kill("slurmctld")
        self.slurm.start_one("slurmctld")
        (self.site.folder / f"jobs/{job}/go").touch()
        self.assertEqual(self.wait(job, "failed")["exit_code"], 3)
        self.assertEqual(self.ids(job), [number])
        self.assert_agrees(job)


if __name__ == "__main__":
    slurm_site.main()

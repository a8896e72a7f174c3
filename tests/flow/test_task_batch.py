#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""runner-task under a batch system: `--batch FILE` and `--node FILE`, as a user, with the
environment that Slurm gives. Slurm itself is not here: how a task comes to other nodes is
tested where it is."""
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from agents import ALICE, BOB, BUILD, WAIT_S, is_alive, main, read_line, spec

AS_ALICE = ["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups"]
REPEATED, FAILED = 79, 125


class BatchTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ff", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.dir)
        os.chmod(self.dir, 0o711)
        self.task = os.path.join(self.dir, "runner-task")
        shutil.copy(os.path.join(BUILD, "runner-task"), self.task)
        self.job_dir = os.path.join(self.dir, "7")
        os.mkdir(self.job_dir, 0o700)
        os.chown(self.job_dir, ALICE, ALICE)
        self.pipe_path = os.path.join(self.dir, "pipe")
        os.mkfifo(self.pipe_path)
        os.chmod(self.pipe_path, 0o666)
        self.pipe = os.open(self.pipe_path, os.O_RDWR | os.O_CLOEXEC)
        self.addCleanup(os.close, self.pipe)
        self.log_path = os.path.join(self.dir, "log")

    def path(self, *parts):
        return os.path.join(self.job_dir, *parts)

    def file(self, script="true", uid=ALICE, first=None, request=None, **fields):
        """The file as it lies where a batch system keeps it: the account's, mode 0700."""
        body = {"token": "t1", "job": 7, "attempt": 1, "job_dir": self.job_dir, "project": "p",
                "nodes": 1, "limit_ms": 60000, "grace_ms": 2000,
                "spec": json.loads(spec(script=script, **(request or {}))), **fields}
        path = os.path.join(self.dir, "slurm_script")
        with open(path, "w", encoding="utf8") as f:
            f.write((first or f"#!{self.task} --batch") + "\n" + json.dumps(body) + "\n")
        os.chmod(path, 0o700 if uid == ALICE else 0o744)
        os.chown(path, uid, uid)
        return path

    def environment(self, **changes):
        """What Slurm gives besides the environment of sbatch; None takes a variable away."""
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "alice",
                     "SLURM_CONF": "/etc/slurm/slurm.conf", "SLURM_JOB_ID": "4711",
                     "SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0",
                     "SLURM_JOB_NODELIST": "n1", "CUDA_VISIBLE_DEVICES": "0",
                     "SLURM_JOB_GPUS": "3", **changes}
        return {k: v for k, v in variables.items() if v is not None}

    def start(self, *command, **changes):
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(AS_ALICE + list(command), stdout=log, stderr=log, cwd="/",
                                    stdin=subprocess.DEVNULL, env=self.environment(**changes))

    def run_task(self, *command, **changes):
        return self.start(*command, **changes).wait(WAIT_S)

    def batch(self, path, **changes):
        """Runs the file as the kernel does when slurmd executes it."""
        return self.run_task(path, **changes)

    def log(self):
        with open(self.log_path, encoding="utf8") as f:
            return f.read()

    def record(self, name, token="t1"):
        with open(self.path(".firefly", f"attempt-{token}", name), encoding="utf8") as f:
            return json.load(f)

    def test_a_job_runs_once_and_says_how_it_was(self):
        began = int(time.time() * 1000)
        status = self.batch(self.file("echo hello; pwd; env > environment; exit 6", resume=True,
                                      project_dir="/p/p"))
        self.assertEqual((status, self.log()), (6, f"hello\n{self.job_dir}\n"))
        with open(self.path("environment"), encoding="utf8") as f:
            found = dict(line.split("=", 1) for line in f.read().splitlines())
        wanted = {"HOME": self.job_dir, "TMPDIR": self.path(".firefly/tmp"),
                  "FIREFLY_JOB_ID": "7", "FIREFLY_ATTEMPT": "1", "FIREFLY_PROJECT": "p",
                  "FIREFLY_JOB_DIR": self.job_dir, "FIREFLY_PROJECT_DIR": "/p/p",
                  "FIREFLY_GPUS": "0", "FIREFLY_NODES": "n1", "FIREFLY_NODE": "0",
                  "FIREFLY_RESUME": "1", "FIREFLY_TIME_LIMIT_S": "60", "RANK": "0",
                  "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "CUDA_VISIBLE_DEVICES": "0",
                  "FIREFLY_CHECKPOINT_DIR": self.path("checkpoint"), "SLURM_JOB_ID": "4711"}
        self.assertEqual({k: found.get(k) for k in wanted}, wanted)
        self.assertNotIn("FIREFLY_TOKEN", found)
        self.assertNotIn("CUDA_DEVICE_ORDER", found)
        end = self.record("exit-0")
        self.assertEqual({k: end[k] for k in ("node", "batch_id", "gpus", "node_gpus",
                                              "exit_code")},
                         {"node": 0, "batch_id": "4711", "gpus": "0", "node_gpus": "3",
                          "exit_code": 6})
        self.assertTrue(began <= end["started_ms"] <= end["ended_ms"])
        self.assertTrue(0 <= end["run_ms"] <= end["ended_ms"] - began)
        with open("/proc/sys/kernel/random/boot_id", encoding="utf8") as f:
            self.assertEqual(end["boot_id"], f.read().strip())
        self.assertEqual(self.record("beat-0")["started_ms"], end["started_ms"])
        self.assertEqual(sorted(os.listdir(self.path(".firefly", "attempt-t1"))),
                         ["beat-0", "exit-0"])

    def test_a_job_that_was_started_again_touches_nothing(self):
        path = self.file(f"echo ran > {self.pipe_path}; echo out")
        self.assertEqual(self.batch(path), 0)
        read_line(self.pipe, "the one run")

        def seen():
            return {os.path.join(d, f): os.stat(os.path.join(d, f)).st_mtime_ns
                    for d, folders, files in os.walk(self.job_dir) for f in folders + files}
        before = seen()
        self.assertEqual(self.batch(path), REPEATED)
        self.assertEqual(seen(), before)
        self.assertFalse(select.select([self.pipe], [], [], 0)[0])
        self.assertEqual(self.log(), "out\nfirefly: this launch has run before; it does not "
                                     "run twice\n")
        self.assertEqual(self.batch(self.file("exit 4", token="t2")), 4)

    def test_a_job_that_runs_is_not_run_beside_itself(self):
        path = self.file(f"echo ran > {self.pipe_path}; exec sleep 1000")
        first = self.start(path)
        read_line(self.pipe, "the first")
        self.assertEqual(self.batch(path), REPEATED)
        self.assertIsNone(first.poll())
        first.terminate()
        self.assertEqual(first.wait(WAIT_S), 128 + signal.SIGTERM)

    def test_term_reaches_every_rank_and_kill_follows(self):
        script = (f"trap 'echo term > {self.pipe_path}' TERM\n"
                  f"setsid sh -c 'trap \"\" TERM; echo $$ > {self.pipe_path}; sleep 1000; :'"
                  " &\n"
                  "while :; do wait; done")
        task = self.start(self.file(script, grace_ms=1000, request={"kind": "distributed"}),
                          CUDA_VISIBLE_DEVICES="0,1")
        escapees = [int(read_line(self.pipe, "an escapee")) for _ in range(2)]
        began = time.monotonic()
        task.terminate()
        self.assertEqual([read_line(self.pipe, "a rank's trap") for _ in range(2)],
                         ["term", "term"])
        self.assertEqual(task.wait(WAIT_S), 128 + signal.SIGKILL)
        self.assertGreaterEqual(time.monotonic() - began, 1)
        for pid in escapees:
            self.assertFalse(is_alive(pid))
        self.assertEqual(self.record("exit-0")["exit_code"], 128 + signal.SIGKILL)

    def test_a_job_that_heeds_term_ends_before_the_kill(self):
        task = self.start(self.file(f"trap 'exit 3' TERM; echo on > {self.pipe_path}\n"
                                    "sleep 1000 & wait", grace_ms=86400000))
        read_line(self.pipe, "the job")
        task.terminate()
        self.assertEqual(task.wait(WAIT_S), 3)

    def test_it_beats_while_it_runs(self):
        task = self.start(self.file(f"echo on > {self.pipe_path}; exec sleep 1000"))
        read_line(self.pipe, "the job")
        first = self.record("beat-0")
        until = time.monotonic() + WAIT_S
        while (beat := self.record("beat-0"))["beat_ms"] == first["beat_ms"]:
            self.assertLess(time.monotonic(), until, "no second beat came")
            select.select([], [], [], 0.05)
        self.assertEqual(beat["started_ms"], first["started_ms"])
        self.assertGreater(beat["run_ms"], first["run_ms"])
        self.assertFalse(os.path.exists(self.path(".firefly", "attempt-t1", "exit-0")))
        task.terminate()
        self.assertEqual(task.wait(WAIT_S), 128 + signal.SIGTERM)
        self.assertEqual(self.record("exit-0")["exit_code"], 128 + signal.SIGTERM)

    def test_what_a_job_leaves_behind_is_killed(self):
        self.assertEqual(self.batch(self.file(
            "setsid sh -c 'echo $$ > pid; exec sleep 1000' &\n"
            "while [ ! -s pid ]; do :; done")), 0)
        with open(self.path("pid"), encoding="utf8") as f:
            self.assertFalse(is_alive(int(f.read())))

    def test_the_request_cannot_widen_what_is_seen(self):
        path = self.file("echo ${CUDA_VISIBLE_DEVICES-none}",
                         request={"env": {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}})
        self.assertEqual(self.batch(path), 0)
        self.assertEqual(self.log(), "0\n")

    def test_gpus_that_are_missing_are_said(self):
        self.assertEqual(self.batch(self.file("echo ${CUDA_VISIBLE_DEVICES-none}"),
                                    CUDA_VISIBLE_DEVICES=None, SLURM_JOB_GPUS=None), 0)
        self.assertEqual(self.log(), "firefly: node 0: 0 GPUs are seen, 1 were asked for\n"
                                     "none\n")
        self.assertEqual(self.record("exit-0")["gpus"], "")

    def nodes(self, node, **changes):
        return {"SLURM_JOB_NUM_NODES": "2", "SLURM_NODEID": str(node),
                "SLURM_JOB_NODELIST": "gpu[07-08]", "CUDA_VISIBLE_DEVICES": "0,1", **changes}

    def test_each_of_several_nodes_has_its_ranks(self):
        path = self.file("echo $RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $MASTER_ADDR "
                         "$FIREFLY_NODES", nodes=2,
                         request={"kind": "distributed", "nodes": 2, "gpus_per_node": 2})
        ports = set()
        for node in (0, 1):
            self.assertEqual(self.run_task(self.task, "--node", path, **self.nodes(node)), 0)
            end = self.record(f"exit-{node}")
            self.assertEqual((end["node"], end["exit_code"]), (node, 0))
        self.assertEqual(sorted(self.log().splitlines()), sorted(
            f"[rank {n}] {n}/4 {n % 2}/2 gpu07 gpu07,gpu08" for n in range(4)))
        self.assertEqual(self.run_task(self.task, "--node", path, **self.nodes(1)), REPEATED)
        path = self.file("echo $MASTER_PORT", nodes=2, token="t2",
                         request={"kind": "distributed", "nodes": 2})
        for node in (0, 1):
            os.truncate(self.log_path, 0)
            one = self.nodes(node, CUDA_VISIBLE_DEVICES="0")
            self.assertEqual(self.run_task(self.task, "--node", path, **one), 0)
            ports.add(self.log())
        self.assertEqual(len(ports), 1, ports)

    def test_a_batch_of_several_nodes_runs_on_the_first(self):
        path = self.file("echo here $RANK/$WORLD_SIZE", nodes=2,
                         request={"nodes": 2, "gpus_per_node": 2})
        for node in (0, 1):
            self.assertEqual(self.run_task(self.task, "--node", path, **self.nodes(node)), 0)
        self.assertEqual(self.log(), "here 0/1\n")

    def test_on_several_nodes_the_launcher_gets_the_request(self):
        missing = os.path.join(self.dir, "no-launcher")
        path = self.file("echo user code", nodes=2, launcher=missing,
                         request={"nodes": 2})
        self.assertEqual(self.batch(path, **self.nodes(0)), FAILED)
        self.assertEqual(self.log(), f"firefly: {missing}: No such file or directory\n")
        request = self.path(".firefly", "attempt-t1", "request")
        with open(request, "rb") as copy, open(path, "rb") as original:
            self.assertEqual(copy.read(), original.read())
        self.assertEqual(os.stat(request).st_mode & 0o777, 0o600)
        self.assertEqual(self.batch(path, **self.nodes(0)), REPEATED)
        os.truncate(self.log_path, 0)
        self.assertEqual(self.run_task(self.task, "--node", request, **self.nodes(0)), 0)
        self.assertIn("user code\n", self.log())

    def test_files_and_places_that_are_wrong_are_refused(self):
        foreign = os.path.join(self.dir, "foreign")
        os.mkdir(foreign, 0o777)
        os.chown(foreign, BOB, BOB)
        os.chmod(foreign, 0o777)
        link = os.path.join(self.dir, "link")
        os.symlink(self.job_dir, link)
        ran = f"echo ran > {self.pipe_path}"
        for says, fields, changes in (
                ("belongs to uid", {"uid": BOB}, {}),
                ("#!", {"first": "nothing"}, {}),
                ("token", {"token": "../t"}, {}),
                ("job_dir", {"job_dir": "7"}, {}),
                ("No such file", {"job_dir": "/nowhere"}, {}),
                (f"belongs to uid {BOB}", {"job_dir": foreign}, {}),
                ("Not a directory", {"job_dir": link}, {}),
                ("shell", {"shell": "/bin/sh"}, {}),
                ("1 nodes were given, the request has 2", {"nodes": 2}, {}),
                ("SLURM_JOB_ID is not set", {}, {"SLURM_JOB_ID": None}),
                ("SLURM_NODEID = 1", {}, {"SLURM_NODEID": "1"}),
                ("SLURM_JOB_NODELIST: list of nodes", {}, {"SLURM_JOB_NODELIST": "$(id)"}),
                ("SLURM_JOB_NODELIST", {}, {"SLURM_JOB_NODELIST": "n[1-2]"})):
            open(self.log_path, "w", encoding="utf8").close()
            path = self.file(ran, **fields)
            status = self.run_task(self.task, "--batch", path, **changes)
            self.assertEqual(status, FAILED, says)
            self.assertIn(says, self.log())
            self.assertEqual(len(self.log().splitlines()), 1, self.log())
        for command in (["--batch"], ["--node"], ["--else", "x"], ["x"]):
            self.assertEqual(self.run_task(self.task, *command), FAILED)
        self.assertFalse(select.select([self.pipe], [], [], 0)[0])
        self.assertEqual((os.listdir(self.job_dir), os.listdir(foreign)), ([], []))

    def test_a_link_planted_by_the_user_leads_nowhere(self):
        os.symlink("/tmp", self.path(".firefly"))
        self.assertEqual(self.batch(self.file(f"echo ran > {self.pipe_path}")), FAILED)
        self.assertFalse(select.select([self.pipe], [], [], 0)[0])

    def test_records_that_cannot_be_written_end_nothing(self):
        script = "rm -rf .firefly/attempt-t1; ln -s /nowhere .firefly/attempt-t1; exit 5"
        self.assertEqual(self.batch(self.file(script)), 5)
        self.assertIn("the record of this attempt", self.log())


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""What runner-agent, -keeper and -task make of a job, as root and as a plain user: whose it is,
how it ends, and that nothing of it is left."""
import json
import os
import select
import signal
import time
import unittest

import agents
from agents import (ALICE, BOB, SERVICE, STAFF, WAIT_S, Agent, AgentTest, Refused, is_alive,
                    memfd, read_line, spec, wait_end)

PROBE = """#!/usr/bin/python3
import json, os, resource
status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines())
def tries(f):
    try:
        f()
        return "done"
    except OSError as e:
        return e.strerror
umask = os.umask(0)
json.dump({
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": sorted(os.getgroups()),
    "umask": umask,
    "status": {k: v.strip() for k, v in status.items()}, "cwd": os.getcwd(),
    "fds": {n: os.readlink("/proc/self/fd/" + n) for n in os.listdir("/proc/self/fd")
            if int(n) < 100 and os.path.exists("/proc/self/fd/" + n)},
    "env": dict(os.environ), "tmp": os.listdir("/tmp"), "shm": os.listdir("/dev/shm"),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "uids": sorted({os.stat("/proc/" + p).st_uid for p in os.listdir("/proc") if p.isdigit()}),
    "ipc": os.readlink("/proc/self/ns/ipc"), "mnt": os.readlink("/proc/self/ns/mnt"),
    "sock": tries(lambda: __import__("socket").socket(1, 5).connect(DIR + "/sock")),
    "spool": tries(lambda: os.listdir(DIR + "/spool")),
    "logs": tries(lambda: os.listdir(DIR + "/logs")),
    "jobs": tries(lambda: os.listdir(DIR + "/jobs")), "setuid": tries(lambda: os.setuid(0)),
    "mknod": tries(lambda: os.mknod("null", 0o20666, os.makedev(1, 3))),
    "random": tries(lambda: open("/dev/urandom", "rb").read(1)),
    "cgroup": tries(lambda: open("/sys/fs/cgroup/unified/cgroup.procs", "w").write("0")),
}, open("probe.json", "w"))
"""


class Jobs(AgentTest):
    """What a job is, how it ends, and what is left of it, whatever dies."""

    def test_hello_says_what_is_enforced(self):
        hello = self.agent().ask("hello")
        self.assertTrue(hello["is_root"])
        for what in ("kill", "memory", "pids", "devices", "cpu"):
            self.assertIn(hello["enforced"][what], ("v1", "v2", "bpf"), what)
        self.assertEqual(hello["private"], {"tmp": True, "ipc": True, "proc": True})

    def test_a_job_is_its_user_and_nobody_else(self):
        a = self.agent()
        a.run("t1", PROBE.replace("DIR", repr(a.dir)),
              gpus=[{"index": 2}, {"index": 3}], resume=True)
        self.assertEqual(a.finish("t1")["exit_code"], 0, a.log())
        with open(a.job_path("probe.json"), encoding="utf8") as f:
            p = json.load(f)
        self.assertEqual((p["uid"], p["gid"], p["groups"]), ([ALICE] * 3, [ALICE] * 3, [STAFF]))
        self.assertEqual(p["status"]["NoNewPrivs"], "1")
        for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(p["status"][caps], 16), 0, caps)
        # the two are Python's own
        self.assertEqual(int(p["status"]["SigIgn"], 16) & ~(1 << 12 | 1 << 24), 0)
        self.assertEqual((p["umask"], p["cwd"], p["core"]), (0o77, a.job_path(), [0, 0]))
        # 3: Python's own listing
        self.assertLessEqual(set(p["fds"]), {"0", "1", "2", "3"}, p["fds"])
        self.assertTrue(p["fds"]["1"].startswith("pipe:"))
        self.assertEqual((p["tmp"], p["shm"]), ([], []))
        self.assertNotEqual(p["ipc"], os.readlink("/proc/self/ns/ipc"))
        self.assertLessEqual(set(p["uids"]), {ALICE})
        self.assertEqual(p["sock"], "Permission denied")
        for what in ("spool", "logs", "jobs", "cgroup"):
            self.assertEqual(p[what], "Permission denied", what)
        self.assertEqual((p["setuid"], p["mknod"]), ("Operation not permitted",) * 2)
        self.assertEqual(p["random"], "done")
        job = a.job_path()
        self.assertEqual({k: v for k, v in p["env"].items()
                          if k not in ("MASTER_PORT", "LC_CTYPE")}, {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "SHELL": "/bin/bash",
            "HOME": job, "USER": "alice", "LOGNAME": "alice", "TMPDIR": "/tmp",
            "FIREFLY_JOB_ID": "1", "FIREFLY_ATTEMPT": "1", "FIREFLY_JOB_DIR": job,
            "FIREFLY_PROJECT": "p", "FIREFLY_PROJECT_DIR": a.path("projects", "p"),
            "FIREFLY_GPUS": "2,3", "FIREFLY_NODES": "n1", "FIREFLY_NODE": "0",
            "FIREFLY_RESUME": "1", "FIREFLY_TIME_LIMIT_S": "60",
            "FIREFLY_CHECKPOINT_DIR": job + "/checkpoint", "CUDA_VISIBLE_DEVICES": "2,3",
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "RANK": "0", "WORLD_SIZE": "1",
            "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1",
            "MASTER_ADDR": "127.0.0.1"})
        st = os.stat(job)
        self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777), (ALICE, ALICE, 0o700))
        self.assertEqual(os.stat(a.path("jobs")).st_mode & 0o7777, 0o711)
        st = os.stat(a.path("logs", "1.1.log"))
        self.assertEqual((st.st_uid, st.st_mode & 0o7777), (SERVICE, 0o600))

    def test_the_keeper_is_the_service_and_holds_nothing_of_root(self):
        a = self.agent()
        a.run("t1", f"echo ready > {a.pipe_path}; exec sleep 100")
        read_line(a.pipe, "the job")
        keeper = a.record("t1", "start")["keeper"]
        with open(f"/proc/{keeper}/status", encoding="utf8") as f:
            status = dict(l.split(":", 1) for l in f.read().splitlines())
        self.assertEqual(status["Uid"].split(), [str(SERVICE)] * 4)
        self.assertEqual(status["Gid"].split(), [str(SERVICE)] * 4)
        self.assertEqual((status["Groups"].strip(), int(status["CapPrm"], 16)), ("", 0))
        with open(f"/proc/{a.record('t1', 'start')['task']}/stat", encoding="utf8") as f:
            self.assertEqual(int(f.read().rsplit(")", 1)[1].split()[1]), keeper)
        a.ask("stop", token="t1", why="cancelled", grace_ms=5000)
        self.assertEqual(a.finish("t1")["cause"], "cancelled")

    def test_exit_and_signal_are_recorded(self):
        a = self.agent()
        for i, (script, code) in enumerate([("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137),
                                            ("#!/no/such/interpreter\n", 127)], 1):
            a.run(f"t{i}", script, attempt=i)
            end = a.finish(f"t{i}")
            self.assertEqual((end["exit_code"], end["signal"], end["cause"]),
                             (code, 0, "natural"), script)
            self.assertFalse(end["is_left"])
            self.assertLess(end["run_ms"], 20000)
        self.assertIn("/no/such/interpreter", a.log(attempt=4))
        self.assertEqual(set(a.states().values()), {"over"})

    def test_a_command_runs_without_a_shell(self):
        a = self.agent()
        a.run("t1", request=spec(command=["printf", "%s|", "a b", "$HOME", "--", "`id`"],
                                 env={"RANK": "9", "MINE": "x"}))
        self.assertEqual((a.finish("t1")["exit_code"], a.log()), (0, "a b|$HOME|--|`id`|"))
        a.run("t2", request=spec(command=["no-such-program"]), attempt=2)
        self.assertEqual(a.finish("t2")["exit_code"], 127)
        self.assertIn("no-such-program cannot be started: No such file", a.log(attempt=2))

    def test_distributed_has_a_rank_per_gpu_and_one_that_fails_ends_all(self):
        a = self.agent()
        go = self.go(a)
        script = ("echo $RANK/$WORLD_SIZE $LOCAL_RANK $FORGED\n"
                  f"if [ $RANK = 1 ]; then read x < {go}; exit 5; fi\n"
                  f"echo up > {a.pipe_path}; exec sleep 100")
        a.run("t1", request=spec(kind="distributed", script=script,
                                 env={"RANK": "9", "FORGED": "no"}),
              gpus=[{"index": 0}, {"index": 1}, {"index": 2}])
        read_line(a.pipe, "one rank")
        read_line(a.pipe, "another")
        self.let_go(go)
        self.assertEqual(a.finish("t1")["exit_code"], 5)
        for line in ("[rank 0] 0/3 0 no", "[rank 1] 1/3 1 no", "[rank 2] 2/3 2 no"):
            self.assertIn(line, a.log().splitlines())

    def test_the_time_limit_is_term_and_then_kill(self):
        a = self.agent()
        a.run("t1", "trap 'echo saved; exit 3' TERM; echo up; "
                    "while :; do read -t 1 < /dev/zero; done",
              limit_ms=700)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["cause"]), (3, "limit"))
        self.assertIn("saved", a.log())
        a.run("t2", "trap '' TERM; while :; do read -t 1 < /dev/zero; done", attempt=2,
              limit_ms=300, grace_ms=300)
        end = a.finish("t2")
        self.assertEqual((end["exit_code"], end["signal"], end["cause"]), (-1, 9, "limit"))
        self.assertTrue(600 <= end["run_ms"] < 5000, end)

    def test_another_limit_holds_from_the_start_on_and_outlives_the_agent(self):
        a = self.agent()
        go = self.go(a)
        # 3 s: time enough to tell it, short enough to wait for
        a.run("t1", f"echo ready > {a.pipe_path}; read x < {go}; echo $x", limit_ms=3000)
        read_line(a.pipe, "the job")
        a.kill()
        a.start()
        for _ in range(2):  # told again, it does no harm
            a.ask("limit", token="t1", limit_ms=4000_000)
            self.assertEqual(a.record("t1", "beat")["limit_ms"], 4000_000)
        while a.record("t1", "beat")["run_ms"] < 3600:  # a beat a second: past the old limit
            self.assertEqual(a.states(), {"t1": "running"})
            select.select([], [], [], 0.05)
        a.ask("stop", token="t1", why="node_fault", grace_ms=5000)
        end = a.finish("t1")
        self.assertEqual(end["cause"], "node_fault")
        self.assertGreaterEqual(end["run_ms"], 3600)
        self.refused("ESRCH", a.ask, "limit", token="t1", limit_ms=5000)

    def test_a_limit_below_what_ran_ends_it_and_an_attempt_that_ends_takes_none(self):
        a = self.agent()
        a.run("t1", f"trap 'echo told > {a.pipe_path}' TERM; echo ready > {a.pipe_path};"
                    " while :; do read -t 1 < /dev/zero; done", grace_ms=60000)
        read_line(a.pipe, "the job")
        self.refused("ERANGE", a.ask, "limit", token="t1", limit_ms=0)
        self.refused("ENOENT", a.ask, "limit", token="t2", limit_ms=1000)
        a.ask("limit", token="t1", limit_ms=1)
        read_line(a.pipe, "the TERM")
        self.assertIn("limit",
                      str(self.refused("EALREADY", a.ask, "limit", token="t1", limit_ms=60000)))
        a.ask("stop", token="t1", why="cancelled", grace_ms=0)
        self.assertEqual(a.finish("t1")["cause"], "limit")

    def test_escapees_are_killed(self):
        a = self.agent()
        escape = ("import os,signal\n"
                  "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                  "for i in range(2):\n  os.fork() and os._exit(0)\n  os.setsid()\n"
                  f"open({a.pipe_path!r},'w').write(f'{{os.getpid()}}\\n')\nsignal.pause()\n")
        go = self.go(a)
        a.run("t1", f"cat > e.py <<'X'\n{escape}X\npython3 e.py\nread < {go}\n")
        read_line(a.pipe, "the escapee")
        inside = a.members()
        self.assertGreaterEqual(len(inside), 2)
        a.ask("stop", token="t1", why="cancelled", grace_ms=200)
        self.assertFalse(a.finish("t1")["is_left"])
        self.assertEqual({p for p in inside if is_alive(p)}, set())
        self.assertEqual(a.members(), set())

    def test_an_escapee_dies_with_a_job_that_ended_well(self):
        a = self.agent()
        go = self.go(a)
        a.run("t1", f"setsid sh -c 'echo ready > {a.pipe_path}; sleep 1000' & read x < {go}; "
                    "exit 0")
        read_line(a.pipe, "the escapee")
        inside = a.members()
        self.let_go(go)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["cause"], end["is_left"]),
                         (0, "natural", False))
        self.assertEqual({p for p in inside if is_alive(p)}, set())

    def test_a_fork_bomb_stays_inside_and_ends(self):
        a = self.agent()
        a.run("t1", f"b() {{ b | b & }}; echo ready > {a.pipe_path}; b; sleep 1000",
              pids_max=60, grace_ms=0, limit_ms=1500)
        read_line(a.pipe, "the bomb")
        end = a.finish("t1")
        self.assertEqual((end["cause"], end["is_left"]), ("limit", False))
        self.assertEqual(a.members(), set())

    def test_the_log_has_a_cap_and_never_stops_the_job(self):
        a = self.agent()
        a.run("t1", "echo head; head -c 5000000 /dev/zero | tr '\\0' x; echo tail",
              log_max=10000)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["log_bytes"]), (0, 10000))
        self.assertEqual(end["log_dropped"], 5000000 + 10 - 10000)
        self.assertTrue(a.log().startswith("head\nxxx"))
        self.assertTrue(a.log().endswith("[firefly: the log is cut here: 10000 bytes kept, "
                                         f"{end['log_dropped']} dropped]\n"))

    def test_memory_above_the_limit_is_recorded(self):
        a = self.agent()
        a.run("t1", "exec python3 -c 'x = bytearray(400 << 20); print(len(x))'",
              memory_bytes=200 << 20)
        end = a.finish("t1")
        self.assertEqual(end["cause"], "memory", (end, a.log()))
        self.assertNotEqual(end["exit_code"], 0)

    def test_an_agent_killed_and_started_again_finds_its_job(self):
        a = self.agent()
        go = self.go(a)
        a.run("t1", f"echo ready > {a.pipe_path}; read x < {go}; echo went $x; exit 4")
        read_line(a.pipe, "the job")
        a.kill()
        a.start()
        self.assertEqual(a.states(), {"t1": "running"})
        again = self.refused("EEXIST", a.run, "t1", "echo twice")
        self.assertEqual(again.reply["state"], "running")
        self.let_go(go)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["cause"]), (4, "natural"))
        self.assertEqual(a.log(), "went on\n")

    def test_an_agent_killed_during_a_start_listens_again_and_code_runs_at_most_once(self):
        a = self.agent()
        for i in range(1, 13):
            token, fd = f"t{i}", memfd(spec(script=f"echo ran > {a.pipe_path}"))
            head = {"epoch": 1, "deadline_ms": int(time.time() * 1000) + 20000}
            a.wire.send({"verb": "start", "id": 1, **head, **a.request(token, attempt=i)}, [fd])
            os.close(fd)
            # a different moment of the start each time
            until = time.perf_counter() + i * 0.0005
            while time.perf_counter() < until:
                pass
            a.kill()
            a.start()
            state, until = "running", time.perf_counter() + WAIT_S
            while state in ("starting", "running") or (state == "none" and a.members()):
                self.assertLess(time.perf_counter(), until)
                state = a.states().get(token, "none")
            self.assertIn(state, ("over", "dead", "none"))
            if state == "over":
                read_line(a.pipe, "the one run")
            self.assertFalse(select.select([a.pipe], [], [], 0)[0],
                             "ran twice, or without a record")

    def test_an_agent_started_again_can_stop_an_old_job(self):
        a = self.agent()
        a.run("t1", f"echo ready > {a.pipe_path}; exec sleep 1000")
        read_line(a.pipe, "the job")
        a.kill()
        a.start()
        a.ask("stop", token="t1", why="suspend", grace_ms=5000)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["cause"]), (143, "suspend"))

    def test_a_killed_keeper_is_dead_and_clean_leaves_nothing(self):
        a = self.agent()
        a.run("t1", f"trap '' TERM; echo ready > {a.pipe_path}; setsid sleep 1000 & sleep "
                    "1000; :")
        read_line(a.pipe, "the job")
        start, inside = a.record("t1", "start"), a.members()
        self.refused("EBUSY", a.ask, "clean", token="t1")
        os.kill(start["keeper"], signal.SIGKILL)
        wait_end(start["keeper"], "the keeper")
        self.assertEqual(a.states(), {"t1": "dead"})
        a.ask("clean", token="t1")
        self.assertEqual({p for p in inside if is_alive(p)}, set())
        self.assertEqual((a.cgroups(), a.states()), ([], {}))
        self.assertTrue(os.path.exists(a.path("logs", "1.1.log")))

    def test_a_task_without_its_keeper_ends_its_ranks(self):
        a = self.agent()
        a.run("t1", f"trap '' TERM; echo ready > {a.pipe_path}; sleep 1000; :")
        read_line(a.pipe, "the job")
        start, inside = a.record("t1", "start"), a.members()
        os.kill(start["keeper"], signal.SIGKILL)
        for pid in inside:
            wait_end(pid, "what the keeper left")

    def test_a_keeper_told_to_end_says_shutdown(self):
        a = self.agent()
        a.run("t1", f"echo ready > {a.pipe_path}; exec sleep 1000")
        read_line(a.pipe, "the job")
        os.kill(a.record("t1", "start")["keeper"], signal.SIGTERM)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["cause"]), (143, "shutdown"))


class PlainUser(unittest.TestCase):
    """An agent that is not root: all as one uid, nothing enforced by cgroups, the rest
    the same."""

    def setUp(self):
        self.a = Agent(prefix=["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}",
                               "--clear-groups"])
        self.addCleanup(self.a.close)

    def test_a_job_runs_stops_and_leaves_nothing(self):
        a = self.a
        hello = a.ask("hello")
        self.assertEqual((hello["is_root"], hello["uid"]), (False, ALICE))
        self.assertEqual(set(hello["enforced"].values()), {"no"})
        self.assertEqual(set(hello["private"].values()), {False})
        a.run("t1", "echo $TMPDIR; exit 6", account={"name": "alice", "uid": ALICE,
                                                     "gid": ALICE, "groups": []})
        self.assertEqual(a.finish("t1")["exit_code"], 6)
        self.assertEqual(a.log(), a.job_path(".firefly/tmp") + "\n")
        a.run("t2", f"trap '' TERM; setsid sh -c 'echo $$ > {a.pipe_path}; sleep 1000; :' & "
                    "sleep 1000; :",
              attempt=2)
        escapee = int(read_line(a.pipe, "the escapee"))
        a.ask("stop", token="t2", why="cancelled", grace_ms=200)
        end = a.finish("t2")
        self.assertEqual((end["cause"], end["is_left"]), ("cancelled", False))
        self.assertFalse(is_alive(escapee))
        with self.assertRaises(Refused) as caught:
            a.run("t3", "id", account={"name": "bob", "uid": BOB, "gid": BOB, "groups": []})
        self.assertEqual(caught.exception.errno, "EPERM")

    def test_a_killed_keeper_leaves_no_process(self):
        a = self.a
        a.run("t1", f"setsid sh -c 'echo $$ > {a.pipe_path}; sleep 1000; :' & sleep 1000; :")
        escapee = int(read_line(a.pipe, "the escapee"))
        start = a.record("t1", "start")
        os.kill(start["keeper"], signal.SIGKILL)
        wait_end(start["task"], "the task")
        wait_end(escapee, "the escapee")
        self.assertEqual(a.states(), {"t1": "dead"})


if __name__ == "__main__":
    agents.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drives the real runner-agent, -keeper, -task and -files through their socket, as root and as a user.

Each test has an agent of its own in a temporary folder with a cgroup name of its own, ends every process
it started by its pid, and leaves no cgroup. Jobs speak to the tests through a named pipe, and a test
waits for events alone: a line in that pipe, the end of a process by its pidfd."""
import array
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.environ.get("FIREFLY_BUILD", "build/debug")
SERVICE = 390001
ALICE, BOB, STAFF = 200001, 200002, 200900
WAIT_S = 30
PROGRAMS = ("runner-agent", "runner-keeper", "runner-task", "runner-files")
HIERARCHIES = ["unified", "memory", "pids", "cpu", "devices", ""]


def read_line(fd, what):
    """The next line of a pipe that is open for reading and writing."""
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([fd], [], [], WAIT_S)[0]:
            raise AssertionError(f"nothing came: {what}")
        line += os.read(fd, 1)
    return line.decode().strip()


def wait_end(pid, what):
    """Waits until a process has ended, whoever its parent is."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([fd], [], [], WAIT_S)[0]:
            raise AssertionError(f"{what} ({pid}) does not end")
    finally:
        os.close(fd)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Refused(Exception):
    def __init__(self, reply):
        super().__init__(reply.get("error"))
        self.errno = reply["errno"]
        self.reply = reply


class Wire:
    """One connection; calls in order."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(WAIT_S)
        self.last_id = 0

    def close(self):
        self.sock.close()

    def send(self, body, fds=()):
        self.sock.sendmsg([json.dumps(body).encode()],
                          [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def receive(self):
        data, fds, _, _ = socket.recv_fds(self.sock, 65536, 4)
        if not data:
            raise ConnectionResetError
        return json.loads(data), fds

    def ask(self, verb, fds=(), **fields):
        self.last_id += 1
        self.send({"verb": verb, "id": self.last_id, **fields}, fds)
        reply, got = self.receive()
        assert reply["id"] == self.last_id, reply
        if not reply["ok"]:
            raise Refused(reply)
        return (reply, got[0]) if got else reply


def memfd(data, sealed=True):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if sealed:
        import fcntl
        F_ADD_SEALS, SEALS = 1033, 0x2 | 0x4 | 0x8
        fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    return fd


def spec(**fields):
    request = {"kind": "batch", "name": "t", "project": "p", "allocation": 0, "nodes": 1,
               "gpus_per_node": 1, "gpu_type": "any", "cpus": 0, "memory_bytes": 0,
               "time_limit_ms": 60000, "env": {}, "checkpoint": False, "checkpoint_interval_ms": 0,
               "retries": 0, "priority": "normal"}
    request.update(fields)
    return json.dumps(request).encode()


class Agent:
    count = 0

    def __init__(self, prefix=(), service=SERVICE, **settings):
        Agent.count += 1
        self.name = f"ff-test-{os.getpid()}-{Agent.count}"
        self.prefix, self.is_root = list(prefix), not prefix
        self.dir = tempfile.mkdtemp(prefix="ff", dir="/var/tmp")
        os.chmod(self.dir, 0o711)
        self.uid = os.getuid() if self.is_root else ALICE
        if not self.is_root:
            os.chown(self.dir, ALICE, ALICE)
        self.programs = os.path.join(self.dir, "bin")
        os.mkdir(self.programs)
        for program in PROGRAMS:
            shutil.copy(os.path.join(BUILD, program), self.programs)
        os.chmod(self.programs, 0o711 if prefix else 0o700)
        self.pipe_path = os.path.join(self.dir, "pipe")
        os.mkfifo(self.pipe_path)
        os.chmod(self.pipe_path, 0o666)
        self.pipe = os.open(self.pipe_path, os.O_RDWR | os.O_CLOEXEC)
        keys = {"socket": self.path("sock"), "state": self.path("state"), "spool": self.path("spool"),
                "logs": self.path("logs"), "jobs_root": self.path("jobs"),
                "projects_root": self.path("projects"), "programs": self.programs,
                "cgroup": self.name}
        if self.is_root:
            keys["service_uid"] = service
        keys.update(settings)
        with open(self.path("conf"), "w", encoding="utf8") as f:
            f.write("[agent]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()))
        self.epoch = 1
        self.process = None
        self.start()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def start(self):
        """Starts the agent and waits until it listens: it says so on its standard error."""
        r, w = os.pipe()
        environment = {"PATH": os.environ["PATH"]}
        command = [os.path.join(self.programs, "runner-agent"), "--config", self.path("conf")]
        self.process = subprocess.Popen(self.prefix + command, stderr=w, env=environment)
        os.close(w)
        self.stderr = r
        while "listens" not in (line := read_line(r, "the agent's start")):
            print("agent:", line, file=sys.stderr)
        self.connect()

    def connect(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(self.path("sock"))
        self.wire = Wire(sock)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.wire.close()
        os.close(self.stderr)

    def ask(self, verb, fds=(), **fields):
        head = {"epoch": self.epoch, "deadline_ms": int(time.time() * 1000) + 20000}
        return self.wire.ask(verb, fds, **{**head, **fields})

    def request(self, token, job=1, attempt=1, **fields):
        account = {"name": "alice", "uid": ALICE, "gid": ALICE, "groups": [STAFF] if self.is_root else []}
        return {"token": token, "job": job, "attempt": attempt, "account": account, "project": "p",
                "gpus": [], "nodes": ["n1"], "node": 0, "cpus": 0, "memory_bytes": 0, "pids_max": 200,
                "limit_ms": 60000, "grace_ms": 5000, "log_max": 1 << 20, "resume": False, **fields}

    def run(self, token, script=None, request=None, **fields):
        """Starts a job; returns when the agent says that its processes exist."""
        fd = memfd(request or spec(script=script))
        try:
            return self.ask("start", [fd], **self.request(token, **fields))
        finally:
            os.close(fd)

    def record(self, token, name):
        with open(self.path("spool", token, name), encoding="utf8") as f:
            return json.load(f)

    def finish(self, token):
        """Waits for the keeper's end and returns what it recorded."""
        wait_end(self.record(token, "start")["keeper"], "the keeper")
        return self.record(token, "exit")

    def log(self, job=1, attempt=1):
        with open(self.path("logs", f"{job}.{attempt}.log"), "rb") as f:
            return f.read().decode()

    def job_path(self, *parts, job=1):
        return self.path("jobs", str(job), *parts)

    def states(self):
        return {e["token"]: e["state"] for e in self.ask("list")["entries"]}

    def cgroups(self):
        """All cgroup folders of attempts, in every hierarchy."""
        found = []
        for h in HIERARCHIES:
            top = os.path.join("/sys/fs/cgroup", h, self.name)
            if os.path.isdir(top):
                found += [os.path.join(top, d) for d in os.listdir(top)
                          if os.path.isdir(os.path.join(top, d))]
        return found

    def members(self):
        """Processes in the attempts' cgroups."""
        pids = set()
        for folder in self.cgroups():
            with open(os.path.join(folder, "cgroup.procs"), encoding="utf8") as f:
                pids |= {int(p) for p in f.read().split()}
        return {p for p in pids if is_alive(p)}

    def close(self):
        """Ends all that is left, by pid, and removes everything."""
        spool = self.path("spool")
        for token in os.listdir(spool) if os.path.isdir(spool) else []:
            if not os.path.exists(self.path("spool", token, "start")):
                continue
            pid = self.record(token, "start")["keeper"]
            if not os.path.exists(self.path("spool", token, "exit")) and is_alive(pid):
                os.kill(pid, signal.SIGKILL)
                wait_end(pid, "the keeper")
        try:
            for token in self.states() if self.process.poll() is None else {}:
                self.ask("clean", token=token)
        finally:
            self.wire.close()
            self.process.terminate()
            status = self.process.wait(WAIT_S)
        left = self.cgroups()
        os.close(self.stderr)
        os.close(self.pipe)
        for h in HIERARCHIES:
            top = os.path.join("/sys/fs/cgroup", h, self.name)
            if os.path.isdir(top):
                os.rmdir(top)
        shutil.rmtree(self.dir)
        assert (left, status) == ([], 0), (left, status)


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
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": sorted(os.getgroups()), "umask": umask,
    "status": {k: v.strip() for k, v in status.items()}, "cwd": os.getcwd(),
    "fds": {n: os.readlink("/proc/self/fd/" + n) for n in os.listdir("/proc/self/fd") if int(n) < 100
            and os.path.exists("/proc/self/fd/" + n)},
    "env": dict(os.environ), "tmp": os.listdir("/tmp"), "shm": os.listdir("/dev/shm"),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "uids": sorted({os.stat("/proc/" + p).st_uid for p in os.listdir("/proc") if p.isdigit()}),
    "ipc": os.readlink("/proc/self/ns/ipc"), "mnt": os.readlink("/proc/self/ns/mnt"),
    "sock": tries(lambda: __import__("socket").socket(1, 5).connect(DIR + "/sock")),
    "spool": tries(lambda: os.listdir(DIR + "/spool")), "logs": tries(lambda: os.listdir(DIR + "/logs")),
    "jobs": tries(lambda: os.listdir(DIR + "/jobs")), "setuid": tries(lambda: os.setuid(0)),
    "mknod": tries(lambda: os.mknod("null", 0o20666, os.makedev(1, 3))),
    "random": tries(lambda: open("/dev/urandom", "rb").read(1)),
    "cgroup": tries(lambda: open("/sys/fs/cgroup/unified/cgroup.procs", "w").write("0")),
}, open("probe.json", "w"))
"""


class AgentTest(unittest.TestCase):
    def agent(self, **settings):
        agent = Agent(**settings)
        self.addCleanup(agent.close)
        return agent

    def refused(self, errno, f, *args, **kwargs):
        with self.assertRaises(Refused) as caught:
            f(*args, **kwargs)
        self.assertEqual(caught.exception.errno, errno, caught.exception)
        return caught.exception

    def go(self, a):
        """A pipe that a job can wait at."""
        path = a.pipe_path + ".go"
        os.mkfifo(path)
        os.chmod(path, 0o666)
        return path

    def let_go(self, path):
        with open(path, "w", encoding="utf8") as f:
            f.write("on\n")

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
        self.assertEqual(int(p["status"]["SigIgn"], 16) & ~(1 << 12 | 1 << 24), 0)  # Python's own
        self.assertEqual((p["umask"], p["cwd"], p["core"]), (0o77, a.job_path(), [0, 0]))
        self.assertLessEqual(set(p["fds"]), {"0", "1", "2", "3"}, p["fds"])  # 3: Python's own listing
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
        self.assertEqual({k: v for k, v in p["env"].items() if k not in ("MASTER_PORT", "LC_CTYPE")}, {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "SHELL": "/bin/bash", "HOME": job,
            "USER": "alice", "LOGNAME": "alice", "TMPDIR": "/tmp", "FIREFLY_JOB_ID": "1",
            "FIREFLY_ATTEMPT": "1", "FIREFLY_JOB_DIR": job, "FIREFLY_PROJECT": "p",
            "FIREFLY_PROJECT_DIR": a.path("projects", "p"), "FIREFLY_GPUS": "2,3", "FIREFLY_NODES": "n1",
            "FIREFLY_NODE": "0", "FIREFLY_RESUME": "1", "FIREFLY_TIME_LIMIT_S": "60",
            "FIREFLY_CHECKPOINT_DIR": job + "/checkpoint", "CUDA_VISIBLE_DEVICES": "2,3",
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0",
            "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"})
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
            self.assertEqual((end["exit_code"], end["signal"], end["cause"]), (code, 0, "natural"), script)
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
        a.run("t1", "trap 'echo saved; exit 3' TERM; echo up; while :; do read -t 1 < /dev/zero; done",
              limit_ms=700)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["cause"]), (3, "limit"))
        self.assertIn("saved", a.log())
        a.run("t2", "trap '' TERM; while :; do read -t 1 < /dev/zero; done", attempt=2, limit_ms=300,
              grace_ms=300)
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
        self.assertIn("limit", str(self.refused("EALREADY", a.ask, "limit", token="t1", limit_ms=60000)))
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
        a.run("t1", f"setsid sh -c 'echo ready > {a.pipe_path}; sleep 1000' & read x < {go}; exit 0")
        read_line(a.pipe, "the escapee")
        inside = a.members()
        self.let_go(go)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["cause"], end["is_left"]), (0, "natural", False))
        self.assertEqual({p for p in inside if is_alive(p)}, set())

    def test_a_fork_bomb_stays_inside_and_ends(self):
        a = self.agent()
        a.run("t1", f"b() {{ b | b & }}; echo ready > {a.pipe_path}; b; sleep 1000", pids_max=60,
              grace_ms=0, limit_ms=1500)
        read_line(a.pipe, "the bomb")
        end = a.finish("t1")
        self.assertEqual((end["cause"], end["is_left"]), ("limit", False))
        self.assertEqual(a.members(), set())

    def test_the_log_has_a_cap_and_never_stops_the_job(self):
        a = self.agent()
        a.run("t1", "echo head; head -c 5000000 /dev/zero | tr '\\0' x; echo tail", log_max=10000)
        end = a.finish("t1")
        self.assertEqual((end["exit_code"], end["log_bytes"]), (0, 10000))
        self.assertEqual(end["log_dropped"], 5000000 + 10 - 10000)
        self.assertTrue(a.log().startswith("head\nxxx"))
        self.assertTrue(a.log().endswith("[firefly: the log is cut here: 10000 bytes kept, "
                                         f"{end['log_dropped']} dropped]\n"))

    def test_memory_above_the_limit_is_recorded(self):
        a = self.agent()
        a.run("t1", "exec python3 -c 'x = bytearray(400 << 20); print(len(x))'", memory_bytes=200 << 20)
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

    def test_an_agent_killed_during_a_start_listens_again_at_once_and_code_runs_at_most_once(self):
        a = self.agent()
        for i in range(1, 13):
            token, fd = f"t{i}", memfd(spec(script=f"echo ran > {a.pipe_path}"))
            head = {"epoch": 1, "deadline_ms": int(time.time() * 1000) + 20000}
            a.wire.send({"verb": "start", "id": 1, **head, **a.request(token, attempt=i)}, [fd])
            os.close(fd)
            until = time.perf_counter() + i * 0.0005  # a different moment of the start each time
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
            self.assertFalse(select.select([a.pipe], [], [], 0)[0], "ran twice, or without a record")

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
        a.run("t1", f"trap '' TERM; echo ready > {a.pipe_path}; setsid sleep 1000 & sleep 1000; :")
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

    def test_a_token_starts_once(self):
        a = self.agent()
        fd = memfd(spec(script=f"echo ran > {a.pipe_path}"))
        head = {"epoch": 1, "deadline_ms": int(time.time() * 1000) + 20000}
        for i in (101, 102):
            a.wire.send({"verb": "start", "id": i, **head, **a.request("t1")}, [fd])
        replies = {r["id"]: r for r in (a.wire.receive()[0], a.wire.receive()[0])}
        self.assertTrue(replies[101]["ok"])
        self.assertEqual(replies[102]["errno"], "EEXIST")
        a.finish("t1")
        os.close(fd)
        self.assertEqual(self.refused("EEXIST", a.run, "t1", "echo no").reply["state"], "over")
        read_line(a.pipe, "the one run")
        self.assertFalse(select.select([a.pipe], [], [], 0)[0])

    def test_old_epochs_and_late_calls_are_refused(self):
        a = self.agent()
        a.epoch = 7
        a.ask("hello")
        self.refused("ESTALE", a.ask, "list", epoch=6)
        self.refused("ETIME", a.ask, "list", deadline_ms=int(time.time() * 1000) - 5)
        late = self.refused("ETIME", a.run, "t1", "echo no", deadline_ms=1)
        self.assertIn("deadline", str(late))
        a.kill()
        a.start()
        self.refused("ESTALE", a.ask, "hello", epoch=6)
        self.assertEqual(a.states(), {})

    def test_accounts_it_may_not_have_are_refused(self):
        a = self.agent()
        good = a.request("x")["account"]
        for bad in ({"uid": 0}, {"gid": 0}, {"groups": [0]}, {"uid": 199999}, {"uid": 300000},
                    {"gid": 100}, {"groups": [STAFF, 6]}, {"uid": SERVICE}):
            self.refused("EPERM", a.run, "t1", "id", account={**good, **bad})
        for bad in ({"uid": -1}, {"uid": 2**32 - 1}, {"uid": 2**32 + ALICE}, {"uid": "200001"},
                    {"uid": 200001.0}, {"name": "../x"}, {"name": "a\nb"}, {"groups": [True]}):
            with self.assertRaises(Refused, msg=bad):
                a.run("t1", "id", account={**good, **bad})
        self.assertEqual((a.states(), a.cgroups(), os.listdir(a.path("jobs"))), ({}, [], []))

    def test_bad_requests_are_refused_and_leave_nothing(self):
        a = self.agent()
        for bad in ({"token": "../t"}, {"token": ""}, {"token": "T"}, {"token": "a" * 65}, {"job": 0},
                    {"job": "1/../2"}, {"project": "../p"}, {"project": ".."}, {"nodes": []},
                    {"nodes": ["a,b"]}, {"node": 1}, {"limit_ms": 0}, {"limit_ms": -1},
                    {"log_max": 2**62}, {"gpus": [{"index": 0, "device": "/dev/vda"}]},
                    {"gpus": [{"index": 0, "device": "/dev/nvidia0/../vda"}]},
                    {"gpus": [{"index": 0, "device": "/dev/nvidia99"}]}, {"memory_bytes": -1}):
            with self.assertRaises(Refused, msg=bad):
                a.run(bad.get("token", "t1"), "id", **{k: v for k, v in bad.items() if k != "token"})
        unsealed = memfd(spec(script="id"), sealed=False)
        self.refused("EINVAL", a.ask, "start", [unsealed], **a.request("t1"))
        os.close(unsealed)
        self.refused("EINVAL", a.ask, "start", **a.request("t1"))
        self.refused("ENOSYS", a.ask, "open")
        self.refused("ENOENT", a.ask, "stop", token="t9", why="x", grace_ms=0)
        self.assertEqual((a.states(), a.cgroups(), os.listdir(a.path("jobs"))), ({}, [], []))
        a.run("t1", "exit 0")
        self.assertEqual(a.finish("t1")["exit_code"], 0)

    def test_a_start_that_fails_leaves_nothing(self):
        a = self.agent()
        os.chmod(a.path("jobs"), 0o700)  # the user cannot enter: told by the task, before any user code
        self.assertIn("Permission denied", str(self.refused("EACCES", a.run, "t1", "id")))
        self.assertEqual((a.states(), a.cgroups(), os.listdir(a.path("jobs"))), ({}, [], []))
        os.chmod(a.path("jobs"), 0o711)
        os.chmod(a.path("logs"), 0o500)  # the service cannot write: told by the keeper's side
        os.chown(a.path("logs"), 0, 0)
        self.refused("EACCES", a.run, "t1", "id")
        self.assertEqual((a.states(), a.cgroups(), os.listdir(a.path("jobs"))), ({}, [], []))

    def test_a_foreign_or_planted_job_folder_is_refused(self):
        a = self.agent()
        os.symlink("/etc", a.path("jobs", "1"))
        self.refused("EPERM", a.run, "t1", "id")
        os.mkdir(a.path("jobs", "2"), 0o700)
        os.chown(a.path("jobs", "2"), BOB, BOB)
        self.refused("EPERM", a.run, "t1", "id", job=2)
        self.assertEqual(os.stat("/etc").st_uid, 0)
        self.assertEqual((a.states(), a.cgroups()), ({}, []))

    def test_a_link_planted_by_the_user_leads_nowhere(self):
        a = self.agent()
        a.run("t1", f"rm -rf .firefly; ln -s {a.path('spool')} .firefly; ln -s /etc/passwd checkpoint")
        self.assertEqual(a.finish("t1")["exit_code"], 0)
        a.run("t2", "echo user code", attempt=2)
        self.assertEqual(a.finish("t2")["exit_code"], 125)
        self.assertNotIn("user code", a.log(attempt=2))
        self.assertEqual(sorted(os.listdir(a.path("spool"))), ["t1", "t2"])

    def test_other_uids_are_not_heard(self):
        a = self.agent()
        os.chmod(a.path("sock"), 0o666)
        code = ("import socket,sys\ns=socket.socket(1,5)\ns.settimeout(20)\ns.connect(sys.argv[1])\n"
                "try:\n s.send(b'{}')\n sys.exit(s.recv(9)!=b'')\n"
                "except (BrokenPipeError, ConnectionResetError): pass\n")
        peer = ["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups", "python3", "-c", code]
        self.assertEqual(subprocess.run(peer + [a.path("sock")], check=False).returncode, 0)
        a.ask("hello")

    def test_what_is_no_request_closes_the_connection(self):
        a = self.agent()
        for junk in (b"x", b"[]", b"{}", b'{"verb":7}', b'{"verb":"a","verb":"b"}', b"\0" * 70000,
                     b'{"verb":"hello","id":-1}', b"{" * 3000):
            a.wire.sock.send(junk)
            with self.assertRaises(ConnectionResetError, msg=junk[:20]):
                a.wire.receive()
            a.wire.close()
            a.connect()
        a.wire.send({"verb": "hello", "id": 1}, [a.pipe, a.pipe])
        with self.assertRaises(ConnectionResetError):
            a.wire.receive()
        a.wire.close()
        a.connect()
        self.refused("EINVAL", a.wire.ask, "hello")  # without epoch and deadline


class FilesTest(unittest.TestCase):
    def setUp(self):
        self.a = Agent()
        self.addCleanup(self.a.close)
        self.a.run("t1", "mkdir d; echo hello > d/f; ln -s /etc/passwd link; ln -s / d/root; mkfifo fifo;"
                         "ln -s d dlink; mkdir e; touch $'bad\\nname' $'not\\xffutf8'")
        self.assertEqual(self.a.finish("t1")["exit_code"], 0)
        self.files = self.open(job=1)

    def open(self, account=None, **fields):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        account = account or {"name": "alice", "uid": ALICE, "gid": ALICE, "groups": [STAFF]}
        wire = Wire(ours)
        self.addCleanup(wire.close)
        try:
            self.a.ask("files", [theirs.fileno()], account=account, **fields)
        finally:
            theirs.close()
        return wire

    def refused(self, errno, verb, fds=(), **fields):
        with self.assertRaises(Refused, msg=fields) as caught:
            self.files.ask(verb, fds, **fields)
        self.assertIn(caught.exception.errno, errno if isinstance(errno, tuple) else (errno,), fields)

    def test_list_open_write_rename_remove(self):
        f = self.files
        listed = f.ask("list", path=".")
        self.assertEqual([(e["name"], e["type"]) for e in listed["entries"]],
                         [(".firefly", "folder"), ("checkpoint", "folder"), ("d", "folder"),
                          ("dlink", "link"), ("e", "folder"), ("fifo", "other"), ("link", "link")])
        self.assertEqual((listed["more"], listed["hidden"]), (False, 2))
        reply, fd = f.ask("open", path="d/f")
        self.assertEqual((os.read(fd, 100), reply["size_bytes"]), (b"hello\n", 6))
        os.close(fd)
        data = memfd(b"new bytes")
        self.assertEqual(f.ask("write", [data], path="e/g", offset=3)["written_bytes"], 9)
        os.close(data)
        path = self.a.job_path("e", "g")
        with open(path, "rb") as g:
            self.assertEqual(g.read(), b"\0\0\0new bytes")
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_mode & 0o777), (ALICE, 0o600))
        f.ask("mkdir", path="e/h")
        f.ask("rename", path="e/g", to="e/h/i")
        self.refused("EEXIST", "rename", path="d/f", to="e/h/i")
        self.refused("ENOTEMPTY", "remove", path="e")
        f.ask("remove", path="e/h/i")
        f.ask("remove", path="e/h")
        f.ask("remove", path="link")
        self.assertTrue(os.path.exists("/etc/passwd"))

    def test_nothing_leads_out(self):
        out = ("EXDEV", "ELOOP", "EINVAL", "ENOTDIR")
        for path in ("/etc/passwd", "../1/d/f", "..", "d/../../2", "link", "d/root/etc/passwd", "dlink/f",
                     "d/root", "/", "", "//", "/proc/self/root/etc/passwd", ".."):
            self.refused(out, "open", path=path)
            self.refused(out + ("EISDIR",), "list", path=path)
            data = memfd(b"x")
            self.refused(out, "write", [data], path=path, offset=0)
            os.close(data)
        for path in ("../x", "/tmp/x", "d/root/tmp/x", "dlink/x", "..", ".", "d/..", ""):
            self.refused(out, "mkdir", path=path)
            self.refused(out, "remove", path=path)
            self.refused(out, "rename", path="d/f", to=path)
            self.refused(out, "rename", path=path, to="z")

    def test_only_regular_files_are_opened(self):
        self.refused("EINVAL", "open", path="fifo")
        self.refused("EISDIR", "open", path="d")
        data = memfd(b"x")
        self.refused(("EINVAL", "ENXIO"), "write", [data], path="fifo", offset=0)
        self.refused("EISDIR", "write", [data], path="d", offset=0)
        self.refused(("EINVAL", "ERANGE"), "write", [data], path="n", offset=-1)
        os.close(data)
        r, w = os.pipe()
        self.refused("EINVAL", "write", [r], path="n", offset=0)
        self.refused("EINVAL", "write", path="n", offset=0)
        os.close(r)
        os.close(w)
        self.assertFalse(os.path.exists(self.a.job_path("n")))

    def test_a_large_folder_comes_in_parts(self):
        for i in range(250):
            open(self.a.job_path("e", f"{i:03}" + "\"" * 200), "w", encoding="utf8").close()
        os.chown(self.a.job_path("e"), ALICE, ALICE)
        names, after, more = [], "", True
        while more:
            reply = self.files.ask("list", path="e", after=after)
            names += [e["name"] for e in reply["entries"]]
            after, more = names[-1], reply["more"]
        self.assertEqual(names, sorted(os.listdir(self.a.job_path("e"))))

    def test_another_account_gets_nothing(self):
        bob = {"name": "bob", "uid": BOB, "gid": BOB, "groups": []}
        for account, errno in ((bob, "EACCES"), ({**bob, "uid": 0}, "EPERM")):
            with self.assertRaises(Refused) as caught:
                self.open(account=account, job=1)
            self.assertEqual(caught.exception.errno, errno)

    def test_a_project_folder_belongs_to_its_group(self):
        project = self.open(job=0, project="p", project_gid=STAFF)
        project.ask("mkdir", path="shared")
        st = os.stat(self.a.path("projects", "p"))
        self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777), (0, STAFF, 0o2770))
        with self.assertRaises(Refused):
            self.open(account={"name": "bob", "uid": BOB, "gid": BOB, "groups": []}, job=0, project="p",
                      project_gid=STAFF)

    def test_it_ends_with_its_socket(self):
        with open(f"/proc/{self.a.process.pid}/task/{self.a.process.pid}/children", encoding="utf8") as f:
            children = [int(p) for p in f.read().split()]
        files = [p for p in children if is_alive(p)]
        self.assertEqual(len(files), 1)
        self.files.close()
        wait_end(files[0], "runner-files")


class PlainUserTest(unittest.TestCase):
    """An agent that is not root: all as one uid, nothing enforced by cgroups, everything else the same."""

    def setUp(self):
        self.a = Agent(prefix=["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups"])
        self.addCleanup(self.a.close)

    def test_a_job_runs_stops_and_leaves_nothing(self):
        a = self.a
        hello = a.ask("hello")
        self.assertEqual((hello["is_root"], hello["uid"]), (False, ALICE))
        self.assertEqual(set(hello["enforced"].values()), {"no"})
        self.assertEqual(set(hello["private"].values()), {False})
        a.run("t1", "echo $TMPDIR; exit 6", account={"name": "alice", "uid": ALICE, "gid": ALICE, "groups": []})
        self.assertEqual(a.finish("t1")["exit_code"], 6)
        self.assertEqual(a.log(), a.job_path(".firefly/tmp") + "\n")
        a.run("t2", f"trap '' TERM; setsid sh -c 'echo $$ > {a.pipe_path}; sleep 1000; :' & sleep 1000; :",
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
    if os.geteuid() != 0:
        sys.exit("tests/flow/test_agent.py needs root: it starts jobs as other users")
    unittest.main()

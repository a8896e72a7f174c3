# SPDX-License-Identifier: Apache-2.0
"""The real runner-agent, -keeper, -task and -files for a test, asked through their socket.

Each test has an agent of its own in a temporary folder with a cgroup name of its own, ends
every process it started by its pid, and leaves no cgroup. Jobs speak to the tests through a
named pipe, and a test waits for events alone: a line in that pipe, the end of a process by its
pidfd."""
import array
import fcntl
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
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([json.dumps(body).encode()], rights)

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
        F_ADD_SEALS, SEALS = 1033, 0x2 | 0x4 | 0x8
        fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    return fd


def spec(**fields):
    request = {"kind": "batch", "name": "t", "project": "p", "allocation": 0, "nodes": 1,
               "gpus_per_node": 1, "gpu_type": "any", "cpus": 0, "memory_bytes": 0,
               "time_limit_ms": 60000, "env": {}, "checkpoint": False,
               "checkpoint_interval_ms": 0, "retries": 0, "priority": "normal"}
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
        keys = {"socket": self.path("sock"), "state": self.path("state"),
                "spool": self.path("spool"), "logs": self.path("logs"),
                "jobs_root": self.path("jobs"), "projects_root": self.path("projects"),
                "programs": self.programs, "cgroup": self.name}
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
        account = {"name": "alice", "uid": ALICE, "gid": ALICE,
                   "groups": [STAFF] if self.is_root else []}
        return {"token": token, "job": job, "attempt": attempt, "account": account,
                "project": "p", "gpus": [], "nodes": ["n1"], "node": 0, "cpus": 0,
                "memory_bytes": 0, "pids_max": 200, "limit_ms": 60000, "grace_ms": 5000,
                "log_max": 1 << 20, "resume": False, **fields}

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


class AgentTest(unittest.TestCase):
    """An agent of its own for each test, with what a test does to it."""

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


def main():
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]} needs root: it starts jobs as other users")
    unittest.main()

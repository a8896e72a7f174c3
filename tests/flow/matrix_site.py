# SPDX-License-Identifier: Apache-2.0
"""A site that faults are done to: its programs can be made to wait at a point (FP("…")), be
killed, stopped, cut off from each other, and be out of room.

A program waits at a point by stopping itself there, once, when its gate is open: a gate is a
file that is not there (runner/base/fault_point.c). What a fault lasts is time and no event, so
here, unlike elsewhere, something sleeps."""
import contextlib
import ctypes
import json
import os
import pathlib
import select
import signal
import socket
import stat
import threading
import time

import sites
from agents import Wire

from portal.embedded import process
from portal.embedded.layout import RUNNER_UID

STOP_S = 5.0   # how long a stopped program stays stopped
AWAY_S = 0.3   # how long a killed one is away at least, for the others to notice
GATE_S = 20
QUIET_S = 30
FULL_BYTES = 2 << 20
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, CLONE_NEWNS, MS_REC, MS_PRIVATE = 434, 438, 0x20000, 16384, 1 << 18
IN_MOVED_TO, IN_CREATE = 0x80, 0x100
libc = ctypes.CDLL(None, use_errno=True)


class Misplaced(Exception):
    """The site did not come to where the fault was to be done: nothing was tried."""


class Evidence(threading.Thread):
    """Keeps what the executor's folder has shown of each attempt, while it is there: runnerd
    removes it when it has read it, and what it should have read is judged by this. Of one that
    is gone it notes when, as "gone_ms"."""

    def __init__(self, folder, is_spool):
        super().__init__(daemon=True)
        self.folder, self.is_spool, self.seen, self.is_over = folder, is_spool, {}, False
        self.notes = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.watched = set()

    def run(self):
        with open(self.notes, "rb", buffering=0) as notes:
            while not self.is_over:
                with contextlib.suppress(OSError):
                    self.look()
                if select.select([notes], [], [], 0.05)[0]:
                    notes.read(65536)

    def look(self):
        self._watch(self.folder)
        names = {n for n in os.listdir(self.folder) if len(n) == 32}
        for name in names:
            path = pathlib.Path(self.folder, name)
            if self.is_spool:
                self._watch(path)
            self._keep(self.seen.setdefault(name, {}), path)
        for name in self.seen.keys() - names:
            self.seen[name].setdefault("gone_ms", int(time.time() * 1000))

    def _watch(self, path):
        if path not in self.watched:
            self.watched.add(path)
            libc.inotify_add_watch(self.notes, str(path).encode(), IN_CREATE | IN_MOVED_TO)

    def _keep(self, found, path):
        names = ("start", "beat", "exit") if self.is_spool else ("",)
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                found[name] = json.loads((path / name if name else path).read_text())

    def of(self, token):
        return self.seen.get(token, {})


class MatrixSite:
    """Of a lane. A context: started, and ended with its complaints in `complaints`."""

    def __init__(self, lane):
        self.is_fake = lane.executor == "fake"
        self.folders = lane.folders
        if self.folders:  # mounts that nobody else sees, and that end with us
            libc.unshare(CLONE_NEWNS)
            libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
        self.site = sites.new_site(executor=lane.executor)
        self.top = self.site.folder.parent
        self.gates = self._folder("gates", 0o777)
        options = {"runner": {"grace": "5s"}}
        if self.is_fake:
            options["fake"] = {"folder": self._folder("fake", 0o700), "start": f"{lane.start_s}s"}
        self.site.options = options
        self.points, self.complaints = {}, []
        self.evidence = Evidence(self.top / "fake" if self.is_fake else
                                 self.site.folder / "spool", not self.is_fake)

    def _folder(self, name, mode):
        path = self.top / name
        path.mkdir()
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, RUNNER_UID, RUNNER_UID)
        return path

    def __enter__(self):
        self.top.chmod(0o755)
        for name in self.folders:
            self._mount(name)
        try:
            self.site.start()
        except BaseException:
            sites.shutil.rmtree(self.top, ignore_errors=True)
            raise
        self.evidence.start()
        self.alice = self.site.session("alice", "north")
        self.alice.load_token()
        return self

    def __exit__(self, *_):
        self.evidence.is_over = True
        self.evidence.join()
        self.complaints += self.site.stop()
        for name in self.folders:
            libc.umount2(str(self.site.folder / name).encode(), 2)
        sites.shutil.rmtree(self.top, ignore_errors=True)

    def _mount(self, name):
        path = self.site.folder / name
        path.mkdir(parents=True, mode=0o755)
        mode = "0711" if name == "jobs" else "0700"
        uid = 0 if name == "jobs" else RUNNER_UID
        options = f"size={FULL_BYTES},mode={mode},uid={uid},gid={uid}"
        if libc.mount(b"none", str(path).encode(), b"tmpfs", 0, options.encode()):
            raise OSError(ctypes.get_errno(), f"{path}: tmpfs")

    # ---- gates

    def set_point(self, point):
        """The program that passes it will wait there when its gate is next opened."""
        name = program_of(point)
        if self.points.get(name) == point:
            return
        once = self.gates / name
        once.touch()
        self.points[name] = point
        self.site.environments[name] = {"FIREFLY_FAULT_POINT": point, "FIREFLY_FAULT": "stop",
                                        "FIREFLY_FAULT_ONCE": str(once)}
        self.site.stop_one(name)
        self.site.start_one(name)

    def open_gate(self, point):
        (self.gates / program_of(point)).unlink()

    def close_gate(self, point):
        """Nobody came."""
        (self.gates / program_of(point)).touch()

    def wait_gate(self, point):
        """The pid of who waits there."""
        name = program_of(point)
        try:
            process.wait_until((self.gates / name).exists, GATE_S, what=f"somebody at {point}")
            pids = [self.site.pid(name)]
            if point.startswith("birth."):
                pids = process.children_of(pids[0])
            return process.wait_until(lambda: next((p for p in pids if is_stopped(p)), None), 5,
                                      what=f"who waits at {point}")
        except TimeoutError as e:
            self.close_gate(point)
            raise Misplaced(str(e)) from None

    # ---- faults

    def cut(self, what):
        """The connection breaks under both who hold it."""
        if what == "agents-socket":
            shut_sockets(self.site.pid("runnerd"), str(self.site.agent_socket))
            return
        user = "firefly_portal" if what == "portals-database" else "firefly_runner"
        rows = self.site.sql("SELECT id FROM information_schema.processlist "
                             f"WHERE user LIKE '{user}%'")
        for row in rows:
            with contextlib.suppress(Exception):  # it may have gone by itself
                self.site.sql(f"KILL CONNECTION {row[0]}")
        if not rows:
            raise Misplaced(f"{user} has no connection to cut")

    @contextlib.contextmanager
    def full(self, name):
        """The folder's file system has no room for one byte more."""
        ballast = self.site.folder / name / "ballast"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as f:
            while True:
                f.write(b"x" * 4096)
        yield
        ballast.unlink()

    def knock(self, times):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(str(self.site.runner_socket))
            wire = Wire(s)
            for _ in range(times):
                wire.ask("knock")

    def ask_agent(self, verb, fds=(), **fields):
        """As the runnerd that is active."""
        epoch = int(self.site.sql("SELECT epoch FROM lease")[0][0])
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(str(self.site.agent_socket))
            return Wire(s).ask(verb, fds, epoch=epoch,
                               deadline_ms=int(time.time() * 1000) + 5000, **fields)

    def mend(self):
        """After a cell that did not hold, for the next one: all programs run."""
        for name in ("mariadb", "agent", "runnerd", "portald"):
            with contextlib.suppress(Exception):
                process.kill(self.site.pid(name), signal.SIGCONT)
                continue
            self.site.start_one(name)

    # ---- what is left of attempts

    def left(self):
        """Traces of attempts, of any kind."""
        if self.is_fake:
            return [n for n in os.listdir(self.top / "fake") if n != "epoch"]
        found = [n for n in os.listdir(self.site.folder / "spool") if n != "ballast"]
        for root in ("unified", "memory", "pids", "cpu", "devices", ""):
            top = pathlib.Path("/sys/fs/cgroup", root, self.site.cgroup)
            if top.is_dir():
                found += [f"{top}/{d.name}" for d in top.iterdir() if d.is_dir()]
        return found + [f"process {pid}" for pid in self._processes()]

    def _processes(self):
        """Of keepers and tasks."""
        wanted = {str(self.site.program(n)) for n in ("runner-keeper", "runner-task")}
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/exe") in wanted:
                    found.append(entry)
        return found


def program_of(point):
    kind = point.partition(".")[0]
    if point in ("place.asking", "place.answered", "cancel.asking", "cancel.answered"):
        return "portald"
    return "agent" if kind in ("agent", "birth") else "runnerd"


def is_stopped(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    return False


def shut_sockets(pid, path):
    """Shuts the connections to `path` that another process has."""
    found = 0
    pidfd = libc.syscall(SYS_PIDFD_OPEN, pid, 0)
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(SYS_PIDFD_GETFD, pidfd, int(name), 0)
        if fd < 0:
            continue
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as s:
                if s.getpeername() == path:
                    s.shutdown(socket.SHUT_RDWR)
                    found += 1
        os.close(fd)  # whatever it is: a lock among them would be held by us too
    os.close(pidfd)
    if not found:
        raise Misplaced(f"process {pid} has no connection to {path}")

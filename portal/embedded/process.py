# SPDX-License-Identifier: Apache-2.0
"""Starting a long-running program so that it can always be found and ended again: by its pid.

A child runs in its own session (so Ctrl-C reaches the one who stops everything in order, not
the children), as a given uid, with its output in a file, and is told to end when its parent
dies, however that happens. Nothing here ever looks for a process by its name."""
import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def end_with(parent):
    """Runs in the child before exec. Set after the uid, because a change of uid takes it
    away."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def prepare(parent, procs):
    if procs:
        with open(procs, "w") as f:
            f.write("0")
    end_with(parent)


def start(args, log, uid=None, groups=(), env=None, cwd="/", cgroup=None):
    """Starts args[0] with its output appended to the file `log`. uid None: our own; otherwise
    that uid and gid, and `groups`. cgroup: a folder that it is in from its first moment on.
    Call from the main thread: the child ends with the thread that made it."""
    parent = os.getpid()
    enter = f"{cgroup}/cgroup.procs" if cgroup else None
    identity = {} if uid is None else {"user": uid, "group": uid, "extra_groups": list(groups)}
    with open(log, "ab") as out:
        return subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=out,
                                stderr=out, cwd=cwd, env=env, start_new_session=True,
                                preexec_fn=lambda: prepare(parent, enter), **identity)


def stop(child, patience=10):
    """TERM, then KILL after `patience` seconds. Returns the exit status (negative: the
    signal)."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def wait_until(is_true, seconds, child=None, what="it"):
    """Looks every few milliseconds, until is_true() gives something true, which is returned.
    Fails when the child has ended or the time is over."""
    until = time.monotonic() + seconds
    pause = 0.002
    while True:
        found = is_true()
        if found:
            return found
        if child and child.poll() is not None:
            raise RuntimeError(f"{what}: ended with status {child.returncode}")
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def children_of(pid):
    """All living descendants, the nearest first."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found = list(parents.get(pid, []))
    for descendant in found:
        found += parents.get(descendant, [])
    return found


def kill(pid, number=signal.SIGKILL):
    """0 too when it has gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass

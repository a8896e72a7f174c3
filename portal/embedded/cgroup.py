# SPDX-License-Identifier: Apache-2.0
"""Control groups of a name of our own: where they are, and ending them with all that runs in
them.

A process that left its parent, its session and its terminal still is in its group, so a group
is what a whole family can be ended by."""
import contextlib
import os
import pathlib

from . import process

TOP = pathlib.Path("/sys/fs/cgroup")
END_S = 10


def cgroup_roots():
    """cgroup2, wherever it is mounted, and the version 1 controllers beside it."""
    return [TOP, *(p for p in TOP.glob("*") if (p / "cgroup.procs").exists())]


def unified_root():
    """Of the version 2 hierarchy; None if there is none that this user may write."""
    for root in (TOP / "unified", TOP):
        if (root / "cgroup.controllers").exists() and os.access(root / "cgroup.procs", os.W_OK):
            return root
    return None


def remove_cgroup(folder):
    """With the groups below it and whoever is in them."""
    for path, _, _ in os.walk(folder, topdown=False):
        group = pathlib.Path(path)
        with contextlib.suppress(FileNotFoundError):
            process.wait_until(lambda g=group: is_emptied(g), END_S, what=f"the end of {group}")
            group.rmdir()


def is_emptied(group):
    """Kills whoever is in it; True when nobody was. What is frozen is thawed: it could not
    die."""
    frozen = group / "freezer.state"
    if frozen.exists():
        frozen.write_text("THAWED")
    pids = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    for pid in pids:
        process.kill(pid)
    return not pids

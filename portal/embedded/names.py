# SPDX-License-Identifier: Apache-2.0
"""Names for the people of the embedded site, for this program and what it starts: nobody else
on the machine sees them.

Slurm runs a job only for a user whom getpwuid() knows. enter() gives the program a mount
namespace of its own (as `unshare -m` would), in which /etc/passwd, /etc/group and /etc/hosts
are copies that users can be added to, and in which the machine's own name means 127.0.0.1. The
copies have no name outside and are gone with the last process inside. Needs root.

    names.enter()
    names.add([Account("alice", 200000)])
"""
import ctypes
import dataclasses
import os
import pwd
import socket
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PASSWD, GROUP, HOSTS = "/etc/passwd", "/etc/group", "/etc/hosts"
NSCD = "/run/nscd"

is_inside = False


@dataclasses.dataclass(frozen=True)
class Account:
    """gid None: a group of the same name and number, as the portal gives them."""
    name: str
    uid: int
    gid: int = None
    home: str = "/"


def enter(accounts=()):
    """Once in the life of a program, later calls only add. Call from the main thread, before
    anything is started that shall see the names."""
    global is_inside
    if not is_inside:
        if os.geteuid() != 0:
            raise PermissionError("names of one's own need a mount namespace, and that needs "
                                  "root")
        check(libc.unshare(CLONE_NEWNS), "unshare")
        mount(None, "/", MS_REC | MS_PRIVATE)
        hide_nscd()
        for path in (PASSWD, GROUP):
            replace(path, read(path))
        replace(HOSTS, f"127.0.0.1 {socket.gethostname()}\n{read(HOSTS)}")
        is_inside = True
    add(accounts)


def add(accounts):
    """Who is there already stays, if the uid is the same."""
    if not is_inside:
        raise RuntimeError("names.add() before names.enter() would change the machine's users")
    for a in accounts:
        gid = a.uid if a.gid is None else a.gid
        if known_uid(a.name) is None:
            append(GROUP, f"{a.name}:x:{gid}:\n")
            append(PASSWD, f"{a.name}:x:{a.uid}:{gid}::{a.home}:/bin/bash\n")
        elif known_uid(a.name) != a.uid:
            raise ValueError(f"the user {a.name} is there with uid {known_uid(a.name)}, not "
                             f"{a.uid}")


def remove(accounts):
    """Those of a site that has ended: the next one may give them other uids."""
    if not is_inside:
        raise RuntimeError("names.remove() before names.enter() would change the machine's users")
    gone = tuple(f"{a.name}:" for a in accounts)
    for path in (PASSWD, GROUP):
        lines = read(path).splitlines(keepends=True)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as f:  # it is mounted
            f.writelines(line for line in lines if not line.startswith(gone))


def add_hosts(hosts):
    """Other names for this machine: of nodes that are all here, and that jobs look for."""
    if not is_inside:
        raise RuntimeError("names.add_hosts() before names.enter() would change the machine's")
    there = read(HOSTS).split()
    for host in hosts:
        if host not in there:
            append(HOSTS, f"127.0.0.1 {host}\n")


def accounts_of(site):
    """Everybody whom a running site has given an account: those who have logged in once."""
    rows = site.sql("SELECT unix_name, uid, gid FROM account ORDER BY uid")
    return [Account(name, int(uid), int(gid)) for name, uid, gid in rows]


def known_uid(name):
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def bind(source, target):
    """In our namespace `target` is `source` from now on."""
    mount(source, target, MS_BIND)


def unbind(target):
    check(libc.umount2(os.fsencode(target), 0), f"umount {target}")


def replace(path, text):
    """The copy is unlinked at once; only the mount holds it."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as copy:
        copy.write(text)
        copy.flush()
        os.chmod(copy.name, 0o644)
        bind(copy.name, path)


def hide_nscd():
    """A cache that answers instead of the files would say that there are no such users."""
    if os.path.isdir(NSCD):
        with tempfile.TemporaryDirectory() as empty:
            bind(empty, NSCD)


def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def append(path, line):
    with open(path, "a", encoding="utf-8") as f:
        f.write(line)


def mount(source, target, flags):
    source = os.fsencode(source) if source else None
    check(libc.mount(source, os.fsencode(target), None, ctypes.c_ulong(flags), None),
          f"mount {target}")


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")

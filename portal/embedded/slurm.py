# SPDX-License-Identifier: Apache-2.0
"""A private Slurm in a folder of its own: four nodes on one machine, with GPUs that are only
declared.

munged, slurmdbd (in the site's MariaDB), slurmctld and one slurmd for each node, on ports of
127.0.0.1; two copies do not meet. The GPUs are device nodes without a driver: jobs are given
them, and kept off the others', but opening one says ENXIO. Users are those of names.py, so the
whole Slurm lives in its mount namespace, and clients are to be started in it, too.

    with Slurm("/tmp/x/slurm", database) as slurm:             # a Mariadb that runs
        names.add([names.Account("alice", 200000)])
        slurm.add_user("alice")
        subprocess.run(["sinfo"], env={**os.environ, **slurm.env()})

The folder is kept: a second start() goes on with the queue and the accounts; jobs that ran are
lost, as after a power cut. Every process is in a control group of the site's own, so that
stop() ends jobs that nobody remembers; nothing is looked for by its name.

Without root all servers and all jobs are this one user's. Then GPUs are named after devices
that every machine has (at most eight), jobs are not kept off each other's, there is no control
group, and so stop() ends only jobs that slurmctld still knows; cut_power() is refused.
"""
import contextlib
import hashlib
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import stat
import subprocess

from . import names, process, slurm_conf
from .cgroup import TOP, remove_cgroup, unified_root

START_S = 60
END_S = 10
START_TRIES = 5  # a free port may be taken by another between looking and binding
SERVERS = ("munged", "slurmdbd", "slurmctld")  # in the order of starting; then the nodes
# Below those that the kernel gives to outgoing connections: a server that was killed finds its
# port free again.
PORTS = range(20000, 32000)
CONTROLLERS = ("freezer", "devices", "memory")  # of version 1, by which Slurm confines jobs
DEVICE_MAJOR = 4001  # no driver has it: Linux gives out numbers below 512
# Without root these stand for GPUs: Slurm asks of one only that it is a character device.
ANY_DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom",
                                                "tty", "ptmx", "console"))
PATH_MAX = 90  # of the folder: munge's socket is in it
ANSWERING = ("idle", "mixed", "allocated", "completing", "draining", "drained", "reserved")


class SlurmError(Exception):
    """It could not be started, or a command failed; the text holds what was said."""


class Slurm:
    """mariadb: a Mariadb that runs. options: {key: value} over our slurm.conf. is_confined
    False: jobs are not kept off each other's GPUs and memory (None: where this machine can)."""

    def __init__(self, folder, mariadb, *, nodes=4, gpus=8, gpu_type="a100", cpus=32,
                 memory_mib=64000, accounts=("main",), options=None, is_confined=None):
        self.folder = pathlib.Path(folder).resolve()
        self.mariadb, self.accounts, self.options = mariadb, list(accounts), options or {}
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.gpus, self.gpu_type, self.cpus, self.memory_mib = gpus, gpu_type, cpus, memory_mib
        self.cluster, self.partition, self.host = "firefly", "gpu", socket.gethostname()
        self.munge_socket = self.folder / "run/munge"
        number = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        self.cgroup = f"firefly-slurm-{number}"
        self.is_root = os.geteuid() == 0
        self.user = name_of(os.geteuid())
        self.is_confined = self.is_root and (can_confine() if is_confined is None
                                             else is_confined)
        self.devices = [f"{self.folder}/dev/nvidia{i}" for i in range(gpus)] if self.is_root \
            else [d for d in ANY_DEVICES if os.path.exists(d)][:gpus]
        self.ports = {}
        self.communication = None
        self.children = {}  # name: Popen
        self.order = [*SERVERS, *self.nodes]
        if len(str(self.folder)) > PATH_MAX:
            raise SlurmError(f"{self.folder}: longer than {PATH_MAX} bytes, too long for a "
                             "socket in it; take another folder")

    # ---- the whole

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Returns when all nodes are idle."""
        self._check_rights()
        if self.is_root:
            enter_names()
        if socket.gethostbyname(self.host) == "127.0.0.1":  # then it can listen there only
            self.communication = "NoInAddrAny,NoCtldInAddrAny"
        try:
            self._remove_groups()
            self._prepare()
            for attempt in range(START_TRIES):
                try:
                    self._start_all()
                    return self
                except SlurmError:
                    if attempt + 1 == START_TRIES or not self._lost_a_port():
                        raise
                self._end_all()
                self.ports = {}
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """Ends servers and jobs; nothing is left but the folder."""
        if not self.is_root and "slurmctld" in self.children:
            self._cancel_jobs()
        self._end_all()
        self._remove_groups()

    # ---- one server: "munged", "slurmdbd", "slurmctld", or a node such as "n1"

    def start_one(self, name):
        """It answers afterwards."""
        self._spawn(name)
        self._wait(name)
        return self

    def stop_one(self, name):
        """In order: slurmctld saves its queue. Jobs go on."""
        process.stop(self.children.pop(name))

    def restart(self, name):
        self.stop_one(name)
        return self.start_one(name)

    def kill(self, name):
        """kill -9, and waits until it is gone. Jobs go on."""
        child = self.children.pop(name)
        child.kill()
        child.wait()

    def cut_power(self, node):
        """kill -9 of the node's slurmd and of everything that runs on it."""
        if not self.is_root:
            raise SlurmError("cutting a node's power needs root: who runs there is known by "
                             "its control group")
        remove_cgroup(self._group(node))
        self.children.pop(node).wait()

    def pause(self, name):
        process.kill(self.pid(name), signal.SIGSTOP)

    def resume(self, name):
        process.kill(self.pid(name), signal.SIGCONT)

    def pid(self, name):
        return self.children[name].pid

    def log(self, name):
        """What a server has said so far."""
        path = self.folder / f"log/{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # ---- commands

    def env(self):
        """What Slurm's clients need in their environment."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, *args, text="", user=None, cwd="/", timeout=60):
        """A client, as ourselves or, by root, as the user of that name. CompletedProcess with
        texts."""
        who = {}
        if user and self.is_root:
            uid = names.known_uid(user)
            who = {"user": uid, "group": uid, "extra_groups": []}
        return subprocess.run(list(map(str, args)), input=text, capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **self.env()},
                              cwd=cwd, timeout=timeout, check=False, **who)

    def ok(self, *args, **more):
        """The output of a client that must succeed."""
        done = self.run(*args, **more)
        if done.returncode:
            raise SlurmError(f"{' '.join(map(str, args))}: exit {done.returncode}: "
                             f"{(done.stderr or done.stdout).strip()}")
        return done.stdout

    def add_account(self, *accounts):
        self._add("account", ",".join(accounts), "Description=project", "Organization=site")

    def add_user(self, *users, account=None):
        """People whom the machine knows get jobs charged to `account`, the first by default."""
        self._add("user", ",".join(users), f"Account={account or self.accounts[0]}")

    def _add(self, *what):
        """Who is there already stays."""
        command = ["sacctmgr", "-i", "-Q", "add", *what, f"Cluster={self.cluster}"]
        done = self.run(*command)
        if done.returncode and "Nothing new added" not in done.stdout + done.stderr:
            raise SlurmError(f"{' '.join(command)}: exit {done.returncode}: "
                             f"{(done.stderr or done.stdout).strip()}")

    def state_of(self, node):
        """One word, with Slurm's mark behind it: "idle", "down*"; "" when slurmctld is
        silent."""
        return self.run("sinfo", "-h", "-N", "-n", node, "-o", "%T").stdout.strip()

    # ---- making it

    def _check_rights(self):
        if not self.user:
            raise SlurmError(f"Slurm runs nothing for uid {os.geteuid()}, which has no name on "
                             "this machine")
        if len(self.devices) < self.gpus:
            raise SlurmError(f"without root a node has at most {len(self.devices)} GPUs here, "
                             f"not {self.gpus}")
        if self.is_root and not unified_root():
            raise SlurmError("a private Slurm needs a cgroup2 hierarchy that may be written, "
                             "to find its jobs again and end them")
        for program in ("munged", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacctmgr"):
            find_program(program)

    def _prepare(self):
        for name in ("", "run", "log", "state", "spool", "dev", "cgroup"):
            (self.folder / name).mkdir(exist_ok=True, parents=True)
        self.folder.chmod(0o755)
        (self.folder / "state").chmod(0o700)
        self._make_key()
        if self.is_root:
            self._make_devices()
        if self.is_confined:
            self._bind_controllers()

    def _make_key(self):
        key = self.folder / "munge.key"
        with contextlib.suppress(FileExistsError):
            with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as f:
                f.write(os.urandom(128))

    def _make_devices(self):
        for i, path in enumerate(self.devices):
            if not os.path.exists(path):
                os.mknod(path, stat.S_IFCHR, os.makedev(DEVICE_MAJOR, i))
                os.chmod(path, 0o666)  # whom it is closed to is for the job's control group

    def _bind_controllers(self):
        for controller in CONTROLLERS:
            group = TOP / controller / self.cgroup
            group.mkdir(exist_ok=True)
            here = self.folder / "cgroup" / controller
            here.mkdir(exist_ok=True)
            if not os.path.ismount(here):
                names.bind(group, here)

    def _write_conf(self):
        secret = self.folder / "slurmdbd.conf"
        secret.touch(mode=0o600)  # slurmdbd refuses anything wider
        secret.write_text(slurm_conf.slurmdbd_conf(self))
        (self.folder / "slurm.conf").write_text(slurm_conf.slurm_conf(self))
        (self.folder / "gres.conf").write_text(slurm_conf.gres_conf(self))
        (self.folder / "cgroup.conf").write_text(slurm_conf.cgroup_conf(self))

    # ---- starting

    def _start_all(self):
        if not self.ports:
            self.ports = dict(zip(self.order[1:], free_ports(len(self.order) - 1)))
        self._write_conf()
        self.start_one("munged")
        self.start_one("slurmdbd")
        self._found()
        self.start_one("slurmctld")
        for node in self.nodes:
            self._spawn(node)
        for node in self.nodes:
            self._wait(node)

    def _found(self):
        """Cluster and accounts, once: each change takes half a second."""
        marker = self.folder / "founded"
        if marker.exists():
            return
        lines = [f"add cluster {self.cluster}"]
        lines += [f"add account {a} Cluster={self.cluster} Description=project "
                  "Organization=site" for a in self.accounts]
        self.ok("sacctmgr", "-i", "-Q", text="\n".join(lines) + "\n")
        marker.touch()

    def _spawn(self, name):
        at = self.folder
        munged = ["--foreground", "--force", f"--key-file={at}/munge.key",
                  f"--socket={self.munge_socket}", f"--pid-file={at}/run/munged.pid",
                  f"--log-file={at}/log/munged.log", f"--seed-file={at}/run/munged.seed",
                  "--num-threads=4"]
        args = {"munged": munged, "slurmdbd": ["-D"], "slurmctld": ["-D", "-i"]}
        program = find_program(name if name in SERVERS else "slurmd")
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
               "MYSQL_UNIX_PORT": self.mariadb.socket, **self.env()}
        group = self._group(name) if self.is_root else None
        if group:
            group.mkdir(exist_ok=True, parents=True)
        self.children[name] = process.start(
            [program, *args.get(name, ["-D", "-N", name])], at / f"log/{name}.log", env=env,
            cgroup=group)

    def _group(self, name):
        return unified_root() / self.cgroup / name

    def _wait(self, name):
        ready = {"munged": lambda: accepts(socket.AF_UNIX, str(self.munge_socket)),
                 "slurmdbd": lambda: accepts(socket.AF_INET, self._address(name)),
                 "slurmctld": self._is_controlled}
        try:
            process.wait_until(ready.get(name, lambda: self._is_answering(name)), START_S,
                               self.children[name], name)
        except (RuntimeError, TimeoutError) as e:
            raise SlurmError(f"{e}; it said last:\n{self.log(name)[-3000:]}") from None

    def _address(self, name):
        return "127.0.0.1", self.ports[name]

    def _is_controlled(self):
        return (accepts(socket.AF_INET, self._address("slurmctld"))
                and " is UP" in self.run("scontrol", "ping").stdout)

    def _is_answering(self, node):
        return (accepts(socket.AF_INET, self._address(node))
                and self.state_of(node) in ANSWERING)

    def _lost_a_port(self):
        return any("Address already in use" in self.log(name) for name in self.order)

    # ---- ending

    def _cancel_jobs(self):
        """What does not end in time is left to the user, who alone it belongs to."""
        self.run("scancel", "-u", self.user)
        with contextlib.suppress(TimeoutError):
            process.wait_until(lambda: not self.run("squeue", "-h").stdout, END_S)

    def _end_all(self):
        """The nodes first, all at once, for each takes its time."""
        for name in self.nodes:
            if name in self.children:
                process.kill(self.pid(name), signal.SIGCONT)
                self.children[name].terminate()
        for name in reversed(self.order):
            if name in self.children:
                process.kill(self.pid(name), signal.SIGCONT)
                process.stop(self.children.pop(name))

    def _remove_groups(self):
        """With the jobs in them: slurmstepd outlives slurmd by design."""
        if not self.is_root:
            return
        if names.is_inside:
            for controller in CONTROLLERS:
                here = self.folder / "cgroup" / controller
                if os.path.ismount(here):
                    names.unbind(here)
        for root in filter(None, (unified_root(), *(TOP / c for c in CONTROLLERS))):
            remove_cgroup(root / self.cgroup)


def enter_names():
    try:
        names.enter()
    except PermissionError as e:
        raise SlurmError(f"a private Slurm cannot have users of its own here: {e}; in a "
                         "container it needs the capability SYS_ADMIN") from None


def name_of(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def find_program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise SlurmError(f"{name} is not installed; apt-get install munge slurmctld slurmd "
                         "slurmdbd slurm-client")
    return found


def can_confine():
    return all(os.access(TOP / c / "cgroup.procs", os.W_OK) for c in CONTROLLERS)


def free_ports(count):
    """Ports of 127.0.0.1 that nobody has at this moment."""
    found = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as s:
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) == count:
            return found
    raise SlurmError(f"no {count} free ports between {PORTS.start} and {PORTS.stop}")


def accepts(family, address):
    with socket.socket(family) as s:
        s.settimeout(1)
        return s.connect_ex(address) == 0

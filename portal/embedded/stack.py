# SPDX-License-Identifier: Apache-2.0
"""A whole site on one machine, running: MariaDB, slapd, runner-agent, runnerd, portald, people.

    with Stack("/tmp/x/site", "build/debug") as site:      # start() … stop()
        site.quota("balance")                              # the admin's command
        site.kill("portald")                               # what a test does to a site
        site.start_one("portald")

layout.py makes the files, settle.py brings the people in; this starts, watches and ends. The
folder keeps everything: a second start goes on with it. What runs ends with stop(), in reverse
order, each by its pid; when this process dies its children are told to end."""
import contextlib
import json
import os
import socket
import subprocess

from . import names, people, process, settle
from .cgroup import cgroup_roots, remove_cgroup
from .layout import DATABASE_GID, RUNNER_UID, Layout, StackError
from .mariadb import Mariadb
from .session import Session
from .slapd import Slapd
from .slurm import Slurm

ORDER = ("mariadb", "slapd", "slurm", "agent", "runnerd", "portald")  # of starting
READY_S = 30
FINDINGS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")


class Stack(Layout):
    """More than Layout's: template, where an empty database is kept for the next site;
    has_people False leaves tenants, projects and members to the caller. executor "slurm" brings
    a private Slurm along, as root in a mount namespace that the whole program enters."""

    def __init__(self, folder, build, *, template=None, has_people=True, **layout):
        super().__init__(folder, build, **layout)
        self.has_people = has_people
        self.database = Mariadb(self.folder / "db", template, socket=self.database_socket)
        self.directory = None
        self.slurm = None
        self.named = []  # whom we made known to this program's namespace
        if self.executor == "slurm":
            self.slurm = Slurm(self.folder / "slurm", self.database, gpus=self.gpus,
                               gpu_type=self.gpu_type)
        self.children = {}      # name: Popen, of our daemons
        self.environments = {}  # name: what a daemon finds in its environment besides
        self.url = ""
        self._lock = None

    # ---- the whole

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        complaints = self.stop()
        if complaints and kind is None:
            raise StackError("\n".join(complaints))

    def start(self):
        self._lock = self.lock()
        try:
            self.prepare()
            self.start_one("mariadb")
            self._init_database()
            if self.has_people:
                settle.found(self)
            for name in ORDER[1:]:
                self.start_one(name)
            if self.has_people:
                settle.bring_in(self)
                self.name_people()
            return self
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """Ends everything, the last one first. Returns what went wrong on the way: daemons that
        did not end well, and what the sanitizers found."""
        complaints = []
        for name in reversed(ORDER):
            complaints += self._end_one(name)
        self._end_jobs()
        if self.named:
            names.remove(self.named)
            self.named = []
        if self._lock:
            self._lock.close()
            self._lock = None
        return complaints + self._sanitizers_say()

    # ---- one server or daemon

    def start_one(self, name):
        """Starts "mariadb", "slapd", "slurm" (if the site has one), "agent", "runnerd" or
        "portald"; it answers afterwards."""
        start = {"mariadb": self.database.start, "slapd": self._start_slapd,
                 "slurm": self._start_slurm, "agent": self._start_agent, "runnerd": self._start_runnerd,
                 "portald": self._start_portald}
        start[name]()
        return self

    def stop_one(self, name):
        """Ends it in order; raises if it does not end well."""
        complaints = self._end_one(name)
        if complaints:
            raise StackError("\n".join(complaints))

    def kill(self, name):
        """kill -9, and waits until it is gone. Jobs and their keepers go on."""
        if name == "mariadb":
            self.database.kill()
            return
        child = self.directory.process if name == "slapd" else self.children.pop(name)
        child.kill()
        child.wait()

    def pid(self, name):
        servers = {"mariadb": self.database, "slapd": self.directory}
        return servers[name].pid if name in servers else self.children[name].pid

    def log(self, name):
        """What a daemon has said so far."""
        path = self.folder / f"log/{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # ---- what tests and the demonstration do with it

    def quota(self, *args, is_checked=True, text=""):
        """The command `quota`, as the administrator. CompletedProcess with texts."""
        done = subprocess.run([self.program("quota"), *map(str, args), "--config", self.conf],
                              input=text, capture_output=True, text=True, env=self.environment)
        if is_checked and done.returncode:
            raise StackError(f"quota {' '.join(map(str, args))}: exit {done.returncode}: "
                             f"{(done.stderr or done.stdout).strip()}")
        return done

    def quota_json(self, *args):
        return json.loads(self.quota(*args, "--format", "json").stdout)

    def grant(self, project, hours):
        settle.grant(self, project, hours)

    def sql(self, text):
        """Statements as the database's root; rows as lists of texts."""
        return self.database.sql(text)

    def session(self, login=None, university=None):
        """A browser of its own at the portal, logged in if a person is given."""
        session = Session(self.url, self.ca)
        if login:
            session.log_in(people.find(login, university))
        return session

    @property
    def environment(self):
        """Nothing of the caller's but what the sanitizers are told."""
        names = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG": "C.UTF-8", "HOME": "/",
                **{n: os.environ[n] for n in names if n in os.environ}}

    def name_people(self):
        """Makes everybody who has logged in known to Slurm; without root all are one user."""
        if not self.slurm:
            return
        if not self.is_root:
            self.slurm.add_user(self.slurm.user)
            return
        accounts = names.accounts_of(self)
        names.add(accounts)
        self.named += accounts
        self.slurm.add_user(*[a.name for a in accounts])

    # ---- starting

    def _init_database(self):
        """Makes the schema and our accounts, once."""
        if (self.folder / "secrets/portal/database.password").exists():
            return
        self.write_conf()
        settle.init_database(self)
        for name, uid in (("portal", self.portal_uid), ("runner", self.runner_uid)):
            if uid is not None:
                os.chown(self.folder / f"secrets/{name}/database.password", uid, uid)

    def _start_slapd(self):
        if not self.directory:
            self.directory = Slapd(self.folder / "ldap", self.universities.values(),
                                   **self.server_files)
        self.directory.start()
        self.ldap_uri = self.directory.ldap_uri
        self.write_conf()

    def _start_slurm(self):
        if not self.slurm:
            return
        if self.is_root:  # its clients want a name for whoever asks
            names.enter([names.Account("firefly-runner", RUNNER_UID)])
            names.add_hosts(self.slurm.nodes)
            names.add(names.accounts_of(self))  # whom slurmctld finds no uid for it forgets
        self.slurm.start()

    def _start_agent(self):
        self._start_daemon("agent", "runner-agent", None, lambda: accepts(self.agent_socket))

    def _start_runnerd(self):
        self._start_daemon("runnerd", "runnerd", self.runner_uid,
                           lambda: accepts(self.runner_socket))

    def _start_portald(self):
        """On the port it had before or that is wished; if somebody else has that, on any."""
        try:
            self._try_portald()
        except StackError:
            if not self.port or is_free(self.port):
                raise
            self.port = None
            self._try_portald()

    def _try_portald(self):
        self.port_file.unlink(missing_ok=True)
        self.write_conf()
        self._start_daemon("portald", "portald", self.portal_uid,
                           self._told_port)
        self.port = int(self.port_file.read_text())
        self.url = f"https://127.0.0.1:{self.port}"

    def _told_port(self):
        return self.port_file.exists() and self.port_file.read_text().strip()

    def _start_daemon(self, name, program, uid, is_ready):
        args = ["--config", self.conf]
        # their sockets' groups
        groups = [DATABASE_GID, self.runner_uid] if uid is not None else []
        environment = {**self.environment, **self.environments.get(name, {})}
        child = process.start([self.program(program), *args], self.folder / f"log/{name}.log",
                              uid, groups, environment)
        self.children[name] = child
        try:
            process.wait_until(is_ready, READY_S, child, name)
        except (RuntimeError, TimeoutError) as e:
            raise StackError(f"{e}; it said last:\n{self.log(name)[-3000:]}") from None

    # ---- ending

    def _end_one(self, name):
        if name == "mariadb":
            self.database.stop()
        elif name == "slapd":
            if self.directory:
                self.directory.stop()
        elif name == "slurm":
            if self.slurm:
                self.slurm.stop()
        elif name in self.children:
            status = process.stop(self.children.pop(name))
            if status != 0:
                return [f"{name} ended with status {status}; it said last:\n"
                        f"{self.log(name)[-1500:]}"]
        return []

    def _end_jobs(self):
        """Keepers outlive the daemons by design; where the whole site ends, they end too. What
        they ran is `lost` when the site is started again, as after a power cut."""
        for keeper in self._keepers():
            family = process.children_of(keeper)
            for pid in (keeper, *family):
                process.kill(pid)
        for root in cgroup_roots():
            remove_cgroup(root / self.cgroup)

    def _keepers(self):
        """Of attempts that are not over; a pid in a file may belong to somebody else by now."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for entry in (self.folder / "spool").iterdir():
                with contextlib.suppress(OSError, ValueError, KeyError):
                    pid = json.loads((entry / "start").read_text())["keeper"]
                    program = os.readlink(f"/proc/{pid}/exe")
                    if program.startswith(str(self.folder / "programs")):
                        found.append(pid)
        return found

    def _sanitizers_say(self):
        found = []
        for path in sorted((self.folder / "log").glob("*.log")):
            text = path.read_text(errors="replace")
            at = min((text.find(w) for w in FINDINGS if w in text), default=-1)
            if at >= 0:
                found.append(f"{path}:\n{text[max(at - 200, 0):at + 3000]}")
        return found


def accepts(path):
    """Does somebody listen on this socket of the wire?"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        return s.connect_ex(str(path)) == 0


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False

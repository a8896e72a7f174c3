# SPDX-License-Identifier: Apache-2.0
"""A site's folder before anything runs: who is who, files, programs, secrets, configuration.

    firefly.conf   ca.pem ca/   secrets/{portal,runner,admin}/   programs/ templates/
    run/ (sockets)   db/ ldap/   agent/ spool/ logs/ jobs/ projects/ runner/   log/ (of daemons)

As root every process has the uid that the design gives it: database, slapd and runner-agent are
root, portald and runnerd have an own uid each, and so has each person's job. As anybody else
all of them are that user. prepare() may run again over a folder that exists: secrets are kept.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import secrets
import shutil

from . import people
from .ca import Authority
from .slapd import Group, Person, University

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ("portald", "runnerd", "runner-agent", "runner-keeper", "runner-files",
            "runner-task", "quota")
PORTAL_UID, RUNNER_UID = 64101, 64102  # numbers that no Debian machine gives to anybody
DATABASE_GID = 64103                   # who may reach the database's socket
JOB_UIDS, JOB_UIDS_EACH = 200000, 1000  # each site has a range of its own
PATH_MAX = 70                          # of the folder: a socket's path has at most 107 bytes


class StackError(Exception):
    """The site could not be made or started; the text is for the one who started it."""


class Layout:
    """build: the folder that CMake made. port: of the portal, None for any. options: {section:
    {key: value}} over our configuration; a value None leaves the key out."""

    def __init__(self, folder, build, *, gpus=8, gpu_type="a100", port=None, options=None,
                 executor="local"):
        self.folder = pathlib.Path(folder).resolve()
        self.build = pathlib.Path(build).resolve()
        self.gpus, self.gpu_type, self.port = gpus, gpu_type, port
        self.options, self.executor = options or {}, executor
        self.is_root = os.geteuid() == 0
        self.ldap_uri = "ldap://127.0.0.1:1"  # until slapd runs and says where
        self.server_files = {}                # certificate, key and CA for slapd
        if len(str(self.folder)) > PATH_MAX:
            raise StackError(f"{self.folder}: longer than {PATH_MAX} bytes, so that paths of "
                             "sockets in it would be too long; take another folder")
        number = int(hashlib.sha256(str(self.folder).encode()).hexdigest()[:8], 16)
        self.cgroup = f"firefly-{number:08x}"
        self.first_job_uid = JOB_UIDS + JOB_UIDS_EACH * (number % 100)
        self.universities = {name: university(name, place)
                             for place, name in enumerate(people.UNIVERSITIES)}

    # ---- who and where

    @property
    def portal_uid(self):
        return PORTAL_UID if self.is_root else None

    @property
    def runner_uid(self):
        return RUNNER_UID if self.is_root else None

    @property
    def conf(self):
        return self.folder / "firefly.conf"

    @property
    def ca(self):
        return self.folder / "ca.pem"

    @property
    def database_socket(self):
        return self.folder / "run/db/s"

    @property
    def agent_socket(self):
        return self.folder / "run/agent"

    @property
    def runner_socket(self):
        return self.folder / "run/runner/s"

    @property
    def port_file(self):
        return self.folder / "run/portal/port"

    def program(self, name):
        return self.folder / "programs" / name

    # ---- making it

    def prepare(self):
        for name in ("", "run", "ca", "log", "secrets"):
            (self.folder / name).mkdir(mode=0o755, parents=name == "", exist_ok=True)
        self._check_reach()
        self._copy_programs()
        self._make_owned_folders()
        self._make_secrets()

    def lock(self):
        """Keeps everybody else out of the folder until the returned file is closed."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        lock = open(self.folder / "lock", "a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise StackError(f"{self.folder} is in use by process {owner}; end that, or take "
                             "another folder") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock

    def write_conf(self):
        write_file(self.conf, conf_text(self.sections()))

    def sections(self):
        """The configuration, section by section, as dicts."""
        at, secret = self.folder, self.folder / "secrets"
        first = self.first_job_uid
        uids = {"uid_min": first, "uid_max": first + JOB_UIDS_EACH - 1}
        keys = {
            "site": {"name": "Firefly demonstration", "zone": "Europe/Berlin"},
            "database": {"socket": self.database_socket,
                         "portal_password_file": secret / "portal/database.password",
                         "runner_password_file": secret / "runner/database.password",
                         "admin_password_file": secret / "admin/database.password",
                         "report_password_file": secret / "admin/report.password"},
            **{f"directory {name}": self._directory_keys(name) for name in self.universities},
            "portal": {"listen": f"127.0.0.1:{self.port or 0}", "port_file": self.port_file,
                       "tls_cert": secret / "portal/tls.pem",
                       "tls_key": secret / "portal/tls.key",
                       "form_key_file": secret / "portal/form.key",
                       "runner_socket": self.runner_socket, "templates": at / "templates",
                       **uids},
            "runner": {"socket": self.runner_socket, "agent_socket": self.agent_socket,
                       "spool": at / "spool", "logs": at / "logs", "state": at / "runner",
                       "portal_uids": self.portal_uid},
            "refund": {"node_fault": "24h", "preempted": "1h", "maintenance": "24h"},
            "seal": {"key_file": secret / "runner/seal.key", "head_file": at / "runner/head"},
            "node": {"gpus": self.gpus, "gpu_type": self.gpu_type},
            "agent": {"socket": self.agent_socket, "state": at / "agent", "spool": at / "spool",
                      "logs": at / "logs", "jobs_root": at / "jobs",
                      "projects_root": at / "projects", "programs": at / "programs",
                      "cgroup": self.cgroup, "service_uid": self.runner_uid, **uids},
        }
        if self.executor != "local":
            keys["runner"]["executor"] = self.executor
        if self.executor == "slurm":
            self._add_slurm_keys(keys)
        for section, more in self.options.items():
            keys.setdefault(section, {}).update(more)
        return keys

    def _add_slurm_keys(self, keys):
        at, conf = self.folder, self.folder / "slurm/slurm.conf"
        keys["slurm"] = {"conf": conf, "partition": "gpu", "exclusive": "yes",
                         "jobs_root": at / "jobs", "projects_root": at / "projects",
                         "task": at / "programs/runner-task"}
        keys["agent"] |= {"clients": "/usr/bin/sbatch /usr/bin/scancel",
                          "clients_environment": f"SLURM_CONF={conf}"}

    def _directory_keys(self, name):
        u = self.universities[name]
        return {"title": u.title, "type": "openldap", "uri": self.ldap_uri, "ca_file": self.ca,
                "bind_dn": u.service_dn,
                "bind_password_file": self.folder / f"secrets/portal/{name}.password",
                "user_base": f"ou=people,{u.suffix}", "group_base": f"ou=groups,{u.suffix}",
                "tenant": u.tenant, "admin_group": u.admin_group or None}

    def _check_reach(self):
        """As root: portald, runnerd and the jobs are other users, and must be able to come
        here."""
        if not self.is_root:
            return
        self.folder.chmod(0o755)
        for folder in self.folder.parents:
            if not folder.stat().st_mode & 0o001:
                raise StackError(f"{folder} is closed to other users, and the daemons are "
                                 "other users; take a folder elsewhere, such as below /var/lib")

    def _copy_programs(self):
        """As an installation would: the build may lie where the daemons' users cannot read."""
        target = self.folder / "programs"
        target.mkdir(exist_ok=True)
        for name in PROGRAMS:
            source = self.build / name
            if not source.exists():
                raise StackError(f"{source} is missing; build it first")
            copy_newer(source, target / name)
        shutil.rmtree(self.folder / "templates", ignore_errors=True)
        shutil.copytree(ROOT / "templates", self.folder / "templates")

    def _make_owned_folders(self):
        owners = {"secrets/portal": (self.portal_uid, 0o700),
                  "secrets/runner": (self.runner_uid, 0o700), "secrets/admin": (None, 0o700),
                  "run/portal": (self.portal_uid, 0o755),
                  "run/runner": (self.runner_uid, 0o755),
                  "runner": (self.runner_uid, 0o700), "run/db": (None, 0o700)}
        for name, (uid, mode) in owners.items():
            path = self.folder / name
            path.mkdir(exist_ok=True)
            path.chmod(mode)
            if uid is not None:
                os.chown(path, uid, uid)
        if self.is_root:  # the database's root has no password: nobody else may come near
            os.chown(self.folder / "run/db", 0, DATABASE_GID)
            (self.folder / "run/db").chmod(0o710)

    def _make_secrets(self):
        authority = Authority(self.folder / "ca")
        certificate, key = authority.sign("site")
        (self.folder / "ca").chmod(0o700)
        self.server_files = {"cert": certificate, "key": key, "ca": authority.certificate}
        write_file(self.ca, authority.certificate.read_text())
        texts = {"tls.pem": certificate.read_text(), "tls.key": key.read_text()}
        for name, u in self.universities.items():
            texts[f"{name}.password"] = u.service_password + "\n"
        if not (self.folder / "secrets/portal/form.key").exists():
            texts["form.key"] = secrets.token_hex(32) + "\n"
        for name, text in texts.items():
            write_file(self.folder / "secrets/portal" / name, text, 0o600, self.portal_uid)
        seal_key = self.folder / "secrets/runner/seal.key"
        if not seal_key.exists():
            write_file(seal_key, secrets.token_hex(32) + "\n", 0o600, self.runner_uid)


def university(name, place):
    """The directory of a university of people.py."""
    own = [p for p in people.PEOPLE if p.university == name]
    first_uid, gid = 20001 + 10000 * place, 30001 + 10000 * place
    admins = [a for a in people.ADMINS if a.university == name]
    return University(
        f"dc={name},dc=example", people.UNIVERSITIES[name], name,
        people=[Person(p.login, p.password, first_uid + i, gid, p.name)
                for i, p in enumerate(own)],
        posix_groups=[Group("researchers", [p.login for p in own], gid)],
        name_groups=[Group("portal-admins", [a.login for a in admins])] if admins else [],
        admin_group="portal-admins" if admins else "", service_password=f"reads-{name}")


def write_file(path, text, mode=0o644, uid=None):
    """Whole or not at all, and never readable by more than it shall be."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
        f.write(text)
    if uid is not None:
        os.chown(aside, uid, uid)
    aside.chmod(mode)
    aside.rename(path)


def conf_text(sections):
    """{"portal": {key: value}} as the text of firefly.conf."""
    parts = []
    for name, keys in sections.items():
        lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
        parts.append("\n".join([f"[{name}]", *lines]))
    return "\n\n".join(parts) + "\n"


def copy_newer(source, target):
    """Copies unless the target is that very file already; a program that runs is replaced, not
    written over."""
    was = source.stat()
    with contextlib.suppress(OSError):
        now = target.stat()
        if (now.st_size, now.st_mtime_ns) == (was.st_size, was.st_mtime_ns):
            return
    aside = target.with_name(target.name + ".new")
    shutil.copy2(source, aside)
    aside.chmod(0o755)
    aside.rename(target)

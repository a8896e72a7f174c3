# SPDX-License-Identifier: Apache-2.0
"""A private slapd with made-up universities, for the demonstration and the tests.

One server on 127.0.0.1 with free ports: ldap:// (StartTLS), ldaps:// and ldapi:// below its
folder, a certificate of its own CA, and one database for each university. It leaves to the
caller what people there are. Nothing outside the folder is touched, no user is needed but the
one who runs it, and stop() ends only the process that start() began.

    north = University("dc=north,dc=example", title="University of the North", tenant="north",
                       people=[Person("alice", "secret", 20001, 30001)],
                       posix_groups=[Group("physics", ["alice"], 30001)],
                       name_groups=[Group("portal-admins", ["alice"])])
    with Slapd("/tmp/x", [north]) as server:
        conf = server.section(north, "north")      # the text of a [directory north] section

The folder is kept: a second start() with the same folder goes on with the same people and the
same CA. Its path must be short, for the socket's is at most 107 bytes.
"""
import base64
import dataclasses
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import urllib.parse

from . import process
from .ca import Authority

SCHEMAS = ("core", "cosine", "nis", "inetorgperson", "dyngroup")
START_SECONDS = 10
START_TRIES = 5  # a free port may be taken by another between looking and binding
HOSTS = ("127.0.0.1", "localhost")
SERVICE = "cn=portal,ou=services"


@dataclasses.dataclass
class Person:
    login: str
    password: str
    uid: int
    gid: int
    name: str = ""
    mail: str = ""
    extra: dict = dataclasses.field(default_factory=dict)  # attribute: value or values
    classes: tuple = ()  # object classes the extra attributes need
    rdn: str = "uid"


@dataclasses.dataclass
class Group:
    name: str
    members: list
    gid: int = 0  # of a posixGroup


@dataclasses.dataclass
class University:
    suffix: str
    title: str = "Example University"
    tenant: str = "example"
    people: list = dataclasses.field(default_factory=list)
    posix_groups: list = dataclasses.field(default_factory=list)
    name_groups: list = dataclasses.field(default_factory=list)  # groupOfNames
    admin_group: str = ""
    service_password: str = "portal-service"
    ldif: str = ""  # more entries, as text

    def dn(self, login):
        rdn = next((p.rdn for p in self.people if p.login == login), "uid")
        return f"{rdn}={login},ou=people,{self.suffix}"

    @property
    def service_dn(self):
        return f"{SERVICE},{self.suffix}"


def hashed(password):
    """{SSHA512} as slapd's pw-sha2 reads it."""
    salt = os.urandom(8)
    digest = hashlib.sha512(password.encode() + salt).digest() + salt
    return "{SSHA512}" + base64.b64encode(digest).decode()


def find_program(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if not found:
        raise RuntimeError(f"{name} is not installed; apt-get install slapd openssl")
    return found


def run(*args, **more):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: exit {done.returncode}: {done.stdout}")


def entry(dn, **attributes):
    """One LDIF entry; every value in base64, so that no value can be misread."""
    def line(name, value):
        return f"{name}:: {base64.b64encode(str(value).encode()).decode()}"
    lines = [line("dn", dn)]
    for name, values in attributes.items():
        for value in values if isinstance(values, (list, tuple)) else [values]:
            lines.append(line(name, value))
    return "\n".join(lines) + "\n\n"


def free_ports(count):
    """Ports of 127.0.0.1 that nobody has at this moment."""
    taken = []
    for _ in range(count):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        taken.append(s)
    ports = [s.getsockname()[1] for s in taken]
    for s in taken:
        s.close()
    return ports


class Slapd:
    def __init__(self, folder, universities, *, has_tls=True, needs_tls=True, allow="",
                 policy=True, cert=None, key=None, ca=None, extra=""):
        """needs_tls: refuse passwords in the clear; allow: words for slapd.conf's `allow`;
        policy: lock an account after five failures; cert, key, ca: instead of our own CA's."""
        self.folder = pathlib.Path(folder).resolve()
        self.universities = list(universities)
        self.has_tls, self.needs_tls, self.allow = has_tls, needs_tls, allow
        self.policy, self.extra = policy, extra
        self.process = None
        self.ports = None  # (plain, TLS), kept over restarts: whoever was told them comes back
        self.ldap_uri = self.ldaps_uri = ""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = None if cert and ca else Authority(self.folder / "tls")
        self.ca = pathlib.Path(ca) if ca else authority.certificate
        self.cert, self.key = (cert, key) if cert else authority.sign("server", HOSTS)
        self.socket = self.folder / "ldapi"
        self.ldapi_uri = "ldapi://" + urllib.parse.quote(str(self.socket), safe="")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Returns self once connections are taken; else RuntimeError with slapd's words."""
        if len(str(self.socket)) > 107:
            raise RuntimeError(f"{self.socket}: too long for a socket; use a shorter folder")
        config = self.folder / "slapd.conf"
        config.write_text(self._config())
        config.chmod(0o600)
        for i in range(len(self.universities)):
            if not (self.folder / f"db{i}.loaded").exists():  # also one half loaded
                shutil.rmtree(self.folder / f"db{i}", ignore_errors=True)
                (self.folder / f"db{i}").mkdir(mode=0o700)
        for i, university in enumerate(self.universities):
            self._load(i, university, config)
        for _ in range(START_TRIES):
            if self._try_start(config):
                return self
        said = (self.folder / "slapd.log").read_text()[-2000:]
        raise RuntimeError("slapd does not start: " + said)

    def stop(self):
        if self.process:
            process.stop(self.process)
        self.process = None

    def section(self, university, name, uri=None, **more):
        """A [directory NAME] section that fits this server; `more` adds and replaces keys, and
        None takes one away. Writes the service's password file."""
        secret = self.folder / f"{name}.password"
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(university.service_password + "\n")
        keys = {
            "title": university.title,
            "type": "openldap",
            "uri": uri or self.ldap_uri,
            "ca_file": self.ca,
            "bind_dn": university.service_dn,
            "bind_password_file": secret,
            "user_base": f"ou=people,{university.suffix}",
            "group_base": f"ou=groups,{university.suffix}",
            "tenant": university.tenant,
        }
        if university.admin_group:
            keys["admin_group"] = university.admin_group
        keys.update(more)
        lines = [f"{k} = {v}" for k, v in keys.items() if v is not None]
        return f"[directory {name}]\n" + "\n".join(lines) + "\n"

    def _config(self):
        modules = ["back_mdb", "dynlist", "pw-sha2"] + (["ppolicy"] if self.policy else [])
        path = next((p for p in ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap")
                     if os.path.isdir(p)), "/usr/lib/ldap")
        lines = [f"include /etc/ldap/schema/{s}.schema" for s in SCHEMAS]
        lines += [f"pidfile {self.folder}/slapd.pid", f"argsfile {self.folder}/slapd.args",
                  "loglevel none", "threads 8", f"modulepath {path}"]
        lines += [f"moduleload {m}" for m in modules]
        if self.has_tls:
            lines += [f"TLSCACertificateFile {self.ca}", f"TLSCertificateFile {self.cert}",
                      f"TLSCertificateKeyFile {self.key}", "TLSVerifyClient never"]
        lines += ["localSSF 128"]
        if self.needs_tls:
            lines += ["security simple_bind=128"]
        if self.allow:
            lines += [f"allow {self.allow}"]
        lines += [self.extra]
        for i, university in enumerate(self.universities):
            lines += self._database(i, university)
        return "\n".join(lines) + "\n"

    def _database(self, i, u):
        lines = ["database mdb", f'suffix "{u.suffix}"', f'rootdn "cn=admin,{u.suffix}"',
                 f"directory {self.folder}/db{i}", "maxsize 268435456", "dbnosync",
                 "index objectClass eq", "index uid,uidNumber,gidNumber,memberUid,member,cn eq",
                 "index entryUUID,entryCSN eq",
                 "access to attrs=userPassword by self write by anonymous auth by * none",
                 f'access to * by dn.exact="{u.service_dn}" read by users read by anonymous'
                 " auth by * none",
                 # the memberof overlay does not see what slapadd loads, dynlist does
                 "overlay dynlist",
                 "dynlist-attrset groupOfURLs memberURL member+memberOf@groupOfNames"]
        if self.policy:
            lines += ["overlay ppolicy", f'ppolicy_default "cn=default,ou=policies,{u.suffix}"',
                      "ppolicy_use_lockout"]
        return lines

    def _load(self, i, university, config):
        done = self.folder / f"db{i}.loaded"
        if done.exists():
            return
        ldif = self.folder / f"db{i}.ldif"
        ldif.write_text(self._entries(university))
        ldif.chmod(0o600)
        run(find_program("slapadd"), "-q", "-f", config, "-b", university.suffix, "-l", ldif)
        ldif.unlink()  # it holds everybody's hash
        done.touch()

    def _entries(self, u):
        first = u.suffix.split(",")[0].split("=")[1]
        text = entry(u.suffix, objectClass=["dcObject", "organization"], o=u.title, dc=first)
        for unit in ("people", "groups", "services", "policies"):
            text += entry(f"ou={unit},{u.suffix}", objectClass="organizationalUnit", ou=unit)
        text += entry(u.service_dn, objectClass=["organizationalRole", "simpleSecurityObject"],
                      cn="portal", userPassword=hashed(u.service_password))
        if self.policy:
            text += entry(f"cn=default,ou=policies,{u.suffix}",
                          objectClass=["device", "pwdPolicy"], cn="default",
                          pwdAttribute="userPassword", pwdLockout="TRUE", pwdMaxFailure=5,
                          pwdLockoutDuration=300, pwdMustChange="TRUE")
        for p in u.people:
            text += self._person(u, p)
        for g in u.posix_groups:
            text += entry(f"cn={g.name},ou=groups,{u.suffix}", objectClass="posixGroup",
                          cn=g.name, gidNumber=g.gid, memberUid=list(g.members))
        for g in u.name_groups:
            text += entry(f"cn={g.name},ou=groups,{u.suffix}", objectClass="groupOfNames",
                          cn=g.name, member=[u.dn(m) for m in g.members])
        return text + u.ldif

    @staticmethod
    def _person(u, p):
        words = (p.name or p.login.capitalize()).split()
        attributes = {
            "objectClass": ["inetOrgPerson", "posixAccount", *p.classes],
            "uid": p.login, "cn": " ".join(words), "sn": words[-1],
            "mail": p.mail or f"{p.login}@{u.tenant}.example", "uidNumber": p.uid,
            "gidNumber": p.gid, "homeDirectory": f"/home/{p.login}", "loginShell": "/bin/bash",
            "userPassword": hashed(p.password),
        }
        attributes.update(p.extra)
        return entry(u.dn(p.login), **{k: v for k, v in attributes.items() if v is not None})

    def _try_start(self, config):
        plain, secure = self.ports or free_ports(2)
        self.socket.unlink(missing_ok=True)
        self.ldap_uri = f"ldap://127.0.0.1:{plain}"
        self.ldaps_uri = f"ldaps://127.0.0.1:{secure}"
        listen = [self.ldap_uri, self.ldapi_uri] + ([self.ldaps_uri] if self.has_tls else [])
        self.process = process.start(
            [find_program("slapd"), "-f", config, "-h", " ".join(listen), "-d", "0"],
            self.folder / "slapd.log", cwd=self.folder)
        try:
            process.wait_until(lambda: self._answers(plain) and self.socket.exists(),
                               START_SECONDS, self.process, "slapd")
        except (RuntimeError, TimeoutError):
            self.stop()
            return False
        self.ports = plain, secure
        return True

    @staticmethod
    def _answers(port):
        """The socket's file appears before listen(): only a real connection tells."""
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

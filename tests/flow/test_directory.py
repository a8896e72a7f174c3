# SPDX-License-Identifier: Apache-2.0
"""The auth library against a real slapd, and against servers that misbehave.

Every test asks tests/flow/auth_probe.c one login or more. What no directory may ever give is "ok"
for somebody who did not prove a password.
"""
import dataclasses
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE)]

import fake_ldap  # noqa: E402
from portal.embedded.ca import Authority  # noqa: E402
from portal.embedded.slapd import Group, Person, Slapd, University, entry  # noqa: E402

PROBE = pathlib.Path(os.environ["FIREFLY_BUILD"]) / "tests/auth_probe"
BUSY_MS = 800  # what a busy machine adds
LIMIT_MS = 5000 + BUSY_MS  # the directory's default timeout
SHORT = {"timeout": "1s", "connect_timeout": "1s"}
SHORT_MS = 1000 + BUSY_MS

north = University(
    "dc=north,dc=example", "University of the North", "north",
    people=[Person("alice", "north-secret", 20001, 30001, "Alice Ångström"),
            Person("bob", "bob: §½ {} \\ ) ( *", 20002, 30001),
            Person("carol", "carol-secret", 20003, 30002, extra={"employeeType": "TRUE"}),
            Person("dave", "dave-secret", 20004, 30002),
            Person("erin", "erin-secret", 20005, 30002),
            Person("frank", "frank-secret", 20006, 30002, extra={"pwdReset": "TRUE"}),
            Person("grace", "grace-secret", 20007, 30002, extra={"uid": ["grace", "gg"]}),
            Person("weird,one+x", "weird-secret", 20008, 30002,
                   extra={"uid": "weird"}, rdn="cn", name="weird,one+x"),
            Person("henry", "henry-secret", 20009, 30002),
            Person("root", "root-secret", 0, 0)],
    posix_groups=[Group("physics", ["bob"], 30001), Group("storage", ["alice", "bob"], 30010)],
    name_groups=[Group("portal-admins", ["alice"]), Group("gpu-users", ["alice", "bob"])],
    admin_group="portal-admins",
    ldif=entry("ou=twins,ou=people,dc=north,dc=example", objectClass="organizationalUnit",
               ou="twins")
    + entry("cn=Other Erin,ou=twins,ou=people,dc=north,dc=example",
            objectClass=["inetOrgPerson"], cn="Other Erin", sn="Erin", uid="erin")
    # a group of the admins' name where it does not count
    + entry("cn=portal-admins,ou=twins,ou=people,dc=north,dc=example", objectClass="groupOfNames",
            cn="portal-admins", member="uid=bob,ou=people,dc=north,dc=example"))
north.people[7].login = "weird\\,one\\+x"
north.people[7].extra["cn"] = "weird,one+x"
south = University(
    "dc=south,dc=example", "University of the South", "south",
    people=[Person("alice", "south-secret", 20001, 40001, "Alice South",
                   extra={"o": "Physics.South.example"}),
            Person("zoe", "zoe-secret", 40002, 40001, extra={"o": "unheard.example"})],
    posix_groups=[Group("chemistry", ["alice"], 40001)])

# frank's attribute is the password policy's, which the open server does not have
open_north = dataclasses.replace(north, people=[p for p in north.people if p.login != "frank"])

scratch = server = open_server = None


def setUpModule():
    global scratch, server, open_server
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="ffdir"))
    unittest.addModuleCleanup(shutil.rmtree, scratch)
    server = Slapd(scratch / "s", [north, south]).start()
    unittest.addModuleCleanup(server.stop)
    open_server = Slapd(scratch / "o", [open_north, south], needs_tls=False, policy=False,
                        allow="bind_v2 bind_anon_cred bind_anon_dn",
                        ca=server.ca, cert=server.cert, key=server.key).start()
    unittest.addModuleCleanup(open_server.stop)


def ask_all(conf, asks, cwd=None, env=None):
    """The replies to several asks; the configuration is one text."""
    path = scratch / "firefly.conf"
    path.write_text(conf)
    done = subprocess.run([PROBE, path], input="".join(json.dumps(a) + "\n" for a in asks),
                          capture_output=True, text=True, timeout=300, cwd=cwd,
                          env={**os.environ, **(env or {})})
    if done.returncode:
        raise AssertionError(f"auth_probe: exit {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def login(conf, name, password, directory="north", **more):
    ask = {"do": "login", "directory": directory, "login": name, "password": password}
    return ask_all(conf, [ask], **more)[0]


class Case(unittest.TestCase):
    def conf(self, uri=None, at=None, university=north, name="north", **more):
        at = at or server
        return at.section(university, name, uri, **more)

    def refused(self, said, *words):
        self.assertEqual(said["answer"], "refused", said)
        for word in words:
            self.assertIn(word, said["why"])

    def down(self, said, *words):
        self.assertEqual(said["answer"], "down", said)
        self.assertLess(said["ms"], LIMIT_MS)
        for word in words:
            self.assertIn(word, said["why"])

    def accepted(self, said, **fields):
        self.assertEqual(said["answer"], "ok", said)
        for key, value in fields.items():
            self.assertEqual(said[key], value)


class APerson(Case):
    def test_the_right_password_gives_the_person(self):
        for uri in (server.ldap_uri, server.ldaps_uri, server.ldapi_uri):
            said = login(self.conf(uri), "alice", "north-secret")
            self.accepted(said, directory="north", login="alice", name="Alice Ångström",
                          mail="alice@north.example", uid=20001, gid=30001, tenant="north",
                          dn="uid=alice,ou=people,dc=north,dc=example", is_admin=True,
                          groups={"physics": 30001, "storage": 30010, "portal-admins": -1,
                                  "gpu-users": -1})
            self.assertRegex(said["id"], r"^[0-9a-f]{8}-[0-9a-f-]{27}$")

    def test_a_password_of_any_characters_is_the_password(self):
        self.accepted(login(self.conf(), "bob", "bob: §½ {} \\ ) ( *"), is_admin=False)

    def test_a_dn_with_commas_and_pluses_is_bound_as_it_is(self):
        self.accepted(login(self.conf(), "weird", "weird-secret"), login="weird")

    def test_two_universities_have_an_alice_each(self):
        conf = self.conf() + self.conf(university=south, name="south", group_kinds="posix")
        one = login(conf, "alice", "north-secret")
        two = login(conf, "alice", "south-secret", "south")
        self.accepted(one, tenant="north")
        self.accepted(two, tenant="south", is_admin=False, groups={"chemistry": 40001})
        self.assertNotEqual(one["id"], two["id"])
        self.refused(login(conf, "alice", "south-secret"))
        self.refused(login(conf, "alice", "north-secret", "south"))
        self.refused(login(conf, "alice", "north-secret", "east"), "east: not configured")

    def test_the_typed_case_of_a_login_changes_nothing(self):
        self.accepted(login(self.conf(), "ALICE", "north-secret"), login="alice")

    def test_look_up_needs_no_password_and_keeps_the_rules(self):
        ask = {"do": "look_up", "directory": "north", "login": "alice"}
        self.accepted(ask_all(self.conf(), [ask])[0], uid=20001, is_admin=True)
        self.refused(ask_all(self.conf(), [{**ask, "login": "nobody"}])[0], "no entry")
        self.refused(ask_all(self.conf(), [{**ask, "login": "*"}])[0])
        self.refused(ask_all(self.conf(allowed_group="storage"), [{**ask, "login": "dave"}])[0],
                     "not in allowed_group")


class ARefusal(Case):
    def test_wrong_password_and_unknown_name(self):
        self.refused(login(self.conf(at=open_server), "alice", "wrong"), "Invalid credentials")
        self.refused(login(self.conf(at=open_server), "nobody", "wrong"), "no entry")

    def test_hostile_logins_and_passwords_never_log_in(self):
        """Also on a server that takes a bind without a password for a success."""
        logins = ["", " ", "*", "a*", ")(", "*)(uid=*", "alice)(uid=*", "alice\\", "\\2a",
                  "alice\0", "\0alice", " alice", "alice ", "al\tice", "ａlice", "alice\u00ad", "élise", "🦋",
                  "uid=alice,ou=people,dc=north,dc=example", "alice,ou=people", "a" * 129,
                  "a" * (1 << 20), "alice\n", "(|(uid=alice))", "<script>", "'; DROP"]
        passwords = ["", "\0", "\0north-secret", "north-secret\0", " ", "*", "north-secre",
                     "north-secret ", "NORTH-SECRET", "x" * 1025, "x" * (1 << 20), "🦋",
                     "{SSHA}x"]
        asks = [{"directory": "north", "login": name, "password": "north-secret"}
                for name in logins]
        asks += [{"directory": "north", "login": name, "password": password}
                 for name in ("alice", "nobody") for password in passwords]
        for uri in (open_server.ldap_uri, open_server.ldapi_uri):
            for ask, said in zip(asks, ask_all(self.conf(uri, open_server), asks)):
                with self.subTest(uri=uri[:5], login=ask["login"][:40],
                                  password=ask["password"][:40]):
                    self.refused(said)

    def test_two_entries_for_one_name(self):
        self.refused(login(self.conf(), "erin", "erin-secret"), "several entries", "user_filter")
        self.accepted(login(self.conf(user_scope="one"), "erin", "erin-secret"))

    def test_an_entry_that_is_no_person(self):
        self.refused(login(self.conf(), "grace", "grace-secret"), "uid has several values")
        self.refused(login(self.conf(), "root", "root-secret"), "uid number '0'")
        self.refused(login(self.conf(id_attribute="departmentNumber"), "dave", "dave-secret"),
                     "departmentNumber is missing")

    def test_a_disabled_account(self):
        self.accepted(login(self.conf(), "carol", "carol-secret"))
        self.refused(login(self.conf(disabled_attribute="employeeType"), "carol", "carol-secret"),
                     "disabled")

    def test_an_account_locked_by_the_policy(self):
        asks = [{"directory": "north", "login": "henry", "password": "wrong"}] * 5
        asks += [{"directory": "north", "login": "henry", "password": "henry-secret"}]
        for said in ask_all(self.conf(), asks):
            self.refused(said)
        self.refused(said, "ccount locked")

    def test_a_password_that_must_be_changed_first(self):
        self.refused(login(self.conf(), "frank", "frank-secret"))

    def test_only_members_of_the_allowed_group(self):
        dn = "cn=GPU-users, ou=groups, dc=north,dc=example"
        for group in ("gpu-users", dn):
            conf = self.conf(allowed_group=group)
            self.accepted(login(conf, "bob", "bob: §½ {} \\ ) ( *"))
            self.refused(login(conf, "erin", "erin-secret"))
            self.refused(login(conf, "weird", "weird-secret"), "not in allowed_group")

    def test_a_group_elsewhere_with_the_admins_name_makes_no_admin(self):
        said = login(self.conf(), "bob", "bob: §½ {} \\ ) ( *")
        self.accepted(said, is_admin=False)
        self.assertNotIn("portal-admins", said["groups"])

    def test_the_tenant_follows_the_attribute(self):
        conf = self.conf(university=south, name="south", tenant=None, tenant_attribute="o",
                         tenants="chem.south.example:chem physics.south.example:phys")
        self.accepted(login(conf, "alice", "south-secret", "south"), tenant="phys")
        self.refused(login(conf, "zoe", "zoe-secret", "south"), "not in the list 'tenants'")
        conf = self.conf(university=south, name="south", tenant=None, tenant_attribute="o")
        self.refused(login(conf, "alice", "south-secret", "south"),
                     "tenant 'Physics.South.example'")

    def test_an_unknown_name_takes_as_long_as_a_wrong_password(self):
        asks = [{"directory": "north", "login": name, "password": "wrong"}
                for _ in range(60) for name in ("alice", "nobody")]
        pid_conf = self.conf(at=open_server)
        took = [said["ms"] for said in ask_all(pid_conf, asks)]
        self.assertLessEqual(abs(statistics.median(took[::2]) - statistics.median(took[1::2])), 5)


class TheTransport(Case):
    def test_a_certificate_of_another_ca(self):
        other = Authority(scratch / "other").certificate
        for uri in (server.ldap_uri, server.ldaps_uri):
            self.down(login(self.conf(uri, ca_file=other), "alice", "north-secret"), "ca_file")

    def test_a_certificate_of_another_host_or_time(self):
        authority = Authority(scratch / "s/tls")
        for name, more in (("elsewhere", {"names": ("ldap.elsewhere.example",)}),
                           ("ended", {"days": "-1"})):
            cert, key = authority.sign(name, **more)
            with Slapd(scratch / name, [north], ca=server.ca, cert=cert, key=key) as bad:
                for uri in (bad.ldap_uri, bad.ldaps_uri):
                    self.down(login(self.conf(uri, bad), "alice", "north-secret"), "TLS")
                steps = ask_all(self.conf(None, bad), [{"do": "check", "directory": "north"}])[0]
                self.assertGreater(steps["failed"], 0)
                shown = [s for s in steps["steps"] if s[0] == "tls" and s[1] == "note"]
                self.assertTrue(shown, steps)

    def test_an_old_tls_is_refused(self):
        """With 1.2 the same server gets as far as our bind, which it does not understand."""
        for version, word in (("-tls1_2", "bind"), ("-tls1_1", "TLS")):
            port = unused_port()
            old = subprocess.Popen(
                ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", version, "-cipher",
                 "ALL:@SECLEVEL=0", "-cert", server.cert, "-key", server.key, "-naccept", "1"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            while (line := old.stdout.readline()) and b"ACCEPT" not in line:
                pass
            said = login(self.conf(f"ldaps://127.0.0.1:{port}", **SHORT), "alice", "x")
            old.communicate(timeout=10)
            self.down(said, word)

    def test_a_server_without_starttls_gets_no_password(self):
        with Slapd(scratch / "plain", [north], has_tls=False, needs_tls=False, ca=server.ca,
                   cert=server.cert, key=server.key) as plain:
            self.down(login(self.conf(plain.ldap_uri, plain), "alice", "north-secret"), "StartTLS")
            self.accepted(login(self.conf(plain.ldap_uri, plain, tls="none"), "alice",
                                "north-secret"))

    def test_a_stripped_starttls_gets_no_password(self):
        def answer(tag, op):
            return [fake_ldap.result(0x78 if tag == fake_ldap.EXTENDED else 0x61, 0)]
        with fake_ldap.FakeLdap(answer) as stripper:
            self.down(login(self.conf(stripper.uri), "alice", "north-secret"))
            self.assertEqual([tag for tag, _ in stripper.seen if tag == fake_ldap.BIND], [])

    def test_a_server_that_wants_tls_and_gets_none(self):
        self.down(login(self.conf(tls="none"), "alice", "north-secret"), "use tls = starttls")

    def test_files_and_variables_of_libldap_do_not_count(self):
        home = scratch / "home"
        home.mkdir()
        other = Authority(scratch / "other2").certificate
        text = f"TLS_REQCERT never\nTLS_CACERT {server.ca}\nURI ldap://127.0.0.1:1\nBASE dc=x\n"
        for name in ("ldaprc", ".ldaprc", "ldap.conf"):
            (home / name).write_text(text)
        env = {"HOME": str(home), "LDAPTLS_REQCERT": "never", "LDAPTLS_CACERT": str(server.ca),
               "LDAPCONF": str(home / "ldap.conf"), "LDAPRC": "ldaprc"}
        for uri in (server.ldap_uri, server.ldaps_uri):
            conf = self.conf(uri, ca_file=other)
            self.down(login(conf, "alice", "north-secret", cwd=home, env=env), "TLS")
        self.accepted(login(self.conf(), "alice", "north-secret", cwd=home, env=env))

    def test_the_next_server_is_asked_when_one_is_dead(self):
        dead = f"ldap://127.0.0.1:{unused_port()}"
        self.accepted(login(self.conf(f"{dead} {server.ldaps_uri}"), "alice", "north-secret"))
        self.down(login(self.conf(f"{dead} {dead}"), "alice", "north-secret"), "cannot connect")

    def test_a_dead_port_a_missing_socket_an_unknown_name(self):
        for uri in (f"ldap://127.0.0.1:{unused_port()}", "ldapi://%2Fnowhere%2Fldapi"):
            self.down(login(self.conf(uri), "alice", "north-secret"), "cannot connect")

    def test_the_services_password_is_wrong(self):
        secret = scratch / "wrong.password"
        secret.write_text("wrong\n")
        secret.chmod(0o600)
        self.down(login(self.conf(bind_password_file=secret), "alice", "north-secret"),
                  "service account", "Invalid credentials")


def unused_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


ALICE = fake_ldap.entry("uid=alice,ou=people,dc=north,dc=example",
                        {"uid": ["alice"], "entryUUID": ["0-0-1"], "cn": ["Alice"],
                         "uidNumber": ["20001"], "gidNumber": ["30001"]})


class AServerThatMisbehaves(Case):
    def fake(self, answer, **more):
        fake = fake_ldap.FakeLdap(answer)
        self.addCleanup(fake.close)
        return login(self.conf(fake.uri, tls="none", **more), "alice", "secret")

    def test_the_fake_can_behave(self):
        self.accepted(self.fake(fake_ldap.directory([ALICE])), login="alice", uid=20001)

    def test_silence_ends_at_the_limit(self):
        with fake_ldap.Silent() as plain, fake_ldap.Silent(scheme="ldaps") as secure:
            for uri, tls in ((plain.uri, "none"), (plain.uri, "starttls"),
                             (secure.uri, "starttls")):
                with self.subTest(uri=uri, tls=tls):
                    said = login(self.conf(uri, tls=tls, **SHORT), "alice", "x")
                    self.down(said)
                    self.assertLess(said["ms"], SHORT_MS)

    def test_silence_at_each_step_ends_at_the_limit(self):
        good = fake_ldap.directory([ALICE])
        for step in range(6):
            count = []

            def answer(tag, op, count=count, step=step):
                count.append(tag)
                return good(tag, op) if len(count) <= step else None
            with self.subTest(step=step):
                said = self.fake(answer, **SHORT)
                if said["answer"] == "ok":
                    self.assertEqual(step, 5)  # service bind, search, bind, whoami, groups
                    continue
                self.down(said, "no answer in time")
                self.assertLess(said["ms"], SHORT_MS)

    def test_a_connection_nobody_accepts_ends_at_the_limit(self):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        fillers = []
        for _ in range(8):  # fills the queue; the kernel then lets connections hang
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(full.getsockname())
            fillers.append(s)
        uri = f"ldap://127.0.0.1:{full.getsockname()[1]}"
        said = login(self.conf(uri, **SHORT), "alice", "x")
        for s in fillers + [full]:
            s.close()
        self.down(said, "timed out")
        self.assertLess(said["ms"], SHORT_MS)

    def test_dripping_bytes_end_at_the_limit(self):
        stop = threading.Event()
        self.addCleanup(stop.set)
        for scheme, tls in (("ldap", "none"), ("ldaps", "starttls"), ("ldap", "starttls")):
            with fake_ldap.Drip(stop, scheme=scheme) as drip, self.subTest(scheme=scheme, tls=tls):
                said = login(self.conf(drip.uri, tls=tls, **SHORT), "alice", "x")
                self.down(said)
                self.assertLess(said["ms"], SHORT_MS)

    def test_garbage_never_logs_in(self):
        source = random.Random(4711)
        bodies = [source.randbytes(source.choice([1, 7, 64, 4096, 65536])) for _ in range(24)]
        bodies += [b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01", b"\x30\x80", b"\x30\x00" * 100,
                   b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00", b"HTTP/1.1 200 OK\r\n\r\n", b""]
        for i, body in enumerate(bodies):
            scheme, tls = (("ldap", "none"), ("ldap", "starttls"), ("ldaps", "starttls"))[i % 3]
            with fake_ldap.Garbage(body, scheme=scheme) as garbage, self.subTest(i=i):
                self.down(login(self.conf(garbage.uri, tls=tls, **SHORT), "alice", "x"))

    def test_broken_messages_never_log_in(self):
        """The good conversation with one byte changed, or cut short."""
        source = random.Random(815)
        good = fake_ldap.directory([ALICE])

        def answer(tag, op):
            replies = good(tag, op)
            if replies and tag in (fake_ldap.SEARCH, fake_ldap.EXTENDED):
                broken = bytearray(replies[0])
                broken[source.randrange(len(broken))] = source.randrange(256)
                return [bytes(broken), *replies[1:]]
            return replies
        fake = fake_ldap.FakeLdap(answer)
        self.addCleanup(fake.close)
        ask = {"directory": "north", "login": "alice", "password": "x"}
        # libldap 2.5 keeps a request for ever whose answer it could not decode
        known = scratch / "known.leaks"
        known.write_text("leak:ldap_send_server_request\n")
        env = {"LSAN_OPTIONS": f"suppressions={known}:print_suppressions=0",
               "ASAN_OPTIONS": "fast_unwind_on_malloc=0"}
        conf = self.conf(fake.uri, tls="none", **SHORT)
        for said in ask_all(conf, [ask] * 60, env=env):
            if said["answer"] == "ok":  # then the byte was in a value that may differ
                self.assertEqual(said["dn"].lower(), "uid=alice,ou=people,dc=north,dc=example")

    def test_a_bind_that_leaves_us_anonymous_is_refused(self):
        for whoami in ("", "dn:", "dn:uid=mallory,dc=north,dc=example", "u:alice"):
            self.refused(self.fake(fake_ldap.directory([ALICE], whoami=whoami)), "the server says")
        self.refused(self.fake(fake_ldap.directory([ALICE], whoami=""), whoami="any"))
        user = fake_ldap.directory([ALICE], whoami="u:NORTH\\alice")
        self.accepted(self.fake(user, whoami="any"))
        spaced = "dn: UID=Alice, ou=People,dc=north,dc=example"
        self.accepted(self.fake(fake_ldap.directory([ALICE], whoami=spaced)))

    def test_a_referral_is_not_followed(self):
        elsewhere = fake_ldap.FakeLdap(fake_ldap.directory([ALICE]))
        self.addCleanup(elsewhere.close)
        refer = fake_ldap.ber(0xa3, fake_ldap.text(elsewhere.uri + "/dc=north,dc=example"))
        reference = fake_ldap.ber(fake_ldap.REFERENCE, fake_ldap.text(elsewhere.uri + "/dc=x"))
        good = fake_ldap.directory([ALICE])

        def referral_on(wanted, op_tag):
            def answer(tag, op):
                if tag != wanted:
                    return good(tag, op)
                return [fake_ldap.result(op_tag, 10, extra=refer)]
            return answer
        self.down(self.fake(referral_on(fake_ldap.SEARCH, fake_ldap.DONE)), "never followed")
        self.down(self.fake(referral_on(fake_ldap.BIND, 0x61)), "never followed")
        self.refused(self.fake(fake_ldap.directory([reference])), "no entry")
        self.accepted(self.fake(fake_ldap.directory([reference, ALICE, reference])))
        self.assertEqual(elsewhere.seen, [])

    def test_more_entries_than_asked_for(self):
        self.refused(self.fake(fake_ldap.directory([ALICE] * 3)), "several entries")
        self.refused(self.fake(fake_ldap.directory([ALICE] * 2, search=4)), "several entries")
        group = [fake_ldap.entry(f"cn=g{i},ou=groups,dc=north,dc=example", {"cn": [f"g{i}"]})
                 for i in range(1025)]
        self.down(self.fake(fake_ldap.directory([ALICE], groups=group)), "more than 1024")
        said = self.fake(fake_ldap.directory([ALICE], groups=group[:1024]))
        self.assertEqual(len(said["groups"]), 1024)

    def test_an_endless_search_ends(self):
        reference = fake_ldap.ber(fake_ldap.REFERENCE, fake_ldap.text("ldap://x/dc=x"))
        self.down(self.fake(fake_ldap.directory([reference] * 2000)), "references")

    def test_a_server_that_is_busy_or_refuses(self):
        for code in (51, 52):
            self.down(self.fake(fake_ldap.directory([ALICE], bind=code)))
        for code in (1, 2, 3, 11, 32, 50, 53, 80):
            self.down(self.fake(fake_ldap.directory([ALICE], search=code)))

    def test_active_directory(self):
        dn = "CN=Alice A,CN=Users,DC=ad,DC=example"
        base = "OU=Groups,DC=ad,DC=example"
        person = {"sAMAccountName": ["Alice"], "displayName": ["Alice A"],
                  "mail": ["a@ad.example"], "objectGUID": [bytes(range(16))],
                  "userAccountControl": ["512"],
                  "memberOf": [f"CN=GPU,{base}", "CN=Else,DC=ad,DC=example"]}
        nested = fake_ldap.entry(f"CN=All,{base}", {"cn": ["All"], "gidNumber": ["7"]})

        def answer(tag, op, whoami="u:AD\\Alice", **changed):
            if tag == fake_ldap.SEARCH and b"1.2.840.113556.1.4.1941" in op:
                return [nested, fake_ldap.result(fake_ldap.DONE)]
            found = fake_ldap.entry(dn, {**person, **changed})
            return fake_ldap.directory([found], whoami=whoami)(tag, op)
        keys = {"type": "ad", "user_base": "DC=ad,DC=example", "group_base": base,
                "admin_group": "all"}
        self.accepted(self.fake(answer, **keys), login="alice", uid=-1, gid=-1, name="Alice A",
                      id="03020100-0504-0706-0809-0a0b0c0d0e0f", is_admin=True,
                      groups={"GPU": -1, "All": 7})
        off = lambda tag, op: answer(tag, op, userAccountControl=["514"])  # noqa: E731
        self.refused(self.fake(off, **keys), "disabled")
        nobody = lambda tag, op: answer(tag, op, whoami="")  # noqa: E731
        self.refused(self.fake(nobody, **keys), "the server says")
        short = lambda tag, op: answer(tag, op, objectGUID=[b"short"])  # noqa: E731
        self.refused(self.fake(short, **keys), "a GUID has 16 bytes")


class TheCheck(Case):
    def check(self, conf, name=None):
        ask = {"do": "check", "directory": "north"}
        return ask_all(conf, [ask if name is None else {**ask, "login": name}])[0]

    def test_all_steps_are_told(self):
        said = self.check(self.conf(f"{server.ldap_uri} {server.ldapi_uri}"), "alice")
        self.assertEqual(said["failed"], 0, said)
        names = [step[0] for step in said["steps"]]
        self.assertEqual(names, ["resolve", "connect", "tls"] * 2 + [
            "bind", "base", "base", "user", "attributes", "user", "groups", "tenant", "admin"])
        told = " ".join(step[2] for step in said["steps"]).lower()
        for word in ("cn=127.0.0.1", "good until 20", "is an admin", "storage (30010)",
                     "uid 20001"):
            self.assertIn(word, told)

    def test_what_is_wrong_is_told(self):
        cases = [
            (dict(ca_file=Authority(scratch / "other3").certificate), None, "tls", "ca_file"),
            (dict(user_base="ou=nobody,dc=north,dc=example"), None, "base", "user_base"),
            (dict(group_base="ou=nobody,dc=north,dc=example"), None, "base", "group_base"),
            (dict(bind_dn="cn=x,dc=north,dc=example"), None, "bind", "bind_dn"),
            (dict(), "nobody", "user", "no entry"),
            (dict(), "erin", "user", "several entries"),
            (dict(), "*", "user", "a login has"),
            (dict(id_attribute="departmentNumber"), "alice", "attributes", "departmentNumber"),
            (dict(allowed_group="gpu-users"), "weird", "tenant", "allowed_group"),
        ]
        for keys, name, step, word in cases:
            with self.subTest(step=step, word=word):
                said = self.check(self.conf(**keys), name)
                wrong = [s for s in said["steps"] if s[1] == "failed"]
                self.assertEqual(wrong[0][0], step, said)
                self.assertIn(word, wrong[0][2])


if __name__ == "__main__":
    unittest.main()

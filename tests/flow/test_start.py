# SPDX-License-Identifier: Apache-2.0
"""What each program says, and does not do, when it cannot start: a port that is taken, a second
daemon, a configuration with an unknown key or a bad value (file, line, key and remedy), a
secret that others can read. The site beside it runs on."""
import re
import socket
import subprocess

import sites
from portal.embedded.layout import DATABASE_GID, conf_text, write_file


# program, section, key, value, what is asked for instead
BAD_VALUES = (
    ("portald", "portal", "workers", "many", "write a whole number from 1 to 256"),
    ("portald", "portal", "workers", "0", "write a whole number from 1 to 256"),
    ("portald", "portal", "session_idle", "25:61", "write a duration like 90, 30m, 2h or 1d12h "
     "from 00:01:00 to 1d 00:00:00"),
    ("portald", "portal", "tls", "maybe", "write yes or no"),
    ("portald", "portal", "templates", "here", "write a path beginning with '/'"),
    ("portald", "directory north", "tls", "sometimes", "write one of starttls ldaps none"),
    ("runnerd", "runner", "grace", "soon", "write a duration like 90, 30m, 2h or 1d12h "
     "from 00:00:00 to 01:00:00"),
    ("runnerd", "node", "gpus", "-3", "write a whole number from 0 to 64"),
    ("runner-agent", "agent", "mode", "both", "write one of range nss"),
    ("runner-agent", "agent", "uid_min", "0", "write a whole number from 1 to 4294967294"),
    ("runner-agent", "agent", "spool", "here", "write a path beginning with '/'"),
    ("quota", "database", "socket", "here", "write a path beginning with '/'"),
    ("quota", "database", "port", "0", "write a whole number from 1 to 65535"),
)
OWN_SECTION = {"portald": "portal", "runnerd": "runner", "runner-agent": "agent",
               "quota": "database"}
SECRETS = (
    ("portald", "portal/database.password"), ("portald", "portal/form.key"),
    ("portald", "portal/tls.key"), ("portald", "portal/north.password"),
    ("runnerd", "runner/database.password"), ("quota", "admin/database.password"),
)


class Starts(sites.SiteTest):
    def write_conf(self, changes):
        """The site's configuration with other values; where a key is new it comes last in its
        section."""
        sections = self.site.sections()
        for section, keys in changes.items():
            sections.setdefault(section, {}).update(keys)
        path = self.site.folder / "other.conf"
        write_file(path, conf_text(sections))
        return path

    def aside(self):
        """What lets a second site start beside the first, but for its sockets' and state's
        owners."""
        at = self.site.folder
        return {"portal": {"listen": "127.0.0.1:0", "port_file": None},
                "runner": {"socket": at / "run/runner/other", "state": at / "run/runner"},
                "agent": {"socket": at / "run/other"}}

    def refused(self, program, conf):
        """Starts it as its own user. It ends with 1; returns the one line it says."""
        site = self.site
        uid = {"portald": site.portal_uid, "runnerd": site.runner_uid}.get(program)
        identity = {} if uid is None else {"user": uid, "group": uid,
                                           "extra_groups": [DATABASE_GID]}
        verb = ["balance"] if program == "quota" else []
        done = subprocess.run([site.program(program), *verb, "--config", conf], cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=site.environment, timeout=60, **identity)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr.strip()

    def line_of(self, conf, text):
        return conf.read_text().splitlines().index(text) + 1

    def test_an_unknown_key_is_named_with_file_line_and_the_keys_there_are(self):
        for program, section in OWN_SECTION.items():
            with self.subTest(program=program):
                conf = self.write_conf({section: {"colour": "blue"}})
                line = self.line_of(conf, "colour = blue")
                self.assertRegex(self.refused(program, conf), re.escape(
                    f"{conf}:{line}: [{section}] has no key 'colour'; it has: ") + r"\w+ \w+")

    def test_an_unknown_section_is_named_with_file_and_line(self):
        conf = self.write_conf({"protal": {"listen": "127.0.0.1:1"}})
        line = self.line_of(conf, "[protal]")
        for program in OWN_SECTION:
            with self.subTest(program=program):
                said = self.refused(program, conf)
                self.assertIn(f"{conf}:{line}: no section [protal] is known; remove it or mend "
                              "its name", said)

    def test_a_bad_value_is_named_with_file_line_key_and_what_to_write(self):
        for program, section, key, value, remedy in BAD_VALUES:
            with self.subTest(program=program, key=key, value=value):
                conf = self.write_conf({section: {key: value}})
                line = self.line_of(conf, f"{key} = {value}")
                self.assertIn(f"{conf}:{line}: {key} = {value}: {remedy}",
                              self.refused(program, conf))

    def test_a_file_that_is_not_there_is_named(self):
        for program in OWN_SECTION:
            said = self.refused(program, self.site.folder / "no-such.conf")
            self.assertIn(f"{self.site.folder}/no-such.conf: No such file or directory", said)

    def test_a_secret_that_others_can_read_is_refused(self):
        conf = self.write_conf(self.aside())
        for program, name in SECRETS:
            secret = self.site.folder / "secrets" / name
            for mode in (0o644, 0o640, 0o604):
                with self.subTest(program=program, secret=name, mode=oct(mode)):
                    secret.chmod(mode)
                    try:
                        said = self.refused(program, conf)
                    finally:
                        secret.chmod(0o600)
                    self.assertIn(f"secret file {secret}: mode {mode:04o} lets others read it; "
                                  "chmod 600 it", said)

    def test_a_folder_of_the_agents_that_others_can_write_is_refused(self):
        """It has no secrets, but whoever writes its folders gives it orders."""
        conf = self.write_conf(self.aside())
        for name in ("agent", "spool", "logs", "jobs", "projects"):
            with self.subTest(folder=name):
                folder = self.site.folder / name
                was = folder.stat().st_mode & 0o7777
                folder.chmod(was | 0o020)
                try:
                    said = self.refused("runner-agent", conf)
                finally:
                    folder.chmod(was)
                self.assertRegex(said, re.escape(f"{folder}: must be a folder of uid ") +
                                 r"\d+ that nobody else can write")

    def test_a_port_that_is_taken_is_named_with_the_remedy(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            at = f"127.0.0.1:{other.getsockname()[1]}"
            said = self.refused("portald", self.write_conf({"portal": {"listen": at}}))
        self.assertIn(f"[portal] listen: listen {at}: another program has this port; end it, "
                      "or set another port in `listen`", said)

    def test_a_second_daemon_of_the_same_site_is_refused(self):
        """And the first goes on: a job runs."""
        for program, words in (("runnerd", "another runnerd runs with this state folder"),
                               ("runner-agent", "in use by another program")):
            self.assertIn(words, self.refused(program, self.site.conf))
        alice = self.alice
        job = alice.submit(project="climate", name="goes on", script="true")
        self.assertEqual(alice.wait_job(job)["state"], "completed")


if __name__ == "__main__":
    sites.main()

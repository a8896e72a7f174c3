# SPDX-License-Identifier: Apache-2.0
"""portald refuses to start with a wrong configuration, and says file, line, key and remedy; a directory
that answers nothing holds up nobody else."""
import os
import socket
import subprocess
import time

import sites


class PortalStart(sites.SiteTest):
    def start(self, change=None, **more):
        """Runs portald with the site's configuration, each (old, new) text exchanged, until it ends."""
        text = self.site.conf.read_text()
        for old, new in (change or {}).items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = self.site.folder / "run/portal/wrong.conf"
        path.write_text(text)
        path.chmod(0o644)
        uid = self.site.portal_uid
        user = {} if uid is None else {"user": uid, "group": uid, "extra_groups": [
            os.stat(self.site.folder / "run/db").st_gid]}
        return subprocess.run([self.site.program("portald"), "--config", path], capture_output=True,
                              text=True, timeout=30, env=self.site.environment, **user, **more)

    def assert_refused(self, change, *told):
        done = self.start(change)
        self.assertEqual(done.returncode, 1, done.stderr)
        for part in told:
            self.assertIn(part, done.stderr)

    def test_an_unknown_key_is_named_with_its_line(self):
        self.assert_refused({"[portal]\n": "[portal]\nlistne = 1\n"}, "wrong.conf:", "listne")

    def test_an_unknown_section_is_named(self):
        self.assert_refused({"[portal]\n": "[protal]\nx = 1\n[portal]\n"}, "protal")

    def test_a_bad_value_says_what_is_right(self):
        self.assert_refused({"[portal]\n": "[portal]\nworkers = many\n"}, "wrong.conf:", "workers",
                            "many")
        self.assert_refused({"zone = Europe/Berlin": "zone = Europe/Bärlin"}, "zone",
                            "Europe/Berlin")

    def test_a_zone_that_is_not_the_databases_is_refused(self):
        self.assert_refused({"zone = Europe/Berlin": "zone = Asia/Tokyo"}, "Asia/Tokyo",
                            "months begin in Europe/Berlin")

    def test_a_directory_section_is_checked(self):
        self.assert_refused({"type = openldap": "type = closedldap"}, "closedldap")

    def test_a_port_that_is_taken_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            line = next(x for x in self.site.conf.read_text().splitlines()
                        if x.startswith("listen = "))
            self.assert_refused({line: f"listen = 127.0.0.1:{port}"}, "[portal] listen", str(port))

    def test_a_secret_that_others_can_read_is_refused(self):
        for name in ("form.key", "tls.key", "database.password", "north.password"):
            path = self.site.folder / "secrets/portal" / name
            before = path.stat().st_mode & 0o777
            path.chmod(0o644)
            try:
                self.assert_refused({}, name, "chmod 600")
            finally:
                path.chmod(before)

    def test_a_form_key_that_is_too_short_is_refused(self):
        path = self.site.folder / "secrets/portal/form.key"
        before = path.read_text()
        path.write_text("short\n")
        try:
            self.assert_refused({}, "form.key", "less than 32 characters")
        finally:
            path.write_text(before)

    def test_wrong_arguments_are_exit_2(self):
        done = subprocess.run([self.site.program("portald"), "--help"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (2, "usage: portald [--config FILE]\n"))

    def test_a_directory_that_answers_nothing_holds_up_nobody_else(self):
        with socket.create_server(("127.0.0.1", 0)) as hole:
            port = hole.getsockname()[1]
            before = {k: dict(v) for k, v in self.site.options.items()}
            self.site.options["directory south"] = {"uri": f"ldap://127.0.0.1:{port}"}
            self.site.stop_one("portald")
            self.site.start_one("portald")
            try:
                self.check_black_hole()
            finally:
                self.site.options.clear()
                self.site.options.update(before)
                self.site.stop_one("portald")
                self.site.start_one("portald")

    def check_black_hole(self):
        import threading
        answers = []

        def try_south():
            session = self.site.session()
            began = time.monotonic()
            reply = session.try_login("south", "dave", "dave-south")
            answers.append((reply.status, time.monotonic() - began))
            session.close()
        threads = [threading.Thread(target=try_south) for _ in range(6)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        self.session("bob", "north")
        self.assertLess(time.monotonic() - began, 3)
        for thread in threads:
            thread.join()
        self.assertEqual({status for status, _ in answers}, {503})
        self.assertLess(max(seconds for _, seconds in answers), 25)


if __name__ == "__main__":
    sites.main()

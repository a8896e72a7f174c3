# SPDX-License-Identifier: Apache-2.0
"""The audit's chain, as runnerd seals it: computed again here from its definition, from the key
in its file and the rows in the database."""
import hashlib
import hmac
import os
import signal
import subprocess

import sites
from portal.embedded import process
from portal.embedded.layout import DATABASE_GID, StackError, conf_text

SOON_S = 30
NONE = "0" * 64
COLUMNS = ("chain_no", "id", "at_ms", "actor", "origin", "verb", "object", "reason",
           "before_text", "after_text", "request_key")


def netstring(text):
    return b"%d:%s," % (len(text), text)


class Seal(sites.SiteTest):
    options = {"options": {"runner": {"lease": "3s"}}}
    written = 0

    # ---- the chain, computed again

    def rows(self):
        """Of the chain, in its order: (columns as bytes, seal)."""
        hexed = ", ".join([*COLUMNS[:3], *(f"HEX({column})" for column in COLUMNS[3:])])
        found = []
        for row in self.site.sql(f"SELECT {hexed}, seal FROM audit WHERE chain_no IS NOT NULL "
                                 "ORDER BY chain_no"):
            columns = [n.encode() for n in row[:3]] + [bytes.fromhex(t) for t in row[3:-1]]
            found.append((columns, row[-1]))
        return found

    def assert_whole(self):
        """Every seal is right, numbers follow each other; returns the chain's head."""
        key = (self.site.folder / "secrets/runner/seal.key").read_text().strip().encode()
        previous = NONE
        rows = self.rows()
        for no, (columns, seal) in enumerate(rows, 1):
            self.assertEqual(int(columns[0]), no)
            text = previous.encode() + b"".join(map(netstring, columns))
            self.assertEqual(hmac.new(key, text, hashlib.sha256).hexdigest(), seal, no)
            previous = seal
        return len(rows), previous

    def head(self, folder="runner"):
        no, seal = (self.site.folder / folder / "head").read_text().split()
        return int(no), seal

    # ---- writing rows, waiting for seals

    def write(self, count=1):
        """Audit rows as portald writes them."""
        values = []
        for _ in range(count):
            type(self).written += 1
            values.append("(now_ms(), 'alice', 'portal 127.0.0.1', 'log read', 'job 1', "
                          f"'Grüße, ''{self.written}''\\n', 'test-{self.written:08}')")
        self.site.sql("INSERT INTO audit (at_ms, actor, origin, verb, object, reason, "
                      f"request_key) VALUES {', '.join(values)}")

    def number(self, text):
        return int(self.site.sql(text)[0][0])

    def unsealed(self):
        return self.number("SELECT COUNT(*) FROM audit WHERE chain_no IS NULL OR seal IS NULL")

    def wait_sealed(self, folder="runner"):
        process.wait_until(lambda: self.unsealed() == 0, SOON_S, what="seals")
        head = self.assert_whole()
        process.wait_until(lambda: self.head(folder) == head, SOON_S, what="the head's file")
        return head

    def said(self, words, times=1):
        process.wait_until(lambda: self.site.log("runnerd").count(words) >= times, SOON_S,
                           what=words)

    def restart(self):
        self.site.kill("runnerd")
        self.site.start_one("runnerd")

    # ---- the tests

    def test_rows_are_sealed_within_seconds(self):
        self.site.quota("tenant", "set", "north", "--title", "University of the far North",
                        "--reason", "its new name", "--yes")
        no, _ = self.wait_sealed()
        self.write(3)
        self.assertEqual(self.wait_sealed()[0], no + 3)
        head = self.site.folder / "runner/head"
        self.assertEqual(head.stat().st_mode & 0o777, 0o600)
        done = self.site.quota("audit", "verify", is_checked=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_thousands_of_rows_are_sealed_in_order(self):
        no, _ = self.wait_sealed()
        self.write(2500)
        self.assertEqual(self.wait_sealed()[0], no + 2500)
        self.assertEqual(self.number("SELECT COUNT(*) FROM audit a JOIN audit b ON "
                                     "b.chain_no = a.chain_no + 1 WHERE b.id < a.id AND a.chain_no > "
                                     f"{no}"), 0)

    def test_a_row_that_is_committed_late_is_sealed_late(self):
        self.wait_sealed()
        slow = subprocess.Popen(
            ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--unbuffered",
             "--user=root", f"--socket={self.site.database_socket}", "firefly"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(slow.communicate)
        slow.stdin.write("BEGIN; INSERT INTO audit (at_ms, actor, origin, verb, object, "
                         "reason, request_key) VALUES (now_ms(), 'bob', 'quota', 'x', 'y', "
                         "'z', 'slow-one-1'); SELECT 'there';\n")
        slow.stdin.flush()
        self.assertEqual(slow.stdout.readline().strip(), "there")
        self.write()
        no, _ = self.wait_sealed()
        slow.stdin.write("COMMIT; SELECT 'done';\n")
        slow.stdin.flush()
        self.assertEqual(slow.stdout.readline().strip(), "done")
        self.assertEqual(self.wait_sealed()[0], no + 1)

    def test_a_restart_goes_on_with_the_chain(self):
        no, _ = self.wait_sealed()
        self.restart()
        self.write()
        self.assertEqual(self.wait_sealed()[0], no + 1)
        self.site.kill("runnerd")
        self.write(2)
        self.site.start_one("runnerd")
        self.assertEqual(self.wait_sealed()[0], no + 3)

    def test_a_head_file_that_is_behind_catches_up(self):
        """As after a crash between the commit and the file; or in a folder that is new."""
        self.write(3)
        self.wait_sealed()
        rows = self.rows()
        head = self.site.folder / "runner/head"
        for text in (f"{len(rows) - 2} {rows[-3][1]}\n", f"0 {NONE}\n", None):
            with self.subTest(head=text):
                said = self.site.log("runnerd").count("follow from it")
                self.site.kill("runnerd")
                if text:
                    head.write_text(text)
                else:
                    head.unlink()
                self.site.start_one("runnerd")
                self.said("follow from it", said + 1)
                self.write()
                self.wait_sealed()

    def test_no_more_is_sealed_while_the_head_cannot_be_kept(self):
        self.wait_sealed()
        aside = self.site.folder / "runner/head.new"
        aside.mkdir()  # nothing can be written under that name
        self.addCleanup(lambda: aside.is_dir() and aside.rmdir())
        self.write()
        self.said("[seal] head_file")
        self.write(2)
        alice = self.alice
        job = alice.submit_json({"project": "climate", "name": "a while", "gpus_per_node": 1,
                                 "time_limit": "1m", "script": "sleep 2\n"})
        alice.wait_job(job, "completed")
        self.assertEqual(self.unsealed(), 2)
        aside.rmdir()
        self.wait_sealed()

    def test_a_row_cut_off_the_end_stops_the_sealing(self):
        self.write(2)
        no, _ = self.wait_sealed()
        self.site.sql("CREATE TABLE kept AS SELECT * FROM audit ORDER BY chain_no DESC LIMIT 1")
        self.addCleanup(self.site.sql, "DROP TABLE IF EXISTS kept")
        said = self.site.log("runnerd").count("the chain is broken")
        self.site.sql(f"DELETE FROM audit WHERE chain_no = {no}")
        self.said("the chain is broken", said + 1)
        self.write()
        self.restart()
        self.said("the chain is broken", said + 2)
        self.assertEqual(self.unsealed(), 1)
        self.assertEqual(self.head()[0], no)
        self.site.sql("INSERT INTO audit SELECT * FROM kept")  # brought back: it goes on
        self.assertEqual(self.wait_sealed()[0], no + 1)

    def test_a_last_row_that_is_not_the_one_sealed_stops_the_sealing(self):
        self.write()
        no, seal = self.wait_sealed()
        said = self.site.log("runnerd").count("the chain is broken")
        self.site.sql(f"UPDATE audit SET seal = REVERSE(seal) WHERE chain_no = {no}")
        self.said("the chain is broken", said + 1)
        self.write()
        self.site.sql(f"UPDATE audit SET seal = '{seal}' WHERE chain_no = {no}")
        self.assertEqual(self.wait_sealed()[0], no + 1)

    def test_two_runnerds_never_fork_the_chain(self):
        self.wait_sealed()
        other = self.start_second()
        children = [self.site.children["runnerd"], other]
        for i in range(4):
            sleeper, awake = children[i % 2], children[1 - i % 2]
            sleeper.send_signal(signal.SIGSTOP)
            self.write(5)
            process.wait_until(lambda: self.unsealed() == 0, SOON_S, awake, "the other's seals")
            self.assert_whole()
            self.write(200)
            sleeper.send_signal(signal.SIGCONT)
            self.write(200)
            process.wait_until(lambda: self.unsealed() == 0, SOON_S, awake, "seals")
            self.assert_whole()
        self.assertEqual(process.stop(other), 0)
        self.write()
        self.wait_sealed()

    def start_second(self):
        """Another runnerd of this site, with a state of its own."""
        folder = self.site.folder / "second"
        folder.mkdir(mode=0o700)
        sections = self.site.sections()
        sections["runner"].update(socket=folder / "s", state=folder)
        sections["seal"]["head_file"] = folder / "head"
        conf = self.site.folder / "second.conf"
        conf.write_text(conf_text(sections))
        if self.site.runner_uid is not None:
            os.chown(folder, self.site.runner_uid, self.site.runner_uid)
        child = process.start([self.site.program("runnerd"), "--config", conf],
                              self.site.folder / "log/second.log", self.site.runner_uid,
                              [DATABASE_GID, self.site.runner_uid]
                              if self.site.runner_uid is not None else [],
                              self.site.environment)
        self.addCleanup(process.stop, child)
        process.wait_until((folder / "s").exists, SOON_S, child, "the second runnerd")
        return child


class NoSeal(sites.SiteTest):
    options = {"options": {"seal": {"key_file": None, "head_file": None}}}

    def test_a_site_without_a_key_is_told_so(self):
        self.assertIn("are not sealed", self.site.log("runnerd"))
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM audit WHERE chain_no IS NOT NULL"),
                         [["0"]])

    def test_a_key_that_others_can_read_is_refused(self):
        key = self.site.folder / "secrets/runner/seal.key"
        cases = (("key_file", key, 0o644, "chmod 600"),
                 ("key_file", "/nowhere/key", 0o600, "/nowhere"),
                 ("head_file", self.site.conf, 0o600, "bring it back"))
        self.site.stop_one("runnerd")
        for name, value, mode, words in cases:
            with self.subTest(words=words):
                self.site.options["seal"] = {"key_file": key, name: value}
                key.chmod(mode)
                self.site.write_conf()
                with self.assertRaises(StackError) as refused:
                    self.site.start_one("runnerd")
                self.assertIn(words, str(refused.exception))
                self.site.children.pop("runnerd", None)
        key.chmod(0o600)
        self.site.options["seal"] = {}
        self.site.write_conf()
        self.site.start_one("runnerd")


if __name__ == "__main__":
    sites.main()

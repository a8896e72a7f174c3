# SPDX-License-Identifier: Apache-2.0
"""Thresholds of allocations, told once each in one digest, whatever breaks."""
import subprocess
import unittest

from books import HOUR, QUOTA, Books, Case
from mail_server import MailServer


class Notices(Case):
    """A site with a mail server that can be told to fail."""

    def setUp(self):
        self.server = MailServer()
        self.books = Books().furnish(100)
        with open(self.books.conf, "a", encoding="utf-8") as conf:
            conf.write(f"[mail]\nserver = smtp://127.0.0.1:{self.server.port}\ntls = no\n"
                       "from = firefly@cloud.example\n")

    def tearDown(self):
        self.server.close()
        self.books.close()

    def use(self, hours):
        self.books.run_job(self.books.alice, hours=hours, used=hours * HOUR)

    def send(self, *args, code=0):
        result = self.books.quota("notice", "send", "--format", "json", *args)
        self.assertEqual(code, result.code, result.err)
        return [(r["address"], r["answer"]) for r in result.json()]

    def text(self, n=-1):
        return self.server.taken[n][1].get_body().get_content()

    def test_each_threshold_is_told_once(self):
        self.use(74)
        self.assertEqual([], self.send())
        self.use(2)
        self.assertEqual([("alice@north.example", "sent")], self.send())
        self.assertEqual([("alice@north.example", "was sent before")], self.send())
        self.assertIn("75 % of it are used", self.text())
        self.assertIn("76.000 used", self.text())
        self.assertNotIn("=0A", self.server.taken[-1][1].get_body().get_payload())
        self.use(24)
        self.send()
        self.assertEqual(2, len(self.server.taken))
        self.assertIn("90 % of it are used", self.text())
        self.assertIn("it is used up", self.text())
        self.assertNotIn("75 %", self.text())

    def test_one_digest_tells_of_several_projects(self):
        self.books.write("project", "add", "optics", "--tenant", "north", "--title", "Optics")
        self.books.write("member", "add", "optics", "alice@north", "--role", "pi")
        self.books.write("grant", "optics", "10", "--from", "2020-01-01", "--until", "2090-01-01")
        self.use(80)
        self.books.run_job(self.books.alice, project="optics", hours=9, used=9 * HOUR)
        self.send()
        self.assertEqual(1, len(self.server.taken))
        to, message = self.server.taken[0]
        self.assertEqual("alice@north.example", to)
        self.assertEqual("GPU-hours: 3 notices about your projects", message["Subject"])
        self.assertIn("Project lattice", self.text())
        self.assertIn("Project optics", self.text())

    def test_the_end_of_a_term_is_told(self):
        self.books.sql("UPDATE allocation SET until_ms = now_ms() + 20 * 86400000")
        self.send()
        self.assertIn("its term ends within 30 days", self.text())

    def test_a_rehearsal_notes_and_sends_nothing(self):
        self.use(80)
        self.assertEqual([("alice@north.example", "would be sent")], self.send("--dry-run"))
        self.assertEqual("0", self.books.sql("SELECT COUNT(*) FROM notice")[0][0])
        self.assertEqual([], self.server.taken)

    def test_what_was_refused_goes_out_the_next_time(self):
        self.use(80)
        for fail in ("rcpt", "data"):
            self.server.fail = fail
            self.assertEqual([("alice@north.example", "failed")], self.send(code=1))
        self.server.fail = None
        self.assertEqual([("alice@north.example", "sent")], self.send())
        self.assertEqual(1, len(self.server.taken))

    def test_what_may_have_arrived_is_never_sent_twice_by_itself(self):
        self.use(80)
        self.server.fail = "drop"
        self.assertEqual([("alice@north.example", "unknown")], self.send(code=1))
        self.server.fail = None
        self.assertEqual([("alice@north.example", "unknown")], self.send(code=1))
        self.assertEqual(1, len(self.server.taken))
        self.assertEqual([("alice@north.example", "sent")],
                         self.send("--again", "alice@north.example"))
        first, second = (m["Message-ID"] for _, m in self.server.taken)
        self.assertEqual(first, second)

    def test_a_sender_killed_at_the_end_of_the_message_leaves_it_unknown(self):
        self.use(80)
        self.server.fail = "hold"
        child = subprocess.Popen([QUOTA, "notice", "send", "--config", self.books.conf],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(self.server.reached.wait(30))
        child.kill()
        child.wait()
        self.server.fail = None
        self.server.go()
        self.assertEqual([("alice@north.example", "unknown")], self.send(code=1))
        self.assertEqual(1, len(self.server.taken))

    def test_a_sender_that_died_before_the_message_is_followed_by_another(self):
        self.use(80)
        self.server.fail = "rcpt"
        self.send(code=1)
        self.books.sql("UPDATE mail SET state = 'claimed', claimed_by = 'a dead one'")
        self.server.fail = None
        self.assertEqual([("alice@north.example", "sent")], self.send())

    def test_two_senders_at_once_send_one(self):
        self.use(80)
        children = [subprocess.Popen([QUOTA, "notice", "send", "--config", self.books.conf],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                    for _ in range(4)]
        for child in children:
            child.communicate(timeout=60)
        self.assertEqual(1, len(self.server.taken))

    def test_a_site_without_mail_says_what_is_missing(self):
        self.books.conf.write_text(self.books.conf.read_text().split("[mail]")[0])
        result = self.books.quota("notice", "send")
        self.assertEqual(1, result.code)
        self.assertIn("no section [mail]", result.err)

    def test_mail_in_the_clear_only_to_this_machine(self):
        text = self.books.conf.read_text()
        self.books.conf.write_text(text.replace("127.0.0.1:", "mail.example:"))
        result = self.books.quota("notice", "send")
        self.assertIn("only to a server on this machine", result.err)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""A closed month's report to each tenant's contact: what is in it, and that it goes out once for each
month and address, whatever breaks between here and the mail server."""
import csv
import io
import subprocess
import unittest

from books import HOUR, QUOTA, Case
from mail_server import MailServer
from test_month import Past, name

DEAN, OFFICE = "dean@north.example", "office@south.example"


class ReportSend(Case):
    """Two closed months of three tenants, one of them without a contact."""

    @classmethod
    def setUpClass(cls):
        b = cls.books = Past().furnish(100)
        cls.addClassCleanup(b.close)
        for tenant, title in (("south", "Universität des Südens"), ("west", "West")):
            b.write("tenant", "add", tenant, "--title", title)
        b.write("project", "add", "climate", "--tenant", "south", "--title", "Climate")
        carol = b.person("carol", "south", "south")
        b.write("member", "add", "climate", "carol@south", "--role", "pi")
        b.write("grant", "climate", 50, "--from", "2020-01-01", "--until", "2090-01-01")
        b.run_job(b.alice, used=HOUR // 2)
        b.age()
        b.run_job(b.bob, gpus=2, used=HOUR)
        b.run_job(b.alice, used=HOUR // 4)
        b.run_job(carol, hours=3, used=3 * HOUR, project="climate")
        b.age()
        b.run_job(b.alice, used=HOUR // 4)
        b.freeze_both()
        cls.older, cls.last, cls.now = name(b.older), name(b.last), name(b.now)
        cls.plain = b.conf.read_text()

    def setUp(self):
        self.server = MailServer()
        self.addCleanup(self.server.close)
        self.books.sql(f"DELETE FROM mail; UPDATE tenant SET contact = CASE name"
                       f" WHEN 'north' THEN '{DEAN}' WHEN 'south' THEN '{OFFICE}' ELSE '' END")
        self.configure()

    def configure(self, server="smtp://127.0.0.1:{port}", sender="firefly@cloud.example", tls="no"):
        server = server.format(port=self.server.port)
        self.books.conf.write_text(f"{self.plain}[mail]\nserver = {server}\nfrom = {sender}\n"
                                   f"tls = {tls}\n")

    def send(self, *args, code=0):
        result = self.books.quota("report", "send", *args, "--format", "json")
        self.assertEqual(code, result.code, result.err + result.out)
        return [(r["address"], r["answer"]) for r in result.json()]

    def start(self, *args):
        return subprocess.Popen([QUOTA, "report", "send", "--config", self.books.conf, *args],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def taken(self):
        return [to for to, _ in self.server.taken]

    def rows_kept(self):
        return self.books.number("SELECT COUNT(*) FROM mail")

    # ---- what goes out

    def test_each_contact_gets_the_month_once(self):
        self.assertEqual([(DEAN, "sent"), (OFFICE, "sent")], self.send())
        again = [(DEAN, "was sent before"), (OFFICE, "was sent before")]
        self.assertEqual(again, self.send())
        self.assertEqual(again, self.send(self.last))
        self.assertEqual([DEAN, OFFICE], self.taken())
        self.assertEqual([(DEAN, "sent"), (OFFICE, "sent")], self.send(self.older))
        self.assertEqual(4, len(self.server.taken))
        self.assertEqual(4, len({m["Message-ID"] for _, m in self.server.taken}))
        self.assertEqual([["sent"]], self.books.sql("SELECT DISTINCT state FROM mail"))

    def test_a_month_that_does_not_add_up_is_not_sent(self):
        damage = "UPDATE month_balance SET free = free %s 1 WHERE month = " + str(self.books.last)
        self.books.sql(damage % "+")
        self.addCleanup(self.books.sql, damage % "-")
        result = self.books.quota("report", "send")
        self.assertEqual((1, []), (result.code, self.taken()), result.err)
        self.assertIn(f"month {self.last} of tenant north does not add up, and was not sent",
                      result.err)

    def test_the_message_says_whose_month_it_is(self):
        self.send()
        message = self.server.taken[0][1]
        self.assertEqual(("firefly@cloud.example", DEAN, f"GPU-hours of north: {self.last}"),
                         (message["From"], message["To"], message["Subject"]))
        self.assertTrue(message["Date"])
        self.assertTrue(message["Message-ID"].endswith("@cloud.example>"))
        self.assertEqual("auto-generated", message["Auto-Submitted"])
        self.assertNotIn("=0A", message.get_body().get_payload())  # lines are lines
        text = message.get_body().get_content()
        for words in ("Test\n", f"University of the North, {self.last}", "charged: 1.250\n",
                      "refunded: 0.000\n"):
            self.assertIn(words, text.replace("\r\n", "\n"))
        self.assertIn("Universität des Südens", self.server.taken[1][1].get_body().get_content())

    def attachments(self, message):
        return {part.get_filename(): (part.get_content_type(), part.get_payload(decode=True))
                for part in message.iter_attachments()}

    def test_the_table_is_the_reports(self):
        self.send()
        for (_, message), tenant, charged in zip(self.server.taken, ("north", "south"),
                                                 ("1.250", "3.000")):
            kind, data = self.attachments(message)[f"usage-{tenant}-{self.last}.csv"]
            self.assertEqual("text/csv", kind)
            text = data.decode()
            self.assertEqual(self.books.ok("report", "month", self.last, "--tenant", tenant,
                                           "--part", "users", "--format", "csv").out, text)
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
            self.assertEqual({tenant}, {row["tenant"] for row in rows})
            hours = next(column for column in rows[0] if column.startswith("charged"))
            self.assertEqual(float(charged), sum(float(row[hours]) for row in rows))

    def test_the_document_is_the_tenants_alone(self):
        self.send()
        for (_, message), tenant, words, others in zip(
                self.server.taken, ("north", "south"),
                (("University of the North", "lattice", "1.250"),
                 ("Universität des Südens", "climate", "3.000")),
                (("climate", "Süden", "Carol"), ("lattice", "North", "Alice"))):
            kind, data = self.attachments(message)[f"usage-{tenant}-{self.last}.pdf"]
            self.assertEqual("application/pdf", kind)
            self.assertTrue(data.startswith(b"%PDF-"))
            text = subprocess.run(["pdftotext", "-layout", "-", "-"], input=data,
                                  capture_output=True, check=True).stdout.decode()
            for word in (*words, self.last):
                self.assertIn(word, text)
            for word in others:
                self.assertNotIn(word, text)

    # ---- which month, which tenant

    def test_only_a_closed_month_goes_out(self):
        self.fails(3, "report", "send", self.now,
                   says=(f"month {self.now} is open still", f"quota month close {self.now}"))
        self.fails(2, "report", "send", "October", says=("month 'October'", "like 2026-10"))
        self.fails(2, "report", "send", "2026-13", says=("like 2026-10",))
        self.fails(4, "report", "send", "2199-12", says=("2199",))
        self.assertEqual(([], 0), (self.taken(), self.rows_kept()))

    def test_one_tenant_alone(self):
        self.assertEqual([(OFFICE, "sent")], self.send("--tenant", "south"))
        self.fails(4, "report", "send", "--tenant", "west",
                   says=("west has a contact", "quota tenant set NAME --contact"))
        self.fails(4, "report", "send", "--tenant", "nowhere", says=("nowhere",))
        self.assertEqual([(DEAN, "sent"), (OFFICE, "was sent before")], self.send())
        self.assertEqual([OFFICE, DEAN], self.taken())

    def test_without_any_contact_it_says_how_to_give_one(self):
        self.books.sql("UPDATE tenant SET contact = ''")
        self.fails(4, "report", "send", says=("no tenant has a contact", "--contact ADDRESS"))

    def test_a_new_contact_gets_it_once_too(self):
        self.send("--tenant", "north")
        self.books.write("tenant", "set", "north", "--contact", "rector@north.example")
        for answer in ("sent", "was sent before"):
            self.assertEqual([("rector@north.example", answer)], self.send("--tenant", "north"))
        self.books.write("tenant", "set", "north", "--contact", DEAN)
        self.assertEqual([(DEAN, "was sent before")], self.send("--tenant", "north"))
        self.assertEqual([DEAN, "rector@north.example"], self.taken())

    def test_two_tenants_with_one_contact_get_a_message_each(self):
        self.books.sql(f"UPDATE tenant SET contact = '{DEAN}' WHERE name = 'south'")
        self.assertEqual([(DEAN, "sent"), (DEAN, "sent")], self.send())
        self.assertEqual([f"GPU-hours of north: {self.last}", f"GPU-hours of south: {self.last}"],
                         [m["Subject"] for _, m in self.server.taken])

    def test_a_contact_that_is_no_address_hinders_nobody_else(self):
        for contact in ("the dean", "dean@", "@north.example", "a@b@c", "dean@north.example, x@y.z",
                        "<dean@north.example>", "dean@north.example\r\nBcc: x@y.z", "d\u00ebkan@x.y"):
            self.books.sql("DELETE FROM mail; UPDATE tenant SET contact = "
                           f"X'{contact.encode().hex()}' WHERE name = 'north'")
            result = self.books.quota("report", "send", "--format", "json")
            self.assertEqual(1, result.code, result.err)
            bad, good = result.json()
            self.assertEqual(("failed", "sent"), (bad["answer"], good["answer"]))
            self.assertIn("write one like dean@north.example", bad["note"])
        self.assertEqual({OFFICE}, set(self.taken()))

    # ---- a rehearsal

    def test_a_rehearsal_sends_and_writes_nothing(self):
        would = [(DEAN, "would be sent"), (OFFICE, "would be sent")]
        self.assertEqual(would, self.send("--dry-run"))
        self.assertEqual(([], 0), (self.taken(), self.rows_kept()))
        self.send("--tenant", "north")
        self.server.fail = "drop"
        self.send("--tenant", "south", code=1)
        table = self.books.sql("SELECT * FROM mail ORDER BY id")
        self.assertEqual([(DEAN, "was sent before"), (OFFICE, "unknown")],
                         self.send("--dry-run", code=1))
        self.assertEqual([(DEAN, "was sent before"), (OFFICE, "would be sent")],
                         self.send("--dry-run", "--again", OFFICE))
        self.assertEqual(table, self.books.sql("SELECT * FROM mail ORDER BY id"))
        self.assertEqual(2, len(self.server.taken))

    # ---- what breaks

    def test_a_refused_address_is_tried_again_and_the_others_go_out(self):
        self.server.refused.add(DEAN)
        result = self.books.quota("report", "send", "--format", "json")
        self.assertEqual(1, result.code)
        self.assertEqual(["failed", "sent"], [r["answer"] for r in result.json()])
        self.assertIn("550", result.json()[0]["note"])
        self.server.refused.clear()
        self.assertEqual([(DEAN, "sent"), (OFFICE, "was sent before")], self.send())
        self.assertEqual([OFFICE, DEAN], self.taken())

    def test_a_message_refused_at_its_end_is_tried_again(self):
        self.server.fail = "data"
        self.assertEqual([(DEAN, "failed"), (OFFICE, "failed")], self.send(code=1))
        self.server.fail = None
        self.assertEqual([(DEAN, "sent"), (OFFICE, "sent")], self.send())
        self.assertEqual([DEAN, OFFICE], self.taken())

    def test_a_server_that_is_away_is_tried_again(self):
        port = MailServer()
        port.close()
        self.configure(f"smtp://127.0.0.1:{port.port}")
        self.assertEqual([(DEAN, "failed"), (OFFICE, "failed")], self.send(code=1))
        self.configure()
        self.assertEqual([(DEAN, "sent"), (OFFICE, "sent")], self.send())

    def test_what_was_taken_without_a_word_is_never_sent_twice_by_itself(self):
        self.server.fail = "drop"
        unknown = [(DEAN, "unknown"), (OFFICE, "unknown")]
        self.assertEqual(unknown, self.send(code=1))
        self.server.fail = None
        self.assertEqual(unknown, self.send(code=1))
        self.assertEqual([DEAN, OFFICE], self.taken())
        self.assertEqual([(DEAN, "unknown"), (OFFICE, "sent")],
                         self.send("--again", OFFICE, code=1))
        self.assertEqual([(DEAN, "unknown"), (OFFICE, "was sent before")],
                         self.send("--again", OFFICE, code=1))
        self.assertEqual([DEAN, OFFICE, OFFICE], self.taken())
        self.assertEqual(self.server.taken[1][1]["Message-ID"],
                         self.server.taken[2][1]["Message-ID"])

    def killed(self, where):
        """A sender killed while the server keeps it waiting there."""
        self.server.fail = where
        child = self.start("--tenant", "north")
        self.assertTrue(self.server.reached.wait(60))
        child.kill()
        child.wait()
        self.server.fail = None
        self.server.go()

    def test_killed_at_the_end_of_the_message_leaves_it_unknown(self):
        self.killed("hold")
        self.assertEqual([(DEAN, "unknown")], self.send("--tenant", "north", code=1))
        self.assertEqual([DEAN], self.taken())

    def test_killed_before_the_message_it_goes_out_at_the_next_call(self):
        self.killed("wait")
        self.assertEqual([["claimed"]], self.books.sql("SELECT state FROM mail"))
        self.assertEqual([(DEAN, "sent")], self.send("--tenant", "north"))
        self.assertEqual([DEAN], self.taken())

    def test_a_database_killed_at_the_end_of_the_message_makes_no_second_one(self):
        self.server.fail = "hold"
        child = self.start("--tenant", "north")
        self.assertTrue(self.server.reached.wait(60))
        self.books.mariadb.kill()
        self.server.fail = None
        self.server.go()
        self.books.mariadb.start()
        child.wait(60)
        ((_, answer),) = self.send("--tenant", "north", code=child.returncode)
        self.assertIn((answer, child.returncode), [("unknown", 1), ("was sent before", 0)])
        self.assertEqual([DEAN], self.taken())

    def test_many_senders_at_once_send_one_each(self):
        children = [self.start() for _ in range(4)]
        codes = [child.wait(120) for child in children]
        self.assertTrue({0, 1}.issuperset(codes), codes)
        self.assertEqual([DEAN, OFFICE], sorted(self.taken()))
        self.assertEqual([(DEAN, "was sent before"), (OFFICE, "was sent before")], self.send())

    def test_a_sender_that_was_overtaken_sends_nothing(self):
        self.server.fail = "wait"
        slow = self.start("--tenant", "north")
        self.assertTrue(self.server.reached.wait(60))
        self.books.sql("UPDATE mail SET claimed_by = 'another'")
        self.server.fail = None
        self.server.go()
        self.assertEqual(1, slow.wait(60))
        self.assertEqual(([], [["claimed", "another"]]),
                         (self.taken(), self.books.sql("SELECT state, claimed_by FROM mail")))

    # ---- the configuration

    def test_a_site_without_mail_says_what_is_missing(self):
        self.books.conf.write_text(self.plain)
        self.fails(1, "report", "send", says=("no section [mail] with server and from",))

    def test_what_is_wrong_in_the_configuration_is_named(self):
        for settings, says in (
                ({"server": "http://127.0.0.1:{port}"}, "smtp://HOST:PORT"),
                ({"server": "smtp://mail.example:25"}, "only to a server on this machine"),
                ({"sender": "the cloud"}, "write one like"),
                ({"tls": "perhaps"}, "perhaps")):
            self.configure(**settings)
            result = self.books.quota("report", "send")
            self.assertNotEqual(0, result.code, settings)
            self.assertIn(says, result.err)
        self.assertEqual(([], 0), (self.taken(), self.rows_kept()))

    def test_a_server_that_cannot_encrypt_gets_nothing(self):
        self.configure(tls="yes")
        self.assertEqual([(DEAN, "failed"), (OFFICE, "failed")], self.send(code=1))
        self.assertEqual([], self.taken())


if __name__ == "__main__":
    unittest.main()

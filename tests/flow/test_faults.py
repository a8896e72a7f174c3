# SPDX-License-Identifier: Apache-2.0
"""Every transaction of the ledger, broken at every statement that writes: rolled back whole, then
repeated whole; and connections cut at every question, before it arrives and after it was done.

The server's own errors are raised inside it: a trigger on each table counts the rows written and
raises the error at the n-th. The count lies in a table outside the transaction (MyISAM, another
database), so that the repeat goes through.
"""
import socket
import threading
import time
import unittest

from books import HOUR, YES, Books, Case
from probes import Probe
from test_month import Past, name

# what MariaDB says, and the state that belongs to it
ERRORS = {1205: "HY000", 1213: "40001", 1020: "HY000"}
TABLES = ("job", "job_spec", "event", "attempt", "transfer", "budget", "audit", "allocation",
          "request")
# what the administrator's transactions of several statements write besides
SETUP = ("tenant", "tenant_admin", "project", "member", "person", "price", "spend_limit", "month",
         "month_report", "month_balance")


class Faults:
    """Triggers that raise an error at the n-th row written from now on."""

    def __init__(self, books, tables=TABLES):
        self.books = books
        statements = ["CREATE DATABASE fault",
                      "CREATE TABLE fault.plan (n INT, target INT, code INT) ENGINE=MyISAM",
                      "INSERT INTO fault.plan VALUES (0, 0, 0)"]
        books.sql("; ".join(statements))
        raises = " ".join(f"WHEN {code} THEN SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {code}, "
                          "MESSAGE_TEXT = 'raised by a test';" for code, state in ERRORS.items())
        for table in tables:
            for when in ("INSERT", "UPDATE", "DELETE"):
                books.sql(f"""DELIMITER //
                    CREATE TRIGGER fault_{table}_{when} BEFORE {when} ON {table} FOR EACH ROW
                    BEGIN
                        UPDATE fault.plan SET n = n + 1;
                        IF (SELECT n = target FROM fault.plan) THEN
                            CASE (SELECT code FROM fault.plan) {raises} ELSE BEGIN END; END CASE;
                        END IF;
                    END //""")

    def plan(self, target, code):
        self.books.sql(f"UPDATE fault.plan SET n = 0, target = {target}, code = {code}")

    def writes(self):
        return self.books.number("SELECT n FROM fault.plan")


class Life:
    """One of each operation, on books made for it: `steps` are (name, what is asked)."""

    def __init__(self, books, probe, number):
        self.books, self.probe, self.number = books, probe, number
        self.epoch = probe.ask("lease")["number"]
        self.project = f"life{number}"
        books.sql("INSERT INTO project (tenant_id, name, title, created_ms) "
                  f"VALUES (1, '{self.project}', 'A life', 1); INSERT INTO member "
                  f"SELECT id, {books.alice}, 'pi', 1 FROM project WHERE name = '{self.project}'")
        self.keys = 0
        self.seq, self.attempt, self.job = 1, 0, 0

    def key(self):
        self.keys += 1
        return f"{self.number:016x}{self.keys:016x}"

    def run(self, do):
        """do(op, what) asks for one operation and returns its answer."""
        term = {"from_ms": 1000, "until_ms": 3000000000000}
        a = do("open", {"key": self.key(), "project": self.project, "gpums": 20 * HOUR, **term})
        b = do("open", {"key": self.key(), "project": self.project, "gpums": HOUR, **term})
        a, b = a["number"], b["number"]
        me = {"person_id": self.books.alice}
        do("grant", {"key": self.key(), "allocation": a, "gpums": HOUR})
        do("revoke", {"key": self.key(), "allocation": a, "gpums": HOUR})
        do("transfer", {"key": self.key(), "allocation": a, "to_allocation": b, "gpums": HOUR})
        do("adjust", {"key": self.key(), "allocation": a, "gpums": -5})
        do("share", {"key": self.key(), "allocation": a, "gpums": 18 * HOUR, **me})
        place = {"project": self.project, "gpus": 2, "limit_ms": HOUR, "allocation": a, **me}
        self.job = do("place", {"key": self.key(), **place})["number"]
        do("extend", {"key": self.key(), "job": self.job, "more_ms": 60000})
        self.attempt = self.step(do, "attempt", token=self.key(), gpus=2, weight=1000)["number"]
        self.step(do, "started")
        do("charge", {"epoch": self.epoch, "attempt": self.attempt, "month": self.books.month(),
                      "gpums": 1000})
        do("refund", {"key": self.key(), "job": self.job, "gpums": 400, "cause": "error"})
        self.step(do, "settle", run_ms=500, gpums=1000, post=0, month=self.books.month(),
                  refund=300, refund_cause="node_fault")
        self.seq, self.attempt = 1, 0
        self.job = do("place", {"key": self.key(), **place})["number"]
        self.step(do, "cancel")
        self.books.sql(f"UPDATE allocation SET until_ms = 2000 WHERE id = {b}")
        do("expire", {"key": self.key(), "allocation": b})

    def step(self, do, op, **what):
        got = do(op, {"job": self.job, "epoch": self.epoch, "seq": self.seq + 1,
                      "attempt": self.attempt, "at_ms": int(time.time() * 1000), **what})
        self.seq += 1
        return got


class BrokenStatements(Case):
    """An error at each row that a transaction writes."""

    def setUp(self):
        self.books = Books().furnish(1)
        self.faults = Faults(self.books)
        self.probe = Probe(self.books.conf)

    def tearDown(self):
        self.probe.close()
        self.books.close()

    def budgets(self, project):
        return self.books.sql(
            "SELECT b.kind, b.free, b.held, b.used FROM budget b JOIN allocation a ON a.id = "
            f"b.allocation_id JOIN project p ON p.id = a.project_id WHERE p.name = '{project}' "
            "ORDER BY b.id")

    def test_each_transaction_is_repeated_whole(self):
        counts = []
        Life(self.books, self.probe, 0).run(lambda op, what: self.count(op, what, counts))
        expected = self.budgets("life0")
        broken = 0
        for code in ERRORS:
            for nth in range(1, max(n for _, n in counts) + 1):
                number = code * 100 + nth

                def do(op, what, code=code, nth=nth):
                    nonlocal broken
                    self.faults.plan(nth, code)
                    got = self.probe.ask(op, **what)
                    broken += self.faults.writes() > nth
                    self.faults.plan(0, 0)
                    self.assertIn(got["answer"], ("done", "placed"), (op, code, nth))
                    return got
                Life(self.books, self.probe, number).run(do)
                self.assertEqual(expected, self.budgets(f"life{number}"), (code, nth))
        self.books.ok("verify")
        self.assertGreaterEqual(broken, len(ERRORS) * sum(n for _, n in counts))

    def count(self, op, what, counts):
        self.faults.plan(0, 0)
        got = self.probe.ask(op, **what)
        counts.append((op, self.faults.writes()))
        return got

    def dump(self):
        return {t: self.books.sql(f"SELECT * FROM {t}") for t in TABLES}

    def test_what_was_not_repeated_left_nothing(self):
        """The same procedures called once, by hand: the error comes out, and no row changed."""
        b = self.books
        spec = '{"name": "x"}'
        calls = [
            ("portal", f"CALL job_place({b.alice}, '%s', SHA2('{spec}', 256), 'lattice', 0, 'batch', "
                       f"'x', 1, 1, 'any', 0, 0, 60000, 0, 0, 0, 'normal', '{spec}')"),
            ("admin", "CALL posting_grant('me', 'here', 'why not', '%s', 0, "
                      f"{b.allocation}, 1000, '')"),
        ]
        for account, call in calls:
            for code in ERRORS:
                self.check_left_nothing(account, call % (f"{code}" * 8), code)
        b.ok("verify")

    def check_left_nothing(self, account, call, code):
        """The error at each row in turn, until the call has none left to write."""
        nth = 0
        while True:
            nth += 1
            before = self.dump()
            self.faults.plan(nth, code)
            result = self.books.client(account, call)
            if result.code == 0:
                break
            self.assertIn(f"ERROR {code}", result.err)
            self.assertEqual(before, self.dump(), (call, code, nth))
        self.assertGreater(nth, 2, (call, code, result.out))
        self.faults.plan(0, 0)


class BrokenCommands(Case):
    """An error at each row that the command `quota` writes when it changes what is set up, or closes
    a month: such a transaction has several statements, which the command repeats itself."""

    def setUp(self):
        self.books = Past().furnish(100)
        self.addCleanup(self.books.close)
        self.numbers = iter(range(10 ** 6))

    def break_each(self, args, undo=None):
        """args(n) is a command, a new one for each n. It succeeds each time, and once."""
        told = None
        for code in ERRORS:
            nth, is_broken = 0, True
            while is_broken:
                n = next(self.numbers)
                key = f"fault-{n:08}"
                self.faults.plan(nth, code)
                self.books.ok(*args(n), *YES, "--key", key)
                is_broken = nth == 0 or self.faults.writes() > nth
                self.faults.plan(0, 0)
                rows = self.books.sql("SELECT verb, before_text, "
                                      f"REPLACE(after_text, '-{n}', '-N') FROM audit "
                                      f"WHERE request_key = '{key}'")
                told = told or rows
                self.assertEqual((1, told), (len(rows), rows), (args(n), code, nth))
                if undo:
                    undo(key)
                nth += 1
            self.assertGreaterEqual(nth, 3, args(n))  # unbroken, at the audit row, at the change

    def test_each_change_of_the_set_up_is_repeated_whole(self):
        self.faults = Faults(self.books, TABLES + SETUP)
        for n in range(200):  # what the commands need, each its own
            self.books.sql(
                f"INSERT INTO tenant VALUES (1000 + {n}, 'old-{n}', 'Old', '', 'open', 1);"
                f"INSERT INTO project VALUES (1000 + {n}, 1, 'was-{n}', 'Old', NULL, 'open', 1);"
                f"INSERT INTO spend_limit (scope, scope_id, gpus) VALUES ('project', 1000 + {n}, 4);"
                f"INSERT INTO member VALUES (1000 + {n}, {self.books.bob}, 'member', 1);"
                f"INSERT INTO tenant_admin VALUES (1000 + {n}, {self.books.alice})")
        for args in (lambda n: ("tenant", "add", f"new-{n}", "--title", "New"),
                     lambda n: ("tenant", "set", f"old-{n}", "--title", "Other"),
                     lambda n: ("tenant", "appoint", f"old-{n}", "bob@north"),
                     lambda n: ("tenant", "dismiss", f"old-{n}", "alice@north"),
                     lambda n: ("project", "add", f"p-{n}", "--tenant", "north", "--title", "P"),
                     lambda n: ("project", "close", f"was-{n}"),
                     lambda n: ("member", "add", f"was-{n}", "alice@north"),
                     lambda n: ("member", "set", f"was-{n}", "bob@north", "--role", "pi"),
                     lambda n: ("member", "remove", f"was-{n}", "bob@north"),
                     lambda n: ("limit", "set", "project", f"was-{n}", "--waiting", "5"),
                     lambda n: ("limit", "clear", "project", f"was-{n}"),
                     lambda n: ("price", "set", f"gpu-{n}", "1.5")):
            with self.subTest(args(0)):
                self.break_each(args)
        self.books.ok("verify")

    def test_the_close_of_a_month_is_repeated_whole(self):
        self.books.history()
        older = self.books.older
        self.faults = Faults(self.books, TABLES + SETUP)

        def undo(key):
            self.assertEqual(1, self.books.number("SELECT COUNT(*) FROM month_report"))
            self.books.sql("DELETE FROM month_report; DELETE FROM month_balance; UPDATE month SET "
                           "closed_ms = NULL, closed_by = NULL, checksum = NULL; "
                           f"DELETE FROM audit WHERE request_key = '{key}'")
        self.break_each(lambda n: ("month", "close", name(older)), undo)
        self.books.freeze_both()
        self.books.ok("verify")


class Proxy(threading.Thread):
    """Between the probe and the server. `cut`: at the next question from the client, close both
    ends 'before' it is passed on, or 'after' the server has answered it."""

    def __init__(self, server, path):
        super().__init__(daemon=True)
        self.server, self.cut = server, None
        self.cuts = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.server)
            for way in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.pump, args=way, daemon=True).start()

    def is_due(self, data):
        """A question to execute a prepared statement (COM_STMT_EXECUTE)."""
        return len(data) > 4 and data[4] == 0x17

    def pump(self, source, sink, is_question):
        try:
            while data := source.recv(65536):
                is_call = is_question and self.is_due(data)
                if is_call and self.cut == "before":
                    self.cut = None
                    self.cuts += 1
                    break
                if is_call and self.cut == "after":
                    self.cut = "answer"
                elif not is_question and self.cut == "answer":
                    self.cut = None
                    self.cuts += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class TransactionProxy(Proxy):
    """Cuts at the n-th question of the next transaction, whatever it is: COMMIT too."""

    left, is_begun = 0, False

    def plan(self, cut, nth):
        self.cut, self.left, self.is_begun = cut, nth, False

    def is_due(self, data):
        self.is_begun = self.is_begun or b"autocommit=0" in data
        self.left -= self.is_begun
        return self.left < 0


class CutConnections(Case):
    """A question that never arrived, and one whose answer never did."""

    def setUp(self):
        self.books = Books().furnish(1)
        path = str(self.books.folder / "proxy")
        self.proxy = Proxy(self.books.mariadb.socket, path)
        self.proxy.start()
        conf = self.books.folder / "proxied.conf"
        text = self.books.conf.read_text().replace(self.books.mariadb.socket, path)
        conf.write_text(text)
        self.probe = Probe(conf)

    def tearDown(self):
        self.probe.close()
        self.proxy.close()
        self.books.close()

    def test_an_operation_happens_once_however_its_connection_is_cut(self):
        asked = 0
        for number, cut in enumerate((None, "before", "after")):

            def do(op, what, cut=cut):
                nonlocal asked
                self.proxy.cut = cut
                asked += cut is not None
                got = self.probe.ask(op, **what)
                self.assertIn(got["answer"], ("done", "placed", "same"), (op, cut))
                return got
            Life(self.books, self.probe, number).run(do)
        rows = [self.books.sql(
            "SELECT b.kind, b.free, b.held, b.used FROM budget b JOIN allocation a ON a.id = "
            f"b.allocation_id JOIN project p ON p.id = a.project_id WHERE p.name = 'life{n}' "
            "ORDER BY b.id") for n in range(3)]
        self.assertEqual(rows[0], rows[1])
        self.assertEqual(rows[0], rows[2])
        self.assertEqual(asked, self.proxy.cuts)
        self.books.ok("verify")


class CutCommands(Case):
    """The transactions of several statements that the command makes, lost at each of them."""

    def setUp(self):
        self.books = Books()
        self.addCleanup(self.books.close)
        path = str(self.books.folder / "proxy")
        self.proxy = TransactionProxy(self.books.mariadb.socket, path)
        self.addCleanup(self.proxy.close)
        self.proxy.start()
        self.conf = self.books.folder / "proxied.conf"
        text = self.books.conf.read_text().replace(self.books.mariadb.socket, path)
        self.conf.write_text(text)

    def add(self, cut, nth):
        """The answer; one tenant and one row of the audit are new."""
        tenant = f"{cut}-{nth:03}"
        self.proxy.plan(cut, nth)
        rows = self.books.ok("tenant", "add", tenant, *YES, "--key", tenant, "--format", "json",
                             "--config", self.conf).json()
        self.assertEqual(1, self.books.number(
            f"SELECT COUNT(*) FROM tenant WHERE name = '{tenant}'"), tenant)
        self.assertEqual(1, self.books.number(
            f"SELECT COUNT(*) FROM audit WHERE request_key = '{tenant}'"), tenant)
        return rows[0]["answer"]

    def test_a_command_happens_once_wherever_its_transaction_is_cut(self):
        for cut in ("before", "after"):
            answers = []
            while not self.proxy.cut:  # the last one had no question left to be cut at
                answers.append(self.add(cut, len(answers)))
            self.proxy.cut = None
            self.assertGreater(len(answers), 5, answers)
            if cut == "after":  # the answer to COMMIT was lost: it is asked, and was done
                self.assertIn("done before", answers)


if __name__ == "__main__":
    unittest.main()

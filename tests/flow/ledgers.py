# SPDX-License-Identifier: Apache-2.0
"""What the tests of the ledger's procedures have in common: what administrators post, jobs that
are placed, charged and settled as the daemons do it, and books proved after each test."""
import os
import subprocess

from books import HOUR, Books, Case

DAY = 24 * HOUR
DUMP_IGNORES = ("lease",)  # runnerd's, and not the books'


class Ledger(Case):
    """A fresh site for each class, its books proved after each test."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.books = Books(flags=cls.flags).furnish(100)
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def tearDown(self):
        self.books.ok("verify")

    def key(self):
        type(self).number += 1
        return f"test-key-{self.number:04}"

    def call_text(self, verb, *args, key=None, dry=0):
        args += (None,) if verb == "share" else ()  # no prover: an administrator posts
        values = ", ".join("NULL" if a is None else f"'{a}'" if isinstance(a, str) else str(a)
                           for a in args)
        return (f"CALL posting_{verb}('root', 'quota here', 'a test', '{key or self.key()}', "
                f"{dry}{', ' if args else ''}{values})")

    def post(self, verb, *args, key=None, dry=0):
        """outcome, number, moved, there (None where the answer has none)."""
        row = self.books.call("admin", self.call_text(verb, *args, key=key, dry=dry))[0]
        return [row[0], *(None if v == "NULL" else int(v) for v in row[1:])]

    def open(self, hours=10, project="lattice", until=None, start=0):
        """A new allocation; `until`: days from now (below 0: its term is over)."""
        end = self.books.number("SELECT now_ms()") + (until or 300) * DAY
        row = self.post("open", project, start, max(end, 1), hours * HOUR, "")
        self.assertEqual("done", row[0])
        return row[1]

    def end_term(self, allocation):
        """Its term is over now: nobody can wait for that in a test."""
        self.books.sql(f"UPDATE allocation SET until_ms = now_ms() - 1 WHERE id = {allocation}")

    def free(self, allocation):
        return self.buckets(allocation)[0]

    def buckets(self, allocation, person=None):
        """free, held, used in hours."""
        who = f"= {person}" if person else "IS NULL"
        row = self.books.sql("SELECT free, held, used FROM budget WHERE allocation_id = "
                             f"{allocation} AND person_id {who}")[0]
        return [int(v) / HOUR for v in row]

    def account(self, name):
        return self.books.number(f"SELECT free FROM budget WHERE name = '{name}'") / HOUR

    def dump(self):
        """Every row of every table of the books."""
        tables = [t for (t,) in self.books.sql("SHOW TABLES") if t not in DUMP_IGNORES]
        return {t: self.books.sql(f"SELECT * FROM {t}") for t in tables}

    def place_in(self, allocation, person=None, hours=1, gpus=1, key=None, gpu_type="any"):
        """The whole row of job_place()."""
        self.books.keys += 1
        key = key or f"{self.books.keys:032x}"
        return self.books.call("portal", (
            f"CALL job_place({person or self.books.alice}, '{key}', SHA2('x', 256), 'lattice', "
            f"{allocation}, 'batch', 'a job', 1, {gpus}, '{gpu_type}', 0, 0, "
            f"{int(hours * HOUR)}, 0, 0, 0, 'normal', '{{}}')"))[0]

    def job_in(self, allocation, person=None, hours=1, gpus=1):
        row = self.place_in(allocation, person, hours, gpus)
        self.assertEqual("placed", row[0])
        return int(row[1])

    def job_row(self, job, columns):
        return self.books.sql(f"SELECT {columns} FROM job WHERE id = {job}")[0]

    def end(self, job, attempt, gpums, event="ended", state="completing", cause="exit"):
        seq = self.books.number(f"SELECT seq FROM job WHERE id = {job}") + 1
        self.books.runner(f"CALL attempt_end(EPOCH, {job}, {seq}, '{event}', '{state}', "
                          f"{attempt}, now_ms(), {gpums}, {gpums}, {gpums}, 0, 0, '{cause}', "
                          "0, NULL, '')")

    def charge(self, attempt, gpums, month=None):
        return self.books.runner(f"CALL charge_post(EPOCH, {attempt}, "
                                 f"{month or self.books.month()}, {gpums}, {gpums})")[0]

    def settle(self, job, attempt, gpums, post=None, refund="NULL, 0", month=None):
        seq = self.books.number(f"SELECT seq FROM job WHERE id = {job}") + 1
        run = gpums // self.books.number(f"SELECT gpus FROM attempt WHERE id = {attempt}")
        post = gpums if post is None else post
        return self.books.runner(
            f"CALL job_settle(EPOCH, {job}, {attempt}, {seq}, now_ms(), {run}, {run}, {gpums}, "
            f"7, 3, 'exit', 0, NULL, '', {month or self.books.month()}, {post}, {post}, "
            f"{refund}, 'completed', 'completed', 0, 'done')")[0]

    def every_verb(self):
        """(verb, arguments, other arguments), each of which can be done now."""
        b = self.books
        allocation, other, over = self.open(10), self.open(10), self.open(10)
        self.end_term(over)
        charged = self.job_in(allocation, hours=2)
        attempt = b.start(charged)
        b.finish(charged, attempt, HOUR)
        live = self.job_in(allocation)
        self.assertEqual("done", self.post("share", other, b.alice, 5 * HOUR)[0])
        end = b.number("SELECT now_ms()") + 9 * DAY
        return [
            ("open", ("lattice", 0, end, HOUR, ""), ("lattice", 0, end, HOUR, "x")),
            ("grant", (allocation, HOUR, ""), (allocation, 2 * HOUR, "")),
            ("revoke", (allocation, HOUR, ""), (other, HOUR, "")),
            ("transfer", (allocation, other, HOUR, ""), (other, allocation, HOUR, "")),
            ("refund", (charged, 1, "error", 0, ""), (charged, 2, "error", 0, "")),
            ("refund", (charged, 0, "error", 0, ""), (charged, 0, "goodwill", 0, "")),
            ("adjust", (allocation, 7, 0, 0, ""), (allocation, -7, 0, 0, "")),
            ("expire", (over,), (other,)),
            ("share", (allocation, b.alice, HOUR), (allocation, b.alice, -1)),
            ("share", (other, b.alice, -1), (other, b.alice, HOUR)),
            ("extend", (live, HOUR), (live, HOUR // 2)),
        ]

    def assert_two_at_once_post_once(self):
        b = self.books
        password = (b.folder / "admin.password").read_text().strip()
        for verb, args, _ in self.every_verb():
            text = self.call_text(verb, *args, key=self.key())
            at_once = [subprocess.Popen(
                ["mariadb", "--no-defaults", "--batch", "--skip-column-names",
                 "--user=firefly_admin", "--init-command=SET tx_isolation = 'READ-COMMITTED'",
                 f"--socket={b.mariadb.socket}", "firefly", "-e", text], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, env={**os.environ, "MYSQL_PWD": password})
                for _ in range(6)]
            answers = sorted(p.communicate()[0].split("\t")[0] for p in at_once)
            self.assertEqual(["done"] + 5 * ["same"], answers, text)

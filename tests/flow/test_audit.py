# SPDX-License-Identifier: Apache-2.0
"""`quota audit`: lists what was changed, and finds every row that was changed, removed, moved,
added or cut off. A second implementation of the chain's arithmetic seals the rows here."""
import hashlib
import hmac
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from books import QUOTA, Books, Case

KEY = "3b" * 32
FIELDS = ("actor", "origin", "verb", "object", "reason", "before_text", "after_text",
          "request_key")
NO_SEAL = "0" * 64


def canonical(number, row):
    """One netstring a field: the length counts bytes."""
    texts = [str(number), *map(str, row)]
    return b"".join(b"%d:%s," % (len(t.encode()), t.encode()) for t in texts)


def seal(key, previous, number, row):
    return hmac.new(key.encode(), previous.encode() + canonical(number, row),
                    hashlib.sha256).hexdigest()


class Audit(Case):
    @classmethod
    def setUpClass(cls):
        b = cls.books = Books().furnish(100)
        cls.key_file, cls.head_file = b.folder / "seal.key", b.folder / "seal.head"
        cls.write_key(KEY)
        with open(b.conf, "a", encoding="ascii") as conf:
            conf.write(f"[seal]\nkey_file = {cls.key_file}\nhead_file = {cls.head_file}\n")
        b.write("tenant", "set", "north", "--title", "Universität Nord, „alt“ 🏛")
        for title in range(6):
            b.write("project", "set", "lattice", "--title", f"Lattice {title}")
        cls.seal_all()
        b.sql("CREATE TABLE sound_audit AS SELECT * FROM audit;"
              "CREATE TABLE sound_month AS SELECT * FROM month")
        cls.sound_head = cls.head_file.read_text()

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def tearDown(self):
        self.books.sql("SET foreign_key_checks = 0; DELETE FROM audit;"
                       "INSERT INTO audit SELECT * FROM sound_audit;"
                       "DELETE FROM month; INSERT INTO month SELECT * FROM sound_month")
        self.head_file.write_text(self.sound_head)
        self.write_key(KEY)
        self.assertEqual([], self.found())

    @classmethod
    def write_key(cls, text, mode=0o600):
        cls.key_file.touch(mode)
        cls.key_file.write_text(text + "\n")
        cls.key_file.chmod(mode)

    # ---- sealing, as runnerd does

    @classmethod
    def rows(cls, where="chain_no IS NULL ORDER BY id"):
        """[id, at_ms, the texts …]; read as hexadecimal: the client would escape them."""
        texts = ", ".join(f"HEX({f})" for f in FIELDS)
        return [[int(r[0]), int(r[1]), *(bytes.fromhex(t).decode() for t in r[2:])]
                for r in cls.books.sql(f"SELECT id, at_ms, {texts} FROM audit WHERE {where}")]

    @classmethod
    def seal_all(cls, key=KEY, head=(0, NO_SEAL)):
        number, previous = head
        for row in cls.rows():
            number += 1
            previous = seal(key, previous, number, row)
            cls.books.sql(f"UPDATE audit SET chain_no = {number}, seal = '{previous}' WHERE id "
                          f"= {row[0]}")
        cls.head_file.write_text(f"{number} {previous}\n")
        return number, previous

    def head(self):
        number, text = self.sound_head.split()
        return int(number), text

    # ---- looking

    def found(self):
        """The findings as (check, where)."""
        result = self.books.quota("audit", "verify", "--format", "json")
        self.assertIn(result.code, (0, 5), result.err)
        rows = result.json()
        self.assertEqual(5 if rows else 0, result.code, result.err)
        self.assertIn(f"{len(rows)} faults", result.err)
        for row in rows:
            self.assertNotEqual(row["expected"], row["found"])
            self.assertGreater(len(row["meaning"]), 10)
        return [(r["check"], r["where"]) for r in rows]

    def breaks(self, sql, *findings):
        """After the damage exactly these are found; `where` may be a part of the words."""
        self.books.sql("SET foreign_key_checks = 0;" + sql)
        found = self.found()
        self.assertEqual(len(findings), len(found), found)
        for (check, where), (check_found, where_found) in zip(findings, found):
            self.assertEqual(check, check_found, found)
            self.assertIn(where, where_found)

    # ---- verify

    def test_a_whole_chain_is_whole(self):
        number, last = self.head()
        result = self.books.ok("audit", "verify")
        self.assertEqual(f"audit is whole: {number} rows sealed, 0 not yet, 0 faults; head "
                         f"{number} {last}\n",
                         result.out)

    def test_findings_are_a_table_for_people(self):
        self.books.sql("UPDATE audit SET actor = 'nobody' WHERE chain_no = 3")
        result = self.books.quota("audit", "verify")
        self.assertEqual(5, result.code)
        self.assertRegex(result.out, r"(?m)^seal  +audit row \d+ \(chain number 3: ")
        self.assertIn("audit is NOT whole", result.out)

    def test_each_column_is_sealed(self):
        for column in FIELDS:
            with self.subTest(column):
                self.breaks(f"UPDATE audit SET {column} = CONCAT(LEFT({column}, 20), 'x') "
                            "WHERE chain_no = 4",
                            ("seal", "(chain number 4:"))
                self.tearDown()
        for column, value in (("at_ms", "at_ms + 1"), ("id", "id + 100000")):
            with self.subTest(column):
                self.breaks(f"UPDATE audit SET {column} = {value} WHERE chain_no = 4",
                            ("seal", "(chain number 4:"))
                self.tearDown()

    def test_text_moved_from_one_column_to_the_next(self):
        self.breaks("UPDATE audit SET object = CONCAT(object, LEFT(reason, 1)), reason = "
                    "SUBSTRING(reason, 2) WHERE chain_no = 4", ("seal", "(chain number 4:"))

    def test_a_changed_seal(self):
        """The row itself, and the one that was sealed after it."""
        self.breaks("UPDATE audit SET seal = REVERSE(seal) WHERE chain_no = 4",
                    ("seal", "(chain number 4:"), ("seal", "(chain number 5:"))

    def test_a_removed_row(self):
        self.breaks("DELETE FROM audit WHERE chain_no = 4", ("removed", "chain numbers 4 to 4"))

    def test_removed_rows_at_the_begin(self):
        self.breaks("DELETE FROM audit WHERE chain_no <= 3",
                    ("removed", "chain numbers 1 to 3"))

    def test_a_removed_row_whose_gap_was_closed(self):
        number, _ = self.head()
        self.books.sql("DELETE FROM audit WHERE chain_no = 4;"
                       "UPDATE audit SET chain_no = chain_no - 1 WHERE chain_no > 4 ORDER BY "
                       "chain_no")
        found = self.found()
        self.assertEqual([("seal", f"(chain number {n}:") for n in range(4, number)],
                         [(c, re.search(r"\(chain number \d+:", w)[0]) for c, w in found[:-1]])
        self.assertEqual(("cut off", "the end of the chain"), found[-1])

    def test_two_rows_that_changed_places(self):
        self.breaks("UPDATE audit SET chain_no = 0 WHERE chain_no = 4;"
                    "UPDATE audit SET chain_no = 4 WHERE chain_no = 5;"
                    "UPDATE audit SET chain_no = 5 WHERE chain_no = 0",
                    ("seal", "(chain number 4:"), ("seal", "(chain number 5:"),
                    ("seal", "(chain number 6:"))

    def test_a_row_added_with_a_seal_of_another_key(self):
        number, previous = self.head()
        self.add_row("forged")
        row = self.rows()[0]
        forged = seal("0" * 64, previous, number + 1, row)
        self.breaks(f"UPDATE audit SET chain_no = {number + 1}, seal = '{forged}' WHERE id = "
                    f"{row[0]}",
                    ("seal", f"(chain number {number + 1}:"))

    def test_a_chain_sealed_anew_with_another_key(self):
        """Told in few words, however long the chain is."""
        self.books.sql("UPDATE audit SET chain_no = NULL, seal = NULL")
        for i in range(30):
            self.add_row(f"more-{i}")
        self.seal_all(key="1" * 64)
        found = self.found()
        self.assertEqual(21, len(found), found)
        self.assertEqual({"seal"}, {check for check, _ in found})
        self.assertEqual(("seal", "after those above"), found[-1])

    def test_rows_cut_off_the_end(self):
        number, _ = self.head()
        self.breaks(f"DELETE FROM audit WHERE chain_no > {number - 2}",
                    ("cut off", "the end of the chain"))

    def test_all_rows_removed(self):
        self.breaks("DELETE FROM audit", ("cut off", "the end of the chain"))

    def test_rows_taken_out_of_the_chain(self):
        self.breaks("UPDATE audit SET chain_no = NULL, at_ms = now_ms() WHERE chain_no = 4",
                    ("removed", "chain numbers 4 to 4"), ("removed", "audit row"))
        self.tearDown()
        self.breaks("UPDATE audit SET chain_no = 0, at_ms = now_ms() WHERE chain_no = 4",
                    ("removed", "chain numbers 4 to 4"), ("removed", "audit row"))

    def test_a_number_beyond_all_others(self):
        number, _ = self.head()
        self.add_row("beyond")
        self.breaks(f"UPDATE audit SET chain_no = 18446744073709551615, seal = '{NO_SEAL}' "
                    f"WHERE chain_no IS NULL", ("seal", "audit row"))
        self.tearDown()
        self.breaks(f"UPDATE audit SET chain_no = {number} + 1000 WHERE chain_no = {number}",
                    ("removed", f"chain numbers {number} to {number + 999}"))

    def test_an_end_that_was_replaced(self):
        """With the key, so that every seal is right: the file of the head knows better."""
        number, _ = self.head()
        previous = self.books.sql(f"SELECT seal FROM audit WHERE chain_no = {number - 1}")[0][0]
        self.books.sql(f"UPDATE audit SET reason = 'another', chain_no = NULL, seal = NULL "
                       f"WHERE chain_no = {number}")
        self.seal_all(head=(number - 1, previous))
        self.head_file.write_text(self.sound_head)
        self.assertEqual([("head", "the head in its file")], self.found())

    def test_the_database_may_be_ahead_of_the_head_in_its_file(self):
        self.add_row("later")
        self.seal_all(head=self.head())
        self.head_file.write_text(self.sound_head)
        self.assertEqual([], self.found())

    def test_a_head_that_is_gone(self):
        self.head_file.unlink()
        self.assertEqual([("head", "the head in its file")], self.found())

    def test_rows_that_nobody_seals(self):
        self.add_row("waiting")
        self.assertEqual([], self.found())
        self.breaks("UPDATE audit SET at_ms = at_ms - 61000 WHERE chain_no IS NULL",
                    ("unsealed", "audit row"))
        self.assertIn("runnerd", self.books.quota("audit", "verify").out)

    def test_a_month_that_was_closed_with_another_chain(self):
        close = ("UPDATE month SET closed_ms = 1, audit_no = {}, audit_seal = {} "
                 "WHERE month = (SELECT MIN(month) FROM month)").format
        self.books.sql(close(5, "(SELECT seal FROM audit WHERE chain_no = 5)"))
        self.assertEqual([], self.found())
        self.breaks(close(5, f"'{'ab' * 32}'"), ("month", "chain number 5"))
        self.breaks(close(500, f"'{'ab' * 32}'"), ("month", "chain number 500"))
        self.books.sql(close("NULL", "NULL"))
        self.assertEqual([], self.found())

    def add_row(self, key):
        self.books.sql("INSERT INTO audit (at_ms, actor, origin, verb, object, reason, "
                       "request_key) VALUES (now_ms(), 'eve', 'test', 'grant none', 'nothing', "
                       f"'a test', '{key}-of-eve')")

    # ---- the key

    def test_a_key_that_cannot_be_read(self):
        self.key_file.unlink()
        self.fails(1, "audit", "verify", says=["[seal] key_file", str(self.key_file)])
        self.write_key("short")
        self.fails(1, "audit", "verify", says=["32 characters", "openssl rand -hex 32"])

    def test_a_key_that_others_may_read(self):
        self.write_key(KEY, 0o640)
        self.fails(1, "audit", "verify", says=["[seal] key_file", "chmod 600"])

    def test_a_head_that_is_something_else(self):
        for text in ("", "7\n", f"seven {NO_SEAL}\n", f"7 {NO_SEAL[1:]}\n", f"-1 {NO_SEAL}\n",
                     f"7 {NO_SEAL}\nmore\n"):
            self.head_file.write_text(text)
            self.fails(1, "audit", "verify", says=["[seal] head_file"])

    def test_no_seals_at_all(self):
        conf = self.books.folder / "without.conf"
        conf.write_text(self.books.conf.read_text().split("[seal]")[0])
        self.fails(1, "audit", "verify", "--config", conf,
                   says=["[seal] key_file", "the configuration has none"])
        self.assertGreater(len(self.books.ok("audit", "list", "--config", conf, "--format",
                                             "csv").out), 100)

    @unittest.skipIf(os.geteuid() != 0, "another uid can be taken by root alone")
    def test_somebody_without_the_key(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ffa"))
        try:
            folder.chmod(0o755)
            result = subprocess.run(
                [sys.executable, "-c", "import os, sys; os.setgid(65534); os.setuid(65534);"
                 "os.execv(sys.argv[1], sys.argv[1:])", str(QUOTA), "audit", "verify",
                 "--config",
                 str(self.books.conf)], capture_output=True, check=False)
            self.assertEqual(1, result.returncode, result.stderr)
            self.assertEqual(b"", result.stdout)
        finally:
            shutil.rmtree(folder)

    # ---- list

    def list(self, *args):
        return self.books.ok("audit", "list", "--format", "json", *args).json()

    def test_the_newest_come_first(self):
        rows = [r["row"] for r in self.list()]
        self.assertEqual(sorted(rows, reverse=True), rows)
        self.assertEqual(sorted(rows), [r["row"] for r in self.list("--reverse")])
        self.assertEqual(rows[:3], [r["row"] for r in self.list("--limit", 3)])
        self.assertEqual(sorted(rows)[:3],
                         [r["row"] for r in self.list("--limit", 3, "--reverse")])

    def test_a_row_says_all_of_it(self):
        row = self.list("--verb", "tenant set")[0]
        self.assertEqual(("tenant set", "tenant north", "a test", "yes"),
                         (row["verb"], row["object"], row["reason"], row["sealed"]))
        self.assertIn("University of the North", row["before"])
        self.assertIn("„alt“ 🏛", row["after"])
        self.assertTrue(row["origin"].startswith("quota"), row)
        self.assertEqual(32, len(row["key"]))

    def test_filters(self):
        self.assertEqual({"tenant add", "tenant set"},
                         {r["verb"] for r in self.list("--verb", "tenant")})
        self.assertEqual({"tenant set"}, {r["verb"] for r in self.list("--verb", "tenant set")})
        self.assertEqual([], self.list("--verb", "ten"))
        self.assertEqual([], self.list("--verb", "%"))
        self.assertEqual({"project lattice"},
                         {r["object"] for r in self.list("--object", "project lattice")})
        self.assertEqual({"project lattice"},
                         {r["object"] for r in self.list("--object", "project", "--verb",
                                                         "project")})
        actor = self.list()[0]["actor"]
        self.assertEqual(len(self.list()), len(self.list("--actor", actor)))
        self.assertEqual([], self.list("--actor", "nobody"))

    def test_times(self):
        month = self.books.month()
        name = f"{month // 100}-{month % 100:02d}"
        everything = len(self.list())
        self.assertEqual(everything, len(self.list("--month", name)))
        following = self.books.sql(f"SELECT MIN(month) FROM month WHERE month > {month}")[0][0]
        self.assertEqual([], self.list("--month", f"{following[:4]}-{following[4:]}"))
        self.assertEqual(everything,
                         len(self.list("--since", "2020-01-01", "--until", "2190-01-01")))
        self.assertEqual([], self.list("--until", "2020-01-01"))
        self.assertEqual([], self.list("--since", "2190-01-01"))

    def test_bad_filters(self):
        for args, says in ((("--limit", "0"), "--limit '0'"),
                           (("--limit", "1e9"), "--limit '1e9'"),
                           (("--since", "yesterday"), "2026-11-23"),
                           (("--month", "11"), "2026-10"),
                           (("--month", "2026-11", "--since", "2026-11-01"),
                            "leave out --since"),
                           (("--since", "2026-11-02", "--until", "2026-11-02"), "later day")):
            self.fails(2, "audit", "list", *args, says=[says])
        self.fails(4, "audit", "list", "--month", "2000-01", says=["2000-01"])

    def test_rows_not_sealed_yet(self):
        self.add_row("fresh")
        row = self.list("--actor", "eve")[0]
        self.assertEqual(("no", None), (row["sealed"], row["chain"]))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""A site with allocations, for tests of the command's verbs: what is refused or dry changes
nothing, and the books are in balance after all of it."""
from books import Books, Case


class Site(Case):
    """Allocation `first` of lattice with 100 GPU-hours, and `other` of spin with 50."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books().furnish()
        cls.books.write("project", "add", "spin", "--tenant", "north")
        cls.first = cls.books.allocation
        cls.other = cls.grant("spin", 50)

    @classmethod
    def tearDownClass(cls):
        result = cls.books.quota("verify")
        cls.books.close()
        assert result.code == 0, result.out + result.err

    @classmethod
    def grant(cls, project, hours, since="2020-01-01", until="2090-01-01"):
        return cls.books.write("grant", project, hours, "--from", since, "--until",
                               until)["number"]

    def past(self, hours):
        """One whose term is over since: nobody may open such a one."""
        number = self.grant("spin", hours)
        self.books.sql(f"UPDATE allocation SET until_ms = now_ms() - 1 WHERE id = {number}")
        return number

    def free(self, allocation):
        return self.books.number("SELECT free FROM budget WHERE person_id IS NULL"
                                 f" AND allocation_id = {allocation}")

    def state(self):
        """All that a refused or dry verb must leave as it is."""
        return [self.books.sql(f"CHECKSUM TABLE {table}") for table in (
            "budget", "transfer", "audit", "job", "request", "spend_limit", "price",
            "allocation", "member", "event")]

    def changes_nothing(self, code, *args, says=()):
        before = self.state()
        result = self.fails(code, *args, says=says)
        self.assertEqual(before, self.state(), args)
        return result

# SPDX-License-Identifier: Apache-2.0
"""Terms and months begin and end where their days do, in a zone that has no midnight on
some."""
import datetime
import unittest
import zoneinfo

from books import YES, Books, Case


class Days(Case):
    """Terms in a zone that has no midnight on some days."""

    ZONE = "America/Santiago"

    @classmethod
    def setUpClass(cls):
        cls.books = Books(init=False)
        cls.books.ok("db", "init", "--site", "South", "--zone", cls.ZONE)
        cls.books.write("tenant", "add", "south")
        cls.books.write("project", "add", "andes", "--tenant", "south")

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def first_moment(self, day):
        """Of a day, by looking: the first quarter of an hour that has it as its local day."""
        zone = zoneinfo.ZoneInfo(self.ZONE)
        at = int(datetime.datetime(day.year, day.month, day.day,
                                   tzinfo=datetime.timezone.utc).timestamp()) - 86400
        while datetime.datetime.fromtimestamp(at, zone).date() < day:
            at += 900
        return at * 1000

    def days_without_midnight(self):
        zone = zoneinfo.ZoneInfo(self.ZONE)
        day = datetime.date.today() + datetime.timedelta(days=2)
        while day < datetime.date.today() + datetime.timedelta(days=800):
            moment = datetime.datetime.fromtimestamp(self.first_moment(day) / 1000, zone)
            if moment.hour or moment.minute:
                yield day
            day += datetime.timedelta(days=1)

    def test_a_term_begins_and_ends_where_its_days_do(self):
        gaps = list(self.days_without_midnight())
        self.assertTrue(gaps, "this zone's rules have changed: take another")
        for day in [*gaps, gaps[0] - datetime.timedelta(days=1), datetime.date(2099, 4, 4),
                    datetime.date(2099, 4, 5), datetime.date(2099, 11, 1)]:
            number = self.books.write("grant", "andes", "1", "--from", day, "--until",
                                      day + datetime.timedelta(days=1))["number"]
            row = [r for r in self.rows("balance") if r["allocation"] == number][0]
            self.assertEqual([self.first_moment(day),
                              self.first_moment(day + datetime.timedelta(days=1))],
                             [row["from_ms"], row["until_ms"]], day)

    def test_terms_may_overlap_but_not_be_reversed_or_of_another_zone(self):
        for _ in range(2):
            self.books.write("grant", "andes", "1", "--from", "2026-11-01", "--until",
                             "2099-11-01")
        self.fails(3, "grant", "andes", "1", "--from", "2020-01-01", "--until", "2021-01-01",
                   *YES, says=("--until 2021-01-01", "over already"))
        for since, until in (("2027-01-01", "2026-01-01"), ("2027-01-01", "2027-01-01")):
            self.fails(2, "grant", "andes", "1", "--from", since, "--until", until, *YES,
                       says=("later day",))
        for day in ("2026-11-01T00:00+09:00", "2026-11-01T00:00Z", "2026-11-01 00:00",
                    "2026-11-01+09:00"):
            self.fails(2, "grant", "andes", "1", "--from", day, "--until", "2027-01-01", *YES,
                       says=(f"'{day}'", "like 2026-11-23", self.ZONE))

    def test_months_begin_where_their_first_day_does(self):
        zone = zoneinfo.ZoneInfo(self.ZONE)
        for month, at_ms in self.books.sql("SELECT month, from_ms FROM month WHERE month"
                                           " BETWEEN 202601 AND 202912"):
            moment = datetime.datetime.fromtimestamp(int(at_ms) / 1000, zone)
            self.assertEqual(f"{month}01", moment.strftime("%Y%m%d"))
            before = moment - datetime.timedelta(seconds=1)
            self.assertNotEqual(month, before.astimezone(zone).strftime("%Y%m"))


if __name__ == "__main__":
    unittest.main()

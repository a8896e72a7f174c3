# SPDX-License-Identifier: Apache-2.0
"""A month ends while jobs run: each finished month is charged soon after its end, what is left
when the job ends goes to the month that goes on, and together they are what it used.

"This month" is made to end in a few seconds by the owner's hand: the bounds are in a table."""
import json
import time

import sites
from portal.embedded import process

SOON_S = 30
SLACK_MS = 1500  # between a keeper's start and its first heartbeat that counts


class MonthEnd(sites.SiteTest):
    def setUp(self):
        self.addCleanup(self.start_runnerd)
        self.session_of_alice = self.alice

    def start_runnerd(self):
        """Where a test that failed has left it dead."""
        if "runnerd" not in self.site.children:
            self.site.start_one("runnerd")

    # ---- jobs that end when they are told to

    def start_job(self, gpus=2):
        """Running; returns (job, attempt)."""
        alice = self.session_of_alice
        job = alice.submit(project="climate", name="long", gpus_per_node=gpus, time_limit="10m",
                           script="echo begun > begun\nuntil [ -e go ]; do sleep 0.05; done\n")
        alice.wait_job(job, "running")
        process.wait_until(lambda: self.folder_of(job), SOON_S, what="the job's folder")
        attempt = self.number(f"SELECT MAX(id) FROM attempt WHERE job_id = {job}")
        process.wait_until(lambda: self.beat_ms(attempt), SOON_S, what="a heartbeat")
        return job, attempt

    def folder_of(self, job):
        return next((p.parent for p in (self.site.folder / "jobs").rglob("begun")
                     if p.parent.name == str(job) or str(job) in p.parts), None)

    def let_go(self, job):
        (self.folder_of(job) / "go").touch()

    def beat_ms(self, attempt):
        token = self.site.sql(f"SELECT token FROM attempt WHERE id = {attempt}")[0][0]
        beat = self.site.folder / "spool" / token / "beat"
        return json.loads(beat.read_text())["run_ms"] if beat.exists() else 0

    def wait_beat(self, attempt):
        """A heartbeat from now on."""
        beat = self.beat_ms(attempt)
        process.wait_until(lambda: self.beat_ms(attempt) > beat, SOON_S, what="a heartbeat")

    # ---- months that end when they are told to

    def end_month_in(self, *seconds):
        """The month of now ends so many seconds from now, the next one at the next number …
        Returns [(month, its end)]."""
        now = self.number("SELECT now_ms()")
        months = [int(m) for m, in self.site.sql(
            f"SELECT month FROM month WHERE until_ms > {now} ORDER BY from_ms LIMIT "
            f"{len(seconds) + 1}")]
        ends = [now + int(s * 1000) for s in seconds]
        for i, end in enumerate(ends):
            self.site.sql(f"UPDATE month SET until_ms = {end} WHERE month = {months[i]};"
                          f"UPDATE month SET from_ms = {end} WHERE month = {months[i + 1]}")
        return list(zip(months, ends)) + [(months[-1], None)]

    def wait_past(self, at_ms):
        process.wait_until(lambda: self.number("SELECT now_ms()") > at_ms, SOON_S,
                           what="the month's end")

    def number(self, text):
        return int(self.site.sql(text)[0][0])

    def charges(self, attempt):
        """{month: (gpums, raw)} by the keys."""
        return {int(key.split(":")[2]): (int(gpums), int(raw)) for key, gpums, raw in
                self.site.sql("SELECT request_key, gpums, raw_gpums FROM transfer WHERE "
                              f"attempt_id = {attempt} AND type = 'charge' AND leg = 0 "
                              "ORDER BY id")}

    def wait_charge(self, attempt, month):
        return process.wait_until(lambda: self.charges(attempt).get(month), SOON_S,
                                  what=f"the charge for {month}")

    def assert_adds_up(self, job, attempt, months):
        """The charges are those of `months`, and come to what the attempt used."""
        charges = self.charges(attempt)
        gpus, weight, chargeable, charge = map(int, self.site.sql(
            "SELECT gpus, weight_permille, chargeable_ms, charge_gpums FROM attempt "
            f"WHERE id = {attempt}")[0])
        self.assertEqual(sorted(charges), sorted(months))
        self.assertEqual(sum(c for c, _ in charges.values()), charge)
        self.assertEqual(charge, gpus * chargeable * weight // 1000)
        self.assertEqual(sum(raw for _, raw in charges.values()), gpus * chargeable)
        told = self.session_of_alice.job(job)
        self.assertEqual(told["charged_gpums"], charge)
        self.assert_books_hold()

    # ---- the tests

    def test_a_month_that_ends_while_a_job_runs_is_charged_at_once(self):
        job, attempt = self.start_job()
        (month, end), (following, _) = self.end_month_in(1.5)
        started = self.number(f"SELECT started_ms FROM attempt WHERE id = {attempt}")
        first, raw = self.wait_charge(attempt, month)
        self.assertEqual(first, raw)
        self.assertLessEqual(first, 2 * (end - started) + 2)
        self.assertGreater(first, 2 * (end - started - SLACK_MS))
        self.assertEqual(self.session_of_alice.job(job)["state"], "running")
        self.assert_books_hold()
        self.let_go(job)
        self.session_of_alice.wait_job(job, "completed")
        self.assert_adds_up(job, attempt, [month, following])
        self.assertEqual(self.charges(attempt)[month], (first, raw))
        self.assert_reports_add_up(month, following)

    def test_a_month_is_charged_once_whatever_restarts(self):
        job, attempt = self.start_job()
        (month, _), (following, _) = self.end_month_in(1)
        first = self.wait_charge(attempt, month)
        for name in ("runnerd", "mariadb", "runnerd"):
            self.site.kill(name)
            self.site.start_one(name)
        self.wait_beat(attempt)
        self.assertEqual(self.charges(attempt), {month: first})
        self.let_go(job)
        self.session_of_alice.wait_job(job, "completed")
        self.assert_adds_up(job, attempt, [month, following])
        self.assertEqual(self.charges(attempt)[month], first)

    def test_months_that_ended_without_runnerd_are_charged_when_it_is_back(self):
        job, attempt = self.start_job(gpus=1)
        self.site.kill("runnerd")
        (first, _), (second, end), (third, _) = self.end_month_in(1, 2.5)
        self.wait_past(end)
        self.wait_beat(attempt)
        self.assertEqual(self.charges(attempt), {})
        self.site.start_one("runnerd")
        self.wait_charge(attempt, second)
        self.assertEqual(self.charges(attempt)[second], (1500, 1500))
        self.let_go(job)
        self.session_of_alice.wait_job(job, "completed")
        self.assert_adds_up(job, attempt, [first, second, third])

    def test_a_job_that_ended_over_months_without_runnerd_is_shared_out(self):
        job, attempt = self.start_job(gpus=1)
        self.site.kill("runnerd")
        (first, _), (second, end), (third, _) = self.end_month_in(1, 2.5)
        self.wait_past(end + 1000)
        token = self.site.sql(f"SELECT token FROM attempt WHERE id = {attempt}")[0][0]
        self.let_go(job)
        process.wait_until((self.site.folder / "spool" / token / "exit").exists, SOON_S,
                           what="the keeper's exit")
        self.site.start_one("runnerd")
        self.session_of_alice.wait_job(job, "completed")
        self.assert_adds_up(job, attempt, [first, second, third])
        self.assertAlmostEqual(self.charges(attempt)[second][0], 1500, delta=200)

    def test_many_jobs_over_a_months_end_are_charged_within_the_minute(self):
        jobs = [self.start_job(gpus=1) for _ in range(6)]
        (month, _), (following, _) = self.end_month_in(1)
        before = time.monotonic()
        for _, attempt in jobs:
            self.wait_charge(attempt, month)
        self.assertLess(time.monotonic() - before, 60)
        for job, attempt in jobs:
            self.let_go(job)
            self.session_of_alice.wait_job(job, "completed")
            self.assert_adds_up(job, attempt, [month, following])

    def test_a_closed_month_takes_no_charge_and_the_open_one_names_it(self):
        job, attempt = self.start_job(gpus=1)
        self.site.kill("runnerd")
        (month, end), (following, _) = self.end_month_in(1)
        self.wait_past(end)
        self.site.sql(f"UPDATE month SET closed_ms = now_ms() WHERE month = {month}")
        self.site.start_one("runnerd")
        self.wait_charge(attempt, month)
        self.assertEqual(self.site.sql("SELECT month, corrects_month FROM transfer WHERE "
                                       f"request_key = 'charge:{attempt}:{month}'"),
                         [[str(following), str(month)]])
        self.site.kill("runnerd")  # forgets what it posted; the key says which month it was for
        self.site.start_one("runnerd")
        self.let_go(job)
        self.session_of_alice.wait_job(job, "completed")
        # for the proof: it never was closed
        self.site.sql(f"UPDATE month SET closed_ms = NULL WHERE month = {month};"
                      f"UPDATE transfer SET month = {month}, corrects_month = NULL WHERE "
                      f"request_key = 'charge:{attempt}:{month}'")
        self.assert_adds_up(job, attempt, [month, following])

    def test_a_month_of_now_that_is_closed_holds_jobs_up_and_damages_none(self):
        """As when the database's clock is set back behind a month's end."""
        job, attempt = self.start_job(gpus=1)
        month = self.number("SELECT month_now()")
        self.site.sql(f"UPDATE month SET closed_ms = 1 WHERE month = {month}")
        self.let_go(job)
        process.wait_until(lambda: "the month of now is closed" in self.site.log("runnerd"), SOON_S,
                           what="the job held up")
        self.site.sql(f"UPDATE month SET closed_ms = NULL WHERE month = {month}")
        self.session_of_alice.wait_job(job, "completed", seconds=SOON_S)
        self.assertNotIn("left alone", self.site.log("runnerd"))
        self.assert_adds_up(job, attempt, [month])

    # ---- terms that end

    def grant(self, project):
        number = self.site.quota_json("grant", project, "1", "--from", "2020-01-01", "--until",
                                      "2090-01-01", "--reason", "a test", "--yes")[0]["number"]
        return int(number)

    def expired(self):
        return {int(a) for a, in self.site.sql(
            "SELECT b.allocation_id FROM transfer t JOIN budget b ON b.id = t.debit_budget "
            "WHERE t.type = 'expire'")}

    def test_an_allocation_that_cannot_expire_keeps_no_other_from_it(self):
        first, other = self.grant("climate"), self.grant("climate")
        self.site.kill("runnerd")
        self.site.sql("CREATE TRIGGER broken BEFORE INSERT ON audit FOR EACH ROW SET NEW.reason = "
                      f"IF(NEW.object = 'allocation {first}', NULL, NEW.reason)")
        self.addCleanup(self.site.sql, "DROP TRIGGER IF EXISTS broken")
        self.site.sql("UPDATE allocation SET until_ms = now_ms() - 1 WHERE id IN "
                      f"({first}, {other})")
        self.site.start_one("runnerd")
        process.wait_until(lambda: self.expired() == {other}, SOON_S, what="the other to expire")
        said = f"books: 1 allocation cannot expire, the first of them allocation {first}: "
        process.wait_until(lambda: said in self.site.log("runnerd"), SOON_S, what=said)
        self.assertEqual(self.site.log("runnerd").count(said), 1)
        self.site.sql("DROP TRIGGER broken")
        self.site.kill("runnerd")
        self.site.start_one("runnerd")
        process.wait_until(lambda: self.expired() == {first, other}, SOON_S,
                           what="the first to expire")
        self.assert_books_hold()

    def assert_reports_add_up(self, *months):
        for month in months:
            report = self.site.quota_json("report", "month", "--month",
                                          f"{month // 100}-{month % 100:02}")
            charged = self.number("SELECT SUM(gpums) FROM transfer WHERE type = 'charge' "
                                  f"AND leg = 0 AND month = {month}")
            total = report["sums"][0]
            self.assertEqual(total["charged_gpums"], charged)
            self.assertEqual(total["adds_up"], "yes")


if __name__ == "__main__":
    sites.main()

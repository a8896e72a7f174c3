# SPDX-License-Identifier: Apache-2.0
"""The end of a job in one transaction: its charge, what the site gives back by itself, what is
released, and what expires with the term; and what expires where no job is."""
import json
import os

import sites
from portal.embedded import process

SOON_S = 30


class Settle(sites.SiteTest):
    options = {"options": {"refund": {"node_fault": "2s", "maintenance": "1h"}}}

    def setUp(self):
        self.person = self.alice

    def start_job(self, gpus=2, beat_ms=1, **more):
        """Running, with so much metered; returns (job, attempt)."""
        job = self.person.submit_json({"project": "climate", "name": "settled",
                                       "gpus_per_node": gpus, "time_limit": "10m",
                                       "script": "exec sleep 600\n", **more})
        self.person.wait_job(job, "running")
        attempt = self.number(f"SELECT MAX(id) FROM attempt WHERE job_id = {job}")
        process.wait_until(lambda: self.beat_ms(attempt) >= beat_ms, SOON_S, what="a heartbeat")
        return job, attempt

    def entry(self, attempt):
        token = self.site.sql(f"SELECT token FROM attempt WHERE id = {attempt}")[0][0]
        return self.site.folder / "spool" / token

    def beat_ms(self, attempt):
        beat = self.entry(attempt) / "beat"
        return json.loads(beat.read_text())["run_ms"] if beat.exists() else 0

    def keeper(self, attempt):
        return json.loads((self.entry(attempt) / "start").read_text())["keeper"]

    def kill_keeper(self, attempt):
        os.kill(self.keeper(attempt), 9)

    def cancel_for(self, job, cause):
        self.site.sql("INSERT INTO request (kind, job_id, actor, reason, cause, at_ms) VALUES "
                      f"('cancel', {job}, 'root', 'a test', '{cause}', now_ms())")

    def number(self, text):
        return int(self.site.sql(text)[0][0])

    def transfers(self, job):
        """{type: (gpums, cause, key)} of the allocation's leg."""
        rows = self.site.sql("SELECT type, gpums, cause, request_key FROM transfer WHERE "
                             f"job_id = {job} AND leg = 0 ORDER BY id")
        self.assertEqual(len(rows), len({row[0] for row in rows}), rows)
        return {kind: (int(gpums), cause, key) for kind, gpums, cause, key in rows}

    def assert_refunded(self, job, attempt, cause, gpums):
        found = self.transfers(job)
        self.assertEqual(found["refund"], (gpums, cause, f"refund:{attempt}"))
        told = self.person.job(job)
        self.assertEqual(told["refunded_gpums"], gpums)
        self.assertEqual(told["charged_gpums"], found["charge"][0] - gpums)
        self.assertEqual(found["hold"][0], found["charge"][0] - gpums + found["release"][0])
        self.assertEqual(self.number("SELECT COUNT(*) FROM audit WHERE "
                                     f"request_key = 'refund:{attempt}'"), 1)
        self.assert_books_hold()

    # ---- refunds

    def test_a_lost_job_is_charged_to_its_last_heartbeat_and_refunded_by_the_table(self):
        job, attempt = self.start_job(beat_ms=3000)
        self.kill_keeper(attempt)
        self.person.wait_job(job, "lost")
        self.assertGreaterEqual(self.transfers(job)["charge"][0], 2 * 3000)
        self.assert_refunded(job, attempt, "node_fault", 2 * 2000)  # two seconds, both GPUs

    def test_a_short_lost_job_gets_all_of_its_charge_back(self):
        job, attempt = self.start_job()
        self.kill_keeper(attempt)
        self.person.wait_job(job, "lost")
        charged = self.transfers(job)["charge"][0]
        self.assertLess(charged, 2 * 2000)
        self.assert_refunded(job, attempt, "node_fault", charged)

    def test_what_a_job_had_saved_is_not_given_back(self):
        job, attempt = self.start_job(beat_ms=2000, checkpoint=True, checkpoint_interval="1s")
        self.assertEqual(self.site.sql("SELECT checkpoint, checkpoint_interval_ms FROM job "
                                       f"WHERE id = {job}"), [["1", "1000"]])
        self.kill_keeper(attempt)
        self.person.wait_job(job, "lost")
        self.assert_refunded(job, attempt, "node_fault", 2 * 1000)

    def test_a_job_that_the_site_ends_is_given_back_with_the_cause(self):
        job, attempt = self.start_job()
        self.cancel_for(job, "maintenance")
        self.person.wait_job(job, "cancelled", seconds=45)
        self.assertEqual(self.site.sql(f"SELECT cause FROM attempt WHERE id = {attempt}"),
                         [["maintenance"]])
        self.assert_refunded(job, attempt, "maintenance", self.transfers(job)["charge"][0])

    def test_a_job_that_its_user_ends_is_not_refunded(self):
        job, _ = self.start_job()
        self.person.cancel(job)
        done = self.person.wait_job(job, "cancelled", seconds=45)
        self.assertGreater(done["charged_gpums"], 0)
        self.assertNotIn("refund", self.transfers(job))
        self.assert_books_hold()

    def test_a_refund_whose_database_dies_with_the_job_is_made_once(self):
        job, attempt = self.start_job()
        keeper = self.keeper(attempt)
        self.site.kill("mariadb")
        os.kill(keeper, 9)
        self.site.start_one("mariadb")
        self.alice.wait_job(job, "lost")
        self.assert_refunded(job, attempt, "node_fault", self.transfers(job)["charge"][0])

    def test_a_job_that_ended_in_steps_is_settled_all_the_same(self):
        """As a runnerd leaves it that dies between the attempt's end and the charges."""
        job, attempt = self.start_job()
        self.site.kill("runnerd")
        self.kill_keeper(attempt)
        seq = self.number(f"SELECT seq FROM job WHERE id = {job}")
        ran = self.beat_ms(attempt)
        columns = {"in_epoch": "(SELECT epoch FROM lease WHERE name = 'runnerd')"}
        self.site.sql(
            f"SET @e = {columns['in_epoch']}; CALL attempt_end(@e, {job}, {seq + 1}, 'ended', "
            f"'completing', {attempt}, now_ms(), {ran}, {ran}, {2 * ran}, 0, 0, 'lost', NULL, "
            "NULL, '')")
        self.site.start_one("runnerd")
        self.person.wait_job(job, "lost")
        self.assert_refunded(job, attempt, "node_fault", min(2 * ran, 2 * 2000))

    # ---- the term

    def test_a_job_that_ends_after_the_term_leaves_nothing_behind(self):
        job, attempt = self.start_job()
        allocation = self.number(f"SELECT allocation_id FROM job WHERE id = {job}")
        until = self.number(f"SELECT until_ms FROM allocation WHERE id = {allocation}")
        self.site.sql(f"UPDATE allocation SET until_ms = now_ms() WHERE id = {allocation}")
        self.addCleanup(self.site.sql,
                        f"UPDATE allocation SET until_ms = {until} WHERE id = {allocation}")
        self.kill_keeper(attempt)
        self.person.wait_job(job, "lost")
        found = self.transfers(job)
        self.assertEqual(found["expire"][0], found["release"][0])
        self.assertEqual(found["expire"][2], f"expire:{job}")
        self.assert_books_hold()

    def test_what_is_free_when_the_term_ends_expires_by_itself(self):
        self.site.quota("grant", "optics", "7", "--from", "2020-01-01", "--until", "2090-01-01",
                        "--reason", "a test", "--yes")
        allocation = self.number("SELECT MAX(id) FROM allocation")
        free = self.number(f"SELECT free FROM budget WHERE allocation_id = {allocation}")
        self.assertEqual(free, 7 * 3600 * 1000)
        self.site.sql(f"UPDATE allocation SET until_ms = now_ms() WHERE id = {allocation}")
        self.site.kill("runnerd")  # it looks once a minute, and when it starts
        self.site.start_one("runnerd")
        process.wait_until(lambda: self.number("SELECT free FROM budget WHERE allocation_id = "
                                               f"{allocation}") == 0, SOON_S, what="the expiry")
        rows = self.site.sql("SELECT gpums, actor FROM transfer WHERE type = 'expire' AND "
                             f"request_key LIKE 'expire:a{allocation}:%'")
        self.assertEqual(rows, [[str(free), "runnerd"]])
        process.wait_until(lambda: "the term of 1 allocation is over" in
                           self.site.log("runnerd"), SOON_S, what="a word about it")
        self.assert_books_hold()


if __name__ == "__main__":
    sites.main()

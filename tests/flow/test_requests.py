# SPDX-License-Identifier: Apache-2.0
"""What an administrator asks runnerd about a job, on a whole site: more time for one that runs, a
hold given back, a job that was left alone tried again, an end in the site's name; with runnerd and
the agent killed in between."""
import sites
from portal.embedded import process

REASON = ("--reason", "a test", "--yes")
SLEEP = "#!/bin/bash\nexec sleep 600\n"


class Requests(sites.SiteTest):
    options = {"gpus": 2}

    def submit(self, **more):
        return self.alice_here.submit(**{"project": "climate", "name": "asked",
                                         "gpus_per_node": 1, "time_limit": "10m",
                                         "script": SLEEP, **more})

    def setUp(self):
        self.alice_here = self.alice

    def ask(self, kind, job, cause=""):
        """As `quota` writes it; its number."""
        self.site.sql("INSERT INTO request (kind, job_id, actor, reason, cause, at_ms) VALUES "
                      f"('{kind}', {job}, 'root', 'a test', '{cause}', now_ms())")
        return int(self.site.sql(f"SELECT MAX(id) FROM request WHERE job_id = {job}")[0][0])

    def answer(self, request=None, job=None, seconds=20):
        """(answer, note), when there is one."""
        which = f"id = {request}" if request else f"job_id = {job}"
        text = ("SELECT answer, answer_note FROM request WHERE answered_ms IS NOT NULL "
                f"AND {which} ORDER BY id DESC LIMIT 1")
        process.wait_until(lambda: self.site.sql(text), seconds, what=f"an answer to {which}")
        return tuple(self.site.sql(text)[0])

    def held(self):
        return int(self.site.sql("SELECT SUM(held) FROM budget WHERE kind = 'allocation'")[0][0])

    def fill(self):
        """Both GPUs in use; a job placed then waits."""
        jobs = [self.submit(), self.submit()]
        for job in jobs:
            self.alice_here.wait_job(job, "running")
        return jobs

    def cancel(self, *jobs):
        for job in jobs:
            self.alice_here.cancel(job)
        for job in jobs:
            self.alice_here.wait_job(job, "cancelled")

    def spool(self, job):
        token = self.site.sql(f"SELECT token FROM attempt WHERE job_id = {job} "
                              "ORDER BY no DESC LIMIT 1")[0][0]
        return self.site.folder / "spool" / token

    # ---- more time

    def extended(self, job, least_ms):
        """It ran on beyond its first limit, and the books are right."""
        done = self.alice_here.wait_job(job, "completed", seconds=30)
        self.assertGreaterEqual(done["charged_gpums"], least_ms)
        self.assertLess(done["charged_gpums"], least_ms + 5000)
        self.assertEqual(done["hold_gpums"], 4000 + 60000)
        self.assertEqual(self.answer(job=job)[0], "done")
        self.assert_books_hold()

    def submit_short(self):
        job = self.submit(time_limit="4s", script="#!/bin/bash\nsleep 6\n")
        self.alice_here.wait_job(job, "running")
        return job

    def test_a_running_job_gets_more_time(self):
        before = self.held()
        job = self.submit_short()
        self.site.quota("job", "extend", job, "1m", *REASON)
        self.assertEqual(self.answer(job=job), ("done", "it runs on, with the new time limit"))
        self.assertEqual(self.held() - before, 64000)
        self.extended(job, 6000)
        self.assertEqual(self.held(), before)

    def test_more_time_given_while_a_daemon_is_dead_comes_in_time(self):
        for name in ("runnerd", "agent"):
            with self.subTest(killed=name):
                job = self.submit_short()
                self.site.kill(name)
                self.site.quota("job", "extend", job, "1m", *REASON)
                self.site.start_one(name)
                self.extended(job, 6000)

    def test_a_runnerd_killed_after_the_answer_keeps_the_new_limit(self):
        job = self.submit_short()
        self.site.quota("job", "extend", job, "1m", *REASON)
        self.assertEqual(self.answer(job=job)[0], "done")
        self.site.kill("runnerd")
        self.site.start_one("runnerd")
        self.extended(job, 6000)

    def test_a_job_in_the_queue_gets_more_time(self):
        full = self.fill()
        job = self.submit(time_limit="4s", script="#!/bin/bash\nsleep 6\n")
        self.site.quota("job", "extend", job, "1m", *REASON)
        self.assertEqual(self.answer(job=job), ("done", "its time limit is the new one"))
        self.cancel(*full)
        self.extended(job, 6000)

    def test_the_new_limit_ends_it_too(self):
        job = self.submit(time_limit="3s")
        self.alice_here.wait_job(job, "running")
        self.site.quota("job", "extend", job, "2s", *REASON)
        done = self.alice_here.wait_job(job, "timed_out", seconds=30)
        self.assertEqual(done["charged_gpums"], 5000)
        self.assert_books_hold()

    # ---- a hold given back

    def test_a_job_in_the_queue_gives_its_hold_back(self):
        full = self.fill()
        before = self.held()
        job = self.submit()
        self.assertEqual(self.held() - before, 600_000)
        self.site.quota("hold", "release", job, *REASON)
        done = self.alice_here.wait_job(job, "cancelled")
        self.assertEqual(done["outcome"], "its hold was released: a test")
        self.assertEqual(done["charged_gpums"], 0)
        self.assertEqual(self.held(), before)
        self.assertEqual(self.answer(job=job), ("done", "the job has ended"))
        self.cancel(*full)
        self.assert_books_hold()

    def test_a_running_job_keeps_its_hold(self):
        job = self.submit()
        self.alice_here.wait_job(job, "running")
        answer, note = self.answer(self.ask("release", job))
        self.assertEqual(answer, "refused")
        self.assertIn("cancel it", note)
        self.cancel(job)

    # ---- ended by the site

    def test_the_site_ends_a_running_job_in_its_own_name(self):
        job = self.submit()
        self.alice_here.wait_job(job, "running")
        self.site.quota("job", "cancel", job, "--cause", "maintenance", *REASON)
        done = self.alice_here.wait_job(job, "cancelled", seconds=45)
        self.assertEqual(done["outcome"], "cancelled by the site: maintenance")
        self.assertEqual(done["attempts"][0]["cause"], "maintenance")
        charged, refunded = self.site.sql("SELECT charged_gpums, refunded_gpums FROM job "
                                          f"WHERE id = {job}")[0]
        self.assertGreater(int(charged), 0)
        self.assertEqual(refunded, charged)  # [refund] maintenance: of a short job all of it
        self.assert_books_hold()

    def test_the_site_ends_a_waiting_job_in_its_own_name(self):
        full = self.fill()
        job = self.submit()
        self.site.quota("job", "cancel", job, "--cause", "node_fault", *REASON)
        done = self.alice_here.wait_job(job, "cancelled")
        self.assertEqual(done["outcome"], "cancelled by the site: node fault")
        self.cancel(*full)
        self.assert_books_hold()

    # ---- reconcile

    def test_what_is_as_it_should_be_is_not_touched(self):
        full = self.fill()
        job = self.submit()
        for asked, words in ((full[0], "its attempt runs"), (job, "nothing is wrong with it")):
            answer, note = self.answer(self.ask("reconcile", asked))
            self.assertEqual(answer, "refused")
            self.assertIn(words, note)
        self.cancel(job, *full)

    def test_a_job_left_alone_is_tried_again_when_its_books_are_right(self):
        full = self.fill()
        job = self.submit(script="#!/bin/bash\nexit 0\n")
        self.site.sql(f"UPDATE job SET hold_gpums = hold_gpums + 1 WHERE id = {job}")
        self.cancel(*full)
        process.wait_until(lambda: f"job {job}: left alone" in self.site.log("runnerd"), 20,
                           what="the job left alone")
        process.wait_until(lambda: "an administrator" in self.alice_here.job(job)["waits_for"], 20,
                           what="a reason that its user can read")
        answer, note = self.answer(self.ask("release", job))
        self.assertEqual(answer, "refused")
        self.assertIn("do not balance", note)
        self.site.sql(f"UPDATE job SET hold_gpums = hold_gpums - 1 WHERE id = {job}")
        self.assertEqual(self.answer(self.ask("reconcile", job))[0], "done")
        self.alice_here.wait_job(job, "completed")
        self.assert_books_hold()

    def test_requests_that_stay_open_hide_none_that_come_later(self):
        full = self.fill()
        job = self.submit(script="#!/bin/bash\nexit 0\n")
        self.site.sql(f"UPDATE job SET hold_gpums = hold_gpums + 1 WHERE id = {job}")
        self.cancel(full[0])
        self.left_alone(job)
        self.site.sql("INSERT INTO request (kind, job_id, actor, at_ms) SELECT 'cancel', "
                      f"{job}, 'root', now_ms() FROM seq_1_to_2500")
        self.cancel(full[1])
        still_open = f"FROM request WHERE job_id = {job} AND answered_ms IS NULL"
        self.assertEqual([["2500"]], self.site.sql(f"SELECT COUNT(*) {still_open}"))
        self.site.sql(f"DELETE {still_open}; UPDATE job SET hold_gpums = hold_gpums - 1 "
                      f"WHERE id = {job}")
        self.assertEqual(self.answer(self.ask("reconcile", job))[0], "done")
        self.alice_here.wait_job(job, "cancelled")
        self.assert_books_hold()

    def left_alone(self, job):
        said = f"job {job}: left alone"
        process.wait_until(lambda: said in self.site.log("runnerd"), 20, what=said)
        self.assertEqual(self.site.log("runnerd").count(said), 1)

    def test_a_job_whose_charges_do_not_add_up_is_left_alone(self):
        job = self.submit()
        self.alice_here.wait_job(job, "running")
        self.site.sql(f"UPDATE job SET charged_gpums = 1 WHERE id = {job}")
        self.alice_here.cancel(job)
        self.left_alone(job)
        self.site.sql(f"UPDATE job SET charged_gpums = 0 WHERE id = {job}")
        request = self.ask("reconcile", job)
        self.alice_here.wait_job(job, "cancelled")
        self.assertEqual(self.answer(request), ("done", "the job has ended"))
        self.assert_books_hold()

    def test_a_job_without_its_request_holds_nobody_up(self):
        full = self.fill()
        job = self.submit(script="#!/bin/bash\nexit 0\n")
        self.site.sql(f"CREATE TABLE kept AS SELECT * FROM job_spec WHERE job_id = {job}")
        self.addCleanup(self.site.sql, "DROP TABLE IF EXISTS kept")
        self.site.sql(f"DELETE FROM job_spec WHERE job_id = {job}")
        self.cancel(*full)
        self.left_alone(job)
        self.alice_here.wait_job(self.submit(script="#!/bin/bash\nexit 0\n"), "completed")
        self.site.sql("INSERT INTO job_spec SELECT * FROM kept")
        self.assertEqual(self.answer(self.ask("reconcile", job))[0], "done")
        self.alice_here.wait_job(job, "completed")
        self.assert_books_hold()

    def test_a_job_whose_record_is_gone_is_lost_and_charged_for_what_was_seen(self):
        job = self.submit()
        self.alice_here.wait_job(job, "running")
        spool = self.spool(job)
        process.wait_until((spool / "beat").exists, 10, what="a heartbeat")
        self.site.kill("runnerd")
        gone = spool.with_name("gone-" + spool.name)
        spool.rename(gone)  # what a disk loses
        self.site.start_one("runnerd")
        request = self.ask("reconcile", job)
        self.alice_here.wait_job(job, "lost")
        self.assertEqual(self.answer(request), ("done", "the job has ended"))
        self.assert_books_hold()


if __name__ == "__main__":
    sites.main()

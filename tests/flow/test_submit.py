# SPDX-License-Identifier: Apache-2.0
"""200 submits at once, through the REST API, on a budget for 100.

Exactly 100 are accepted and 100 refused, with the number and the remedy; and so it is while the
database is killed and started again twice: who got no answer asks again with the same key, and
every job that was acknowledged exists once. runnerd does not run here, so that no job ends and
gives GPU-hours back meanwhile."""
import concurrent.futures
import secrets
import threading

import sites
from portal.embedded import people, process

SUBMITS, FIT = 200, 100
KILL_AFTER = (30, 110)  # answers
PATIENCE_S = 90


class Submits(sites.SiteTest):
    options = {"options": {"portal": {"connections_per_address": 2 * SUBMITS}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.stop_one("runnerd")

    def setUp(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(SUBMITS)
        self.addCleanup(self.pool.shutdown)

    def submit_all(self, pi, project, meanwhile=lambda answers: None):
        """SUBMITS jobs at once, each on a connection of its own, of which FIT use the project
        up. Returns {key: reply}."""
        first = self.session(pi.login, pi.university)
        first.load_token()
        free_gpums = first.get_json("/api/v1/projects")["projects"][0]["free_gpums"]
        request = {"project": project, "name": "one of many", "gpus_per_node": 1,
                   "gpu_type": "a100", "time_limit_ms": free_gpums // FIT,
                   "command": ["/bin/true"]}
        answers, start = {}, threading.Barrier(SUBMITS)

        def submit(key):
            session = first.twin()
            try:
                session.get("/login")  # shakes hands
                start.wait(PATIENCE_S)
                answers[key] = process.wait_until(
                    lambda: self.answer(session, request, key), PATIENCE_S, what="an answer")
            finally:
                session.close()

        running = [self.pool.submit(submit, secrets.token_hex(16)) for _ in range(SUBMITS)]
        meanwhile(answers)
        for one in running:
            one.result()
        return free_gpums // FIT, answers

    def answer(self, session, request, key):
        """None: no answer yes or no; the same key may be sent again."""
        reply = session.try_submit_json(request, key)
        if reply.status == 503:
            self.assertEqual(reply.json()["detail"],
                             "This is busy or down at the moment. Try again in a few seconds.")
            return None
        return reply

    def assert_half(self, project, hold_gpums, answers):
        """As many as fit are accepted, the others told why and what would help; the database
        has what was acknowledged, no more and no less."""
        placed = {k: r.json()["id"] for k, r in answers.items() if r.status in (200, 201)}
        refused = [r for r in answers.values() if r.status == 422]
        self.assertEqual((len(placed), len(refused)), (FIT, SUBMITS - FIT))
        for reply in refused:
            said = reply.json()
            self.assertEqual(
                (said["type"], said["field"], said["hold_gpums"], said["free_gpums"]),
                ("no-budget", "time_limit", hold_gpums, 0))
            self.assertRegex(said["detail"], r"^The job would hold 0\.\d+ GPU-hours \(1 GPU "
                             rf"for \d+ min\), but project {project} has 0\.0+ free for you\.$")
            self.assertEqual(said["remedy"], "Wait until running jobs give back what they do "
                             "not use, or ask the project's PI for more GPU-hours.")
        stored = self.site.sql("SELECT request_key, j.id FROM job j JOIN project p "
                               f"ON p.id = j.project_id WHERE p.name = '{project}'")
        self.assertEqual(sorted((k, int(job)) for k, job in stored), sorted(placed.items()))
        self.assert_books_hold()

    def test_200_at_once_on_a_budget_for_100(self):
        hold_gpums, answers = self.submit_all(people.find("alice", "south"), "optics")
        self.assert_half("optics", hold_gpums, answers)
        self.assertEqual({r.status for r in answers.values()}, {201, 422})

    def test_the_same_while_the_database_is_killed_and_started_again(self):
        def kill_twice(answers):
            for count in KILL_AFTER:
                process.wait_until(lambda c=count: len(answers) >= c, PATIENCE_S,
                                   what=f"{count} answers")
                self.site.kill("mariadb")
                self.assertLess(len(answers), SUBMITS)
                self.site.start_one("mariadb")
        hold_gpums, answers = self.submit_all(people.find("carol", "north"), "genome",
                                              kill_twice)
        self.assert_half("genome", hold_gpums, answers)


if __name__ == "__main__":
    sites.main()

# SPDX-License-Identifier: Apache-2.0
"""Limits of GPUs at once, on a whole site of two GPUs: who is over one waits and is told so, the
others pass, and a limit that is changed holds at once."""
import sites
from portal.embedded import process

REASON = ("--reason", "a test", "--yes")
SLEEP = "#!/bin/bash\nexec sleep 600\n"


class Limits(sites.SiteTest):
    options = {"gpus": 2}

    def setUp(self):
        self.people = {"alice": self.alice, "bob": self.session("bob", "north"),
                       "carol": self.session("carol", "north")}
        self.begun = []

    def tearDown(self):
        for scope in ("everyone", "person alice@north", "project climate", "tenant north"):
            self.site.quota("limit", "clear", *scope.split(), *REASON, is_checked=False)
        for who, job in self.begun:
            if self.people[who].job(job)["state"] not in ("cancelled", "completed"):
                self.people[who].cancel(job)
        for who, job in self.begun:
            self.people[who].wait_job(job)

    def limit(self, *args):
        self.site.quota("limit", "set", *args, *REASON)

    def submit(self, who, project="climate", **more):
        job = self.people[who].submit(**{"project": project, "name": "limited",
                                         "gpus_per_node": 1, "time_limit": "10m",
                                         "script": SLEEP, **more})
        self.begun.append((who, job))
        return job

    def runs(self, who, job):
        self.people[who].wait_job(job, "running")

    def waits(self, who, job, reason):
        """Until the job waits for that reason; it must not start meanwhile."""
        def is_told():
            now = self.people[who].job(job)
            self.assertEqual(now["state"], "queued", now)
            return now["waits_for"] == reason
        try:
            process.wait_until(is_told, 20, what=reason)
        except TimeoutError:
            self.fail(f"waits for '{self.people[who].job(job)['waits_for']}', not '{reason}'")

    def test_over_the_limit_of_a_person_one_waits_and_others_pass(self):
        self.limit("person", "alice@north", "--gpus", "1")
        first, second = self.submit("alice"), self.submit("alice")
        self.runs("alice", first)
        self.waits("alice", second, "waits for your own jobs: 1 of your 1 GPU is in use, it needs 1 "
                                    "(limit of GPUs at once)")
        other = self.submit("bob")
        self.runs("bob", other)
        self.limit("person", "alice@north", "--gpus", "2")
        self.waits("alice", second, "next in line: waits for 1 GPUs on 1 node; 0 of 2 are free")
        self.people["bob"].cancel(other)
        self.runs("alice", second)

    def test_a_limit_that_is_raised_starts_what_waits_for_it(self):
        self.limit("everyone", "--gpus", "1")
        first, second = self.submit("bob"), self.submit("bob")
        self.runs("bob", first)
        self.waits("bob", second, "waits for your own jobs: 1 of your 1 GPU is in use, it needs 1 "
                                  "(limit of GPUs at once)")
        self.site.kill("runnerd")
        self.site.start_one("runnerd")
        self.waits("bob", second, "waits for your own jobs: 1 of your 1 GPU is in use, it needs 1 "
                                  "(limit of GPUs at once)")
        self.limit("everyone", "--gpus", "2")
        self.runs("bob", second)

    def test_the_jobs_of_a_project_share_its_limit(self):
        self.limit("project", "climate", "--gpus", "1")
        first, second = self.submit("alice"), self.submit("bob")
        self.runs("alice", first)
        self.waits("bob", second, "waits for jobs of project climate: 1 of its 1 GPU is in use, "
                                  "it needs 1 (limit of GPUs at once)")
        self.runs("carol", self.submit("carol", project="genome"))

    def test_a_limit_lowered_below_what_runs_ends_nothing(self):
        first, second = self.submit("alice"), self.submit("bob")
        self.runs("alice", first)
        self.runs("bob", second)
        self.limit("tenant", "north", "--gpus", "1")
        third = self.submit("carol", project="genome")
        self.waits("carol", third, "waits for jobs of tenant north: 2 of its 1 GPUs are in use, it "
                                   "needs 1 (limit of GPUs at once)")
        self.people["alice"].cancel(first)
        self.people["alice"].wait_job(first, "cancelled")
        self.waits("carol", third, "waits for jobs of tenant north: 1 of its 1 GPU is in use, it "
                                   "needs 1 (limit of GPUs at once)")
        self.people["bob"].cancel(second)
        self.runs("carol", third)


if __name__ == "__main__":
    sites.main()

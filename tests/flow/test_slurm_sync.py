# SPDX-License-Identifier: Apache-2.0
"""`quota slurm sync`: projects as accounts of a real Slurm, and jobs that are charged to them."""
import subprocess

import slurm_site

WHY = ("--reason", "a test of it")


class Sync(slurm_site.SlurmTest):
    slurm_keys = {"accounts": "projects", "account_prefix": "ff-"}

    def sync(self, *args, code=0, conf=None):
        done = subprocess.run(
            [self.site.program("quota"), "slurm", "sync", *WHY, *args, "--format", "csv",
             "--config", conf or self.site.conf], capture_output=True, text=True,
            env=self.site.environment, timeout=300, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout.splitlines()[1:], done.stderr

    def there(self):
        text = self.slurm.ok("sacctmgr", "-P", "-n", "show", "assoc", "format=account,user")
        return {tuple(line.split("|")) for line in text.split() if line.startswith("ff-")}

    def test_projects_become_accounts_and_jobs_go_to_them(self):
        self.slurm.ok("sacctmgr", "-i", "-Q", "add", "account", "ff-optics",
                      "Cluster=firefly", "Description=theirs", "Organization=physics")
        self.rehearsal()
        self.first_sync()
        self.job_of_the_project()
        self.members_who_leave()
        self.key_that_was_used()

    def rehearsal(self):
        before, rows = self.there(), self.audits()
        planned, _ = self.sync("--dry-run")
        self.assertEqual(len(planned), 5, planned)
        self.assertIn("add users,ff-climate,\"alice,bob\",would be done,/usr/bin/sacctmgr "
                      "--immediate --quiet add user alice,bob Account=ff-climate Cluster=firefly",
                      planned[1].replace('"/usr', '/usr').replace('firefly"', "firefly"))
        self.assertEqual((before, rows), (self.there(), self.audits()))

    def audits(self):
        return self.site.sql("SELECT object, after_text, reason FROM audit "
                             "WHERE verb = 'slurm sync' ORDER BY id")

    def first_sync(self):
        done, _ = self.sync("--yes")
        self.assertEqual([row.split(",")[0] for row in done],
                         ["add account", "add users"] * 2 + ["not ours"])
        self.assertIn("the site made this account itself", done[-1])
        self.assertEqual(self.there(), {
            ("ff-climate", ""), ("ff-climate", "alice"), ("ff-climate", "bob"),
            ("ff-genome", ""), ("ff-genome", "alice"), ("ff-genome", "carol"),
            ("ff-optics", "")})
        self.assertEqual(self.audits(), [[
            "cluster firefly", "add account ff-climate; add users ff-climate: alice,bob; "
            "add account ff-genome; add users ff-genome: alice,carol", "a test of it"]])
        again, _ = self.sync("--yes")
        self.assertEqual([row.split(",")[0] for row in again], ["not ours"])
        self.assertEqual(len(self.audits()), 1)  # nothing was changed

    def job_of_the_project(self):
        job = self.submit("true")
        self.wait(job, "completed")
        text = self.slurm.ok("squeue", "-h", "-a", "-t", "all", "-j", self.id(job), "-o", "%a")
        self.assertEqual(text.strip(), "ff-climate")
        self.assert_agrees(job)

    def members_who_leave(self):
        self.site.quota("member", "remove", "climate", "bob@north", *WHY, "--yes")
        self.site.quota("project", "close", "genome", *WHY, "--yes")
        left, _ = self.sync("--yes")
        self.assertEqual(["left: --remove takes it away" in row for row in left],
                         [False, True, True])
        self.assertIn(("ff-climate", "bob"), self.there())
        gone, _ = self.sync("--yes", "--remove")
        self.assertEqual([row.split(",")[0] for row in gone],
                         ["not ours", "remove users", "remove account"])
        self.assertEqual(self.there(), {("ff-climate", ""), ("ff-climate", "alice"),
                                        ("ff-optics", "")})
        self.assertEqual(self.audits()[-1][1],
                         "remove users ff-climate: bob; remove account ff-genome")
        self.assertEqual(len(self.sync("--yes", "--remove")[0]), 1)

    def key_that_was_used(self):
        self.site.quota("project", "open", "genome", *WHY, "--yes", is_checked=False)
        self.site.quota("member", "add", "climate", "bob@north", *WHY, "--yes", "--key",
                        "a-key-of-others")
        _, why = self.sync("--yes", "--key", "a-key-of-others", code=3)
        self.assertIn("key a-key-of-others was used before", why)

    def test_what_sacctmgr_refuses_is_told(self):
        """A program in its place that takes nothing new."""
        folder = self.site.folder / "fake"
        folder.mkdir()
        fake = folder / "sacctmgr"
        fake.write_text("#!/bin/sh\ncase \"$*\" in *'show cluster'*) echo firefly ;;\n"
                        "*add*) echo 'Access/permission denied' >&2; exit 1 ;; esac\n")
        fake.chmod(0o755)
        conf = self.site.folder / "edited.conf"
        text = self.site.conf.read_text()
        conf.write_text(text.replace("[slurm]\n", f"[slurm]\nprograms = {folder}\n"))
        rows, why = self.sync("--yes", code=1, conf=conf)
        self.assertIn("sacctmgr: exit status 1: Access/permission denied", rows[0])
        self.assertIn("of these steps failed; when that is mended, run it again", why)
        conf.write_text(text.replace("accounts = projects\n", ""))
        _, why = self.sync("--yes", code=3, conf=conf)
        self.assertIn("[slurm] accounts = site: all jobs go to one account", why)


if __name__ == "__main__":
    slurm_site.main()

# SPDX-License-Identifier: Apache-2.0
"""What people and programs send wrongly, and what fails around the portal: each with its exact
answer, by the form and by the API. What is wrong before a program runs is test_start.py's."""
import html
import secrets

import sites

FORM = {"project": "climate", "name": "n", "gpus_per_node": "1", "gpu_type": "a100",
        "time_limit": "10m", "script": "true"}
REQUEST = {"project": "climate", "name": "n", "gpus_per_node": 1, "gpu_type": "a100",
           "time_limit": "10m", "script": "true"}
MIB = "x" * (1 << 20)

# field, value, what the form says beside it, what the API says
REFUSED = (
    ("gpus_per_node", 0, "GPUs: 0 is less than 1", "0 is not from 1 to 8"),
    ("gpus_per_node", -1, "GPUs: -1 is less than 1", "-1 is not from 1 to 8"),
    ("gpus_per_node", 9999, "GPUs: 9999 is more than 8", "9999 is not from 1 to 8"),
    ("gpus_per_node", 10**9, "GPUs: 1000000000 is more than 8",
     "1000000000 is not from 1 to 8"),
    ("gpus_per_node", "1e9", 'GPUs: "1e9" is not a whole number', "must be a whole number"),
    ("gpus_per_node", 1.5, 'GPUs: "1.5" is not a whole number', "must be a whole number"),
    ("time_limit", "25:61",
     'Time limit: "25:61" is not a duration; write it like 90s, 30m, 2h, 1d12h or 01:30:00',
     "'25:61' is no duration; write 90, 90s, 30m, 2h, 1d12h or HH:MM:SS"),
    ("time_limit", "0", "Time limit: 0 is less than 1s",
     "'0' is not from 00:00:01 to 7d 00:00:00"),
    ("time_limit", "9999d", "Time limit: 9999d is more than 7d",
     "'9999d' is not from 00:00:01 to 7d 00:00:00"),
    ("name", "x" * 81, "Name: has 81 characters, allowed are 1 to 80",
     "81 bytes, at most 80 are allowed"),
    ("name", "", "Name: must be given", "missing"),
    ("name", "two\nlines", "Name: must be one line without control characters",
     "control characters are not allowed"),
    ("project", "'; DROP",
     'Project: "\'; DROP" must be of a-z, 0-9 and \'-\', begin with a letter or digit, and '
     "have at most 32", "a project's name has lower-case letters, digits and '-'"),
    ("script", "", "Command or script: must be given", "give a script or a command"),
    ("script", "x" * 65537, "Command or script: has 65537 bytes, allowed are 1 to 65536",
     "65537 bytes, at most 65536 are allowed"),
)
TOO_MANY = "The largest node has 8 a100: ask for at most 8 per node, or for more nodes."
NOT_A_PROJECT = ("You have no project of this name.",
                 "Choose one of yours, or ask to join it on the home page.")
HOSTILE_NAMES = ("<script>alert(1)</script>", "'; DROP TABLE job; --",
                 "\U0001f600 \u0301\u202e", '"><img src=x onerror=alert(1)>', "{{name}}",
                 "%s%n")


class Jobs(sites.SiteTest):
    """Nothing that is refused here leaves a job behind."""

    def jobs(self):
        return int(self.site.sql("SELECT COUNT(*) FROM job")[0][0])

    def by_form(self, session, **fields):
        """(status, page) of the form sent with these fields, whether it offers them or not."""
        session.get("/jobs/new")
        form = session.reply.page().find_form("/jobs")
        reply = session.post("/jobs", form.filled({**FORM, **fields}))
        return reply.status, reply.page()

    def by_api(self, session, **fields):
        reply = session.try_submit_json({**REQUEST, **fields})
        return reply.status, reply.json()

    def test_a_bad_field_is_named_with_what_is_allowed(self):
        alice, before = self.alice, self.jobs()
        for field, value, by_form, by_api in REFUSED:
            with self.subTest(field=field, value=str(value)[:20]):
                status, page = self.by_form(alice, **{field: value})
                self.assertEqual(status, 422)
                self.assertIn(by_form, page.text)
                status, said = self.by_api(alice, **{field: value})
                self.assertEqual((status, said["type"], said["field"], said["detail"]),
                                 (422, "bad-field", field, f"{field}: {by_api}"))
                self.assertEqual(said["remedy"], TOO_MANY if value in (9999, 10**9) else
                                 "Mend this field and send it again.")
        self.assertEqual(self.jobs(), before)

    def test_a_refused_form_keeps_what_was_typed(self):
        status, page = self.by_form(self.alice, gpus_per_node=9999, name="<b>kept</b>",
                                    script="echo kept\n")
        self.assertEqual(status, 422)
        kept = dict(page.find_form("/jobs").fields)
        self.assertEqual((kept["gpus_per_node"], kept["name"], kept["script"].strip()),
                         ("9999", "<b>kept</b>", "echo kept"))

    def test_a_budget_too_small_is_told_with_the_number_and_the_remedy(self):
        carol, before = self.session("carol", "north"), self.jobs()
        wish = {"project": "genome", "gpus_per_node": 8, "time_limit": "6d"}
        refused = ("The job would hold 1152.0 GPU-hours (8 GPUs for 6 d), but project genome "
                   "has 60.0 free for you.")
        remedy = ("8 GPUs for at most 7 h 30 min would fit. Ask for fewer GPUs or less time, "
                  "or ask the project's PI for more GPU-hours.")
        status, page = self.by_form(carol, **wish)
        self.assertEqual(status, 422)
        self.assertIn(f"Not submitted. {refused} {remedy}", page.text)
        self.assertIn("At most 7 h 30 min fits with 8 GPUs", page.text)
        status, said = self.by_api(carol, **wish)
        self.assertEqual((status, said["type"], said["detail"], said["remedy"]),
                         (422, "no-budget", refused, remedy))
        self.assertEqual((said["hold_gpums"], said["free_gpums"]),
                         (1152 * 3_600_000, 60 * 3_600_000))
        self.assertEqual(self.jobs(), before)

    def test_who_has_no_project_is_told_what_to_do(self):
        erin = self.session("erin", "south")
        self.assertIn("You are in no project that takes jobs. Ask to join one",
                      erin.get("/jobs/new").page().text)
        self.assertIn("ask to join it below", erin.get("/").page().text)
        with self.assertRaises(LookupError):
            erin.get("/jobs/new").page().find_form("/jobs")
        for project in ("climate", "no-such"):
            status, said = self.by_api(erin, project=project)
            self.assertEqual((status, said["type"], said["field"]),
                             (422, "no-project", "project"))
            self.assertEqual((said["detail"], said["remedy"]), NOT_A_PROJECT)

    def test_anothers_project_is_as_one_that_does_not_exist(self):
        alice, before = self.alice, self.jobs()
        for project in ("optics", "no-such"):
            status, page = self.by_form(alice, project=project)
            self.assertEqual(status, 422)
            self.assertIn("Not submitted. " + " ".join(NOT_A_PROJECT), page.text)
            status, said = self.by_api(alice, project=project)
            self.assertEqual((status, said["type"], (said["detail"], said["remedy"])),
                             (422, "no-project", NOT_A_PROJECT))
        self.assertEqual(self.jobs(), before)

    def test_a_hostile_name_is_a_name(self):
        alice = self.alice
        for name in HOSTILE_NAMES:
            with self.subTest(name=name):
                for job in (alice.submit(**{**FORM, "name": name}),
                            alice.submit_json({**REQUEST, "name": name})):
                    self.assertEqual(alice.job(job)["name"], name)
                    for path in (f"/jobs/{job}", "/jobs", "/"):
                        text = alice.get(path).text
                        self.assertNotIn("<script>alert", text)
                        self.assertNotIn("<img src=x", text)
                        self.assertIn(html.escape(name, quote=False).replace("'", "&apos;")
                                      .replace('"', "&quot;"), text)
                    alice.wait_job(job, "completed")
        self.assert_books_hold()

    def test_a_mebibyte_is_too_large(self):
        alice, before = self.alice, self.jobs()
        status, page = self.by_form(alice, name=MIB)
        self.assertEqual(status, 413)
        self.assertIn("Content Too Large the body is too large", page.text)
        status, said = self.by_api(alice, name=MIB)
        self.assertEqual((status, said["title"], said["detail"]),
                         (413, "Content Too Large", "the body is too large"))
        self.assertEqual(self.jobs(), before)

    def test_a_nul_is_refused(self):
        alice, before = self.alice, self.jobs()
        status, page = self.by_form(alice, name="a\0b")
        self.assertEqual(status, 400)
        self.assertIn("The form is not well formed: a value is not well encoded UTF-8, or "
                      "holds a NUL.", page.text)
        status, said = self.by_api(alice, name="a\0b")
        self.assertEqual(status, 400)
        self.assertIn("\\u0000 is not allowed", said["detail"])
        self.assertEqual(self.jobs(), before)

    def test_a_body_that_is_not_json_says_where(self):
        for body, where in ((b'{"name":', "line 1, column 8"), (b"\xff", "line 1, column 0"),
                            (b'{"name":"a\0', "control character 0x0")):
            reply = self.alice.post_json("/api/v1/jobs", body)
            self.assertEqual(reply.status, 400)
            said = reply.json()["detail"]
            self.assertTrue(said.startswith("The body is not a JSON object: not JSON:"), said)
            self.assertIn(where, said)

    def test_the_same_key_makes_one_job_and_other_content_is_a_conflict(self):
        alice, key = self.alice, secrets.token_hex(16)
        first = alice.try_submit_json(REQUEST, key)
        again = alice.try_submit_json(REQUEST, key)
        self.assertEqual((first.status, again.status), (201, 200))
        job = first.json()["id"]
        self.assertEqual((again.json()["id"], again.json()["is_new"]), (job, False))
        other = alice.try_submit_json({**REQUEST, "gpus_per_node": 2}, key)
        said = other.json()
        self.assertEqual((other.status, said["type"], said["job"]), (409, "other-content", job))
        self.assertEqual(said["remedy"], "Look at the job it made; to place another one, send "
                         "it again.")
        for bad in ("zz", "A" * 32, "", None):
            reply = alice.post_json("/api/v1/jobs", {**REQUEST, "key": bad})
            self.assertEqual((reply.status, reply.json()["field"]), (422, "key"))

    def test_a_form_sent_twice_makes_one_job_and_other_content_is_a_conflict(self):
        alice = self.alice
        alice.get("/jobs/new")
        form = alice.reply.page().find_form("/jobs")
        paths = [alice.post("/jobs", form.filled(FORM)).path for _ in range(2)]
        self.assertEqual(paths[0], paths[1])
        reply = alice.post("/jobs", form.filled({**FORM, "name": "other"}))
        self.assertEqual(reply.status, 409)
        self.assertIn("with other content.", reply.page().text)
        self.assertIn(paths[0], reply.page().links)
        # the page has a new key by now: sent again, it is a new job
        again = alice.send(alice.reply.page().find_form("/jobs"), {})
        self.assertNotEqual(again.path, paths[0])
        self.assertRegex(again.path, r"^/jobs/\d+$")

    def test_a_post_without_the_forms_token_changes_nothing(self):
        alice, before = self.alice, self.jobs()
        self.assertEqual(alice.post("/jobs", FORM).status, 403)
        alice.token = "0" * 64
        reply = alice.try_submit_json(REQUEST)
        self.assertEqual(reply.status, 403)
        self.assertEqual(reply.json()["detail"], "Send the field X-Form-Token with the token "
                         "that GET /api/v1/session gives.")
        self.assertEqual(self.jobs(), before)


class Logins(sites.SiteTest):
    REFUSED = "Login or password is not right."

    def test_every_wrong_login_gets_the_same_page(self):
        tries = (("north", "alice", "wrong"), ("north", "nobody", "wrong"),
                 ("north", "alice", ""), ("north", "", "x"), ("north", "alice", "alice-south"),
                 ("south", "bob", "bob-north"), ("mars", "alice", "alice-north"),
                 ("north", "*", "x"), ("north", "alice)(uid=*", "x"),
                 ("north", "<script>", "x"))
        pages = set()
        for university, login, password in tries:
            session = self.site.session()
            self.addCleanup(session.close)
            reply = session.try_login(university, login, password)
            self.assertEqual(reply.status, 403, (university, login))
            pages.add(reply.page().text)
            self.assertNotIn('value="<script>', reply.text)
            self.assertEqual(session.get("/jobs").path.split("?")[0], "/login")
        self.assertEqual(len(pages), 1)
        self.assertIn(self.REFUSED, pages.pop())

    def test_a_nul_and_a_mebibyte_never_reach_the_directory(self):
        session = self.site.session()
        self.addCleanup(session.close)
        self.assertEqual(session.try_login("north", "alice", "alice-north\0").status, 400)
        self.assertEqual(session.try_login("north", "al\0ice", "alice-north").status, 400)
        self.assertEqual(session.try_login("north", "alice", MIB).status, 413)


class Outages(sites.SiteTest):
    BUSY = "This is busy or down at the moment. Try again in a few seconds."

    def test_without_the_directory_only_logins_wait(self):
        alice = self.alice
        self.site.stop_one("slapd")
        try:
            session = self.site.session()
            self.addCleanup(session.close)
            reply = session.try_login("north", "bob", "bob-north")
            self.assertEqual((reply.status, reply.headers["Retry-After"]), (503, "30"))
            self.assertIn("Your university's directory does not answer. Your password was not "
                          "checked; try again in a minute.", reply.page().text)
            job = alice.submit(**FORM)
            self.assertEqual(alice.wait_job(job)["state"], "completed")
            self.assertEqual(alice.get("/").status, 200)
        finally:
            self.site.start_one("slapd")
        self.assertEqual(session.try_login("north", "bob", "bob-north").status, 200)

    def test_without_the_database_pages_say_so_and_go_on_afterwards(self):
        alice = self.alice
        alice.load_token()
        self.site.kill("mariadb")
        try:
            for path in ("/", "/jobs", "/jobs/new", "/jobs/1"):
                reply = alice.get(path)
                self.assertEqual(reply.status, 503, path)
                self.assertIn(self.BUSY, reply.page().text)
            reply = alice.try_submit_json(REQUEST)
            self.assertEqual((reply.status, reply.json()["detail"]), (503, self.BUSY))
            self.assertEqual(alice.get("/static/firefly.css").status, 200)
        finally:
            self.site.start_one("mariadb")
        job = alice.submit(**FORM)
        self.assertEqual(alice.wait_job(job)["state"], "completed")
        self.assert_books_hold()

    def test_the_portal_starts_without_its_database(self):
        self.site.stop_one("portald")
        self.site.kill("mariadb")
        self.site.start_one("portald")
        try:
            session = self.site.session()
            self.addCleanup(session.close)
            self.assertEqual(session.get("/").status, 200)  # the login page needs none
            self.assertEqual(session.try_login("north", "alice", "alice-north").status, 503)
        finally:
            self.site.start_one("mariadb")
        self.assertEqual(self.alice.get("/").status, 200)


if __name__ == "__main__":
    sites.main()

# SPDX-License-Identifier: Apache-2.0
"""The portal's answers: to wrong forms with the number and the remedy, to wrong logins always the same,
to what belongs to others as if it were not there."""
import concurrent.futures
import json
import secrets
import threading
import time

import sites
from portal.embedded import people
from portal.embedded.session import Session

SCRIPT = "echo begun; sleep 600"
JSON = {"Content-Type": "application/json"}


class Portal(sites.SiteTest):
    def setUp(self):
        self.site.sql("DELETE FROM login_try")
        self.me = self.alice

    def stranger(self):
        session = Session(self.site.url, self.site.ca)
        self.addCleanup(session.close)
        return session

    def try_form(self, **fields):
        whole = {"project": "climate", "name": "form", "gpus_per_node": 1, "time_limit": "1m",
                 "script": "true", **fields}
        return self.me.try_submit(**whole)

    def jobs(self):
        return int(self.site.sql("SELECT COUNT(*) FROM job")[0][0])

    # ---- wrong forms

    def test_a_wrong_field_is_marked_with_the_number_and_nothing_is_placed(self):
        duration = "is not a duration; write it like 90s, 30m, 2h, 1d12h or 01:30:00"
        cases = [
            ("gpus_per_node", "0", "GPUs: 0 is less than 1"),
            ("gpus_per_node", "-1", "GPUs: -1 is less than 1"),
            ("gpus_per_node", "9999", "GPUs: 9999 is more than 8"),
            ("gpus_per_node", "1000000000", "GPUs: 1000000000 is more than 8"),
            ("gpus_per_node", "1e9", 'GPUs: "1e9" is not a whole number'),
            ("gpus_per_node", "99999999999999999999", "GPUs: 99999999999999999999 is more than 8"),
            ("time_limit", "25:61", f'Time limit: "25:61" {duration}'),
            ("time_limit", "", None),  # is the form's own value then
            ("time_limit", "8d", "Time limit: 8d is more than 7d"),
            ("name", "", "Name: must be given"),
            ("name", "a\nb", "Name: must be one line without control characters"),
            ("name", "x" * 81, "Name: has 81 characters, allowed are 1 to 80"),
            ("script", "", "Command or script: must be given"),
            ("memory", "64X", 'Memory per node: "64X" is not a size; write it like 512M, 16G or 1T'),
            ("gpu_type", "abacus", "No node of the cluster has GPUs of the type"),
            ("project", "optics", "You have no project of this name."),
            ("project", "no-such", "You have no project of this name."),
            ("project", "'; DROP TABLE job; --", "Project: "),
        ]
        for field, value, answer in cases:
            with self.subTest(field=field, value=value[:30]):
                before = self.jobs()
                reply = self.try_form(**{field: value})
                if answer is None:
                    continue
                self.assertEqual(reply.status, 422)
                self.assertIn(answer, reply.page().text)
                self.assertEqual(self.jobs(), before)
                shown = dict(reply.page().find_form("/jobs").fields)
                self.assertEqual(shown["script"].strip(), "true" if field != "script" else "")

    def test_names_are_text_wherever_they_are_shown(self):
        for name in ("<script>alert(1)</script>", "'; DROP TABLE job; --", "🐝 bees", "{{token}}"):
            with self.subTest(name=name):
                reply = self.try_form(name=name)
                self.assertEqual(reply.status, 200)
                job = int(reply.path.rpartition("/")[2])
                self.assertEqual(self.me.job(job)["name"], name)
                for page in (reply, self.me.get("/"), self.me.get("/jobs")):
                    self.assertIn(name, page.page().text)
                    self.assertNotIn("<script>alert", page.text)
                self.me.wait_job(job)

    def test_too_much_and_nul_are_refused_whole(self):
        self.me.get("/jobs/new")
        form = dict(self.me.reply.page().find_form("/jobs").fields)
        self.assertEqual(self.me.post("/jobs", {**form, "name": "x" * (1 << 20)}).status, 413)
        self.assertEqual(self.me.post("/jobs", {**form, "name": "x" * 300_000}).status, 413)
        self.assertEqual(self.me.post("/jobs", {**form, "name": "a\0b"}).status, 400)
        self.assertEqual(self.me.post("/jobs", {**form, "admin": "yes"}).status, 422)

    def test_a_spent_budget_is_refused_with_the_number_and_what_fits(self):
        free = json.loads(self.me.request("GET", "/api/v1/projects").body)["projects"]
        climate = next(p for p in free if p["name"] == "climate")["free_gpums"]
        reply = self.try_form(gpus_per_node=8, time_limit="2d")
        text = reply.page().text
        self.assertEqual(reply.status, 422)
        self.assertIn("The job would hold 384.0 GPU-hours (8 GPUs for 2 d), but "
                      "project climate has", text)
        self.assertRegex(text, r"8 GPUs for at most \d+ h( \d+ min)? would fit")
        answer = self.place(gpus_per_node=8, time_limit="2d")
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        problem = answer.json()
        self.assertEqual(problem["type"], "no-budget")
        self.assertEqual(problem["hold_gpums"], 384 * 3600_000)
        self.assertEqual(problem["free_gpums"], climate)
        self.assertIn("would fit", problem["remedy"])

    # ---- several allocations

    def second_allocation(self):
        """Of climate, with one GPU-hour; only while the test runs it is open."""
        done = self.site.quota("grant", "climate", 1, "--from", "2020-01-01", "--until", "2099-04-01",
                               "--reason", "second", "--yes", "--format", "json")
        number = json.loads(done.stdout)[0]["number"]
        self.addCleanup(self.site.sql, f"UPDATE allocation SET state = 'closed' WHERE id = {number}")
        return number

    def test_a_job_is_paid_by_the_allocation_that_was_chosen(self):
        self.me.get("/jobs/new")
        self.assertNotIn("allocation", self.me.reply.page().find_form("/jobs"))  # nothing to choose
        number = self.second_allocation()
        page = self.me.get("/jobs/new").page()
        self.assertEqual(page.find_form("/jobs").options["allocation"][0], "")
        self.assertEqual(len(page.find_form("/jobs").options["allocation"]), 3)
        self.assertIn(f"{number} — 1.0 GPU-h free until 31 March 2099", page.text)
        paid = "SELECT allocation_id FROM job ORDER BY id DESC LIMIT 1"
        self.assertEqual(self.try_form().status, 200)
        self.assertNotEqual(self.site.sql(paid)[0][0], str(number))  # the other one ends first
        reply = self.try_form(allocation=number)
        self.assertEqual(reply.status, 200)
        self.assertEqual(self.site.sql(paid)[0][0], str(number))
        job = reply.path.rpartition("/")[2]
        again = self.me.get(f"/jobs/new?from={job}").page().find_form("/jobs")
        self.assertIn(["allocation", str(number)], [list(f) for f in again.fields])

    def test_a_chosen_allocation_is_named_in_the_refusal(self):
        number = self.second_allocation()
        reply = self.try_form(allocation=number, time_limit="2h")
        self.assertEqual(reply.status, 422)
        self.assertRegex(reply.page().text, f"but allocation {number} of project climate has 1.0 free for "
                         r"you\. 1 GPU for at most 1 h would fit\. .* choose another allocation")
        self.assertIn(["allocation", str(number)],
                      [list(f) for f in reply.page().find_form("/jobs").fields])
        self.assertIn('Allocation: "x" is not a whole number', self.try_form(allocation="x").page().text)
        problem = self.place(allocation=999999).json()
        self.assertEqual((problem["type"], problem["field"]), ("no-allocation", "allocation"))
        self.assertEqual(problem["detail"], "Project climate has no allocation 999999.")
        self.assertIn("Choose another allocation", problem["remedy"])
        self.site.sql(f"UPDATE allocation SET state = 'closed' WHERE id = {number}")
        self.assertEqual(self.place(allocation=number).json()["detail"], f"Allocation {number} of project "
                         "climate is closed; 1.0 GPU-hours of it are free.")

    def test_a_list_that_was_cut_off_says_so(self):
        self.site.sql("INSERT INTO user_request (kind, person_id, project_name, at_ms, state) SELECT 'join', "
                      "(SELECT id FROM person WHERE login = 'bob'), 'climate', 1, 'withdrawn' FROM "
                      "seq_1_to_499")
        bob = self.session("bob", "north")
        self.addCleanup(self.site.sql, "DELETE FROM user_request WHERE at_ms = 1")
        self.assertNotIn("newest 500", bob.get("/requests").page().text)
        self.site.sql("INSERT INTO user_request (kind, person_id, project_name, at_ms) SELECT 'join', id, "
                      "'climate', 1 FROM person WHERE login = 'bob'")
        self.assertIn("These are the newest 500. Older ones: quota request list --all",
                      bob.get("/requests").page().text)
        self.assertIn("Of the project's requests the newest 500 are shown.",
                      self.me.get("/projects/climate").page().text)
        self.site.sql("UPDATE user_request SET state = 'open' WHERE at_ms = 1")
        self.assertIn("Of what others ask the newest 500 are shown. Older ones: quota request list",
                      self.me.get("/requests").page().text)

    def test_the_same_form_makes_one_job_and_another_content_none(self):
        self.me.get("/jobs/new")
        form = self.me.reply.page().find_form("/jobs")
        values = {"project": "climate", "name": "once", "time_limit": "1m", "script": "true"}
        first = self.me.post("/jobs", form.filled(values))
        again = self.me.post("/jobs", form.filled(values))
        self.assertEqual(first.path, again.path)
        before = self.jobs()
        other = self.me.post("/jobs", form.filled({**values, "name": "twice"}))
        self.assertEqual((other.status, self.jobs()), (409, before))
        self.assertIn("This form was sent before, with other content.", other.page().text)
        self.assertIn(first.path, other.page().links)
        fresh = self.me.post("/jobs", other.page().find_form("/jobs").filled({}))
        self.assertEqual(fresh.status, 200)
        self.assertNotEqual(fresh.path, first.path)

    # ---- the API

    def place(self, session=None, key=None, token=None, **fields):
        session = session or self.me
        token = token or session.request("GET", "/api/v1/session").json()["token"]
        body = {"project": "climate", "name": "api", "gpus_per_node": 1, "time_limit": "1m",
                "command": ["true"], "key": key or secrets.token_hex(16), **fields}
        return session.request("POST", "/api/v1/jobs", json.dumps(body).encode(),
                               {**JSON, "X-Form-Token": token})

    def test_the_api_places_once_and_names_the_wrong_field(self):
        key = secrets.token_hex(16)
        first, again = self.place(key=key), self.place(key=key)
        self.assertEqual((first.status, again.status), (201, 200))
        self.assertEqual(first.json()["id"], again.json()["id"])
        self.assertEqual(first.json()["hold_gpums"], 60_000)
        other = self.place(key=key, name="other")
        self.assertEqual((other.status, other.json()["type"]), (409, "other-content"))
        for field, value in (("gpus_per_node", 9999), ("gpus_per_node", 0), ("time_limit", "25:61"),
                             ("name", ""), ("nodes", 10**9)):
            wrong = self.place(**{field: value})
            self.assertEqual((wrong.status, wrong.json()["field"]), (422, field))
        self.assertEqual(self.place(key="short").json()["field"], "key")
        self.assertEqual(self.place(unknown=1).status, 422)

    def test_the_api_wants_a_session_and_its_token(self):
        stranger = self.stranger()
        reply = stranger.request("GET", "/api/v1/jobs")
        self.assertEqual((reply.status, reply.headers["WWW-Authenticate"]),
                         (401, 'Cookie realm="Firefly"'))
        self.assertEqual(self.place(token="0" * 64).status, 403)
        south = self.session("alice", "south")
        theirs = south.request("GET", "/api/v1/session").json()["token"]
        self.assertEqual(self.place(token=theirs).status, 403)

    # ---- logging in

    def test_every_failed_login_looks_the_same(self):
        answers = set()
        for directory, login, password in (
                ("north", "alice", "wrong"), ("north", "nobody", "wrong"), ("north", "alice", ""),
                ("north", "*)(uid=*", "x"), ("north", "", "x"), ("east", "alice", "alice-north"),
                ("south", "alice", "alice-north"), ("north", "alice\0", "alice-north")):
            stranger = self.stranger()
            stranger.get("/login")
            form = stranger.reply.page().find_form("/login")
            fields = [(n, v) for n, v in form.fields if n in ("token", "next")]
            reply = stranger.post("/login", fields + [("directory", directory), ("login", login),
                                                      ("password", password)])
            if "\0" in login:
                self.assertEqual(reply.status, 400)
                continue
            self.assertIn("Login or password is not right.", reply.page().text)
            self.assertNotIn("sid", " ".join(stranger.cookies))
            answers.add(reply.status)
        self.assertEqual(answers, {403})

    def test_many_tries_must_wait_and_others_need_not(self):
        stranger = self.stranger()
        for _ in range(10):
            self.assertEqual(stranger.try_login("north", "carol", "wrong").status, 403)
        reply = stranger.try_login("north", "carol", "carol-north")
        self.assertEqual(reply.status, 429)
        self.assertIn("Too many tries. Wait 10 seconds", reply.page().text)
        self.assertEqual(reply.headers["Retry-After"], "10")
        self.session("bob", "north")

    def test_a_directory_that_is_down_is_said_and_not_counted(self):
        self.site.kill("slapd")
        try:
            stranger = self.stranger()
            reply = stranger.try_login("north", "bob", "bob-north")
            self.assertEqual(reply.status, 503)
            self.assertIn("Your university's directory does not answer", reply.page().text)
            self.assertEqual(self.me.get("/").status, 200)
            self.assertEqual(self.site.sql("SELECT SUM(failures) FROM login_try")[0][0], "0")
        finally:
            self.site.start_one("slapd")
        self.session("bob", "north")

    def test_a_session_is_new_at_login_and_ends_at_logout(self):
        session = self.stranger()
        session.get("/login")
        self.assertRegex(" ".join(session.cookies), r"^__Host-login-[0-9a-f]{8}$")
        session.log_in(people.find("bob", "north"))
        first = session.cookies["__Host-sid"]
        self.assertNotIn(first, self.site.sql("SELECT GROUP_CONCAT(token_hash) FROM session")[0][0])
        kept = self.stranger()
        kept.cookies["__Host-sid"] = first
        self.assertEqual(kept.get("/").path, "/")
        session.log_out()
        self.assertTrue(kept.get("/").path.startswith("/login"))

    def test_the_cookie_is_as_closed_as_cookies_are(self):
        session = self.stranger()
        session.get("/login")
        form = session.reply.page().find_form("/login")
        body = "&".join(f"{n}={v}" for n, v in form.filled(
            {"directory": "north", "login": "bob", "password": "bob-north"}))
        reply = session.request("POST", "/login", body.replace("/", "%2F").encode(), {
            "Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(reply.status, 303)
        self.assertRegex(reply.headers["Set-Cookie"],
                         r"^__Host-sid=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Lax; Secure$")

    def test_tabs_that_open_at_once_all_log_in(self):
        session = self.stranger()
        forms, cookies = [], {}
        for _ in range(3):  # each was asked for before the first reply was there
            session.cookies = {}
            forms.append(session.get("/login").page().find_form("/login"))
            cookies.update(session.cookies)
        bob = {"directory": "north", "login": "bob", "password": "bob-north"}
        for form in forms:
            session.cookies = dict(cookies)
            self.assertEqual(session.send(form, bob).path, "/")
        session.cookies = dict(cookies)
        session.get("/login")
        self.assertEqual(session.cookies, cookies)  # the next page takes one of those
        session.cookies = dict(list(cookies.items())[:1])
        self.assertEqual(session.send(forms[1], bob).status, 403)

    def test_a_form_of_another_session_or_site_is_refused(self):
        self.me.get("/jobs/new")
        form = dict(self.me.reply.page().find_form("/jobs").fields)
        south = self.session("alice", "south")
        self.assertEqual(south.post("/jobs", form).status, 403)
        self.assertEqual(self.me.post("/logout", {"token": form["token"]}).status, 403)
        self.assertEqual(self.me.request("POST", "/jobs", b"token=x", {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": "https://evil.example"}).status, 403)

    def test_no_redirect_leads_away(self):
        for following in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
            session = self.stranger()
            session.get(f"/login?next={following.replace(chr(92), '%5C')}")
            form = session.reply.page().find_form("/login")
            self.assertEqual(dict(form.fields)["next"], "/")

    def test_a_login_leads_back_to_the_whole_address(self):
        session = self.stranger()
        reply = session.get("/jobs/new?project=climate&x=%2F")
        self.assertEqual(reply.path, "/login?next=%2Fjobs%2Fnew%3Fproject%3Dclimate%26x%3D%252F")
        form = reply.page().find_form("/login")
        self.assertEqual(dict(form.fields)["next"], "/jobs/new?project=climate&x=%2F")
        reply = session.send(form, {"directory": "north", "login": "alice", "password": "alice-north"})
        self.assertEqual(reply.path, "/jobs/new?project=climate&x=%2F")
        self.assertEqual(self.stranger().get("/jobs?x=" + "%20" * 1000).path, "/login")

    def test_blanks_around_a_login_do_not_matter(self):
        for login in ("alice ", " alice", "\talice \t"):
            self.assertEqual(self.stranger().try_login("north", login, "alice-north").path, "/")

    def test_what_is_no_login_counts_for_the_address_alone(self):
        stranger = self.stranger()
        for i in range(12):
            self.assertEqual(stranger.try_login("north", f"al ice{i}", "x").status, 403)
        self.assertEqual(self.site.sql("SELECT failures FROM login_try WHERE failures > 0"),
                         [["12"]])

    # ---- what others have

    def test_what_is_not_ones_own_is_not_there(self):
        job = self.me.submit(project="climate", name="mine", time_limit="1m", script="echo secret")
        self.me.wait_job(job)
        south = self.session("alice", "south")
        token = south.request("GET", "/api/v1/session").json()["token"]
        for path in (f"/jobs/{job}", f"/jobs/{job}/log", f"/jobs/{job}/events", f"/jobs/{job}/files",
                     f"/jobs/{job}/files/x", f"/api/v1/jobs/{job}", f"/jobs/new?from={job}",
                     "/jobs/999999", "/jobs/0", "/jobs/-1", "/jobs/x"):
            self.assertEqual(south.request("GET", path).status, 404, path)
        self.assertEqual(south.request("POST", f"/api/v1/jobs/{job}/cancel", b"{}", {
            **JSON, "X-Form-Token": token}).status, 404)
        self.assertNotIn("mine", south.get("/jobs?of=projects").page().text)
        bob = self.session("bob", "north")  # a member of the project: rows, no logs
        self.assertEqual(bob.get(f"/jobs/{job}").status, 200)
        self.assertNotIn("secret", bob.reply.text)
        self.assertEqual(bob.get(f"/jobs/{job}/log").status, 404)
        self.assertIn("mine", bob.get("/jobs?of=projects").page().text)

    def test_an_administrators_look_is_audited(self):
        job = self.session("alice", "south").submit(project="optics", name="x", time_limit="1m",
                                                    script="true")
        carol = self.session("carol", "north")
        self.assertEqual(carol.get(f"/jobs/{job}").status, 200)
        rows = self.site.sql(f"SELECT actor, verb FROM audit WHERE object = 'job {job}'")
        self.assertIn(["north/carol", "view"], rows)

    def test_files_are_listed_and_fetched_and_no_path_leads_out(self):
        script = "mkdir -p 'a b/c'; echo 1 > 'a b/c/ü.txt'; ln -s /etc/passwd link; echo 2 > r.txt"
        job = self.me.submit(project="climate", name="files", time_limit="1m", script=script)
        self.me.wait_job(job, "completed")
        page = self.me.get(f"/jobs/{job}").page()
        self.assertIn(f"/jobs/{job}/files/r.txt", page.links)
        self.assertIn("link (link)", page.text)
        below = self.me.get(f"/jobs/{job}/files?path=a%20b%2Fc").page()
        path = next(x for x in below.links if x.endswith(".txt"))
        reply = self.me.get(path)
        self.assertEqual(reply.body, b"1\n")
        self.assertIn("attachment", reply.headers["Content-Disposition"])
        self.assertIn("sandbox", ", ".join(reply.headers.get_all("Content-Security-Policy")))
        for path in ("link", "..%2f..%2fetc%2fpasswd", "no-such", "a%20b", "%2fetc%2fpasswd"):
            self.assertIn(self.me.get(f"/jobs/{job}/files/{path}").status, (400, 404), path)
        for path in ("..", "/etc", "link", "no-such", "../.."):
            self.assertEqual(self.me.get(f"/jobs/{job}/files?path={path}").status, 404, path)

    def test_files_with_names_that_cannot_be_shown_are_counted(self):
        script = "mkdir one two; touch $'one/bad\\xff' $'two/a\\xff' $'two/b\\nc' two/good"
        job = self.me.submit(project="climate", name="names", time_limit="1m", script=script)
        self.me.wait_job(job, "completed")
        one = self.me.get(f"/jobs/{job}/files?path=one").page().text
        self.assertIn("1 file or folder has a name that cannot be shown.", one)
        self.assertNotIn("The folder is empty.", one)
        two = self.me.get(f"/jobs/{job}/files?path=two").page().text
        self.assertIn("2 files and folders have names that cannot be shown.", two)
        self.assertNotIn("cannot be shown", self.me.get(f"/jobs/{job}/files").page().text)

    def test_a_command_comes_again_as_a_line_for_the_shell(self):
        words = ["printf", "[%s]", "a b", "it's", "", "$HOME", "x=1"]
        first = self.place(command=words).json()["id"]
        self.me.wait_job(first, "completed")
        form = self.me.get(f"/jobs/new?from={first}").page().find_form("/jobs")
        line = dict(form.fields)["script"].strip()
        self.assertEqual(line, r"printf '[%s]' 'a b' 'it'\''s' '' '$HOME' 'x=1'")
        self.assertIn(line, self.me.get(f"/jobs/{first}").page().text)
        self.me.get(f"/jobs/new?from={first}")
        again = int(self.me.send(form, {}).path.rpartition("/")[2])
        self.me.wait_job(again, "completed")
        self.assertEqual(self.me.log(again), b"[a b][it's][][$HOME][x=1]")
        self.assertEqual(self.me.log(again), self.me.log(first))

    def test_the_raw_log_is_text_and_nothing_else(self):
        script = r"printf '<html><script>alert(1)</script>\033[31mred\033[0m\0\n'"
        job = self.me.submit(project="climate", name="log", time_limit="1m", script=script)
        self.me.wait_job(job)
        reply = self.me.get(f"/jobs/{job}/log")
        self.assertEqual(reply.headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
        self.assertIn("sandbox", ", ".join(reply.headers.get_all("Content-Security-Policy")))
        page = self.me.get(f"/jobs/{job}")
        self.assertNotIn("<script>alert", page.text)
        self.assertNotIn("\033", page.text)

    def test_a_join_request_does_not_tell_whether_the_project_exists(self):
        erin = self.session("erin", "south")
        self.assertIn("You are not in a project yet", erin.get("/").page().text)
        there, missing = erin.ask_to_join("optics"), erin.ask_to_join("no-such-one")
        self.assertEqual(there.status, missing.status)
        self.assertIn("Your request was sent.", missing.page().text)
        wrong = erin.ask_to_join("No Such!")
        self.assertEqual(wrong.status, 422)
        erin.ask_to_join("optics")
        asked = self.site.sql("SELECT COUNT(*) FROM user_request WHERE project_name = 'optics'")
        self.assertEqual(asked, [["1"]])
        self.assertEqual(erin.get("/jobs/new").status, 200)
        self.assertIn("You are in no project that takes jobs.", erin.reply.page().text)

    # ---- streams and daemons that are away

    def assert_stream_ends(self, session, job, statement):
        """Within 5 s of the statement."""
        begun, ended = threading.Event(), threading.Event()

        def follow():
            for event, _ in session.events(f"/jobs/{job}/events", timeout=30):
                if event == "log":
                    begun.set()
            ended.set()
        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        self.assertTrue(begun.wait(20))
        self.site.sql(statement)
        since = time.monotonic()
        self.assertTrue(ended.wait(10))
        self.assertLess(time.monotonic() - since, 5)
        thread.join()

    def test_who_may_no_longer_see_a_log_stops_following_it(self):
        job = self.me.submit(project="climate", name="long", time_limit="5m", script=SCRIPT)
        self.me.wait_job(job, "running")
        bob = self.session("bob", "north")
        of_bob = ("project_id = (SELECT id FROM project WHERE name = 'climate') AND "
                  "person_id = (SELECT id FROM person WHERE login = 'bob')")
        self.site.sql(f"UPDATE member SET role = 'pi' WHERE {of_bob}")
        self.assert_stream_ends(bob, job, f"UPDATE member SET role = 'member' WHERE {of_bob}")
        self.assertEqual(bob.get(f"/jobs/{job}/events").status, 404)
        self.assertEqual(bob.get(f"/jobs/{job}").status, 200)
        self.me.cancel(job)
        self.me.wait_job(job, "cancelled", seconds=60)
        row = self.site.sql("SELECT origin, reason FROM audit WHERE verb = 'cancel' AND "
                            f"object = 'job {job}'")
        self.assertEqual([["portal 127.0.0.1", "asked for in the portal"]], row)

    def test_a_stream_ends_with_its_session(self):
        dave = self.session("dave", "south")
        job = dave.submit(project="optics", name="long", time_limit="5m", script=SCRIPT)
        dave.wait_job(job, "running")
        self.assert_stream_ends(dave, job, "DELETE FROM session WHERE person_id = (SELECT id FROM "
                                "person WHERE login = 'dave')")  # as another portald at a logout
        again = self.session("dave", "south")
        again.cancel(job)
        again.wait_job(job, "cancelled", seconds=60)

    def test_pages_go_on_without_runnerd(self):
        job = self.me.submit(project="climate", name="page", time_limit="1m", script="echo hi")
        self.me.wait_job(job)
        self.site.kill("runnerd")
        try:
            page = self.me.get(f"/jobs/{job}")
            self.assertEqual(page.status, 200)
            self.assertIn("The log cannot be read at the moment.", page.page().text)
            self.assertEqual(self.me.get(f"/jobs/{job}/log").status, 503)
            waiting = self.me.submit(project="climate", name="later", time_limit="1m", script="true")
            self.assertEqual(self.me.job(waiting)["state"], "queued")
        finally:
            self.site.start_one("runnerd")
        self.me.wait_job(waiting, "completed")

    def troubles(self, before):
        """What portald said of 503s since its log was `before`."""
        new = self.site.log("portald")[len(before):].splitlines()
        return [line.partition("error: ")[2] for line in new if line.endswith("pages answer 503")]

    def test_why_a_login_fails_is_logged_once(self):
        before = self.site.log("portald")
        self.site.sql("RENAME TABLE login_try TO login_try_away")
        try:
            answers = [self.stranger().try_login("north", "bob", "bob-north").status for _ in range(5)]
        finally:
            self.site.sql("RENAME TABLE login_try_away TO login_try")
        self.assertEqual(answers, [503] * 5)
        self.assertEqual(len(self.troubles(before)), 1, self.troubles(before))
        self.assertIn("login_try' doesn't exist", self.troubles(before)[0])
        self.session("bob", "north")

    def test_pages_say_503_without_the_database_and_come_back(self):
        before = self.site.log("portald")
        self.site.kill("mariadb")
        twins = [self.me.twin() for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(lambda twin: twin.request("GET", "/").status, twins))
        self.site.start_one("mariadb")
        self.assertEqual(answers, {503})
        said = self.troubles(before)
        self.assertTrue(said)
        self.assertEqual(len(said), len(set(said)), said)
        self.assertEqual(self.me.get("/").status, 200)
        self.assertEqual(self.try_form().status, 200)


if __name__ == "__main__":
    sites.main()

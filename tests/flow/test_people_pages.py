# SPDX-License-Identifier: Apache-2.0
"""What people see and change of one another's GPU-hours on the pages: who may is a table;
statements add up, and nothing that anybody types becomes markup or a formula."""
import csv
import hashlib
import hmac
import io
import re
import secrets
import subprocess
import urllib.parse
import zipfile

import sites
from books import HOUR
from portal.embedded.session import Session

XSS = "<script>alert(1)</script>"


class Pages(sites.SiteTest):
    """The pages: bob is a member of climate, alice its PI; alice of the south heads optics;
    dave is made admin of the north, erin of the south; carol is an administrator of the site."""

    WHO = {"member": ("bob", "north"), "pi": ("alice", "north"),
           "pi_elsewhere": ("alice", "south"), "tenant_admin": ("dave", "south"),
           "tenant_admin_elsewhere": ("erin", "south"), "admin": ("carol", "north")}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.sql("INSERT INTO tenant_admin SELECT t.id, w.id FROM tenant t JOIN person w "
                     "ON (t.name, w.login) IN (('north', 'dave'), ('south', 'erin'))")
        cls.month = cls.site.sql("SELECT month FROM month WHERE from_ms <= UNIX_TIMESTAMP() * "
                                 "1000 ORDER BY from_ms DESC LIMIT 1")[0][0]
        cls.month = f"{cls.month[:4]}-{cls.month[4:]}"
        cls.key = (cls.site.folder / "secrets/portal/form.key").read_text().strip()

    def who(self, role):
        return self.session(*self.WHO[role])

    def person(self, login):
        return int(self.site.sql("SELECT MIN(id) FROM person WHERE login = "
                                 f"'{login}'")[0][0])

    def forged(self, session, path):
        """The token that a page would carry for this form, for who gets no such page."""
        sha = hashlib.sha256
        session_hash = sha(session.cookies["__Host-sid"].encode()).hexdigest()
        message = sha(session_hash.encode()).digest() + sha(f"POST {path}".encode()).digest()
        return hmac.new(self.key.encode(), message, sha).hexdigest()

    def post(self, session, path, **fields):
        """The reply itself, not where it leads."""
        body = urllib.parse.urlencode({"token": self.forged(session, path),
                                       "key": secrets.token_hex(16), **fields})
        return session.request("POST", path, body.encode(), {
            "Content-Type": "application/x-www-form-urlencoded"})

    # ---- who sees what

    def test_each_page_for_each_role(self):
        m, bob = f"/statements/{self.month}", self.person("bob")
        run = {"pi", "tenant_admin", "admin"}
        tenant = {"tenant_admin", "admin"}
        everybody = set(self.WHO)
        pages = [
            ("/balance", everybody), ("/statements", everybody), ("/requests", everybody),
            (m, everybody), (f"{m}?of=me", everybody), ("/api/v1/balance", everybody),
            (f"{m}/usage.csv", everybody), (f"{m}/statement.pdf", everybody),
            ("/balance?tenant=north", tenant), (f"{m}?tenant=north", tenant),
            (f"{m}/usage.csv?tenant=north", tenant),
            (f"{m}/statement.xlsx?tenant=north", tenant),
            ("/balance?tenant=no-such", set()), (f"{m}?tenant=no-such", set()),
            (f"{m}?project=climate", run), (f"{m}/usage.csv?project=climate", run),
            (f"{m}/statement.pdf?project=climate", run), (f"{m}?project=no-such", set()),
            ("/projects/climate", run | {"member"}), ("/projects/no-such", set()),
            ("/projects/CLIMATE", set()), ("/projects/%00", None),
            (f"/projects/climate/members/{bob}", run),
            (f"/projects/optics/members/{bob}", set()),
            ("/projects/climate/members/999999", set()), ("/projects/climate/members/x", set()),
            ("/requests/999999", set()), ("/requests/0", set()), ("/requests/x", set()),
            ("/statements/1999-01", set()), ("/statements/2999-01", set()),
            ("/statements/2026-13", set()), ("/statements/x", set()), (f"{m}/x.csv", set()),
            (f"{m}/allocations.csv?of=me", set())]
        for role in self.WHO:
            session = self.who(role)
            for path, may in pages:
                with self.subTest(role=role, path=path):
                    reply = session.request("GET", path)
                    wanted = 400 if may is None else 200 if role in may else 404
                    self.assertEqual(reply.status, wanted, reply.body[:300])
        nobody = Session(self.site.url, self.site.ca)
        self.addCleanup(nobody.close)
        for path, _ in pages:
            wanted = 401 if "/api/" in path else 400 if "%00" in path else 303
            self.assertEqual(nobody.request("GET", path).status, wanted, path)

    def test_each_deed_for_each_role_though_it_had_the_forms_token(self):
        bob = self.person("bob")
        base = f"/projects/climate/members/{bob}"
        join = f"/requests/{self.new_request('erin', 'climate')}/answer"
        for role in self.WHO:
            session = self.who(role)
            may = role in ("pi", "tenant_admin", "admin")
            for path, fields in ((f"{base}/role", {"role": "member", "reason": "as before"}),
                                 (f"{base}/limit", {"allocation": 1, "hours": 9,
                                                    "reason": "so much"}),
                                 (join, {"answer": "x", "reason": "why"})):
                with self.subTest(role=role, path=path):
                    reply = self.post(session, path, **fields)
                    wanted = (422 if path == join else 303) if may else 404
                    if role == "tenant_admin_elsewhere" and path == join:
                        wanted = 422  # he asked himself, and sees what is wrong with the form
                    self.assertEqual(reply.status, wanted, reply.body[:300])
                    form = {"key": secrets.token_hex(16), "token": "0" * 64, **fields}
                    self.assertEqual(session.post(path, form).status, 403)
                    self.assertEqual(session.request("GET", path).status, 405)
        self.assertEqual(self.post(self.who("pi"), f"{base}/limit", allocation=1, hours="",
                                   reason="lifted again").status, 303)

    def new_request(self, login, project):
        person = self.person(login)
        self.site.sql("INSERT INTO user_request (kind, person_id, project_name, note, at_ms) "
                      f"VALUES ('join', {person}, '{project}', 'please', 1)")
        return int(self.site.sql("SELECT MAX(id) FROM user_request")[0][0])

    # ---- requests

    def form(self, session, path, action):
        return session.get(path).page().find_form(action)

    def test_a_request_from_asking_to_the_answer(self):
        erin, alice = self.who("tenant_admin_elsewhere"), self.alice
        form = self.form(erin, "/requests", "/requests/join")
        wrong = erin.post(form.action, form.filled({"project": "Climate!", "note": "hello"}))
        self.assertEqual(wrong.status, 422)
        self.assertIn('Project: "Climate!" must be of a-z', wrong.page().text)
        kept = dict(wrong.page().find_form("/requests/join").fields)
        self.assertEqual((kept["project"], kept["note"]), ("Climate!", "hello"))
        fields = form.filled({"project": "climate", "note": XSS})
        for _ in range(2):  # the same form twice
            reply = erin.post(form.action, fields)
            self.assertIn("Your request was sent.", reply.page().text)
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM user_request WHERE note = "
                                       f"'{XSS}'"), [["1"]])
        form = self.form(erin, "/requests", "/requests/join")
        again = erin.post(form.action, form.filled({"project": "climate"}))
        self.assertEqual(again.status, 422)
        self.assertIn("asked for this already", again.page().text)
        page = alice.get("/projects/climate")
        self.assertIn(XSS, page.page().text)
        self.assertNotIn(XSS, page.text)
        self.assertIn("1 request waits for your answer", alice.get("/").page().text)
        number = self.site.sql(f"SELECT id FROM user_request WHERE note = '{XSS}'")[0][0]
        form = self.form(alice, "/projects/climate", f"/{number}/answer")
        blank = alice.post(form.action, form.filled({"answer": "deny"}))
        self.assertEqual(blank.status, 422)
        self.assertIn("Reason: must be given", blank.page().text)
        self.assertEqual(dict(blank.page().find_form("/answer").fields)["answer"], "deny")
        fields = form.filled({"answer": "approve", "reason": "welcome <b>"})
        for _ in range(2):
            reply = alice.post(form.action, fields)
            self.assertEqual(reply.status, 200)
            self.assertIn("the request is now approved", reply.page().text)
        self.assertEqual(erin.get("/projects/climate").status, 200)
        told = erin.get("/requests").page().text
        self.assertIn("approved to join the project climate", told)
        self.assertIn("welcome <b> north/alice", told)
        remove = f"/projects/climate/members/{self.person('erin')}/remove"
        form = self.form(alice, remove.rpartition("/")[0], "/remove")
        fields = form.filled({"reason": "back to before"})
        for _ in range(2):
            self.assertIn("The member was removed.", alice.post(remove, fields).page().text)
        self.assertEqual(erin.get("/projects/climate").status, 404)

    def test_a_new_project_and_more_hours(self):
        bob, dave, alice = self.who("member"), self.who("tenant_admin"), self.alice
        form = self.form(bob, "/requests", "/requests/project")
        for hours, problem in (("NaN", "'NaN': write GPU-hours"), ("-1", "'-1': write"),
                               ("0", "'0': write"), ("1e309", "'1e309': write")):
            reply = bob.post(form.action, form.filled({"project": "bees", "title": "Bees",
                                                       "hours": hours, "note": "for bees"}))
            self.assertEqual(reply.status, 422, hours)
            self.assertIn(problem, reply.page().text)
        form = reply.page().find_form("/requests/project")
        reply = bob.post(form.action, form.filled({"hours": "12.5"}))
        self.assertIn("a new project bees (Bees) with 12.5 GPU-hours", reply.page().text)
        with self.assertRaises(LookupError):
            self.form(bob, "/requests", "/requests/hours")  # he heads no project
        number = self.site.sql("SELECT id FROM user_request WHERE project_name = 'bees'")[0][0]
        self.assertEqual(alice.get(f"/requests/{number}").status, 404)
        form = self.form(dave, "/requests", f"/{number}/answer")
        dave.post(form.action, form.filled({"answer": "approve", "reason": "good idea"}))
        self.assertEqual(bob.get("/projects/bees").status, 200)
        self.assertIn("No GPU-hours now.", bob.reply.page().text)
        form = self.form(bob, "/requests", "/requests/hours")
        bob.post(form.action,
                 form.filled({"project": "bees", "hours": "100", "note": "to begin"}))
        self.assertIn("100.0 more GPU-hours for bees", dave.get("/requests").page().text)
        with self.assertRaises(LookupError):
            dave.reply.page().find_form("/answer")
        form = self.form(bob, "/requests", "/withdraw")
        for _ in range(2):
            self.assertIn("the request is now withdrawn",
                          bob.post(form.action, form.filled({})).page().text)

    def test_links_lead_on_with_what_they_are_about(self):
        """From the balance to the project, its statements and the form that asks for more."""
        alice, dave = self.alice, self.who("tenant_admin")
        page = alice.get("/projects/climate")
        for link in ("/requests?ask=hours&amp;project=climate#hours",
                     "/statements?project=climate", "/jobs/new?project=climate"):
            self.assertIn(f'href="{link}"', page.text)
        for link in ("/requests?ask=hours", "/jobs/new?project"):  # he is not in it
            self.assertNotIn(f'href="{link}', dave.get("/projects/climate").text)
        page = alice.get("/requests?ask=hours&project=climate").page()
        form = page.find_form("/requests/hours")
        self.assertEqual(dict(form.fields)["project"], "climate")
        self.assertIn('id="hours" open', alice.reply.text)
        self.assertIn(f'href="/statements/{self.month}?project=climate"',
                      alice.get("/statements?project=climate").text)
        self.assertNotIn("script", alice.get("/statements?project=%22%3E%3Cscript").page().text)
        for path, chosen in (("?tenant=north", "University of the North"),
                             ("?project=climate", "climate"), ("?of=me", "Mine"), ("", "All")):
            text = dave.get(f"/statements/{self.month}{path}").text
            self.assertEqual(re.findall(r'aria-current="true">([^<]*)', text), [chosen], path)

    def test_an_administrators_look_at_a_request_is_audited_though_it_be_refused(self):
        number = self.new_request("erin", "optics")
        carol = self.who("admin")
        count = f"SELECT COUNT(*) FROM audit WHERE object = 'request {number}'"
        self.assertEqual(self.post(carol, f"/requests/{number}/answer",
                                   answer="approve").status, 422)
        self.assertEqual(self.site.sql(count), [["1"]])
        self.assertEqual(self.post(self.who("pi_elsewhere"),
                                   f"/requests/{number}/answer").status, 422)
        self.assertEqual(self.site.sql(count), [["1"]])
        self.site.sql(f"DELETE FROM user_request WHERE id = {number}")

    # ---- limits

    def test_a_limit_from_the_form(self):
        alice, bob = self.alice, self.who("member")
        path = f"/projects/climate/members/{self.person('bob')}"
        form = self.form(alice, path, "/limit")
        for hours in ("-1", "NaN", "1e309", "0x10", "1.2345", "1000000001"):
            reply = alice.post(form.action, form.filled({"hours": hours, "reason": "share it"}))
            self.assertEqual(reply.status, 422, hours)
            kept = dict(reply.page().find_form("/limit").fields)
            self.assertEqual((kept["hours"], kept["reason"]), (hours, "share it"))
        form = reply.page().find_form("/limit")
        fields = form.filled({"hours": "2.5"})
        for _ in range(2):
            self.assertIn("Done.", alice.post(form.action, fields).page().text)
        self.assertIn("Your limit 2.5", bob.get("/balance").page().text)
        refused = bob.try_submit(project="climate", name="x", gpus_per_node=1, time_limit="3h",
                                 script="true")
        self.assertIn("has 2.5 free for you", refused.page().text)
        form = self.form(alice, path, "/limit")
        self.assertEqual(dict(form.fields)["hours"], "2.500")
        self.assertIn("Done.", alice.post(form.action, form.filled({
            "hours": "", "reason": "no more"})).page().text)
        self.assertNotIn("Your limit", bob.get("/balance").page().text)
        self.assert_books_hold()

    def test_a_member_removed_while_his_job_runs_is_settled(self):
        alice, dave = self.session("alice", "south"), self.session("dave", "south")
        job = dave.submit(project="optics", name="goes on", time_limit="5m", script="sleep 600")
        dave.wait_job(job, "running")
        path = f"/projects/optics/members/{self.person('dave')}"
        form = self.form(alice, path, "/remove")
        alice.post(form.action, form.filled({"reason": "has left us"}))
        self.assertEqual(dave.get("/projects/optics").status, 404)
        self.assertEqual(dave.cancel(job).status, 200)
        done = dave.wait_job(job, "cancelled", seconds=60)
        self.assertGreater(done["charged_gpums"], 0)
        self.assertIn("Dave Tanaka dave, has left", alice.get("/projects/optics").page().text)
        row = next(r for r in self.csv(dave, "usage.csv") if r["project"] == "optics")
        self.assertEqual(row["login"], "dave")
        self.assert_books_hold()
        self.site.sql("INSERT INTO member SELECT p.id, w.id, 'member', 1 FROM project p JOIN "
                      "person w WHERE p.name = 'optics' AND w.login = 'dave'")

    # ---- statements

    def csv(self, session, name):
        reply = session.get(f"/statements/{self.month}/{name}")
        self.assertEqual(reply.status, 200)
        self.assertIn("attachment", reply.headers["Content-Disposition"])
        return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))

    def test_statements_say_what_the_ledger_says_to_each_his_part(self):
        alice, bob, dave = self.alice, self.who("member"), self.who("tenant_admin")
        for session in (alice, bob):
            job = session.submit(project="climate", name="s", time_limit="1m",
                                 script="sleep 0.2")
            session.wait_job(job, "completed")
        self.site.sql("UPDATE person SET name = '=HYPERLINK(1)' WHERE login = 'bob'")
        ledger = self.site.sql("SELECT SUM(IF(x.type = 'charge', x.gpums, -x.gpums)) FROM "
                               "transfer x JOIN budget b ON b.id = x.debit_budget JOIN "
                               "allocation a ON a.id = b.allocation_id JOIN project p ON p.id "
                               "= a.project_id JOIN tenant t ON t.id = p.tenant_id WHERE "
                               "x.type IN ('charge', 'refund') AND x.leg = 0 AND t.name = "
                               "'north'")[0][0]
        rows = self.csv(dave, "usage.csv?tenant=north")
        self.assertEqual({r["login"] for r in rows} - {"carol"}, {"alice", "bob"})
        self.assertEqual({r["tenant"] for r in rows}, {"north"})
        self.assertIn("'=HYPERLINK(1)", {r["name"] for r in rows})
        self.assertAlmostEqual(sum(float(r["net_gpu_h"]) for r in rows), int(ledger) / HOUR,
                               delta=0.01)
        allocations = self.csv(alice, "allocations.csv?project=climate")
        self.assertEqual({r["project"] for r in allocations}, {"climate"})
        for r in allocations:
            h = {n: float(r[f"{n}_gpu_h"]) for n in ("opening", "granted", "used", "refunded",
                                                     "expired", "closing", "held")}
            self.assertAlmostEqual(h["opening"] + h["granted"] - h["used"] + h["refunded"] -
                                   h["expired"], h["closing"], delta=0.005)
        self.assertIn("Used by you", bob.get("/balance").page().text)
        self.assertNotIn("Alice Nordby", bob.reply.page().text)
        own = self.csv(bob, "usage.csv")
        self.assertEqual({r["login"] for r in own}, {"bob"})
        both = self.csv(alice, "usage.csv?project=climate")
        self.assertEqual({r["login"] for r in both}, {"alice", "bob"})
        self.site.sql("UPDATE person SET name = 'Bob Okafor' WHERE login = 'bob'")

    def test_a_closed_month_says_so_and_what_it_ended_with(self):
        sql = self.site.sql
        first, last = [int(r[0]) for r in sql(
            "SELECT month FROM month WHERE from_ms <= UNIX_TIMESTAMP() * 1000 ORDER BY from_ms "
            "DESC LIMIT 1, 2")][::-1]
        budget = sql("SELECT b.id FROM budget b JOIN allocation a ON a.id = b.allocation_id "
                     "JOIN project p ON p.id = a.project_id WHERE p.name = 'genome' AND "
                     "b.person_id IS NULL")[0][0]
        granted = int(sql("SELECT SUM(gpums) FROM transfer WHERE credit_budget = "
                          f"{budget}")[0][0])
        try:  # as if granted two months ago, closed, and nothing had happened since
            sql(f"UPDATE transfer SET month = {first} WHERE credit_budget = {budget} "
                "AND type = 'grant';"
                "UPDATE month SET closed_ms = until_ms, closed_by = 'x', "
                f"checksum = REPEAT('a', 64) WHERE month = {first};"
                f"INSERT INTO month_balance VALUES ({first}, {budget}, {granted}, 0, 0)")
            carol = self.who("admin")
            for month, opening, state in ((first, 0, "closed"), (last, granted, "open")):
                month = f"{month // 100}-{month % 100:02}"
                reply = carol.get(f"/statements/{month}/allocations.csv?project=genome")
                row = next(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))
                self.assertEqual(float(row["opening_gpu_h"]), opening / HOUR)
                self.assertEqual(float(row["closing_gpu_h"]), granted / HOUR)
                self.assertIn(state, carol.get(f"/statements/{month}").page().text)
            early = f"/statements/{first // 100}-{first % 100:02}"
            reply = carol.get(f"{early}/allocations.csv?project=climate")
            rows = csv.DictReader(io.StringIO(reply.body.decode(), newline=""))
            self.assertEqual([r for r in rows], [])  # granted after the month that is closed
            self.assertIn("closed", carol.get("/statements").page().text)
        finally:
            sql("DELETE FROM month_balance; UPDATE month SET closed_ms = NULL, closed_by = "
                f"NULL, checksum = NULL; UPDATE transfer SET month = "
                f"{self.month.replace('-', '')} WHERE month = {first}")

    def test_files_open_as_what_they_are(self):
        base = f"/statements/{self.month}"
        pdf = self.alice.get(f"{base}/statement.pdf?project=climate")
        self.assertEqual(pdf.headers["Content-Type"], "application/pdf")
        text = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf.body,
                              capture_output=True, check=True).stdout.decode()
        self.assertIn("climate", text)
        xlsx = self.alice.get(f"{base}/statement.xlsx?project=climate")
        self.assertIn(f"statement-{self.month}-climate.xlsx",
                      xlsx.headers["Content-Disposition"])
        with zipfile.ZipFile(io.BytesIO(xlsx.body)) as z:
            self.assertIsNone(z.testzip())
            self.assertIn(b"climate", z.read("xl/sharedStrings.xml"))

    # ---- balance

    def test_the_balance_foretells(self):
        sql, month = self.site.sql, self.month.replace("-", "")
        alice = self.session("alice", "south")
        cases = [  # granted, used, until in days, what is said
            (100, 0, 400, "nothing used in the last 30 days"),
            (100, 1, 60, "will last the term"),
            (100, 60, 400, "at this pace until"),
            (100, 80, 400, "More than 75 % of it is used."),
            (100, 95, 400, "More than 90 % of it is used."),
            (100, 100, 400, "All of it is used."),
            (1000, 996, 400, "It is as good as used up: 4.0 GPU-hours are left."),
            (1000, 995, 400, "More than 90 % of it is used."),
            (100, 1, 20, "The term ends in 20 days; what is not used by then expires."),
            (100, 1, 1, "The term ends in 1 day; what is not used by then expires."),
            (100, 0, -1, "the term is over"),
        ]
        sql("INSERT INTO allocation (project_id, from_ms, until_ms, created_ms) SELECT id, 1, "
            "2, 1 FROM project WHERE name = 'optics'")
        number = sql("SELECT MAX(id) FROM allocation")[0][0]
        sql(f"INSERT INTO budget (kind, allocation_id) VALUES ('allocation', {number})")
        budget = sql("SELECT MAX(id) FROM budget")[0][0]
        try:
            for granted, used, days, words in cases:
                with self.subTest(words=words):
                    sql("UPDATE allocation SET from_ms = UNIX_TIMESTAMP() * 1000 - 90 * "
                        f"86400000, until_ms = UNIX_TIMESTAMP() * 1000 + {days} * 86400000 "
                        f"WHERE id = {number};UPDATE budget SET free = "
                        f"{(granted - used) * HOUR}, used = {used * HOUR} WHERE id = {budget}; "
                        f"DELETE FROM transfer WHERE debit_budget = {budget}")
                    if used:
                        sql("INSERT INTO transfer (type, debit_budget, debit_bucket, "
                            "credit_budget, credit_bucket, gpums, month, at_ms, actor, reason, "
                            f"request_key, leg) VALUES ('charge', {budget}, 'held', {budget}, "
                            f"'used', {used * HOUR}, {month}, UNIX_TIMESTAMP() * 1000 - "
                            "3600000, 'x', 'x', 'x', 0)")
                    self.assertIn(words, alice.get("/balance").page().text)
        finally:
            sql(f"DELETE FROM transfer WHERE debit_budget = {budget}; DELETE FROM budget WHERE "
                f"id = {budget}; DELETE FROM allocation WHERE id = {number}")

    def test_names_and_titles_are_text_everywhere(self):
        sql = self.site.sql
        sql(f"UPDATE project SET title = '{XSS}' WHERE name = 'climate';"
            f"UPDATE person SET name = '{XSS}' WHERE login = 'bob';"
            f"UPDATE tenant SET title = '{XSS}' WHERE name = 'north'")
        try:
            bob = self.person("bob")
            for role in ("pi", "tenant_admin", "admin"):
                session = self.who(role)
                for path in ("/", "/balance", "/balance?tenant=north", "/projects/climate",
                             f"/projects/climate/members/{bob}", f"/statements/{self.month}",
                             f"/statements/{self.month}?project=climate", "/requests"):
                    self.assertNotIn(XSS, session.get(path).text, path)
            self.assertIn(XSS, session.get("/projects/climate").page().text)
        finally:
            sql("UPDATE project SET title = 'Climate models' WHERE name = 'climate';"
                "UPDATE person SET name = 'Bob Okafor' WHERE login = 'bob';"
                "UPDATE tenant SET title = 'University of the North' WHERE name = 'north'")

    def test_an_administrators_look_at_a_project_is_audited(self):
        self.who("admin").get("/projects/optics")
        rows = self.site.sql("SELECT actor, verb, origin FROM audit WHERE object = 'project "
                             "optics'")
        self.assertIn(["north/carol", "view", "portal 127.0.0.1"], rows)


if __name__ == "__main__":
    sites.main()

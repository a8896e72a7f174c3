# SPDX-License-Identifier: Apache-2.0
"""What people do to one another's GPU-hours, by the rules as the database keeps them: who may
is a table; requests, limits and members do once what is sent twice or at once."""
import concurrent.futures
import secrets
import subprocess
import unittest

from books import HOUR, Books
from portal.embedded import process

XSS = "<script>alert(1)</script>"
ROLES = ("researcher", "member", "pi", "pi_elsewhere", "tenant_admin", "tenant_admin_elsewhere",
         "admin")
RUN = ("pi", "tenant_admin", "admin")  # who may act for the project


def new_key():
    return secrets.token_hex(16)


class Procedures(unittest.TestCase):
    """The rules as the database keeps them, whatever portald would say."""

    @classmethod
    def setUpClass(cls):
        cls.books = b = Books()
        cls.addClassCleanup(b.close)
        b.furnish()
        b.write("tenant", "add", "south")
        b.write("project", "add", "optics", "--tenant", "south")
        cls.people = {
            "member": b.bob, "pi": b.alice, "researcher": b.person("rita"),
            "pi_elsewhere": b.person("paul", "south", "south"),
            "tenant_admin": b.person("tina"), "admin": b.person("ada", admin=1),
            "tenant_admin_elsewhere": b.person("theo", "south", "south")}
        b.write("member", "add", "optics", "paul@south", "--role", "pi")
        b.write("tenant", "appoint", "north", "tina@north")
        b.write("tenant", "appoint", "south", "theo@south")
        cls.count = 0

    def call(self, text):
        """Repeated after a deadlock, as portald does."""
        while True:
            result = self.books.client("portal", f"CALL {text}")
            if "ERROR 1213" not in result.err:
                self.assertEqual(result.code, 0, result.err)
                return result.out.splitlines()[0].split("\t")

    def member_set(self, actor, person, role, key=None, project="lattice"):
        return self.call(f"member_set({actor}, 'portal ::1', 'a test', '{key or new_key()}', "
                         f"'{project}', {person}, '{role}')")[0]

    def share(self, actor, gpums, key=None, person=None, allocation=None, project="lattice"):
        return self.call(f"member_share({actor}, 'portal ::1', 'a test', '{key or new_key()}', "
                         f"'{project}', {person or self.books.bob}, "
                         f"{allocation or self.books.allocation}, {gpums})")

    def ask(self, actor, kind="join", project="lattice", title="", gpums=0, note="", key=None):
        return self.call(f"user_request_add({actor}, 'portal ::1', '{key or new_key()}', "
                         f"'{kind}', '{project}', '{title}', {gpums}, '{note}')")

    def answer(self, actor, request, approved=True, key=None):
        return self.call(f"user_request_answer({actor}, 'portal ::1', 'a test', "
                         f"'{key or new_key()}', {request}, {int(approved)})")[0]

    def withdraw(self, actor, request, key=None):
        return self.call(f"user_request_withdraw({actor}, 'portal ::1', '{key or new_key()}', "
                         f"{request})")[0]

    def newcomer(self, **more):
        type(self).count += 1
        return self.books.person(f"new{self.count}", **more)

    def role(self, person, project="lattice"):
        rows = self.books.sql("SELECT m.role FROM member m JOIN project p ON p.id = "
                              f"m.project_id WHERE p.name = '{project}' AND m.person_id = "
                              f"{person}")
        return rows[0][0] if rows else "none"

    def add_member(self, **more):
        person = self.newcomer(**more)
        self.books.sql("INSERT INTO member SELECT id, "
                       f"{person}, 'member', 1 FROM project WHERE name = 'lattice'")
        return person

    # ---- who may

    def test_who_may_change_members(self):
        for role in ROLES:
            with self.subTest(role=role):
                person, actor = self.add_member(), self.people[role]
                wanted = "done" if role in RUN else "not_there"
                self.assertEqual(self.member_set(actor, person, "pi"), wanted)
                self.assertEqual(self.role(person), "pi" if role in RUN else "member")
                self.assertEqual(self.member_set(actor, person, "none"), wanted)
                self.assertEqual(self.role(person), "none" if role in RUN else "member")
                self.assertEqual(self.member_set(actor, person, "member", project="no-such"),
                                 "not_there")

    def test_who_may_set_limits(self):
        for role in ROLES:
            with self.subTest(role=role):
                actor = self.people[role]
                outcome = self.share(actor, 5 * HOUR)[0]
                self.assertEqual(outcome, "done" if role in RUN else "not_there")
        self.assertEqual(self.share(self.books.alice, -1)[0], "done")
        self.assertEqual(self.share(self.books.alice, HOUR, project="optics")[0], "not_there")
        self.assertEqual(self.share(self.people["pi_elsewhere"], HOUR, project="optics")[0],
                         "not_there")  # the allocation is another project's

    def test_a_role_that_goes_while_a_limit_waits_is_proved_no_more(self):
        b, person = self.books, self.add_member()
        self.assertEqual(self.member_set(b.alice, person, "pi"), "done")
        other = subprocess.Popen(
            ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--unbuffered",
             "--user=root", f"--socket={b.mariadb.socket}", "firefly"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(other.communicate)
        other.stdin.write("BEGIN; SELECT 'locked' FROM budget WHERE person_id IS NULL AND "
                          f"allocation_id = {b.allocation} FOR UPDATE;\n")
        other.stdin.flush()
        self.assertEqual(other.stdout.readline().strip(), "locked")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            limit = pool.submit(self.share, person, HOUR)
            # (INNODB_TRX is not made anew for who asks more often than each 0.1 s)
            process.wait_until(lambda: "LOCK WAIT" in str(b.sql("SHOW ENGINE INNODB STATUS")),
                               10, what="the limit waiting for its lock")
            self.assertEqual(self.member_set(b.alice, person, "none"), "done")
            other.stdin.write("COMMIT;\n")
            other.stdin.flush()
            self.assertEqual(limit.result()[0], "not_there")
        self.assertEqual(b.number("SELECT COUNT(*) FROM audit WHERE verb = 'share' AND actor = "
                                  f"(SELECT people_actor({person}))"), 0)

    def test_who_may_answer(self):
        for role in ROLES:
            with self.subTest(role=role):
                actor = self.people[role]
                may = role in RUN
                join = int(self.ask(self.newcomer())[1])
                self.assertEqual(self.answer(actor, join), "done" if may else "not_there")
                tenant = role in ("tenant_admin", "admin")
                name = f"by-{role.replace('_', '-')}"
                project = int(self.ask(self.newcomer(), "project", name, "New")[1])
                self.assertEqual(self.answer(actor, project), "done" if tenant else "not_there")
                hours = int(self.ask(self.books.alice, "hours", gpums=HOUR)[1])
                wanted = "elsewhere" if tenant else "not_there"
                self.assertEqual(self.answer(actor, hours), wanted)
                self.assertEqual(self.withdraw(actor, hours), "done" if role == "pi"
                                 else "not_there")
                self.withdraw(self.books.alice, hours)

    def test_the_disabled_may_nothing(self):
        gone = self.add_member()
        self.books.sql(f"UPDATE member SET role = 'pi' WHERE person_id = {gone};"
                       f"UPDATE person SET state = 'disabled' WHERE id = {gone}")
        self.assertEqual(self.member_set(gone, self.books.bob, "pi"), "not_there")
        self.assertEqual(self.share(gone, HOUR)[0], "not_there")
        self.assertEqual(self.ask(gone, project="optics")[0], "not_there")
        asker = self.newcomer()
        join = int(self.ask(asker)[1])
        self.books.sql(f"UPDATE person SET state = 'disabled' WHERE id = {asker}")
        self.assertEqual(self.answer(self.books.alice, join), "gone")
        self.assertEqual(self.answer(self.books.alice, join, approved=False), "done")
        self.books.sql(f"DELETE FROM member WHERE person_id = {gone}")

    def test_portal_may_write_none_of_it_by_itself(self):
        for text in ("INSERT INTO user_request (kind, person_id, project_name, at_ms) VALUES "
                     "('join', 1, 'x', 1)", "UPDATE user_request SET state = 'approved'",
                     "INSERT INTO member VALUES (1, 1, 'pi', 1)",
                     "UPDATE member SET role = 'pi'", "DELETE FROM member",
                     "UPDATE budget SET is_lifted = 1",
                     "CALL posting_share('x', 'x', 'xxx', 'k', 0, 1, 1, 1, 1)",
                     "CALL user_request_grant('join', 1, 1, 1, 'x', 'x')",
                     "CALL people_note(1, 'x', 'x', 'x', 'x', 'x', 'x', 'k')"):
            self.assertIn("denied", self.books.client("portal", text).err, text)

    # ---- keys, and what comes at once

    def test_the_same_key_does_it_once(self):
        person, key = self.add_member(), new_key()
        alice = self.books.alice
        self.assertEqual(self.member_set(alice, person, "none", key), "done")
        self.assertEqual(self.member_set(alice, person, "none", key), "same")
        self.assertEqual(self.member_set(alice, person, "pi", key), "other_content")
        self.assertEqual(self.share(alice, HOUR, key)[0], "other_content")
        key, asker = new_key(), self.newcomer()
        first = self.ask(asker, note="please", key=key)
        self.assertEqual(first[0], "done")
        self.assertEqual(self.ask(asker, note="please", key=key)[0], "same")
        self.assertEqual(self.ask(asker, note="Please", key=key)[0], "other_content")
        self.assertEqual(self.ask(asker)[0], "asked")
        key = new_key()
        self.assertEqual(self.answer(alice, first[1], key=key), "done")
        self.assertEqual(self.answer(alice, first[1], key=key), "same")
        self.assertEqual(self.answer(alice, first[1], False, key=key), "other_content")
        self.assertEqual(self.answer(alice, first[1]), "answered")
        self.assertEqual(self.withdraw(asker, first[1]), "answered")
        self.assertEqual(self.ask(asker)[0], "is_member")
        rows = self.books.sql("SELECT verb, actor, origin, reason, before_text, after_text "
                              f"FROM audit WHERE request_key = 'p{alice}.{key}'")
        self.assertEqual(rows, [["request approve", "north/alice", "portal ::1", "a test",
                                 f"person {asker}, join lattice, open", "approved"]])

    def test_one_persons_key_does_not_hinder_anothers(self):
        key = new_key()
        one, other = self.newcomer(), self.newcomer()
        self.assertEqual(self.ask(one, key=key)[0], "done")
        self.assertEqual(self.ask(other, key=key)[0], "done")

    def at_once(self, calls):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return sorted(f.result() for f in [pool.submit(call) for call in calls])

    def test_a_project_keeps_a_pi_whatever_comes_at_once(self):
        alice = self.books.alice
        self.assertEqual(self.member_set(alice, alice, "member"), "last_pi")
        self.assertEqual(self.member_set(self.people["tenant_admin"], alice, "none"), "last_pi")
        others = [self.add_member() for _ in range(3)]
        for person in others:
            self.assertEqual(self.member_set(alice, person, "pi"), "done")
        pis = [alice, *others]
        answers = self.at_once([lambda p=p: self.member_set(p, p, "none") for p in pis])
        self.assertEqual(answers, ["done"] * 3 + ["last_pi"])
        self.assertEqual(self.books.number("SELECT COUNT(*) FROM member m JOIN project p ON "
                                           "p.id = m.project_id WHERE p.name = 'lattice' AND "
                                           "m.role = 'pi'"), 1)
        self.books.sql("DELETE FROM member WHERE person_id IN "
                       f"({', '.join(map(str, pis))}); INSERT INTO member SELECT id, {alice}, "
                       "'pi', 1 FROM project WHERE name = 'lattice'")

    def test_twenty_requests_are_enough(self):
        asker = self.newcomer()
        answers = self.at_once([lambda i=i: self.ask(asker, project=f"p{i}")[0]
                                for i in range(24)])
        self.assertEqual(answers, ["done"] * 20 + ["too_many"] * 4)
        oldest = self.books.number("SELECT MIN(id) FROM user_request WHERE person_id = "
                                   f"{asker}")
        self.assertEqual(self.withdraw(asker, oldest), "done")
        self.assertEqual(self.ask(asker, project="another")[0], "done")
        self.assertEqual(self.books.number("SELECT COUNT(*) FROM user_request WHERE person_id "
                                           f"= {asker}"), 21)

    def test_one_request_is_answered_once(self):
        join = int(self.ask(self.newcomer())[1])
        actors = [self.people[r] for r in RUN]
        answers = self.at_once([lambda a=a, i=i: self.answer(a, join, i % 2) for i, a in
                                enumerate(actors)])
        self.assertEqual(answers, ["answered", "answered", "done"])

    # ---- what only the directory says

    def test_who_becomes_an_administrator_is_audited(self):
        b = self.books
        person = b.person("anna")

        def rows():
            listed = b.ok("audit", "list", "--verb", "admin", "--object", f"person {person}",
                          "--reverse", "--format", "json").json()
            return [tuple(r[c] for c in ("actor", "origin", "reason", "before", "after"))
                    for r in listed]

        self.assertEqual(rows(), [])
        for admin in (1, 1, 0, 0):
            self.assertEqual(b.person("anna", admin=admin), person)
        by = ("portald", "portald", "as the directory north says")
        self.assertEqual(rows(), [(*by, "no administrator", "administrator"),
                                  (*by, "administrator", "no administrator")])
        person = b.person("agnes", admin=1)
        self.assertEqual(rows(), [(*by, "", "administrator")])
        refused = b.client("portal", "CALL person_login('north', 'late-uuid', 'north', 'late', "
                                     "'L', '', 1, 0, 0, '', 1, 0)")
        self.assertIn("no_uid", refused.out)
        self.assertEqual(b.number("SELECT COUNT(*) FROM audit WHERE verb = 'admin' AND object = "
                                  "(SELECT CONCAT('person ', MAX(id) + 1) FROM person)"), 0)

    # ---- what follows

    def test_asking_tells_nothing_of_what_exists(self):
        asker = self.newcomer()
        self.assertEqual(self.ask(asker, project="lattice")[0], "done")
        self.assertEqual(self.ask(asker, project="nowhere")[0], "done")
        self.assertEqual(self.ask(asker, "project", "optics", "Mine")[0], "done")
        self.assertEqual(self.ask(asker, "hours", "lattice", gpums=1)[0], "not_pi")
        self.assertEqual(self.ask(asker, "hours", "nowhere", gpums=1)[0], "not_pi")

    def test_a_name_that_no_project_can_have_is_not_asked_for(self):
        asker = self.newcomer()
        count = "SELECT COUNT(*) FROM user_request"
        before = self.books.number(count)
        for name in ("", "Fresh", "-fresh", "fre sh", "fresh\\n", "../etc", "frésh", "<b>",
                     "a" * 33):
            for kind in ("project", "join"):
                result = self.books.client(
                    "portal", f"CALL user_request_add({asker}, 'portal ::1', '{new_key()}', "
                              f"'{kind}', '{name}', 'New', 0, '')")
                self.assertEqual((result.code, result.out), (1, ""), name)
        self.assertEqual(self.books.number(count), before)
        self.assertEqual(self.ask(asker, "project", "0-" + "a" * 30, "New")[0], "done")

    def test_a_new_project_has_who_asked_as_its_pi(self):
        asker, tina = self.newcomer(), self.people["tenant_admin"]
        taken = int(self.ask(asker, "project", "optics", "Ours")[1])
        self.assertEqual(self.answer(tina, taken), "name_taken")
        self.assertEqual(self.answer(tina, taken, approved=False), "done")
        made = int(self.ask(asker, "project", "fresh", XSS)[1])
        self.assertEqual(self.answer(tina, made), "done")
        self.assertEqual(self.role(asker, "fresh"), "pi")
        rows = self.books.sql("SELECT t.name, p.title FROM project p JOIN tenant t ON "
                              "t.id = p.tenant_id WHERE p.name = 'fresh'")
        self.assertEqual(rows, [["north", XSS]])

    def test_nobody_answers_his_own(self):
        tina = self.people["tenant_admin"]
        own = int(self.ask(tina, "project", "tinas", "Mine")[1])
        self.assertEqual(self.answer(tina, own), "not_there")
        self.assertEqual(self.answer(self.people["admin"], own), "done")

    def test_a_limit_holds_and_lifts(self):
        alice, member = self.books.alice, self.add_member()
        self.assertEqual(self.share(alice, 2 * HOUR, person=member)[0], "done")
        self.assertEqual(self.books.place(member, gpus=1, hours=3)[0], "no_budget")
        job = self.books.job(member, gpus=1, hours=1)
        too_little = self.share(alice, HOUR // 2, person=member)
        self.assertEqual((too_little[0], int(too_little[3])), ("too_little", HOUR))
        self.assertEqual(self.member_set(alice, member, "none"), "done")  # while his job lives
        self.assertEqual(self.books.place(member)[0], "no_project")
        self.books.finish(job, self.books.start(job), HOUR // 4)
        self.assertEqual(self.share(alice, -1, person=member)[0], "done")
        done = self.books.quota("verify")
        self.assertEqual(done.code, 0, done.out + done.err)
        self.assertEqual(self.share(alice, HOUR, person=member)[0], "no_person")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The set-up of a site as text: out of one site, into another, and what is wrong with a file."""
import copy
import json
import unittest

from books import HOUR, WHY, YES, Books, Case


class SetUp(Case):
    """A site that has one of everything, and an empty one beside it."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books().furnish()
        cls.fresh = Books()
        b = cls.books
        b.run_job(b.bob)  # what is used is no part of the set-up
        b.write("tenant", "set", "north", "--contact", "dean@north.example")
        b.write("tenant", "appoint", "north", "alice@north")
        b.write("tenant", "add", "south", "--title", "Süd, \"the\" <other>")
        b.write("project", "add", "spin", "--tenant", "south")
        b.write("project", "add", "shut", "--tenant", "south")
        for until in ("2090-01-01", "2090-01-01", "2089-01-01"):
            cls.last = b.write("grant", "spin", "5", "--from", "2026-01-01", "--until",
                               until)["number"]
        b.write("revoke", "--allocation", cls.last, "1.5")
        b.write("grant", "shut", "1", "--from", "2026-01-01", "--until", "2090-01-01")
        b.write("allocation", "close", cls.last)
        b.write("project", "close", "shut")
        b.write("share", "set", b.allocation, "bob@north", "40")
        b.write("limit", "set", "everyone", "--gpus", "16", "--time", "2d")
        b.write("limit", "set", "person", "bob@north", "--gpus", "none")
        b.write("limit", "set", "project", "lattice", "--types", "h100")
        b.write("limit", "set", "tenant", "south", "--waiting", "5")
        b.write("price", "set", "h100", "1.5")
        b.write("price", "set", "a100-1g.5gb", "0.072", "--since", "2099-01-01")

    @classmethod
    def tearDownClass(cls):
        results = [books.quota("verify") for books in (cls.books, cls.fresh)]
        cls.books.close()
        cls.fresh.close()
        for result in results:
            assert result.code == 0, result.out + result.err

    def export(self, books):
        return json.loads(books.ok("export").out)

    def file(self, setup, name="setup.json"):
        path = self.books.folder / name
        path.write_text(setup if isinstance(setup, str) else json.dumps(setup))
        return path

    def apply(self, books, setup, *args, code=0):
        result = books.quota("import", self.file(setup), *(args or YES), "--format", "json")
        self.assertEqual(code, result.code, result.err + result.out)
        return json.loads(result.out)

    def test_1_an_export_says_what_there_is(self):
        text = self.books.ok("export").out
        self.assertEqual(text, self.books.ok("export").out)
        setup = json.loads(text)
        self.assertEqual(text, json.dumps(setup, indent=2, sort_keys=True, ensure_ascii=False)
                         + "\n")
        self.assertEqual({"name": "Test", "zone": "Europe/Berlin"}, setup["site"])
        self.assertEqual({"title": "University of the North", "contact": "dean@north.example",
                          "state": "open", "admins": ["alice@north"]}, setup["tenants"]["north"])
        lattice = setup["projects"]["lattice"]
        self.assertEqual({"alice@north": "pi", "bob@north": "member"}, lattice["members"])
        self.assertEqual([{"from": "2020-01-01", "until": "2090-01-01", "state": "open",
                           "granted_gpums": 100 * HOUR, "shares": {"bob@north": 40 * HOUR}}],
                         lattice["allocations"])
        self.assertEqual([("2089-01-01", 7 * HOUR // 2, "closed"),
                          ("2090-01-01", 5 * HOUR, "open"), ("2090-01-01", 5 * HOUR, "open")],
                         [(a["until"], a["granted_gpums"], a["state"])
                          for a in setup["projects"]["spin"]["allocations"]])
        self.assertEqual({"everyone": {"gpus": 16, "time_limit_ms": 172800000},
                          "person": {"bob@north": {}}, "project": {"lattice": {"types": "h100"}},
                          "tenant": {"south": {"waiting": 5}}}, setup["limits"])
        self.assertEqual([{"since": "2099-01-01", "weight_permille": 72}],
                         setup["prices"]["a100-1g.5gb"])
        self.assertEqual([1000, 1500], [v["weight_permille"] for v in setup["prices"]["h100"]])

    def test_2_a_site_is_already_like_its_own_export(self):
        before = self.books.sql("SELECT COUNT(*), MAX(id) FROM audit")
        self.assertEqual([], self.apply(self.books, self.export(self.books)))
        self.assertEqual(before, self.books.sql("SELECT COUNT(*), MAX(id) FROM audit"))

    def test_3_an_export_makes_another_site_alike(self):
        setup, fresh = self.export(self.books), self.fresh
        dry = self.apply(fresh, setup, *WHY, "--dry-run", code=3)  # nobody ever logged in there
        self.assertEqual({"would be done", "skipped"}, {r["answer"] for r in dry})
        self.assertEqual("0", fresh.sql("SELECT COUNT(*) FROM audit")[0][0])
        rows = self.apply(fresh, setup, code=3)
        self.assertEqual([(r["object"], r["change"]) for r in dry if "allocation 0" not in
                          r["object"]],
                         [(r["object"], r["change"]) for r in rows if not r["object"].startswith(
                             "allocation")])
        self.assertEqual({"done", "skipped"}, {r["answer"] for r in rows})
        skipped = [r for r in rows if r["answer"] == "skipped"]
        self.assertEqual({"never logged in here: import again after the first login"},
                         {r["note"] for r in skipped})
        self.assertEqual(5, len(skipped))  # an administrator, two members, a share, a limit
        fresh.write("tenant", "set", "north", "--title", "University of the North")
        for login in ("alice", "bob"):
            fresh.person(login)
        rows = self.apply(fresh, setup)
        self.assertEqual(["done"] * 5, [r["answer"] for r in rows])
        there = self.export(fresh)
        for site in (setup, there):  # past prices are of no more use, and "now" is another moment
            site["prices"]["h100"] = [site["prices"]["h100"][-1]["weight_permille"]]
        self.assertEqual(setup, there)
        self.assertEqual([], self.apply(fresh, self.export(fresh)))
        verbs = [row[0] for row in fresh.sql("SELECT verb FROM audit ORDER BY id")]
        self.assertEqual(5, verbs.count("grant"))
        self.assertIn("tenant appoint", verbs)
        keys = [row[0] for row in fresh.sql("SELECT request_key FROM audit WHERE verb ="
                                            " 'grant'")]
        self.assertTrue(all(key.startswith("import-") for key in keys), keys)

    def test_4_only_what_differs_is_changed(self):
        setup = self.export(self.books)
        setup["tenants"]["south"]["title"] = "South"
        setup["projects"]["lattice"]["members"]["bob@north"] = "pi"
        setup["projects"]["lattice"]["allocations"][0]["shares"]["bob@north"] = 41 * HOUR
        setup["projects"]["lattice"]["allocations"][0]["granted_gpums"] = 1
        setup["projects"]["shut"]["state"] = "open"
        setup["projects"]["spin"]["allocations"][0]["state"] = "open"
        setup["projects"]["spin"]["tenant"] = "north"
        setup["limits"]["everyone"] = {"waiting": 3}
        setup["prices"]["h100"].append({"since": "2098-01-01", "weight_permille": 2000})
        setup["site"]["zone"] = "Asia/Tokyo"
        del setup["projects"]["spin"]["members"], setup["tenants"]["north"]  # what is not named stays
        rows = self.apply(self.books, setup, *WHY, "--dry-run", code=3)
        self.assertEqual(10, len(rows), rows)
        self.assertEqual([("skipped", "site"), ("skipped", "project spin"),
                          ("skipped", f"allocation {self.books.allocation}")],
                         sorted(((r["answer"], r["object"]) for r in rows
                                 if r["answer"] == "skipped"), key=lambda x: -len(x[1]))[::-1])
        before = self.export(self.books)
        self.assertEqual(rows, [{**r, "answer": r["answer"].replace("done", "would be done")}
                                for r in self.apply(self.books, setup, code=3)])
        after = self.export(self.books)
        self.assertEqual("South", after["tenants"]["south"]["title"])
        self.assertEqual({"waiting": 3}, after["limits"]["everyone"])
        self.assertEqual("open", after["projects"]["shut"]["state"])
        self.assertEqual(["open"] * 3, [a["state"] for a in
                                        after["projects"]["spin"]["allocations"]])
        self.assertEqual(before["tenants"]["north"], after["tenants"]["north"])
        self.assertEqual(3, len(self.apply(self.books, setup, code=3)))  # those that are skipped
        undone = copy.deepcopy(before)
        del undone["prices"]
        self.assertEqual({"done"}, {r["answer"] for r in self.apply(self.books, undone)})
        self.assertEqual({**before, "prices": None}, {**self.export(self.books), "prices": None})

    def test_5_a_key_repeats_nothing(self):
        setup = {"format": 1, "tenants": {"keyed": {"title": "Keyed"}}}
        args = (*YES, "--key", "import-once")
        self.assertEqual(["done"], [r["answer"] for r in self.apply(self.books, setup, *args)])
        self.books.write("tenant", "set", "keyed", "--title", "Other")
        setup["tenants"]["keyed"]["title"] = "Keyed"
        first = self.apply(self.books, setup, *args)
        self.assertEqual(["done"], [r["answer"] for r in first])
        self.books.write("tenant", "set", "keyed", "--title", "Other")
        self.assertEqual(["done before"],
                         [r["answer"] for r in self.apply(self.books, setup, *args)])

    def test_6_a_bad_file_is_told_with_its_place(self):
        good = self.export(self.books)
        before = self.books.sql("SELECT COUNT(*), MAX(id) FROM audit")

        def bad(*path_and_value):
            setup = copy.deepcopy(good)
            *path, last, value = path_and_value
            at = setup
            for step in path:
                at = at[step]
            at[last] = value
            return setup

        cases = [
            ("", "not JSON"), ("{", "line 1"), ("[]", "not a JSON object"), ("{}", "format"),
            ('{"format": 1, "format": 1}', "duplicate"), ("\ufeff{}", "line 1"),
            ('{"format": 2}', "2 is not from 1 to 1"), ('{"format": 1, "jobs": {}}', "jobs"),
            (bad("tenants", []), "tenants: must be an object"),
            (bad("tenants", "North", {}), "tenants.North"),
            (bad("tenants", "north", "title", 5), "tenants.north: title: must be text"),
            (bad("tenants", "north", "title", "x" * 121), "tenants.north: title"),
            (bad("tenants", "north", "title", "a\u0007"), "control characters"),
            (bad("tenants", "north", "state", "ajar"), "'ajar' is neither open nor closed"),
            (bad("tenants", "north", "admins", ["alice"]), "tenants.north: admins[0]"),
            (bad("tenants", "north", "admin", []), "admin: no such field"),
            (bad("projects", "lattice", "tenant", None), "projects.lattice: tenant: missing"),
            (bad("projects", "lattice", "members", {"alice": "pi"}), "members.alice"),
            (bad("projects", "lattice", "members", {"a@b": "boss"}), '"pi" or "member"'),
            (bad("prices", "H100", []), "prices.H100"),
            (bad("prices", "any", []), "dearest"),
            (bad("prices", "h100", {}), "must be a list"),
            (bad("prices", "h100", [{"since": "2026-02-30", "weight_permille": 1}]),
             "prices.h100: [0]: since"),
            (bad("prices", "h100", [{"since": 0, "weight_permille": 0}]), "0 is not from 1"),
            (bad("limits", "all", {}), "limits: all: no such field"),
            (bad("limits", "everyone", {"gpus": 0}), "limits: everyone: gpus: 0"),
            (bad("limits", "person", {"bob": {}}), "limits: person.bob"),
            (bad("limits", "project", {"lattice": {"time_limit_ms": 2678400001}}),
             "limits: project.lattice: time_limit_ms"),
            (bad("limits", "tenant", {"north": {"types": "H100"}}), "limits: tenant.north"),
        ]
        for field, values in (("granted_gpums", (-1, 1.5, "5", None, 2**63, 10**18 + 1)),
                              ("from", ("2026-11-01T00:00+09:00", "", -1, None, "2091-01-01")),
                              ("until", ("2019-01-01", 1.5, "never")), ("state", ("shut",)),
                              ("shares", ([], {"bob@north": 0}, {"bob@north": "1"}, {"": 1})),
                              ("number", (1,))):
            for value in values:
                cases.append((bad("projects", "lattice", "allocations", 0, field, value), ""))
        for setup, says in cases:
            with self.subTest(says=says, setup=str(setup)[:80]):
                path = self.file(setup, "bad.json")
                result = self.fails(2, "import", path, *YES, says=("bad.json: ", says))
                if not says and "number too big" not in result.err and "integer" not in result.err:
                    self.assertIn("projects.lattice: allocations[0]", result.err)
        self.fails(1, "import", self.books.folder / "none.json", *YES, says=("No such file",))
        self.fails(1, "import", self.books.folder, *YES, says=("cannot be read",))
        self.fails(2, "import", self.file(good), *YES, "--columns", "x", says=("no column",))
        self.fails(2, "import", self.file(good), *WHY, says=("--yes",))
        self.assertEqual(before, self.books.sql("SELECT COUNT(*), MAX(id) FROM audit"))

    def test_7_a_refusal_leaves_the_others_done(self):
        setup = {"format": 1, "tenants": {"mixed": {}}, "projects": {
            "mixed": {"tenant": "mixed", "members": {"zoe@north": "pi"}},
            "lost": {"tenant": "nowhere"}}, "limits": {"tenant": {"nowhere": {"gpus": 1}}}}
        rows = self.apply(self.books, setup, code=3)
        self.assertEqual([("done", "tenant mixed"), ("done", "project mixed"),
                          ("skipped", "project mixed"), ("refused", "project lost"),
                          ("refused", "limit tenant nowhere")],
                         [(r["answer"], r["object"]) for r in rows])
        self.assertIn("nowhere: not found", rows[3]["note"])


if __name__ == "__main__":
    unittest.main()

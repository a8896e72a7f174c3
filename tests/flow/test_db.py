# SPDX-License-Identifier: Apache-2.0
"""Setting up the database: `quota db`, the configuration, secrets, the server's settings, and
what each of the four accounts may not do."""
import stat
import subprocess
import unittest

from books import CONF, PROBE, Books, Case, YES


class SettingUp(Case):
    """Each test has a server of its own choice; most share one without a database."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books(init=False)

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    INIT = ("db", "init", "--site", "Test", "--zone", "Europe/Berlin")

    def tearDown(self):
        self.books.mariadb.sql("SET GLOBAL local_infile = OFF; SET GLOBAL "
                               "innodb_flush_log_at_trx_commit = 1;"
                               "DROP DATABASE IF EXISTS firefly", "")
        for account in ("owner", "portal", "runner", "admin", "report"):
            self.books.mariadb.sql(f"DROP USER IF EXISTS firefly_{account}@localhost", "")
        for password in self.books.folder.glob("*.password"):
            password.unlink()
        self.books.conf.write_text(CONF.format(socket=self.books.mariadb.socket,
                                               folder=self.books.folder))

    def nothing_is_left(self):
        self.assertEqual([], self.books.mariadb.sql("SHOW DATABASES LIKE 'firefly'", ""))
        self.assertEqual([["0"]], self.books.mariadb.sql(
            "SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'firefly%'", ""))
        self.assertEqual([], list(self.books.folder.glob("*.password")))

    def test_init_makes_a_site_whose_books_balance(self):
        self.assertIn("four accounts", self.books.ok(*self.INIT).out)
        for account in ("portal", "runner", "admin", "report"):
            mode = (self.books.folder / f"{account}.password").stat().st_mode
            self.assertEqual(0o600, stat.S_IMODE(mode))
        self.assertIn("settings safe", self.books.ok("db", "check").out)
        self.assertEqual("books balance: 0 jobs, 0 transfers, 0 faults\n",
                         self.books.ok("verify").out)
        self.assertEqual(["Test", "Europe/Berlin"],
                         [self.rows("site", "show")[0][k] for k in ("site", "zone")])

    def test_every_role_can_prepare_its_statements(self):
        self.books.ok(*self.INIT)
        done = subprocess.run([PROBE, self.books.conf], capture_output=True, text=True,
                              check=False)
        self.assertEqual((0, 4), (done.returncode, done.stdout.count(": ok\n")), done.stdout)

    def test_init_never_touches_an_existing_password_file(self):
        path = self.books.folder / "runner.password"
        path.write_text("mine\n")
        self.fails(3, *self.INIT, says=(str(path), "there already"))
        self.assertEqual("mine\n", path.read_text())
        path.unlink()
        self.nothing_is_left()

    def test_init_never_touches_an_existing_database(self):
        self.books.ok(*self.INIT)
        password = (self.books.folder / "admin.password").read_text()
        self.fails(3, *self.INIT, says=("password file", "there already"))
        kept = {p: p.read_text() for p in self.books.folder.glob("*.password")}
        for path in kept:
            path.unlink()
        self.fails(3, *self.INIT, says=("database firefly is there already", "quota db update"))
        for path, text in kept.items():
            path.write_text(text)
            path.chmod(0o600)
        self.assertEqual(password, (self.books.folder / "admin.password").read_text())
        self.books.ok("db", "check")

    def test_update_runs_what_is_missing_and_no_more(self):
        self.books.ok(*self.INIT)
        self.assertIn("0 migrations run", self.books.ok("db", "update").out)
        self.books.ok("db", "check")

    def test_a_failed_init_leaves_nothing(self):
        for zone in ("Mars/Olympus", "../../etc/passwd", "", "Europe/Berlin;"):
            self.fails(2, "db", "init", "--site", "x", "--zone", zone, says=("Europe/Berlin",))
        self.books.conf.write_text(CONF.format(socket=self.books.mariadb.socket,
                                               folder=self.books.folder)
                                   .replace("/admin.password", "/none/admin.password"))
        self.fails(4, *self.INIT, says=("none/admin.password",))
        self.nothing_is_left()

    def test_init_says_what_it_needs(self):
        self.fails(2, "db", "init", "--site", "x", says=("--zone",))
        self.fails(2, "db", "init", "--zone", "UTC", says=("--site",))
        self.fails(1, *self.INIT, "--admin-user", "nobody-here", says=("Access denied",))
        self.nothing_is_left()

    def test_a_server_that_could_lose_a_commit_is_refused(self):
        self.books.ok(*self.INIT)
        for name, bad in (("local_infile", "ON"), ("innodb_flush_log_at_trx_commit", "2")):
            self.books.mariadb.sql(f"SET GLOBAL {name} = {bad}", "")
            for command in (("db", "check"), ("balance",), ("verify",)):
                self.fails(1, *command, says=(f"{name} is {bad}; set it to",))
            self.tearDownOfSettings()
        self.books.ok("db", "check")

    def tearDownOfSettings(self):
        self.books.mariadb.sql("SET GLOBAL local_infile = OFF; SET GLOBAL "
                               "innodb_flush_log_at_trx_commit = 1", "")

    def test_settings_of_the_start_are_refused_too(self):
        self.books.ok(*self.INIT)
        for flag, says in (("--innodb-rollback-on-timeout=OFF",
                            "innodb_rollback_on_timeout is OFF"),
                           ("--skip-innodb-doublewrite", "innodb_doublewrite is OFF"),
                           ("--log-bin=b", "sync_binlog is 0; set it to 1")):
            self.books.mariadb.flags = [flag]
            self.books.mariadb.restart()
            self.fails(1, "db", "check", says=(says,))
        self.books.mariadb.flags = []
        self.books.mariadb.restart()
        self.books.ok("db", "check")

    def test_another_schema_version_is_refused(self):
        self.books.ok(*self.INIT)
        self.books.sql("INSERT INTO schema_version VALUES (99, '0099_future', 'x', 0)")
        for command in (("db", "check"), ("tenant", "list"), ("verify",)):
            self.fails(1, *command, says=("schema version 99", "quota db update"))
        self.books.sql("DELETE FROM schema_version WHERE version = 99")
        self.books.sql("DELETE FROM schema_version WHERE version > 1")
        self.fails(1, "db", "check", says=("schema version 1, this program needs",))
        self.books.sql("DROP TABLE schema_version")
        self.fails(1, "db", "check", says=("quota db init",))

    def test_a_secret_others_can_read_is_refused(self):
        self.books.ok(*self.INIT)
        path = self.books.folder / "admin.password"
        for mode in (0o644, 0o640, 0o604):
            path.chmod(mode)
            self.fails(1, "balance", says=(str(path), f"{mode:04o}", "chmod 600"))
        path.chmod(0o600)
        self.books.ok("balance")
        path.write_text("wrong\n")
        self.fails(1, "balance", says=("Access denied",))

    def test_a_wrong_configuration_names_file_line_key_and_remedy(self):
        good = self.books.conf.read_text()
        conf = str(self.books.conf)
        for text, says in (
                (good.replace("socket", "sockett"),
                 (f"{conf}:2:", "'sockett'", "it has: socket host")),
                (good + "port = 99999\n", (f"{conf}:8:", "port = 99999", "1 to 65535")),
                (good + "socket = x\n", (f"{conf}:8:", "'socket' stands at line 2")),
                (good.replace("/admin", "admin").replace(str(self.books.folder), ""),
                 ("beginning with '/'",)),
                (good + "[datbase]\nx = 1\n", (f"{conf}:8:", "[datbase]", "remove it or mend")),
                (good + "nonsense\n", (f"{conf}:8:", "key = value")),
                (good + "[open\n", (f"{conf}:8:", "ends with ']'")),
                ("[database]\n", ("give either socket or host",)),
                (good + "host = db.example\n", ("give either socket or host",)),
                (good.replace("name = firefly", "name = "), (f"{conf}:3:", "name = ")),
                (good + "port = \xff\n", (f"{conf}:8:",))):
            self.books.conf.write_text(text, encoding="latin-1")
            self.fails(1, "balance", says=says)
        self.fails(1, "balance", "--config", "/nowhere/firefly.conf",
                   says=("/nowhere/firefly.conf",))

    def test_a_server_that_is_down_is_said_at_once(self):
        self.books.ok(*self.INIT)
        self.books.mariadb.stop()
        self.fails(1, "balance", says=(self.books.mariadb.socket,))
        self.fails(1, "tenant", "add", "x", *YES, says=(self.books.mariadb.socket,))
        self.books.mariadb.start()
        self.books.ok("balance")


class Rights(Case):
    """What each account may not do, tried."""

    @classmethod
    def setUpClass(cls):
        cls.books = Books().furnish()
        cls.books.run_job(cls.books.alice)

    @classmethod
    def tearDownClass(cls):
        cls.books.close()

    def denied(self, account, *statements):
        for statement in statements:
            result = self.books.client(account, statement)
            self.assertNotEqual(0, result.code, f"{account} may: {statement}")
            self.assertRegex(result.err, "denied|ERROR 1142|ERROR 1143|ERROR 1370|ERROR 1044",
                             statement)

    EVERYBODY = ("UPDATE budget SET free = free + 1", "DELETE FROM budget",
                 "DELETE FROM transfer",
                 "UPDATE transfer SET gpums = 1",
                 "INSERT INTO transfer (type) VALUES ('grant')",
                 "UPDATE job SET state = 'completed'", "UPDATE job SET charged_gpums = 0",
                 "DELETE FROM job",
                 "DELETE FROM event", "UPDATE event SET kind = 'placed'",
                 "INSERT INTO event VALUES (1, 9, 'x', NULL, 0, '')",
                 "UPDATE audit SET actor = 'x'", "DELETE FROM audit",
                 "UPDATE attempt SET charge_gpums = 0",
                 "UPDATE month SET closed_ms = NULL", "DELETE FROM account_right",
                 "DROP TABLE job",
                 "CALL ledger_move('grant', 1, 'free', 5, 'free', 1, 0, NULL, NULL, NULL, 202611, NULL, '', '', "
                 "'', '', 'k', 0, @x)",
                 "CALL event_append(1, 2, 'x', 'x', NULL, 0, '')",
                 "CALL rights_grant('firefly', 'localhost')",
                 "UPDATE account SET uid = 0", "UPDATE person SET is_admin = 1",
                 "SELECT * FROM mysql.user", "CREATE TABLE x (a INT)")

    def test_no_account_moves_gpu_time_or_history_by_hand(self):
        for account in ("portal", "runner", "admin", "report"):
            self.denied(account, *self.EVERYBODY)

    def test_the_portal_places_jobs_and_no_more(self):
        self.denied("portal", "CALL job_finish(1, 1, 1, 'completed', 'completed', 0, '')",
                    "CALL charge_post(1, 1, 202611, 1, 1)",
                    "CALL lease_take('runnerd', 'x', 0, 1)",
                    "CALL posting_grant('x', 'x', 'x', 'some-key', 0, 1, 1, '')",
                    "UPDATE request SET answer = 'done'",
                    "INSERT INTO member VALUES (1, 1, 'pi', 0)",
                    "UPDATE project SET state = 'open'",
                    "SELECT * FROM audit", "UPDATE person SET state = 'active'",
                    "INSERT INTO account VALUES (1, 'root', 0, 0, '')",
                    "UPDATE node SET gpus = 0")

    def test_the_runner_grants_and_places_nothing(self):
        self.denied("runner", "CALL posting_grant('x', 'x', 'x', 'some-key', 0, 1, 1, '')",
                    "CALL job_place(1,'','','',0,'batch','',1,1,'any',0,0,1,0,0,0,'normal','{}')",
                    "SELECT * FROM session", "SELECT * FROM api_token",
                    "INSERT INTO audit (actor) VALUES ('x')",
                    "UPDATE audit SET reason = 'x'",
                    "INSERT INTO member VALUES (1, 1, 'pi', 0)")

    def test_the_admin_reads_no_sessions_and_runs_no_jobs(self):
        self.denied("admin", "SELECT * FROM session", "SELECT * FROM api_token",
                    "SELECT * FROM login_try",
                    "CALL job_finish(1, 1, 1, 'completed', 'completed', 0, '')",
                    "CALL lease_take('runnerd', 'x', 0, 1)", "DELETE FROM tenant",
                    "DELETE FROM project",
                    "UPDATE project SET tenant_id = 2", "UPDATE price SET weight_permille = 1")

    def test_the_report_account_reads(self):
        self.denied("report", "INSERT INTO request (kind) VALUES ('cancel')",
                    "UPDATE tenant SET title = 'x'",
                    "CALL posting_grant('x', 'x', 'x', 'some-key', 0, 1, 1, '')", "SELECT * FROM session",
                    "INSERT INTO audit (actor) VALUES ('x')")
        self.assertEqual(0, self.books.client("report", "SELECT COUNT(*) FROM transfer").code)

    def test_the_owner_is_locked(self):
        self.assertEqual([["1"]], self.books.sql(
            "SELECT JSON_VALUE(priv, '$.account_locked') FROM mysql.global_priv WHERE user = "
            "'firefly_owner'"))
        done = subprocess.run(["mariadb", "--no-defaults", "--user=firefly_owner",
                               f"--socket={self.books.mariadb.socket}", "-e", "SELECT 1"],
                              capture_output=True, text=True, check=False)
        self.assertNotEqual(0, done.returncode)


if __name__ == "__main__":
    unittest.main()

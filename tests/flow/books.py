# SPDX-License-Identifier: Apache-2.0
"""What the flow tests about money have in common: a private MariaDB with a fresh site, the
command `quota`, and the daemons' procedures called as their own accounts would.

The folder is short (unix sockets), made in the temporary directory and removed at the end. The
data folder of a freshly installed MariaDB is kept as a template beside the build.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from portal.embedded.mariadb import Mariadb  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FIREFLY_BUILD", ROOT / "build/debug"))
QUOTA = BUILD / "quota"
PROBE = BUILD / "tests/place_probe"
WHY = ("--reason", "a test")
YES = (*WHY, "--yes")
HOUR = 3600 * 1000  # GPU-milliseconds of a GPU-hour

CONF = """\
[database]
socket = {socket}
name = firefly
portal_password_file = {folder}/portal.password
runner_password_file = {folder}/runner.password
admin_password_file = {folder}/admin.password
report_password_file = {folder}/report.password
"""


class Result:
    """What a command printed and how it ended."""

    def __init__(self, done):
        self.code = done.returncode
        self.out, self.err = done.stdout.decode(), done.stderr.decode()

    def json(self):
        return json.loads(self.out)


class Books:
    """A site of its own. `flags`: further options of mariadbd; init=False leaves out
    `db init`."""

    def __init__(self, flags=(), init=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ffb"))
        self.mariadb = Mariadb(self.folder / "m", template=BUILD / "mariadb-template",
                               flags=flags)
        self.conf = self.folder / "firefly.conf"
        self.conf.write_text(CONF.format(socket=self.mariadb.socket, folder=self.folder))
        self.keys = 0
        self.epoch = 0
        try:
            self.mariadb.start()
            if init:
                self.ok("db", "init", "--site", "Test", "--zone", "Europe/Berlin")
        except BaseException:
            self.close()
            raise

    def close(self):
        self.mariadb.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the command

    def quota(self, *args, stdin=subprocess.DEVNULL, env=None):
        return Result(subprocess.run(
            [str(QUOTA), *map(str, args)], stdin=stdin, capture_output=True, check=False,
            env={**os.environ, "FIREFLY_CONFIG": str(self.conf), **(env or {})}))

    def ok(self, *args):
        result = self.quota(*args)
        assert result.code == 0, f"quota {args}: exit {result.code}: {result.err}{result.out}"
        return result

    def write(self, *args):
        """A write that must succeed; returns its answer."""
        return self.ok(*args, "--reason", "a test", "--yes", "--format", "json").json()[0]

    # ---- SQL

    def sql(self, text):
        """As the server's root: sees and breaks everything."""
        return self.mariadb.sql(text)

    def number(self, text):
        return int(self.sql(text)[0][0])

    def client(self, account, text):
        """As one of the four accounts, with the password of its file."""
        password = (self.folder / f"{account}.password").read_text().strip()
        return Result(subprocess.run(
            ["mariadb", "--no-defaults", "--batch", "--skip-column-names",
             f"--user=firefly_{account}",
             "--init-command=SET tx_isolation = 'READ-COMMITTED'",  # as our programs do
             f"--socket={self.mariadb.socket}", "firefly"], input=text.encode(),
            capture_output=True,
            check=False, env={**os.environ, "MYSQL_PWD": password}))

    def call(self, account, text):
        """A procedure's row."""
        result = self.client(account, text)
        assert result.code == 0, f"{account}: {text}: {result.err}"
        return [line.split("\t") for line in result.out.splitlines()]

    # ---- a site with people

    def person(self, login, directory="north", tenant="north", admin=0):
        """Logs somebody in, as portald would; returns the number."""
        row = self.call("portal",
                        f"CALL person_login('{directory}', '{login}-uuid', '{tenant}', "
                                  f"'{login}', '{login.title()} Example', "
                                  f"'{login}@{directory}.example', "
                                  f"{admin}, 0, 0, '', 200000, 299999)")[0]
        assert row[0] == "ok", row
        return int(row[1])

    def furnish(self, hours=100):
        """Tenant north, project lattice with alice (PI) and bob, GPU-hours, GPU type h100."""
        self.write("tenant", "add", "north", "--title", "University of the North")
        self.write("project", "add", "lattice", "--tenant", "north", "--title", "Lattice QCD")
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.write("member", "add", "lattice", "alice@north", "--role", "pi")
        self.write("member", "add", "lattice", "bob@north")
        self.write("price", "set", "h100", "1")
        self.allocation = self.write("grant", "lattice", hours, "--from", "2020-01-01",
                                     "--until",
                                     "2090-01-01")["number"]
        return self

    # ---- the daemons' calls, without the daemons

    def place(self, person, gpus=1, hours=1, key=None, project="lattice", name="a job"):
        """One job placed as portald places it; returns the procedure's row."""
        self.keys += 1
        key = key or f"{self.keys:032x}"
        spec = json.dumps({"name": name, "gpus": gpus})
        return self.call("portal", (
            f"CALL job_place({person}, '{key}', SHA2('{spec}', 256), '{project}', 0, 'batch', "
            f"'{name}', 1, {gpus}, 'any', 0, 0, {hours * HOUR}, 0, 0, 0, 'normal', "
            f"'{spec}')"))[0]

    def job(self, person, **what):
        row = self.place(person, **what)
        assert row[0] == "placed", row
        return int(row[1])

    def runner(self, text):
        """One call as runnerd, under the lease."""
        if not self.epoch:
            row = self.call("runner", "CALL lease_take('runnerd', 'test', 0, 86400000)")[0]
            assert row[0] == "held", row
            self.epoch = int(row[1])
        return self.call("runner", text.replace("EPOCH", str(self.epoch)))[0]

    def start(self, job, gpus=1):
        """The attempt's events; returns the attempt's number."""
        seq = self.number(f"SELECT seq FROM job WHERE id = {job}")
        attempt = self.runner(f"CALL attempt_create(EPOCH, {job}, {seq + 1}, MD5(CONCAT({job}, "
                              f"'.', {seq})), 'fake', '{{}}', {gpus}, 1000)")
        assert attempt[0] == "ok", attempt
        self.runner(f"CALL job_move(EPOCH, {job}, {seq + 2}, 'started', 'running', "
                    f"{attempt[1]}, now_ms(), '')")
        return int(attempt[1])

    def finish(self, job, attempt, gpums, event="completed"):
        """Ends the attempt with a charge of gpums, and the job."""
        seq = self.number(f"SELECT seq FROM job WHERE id = {job}")
        gpus = self.number(f"SELECT gpus FROM attempt WHERE id = {attempt}")
        run = -(-gpums // max(gpus, 1))
        self.runner(f"CALL attempt_end(EPOCH, {job}, {seq + 1}, 'ended', 'completing', "
                    f"{attempt}, now_ms(), {run}, {run}, {gpums}, 0, 0, 'exit', 0, NULL, '')")
        self.runner(f"CALL charge_post(EPOCH, {attempt}, {self.month()}, {gpums}, {gpums})")
        row = self.runner(f"CALL job_finish(EPOCH, {job}, {seq + 2}, '{event}', '{event}', 0, "
                          f"'done')")
        assert row[0] == "ok", row

    def run_job(self, person, gpus=1, hours=1, used=HOUR // 2, **what):
        """A whole life; returns the job's number."""
        job = self.job(person, gpus=gpus, hours=hours, **what)
        self.finish(job, self.start(job, gpus), used)
        return job

    def month(self):
        return self.number("SELECT month_now()")


class Case(unittest.TestCase):
    """Assertions about one run of the command."""

    books = None

    def fails(self, code, *args, says=(), **more):
        """The command ends with `code`, prints no output, and says each of the words."""
        result = self.books.quota(*args, **more)
        self.assertEqual(code, result.code, f"{args}: {result.err}{result.out}")
        self.assertEqual("", result.out, args)
        self.assertTrue(result.err.startswith("quota: "), result.err)
        self.assertEqual(1, result.err.count("\n"), result.err)
        for word in says:
            self.assertIn(word, result.err, args)
        return result

    def rows(self, *args):
        return self.books.ok(*args, "--format", "json").json()

# SPDX-License-Identifier: Apache-2.0
"""A private MariaDB in a folder of its own: installed, started, stopped, killed, started again.

For the demo and the flow tests. It listens on a unix socket only, keeps every durability
setting that the programs demand, and its account `root` has no password (the socket's folder is
closed to others). Installing takes seconds, so a finished data folder can be kept as a template
for the next ones. What was started is stopped by its pid and by nothing else; it also ends with
the thread that started it.
"""
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import time

from . import process

START_S = 60
STOP_S = 60


class MariadbError(Exception):
    """The server could not be installed or started; the text holds the end of its own log."""


def _program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise MariadbError(f"{name} is not installed (Debian: mariadb-server-core)")
    return found


def _user_flags():
    """As root both programs want to be told so; any other user is taken as it is."""
    return ["--user=root"] if os.geteuid() == 0 else []


class Mariadb:
    """One server. `folder` gets data/, log, pid and the socket `s`; its path must be short (a
    unix socket's is at most 107 bytes). `template`: a folder where installed data is kept and
    taken from; None installs afresh. `socket`: elsewhere than in the closed folder, for others
    to reach. `flags` are further options of mariadbd."""

    def __init__(self, folder, template=None, flags=(), socket=None):
        self.folder = pathlib.Path(folder).resolve()
        self.template = pathlib.Path(template).resolve() if template else None
        self.flags = list(flags)
        self.socket = str(socket or self.folder / "s")
        self.tmp = self.folder / "tmp"  # a server that starts empties its own of what is left
        self.pid = None
        self._process = None
        if len(self.socket) > 107:
            raise MariadbError(f"{self.socket}: too long for a unix socket, take a shorter "
                               f"folder")

    # ---- data

    def install(self):
        """Makes the data folder unless it is there (a second run goes on with its data)."""
        data = self.folder / "data"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(self.folder, 0o700)
        self.tmp.mkdir(exist_ok=True)
        if data.is_dir():
            return
        if not self.template:
            self._install_into(data)
            return
        self.template.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self.template / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.template / "data").is_dir():
                self._install_into(self.template / "data")
        copying = self.folder / "data.new"
        shutil.rmtree(copying, ignore_errors=True)
        shutil.copytree(self.template / "data", copying)
        copying.rename(data)

    def _install_into(self, data):
        making = data.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        done = subprocess.run(
            [_program("mariadb-install-db"), "--no-defaults", *_user_flags(),
             f"--datadir={making}",
             "--auth-root-authentication-method=normal", "--skip-test-db",
             "--force",  # a machine whose own name cannot be looked up is good enough
             "--innodb-log-file-size=8M"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env={**os.environ, "TMPDIR": str(self.tmp)})
        if done.returncode:
            raise MariadbError(f"mariadb-install-db "
                               f"failed:\n{(done.stdout + done.stderr)[-2000:]}")
        making.rename(data)

    # ---- the server

    def start(self):
        """Starts the server and returns when it answers."""
        self.install()
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        log = self.folder / "log"
        self._process = process.start(
            [_program("mariadbd"), "--no-defaults", *_user_flags(),
             f"--datadir={self.folder}/data", f"--socket={self.socket}",
             f"--pid-file={self.folder}/pid", f"--tmpdir={self.tmp}",
             "--skip-networking", "--skip-name-resolve",
             "--performance-schema=OFF", "--innodb-log-file-size=8M",
             "--innodb-buffer-pool-size=64M", "--max-connections=400",
             "--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=ON",
             "--innodb-rollback-on-timeout=ON", "--local-infile=OFF", *self.flags], log)
        self.pid = self._process.pid
        until = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise MariadbError(f"mariadbd did not start; the end of {log}:\n"
                                   f"{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)  # the server tells nobody that it is ready but by answering
        return self

    def _answers(self):
        return os.path.exists(self.socket) and self._client(["-e", "SELECT 1"]).returncode == 0

    def stop(self):
        """Ends the server in order. Harmless when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self):
        """Ends it as a power cut would end the process: kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        if not self._process:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        self.pid = None

    def restart(self):
        self.stop()
        return self.start()

    # ---- SQL, as root

    def _client(self, args, database="", text=None):
        return subprocess.run(
            [_program("mariadb"), "--no-defaults", "--batch", "--skip-column-names",
             "--user=root",
             f"--socket={self.socket}", "--default-character-set=utf8mb4", *args,
             *([database] if database else [])],
            input=text, stdin=subprocess.DEVNULL if text is None else None, capture_output=True,
            text=True, check=False)

    def sql(self, text, database="firefly"):
        """Runs statements; returns the rows as lists of texts (NULL is 'NULL')."""
        done = self._client([], database, text)
        if done.returncode:
            raise MariadbError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The verb `client` of the real runner-agent: programs of the configuration, run as an account.

The programs are the machine's own python3, cat and true: the agent knows no word of any batch
system's, so any program will do."""
import json
import os
import select
import shutil
import signal
import time
import unittest

from agents import ALICE, BOB, STAFF, Agent, AgentTest, Refused, is_alive, main, memfd, wait_end
from agents import read_line

PYTHON = os.path.realpath("/usr/bin/python3")
CLIENTS = f"{PYTHON} /usr/bin/cat /usr/bin/true"
NAME = os.path.basename(PYTHON)
OUTPUT_MAX = 12 * 1024

PROBE = """
import json, os, sys
status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines())
fds = {n for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)}
json.dump({
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": sorted(os.getgroups()),
    "umask": os.umask(0), "cwd": os.getcwd(), "env": dict(os.environ), "argv": sys.argv,
    "fds": sorted(fds), "status": {k: v.strip() for k, v in status.items()},
    "group": os.getpgid(0) == os.getpid(), "input": sys.stdin.read(),
}, sys.stdout)
"""


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf8") as f:
        return [int(p) for p in f.read().split()]


def deadline(ms):
    return int(time.time() * 1000) + ms


class ClientTest(AgentTest):
    def start(self, **settings):
        return self.agent(clients=CLIENTS, **settings)

    def client(self, a, *args, program=NAME, stdin=None, **fields):
        request = {k: a.request("x")[k] for k in ("job", "account", "project")}
        fds = [] if stdin is None else [memfd(stdin)]
        try:
            return a.ask("client", fds,
                         **{**request, "program": program, "args": list(args), **fields})
        finally:
            for fd in fds:
                os.close(fd)

    def send(self, a, number, *args, **fields):
        """A call whose answer is not waited for."""
        request = {k: a.request("x")[k] for k in ("job", "account", "project")}
        a.wire.send({"verb": "client", "id": number, "epoch": a.epoch,
                     "deadline_ms": deadline(20000), "program": NAME, "args": list(args),
                     **request, **fields})

    def assert_nothing_left(self, a):
        """No child of the agent's lives; those that have ended are buried within a second."""
        for pid in children(a.process.pid):
            wait_end(pid, "an errand")

    def test_it_is_the_account_and_nobody_else(self):
        a = self.start(clients_environment="SLURM_CONF=/etc/slurm/slurm.conf TZ=UTC")
        reply = self.client(a, "-c", PROBE, "one", "two words", "", stdin=b"#!/x\nline\n",
                            job=7)
        self.assertEqual((reply["exit_code"], reply["signal"], reply["err"]), (0, 0, ""))
        self.assertEqual(reply["dropped_bytes"], 0)
        p = json.loads(reply["out"])
        self.assertEqual((p["uid"], p["gid"]), ([ALICE] * 3, [ALICE] * 3))
        self.assertEqual((p["groups"], p["umask"]), ([STAFF], 0o77))
        self.assertEqual(p["cwd"], a.job_path(job=7))
        self.assertEqual({k: v for k, v in p["env"].items() if k != "LC_CTYPE"}, {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "alice",
            "LOGNAME": "alice", "HOME": a.job_path(job=7), "TZ": "UTC",
            "SLURM_CONF": "/etc/slurm/slurm.conf"})
        self.assertEqual(p["argv"], ["-c", "one", "two words", ""])
        self.assertEqual(p["input"], "#!/x\nline\n")
        self.assertEqual(p["fds"], ["0", "1", "2"])
        self.assertTrue(p["group"])
        self.assertEqual(p["status"]["NoNewPrivs"], "1")
        for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(p["status"][caps], 16), 0, caps)
        self.assertEqual(int(p["status"]["SigBlk"], 16), 0)
        st = os.stat(a.job_path(job=7))
        self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777), (ALICE, ALICE, 0o700))
        self.assertEqual((a.states(), a.cgroups()), ({}, []))
        self.assert_nothing_left(a)

    def test_no_shell_reads_the_arguments(self):
        a = self.start()
        args = ["$(id)", "`id`", "; id", "a'b\"c", "*", "line\nbreak", "é", "--", "-n"]
        code = "import json,sys; json.dump(sys.argv[1:], sys.stdout)"
        self.assertEqual(json.loads(self.client(a, "-c", code, *args)["out"]), args)

    def test_exit_signal_and_errors_come_back(self):
        a = self.start()
        reply = self.client(a, "-c", "import sys; sys.stderr.write('no'); sys.exit(3)")
        self.assertEqual((reply["exit_code"], reply["signal"], reply["err"]), (3, 0, "no"))
        reply = self.client(a, "-c", "import os; os.kill(os.getpid(), 9)")
        self.assertEqual((reply["exit_code"], reply["signal"]), (-1, 9))
        reply = self.client(a, program="cat", stdin=b"")
        self.assertEqual((reply["exit_code"], reply["out"]), (0, ""))
        self.assertEqual(self.client(a, program="cat")["out"], "")
        self.assertEqual(self.client(a, program="true", deadline_ms=2**63 - 1)["out"], "")

    def test_output_is_capped_and_printable(self):
        a = self.start()
        code = "import sys; sys.stdout.write('\"' * 1000000); sys.stderr.write('\\n' * 20000)"
        reply = self.client(a, "-c", code)
        self.assertEqual((reply["out"], reply["err"]), ("\"" * OUTPUT_MAX, "\n" * OUTPUT_MAX))
        self.assertEqual(reply["dropped_bytes"], 1020000 - 2 * OUTPUT_MAX)
        self.assertEqual(reply["exit_code"], 0)
        code = ("import os; os.write(1, b'a\\0b\\x1b[31m\\x7f\\tc\\n');"
                "os.write(2, b'\\xff\\xc3\\xa9x')")
        reply = self.client(a, "-c", code)
        self.assertEqual((reply["out"], reply["err"]), ("a?b?[31m?\tc\n", "???x"))
        self.assertEqual(self.client(a, "-c", "print('é')")["out"], "é\n")

    def test_what_it_leaves_behind_is_killed(self):
        a = self.start()
        code = ("import os, time\n"
                f"out = open({a.pipe_path!r}, 'w')\n"
                "if os.fork() == 0:\n"
                " os.setsid()\n"
                " if os.fork(): os._exit(0)\n"
                " out.write(f'{os.getpid()}\\n'); out.flush(); time.sleep(1000)\n"
                "os.wait()\n")
        self.assertEqual(self.client(a, "-c", code)["exit_code"], 0)
        wait_end(int(read_line(a.pipe, "the one left behind")), "the one left behind")
        self.assert_nothing_left(a)

    def test_at_its_deadline_it_is_killed_with_all_below(self):
        a = self.start()
        code = ("import os, signal, subprocess, time\n"
                "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                "p = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
                f"open({a.pipe_path!r}, 'w').write(f'{{os.getpid()}} {{p.pid}}\\n')\n"
                "time.sleep(1000)\n")
        began = time.monotonic()
        refused = self.refused("ETIMEDOUT", self.client, a, "-c", code,
                               deadline_ms=deadline(1500))
        self.assertIn("deadline", str(refused))
        self.assertLess(time.monotonic() - began, 10)
        for pid in read_line(a.pipe, "its processes").split():
            self.assertFalse(is_alive(int(pid)))
        self.assert_nothing_left(a)
        self.assertTrue(os.path.isdir(a.job_path()))  # a job may be on its way there

    def run_until_killed(self, a, how):
        code = ("import os, subprocess, time\n"
                "p = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
                f"open({a.pipe_path!r}, 'w').write(f'{{os.getpid()}} {{p.pid}}\\n')\n"
                "time.sleep(1000)\n")
        self.send(a, 1, "-c", code, deadline_ms=deadline(2000))
        pids = [int(p) for p in read_line(a.pipe, "its processes").split()]
        how()
        for pid in pids:
            wait_end(pid, "a client")

    def test_an_agent_killed_takes_its_clients_along(self):
        a = self.start()
        self.run_until_killed(a, a.kill)
        a.start()
        a.ask("hello")

    def test_an_agent_stopped_does_not_prolong_them(self):
        a = self.start()
        pid = a.process.pid
        try:
            self.run_until_killed(a, lambda: os.kill(pid, signal.SIGSTOP))
        finally:
            os.kill(pid, signal.SIGCONT)
        reply, _ = a.wire.receive()
        self.assertEqual((reply["id"], reply["errno"]), (1, "ETIMEDOUT"))

    def test_one_whose_watcher_was_killed_is_not_known(self):
        a = self.start()
        self.send(a, 1, "-c", f"import os, time; open({a.pipe_path!r}, 'w').write("
                              "f'{os.getpid()} {os.getppid()}\\n'); time.sleep(1000)")
        pid, watcher = (int(p) for p in read_line(a.pipe, "the client").split())
        with open(f"/proc/{watcher}/status", encoding="utf8") as f:
            status = dict(line.split(":", 1) for line in f.read().splitlines())
        self.assertEqual(status["Uid"].split(), [str(ALICE)] * 4)  # nothing of root waits
        self.assertEqual(int(status["CapEff"], 16), 0)
        os.kill(watcher, signal.SIGKILL)
        reply, _ = a.wire.receive()
        self.assertEqual((reply["id"], reply["errno"]), (1, "EIO"))
        wait_end(pid, "the client")

    def test_only_so_many_at_once_and_the_loop_goes_on(self):
        a = self.start(clients_max=2)
        gates = {}
        for number in (1, 2):
            gates[number] = a.path(f"gate{number}")
            os.mkfifo(gates[number])
            os.chmod(gates[number], 0o666)
            self.send(a, number, "-c", f"open({a.pipe_path!r}, 'w').write('here\\n'); "
                                       f"open({gates[number]!r}).read()")
            read_line(a.pipe, "a client")
        self.send(a, 3, "-c", "pass")
        reply, _ = a.wire.receive()
        self.assertEqual((reply["id"], reply["errno"]), (3, "EBUSY"))
        self.assertIn("clients_max", reply["error"])
        a.wire.send({"verb": "hello", "id": 4, "epoch": 1, "deadline_ms": deadline(20000)})
        self.assertEqual(a.wire.receive()[0]["id"], 4)
        for gate in gates.values():
            self.let_go(gate)
        replies = {reply["id"]: reply["exit_code"]
                   for reply in (a.wire.receive()[0], a.wire.receive()[0])}
        self.assertEqual(replies, {1: 0, 2: 0})
        a.wire.last_id = 9
        self.assertEqual(self.client(a, program="true")["exit_code"], 0)

    def test_old_epochs_and_late_calls_run_nothing(self):
        a = self.start()
        code = f"open({a.pipe_path!r}, 'w').write('ran\\n')"
        a.epoch = 7
        a.ask("hello")
        self.refused("ESTALE", self.client, a, "-c", code, epoch=6)
        self.refused("ETIME", self.client, a, "-c", code, deadline_ms=deadline(-5))
        self.assertFalse(select.select([a.pipe], [], [], 0)[0])
        self.assertEqual(os.listdir(a.path("jobs")), [])

    def test_bad_calls_are_refused_and_leave_nothing(self):
        a = self.start()
        account = a.request("x")["account"]
        for errno, bad in (
                ("ENOENT", {"program": "sh"}), ("ENOENT", {"program": "sbatch"}),
                ("EINVAL", {"program": "/usr/bin/cat"}), ("EINVAL", {"program": "../cat"}),
                ("EINVAL", {"program": ""}), ("EINVAL", {"program": 7}),
                ("EINVAL", {"args": "-c"}), ("EINVAL", {"args": [7]}),
                ("EINVAL", {"args": [None]}), ("EINVAL", {"args": ["x"] * 65}),
                ("E2BIG", {"args": ["x" * 16384]}), ("E2BIG", {"args": ["x" * 8192] * 2}),
                ("EINVAL", {"job": 0}), ("EINVAL", {"job": "1/../2"}), ("ERANGE", {"job": -1}),
                ("EINVAL", {"project": "../p"}), ("EINVAL", {"account": None}),
                ("EPERM", {"account": {**account, "uid": 0}}),
                ("EPERM", {"account": {**account, "gid": 0}}),
                ("EPERM", {"account": {**account, "uid": 999}}),
                ("EPERM", {"account": {**account, "groups": [0]}}),
                ("EPERM", {"project_gid": BOB})):
            with self.assertRaises(Refused, msg=bad) as caught:
                self.client(a, **{"program": "true", **bad})
            self.assertIn(caught.exception.errno, (errno, "ERANGE") if errno == "EINVAL"
                          else (errno,), (bad, caught.exception))
        self.refused("EFBIG", self.client, a, program="cat", stdin=b"x" * (1024 * 1024 + 1))
        self.assertEqual((a.states(), os.listdir(a.path("jobs"))), ({}, []))
        self.assert_nothing_left(a)

    def test_standard_input_is_a_sealed_memfd_or_nothing(self):
        a = self.start()
        request = {k: a.request("x")[k] for k in ("job", "account", "project")}
        r, w = os.pipe()
        unsealed = memfd(b"x", sealed=False)
        with open(a.path("conf"), encoding="utf8") as conf:
            for fd in (r, unsealed, conf.fileno()):
                self.refused("EINVAL", a.ask, "client", [fd], program="cat", args=[], **request)
        for fd in (r, w, unsealed):
            os.close(fd)
        self.assertEqual(os.listdir(a.path("jobs")), [])

    def test_a_nul_in_an_argument_ends_the_connection(self):
        a = self.start()
        self.send(a, 1, "a\0b")
        with self.assertRaises(ConnectionResetError):
            a.wire.receive()
        a.wire.close()
        a.connect()

    def test_a_job_folder_of_another_is_refused(self):
        a = self.start()
        os.mkdir(a.path("jobs", "1"), 0o700)
        os.chown(a.path("jobs", "1"), BOB, BOB)
        self.refused("EPERM", self.client, a, program="true")
        os.symlink("/etc", a.path("jobs", "2"))
        self.refused("EPERM", self.client, a, program="true", job=2)

    def test_a_folder_the_user_cannot_enter_is_said(self):
        a = self.start()
        os.chmod(a.path("jobs"), 0o700)
        self.assertIn("Permission denied",
                      str(self.refused("EACCES", self.client, a, program="true")))
        self.assertEqual(os.listdir(a.path("jobs")), [])

    def test_programs_that_cannot_be_run_are_said_and_refused(self):
        folder = os.path.join("/var/tmp", f"ff-clients-{os.getpid()}")
        os.mkdir(folder, 0o755)
        self.addCleanup(shutil.rmtree, folder)
        for name in ("ours", "open", "plain", "script"):
            shutil.copy("/usr/bin/true", os.path.join(folder, name))
        os.chown(os.path.join(folder, "ours"), ALICE, ALICE)
        os.chmod(os.path.join(folder, "open"), 0o775)
        os.chmod(os.path.join(folder, "plain"), 0o644)
        with open(os.path.join(folder, "script"), "w", encoding="utf8") as f:
            f.write("#!/bin/sh\n")
        names = ("ours", "open", "plain", "script", "missing")
        a = self.agent(clients=" ".join(os.path.join(folder, n) for n in names) +
                       " /usr/bin/true")
        for name in names:
            refused = self.refused("ENOENT", self.client, a, program=name)
            self.assertIn(os.path.join(folder, name), str(refused))
            self.assertIn("start runner-agent again", str(refused))
        self.assertEqual(self.client(a, program="true")["exit_code"], 0)

    def test_a_program_put_in_its_place_is_not_run(self):
        folder = os.path.join("/var/tmp", f"ff-client-{os.getpid()}")
        os.mkdir(folder, 0o755)
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "tool")
        shutil.copy("/usr/bin/true", path)
        a = self.agent(clients=path)
        os.unlink(path)
        shutil.copy("/usr/bin/false", path)
        self.assertEqual(self.client(a, program="tool")["exit_code"], 0)


class PlainClientTest(ClientTest):
    """An agent that is not root: one uid, everything else the same."""

    def start(self, **settings):
        prefix = ["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups"]
        return self.agent(prefix=prefix, clients=CLIENTS, **settings)

    # What only root can do or refuse.
    test_it_is_the_account_and_nobody_else = None
    test_bad_calls_are_refused_and_leave_nothing = None
    test_a_job_folder_of_another_is_refused = None
    test_a_folder_the_user_cannot_enter_is_said = None
    test_programs_that_cannot_be_run_are_said_and_refused = None
    test_a_program_put_in_its_place_is_not_run = None

    def test_another_account_is_refused(self):
        a = self.start()
        bob = {"name": "bob", "uid": BOB, "gid": BOB, "groups": []}
        self.refused("EPERM", self.client, a, program="true", account=bob)


if __name__ == "__main__":
    main()

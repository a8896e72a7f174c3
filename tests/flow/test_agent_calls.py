# SPDX-License-Identifier: Apache-2.0
"""What runner-agent is asked and refuses: tokens, epochs, accounts, requests and planted
folders; and who is heard at all."""
import os
import select
import subprocess
import time

import agents
from agents import ALICE, BOB, SERVICE, STAFF, AgentTest, Refused, memfd, read_line, spec


class Calls(AgentTest):
    """What is asked twice, late, wrong, or by somebody else."""

    def test_a_token_starts_once(self):
        a = self.agent()
        fd = memfd(spec(script=f"echo ran > {a.pipe_path}"))
        head = {"epoch": 1, "deadline_ms": int(time.time() * 1000) + 20000}
        for i in (101, 102):
            a.wire.send({"verb": "start", "id": i, **head, **a.request("t1")}, [fd])
        replies = {r["id"]: r for r in (a.wire.receive()[0], a.wire.receive()[0])}
        self.assertTrue(replies[101]["ok"])
        self.assertEqual(replies[102]["errno"], "EEXIST")
        a.finish("t1")
        os.close(fd)
        self.assertEqual(self.refused("EEXIST", a.run, "t1", "echo no").reply["state"], "over")
        read_line(a.pipe, "the one run")
        self.assertFalse(select.select([a.pipe], [], [], 0)[0])

    def test_old_epochs_and_late_calls_are_refused(self):
        a = self.agent()
        a.epoch = 7
        a.ask("hello")
        self.refused("ESTALE", a.ask, "list", epoch=6)
        self.refused("ETIME", a.ask, "list", deadline_ms=int(time.time() * 1000) - 5)
        late = self.refused("ETIME", a.run, "t1", "echo no", deadline_ms=1)
        self.assertIn("deadline", str(late))
        a.kill()
        a.start()
        self.refused("ESTALE", a.ask, "hello", epoch=6)
        self.assertEqual(a.states(), {})

    def test_accounts_it_may_not_have_are_refused(self):
        a = self.agent()
        good = a.request("x")["account"]
        for bad in ({"uid": 0}, {"gid": 0}, {"groups": [0]}, {"uid": 199999}, {"uid": 300000},
                    {"gid": 100}, {"groups": [STAFF, 6]}, {"uid": SERVICE}):
            self.refused("EPERM", a.run, "t1", "id", account={**good, **bad})
        for bad in ({"uid": -1}, {"uid": 2**32 - 1}, {"uid": 2**32 + ALICE}, {"uid": "200001"},
                    {"uid": 200001.0}, {"name": "../x"}, {"name": "a\nb"}, {"groups": [True]}):
            with self.assertRaises(Refused, msg=bad):
                a.run("t1", "id", account={**good, **bad})
        self.assertEqual((a.states(), a.cgroups(), os.listdir(a.path("jobs"))), ({}, [], []))

    def test_bad_requests_are_refused_and_leave_nothing(self):
        a = self.agent()
        for bad in ({"token": "../t"}, {"token": ""}, {"token": "T"}, {"token": "a" * 65},
                    {"job": 0}, {"job": "1/../2"}, {"project": "../p"}, {"project": ".."},
                    {"nodes": []}, {"nodes": ["a,b"]}, {"node": 1}, {"limit_ms": 0},
                    {"limit_ms": -1}, {"log_max": 2**62},
                    {"gpus": [{"index": 0, "device": "/dev/vda"}]},
                    {"gpus": [{"index": 0, "device": "/dev/nvidia0/../vda"}]},
                    {"gpus": [{"index": 0, "device": "/dev/nvidia99"}]}, {"memory_bytes": -1}):
            with self.assertRaises(Refused, msg=bad):
                a.run(bad.get("token", "t1"), "id",
                      **{k: v for k, v in bad.items() if k != "token"})
        unsealed = memfd(spec(script="id"), sealed=False)
        self.refused("EINVAL", a.ask, "start", [unsealed], **a.request("t1"))
        os.close(unsealed)
        self.refused("EINVAL", a.ask, "start", **a.request("t1"))
        self.refused("ENOSYS", a.ask, "open")
        self.refused("ENOENT", a.ask, "stop", token="t9", why="x", grace_ms=0)
        self.assertEqual((a.states(), a.cgroups(), os.listdir(a.path("jobs"))), ({}, [], []))
        a.run("t1", "exit 0")
        self.assertEqual(a.finish("t1")["exit_code"], 0)

    def test_a_start_that_fails_leaves_nothing(self):
        a = self.agent()
        # the user cannot enter: told by the task, before any user code
        os.chmod(a.path("jobs"), 0o700)
        self.assertIn("Permission denied", str(self.refused("EACCES", a.run, "t1", "id")))
        self.assertEqual((a.states(), a.cgroups(), os.listdir(a.path("jobs"))), ({}, [], []))
        os.chmod(a.path("jobs"), 0o711)
        os.chmod(a.path("logs"), 0o500)  # the service cannot write: told by the keeper's side
        os.chown(a.path("logs"), 0, 0)
        self.refused("EACCES", a.run, "t1", "id")
        self.assertEqual((a.states(), a.cgroups(), os.listdir(a.path("jobs"))), ({}, [], []))

    def test_a_foreign_or_planted_job_folder_is_refused(self):
        a = self.agent()
        os.symlink("/etc", a.path("jobs", "1"))
        self.refused("EPERM", a.run, "t1", "id")
        os.mkdir(a.path("jobs", "2"), 0o700)
        os.chown(a.path("jobs", "2"), BOB, BOB)
        self.refused("EPERM", a.run, "t1", "id", job=2)
        self.assertEqual(os.stat("/etc").st_uid, 0)
        self.assertEqual((a.states(), a.cgroups()), ({}, []))

    def test_a_link_planted_by_the_user_leads_nowhere(self):
        a = self.agent()
        a.run("t1", f"rm -rf .firefly; ln -s {a.path('spool')} .firefly; ln -s /etc/passwd "
                    "checkpoint")
        self.assertEqual(a.finish("t1")["exit_code"], 0)
        a.run("t2", "echo user code", attempt=2)
        self.assertEqual(a.finish("t2")["exit_code"], 125)
        self.assertNotIn("user code", a.log(attempt=2))
        self.assertEqual(sorted(os.listdir(a.path("spool"))), ["t1", "t2"])

    def test_other_uids_are_not_heard(self):
        a = self.agent()
        os.chmod(a.path("sock"), 0o666)
        code = ("import socket,sys\ns=socket.socket(1,5)\n"
                "s.settimeout(20)\ns.connect(sys.argv[1])\n"
                "try:\n s.send(b'{}')\n sys.exit(s.recv(9)!=b'')\n"
                "except (BrokenPipeError, ConnectionResetError): pass\n")
        peer = ["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups", "python3",
                "-c", code]
        self.assertEqual(subprocess.run(peer + [a.path("sock")], check=False).returncode, 0)
        a.ask("hello")

    def test_what_is_no_request_closes_the_connection(self):
        a = self.agent()
        for junk in (b"x", b"[]", b"{}", b'{"verb":7}', b'{"verb":"a","verb":"b"}',
                     b"\0" * 70000, b'{"verb":"hello","id":-1}', b"{" * 3000):
            a.wire.sock.send(junk)
            with self.assertRaises(ConnectionResetError, msg=junk[:20]):
                a.wire.receive()
            a.wire.close()
            a.connect()
        a.wire.send({"verb": "hello", "id": 1}, [a.pipe, a.pipe])
        with self.assertRaises(ConnectionResetError):
            a.wire.receive()
        a.wire.close()
        a.connect()
        self.refused("EINVAL", a.wire.ask, "hello")  # without epoch and deadline


if __name__ == "__main__":
    agents.main()

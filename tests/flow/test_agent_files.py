# SPDX-License-Identifier: Apache-2.0
"""Drives runner-files through the socket that runner-agent hands out: a folder of a user, and
nothing that leads out of it."""
import os
import socket
import unittest

import agents
from agents import ALICE, BOB, STAFF, Agent, Refused, Wire, is_alive, memfd, wait_end


class Files(unittest.TestCase):
    def setUp(self):
        self.a = Agent()
        self.addCleanup(self.a.close)
        self.a.run("t1", "mkdir d; echo hello > d/f; ln -s /etc/passwd link; ln -s / d/root; "
                         "mkfifo fifo;ln -s d dlink; mkdir e; touch $'bad\\nname' "
                         "$'not\\xffutf8'")
        self.assertEqual(self.a.finish("t1")["exit_code"], 0)
        self.files = self.open(job=1)

    def open(self, account=None, **fields):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        account = account or {"name": "alice", "uid": ALICE, "gid": ALICE, "groups": [STAFF]}
        wire = Wire(ours)
        self.addCleanup(wire.close)
        try:
            self.a.ask("files", [theirs.fileno()], account=account, **fields)
        finally:
            theirs.close()
        return wire

    def refused(self, errno, verb, fds=(), **fields):
        with self.assertRaises(Refused, msg=fields) as caught:
            self.files.ask(verb, fds, **fields)
        self.assertIn(caught.exception.errno, errno if isinstance(errno, tuple) else (errno,),
                      fields)

    def test_list_open_write_rename_remove(self):
        f = self.files
        listed = f.ask("list", path=".")
        self.assertEqual([(e["name"], e["type"]) for e in listed["entries"]],
                         [(".firefly", "folder"), ("checkpoint", "folder"), ("d", "folder"),
                          ("dlink", "link"), ("e", "folder"), ("fifo", "other"),
                          ("link", "link")])
        self.assertEqual((listed["more"], listed["hidden"]), (False, 2))
        reply, fd = f.ask("open", path="d/f")
        self.assertEqual((os.read(fd, 100), reply["size_bytes"]), (b"hello\n", 6))
        os.close(fd)
        data = memfd(b"new bytes")
        self.assertEqual(f.ask("write", [data], path="e/g", offset=3)["written_bytes"], 9)
        os.close(data)
        path = self.a.job_path("e", "g")
        with open(path, "rb") as g:
            self.assertEqual(g.read(), b"\0\0\0new bytes")
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_mode & 0o777), (ALICE, 0o600))
        f.ask("mkdir", path="e/h")
        f.ask("rename", path="e/g", to="e/h/i")
        self.refused("EEXIST", "rename", path="d/f", to="e/h/i")
        self.refused("ENOTEMPTY", "remove", path="e")
        f.ask("remove", path="e/h/i")
        f.ask("remove", path="e/h")
        f.ask("remove", path="link")
        self.assertTrue(os.path.exists("/etc/passwd"))

    def test_nothing_leads_out(self):
        out = ("EXDEV", "ELOOP", "EINVAL", "ENOTDIR")
        for path in ("/etc/passwd", "../1/d/f", "..", "d/../../2", "link", "d/root/etc/passwd",
                     "dlink/f", "d/root", "/", "", "//", "/proc/self/root/etc/passwd", ".."):
            self.refused(out, "open", path=path)
            self.refused(out + ("EISDIR",), "list", path=path)
            data = memfd(b"x")
            self.refused(out, "write", [data], path=path, offset=0)
            os.close(data)
        for path in ("../x", "/tmp/x", "d/root/tmp/x", "dlink/x", "..", ".", "d/..", ""):
            self.refused(out, "mkdir", path=path)
            self.refused(out, "remove", path=path)
            self.refused(out, "rename", path="d/f", to=path)
            self.refused(out, "rename", path=path, to="z")

    def test_only_regular_files_are_opened(self):
        self.refused("EINVAL", "open", path="fifo")
        self.refused("EISDIR", "open", path="d")
        data = memfd(b"x")
        self.refused(("EINVAL", "ENXIO"), "write", [data], path="fifo", offset=0)
        self.refused("EISDIR", "write", [data], path="d", offset=0)
        self.refused(("EINVAL", "ERANGE"), "write", [data], path="n", offset=-1)
        os.close(data)
        r, w = os.pipe()
        self.refused("EINVAL", "write", [r], path="n", offset=0)
        self.refused("EINVAL", "write", path="n", offset=0)
        os.close(r)
        os.close(w)
        self.assertFalse(os.path.exists(self.a.job_path("n")))

    def test_a_large_folder_comes_in_parts(self):
        for i in range(250):
            open(self.a.job_path("e", f"{i:03}" + "\"" * 200), "w", encoding="utf8").close()
        os.chown(self.a.job_path("e"), ALICE, ALICE)
        names, after, more = [], "", True
        while more:
            reply = self.files.ask("list", path="e", after=after)
            names += [e["name"] for e in reply["entries"]]
            after, more = names[-1], reply["more"]
        self.assertEqual(names, sorted(os.listdir(self.a.job_path("e"))))

    def test_another_account_gets_nothing(self):
        bob = {"name": "bob", "uid": BOB, "gid": BOB, "groups": []}
        for account, errno in ((bob, "EACCES"), ({**bob, "uid": 0}, "EPERM")):
            with self.assertRaises(Refused) as caught:
                self.open(account=account, job=1)
            self.assertEqual(caught.exception.errno, errno)

    def test_a_project_folder_belongs_to_its_group(self):
        project = self.open(job=0, project="p", project_gid=STAFF)
        project.ask("mkdir", path="shared")
        st = os.stat(self.a.path("projects", "p"))
        self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777), (0, STAFF, 0o2770))
        with self.assertRaises(Refused):
            self.open(account={"name": "bob", "uid": BOB, "gid": BOB, "groups": []}, job=0,
                      project="p", project_gid=STAFF)

    def test_it_ends_with_its_socket(self):
        with open(f"/proc/{self.a.process.pid}/task/{self.a.process.pid}/children",
                  encoding="utf8") as f:
            children = [int(p) for p in f.read().split()]
        files = [p for p in children if is_alive(p)]
        self.assertEqual(len(files), 1)
        self.files.close()
        wait_end(files[0], "runner-files")


if __name__ == "__main__":
    agents.main()

# SPDX-License-Identifier: Apache-2.0
"""A site for a flow test: in a temporary folder with a short path, gone afterwards.

    class SomeTest(sites.SiteTest):
        def test_a_job_runs(self):
            job = self.alice.submit(project="climate", …)

All tests of a class share one site. When it ends badly (a daemon that does not end well, a
finding of the sanitizers) the class fails; the daemons' logs are then printed."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from portal.embedded.stack import Stack  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FIREFLY_BUILD", ROOT / "build/debug"))


def new_site(**more):
    """Not started. The caller removes site.folder.parent when it has stopped it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ff", dir="/tmp"))
    folder.chmod(0o755)
    return Stack(folder / "s", BUILD, template=BUILD / "mariadb-template", **more)


class SiteTest(unittest.TestCase):
    options = {}  # for Stack()
    site = None

    @classmethod
    def setUpClass(cls):
        cls.site = new_site(**cls.options)
        try:
            cls.site.start()
        except BaseException:
            cls.remove()
            raise
        cls.addClassCleanup(cls.end)

    @classmethod
    def end(cls):
        complaints = cls.site.stop()
        logs = {name: cls.site.log(name) for name in ("agent", "runnerd", "portald")}
        cls.remove()
        if complaints:
            for name, log in logs.items():
                print(f"---- {name}\n{log[-6000:]}", file=sys.stderr)
            raise AssertionError("\n".join(complaints))

    @classmethod
    def remove(cls):
        shutil.rmtree(cls.site.folder.parent, ignore_errors=True)

    def session(self, login, university):
        session = self.site.session(login, university)
        self.addCleanup(session.close)
        return session

    @property
    def alice(self):
        """Alice of the north, logged in; leads the project climate."""
        return self.session("alice", "north")

    def assert_books_hold(self):
        done = self.site.quota("verify", is_checked=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def main():
    unittest.main(verbosity=2)

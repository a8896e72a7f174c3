# SPDX-License-Identifier: Apache-2.0
"""Two runnerd on one database and one agent: what one of them was at when it was killed or
stopped, the other goes on with; and the stopped one, continued when it is too late, does no
harm.

They take turns: the one that has taken over is the next one's victim. Each has a gate of its
own, and is started anew, while it is the one that waits, for the next cell's point."""
import contextlib
import os
import signal
import threading
import time

from matrix_rounds import Job, Rounds
from matrix_site import GATE_S, Misplaced, is_stopped

from portal.embedded import process
from portal.embedded.layout import RUNNER_UID, conf_text, write_file
from portal.embedded.stack import accepts

NAMES = ("runnerd", "second")
TAKEOVER_S = 15
LEASE = {"lease": "3s", "call_deadline": "2s"}  # for the stops; the kill is with the defaults


class Takeovers(Rounds):
    def __init__(self, matrix):
        super().__init__(matrix)
        self.active = 0
        self.slowest_s = 0
        folder = self.site.folder / "runner2"
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, RUNNER_UID, RUNNER_UID)
        self.start(1, "")

    # ---- the two

    def start(self, which, point):
        """Anew, to wait at `point` when its gate is opened."""
        name, site = NAMES[which], self.site
        if name in site.children:
            site.stop_one(name)
        site.write_conf()
        sections = site.sections()
        if which:
            sections["runner"] |= {"state": site.folder / "runner2", "socket": self.socket(1)}
            sections["seal"]["head_file"] = site.folder / "runner2/head"
        conf = site.folder / f"{name}.conf"
        write_file(conf, conf_text(sections))
        once = self.m.gates / name
        once.touch()
        fault = {"FIREFLY_FAULT_POINT": point, "FIREFLY_FAULT": "stop",
                 "FIREFLY_FAULT_ONCE": str(once)} if point else {}
        child = process.start([site.program("runnerd"), "--config", conf],
                              site.folder / f"log/{name}.log", site.runner_uid,
                              [64103, site.runner_uid] if site.is_root else [],
                              {**site.environment, **fault})
        site.children[name] = child
        process.wait_until(lambda: accepts(self.socket(which)), 20, child, name)

    def socket(self, which):
        return self.site.folder / ("run/runner/s2" if which else "run/runner/s")

    def holder(self):
        """Which of them has the lease."""
        found = self.site.sql("SELECT holder FROM lease")[0][0]
        for which, state in enumerate(("runner", "runner2")):
            with contextlib.suppress(OSError):
                if (self.site.folder / state / "holder").read_text() == found:
                    return which
        return None

    # ---- a cell

    def do_all(self, cells, say):
        """The one that is active is at the point of its cell, the other at the next one's."""
        points = [c.at for c in cells] + [""]
        self.start(0, points[0])
        process.wait_until(lambda: self.holder() is not None, 20, what="a lease")
        self.active = self.holder()
        if self.active:  # the one that is at no point yet
            self.start(1, points[0])
        for place, (cell, name) in enumerate(cells.items()):
            if cell.fault == "stop":
                self.site.options["runner"].update(LEASE)
            self.start(1 - self.active, points[place + 1])
            began = time.monotonic()
            wrong = self.do(cell)
            say(cell=name, wrong=wrong, seconds=round(time.monotonic() - began, 1))
        say(note=f"the slowest of {len(cells)} takeovers took {self.slowest_s:.1f} s", wrong=[])
        self.site.stop_one("second")

    def do(self, cell):
        job = Job(seconds=2)
        wrong = self.find_wrong(job, lambda: getattr(self, "take_" + cell.step)(cell, job))
        for name in NAMES:
            with contextlib.suppress(KeyError):
                process.kill(self.site.pid(name), signal.SIGCONT)
        self.active = self.holder() if self.holder() is not None else self.active
        return wrong

    def open(self):
        (self.m.gates / NAMES[self.active]).unlink()

    def wait_stopped(self, cell):
        name = NAMES[self.active]
        try:
            process.wait_until((self.m.gates / name).exists, GATE_S, what=f"{name} at {cell.at}")
            process.wait_until(lambda: is_stopped(self.site.pid(name)), 5, what=f"{name} stopped")
        except TimeoutError as e:
            (self.m.gates / name).touch()
            raise Misplaced(str(e)) from None

    def take_over(self, cell):
        """From the fault until the other is active; then the stopped one goes on."""
        name, other = NAMES[self.active], 1 - self.active
        began = time.monotonic()
        count = self.site.log(NAMES[other]).count("jobs in hand")
        if cell.fault == "kill":
            self.site.kill(name)
        else:
            self.wait_stopped(cell)
        process.wait_until(lambda: self.site.log(NAMES[other]).count("jobs in hand") > count,
                           TAKEOVER_S, what=f"{NAMES[other]} taking over")
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        assert self.holder() == other, "who has taken over has no lease"
        if cell.fault == "stop":
            process.kill(self.site.pid(name), signal.SIGCONT)
        self.healed = time.monotonic()

    def take_run(self, cell, job):
        job.seconds = 13 if cell.fault == "kill" else 8
        self.wait_running(job)
        if cell.at:
            self.open()
        self.take_over(cell)

    def take_claim(self, cell, job):
        self.open()
        self.submit_now(job)
        self.take_over(cell)

    take_launch = take_claim

    def take_settle(self, cell, job):
        self.wait_running(job)
        self.open()
        self.take_over(cell)

    def take_cancel(self, cell, job):
        job.seconds, job.states, job.exit_codes = 60, ("cancelled",), (143,)
        self.wait_running(job)
        self.open()
        asks = self.cancelling(job)
        self.take_over(cell)
        asks[0].wait()

    def take_extend(self, cell, job):
        job.seconds, job.holds = 10, 2
        self.wait_running(job)
        self.open()
        done = []
        ask = threading.Thread(target=lambda: done.append(self.site.quota(
            "job", "extend", job.number, "5m", "--reason", "a test", "--yes", is_checked=False)))
        ask.start()
        self.take_over(cell)
        ask.join()

# SPDX-License-Identifier: Apache-2.0
"""One cell of the crash matrix: a job is brought to a step, the fault is done there, and when
all is quiet again its books and its traces are held against what really happened.

A step is a method of Rounds: it brings the job there, strikes, and says what is to be expected.
What really happened is what the job itself wrote down, and what the executor's folder showed."""
import contextlib
import dataclasses
import http.client
import os
import secrets
import signal
import threading
import time

import agents
from matrix_site import AWAY_S, GATE_S, QUIET_S, STOP_S, Misplaced

from portal.embedded import process
from portal.embedded.layout import StackError
from portal.embedded.mariadb import MariadbError
from portal.embedded.session import FINAL, Refused

GPUS = 2
TOLERANCE_MS = 1000
PATIENCE_S = 60
AWAY = (OSError, http.client.HTTPException, Refused, ValueError)
# What the database says of the job when a program waits at this point.
STATES = {("claim", "store.asking"): "queued", ("claim", "store.answered"): "starting",
          ("run", "store.asking"): "starting", ("run", "store.answered"): "running",
          ("settle", "store.asking"): "running", ("requeue", "store.asking"): "starting",
          ("requeue", "store.answered"): "queued", ("cancel", "stop.asking"): "running"}
SCRIPT = """#!/bin/bash
echo "begin $(date +%s%3N)" >> ran
trap 'echo "end $(date +%s%3N)" >> ran; exit 143' TERM
sleep {seconds} &
wait $!
echo "end $(date +%s%3N)" >> ran
exit {code}
"""


@dataclasses.dataclass
class Job:
    seconds: int = 1
    code: int = 3
    key: str = dataclasses.field(default_factory=lambda: secrets.token_hex(16))
    number: int = 0
    # what is to be expected
    states: tuple = ("failed",)
    runs: tuple = (1,)        # how often the user's code may have begun
    exit_codes: tuple = (3,)
    holds: int = 1
    end_ms: int = 0           # when it was killed from outside


class Again(threading.Thread):
    """Asks until it is answered, as a person who reloads does."""

    def __init__(self, session, ask):
        super().__init__(daemon=True)
        self.session, self.ask, self.answer = session.twin(), ask, None
        self.start()

    def run(self):
        until = time.monotonic() + PATIENCE_S
        while self.answer is None and time.monotonic() < until:
            with contextlib.suppress(*AWAY):
                self.answer = self.ask(self.session)
            if self.answer is None:
                self.session.close()
                time.sleep(0.1)
        self.session.close()

    def wait(self):
        self.join(PATIENCE_S + 5)
        if self.answer is None:
            raise AssertionError(f"no answer from the portal within {PATIENCE_S} s")
        return self.answer


class Rounds:
    def __init__(self, matrix):
        self.m, self.site = matrix, matrix.site
        self.healed = 0  # monotonic
        self.ended = []  # of earlier cells, with the number of their events

    def do_all(self, cells, say):
        for cell, name in cells.items():
            began = time.monotonic()
            wrong = self.do(cell)
            say(cell=name, wrong=wrong, seconds=round(time.monotonic() - began, 1))

    def do(self, cell):
        """What was wrong, as sentences; none when the cell holds."""
        job = Job(code=0) if cell.step == "requeue" else Job()
        if cell.step == "requeue":
            job.states, job.exit_codes = ("completed",), (0,)
        if cell.at:
            self.m.set_point(cell.at)
        return self.find_wrong(job, lambda: getattr(self, cell.step)(cell, job))

    def find_wrong(self, job, do):
        wrong = []
        try:
            do()
            self.wait_over(job)
        except (AssertionError, Misplaced, MariadbError, StackError, *AWAY) as e:
            wrong = [f"{type(e).__name__}: {e}"]
            self.m.mend()
        with contextlib.suppress(MariadbError):
            wrong += self.judge(job) if job.number else []
        return wrong

    # ---- asking

    def submitting(self, job, count=1):
        command = {"command": ["sleep", str(job.seconds), str(job.code)]}
        if not self.m.is_fake:
            command = {"script": SCRIPT.format(seconds=job.seconds, code=job.code)}
        request = {"project": "climate", "name": "cell", "gpus_per_node": GPUS,
                   "time_limit": "10m", **command}

        def ask(session):
            reply = session.try_submit_json(request, job.key)
            return reply.json()["id"] if reply.status in (200, 201) else None
        return [Again(self.m.alice, ask) for _ in range(count)]

    def submit_now(self, job):
        job.number = self.submitting(job)[0].wait()

    def cancelling(self, job, count=1):
        def ask(session):
            status = session.post_json(f"/api/v1/jobs/{job.number}/cancel", {}).status
            return status if status in (202, 409) else None
        return [Again(self.m.alice, ask) for _ in range(count)]

    def state(self, job):
        with contextlib.suppress(*AWAY):
            return self.m.alice.job(job.number)["state"]
        self.m.alice.close()
        return ""

    def wait_state(self, job, *states, seconds=PATIENCE_S):
        return process.wait_until(lambda: self.state(job) in states, seconds,
                                  what=f"job {job.number} being {' or '.join(states)}")

    def token(self, job):
        return self.site.sql("SELECT token FROM attempt WHERE id = (SELECT MAX(id) FROM attempt "
                             f"WHERE job_id = {job.number})")[0][0]

    def wait_running(self, job):
        """In the books, and really."""
        self.submit_now(job)
        self.wait_state(job, "running")
        if not self.m.is_fake:
            process.wait_until(lambda: self.lines(job), 20, what="the script's first line")

    def lines(self, job):
        path = self.site.folder / f"jobs/{job.number}/ran"
        with contextlib.suppress(OSError):
            return [line.split() for line in path.read_text().splitlines()]
        return []

    # ---- striking

    def come_to(self, cell, job, begin):
        """Opens the gate, begins, and returns who waits at the place."""
        self.m.open_gate(cell.at)
        begin()
        pid = self.m.wait_gate(cell.at)
        wanted = STATES.get((cell.step, cell.at))
        if wanted:
            rows = self.site.sql(f"SELECT state FROM job WHERE request_key = '{job.key}'")
            if rows != [[wanted]]:
                self.go_on(pid)
                raise Misplaced(f"at {cell.at} the job is {rows}, not {wanted}")
        return pid

    def strike(self, cell, waiting=None, until=0.0):
        """waiting: the pid at the gate, which goes on when the fault has begun, or when it is
        over if it is the victim. until: monotonic, not healed before."""
        victim = self.pid_of(cell.victim, waiting)
        if cell.fault == "kill":
            self.kill(cell.victim, victim)
            self.go_on(waiting)
            self.pause(max(AWAY_S, until - time.monotonic()))
            self.start_again(cell.victim)
        elif cell.fault == "stop":
            process.kill(victim, signal.SIGSTOP)
            if waiting != victim:
                self.go_on(waiting)
            self.pause(max(STOP_S, until - time.monotonic()))
            process.kill(victim, signal.SIGCONT)
        elif cell.fault == "cut":
            self.m.cut(cell.victim)
            self.go_on(waiting)
        elif cell.fault == "full":
            with self.m.full(cell.victim):
                self.go_on(waiting)
                self.pause(max(2, until - time.monotonic()))
        elif cell.victim == "knock":
            self.go_on(waiting)
            self.m.knock(300)
        self.healed = time.monotonic()

    def pause(self, seconds):
        time.sleep(seconds)  # what a fault lasts

    def go_on(self, pid):
        if pid:
            process.kill(pid, signal.SIGCONT)

    def pid_of(self, victim, waiting):
        if victim in ("keeper", "task"):
            return waiting or self.kept[victim]
        if victim in ("runnerd", "portald", "agent", "mariadb"):
            return self.site.pid(victim)
        return None

    def kill(self, victim, pid):
        if victim in ("keeper", "task"):
            process.kill(pid)
        else:
            self.site.kill(victim)

    def start_again(self, victim):
        if victim not in ("keeper", "task"):
            self.site.start_one(victim)

    def keep(self, job):
        """Notes the pids of the job's keeper and task."""
        token = self.token(job)
        start = process.wait_until(lambda: self.m.evidence.of(token).get("start"), 10,
                                   what="the keeper's start")
        self.kept = start

    # ---- the steps

    def submit(self, cell, job):
        if cell.fault == "twice":
            asks = self.submitting(job, 3 if cell.victim == "key" else 1)
            if cell.victim == "knock":
                self.m.knock(300)
            self.healed = time.monotonic()
        else:
            self.m.open_gate(cell.at)
            asks = self.submitting(job)
            self.strike(cell, self.m.wait_gate(cell.at))
        numbers = {a.wait() for a in asks + self.submitting(job)}
        assert len(numbers) == 1, f"one key gave the jobs {sorted(numbers)}"
        job.number = numbers.pop()

    def _submitted_to(self, cell, job):
        """The program that is to take it on waits at the gate; the portal has answered."""
        return self.come_to(cell, job, lambda: self.submit_now(job))

    def claim(self, cell, job):
        self.strike(cell, self._submitted_to(cell, job))

    def launch(self, cell, job):
        if cell.victim == "start":
            self.wait_running(job)
            self._start_twice(job)
        elif not cell.at:  # the folder is full before the job comes
            with self.m.full(cell.victim):
                self.submit_now(job)
                self.pause(2)
            job.states, job.runs = ("failed",), (0, 1)
            job.exit_codes = (3, 125)  # no room for the script: the task says so in the log
            self.healed = time.monotonic()
        else:
            self.strike(cell, self._submitted_to(cell, job))

    def _start_twice(self, job):
        """The same message to the agent again, while the attempt runs."""
        row = self.site.sql("SELECT a.token, c.unix_name, c.uid, c.gid FROM attempt a JOIN job j "
                            "ON j.id = a.job_id JOIN account c ON c.person_id = j.person_id "
                            f"WHERE j.id = {job.number}")[0]
        account = {"name": row[1], "uid": int(row[2]), "gid": int(row[3]), "groups": []}
        fd = agents.memfd(agents.spec(script="#!/bin/bash\necho begin 0 >> ran\n"))
        try:
            for _ in range(20):
                try:
                    self.m.ask_agent(
                        "start", [fd], token=row[0], job=job.number, attempt=1, account=account,
                        project="climate", gpus=[], nodes=["n1"], node=0, cpus=0, memory_bytes=0,
                        pids_max=100, limit_ms=60000, grace_ms=1000, log_max=4096, resume=False)
                    raise AssertionError("the agent started a token twice")
                except agents.Refused as e:
                    assert e.errno == "EEXIST", f"the agent refused by {e}"
        finally:
            os.close(fd)
        self.healed = time.monotonic()

    def run(self, cell, job):
        job.seconds = 2
        if cell.at:  # asked for, and not begun yet
            self.submit_now(job)
            self.wait_state(job, "starting")
            process.wait_until(lambda: self.m.left(), GATE_S, what="the executor's record")
            self.strike(cell, self.come_to(cell, job, lambda: None))
            return
        if cell.fault in ("stop", "full"):
            job.seconds = 7  # longer than the fault: its end is another step
        self.wait_running(job)
        if cell.victim in ("keeper", "task"):
            self.keep(job)
            self.pause(1.2)  # for a heartbeat
            self._expect_death(cell, job)
        self.strike(cell)

    def _expect_death(self, cell, job):
        if cell.fault != "kill":
            return
        job.end_ms = int(time.time() * 1000)
        job.exit_codes = ("NULL", -1)
        job.states = ("lost", "cancelled") if cell.victim == "keeper" else ("failed", "cancelled")

    def exit(self, cell, job):
        """It ends while the victim is away."""
        job.seconds = 2
        self.wait_running(job)
        end = time.monotonic() + job.seconds + 0.5
        if cell.victim == "spool":  # no room for the record of its end
            job.states, job.exit_codes = ("failed", "lost"), (3, "NULL")
        if cell.victim not in ("keeper", "task"):
            self.strike(cell, until=end)
            return
        self.keep(job)
        self.pause(end - 0.7 - time.monotonic())  # shortly before
        process.kill(self.kept[cell.victim], signal.SIGSTOP)
        process.wait_until(lambda: len(self.lines(job)) > 1, 20, what="the script's last line")
        self.pause(AWAY_S)  # for its process to be gone
        self._expect_death(cell, job)
        self.strike(cell)
        if cell.fault == "stop" and cell.victim == "task":  # it ends when the task does
            job.end_ms = int(time.time() * 1000)

    def settle(self, cell, job):
        self.wait_running(job)
        self.pause(0.1)  # for what was asked before to be answered
        self.strike(cell, self.come_to(cell, job, lambda: None))

    def cancel(self, cell, job):
        job.seconds, job.states, job.exit_codes = 60, ("cancelled",), ("NULL", 143, 3, -1)
        self.wait_running(job)
        self.pause(0.1)
        if cell.at:
            asks = []
            pid = self.come_to(cell, job, lambda: asks.extend(self.cancelling(job)))
            self.strike(cell, pid)
        elif cell.fault == "twice":
            asks = self.cancelling(job, 3)
            self.healed = time.monotonic()
        elif cell.fault == "full":
            job.states += ("lost",) if cell.victim == "spool" else ()
            with self.m.full(cell.victim):
                asks = self.cancelling(job)
                self.pause(2)
            self.healed = time.monotonic()
        else:
            self.keep(job)
            self._expect_death(cell, job)
            process.kill(self.kept[cell.victim], signal.SIGSTOP)
            asks = self.cancelling(job)
            asks[0].wait()
            self.strike(cell)
        for a in asks:
            a.wait()

    def requeue(self, cell, job):
        """A start that never was, and another."""
        if not self.m.is_fake:
            pid = self._submitted_to(cell, job)
            self.site.kill("agent")
            process.kill(pid)
            self.site.start_one("agent")
            self.healed = time.monotonic()
            return
        self.submit_now(job)
        self.wait_state(job, "starting")
        token = self.token(job)
        path = self.m.top / "fake" / token
        process.wait_until(path.exists, GATE_S, what="the attempt at the executor")
        self.site.kill("runnerd")
        self._lose(path)
        self.m.open_gate(cell.at)
        self.site.start_one("runnerd")
        self.strike(cell, self.m.wait_gate(cell.at))

    def _lose(self, path):
        """An accident at the executor, before the play has begun."""
        play = self.m.evidence.of(path.name)
        text = path.read_text()
        assert play is not None and '"has_begun":false' in text, text
        path.write_text(text.replace('"is_lost":false', '"is_lost":true'))

    # ---- afterwards

    def wait_over(self, job):
        until = max(self.healed, time.monotonic() - 1) + QUIET_S
        left = lambda: max(until - time.monotonic(), 0.1)  # noqa: E731
        self.wait_state(job, *FINAL, seconds=left() + job.seconds)
        process.wait_until(lambda: not self.m.left(), left(),
                           what=f"the end of {self.m.left()}, which is left of job {job.number}")
        process.wait_until(lambda: not self.site.sql(
            f"SELECT 1 FROM request WHERE job_id = {job.number} AND answered_ms IS NULL"),
            left(), what="an answer to each request")

    def judge(self, job):
        rows = self.site.sql(
            f"SELECT 'job', id, state, exit_code FROM job WHERE request_key = '{job.key}';"
            f"SELECT 'event', kind FROM event WHERE job_id = {job.number};"
            "SELECT 'move', type, gpums, at_ms, attempt_id FROM transfer WHERE leg = 0 "
            f"AND job_id = {job.number};"
            "SELECT 'attempt', id, token, created_ms, started_ms, run_ms, cause FROM attempt "
            f"WHERE job_id = {job.number} ORDER BY no")
        found = {kind: [r[1:] for r in rows if r[0] == kind]
                 for kind in ("job", "event", "move", "attempt")}
        self.ended.append((job.number, len(found["event"])))
        return [text for check in (check_job, check_hold, check_settlement, self.check_runs,
                                   self.check_charge) for text in check(job, found)]

    def check_runs(self, job, found):
        if self.m.is_fake:
            tokens = [a[1] for a in found["attempt"]]
            runs = sum(has_run(self.m.evidence.of(t)) for t in tokens)
            known = {row[0] for row in self.site.sql("SELECT token FROM attempt")}
            for token in self.m.evidence.seen.keys() - known:
                yield f"the executor had {token}, which nobody has written down"
        else:
            runs = sum(line[0] == "begin" for line in self.lines(job))
        if runs not in job.runs:
            yield f"it ran {runs} times, not {' or '.join(map(str, job.runs))}"
        started = sum(a[3] != "NULL" for a in found["attempt"])
        if started > 1:
            yield f"{started} attempts are said to have started"

    def check_charge(self, job, found):
        charged = sum(int(m[1]) for m in found["move"] if m[0] == "charge")
        started = [a for a in found["attempt"] if a[3] != "NULL"]
        if not started:
            if charged:
                yield f"charged {charged} for nothing"
            return
        ran_ms = self.really_ran_ms(job, started[-1][1])
        if started[-1][5] == "lost":  # to the last heartbeat, and not beyond its life
            beat_ms = self.m.evidence.of(started[-1][1]).get("beat", {}).get("run_ms", 0)
            if ran_ms is not None and beat_ms > ran_ms + TOLERANCE_MS:
                yield f"a heartbeat of {beat_ms} ms, and it ran {ran_ms} ms"
            ran_ms = beat_ms
        if ran_ms is None:
            yield "nothing tells how long it ran"
        elif abs(charged - ran_ms * GPUS) > TOLERANCE_MS * GPUS:
            yield f"charged {charged} GPU-ms, and it ran {ran_ms} ms on {GPUS} GPUs"

    def really_ran_ms(self, job, token):
        seen = self.m.evidence.of(token)
        if self.m.is_fake:
            return play_ms(seen) if "" in seen else None
        start = seen.get("start")
        ends = [int(line[1]) for line in self.lines(job) if line[0] == "end"]
        end_ms = job.end_ms or (ends[-1] if ends else
                                seen.get("exit", seen).get("ended_ms", seen.get("gone_ms")))
        return end_ms - start["started_ms"] if start and end_ms else None

    def check_quiet(self):
        """Of all cells together, when the lane is over: nothing was asked again."""
        counts = {int(job): int(n) for job, n in self.site.sql(
            "SELECT job_id, COUNT(*) FROM event GROUP BY job_id")}
        return [f"job {job}: {counts.get(job)} events, {n} when it was over"
                for job, n in self.ended if counts.get(job) != n]


def play_ms(seen):
    """How long a play of the fake executor ran. One that is gone before its end was stopped,
    and that shortly before, if it went too fast for the stop to be seen."""
    play = seen[""]
    run = min(play["play_ms"], play["limit_ms"])
    stopped_ms = play["stopped_ms"] or seen.get("gone_ms", 0)
    return min(run, max(stopped_ms - play["begin_ms"], 0)) if stopped_ms else run


def has_run(seen):
    play = seen.get("")
    if not play or play["is_lost"] and not play["has_begun"]:
        return False
    return not (play["stopped_ms"] and play["stopped_ms"] <= play["begin_ms"])


def check_job(job, found):
    if len(found["job"]) != 1:
        yield f"{len(found['job'])} jobs have its key"
        return
    number, state, code = found["job"][0]
    if int(number) != job.number:
        yield f"the portal said {job.number}, the database has {number}"
    if state not in job.states:
        yield f"it is {state}, not {' or '.join(job.states)}"
    if code not in map(str, job.exit_codes):
        yield f"its exit code is {code}, not {' or '.join(map(str, job.exit_codes))}"
    ends = [kind for kind, in found["event"] if kind in FINAL]
    if len(ends) != 1:
        yield f"its ends are {ends}"


def check_hold(job, found):
    holds = [m for m in found["move"] if m[0] == "hold"]
    if len(holds) != job.holds:
        yield f"{len(holds)} holds"
    elif any(int(a[2]) < int(holds[0][2]) for a in found["attempt"]):
        yield "an attempt is older than the hold"


def check_settlement(_, found):
    sums = {}
    for kind, gpums, *_ in found["move"]:
        sums[kind] = sums.get(kind, 0) + int(gpums)
    charges = [m[3] for m in found["move"] if m[0] == "charge"]
    releases = sum(m[0] == "release" for m in found["move"])
    if len(charges) != len(set(charges)) or len(charges) > 1:
        yield f"{len(charges)} charges"
    if releases > 1:
        yield f"{releases} releases"
    out = sums.get("charge", 0) + sums.get("release", 0) - sums.get("refund", 0)
    if out != sums.get("hold", 0):
        yield f"of {sums.get('hold', 0)} held {out} are accounted for"

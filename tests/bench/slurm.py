# SPDX-License-Identifier: Apache-2.0
"""What Firefly costs on Slurm, and what runnerd costs with many jobs.

1. pass: runnerd's work each second with 10,000 jobs that run and 10,000 that wait, over the
   fake executor (pass_bench.c), and with a tenth and ten times as many. Gates at 10,000: a
   pass of 50 ms in the median, and memory that 1,000 passes leave as it was.
2. delay: one job after the other on an idle cluster, from the API's answer until slurmctld
   has the job, by its own log. Gate: a median of 150 ms. sbatch alone, from its start until
   the same line, is shown beside it.
3. jobs: one-second jobs on a private Slurm (four nodes): through the portal's API, the ledger,
   runnerd and runner-agent, beside sbatch of the same script as the same user, by turns and
   from as many clients. A turn lasts from the first submission until slurmctld has said of
   the last job that it is done, for both. Gate: 0.8 of the plain rate. How much later the last
   one is in our books is shown: that is some looks (SLURM_LOOK_MS) and Slurm's own delay until
   sacct knows, however many jobs there are. Until then a job's GPUs are not given to another,
   so the nodes have more of them here than such short jobs would use up meanwhile.

Needs root: a private Slurm needs names of its own.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from portal.embedded import people, process
from portal.embedded.stack import Stack

BUILD = pathlib.Path(os.environ["FIREFLY_BUILD"])
PASS_MS, GROWTH, RATIO, DELAY_MS = 50, 1.05, 0.8, 150
WHO = people.PEOPLE[0]
PROJECT = WHO.leads[0]
MANY_HOURS = 10_000_000
SCRIPT = "#!/bin/sh\nexec sleep {}\n"
LIVE = {1000: 1000, 10000: 1000, 100000: 30}  # jobs: passes
GATED_LIVE = 10000
TICKS = os.sysconf("SC_CLK_TCK")
LOOK_S = 0.5
# A job is scheduled as soon as it or room for it comes; slurmctld says when it has taken one.
SLURM_CONF = {"SchedulerParameters": "bf_interval=1,sched_interval=1,batch_sched_delay=0,"
                                     "sched_min_interval=0,default_queue_depth=1000",
              "SlurmctldDebug": "info", "LogTimeFormat": "iso8601_ms"}
TAKEN = re.compile(r"\[(\S+)\] _slurm_rpc_submit_batch_job: JobId=(\d+)")
DONE = re.compile(r"\[(\S+)\] _job_complete: JobId=(\d+) done")


# ---- pass

def run_pass(live, waiting, nodes, passes):
    args = map(str, (live, waiting, nodes, passes))
    done = subprocess.run([BUILD / "tests/pass_bench", *args], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        sys.exit(f"pass_bench: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure_passes():
    found = {live: run_pass(live, live, live // 8, passes) for live, passes in LIVE.items()}
    print(f"{'live':>8} {'waiting':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8} "
          f"{'load ms':>8} {'MiB before':>11} {'after':>6}")
    for live, f in found.items():
        p50, p99 = f["pass"]["p50_ms"], f["pass"]["p99_ms"]
        print(f"{live:>8} {f['waiting']:>8} {p50:>8.1f} {p99:>8.1f} {f['cpu_ms']:>8.1f} "
              f"{f['load_ms']:>8.0f} {f['before_kib'] / 1024:>11.1f} "
              f"{f['after_kib'] / 1024:>6.1f}")
    start = run_pass(0, GATED_LIVE, GATED_LIVE // 8, 1)
    print(f"{start['run']} jobs that find empty nodes: the first plan takes "
          f"{start['plan_ms']:.0f} ms, and all run after {start['answers_ms']:.0f} ms of "
          "runnerd's own work")
    return found[GATED_LIVE]


# ---- the site

class Bench:
    """A running site, a person's session in it, and a folder for what he submits himself."""

    def __init__(self, site, folder, options):
        self.site, self.slurm, self.options = site, site.slurm, options
        self.folder = folder / "plain"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        site.grant(PROJECT, MANY_HOURS)
        self.session = site.session(WHO.login, WHO.university)
        self.session.load_token()
        self.user = site.sql(
            "SELECT a.unix_name FROM account a JOIN person p ON p.id = a.person_id WHERE "
            f"p.login = '{WHO.login}' AND p.directory = '{WHO.university}'")[0][0]
        self.script = SCRIPT.format(options.sleep)
        self.request = {"project": PROJECT, "name": "bench", "gpus_per_node": 1,
                        "gpu_type": "a100", "time_limit": "10m", "script": self.script}

    def sbatch(self):
        """The job's number: what runnerd asks of Slurm for the same job, by the user."""
        return int(self.slurm.ok(
            "sbatch", "--parsable", "--no-requeue", "--nodes=1", "--ntasks=1",
            "--gres=gpu:a100:1", "--time=11", f"--output={self.folder}/%j.log",
            f"--chdir={self.folder}", text=self.script, user=self.user))


def new_site(folder, options):
    more = {"portal": {"connections_per_address": 4 * options.clients}}
    site = Stack(folder / "site", BUILD, template=BUILD / "mariadb-template", executor="slurm",
                 gpus=options.gpus, options=more)
    site.slurm.cpus = max(site.slurm.cpus, options.gpus)  # one for each job
    site.slurm.options = dict(SLURM_CONF, SlurmctldLogFile=str(log_of(site)))
    return site


def log_of(site):
    return site.slurm.folder / "log/events.log"


def times_of(event, site):
    """{Slurm's number of a job: when slurmctld said that of it}, in seconds."""
    return {int(number): datetime.datetime.fromisoformat(at).timestamp()
            for at, number in event.findall(log_of(site).read_text(errors="replace"))}


# ---- who uses the processor

def cpu_s(pid):
    """Of a process, and of those of its children that it has waited for."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def cpu_of(site):
    slurm = site.slurm
    used = {"mariadbd": cpu_s(site.pid("mariadb")), "slurmd": 0}
    for name in ("agent", "runnerd", "portald"):
        used[name] = cpu_s(site.pid(name))
    for name in slurm.order:
        used["slurmd" if name in slurm.nodes else name] = cpu_s(slurm.pid(name)) + (
            used["slurmd"] if name in slurm.nodes else 0)
    return used


def busy_s():
    """Of the whole machine, whoever it is."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, irq, soft = map(int, fields[:7])
    return (user + nice + system + irq + soft) / TICKS


# ---- jobs

def in_parallel(options, make, work):
    """work(own) for each job, by as many threads as there are clients, own being what make()
    gave the thread; what each returned."""
    left, lock, done = iter(range(options.jobs)), threading.Lock(), []

    def run():
        own = make()
        while True:
            with lock:
                if next(left, None) is None:
                    return
            done.append(work(own))
    with concurrent.futures.ThreadPoolExecutor(options.clients) as pool:
        for each in [pool.submit(run) for _ in range(options.clients)]:
            each.result()
    return done


def measured(b, submit, is_done):
    """One turn."""
    before, busy, begin = cpu_of(b.site), busy_s(), time.time()
    submit()
    submitted = time.time() - begin
    until = begin + 60 + 2 * b.options.jobs
    while not is_done():
        if time.time() > until:
            sys.exit(f"{b.options.jobs} jobs are not done after {until - begin:.0f} s:\n"
                     f"{b.site.log('runnerd')[-3000:]}")
        time.sleep(LOOK_S)  # each look is a process: more of them would cost what is measured
    end = time.time()
    done = [at for at in times_of(DONE, b.site).values() if at >= begin]
    if len(done) != b.options.jobs:
        sys.exit(f"slurmctld said of {len(done)} jobs that they are done, not of "
                 f"{b.options.jobs}; see {log_of(b.site)}")
    used = {name: s - before[name] for name, s in cpu_of(b.site).items()}
    return {"per_second": b.options.jobs / (max(done) - begin), "submitted_s": submitted,
            "later_s": end - max(done), "cpu_s": used,
            "busy": (busy_s() - busy) / (end - begin) / os.cpu_count()}


def run_ours(b):
    done = []

    def submit():
        done.extend(in_parallel(b.options, b.session.twin,
                                lambda own: own.submit_json(b.request)))

    def is_done():
        ended, completed = map(int, b.site.sql(
            "SELECT COUNT(ended_ms), COALESCE(SUM(state = 'completed'), 0) FROM job "
            f"WHERE id BETWEEN {min(done)} AND {max(done)}")[0])
        if ended != completed:
            sys.exit(f"{ended - completed} of our jobs ended badly:\n"
                     f"{b.site.log('runnerd')[-3000:]}")
        return completed == b.options.jobs
    return measured(b, submit, is_done)


def run_plain(b):
    return measured(b, lambda: in_parallel(b.options, lambda: None, lambda _: b.sbatch()),
                    lambda: not b.slurm.ok("squeue", "-h"))


def print_turns(turns):
    print(f"{'turn':>5} {'side':>6} {'jobs/s':>7} {'submitted in s':>15} {'known s later':>14} "
          f"{'CPU busy':>9}  CPU-seconds")
    for i, (side, t) in enumerate(turns):
        most = sorted(t["cpu_s"].items(), key=lambda pair: -pair[1])
        used = ", ".join(f"{name} {s:.1f}" for name, s in most)
        print(f"{i // 2 + 1:>5} {side:>6} {t['per_second']:>7.2f} {t['submitted_s']:>15.1f} "
              f"{t['later_s']:>14.1f} {t['busy']:>9.0%}  {used}")


def measure_jobs(b):
    turns = []
    for turn in range(b.options.turns):
        turns.append(("plain", run_plain(b)))
        turns.append(("ours", run_ours(b)))
        print(f"turn {turn + 1} of {b.options.turns} done", file=sys.stderr)
    print_turns(turns)
    rates = {s: statistics.median(t["per_second"] for side, t in turns if side == s)
             for s in ("plain", "ours")}
    return rates["plain"], rates["ours"]


# ---- delay

def numbers_of(b, jobs):
    """{our number: Slurm's} of first attempts."""
    rows = b.slurm.ok("squeue", "-h", "-t", "all", "-o", "%j %A").splitlines()
    found = dict(row.split() for row in rows)
    return {job: int(found[f"firefly-{job}-1"]) for job in jobs}


def measure_delay(b):
    """Medians in ms: ours from the API's answer, sbatch's from its start."""
    answered, started = {}, {}
    for _ in range(b.options.singles):
        job = b.session.submit_json(b.request)
        answered[job] = time.time()
        b.session.wait_job(job)
        now = time.time()
        started[b.sbatch()] = now
        process.wait_until(lambda: not b.slurm.ok("squeue", "-h"), 60, what="sbatch's job")
    numbers, taken = numbers_of(b, answered), times_of(TAKEN, b.site)
    ours = [taken[numbers[job]] - at for job, at in answered.items()]
    plain = [taken[number] - at for number, at in started.items()]
    return tuple(statistics.median(side) * 1000 for side in (ours, plain))


def measure_slurm(options):
    with tempfile.TemporaryDirectory(prefix="ffb", dir="/tmp") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        with new_site(folder, options) as site:
            b = Bench(site, folder, options)
            delay = measure_delay(b)
            print(f"submit to Slurm's queue: median {delay[0]:.0f} ms after the API's answer; "
                  f"sbatch alone {delay[1]:.0f} ms")
            return delay, measure_jobs(b)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000, help="of each side and turn (1000)")
    parser.add_argument("--sleep", type=float, default=1, help="seconds of each job (1)")
    parser.add_argument("--turns", type=int, default=2, help="medians are over so many (2)")
    parser.add_argument("--clients", type=int, default=8, help="that submit at once (8)")
    parser.add_argument("--gpus", type=int, default=64, help="of each of the four nodes (64)")
    parser.add_argument("--singles", type=int, default=20, help="jobs for the delay (20)")
    parser.add_argument("--only", choices=["pass", "jobs"], help="one part, without a verdict")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("tests/bench/run slurm: a private Slurm with users needs root")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    if options.only != "jobs":
        passes = measure_passes()
    if options.only != "pass":
        delay, rates = measure_slurm(options)
    if options.only:
        return
    ratio = rates[1] / rates[0]
    growth = passes["after_kib"] / passes["before_kib"]
    print(f"completed per second: plain {rates[0]:.2f}, ours {rates[1]:.2f}: {ratio:.2f} of it")
    scores = {"pass": PASS_MS / max(passes["pass"]["p50_ms"], 0.001), "memory": GROWTH / growth,
              "ratio": ratio / RATIO, "delay": DELAY_MS / max(delay[0], 1)}
    print(json.dumps({"bench": "slurm", "jobs": options.jobs,
                      "pass_ms": round(passes["pass"]["p50_ms"], 2),
                      "pass_p99_ms": round(passes["pass"]["p99_ms"], 2),
                      "pass_cpu_ms": round(passes["cpu_ms"], 2), "growth": round(growth, 3),
                      "plain_per_second": round(rates[0], 2), "per_second": round(rates[1], 2),
                      "ratio": round(ratio, 3), "delay_ms": round(delay[0], 1),
                      "sbatch_ms": round(delay[1], 1),
                      "gates": {k: round(v, 3) for k, v in scores.items()},
                      "score": round(min(scores.values()), 3)}))
    sys.exit(min(scores.values()) < 1)


main()

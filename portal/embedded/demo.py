# SPDX-License-Identifier: Apache-2.0
"""The demonstration behind portal/demo: a whole site, one real job before your eyes, then it
serves.

What happens is told in plain words; with --once it ends afterwards, and the last line is JSON
for a program that called it. Everything it shows comes from the site itself: the web form, the
log's stream, the job's files, the command `quota`. With --slurm the jobs go through a real Slurm
that is started for it, one of them to two nodes."""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sys
import time

from . import people
from .layout import ROOT, StackError
from .session import Refused
from .slurm import SlurmError
from .stack import Stack

WISHED_PORT = 8443
EXAMPLES = pathlib.Path(__file__).resolve().parent / "example"
GPUS, NODES, TIME_LIMIT = 2, 2, "10m"


class Say:
    """Lines for a person; colour only where a person looks."""
    bold, dim, red, green, plain = ("\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[0m") \
        if sys.stdout.isatty() else ("",) * 5

    def step(self, text):
        print(f"{self.bold}==> {text}{self.plain}", flush=True)

    def detail(self, text):
        for line in text.rstrip("\n").split("\n"):
            print(f"    {line}", flush=True)

    def faint(self, text):
        print(f"    {self.dim}{text}{self.plain}", flush=True)

    def warn(self, text):
        print(f"{self.red}{text}{self.plain}", flush=True)


say = Say()


def default_state(executor="local"):
    """One for each clone, so that two clones do not meet, and one for each executor. As root not
    below /root, which is closed to the users that the daemons run as."""
    clone = f"demo-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
    clone += "" if executor == "local" else f"-{executor}"
    if os.geteuid() == 0:
        return pathlib.Path("/var/lib/firefly") / clone
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return pathlib.Path(home) / "firefly" / clone


def arguments():
    parser = argparse.ArgumentParser(
        prog="portal/demo", description="Runs a whole Firefly site on this machine: database, "
        "directory, daemons, one real job.")
    parser.add_argument("--once", action="store_true",
                        help="end after the job; the last line is JSON")
    parser.add_argument("--reset", action="store_true", help="forget what earlier runs left")
    parser.add_argument("--slurm", action="store_const", dest="executor", const="slurm",
                        default="local", help="run the jobs on a Slurm of its own: four nodes "
                        "with eight declared GPUs each, all on this machine")
    parser.add_argument("--state", type=pathlib.Path, metavar="DIR",
                        help=f"where everything is kept ({default_state()})")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release",
                        help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.state = options.state or default_state(options.executor)
    return options


def remove_state(folder):
    """Only what is ours: a folder that a site was made in."""
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / "lock").exists():
        raise StackError(f"{folder} holds something else; --reset removes only a site's folder")
    shutil.rmtree(folder)


def tell_identities(site):
    if site.is_root:
        say.detail(f"portald runs as uid {site.portal_uid}, runnerd as {site.runner_uid}, jobs "
                   f"from {site.first_job_uid} on, each person's under an own uid")
    else:
        say.warn(f"    Not root: every process and every job runs as uid {os.geteuid()}. A job "
                 "can read everybody's files. Fine for looking, never for a site.")


def show_log(session, job):
    """The log as it is written."""
    rest = ""
    for piece in session.follow_log(job):
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            say.detail(f"| {line}")
    if rest:
        say.detail(f"| {rest}")


def run_job(site, session, example, **fields):
    """Submits an example as a browser would, and shows it. Returns the finished job."""
    fields = {"gpu_type": site.gpu_type, "time_limit": TIME_LIMIT, **fields}
    job = session.submit(script=(EXAMPLES / example).read_text(), **fields)
    placed = session.job(job)
    nodes = f" on each of {placed['nodes']} nodes" if placed["nodes"] > 1 else ""
    say.detail(f"job {job}: {placed['gpus_per_node']} GPUs{nodes} for at most {TIME_LIMIT} in "
               f"project {fields['project']}; holds {hours(placed['hold_gpums'])} GPU-hours. "
               f"{site.url}/jobs/{job}")
    say.step("Its log, as it runs")
    show_log(session, job)
    done = session.wait_job(job)
    say.step(f"The job is {done['state']}")
    return done


def run_jobs(site, who):
    """The training, and past one machine a job on several nodes. Returns the finished jobs."""
    session, project = site.session(who.login, who.university), who.leads[0]
    say.step(f"{who.name} logs in at {site.url} and submits a job in the web form")
    done = [run_job(site, session, "train.py", project=project, gpus_per_node=GPUS,
                    name="train a small language model")]
    if done[0]["state"] == "completed":
        show_result(session, done[0]["id"])
    if site.slurm:
        say.step(f"And one whose processes are on {NODES} nodes")
        done.append(run_job(site, session, "together.py", project=project, gpus_per_node=GPUS,
                            name="pi, together", kind="distributed", nodes=NODES))
    return done


def show_result(session, job):
    result = json.loads(session.fetch(job, "result.json"))
    say.detail(f"result.json, fetched through the portal: loss {result['first_loss']} -> "
               f"{result['last_loss']} after {result['steps']} steps; the model writes:")
    for text in result["samples"]:
        say.detail(f"  {text}")


def hours(gpums):
    return f"{gpums / 3600000:.4f}"


def show_books(site, jobs):
    """The charge and the month's report; True if the books hold."""
    say.step("What it cost")
    for done in jobs:
        charged, held = done["charged_gpums"], done["hold_gpums"]
        say.detail(f"charged {charged} GPU-milliseconds, that is {hours(charged)} GPU-hours of "
                   f"the {hours(held)} held; the rest is free again")
    say.step("The month's report: quota report month")
    say.detail(site.quota("report", "month").stdout)
    verified = site.quota("verify", is_checked=False)
    say.step("Are the books right? quota verify")
    say.detail(verified.stdout or verified.stderr)
    return verified.returncode == 0


def tell_where(site):
    say.step(f"Serving at {say.green}{site.url}{say.plain}")
    say.detail(f"The certificate is signed by {site.ca}; your browser will ask about it.")
    for person in people.PEOPLE:
        belongs = ", ".join([f"leads {p}" for p in person.leads] +
                            [f"member of {p}" for p in person.projects]) or "no project yet"
        say.detail(f"{site.universities[person.university].title:26} login {person.login:6} "
                   f"password {person.password:12}  {belongs}")
    say.detail(f"For the administrator: {site.program('quota')} --config {site.conf} --help")
    say.step("Ctrl-C ends everything")


def serve(site):
    try:
        tell_where(site)
        while True:
            signal.pause()
    except KeyboardInterrupt:
        say.step("Ending everything")


def tell_servers(site):
    servers = "MariaDB and slapd of its own"
    if site.slurm:
        servers = (f"MariaDB, slapd and a Slurm of its own with {len(site.slurm.nodes)} nodes of "
                   f"{site.gpus} declared {site.gpu_type}")
    say.detail(f"running: {servers}, runner-agent, runnerd, portald")


def summary_of(jobs, holds, begin):
    """The first job, and how many nodes the largest had."""
    done = jobs[0]
    summary = {"job": done["id"], "state": done["state"],
               "charged_gpums": done["charged_gpums"], "verify": "ok" if holds else "failed",
               "executor": done["executor"], "seconds": round(time.monotonic() - begin, 1)}
    if len(jobs) > 1:
        summary["nodes"] = max((j["nodes"] for j in jobs if j["state"] == "completed"), default=0)
    return summary


def run(options, begin):
    if options.reset:
        remove_state(options.state)
    is_new = not options.state.exists()
    say.step(f"{'Making' if is_new else 'Going on with'} the site in {options.state}")
    site = Stack(options.state, options.build, port=WISHED_PORT, executor=options.executor,
                 template=options.build / "mariadb-template")
    with site:
        tell_servers(site)
        tell_identities(site)
        jobs = run_jobs(site, people.PEOPLE[0])
        holds = show_books(site, jobs)
        is_good = all(done["state"] == "completed" for done in jobs) and holds
        summary = summary_of(jobs, holds, begin)
        if not options.once:
            serve(site)
    if options.once:
        print(json.dumps(summary))
    return 0 if is_good else 1


def stop_in_order(*_):
    """Once: who is impatient must not cut off the ending."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    begin = time.monotonic() - float(os.environ.get("FIREFLY_DEMO_SECONDS", 0))
    signal.signal(signal.SIGINT, stop_in_order)
    signal.signal(signal.SIGTERM, stop_in_order)
    try:
        sys.exit(run(arguments(), begin))
    except (StackError, SlurmError, Refused, AssertionError) as e:
        say.warn(f"portal/demo: {e}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

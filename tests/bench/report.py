# SPDX-License-Identifier: Apache-2.0
"""Reports of a month of a million jobs in a thousand projects, and the pages of jobs over them.

A site whose tables are empty but for one page of jobs is measured first: the page of a job and the
lists of jobs, which so show as many rows as later. Then report_fill.sql adds a million jobs with all
that belongs to them (the flow test of reports proves that `quota verify` finds such a site sound), the
person gets a project's worth of them, and the same pages are measured again. Then `report month` and
the whole set, with the peak memory of the command.

Gates: report month 5 s, the set 60 s, 128 MiB for both, and each page's p99 within 3 times that of
the empty site.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from portal.embedded import people
from portal.embedded.stack import Stack

BUILD = pathlib.Path(os.environ["FIREFLY_BUILD"])
FILL = pathlib.Path(__file__).resolve().parent / "report_fill.sql"
WHO = people.PEOPLE[0]
PROJECT = WHO.leads[0]
BASE = 1_000_000  # above the numbers of the site's own people, projects and jobs
REPORT_S, SET_S, MEMORY_MIB, PAGE_RATIO = 5, 60, 128, 3
PAGE_ROWS = 101  # one more than the longest page shows
REQUEST = {"project": PROJECT, "name": "bench", "gpus_per_node": 1, "time_limit": "1h",
           "command": ["/bin/true"]}
# What a site of this size would give its database; the tables have some 2.5 GiB.
FLAGS = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=256M"]


# ---- pages

def measure_page(site, session, folder, path, seconds):
    """{"p50_ms": …, "p99_ms": …} of one page, over and over on one connection."""
    request = folder / "request"
    cookies = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
    request.write_text(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n"
                       f"Cookie: {cookies}\r\n\r\n")
    done = subprocess.run([BUILD / "tests/http_bench", str(site.port), request, "1", str(seconds)],
                          capture_output=True, text=True, check=False)
    figures = json.loads(done.stdout or "{}")
    if done.returncode or not figures.get("p99_ms"):
        sys.exit(f"http_bench {path}: exit {done.returncode}: {done.stderr.strip()} {figures}")
    return figures


def measure_pages(site, session, folder, job, options):
    """{what: (p50, p99)} in milliseconds, medians over the turns."""
    paths = {"job page": f"/jobs/{job}", "own jobs": "/jobs", "projects' jobs": "/jobs?of=projects",
             "running jobs": "/jobs?of=projects&state=running",
             "API list": "/api/v1/jobs?limit=50"}
    found = {}
    for what, path in paths.items():
        runs = [measure_page(site, session, folder, path, options.seconds)
                for _ in range(options.turns)]
        found[what] = tuple(statistics.median(run[k] for run in runs) for k in ("p50_ms", "p99_ms"))
    return found


# ---- filling

def fill(site, options):
    """Returns the month and a job of the person's in the middle of all."""
    month = int(site.sql("SELECT MAX(month) FROM month WHERE month < (SELECT MAX(month) FROM month"
                         " WHERE from_ms < (SELECT MAX(from_ms) FROM month WHERE from_ms <="
                         " UNIX_TIMESTAMP() * 1000))")[0][0])
    site.sql(f"SET @base = {BASE}, @jobs = {options.jobs}, @projects = {options.projects},"
             f" @people = 5, @month = {month};" + FILL.read_text())
    who = int(site.sql(f"SELECT id FROM person WHERE login = '{WHO.login}' AND directory ="
                       f" '{WHO.university}'")[0][0])
    project = BASE + options.projects // 2
    site.sql(f"INSERT INTO member (project_id, person_id, since_ms) VALUES ({project}, {who}, 1);"
             f"UPDATE transfer x JOIN job j ON j.id = x.job_id SET x.person_id = {who}"
             f" WHERE j.project_id = {project};"
             f"UPDATE job SET person_id = {who} WHERE project_id = {project};"
             f"ANALYZE TABLE job, transfer, event, attempt")
    job = int(site.sql(f"SELECT id FROM job WHERE person_id = {who} ORDER BY id DESC"
                       f" LIMIT 1 OFFSET {options.jobs // options.projects // 2}")[0][0])
    return f"{month // 100}-{month % 100:02d}", job


def settle(site, seconds=300):
    """Waits until the server has written and purged what the filling left: no site has that."""
    site.sql("SET GLOBAL innodb_max_dirty_pages_pct = 0")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        left = dict(site.sql("SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_history_list_length',"
                             " 'Innodb_buffer_pool_pages_dirty')"))
        if all(int(n) < 1000 for n in left.values()):
            break
        time.sleep(0.5)  # the server tells nobody that it is done
    site.sql("SET GLOBAL innodb_max_dirty_pages_pct = 90")


# ---- reports

def run_report(site, *args):
    """(seconds, MiB at most) of one run of the command."""
    begin = time.monotonic()
    child = subprocess.Popen([BUILD / "quota", "report", "month", *map(str, args), "--config",
                              site.conf], stdout=subprocess.DEVNULL, env=site.environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"quota report month {args}: exit {child.returncode}")
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def measure_reports(site, folder, month, options):
    target = folder / "set"
    target.mkdir()
    runs = [run_report(site, month) for _ in range(options.turns)]
    whole = run_report(site, month, "--all", "--out", target)
    sizes = sum(path.stat().st_size for path in target.iterdir())
    return {"report_s": statistics.median(run[0] for run in runs), "set_s": whole[0],
            "memory_mib": max(run[1] for run in [*runs, whole]), "set_mib": sizes / 2 ** 20}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="(1,000,000)")
    parser.add_argument("--projects", type=int, default=1000, help="(1000)")
    parser.add_argument("--turns", type=int, default=3, help="medians are over so many (3)")
    parser.add_argument("--seconds", type=int, default=5, help="for each page and turn (5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ffb", dir="/tmp") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        site = Stack(folder / "site", BUILD, template=BUILD / "mariadb-template")
        site.database.flags += FLAGS
        with site:
            session = site.session(WHO.login, WHO.university)
            job = session.submit_json(REQUEST)
            session.wait_job(job)
            site.stop_one("runnerd")
            for _ in range(PAGE_ROWS):
                session.submit_json(REQUEST)
            before = measure_pages(site, session, folder, job, options)
            begin = time.monotonic()
            month, job = fill(site, options)
            print(f"filled with {options.jobs} jobs in {time.monotonic() - begin:.0f} s",
                  file=sys.stderr)
            settle(site)
            after = measure_pages(site, session, folder, job, options)
            figures = measure_reports(site, folder, month, options)
    ratios = {what: after[what][1] / before[what][1] for what in after}
    print(f"{'page':<16} {'empty p50':>10} {'p99 ms':>8} {'many p50':>10} {'p99 ms':>8} {'ratio':>7}")
    for what, ratio in ratios.items():
        print(f"{what:<16} {before[what][0]:>10.2f} {before[what][1]:>8.2f} "
              f"{after[what][0]:>10.2f} {after[what][1]:>8.2f} {ratio:>7.2f}")
    print(f"report month {figures['report_s']:.2f} s, the set {figures['set_s']:.1f} s "
          f"({figures['set_mib']:.0f} MiB), memory at most {figures['memory_mib']:.0f} MiB")
    worst = max(ratios.values())
    scores = {"report": REPORT_S / figures["report_s"], "set": SET_S / figures["set_s"],
              "memory": MEMORY_MIB / figures["memory_mib"], "pages": PAGE_RATIO / worst}
    print(json.dumps({"bench": "report", **{k: round(v, 2) for k, v in figures.items()},
                      "page_ratio": round(worst, 2),
                      "gates": {k: round(v, 3) for k, v in scores.items()},
                      "score": round(min(scores.values()), 3)}))
    sys.exit(min(scores.values()) < 1)


main()

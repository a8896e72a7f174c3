# SPDX-License-Identifier: Apache-2.0
"""Holds and settles per second, beside a client that does no more than the arithmetic.

Ours: job, request, event, hold and transfer are written, then attempt and job are ended with their
events and transfers. 1, 16 and 64 clients in closed loop wait as the programs let them wait: what
comes while a transaction is under way is done together in the next one (as portald's workers place
and runnerd's journal settles), and a client that is alone calls ledger_place() and ledger_settle().
Bare: each client for itself, with prepared statements, a conditional UPDATE and an INSERT in one
transaction for the hold and one for the settle, in tables of the same shape on the same server with
the same durability. By turns, on one hot project and on 100. What handing over between a program's
loop and its workers costs is in neither.

Gates: 0.7 of the bare rate on the hot project, 0.8 on 100; and with the submits that wait placed
together (64 in one transaction) more holds than the bare client's on the hot one.
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/flow"), str(ROOT)]
from books import Books  # noqa: E402

BENCH = pathlib.Path(os.environ["FIREFLY_BUILD"]) / "tests/ledger_bench"
CLIENTS = (1, 16, 64)
GATES = {"hot": 0.7, "spread": 0.8, "many": 1.0}
PROJECTS = {"hot": 1, "spread": 100}
HOURS = 100_000_000
# Of the size a site would give it: neither side waits for a log that is full.
FLAGS = ("--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M")

BARE = """
CREATE TABLE bare_budget (
    id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    free BIGINT NOT NULL DEFAULT 0, held BIGINT NOT NULL DEFAULT 0, used BIGINT NOT NULL DEFAULT 0,
    CHECK (free >= 0 AND held >= 0 AND used >= 0));
CREATE TABLE bare_transfer LIKE transfer;
ALTER TABLE bare_transfer
    ADD FOREIGN KEY (debit_budget) REFERENCES bare_budget (id),
    ADD FOREIGN KEY (credit_budget) REFERENCES bare_budget (id);
INSERT INTO bare_budget (free) SELECT 1000000000000000 FROM seq_1_to_100;
GRANT SELECT, INSERT, UPDATE ON firefly.bare_budget TO firefly_portal@localhost;
GRANT SELECT, INSERT, UPDATE ON firefly.bare_transfer TO firefly_portal@localhost;
"""


def furnish(books):
    """100 projects of one person, each with all the GPU-hours it can spend; returns the person."""
    books.write("tenant", "add", "north", "--title", "University of the North")
    books.write("price", "set", "h100", "1")
    person = books.person("alice")
    for i in range(max(PROJECTS.values())):
        books.write("project", "add", f"p{i}", "--tenant", "north", "--title", "A project")
        books.write("member", "add", f"p{i}", "alice@north")
        books.write("grant", f"p{i}", HOURS, "--from", "2020-01-01", "--until", "2090-01-01")
    books.sql(BARE)
    return person


def run(books, person, side, clients, where, seconds):
    done = subprocess.run([str(a) for a in (BENCH, books.conf, side, clients, seconds, PROJECTS[where],
                                            person, books.mariadb.pid)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"ledger_bench {side} {clients} {where}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(books, person, options):
    """{(where, clients): {side: [figures …]}}, by turns."""
    cases = {(where, n): ("ours", "bare") for where in PROJECTS for n in CLIENTS}
    cases["hot", CLIENTS[-1]] = ("ours", "bare", "many")
    results = {case: {side: [] for side in sides} for case, sides in cases.items()}
    for side in ("many", "bare"):  # the tables grow out of their first pages
        run(books, person, side, 16, "spread" if side == "bare" else "hot", options.seconds)
    for turn in range(options.turns):
        for (where, n), sides in cases.items():
            for side in sides if turn % 2 == 0 else reversed(sides):
                results[where, n][side].append(run(books, person, side, n, where, options.seconds))
        print(f"turn {turn + 1} of {options.turns} done", file=sys.stderr)
    return results


def syncs_per_second(folder):
    """What the disk under the server does one after the other, as its log does."""
    with tempfile.TemporaryFile(dir=folder) as file:
        count, end = 0, time.monotonic() + 1
        while time.monotonic() < end:
            os.pwrite(file.fileno(), b"x" * 512, count % 64 * 512)
            os.fdatasync(file.fileno())
            count += 1
    return count


def middle(runs, name):
    return statistics.median(r[name] for r in runs)


def print_table(results):
    """Returns {gate: the worst ratio}."""
    worst = dict.fromkeys(GATES, float("inf"))
    print(f"{'project':>8} {'clients':>8} {'side':>5} {'holds/s':>8} {'settles/s':>9} {'both/s':>8} "
          f"{'ratio':>6} {'CPU us each':>12} {'CPUs busy':>10}")
    for (where, n), sides in results.items():
        for side, runs in sides.items():
            rate = "holds_per_second" if side == "many" else "per_second"
            ratio = middle(runs, rate) / middle(sides["bare"], rate)
            print(f"{where:>8} {n:>8} {side:>5} {middle(runs, 'holds_per_second'):>8.0f} "
                  f"{middle(runs, 'settles_per_second'):>9.0f} {middle(runs, 'per_second'):>8.0f} "
                  f"{ratio:>6.2f} {middle(runs, 'cpu_us_each'):>12.0f} "
                  f"{middle(runs, 'cpus_busy'):>10.2f}")
            if side != "bare":
                gate = "many" if side == "many" else where
                worst[gate] = min(worst[gate], ratio)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="medians are over so many (5)")
    parser.add_argument("--seconds", type=int, default=1, help="of holding in each run (1)")
    options = parser.parse_args()
    books = Books(flags=FLAGS)
    try:
        person = furnish(books)
        results = measure(books, person, options)
        syncs = syncs_per_second(books.folder)
        verified = books.quota("verify")
    finally:
        books.close()
    worst = print_table(results)
    alone = results["spread", CLIENTS[0]]["ours"]
    crowd = results["spread", CLIENTS[-1]]["ours"]
    cores = len(os.sched_getaffinity(0))
    commits = 2 * middle(alone, "per_second")
    print(f"one client: {commits:.0f} commits/s are {100 * commits / syncs:.0f} % of the disk's {syncs} "
          f"syncs/s; {CLIENTS[-1]} clients: {100 * middle(crowd, 'cpus_busy') / cores:.0f} % of {cores} "
          "CPUs, client and server together")
    print(verified.out.strip())
    scores = {gate: worst[gate] / bound for gate, bound in GATES.items()}
    print(json.dumps({"bench": "ledger", "ratios": {k: round(v, 3) for k, v in worst.items()},
                      "ratio_of_each": {f"{where}_{n}": round(middle(sides["ours"], "per_second")
                                                              / middle(sides["bare"], "per_second"), 3)
                                        for (where, n), sides in results.items()},
                      "syncs_per_second": syncs, "commits_per_second_of_one": round(commits),
                      "books_balance": verified.code == 0,
                      "gates": {k: round(v, 3) for k, v in scores.items()},
                      "score": round(min(scores.values()), 3)}))
    sys.exit(min(scores.values()) < 1 or verified.code != 0)


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The crash matrix: every step of a job's life under every fault (matrix_cells.py has them).

    test_matrix.py                              all lanes, side by side
    FIREFLY_CELL=fake:claim/kill-runnerd@store.asking test_matrix.py
                                                one cell alone
    FIREFLY_MATRIX=slurm test_matrix.py         with a real Slurm: long

After each cell: no acknowledged job is lost, none ran twice, none without a hold, one
settlement, charged what it ran within a second, nothing left of it, quiet within 30 s."""
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import unittest

import sites
from matrix_cells import LANES, LEFT_OUT, TAKEOVER
from matrix_rounds import Rounds
from matrix_site import MatrixSite
from matrix_takeover import Takeovers

from portal.embedded import process

TOGETHER = 11     # sites at once: most of their time they wait
LANE_S = 500
CELLS_MIN = 90
ONE = os.environ.get("FIREFLY_CELL", "")

if os.environ.get("FIREFLY_MATRIX") == "slurm":
    from matrix_slurm import SlurmMatrix  # noqa: F401: unittest finds it


def say(**what):
    print("MATRIX " + json.dumps(what), flush=True)


def run_lane(name):
    """In a process of its own; what it finds are lines of its output."""
    lane = LANES[name]
    cells = {c: n for c, n in lane.names().items() if ONE in ("", n)}
    with MatrixSite(lane) as m:
        rounds = Takeovers(m) if name == TAKEOVER else Rounds(m)
        rounds.do_all(cells, say)
        quiet = rounds.check_quiet()
        verify = m.site.quota("verify", is_checked=False)
        if verify.returncode:
            quiet.append(f"quota verify: {verify.stdout}{verify.stderr}")
        logs = {n: m.site.log(n)[-8000:] for n in ("runnerd", "agent", "portald")}
    say(lane=name, wrong=quiet + m.complaints, logs=logs)


@unittest.skipIf(os.environ.get("FIREFLY_MATRIX") == "slurm", "only the cells with Slurm")
class Matrix(unittest.TestCase):
    def test_every_cell_holds(self):
        names = {n: [c for c in lane.names().values() if ONE in ("", c)]
                 for n, lane in LANES.items()}
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ffm", dir="/tmp"))
        self.addCleanup(shutil.rmtree, folder)
        found = run_side_by_side([n for n in names if names[n]], folder)
        passed = [f for f in found if "cell" in f and not f["wrong"]]
        cells = sum(map(len, names.values()))
        self.assertGreater(cells, 0, f"FIREFLY_CELL={ONE}: there is no such cell")
        report(found, len(passed), cells)
        self.assertEqual(len(passed), cells)
        self.assertTrue(all(not f["wrong"] for f in found))
        if not ONE:
            self.assertGreaterEqual(cells, CELLS_MIN)


def run_side_by_side(names, folder):
    """All that the lanes said."""
    waiting, running, found = list(names), {}, []
    while waiting or running:
        while waiting and len(running) < TOGETHER:
            name = waiting.pop(0)
            child = process.start([sys.executable, "-W", "ignore", __file__, "--lane", name],
                                  folder / name, env=dict(os.environ))
            running[name] = (child, time.monotonic() + LANE_S)
        for name, (child, until) in list(running.items()):
            if child.poll() is None and time.monotonic() > until:
                process.stop(child, 30)
            if child.poll() is not None:
                del running[name]
                found += said(name, folder / name, child.returncode)
        time.sleep(0.05)
    return found


def said(name, path, status):
    text = path.read_text(errors="replace")
    found = [json.loads(line[7:]) for line in text.splitlines() if line.startswith("MATRIX ")]
    if status or not any("lane" in f for f in found):
        found.append({"lane": name, "wrong": [f"it ended with {status}: {text[-3000:]}"]})
    return found


def report(found, passed, cells):
    for f in found:
        for text in f["wrong"]:
            print(f"WRONG {f.get('cell') or 'lane ' + f['lane']}: {text}")
    for f in found:
        if f["wrong"] and "logs" in f:
            print(*(f"---- {n}\n{t}" for n, t in f["logs"].items()), sep="\n")
    for f in found:
        if "note" in f:
            print(f["note"])
    print(f"{passed} cells passed of {cells}")
    for what, why in LEFT_OUT:
        print(f"left out: {what}: {why}")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--lane"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        run_lane(sys.argv[2])
    else:
        sites.main()

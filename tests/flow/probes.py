# SPDX-License-Identifier: Apache-2.0
"""The program ledger_probe: every function of the ledger, called by a script."""
import json
import pathlib
import subprocess

from books import BUILD

PLACE = ("placed", "same", "other_content", "no_budget", "no_allocation", "no_project",
         "closed", "disabled", "no_price", "too_long", "type_refused", "too_many_gpus",
         "too_many_waiting")
POSTING = ("done", "same", "other_content", "no_allocation", "no_project", "no_job",
           "no_person", "closed", "too_little", "nothing", "over", "too_long", "wrong_month",
           "too_much")
CHANGE = ("done", "same", "other_content")
MONTH = (*CHANGE, "closed", "not_over", "too_early", "gap", "uncharged")
POSTINGS = ("open", "grant", "revoke", "transfer", "refund", "adjust", "expire", "share",
            "extend")
NAMES = {"place": PLACE, "close": MONTH, "release": CHANGE, "reconcile": CHANGE,
         **{op: POSTING for op in POSTINGS}}


class Refused(Exception):
    """An error, not an answer: what is in args is (negative errno, sentence)."""


class Probe:
    """One caller with a connection of each role."""

    def __init__(self, conf):
        self.process = subprocess.Popen([pathlib.Path(BUILD) / "tests/ledger_probe", conf],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def ask(self, op, **what):
        """The answer's name, number, moved and there."""
        self.process.stdin.write(json.dumps({"op": op, **what}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"ledger_probe ended at {op} {what}")
        got = json.loads(line)
        if got["r"] < 0:
            raise Refused(got["r"], got["error"])
        names = NAMES.get(op, ("done",))
        return {**got, "answer": names[got["answer"]]}

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

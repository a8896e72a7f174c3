# SPDX-License-Identifier: Apache-2.0
"""The cells of the crash matrix: at which step of a job's life, what, to whom, and where exactly.

A cell's name is EXECUTOR:STEP/FAULT-VICTIM@PLACE. The place is a point that a program passes
(FP("…") in the sources): the program waits there for the fault. Without one the fault comes when
the step is reached, whatever goes on. Cells of one lane share a site and run one after the other;
lanes run side by side."""
import dataclasses

BOTH = ("kill", "stop")


@dataclasses.dataclass(frozen=True)
class Cell:
    step: str    # a method of matrix_rounds.Rounds
    fault: str   # kill, stop (5 s), cut (the connection), full (the folder), twice (the message)
    victim: str  # a program, a folder or a message
    at: str = ""

    @property
    def name(self):
        return f"{self.step}/{self.fault}-{self.victim}" + (f"@{self.at}" if self.at else "")


@dataclasses.dataclass(frozen=True)
class Lane:
    """executor "local": real processes; "fake": the jobs are plays, which begin start_s after
    they were asked for. folders: those that lie on small file systems of their own."""
    executor: str
    cells: tuple
    start_s: int = 0
    folders: tuple = ()

    def names(self):
        return {cell: f"{self.executor}:{cell.name}" for cell in self.cells}


def grid(step, places, victims, faults=BOTH):
    return tuple(Cell(step, fault, victim, at)
                 for at in places for victim in victims for fault in faults)


WRITING = ("store.asking", "store.answered")
CLEANING = ("forget.asking", "forget.answered")
SERVERS = ("runnerd", "mariadb", "portald")
CUT = ("cut",)

LANES = {
    "submit": Lane("fake", (
        *grid("submit", ("place.asking", "place.answered"), SERVERS),
        *grid("submit", ("place.asking", "place.answered"), ("portals-database",), CUT),
        Cell("submit", "twice", "key"), Cell("submit", "twice", "knock"),
        *grid("exit", ("",), SERVERS),
        *grid("exit", ("",), ("database",), CUT))),
    "claim": Lane("fake", (
        *grid("claim", WRITING, SERVERS),
        *grid("claim", WRITING, ("database",), CUT),
        *grid("launch", ("launch.asking", "launch.answered"), ("runnerd", "mariadb")),
        *grid("launch", ("launch.answered",), ("portald",)),
        *grid("launch", ("launch.answered",), ("database",), CUT),
        Cell("launch", "twice", "knock", "launch.answered"))),
    "run": Lane("fake", (
        *grid("run", WRITING, ("runnerd", "mariadb")),
        *grid("run", ("",), SERVERS),
        *grid("run", WRITING, ("database",), CUT),
        Cell("run", "twice", "knock", "store.answered"),
        *grid("requeue", WRITING, ("runnerd", "mariadb")),
        *grid("requeue", WRITING, ("database",), CUT)), start_s=1),
    "settle": Lane("fake", (
        *grid("settle", WRITING, ("runnerd", "mariadb")),
        *grid("settle", WRITING, ("database",), CUT),
        *grid("settle", ("store.answered",), ("portald",)),
        *grid("settle", CLEANING, ("runnerd", "mariadb")),
        Cell("settle", "twice", "knock", "store.answered"))),
    "cancel": Lane("fake", (
        *grid("cancel", ("cancel.asking", "cancel.answered"), SERVERS),
        *grid("cancel", ("stop.asking", "stop.answered"), ("runnerd", "mariadb")),
        *grid("cancel", ("cancel.asking",), ("portals-database",), CUT),
        *grid("cancel", ("stop.asking",), ("database",), CUT),
        Cell("cancel", "twice", "request"))),
    "requeue": Lane("fake", (
        *grid("requeue", CLEANING, ("runnerd", "mariadb")),
        *grid("requeue", WRITING, ("portald",)),
        *grid("requeue", ("forget.answered",), ("database",), CUT)), start_s=1),
    "agent": Lane("local", (
        *grid("submit", ("place.asking",), ("agent",)),
        *grid("claim", WRITING, ("agent",)),
        *grid("launch", ("launch.asking", "agent.start", "agent.started"), ("agent",)),
        *grid("launch", ("agent.start", "agent.started"), ("agents-socket",), CUT),
        *grid("run", ("",), ("agent",)),
        *grid("run", ("",), ("agents-socket",), CUT),
        *grid("exit", ("",), ("agent",)),
        *grid("exit", ("",), ("agents-socket",), CUT),
        *grid("settle", ("forget.asking", "agent.clean"), ("agent",)),
        *grid("settle", ("agent.clean",), ("agents-socket",), CUT),
        *grid("cancel", ("stop.asking", "agent.stop"), ("agent",)),
        *grid("cancel", ("agent.stop",), ("agents-socket",), CUT),
        Cell("launch", "twice", "start"))),
    "keeper": Lane("local", (
        *grid("launch", ("birth.keeper", "birth.entry"), ("keeper",)),
        *grid("launch", ("birth.task",), ("task",)),
        *grid("run", ("",), ("keeper", "task")),
        *grid("exit", ("",), ("keeper", "task")),
        *grid("cancel", ("",), ("keeper", "task")),
        *grid("requeue", ("birth.entry",), ("keeper",), ("kill",)))),
    "local": Lane("local", (
        *grid("launch", ("launch.asking", "launch.answered"), ("runnerd",)),
        *grid("run", ("",), ("runnerd",)),
        *grid("exit", ("",), ("runnerd",)),
        *grid("settle", WRITING, ("runnerd",)),
        *grid("cancel", ("stop.asking", "stop.answered"), ("runnerd",)))),
    "full": Lane("local", (
        *grid("launch", ("",), ("spool", "jobs", "logs"), ("full",)),
        *grid("run", ("",), ("spool", "jobs", "logs"), ("full",)),
        *grid("exit", ("",), ("spool", "jobs", "logs"), ("full",)),
        *grid("cancel", ("",), ("spool", "jobs", "logs"), ("full",)),
        *grid("settle", ("store.answered",), ("spool",), ("full",))),
        folders=("spool", "jobs", "logs")),
}

# Two runnerd on one database and one agent: the one that is active is killed, or stops itself
# at each point, and goes on when the other has long taken over (matrix_takeover.py).
TAKEOVER = "takeover"
LANES[TAKEOVER] = Lane("local", (
    Cell("run", "kill", "active-runnerd"),
    *(Cell(step, "stop", "active-runnerd", at) for step, at in (
        ("run", "look.asking"), ("run", "look.answered"),
        ("run", "greet.asking"), ("run", "greet.answered"),
        ("claim", "store.asking"), ("claim", "store.answered"),
        ("launch", "launch.asking"), ("launch", "launch.answered"),
        ("extend", "limit.asking"), ("extend", "limit.answered"),
        ("cancel", "stop.asking"), ("cancel", "stop.answered"),
        ("settle", "store.asking"), ("settle", "store.answered"),
        ("settle", "forget.asking"), ("settle", "forget.answered")))))

LEFT_OUT = (
    ("suspend × all", "nothing suspends a job in this version"),
    ("submit, claim × keeper, task", "before its launch a job has neither"),
    ("settle × keeper, task", "both have ended when a job is settled"),
    ("requeue × task", "a job is queued again only when no task of it has begun"),
    ("requeue × agent", "it is killed together with the keeper there, or runnerd finds at once "
     "that nothing runs and asks again under the same token"),
    ("all × disk of the database full", "InnoDB then waits or ends itself: as stop and kill of "
     "mariadb"),
    ("claim, exit, requeue × twice", "nobody sends a message there; what runnerd repeats after "
     "an answer was lost is kill-runnerd@store.answered"),
    ("exit, cancel × full-spool, its end", "without room for the record of its end a job is lost"),
    ("submit, claim, requeue × disk full", "they write to the database alone"),
    ("all × slurmctld, slurmdbd", "with a real Slurm: tests/run --long"),
)

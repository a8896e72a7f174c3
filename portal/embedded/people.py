# SPDX-License-Identifier: Apache-2.0
"""Who lives in the embedded site: two universities with an `alice` each, six people, three
projects.

Everybody is made up; passwords are LOGIN-UNIVERSITY, for example alice-north.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Someone:
    university: str
    login: str
    name: str
    projects: tuple = ()  # of which a member
    leads: tuple = ()     # of which the PI

    @property
    def password(self):
        return f"{self.login}-{self.university}"

    def __str__(self):
        return f"{self.login} of {self.university}"


@dataclasses.dataclass(frozen=True)
class Project:
    name: str
    tenant: str
    title: str
    hours: int  # GPU-hours granted


UNIVERSITIES = {"north": "University of the North", "south": "South Coast University"}

PEOPLE = (
    Someone("north", "alice", "Alice Nordby", projects=("genome",), leads=("climate",)),
    Someone("north", "bob", "Bob Okafor", projects=("climate",)),
    Someone("north", "carol", "Carol Lindqvist", leads=("genome",)),
    Someone("south", "alice", "Alice Moreau", leads=("optics",)),
    Someone("south", "dave", "Dave Tanaka", projects=("optics",)),
    Someone("south", "erin", "Erin Castillo"),  # no project: is told what to do
)

ADMINS = (PEOPLE[2],)  # members of their directory's admin group

PROJECTS = (
    Project("climate", "north", "Climate models", 120),
    Project("genome", "north", "Genome assembly", 60),
    Project("optics", "south", "Optics of thin films", 20),
)


def find(login, university):
    return next(p for p in PEOPLE if (p.login, p.university) == (login, university))

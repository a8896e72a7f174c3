# SPDX-License-Identifier: Apache-2.0
"""Brings the people of people.py into a new site, as its administrator would: by `quota`.

A person exists from the first login on, so everybody logs in at the portal once before projects
get their members. Every write has a request key of its own: settling that was cut off can be
repeated.
"""
import time

from . import people

REASON = ("--reason", "the demonstration's start", "--yes")
WEIGHTS = (("a100", "1"), ("h100", "2"))


def init_database(site):
    site.quota("db", "init", "--site", "Firefly demonstration", "--zone", "Europe/Berlin")


def found(site):
    """Before the daemons run: tenants, projects, prices, grants. Once."""
    if marker(site).exists():
        return
    for name, title in people.UNIVERSITIES.items():
        write(site, f"tenant-{name}", "tenant", "add", name, "--title", title)
    for gpu_type, weight in WEIGHTS:
        write(site, f"price-{gpu_type}", "price", "set", gpu_type, weight)
    for p in people.PROJECTS:
        write(site, f"project-{p.name}", "project", "add", p.name, "--tenant", p.tenant,
              "--title", p.title)
        grant(site, p.name, p.hours, key=f"grant-{p.name}")


def bring_in(site):
    """With the portal running: everybody logs in, and the projects get their members. Once."""
    if marker(site).exists():
        return
    for person in people.PEOPLE:
        site.session(person.login, person.university).close()
        who = f"{person.login}@{person.university}"
        for role, projects in (("pi", person.leads), ("member", person.projects)):
            for project in projects:
                key = f"member-{project}-{who.replace('@', '-')}"
                write(site, key, "member", "add", project, who, "--role", role)
    marker(site).touch()


def grant(site, project, hours, key=None):
    """GPU-hours for a term that began with the year and ends with the next one."""
    year = time.gmtime().tm_year
    write(site, key, "grant", project, hours, "--from", f"{year}-01-01", "--until",
          f"{year + 2}-01-01")


def write(site, key, *args):
    site.quota(*args, *REASON, *(("--key", f"settle-{key}") if key else ()))


def marker(site):
    return site.folder / "settled"

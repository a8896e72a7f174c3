# SPDX-License-Identifier: Apache-2.0
"""One person at the portal: logs in, submits by the form, follows a job, fetches its files.

Knows which page has which form; how forms and streams work is web.py's. What a page shows is
read as a person reads it, what a test compares is read from the API, which the pages' own
scripts use too."""
import json
import time

from .web import Browser

FINAL = ("completed", "failed", "cancelled", "timed_out", "lost")


class Refused(Exception):
    """The portal said no; the text is what it told the person. `reply` is the whole answer."""

    def __init__(self, reply):
        super().__init__(f"{reply.status}: {reply.page().text[:600]}")
        self.reply = reply


class Session(Browser):
    person = None

    # ---- coming and going

    def try_login(self, university, login, password):
        """The reply to the login form, whatever it is."""
        self.get("/login")
        return self.send(self.reply.page().find_form("/login"),
                         {"directory": university, "login": login, "password": password})

    def log_in(self, person):
        reply = self.try_login(person.university, person.login, person.password)
        if reply.status != 200 or reply.path.startswith("/login"):
            raise Refused(reply)
        self.person = person
        return reply

    def log_out(self):
        self.get("/")
        return self.send(self.reply.page().find_form("/logout"), {})

    def ask_to_join(self, project, note="please"):
        self.get("/")
        form = self.reply.page().find_form("/join")
        return self.send(form, {"project": project, "note": note})

    # ---- jobs

    def try_submit(self, **fields):
        """The reply to the form of a new job, whatever it is. Fields as in the form; those not
        given are sent as the form shows them."""
        self.get("/jobs/new")
        return self.send(self.reply.page().find_form("/jobs"), fields)

    def submit(self, **fields):
        """The number of the new job."""
        reply = self.try_submit(**fields)
        job = reply.path.rpartition("/")[2]
        if reply.status != 200 or not job.isdigit():
            raise Refused(reply)
        return int(job)

    def job(self, job):
        """A job as the API tells it."""
        reply = self.request("GET", f"/api/v1/jobs/{job}",
                             headers={"Accept": "application/json"})
        if reply.status != 200:
            raise Refused(reply)
        return reply.json()

    def wait_job(self, job, *states, seconds=60):
        """Waits until the job is in one of the states (by default: over), and returns it."""
        states = states or FINAL
        until = time.monotonic() + seconds
        while True:
            now = self.job(job)
            if now["state"] in states:
                return now
            if now["state"] in FINAL or time.monotonic() > until:
                raise AssertionError(
                    f"job {job} is {now['state']}, not {' or '.join(states)}: {now}")
            time.sleep(0.03)

    def cancel(self, job):
        self.get(f"/jobs/{job}")
        return self.send(self.reply.page().find_form(f"/jobs/{job}/cancel"), {})

    def log(self, job):
        """All of the log so far, as bytes."""
        return self.get(f"/jobs/{job}/log").body

    def follow_log(self, job, timeout=120):
        """The log's pieces as they are written, until the job is over: by server-sent
        events."""
        for event, data in self.events(f"/jobs/{job}/events", timeout):
            if event == "log":
                yield json.loads(data)["text"]
            elif event == "end" or event == "state" and json.loads(data)["is_final"]:
                return

    def fetch(self, job, name):
        """A file of the job's folder, as bytes."""
        reply = self.get(f"/jobs/{job}/files/{name}")
        if reply.status != 200:
            raise Refused(reply)
        return reply.body

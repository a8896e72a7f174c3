# SPDX-License-Identifier: Apache-2.0
"""One person at the portal: logs in, submits by the form, follows a job, fetches its files.

Knows which page has which form; how forms and streams work is web.py's. What a page shows is
read as a person reads it, what a test compares is read from the API, which the pages' own
scripts use too."""
import copy
import json
import secrets
import time

from .web import Browser

FINAL = ("completed", "failed", "cancelled", "timed_out", "lost")


class Refused(Exception):
    """The portal said no; the text is what it told the person. `reply` is the whole answer."""

    def __init__(self, reply):
        is_json = "json" in (reply.headers["Content-Type"] or "")
        said = reply.text if is_json else reply.page().text
        super().__init__(f"{reply.status}: {said[:600]}")
        self.reply = reply


class Session(Browser):
    person = None
    token = None  # for what changes something through the API

    # ---- coming and going

    def twin(self):
        """The same login on a connection of its own."""
        twin = copy.copy(self)
        twin.cookies, twin.connection = dict(self.cookies), None
        return twin

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

    # ---- the API

    def get_json(self, path):
        """What the API replies; Refused if it is no 2xx."""
        reply = self.request("GET", path, headers={"Accept": "application/json"})
        if reply.status != 200:
            raise Refused(reply)
        return reply.json()

    def load_token(self):
        """Once for a login; without it the first POST does."""
        self.token = self.token or self.get_json("/api/v1/session")["token"]

    def api_request(self, body):
        """(headers, bytes) of a POST to the API, but for Host and Content-Length."""
        self.load_token()
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._headers("POST", {"Content-Type": "application/json",
                                      "X-Form-Token": self.token}), text

    def post_json(self, path, body):
        """The reply, whatever it is. Body: what becomes JSON, or bytes as they are."""
        headers, text = self.api_request(body)
        return self.request("POST", path, text, headers)

    def try_submit_json(self, request, key=None):
        """The reply to a job placed through the API, under a new key unless one is given."""
        return self.post_json("/api/v1/jobs",
                              dict(request, key=key or secrets.token_hex(16)))

    def submit_json(self, request):
        """The number of the new job."""
        reply = self.try_submit_json(request)
        if reply.status != 201:
            raise Refused(reply)
        return reply.json()["id"]

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
        return self.get_json(f"/api/v1/jobs/{job}")

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

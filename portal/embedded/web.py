# SPDX-License-Identifier: Apache-2.0
"""A small browser: cookies, forms with their hidden fields, redirects, event streams; no
scripts.

It sees the portal as a person without JavaScript does: it reads a page, fills in the form that
is there and sends it, so it cannot send a field or a token that the page did not give. For
tests of bad input request() sends anything. One Browser is one person and one kept connection;
not for several threads."""
import dataclasses
import html.parser
import http.client
import json
import ssl
import urllib.parse

REDIRECTS_MAX = 5


@dataclasses.dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    path: str  # where it came from, after redirects

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def page(self):
        return Page(self.text)


@dataclasses.dataclass
class Form:
    action: str
    method: str
    fields: list  # of [name, value], as a browser would send them
    options: dict = dataclasses.field(default_factory=dict)  # name: the values a choice offers

    def __contains__(self, name):
        return name in self.options or any(f[0] == name for f in self.fields)

    def filled(self, values):
        """The fields with some replaced. KeyError: the page has no such field."""
        for name in values:
            if name not in self:
                raise KeyError(f"the form {self.action} has no field {name!r}")
        kept = [(n, v) for n, v in self.fields if n not in values]
        return kept + [(n, str(v)) for n, v in values.items() if v is not None]


class Page(html.parser.HTMLParser):
    """The forms, links and visible text of a page."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.links, self.words = [], [], []
        self.form = self.choice = self.area = None
        self.hidden = 0
        self.feed(text)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def find_form(self, action):
        """The form whose action ends in `action`. LookupError: there is none."""
        for form in self.forms:
            if urllib.parse.urlsplit(form.action).path.endswith(action):
                return form
        raise LookupError(f"no form {action!r} on the page, only "
                          f"{[f.action for f in self.forms]}: {self.text[:300]}")

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag in ("script", "style"):
            self.hidden += 1
        elif tag == "a" and a.get("href"):
            self.links.append(a["href"])
        elif tag == "form":
            self.form = Form(a.get("action") or "", (a.get("method") or "get").lower(), [])
            self.forms.append(self.form)
        elif self.form and "disabled" not in a:
            self._field(tag, a)

    def _field(self, tag, a):
        name = a.get("name")
        if tag == "input" and name:
            kind = a.get("type", "text")
            if kind in ("checkbox", "radio"):
                self.form.options.setdefault(name, []).append(a.get("value", "on"))
                if "checked" in a:
                    self.form.fields.append([name, a.get("value", "on")])
            elif kind not in ("submit", "button", "file", "image"):
                self.form.fields.append([name, a.get("value") or ""])
        elif tag == "select" and name:
            self.choice = name
            self.form.options[name] = []
        elif tag == "option" and self.choice:
            self._option(a)
        elif tag == "textarea" and name:
            self.area = [name, ""]
            self.form.fields.append(self.area)

    def _option(self, a):
        values = self.form.options[self.choice]
        values.append(a.get("value") or "")
        if "selected" in a or len(values) == 1:
            self.form.fields = [f for f in self.form.fields if f[0] != self.choice]
            self.form.fields.append([self.choice, a.get("value") or ""])

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.hidden -= 1
        elif tag == "form":
            self.form = None
        elif tag == "select":
            self.choice = None
        elif tag == "textarea":
            self.area = None

    def handle_data(self, data):
        if self.area:
            self.area[1] += data
        elif not self.hidden:
            self.words.append(data)


class Browser:
    """url: https://127.0.0.1:PORT; ca: the file with the authority of its certificate."""

    def __init__(self, url, ca, timeout=20):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.is_plain = parts.hostname, parts.port, parts.scheme == "http"
        self.tls = None if self.is_plain else ssl.create_default_context(cafile=str(ca))
        self.timeout = timeout
        self.cookies = {}
        self.connection = None
        self.reply = None  # the last one

    def connect(self, timeout=None):
        timeout = timeout or self.timeout
        if self.is_plain:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                           context=self.tls)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def get(self, path):
        return self.follow(self.request("GET", path))

    def post(self, path, fields):
        """Fields: a list of pairs or a dict, sent as a form."""
        body = urllib.parse.urlencode(fields).encode()
        return self.follow(self.request("POST", path, body, {
            "Content-Type": "application/x-www-form-urlencoded"}))

    def send(self, form, values):
        """Sends a form found on the page of the last reply."""
        path = urllib.parse.urljoin(self.reply.path, form.action)
        return self.post(path, form.filled(values))

    def request(self, method, path, body=None, headers=()):
        """One request, no redirects followed. A kept connection that the server has closed in
        the meantime is opened anew, once, and only if nothing of the reply has come."""
        for is_last in (False, True):
            fresh = self.connection is None
            self.connection = self.connection or self.connect()
            try:
                self.connection.request(method, path, body, self._headers(method, headers))
                answer = self.connection.getresponse()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if fresh or is_last:
                    raise
                continue
            return self._read(answer, path)

    def follow(self, reply):
        for _ in range(REDIRECTS_MAX):
            if reply.status not in (301, 302, 303):
                return reply
            target = urllib.parse.urljoin(reply.path, reply.headers["Location"])
            reply = self.request("GET", target)
        raise RuntimeError(f"{reply.path}: more than {REDIRECTS_MAX} redirects")

    def events(self, path, timeout=None, last_id=None):
        """The (event, data) of a stream, on a connection of its own, until the server ends
        it."""
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        connection = self.connect(timeout)
        try:
            connection.request("GET", path, headers=self._headers("GET", headers))
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"{path}: status {answer.status}: {answer.read(300)!r}")
            yield from read_events(answer)
        finally:
            connection.close()

    def _headers(self, method, more):
        headers = dict(more)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        if method == "POST":
            scheme = "http" if self.is_plain else "https"
            headers.setdefault("Origin", f"{scheme}://{self.host}:{self.port}")
        return headers

    def _read(self, answer, path):
        body = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].strip().partition("=")
            if value and "max-age=0" not in line.lower():
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        if answer.will_close:
            self.close()
        self.reply = Reply(answer.status, answer.headers, body, path)
        return self.reply


def read_events(stream):
    """Server-sent events, as the living standard of HTML describes them."""
    event, data = "message", []
    for raw in stream:
        line = raw.decode().rstrip("\r\n")
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if not line:
            if data:
                yield event, "\n".join(data)
            event, data = "message", []
        elif field == "event":
            event = value
        elif field == "data":
            data.append(value)

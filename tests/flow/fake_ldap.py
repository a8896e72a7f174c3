# SPDX-License-Identifier: Apache-2.0
"""Directory servers that misbehave, each a thread on a free port of 127.0.0.1.

FakeLdap speaks enough LDAP (RFC 4511) to answer with whatever a test wants; Silent, Garbage and
Drip do less. It leaves to the test what is said. close() ends a server and all its connections.
"""
import socket
import threading

BIND, UNBIND, SEARCH, EXTENDED = 0x60, 0x42, 0x63, 0x77
ENTRY, DONE, REFERENCE = 0x64, 0x65, 0x73
WHOAMI = b"1.3.6.1.4.1.4203.1.11.3"


def ber(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes(4, "big")
    return bytes([tag, 0x84]) + size + body


def text(value):
    return ber(0x04, value if isinstance(value, bytes) else value.encode())


def result(op, code=0, message="", extra=b""):
    """The body of a response: resultCode, matchedDN, diagnosticMessage."""
    return ber(op, ber(0x0a, bytes([code])), text(""), text(message), extra)


def entry(dn, attributes):
    listed = [ber(0x30, text(name), ber(0x31, *map(text, values)))
              for name, values in attributes.items()]
    return ber(ENTRY, text(dn), ber(0x30, *listed))


def read_message(stream):
    """(message id, operation's tag, operation's bytes) or None at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    size = head[1]
    if size & 0x80:
        size = int.from_bytes(stream.read(size & 0x7f), "big")
    body = stream.read(size)
    id_size = body[1]
    op = body[2 + id_size:]
    return body[:2 + id_size], op[0], op


class Server:
    """Accepts, and runs handle(connection) in a thread for each."""

    def __init__(self, scheme="ldap"):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        try:
            self.handle(connection)
        except (OSError, IndexError):
            pass  # the other side left or fell silent in the middle, or close()


class Silent(Server):
    """Takes connections and says nothing."""

    def handle(self, connection):
        pass


class Garbage(Server):
    """Answers whatever comes with these bytes, and with end=True hangs up."""

    def __init__(self, data, end=True, **more):
        self.data, self.end = data, end
        super().__init__(**more)

    def handle(self, connection):
        connection.recv(1)
        connection.sendall(self.data)
        if self.end:
            connection.shutdown(socket.SHUT_WR)


class Drip(Server):
    """Answers with the beginning of a long message (of LDAP, or of TLS), byte by byte, for ever."""

    def __init__(self, stop, **more):
        self.stop = stop  # an Event that the test sets
        self.head = b"\x30\x83\x0f\xff\xff"
        if more.get("scheme") == "ldaps":
            self.head = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03"
        super().__init__(**more)

    def handle(self, connection):
        connection.recv(1)
        connection.sendall(self.head)
        while not self.stop.wait(0.1):
            connection.sendall(b"\x02")


class FakeLdap(Server):
    """Answers every request with answer(tag, bytes): response bodies, or None to fall silent."""

    def __init__(self, answer, **more):
        self.answer = answer
        self.seen = []
        super().__init__(**more)

    def handle(self, connection):
        stream = connection.makefile("rb")
        while (message := read_message(stream)):
            id_bytes, tag, op = message
            self.seen.append((tag, op))
            replies = self.answer(tag, op) if tag != UNBIND else None
            if replies is None:
                continue
            for body in replies:
                connection.sendall(ber(0x30, id_bytes, body))


def directory(entries, *, bind=0, whoami="dn:uid=alice,ou=people,dc=north,dc=example", search=0,
              groups=()):
    """An answer() for FakeLdap: `bind` and `search` are result codes, and a search below ou=groups
    finds `groups`, any other `entries`."""
    def answer(tag, op):
        if tag == BIND:
            return [result(0x61, bind)]
        if tag == EXTENDED:
            return [result(0x78, 0, extra=ber(0x8b, whoami.encode()))]
        if tag == SEARCH:
            found = groups if b"ou=groups" in op[:80] else entries
            return [*found, result(DONE, search)]
        return None
    return answer

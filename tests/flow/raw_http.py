# SPDX-License-Identifier: Apache-2.0
"""What the tests of the portal's HTTP core have in common: a server (http_probe) and
clients on raw sockets, plain and TLS.

Every server must end with status 0 and nothing from the sanitizers, whatever clients did."""
import ast
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get('FIREFLY_BUILD', ROOT / 'build' / 'debug'))
PROBE = BUILD / 'tests' / 'http_probe'
CASES = ROOT / 'tests' / 'unit' / 'portal' / 'gate_cases.def'
PATIENCE = 20  # seconds until a wait for an event has failed

SAFETY = {
    'content-security-policy': "default-src 'none'; script-src 'self'; connect-src 'self'; "
                               "style-src 'self'; img-src 'self' data:; font-src 'self'; "
                               "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
}


def read_cases():
    found = re.findall(r'^(REFUSE|PASS)\((\d+), ("(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")\)$',
                       CASES.read_text(), re.M)
    return [(kind, int(status), ast.literal_eval(name), ast.literal_eval('b' + text))
            for kind, status, name, text in found]


class Reply:
    """One response, read from a socket."""

    def __init__(self, stream, method='GET'):
        line = stream.readline()
        if not line:
            raise EOFError('no reply')
        self.version, self.status = line.split()[0].decode(), int(line.split()[1])
        self.fields = {}
        for line in iter(stream.readline, b'\r\n'):
            if not line:
                raise EOFError('half a head')
            name, value = line.decode().rstrip('\r\n').split(': ', 1)
            assert name.lower() not in self.fields, 'field twice: ' + name
            self.fields[name.lower()] = value
        self.stream = stream
        self.body = b'' if method == 'HEAD' else self.read_body()

    def read_body(self):
        if self.status in (204, 304) or self.fields.get('content-type') == 'text/event-stream':
            return b''
        if 'content-length' in self.fields:
            wanted = int(self.fields['content-length'])
            body = self.stream.read(wanted)
            if len(body) < wanted:
                raise EOFError('body cut')
            return body
        if self.fields.get('transfer-encoding') == 'chunked':
            return b''.join(iter(self.chunk, b''))
        return self.stream.read()

    def chunk(self):
        size = int(self.stream.readline(), 16)
        data = self.stream.read(size)
        assert self.stream.readline() == b'\r\n'
        return data

    def json(self):
        return json.loads(self.body)


class Client:
    def __init__(self, port, tls=None):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname='localhost')
        self.stream = self.socket.makefile('rb')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.stream.close()
            self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, target, method='GET', body=None, **fields):
        head = [f'{method} {target} HTTP/1.1', 'Host: localhost']
        head += [f'{name.replace("_", "-")}: {value}' for name, value in fields.items()]
        if body is not None:
            head.append(f'Content-Length: {len(body)}')
        self.send('\r\n'.join(head).encode() + b'\r\n\r\n' + (body or b''))
        return Reply(self.stream, method)

    def post(self, target, value=None, **fields):
        fields.setdefault('Content_Type', 'application/json')
        return self.ask(target, 'POST', json.dumps(value or {}).encode(), **fields)

    def is_closed(self):
        """Waits for the server's end of the connection."""
        try:
            return self.stream.read(1) == b''
        except (ConnectionResetError, ssl.SSLError):
            return True


class Server:
    def __init__(self, limit_files=None, environment=None, **options):
        options = {'templates': ROOT / 'templates', **options}
        self.errors, self.clients = tempfile.TemporaryFile(), []

        def lower():
            if limit_files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit_files, limit_files))
        self.process = subprocess.Popen([PROBE] + [f'{k}={v}' for k, v in options.items()],
                                        stdout=subprocess.PIPE, stderr=self.errors,
                                        preexec_fn=lower,
                                        env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline().split()
        self.port = int(line[1]) if line else 0

    def __enter__(self):
        assert self.port, self.stop()[1]
        return self

    def __exit__(self, kind, *_):
        status, errors = self.stop()
        if kind is None:
            assert status == 0, (status, errors)
            assert 'Sanitizer' not in errors and 'runtime error' not in errors, errors

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        for c in self.clients:
            c.close()
        if not self.errors.closed:
            self.errors.seek(0)
            self.text = self.errors.read().decode(errors='replace')
            self.errors.close()
        return status, self.text

    def client(self, tls=None):
        self.clients.append(Client(self.port, tls))
        return self.clients[-1]

    def ask(self, *args, **fields):
        with self.client() as c:
            return c.ask(*args, **fields)

    def post(self, *args, **fields):
        with self.client() as c:
            return c.post(*args, **fields)

    def state(self, tls=None):
        with self.client(tls) as c:
            return c.ask('/state').json()

    def wait_for(self, tls=None, **wanted):
        """Asks until the server's state is as wanted."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            state = self.state(tls)
            if all(state[name] == value for name, value in wanted.items()):
                return state
        raise AssertionError(f'{state} never became {wanted}')


class Http(unittest.TestCase):
    """Files to send, and what several tests ask for and look at."""

    REQUESTS = (
        b'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n',
        b'GET /jobs/1 HTTP/1.1\r\nHost: localhost\r\nCookie: sid=alice\r\n\r\n',
        b'GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n',
        b'GET /pipe HTTP/1.1\r\nHost: localhost\r\n\r\n',
        b'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n',
        b'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n',
        b'GET /drop HTTP/1.1\r\nHost: localhost\r\n\r\n',
        b'GET /bad HTTP/1.1\r\n\r\n',
        b'POST /upload HTTP/1.1\r\nHost: localhost\r\n'
        b'Content-Type: application/octet-stream\r\nContent-Length: 200000\r\n\r\n'
        + b'x' * 200000,
    )

    def has_safety(self, reply, is_tls=False):
        for name, value in SAFETY.items():
            self.assertEqual(reply.fields.get(name), value, name)
        self.assertEqual('strict-transport-security' in reply.fields, is_tls)
        self.assertIn('cache-control', reply.fields)
        if reply.status not in (303, 304):
            self.assertIn('content-type', reply.fields)
        if reply.fields.get('content-type', '').startswith('text/html'):
            self.assertIn('charset=utf-8', reply.fields['content-type'])

    def file(self, size, pattern=None):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / 'data'
        with open(path, 'wb') as f:
            if pattern:
                f.write(pattern)
            f.truncate(size)
        return path

    def leave_at_any_moment(self, s, tls=None):
        """Sends each of REQUESTS in part or whole, reads a little or nothing, and goes."""
        dice = random.Random(7)
        for _ in range(60):
            for request in self.REQUESTS:
                c = s.client(tls)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    part = dice.choice((dice.randrange(len(request)), len(request)))
                    c.send(request[:part])
                    if dice.random() < 0.5:
                        c.socket.settimeout(0.001)
                        with contextlib.suppress(TimeoutError):
                            c.socket.recv(dice.randrange(1, 100000))
                dice.choice((c.close, c.reset))()
                if request.startswith(b'GET /slow'):
                    with s.client(tls) as other:
                        other.post('/api/release')

    def event(self, c):
        """The next event of a client that follows."""
        lines = b''.join(iter(c.chunked_line, b'\n'))
        return dict(line.split(': ', 1) for line in lines.decode().splitlines())

    def follow(self, s, tls=None):
        """Opens /events; c.chunked_line() then gives the lines of its body."""
        c = s.client(tls)
        reply = c.ask('/events')
        self.assertEqual(reply.fields['content-type'], 'text/event-stream')
        self.has_safety(reply, tls is not None)
        c.rest = b''

        def line():
            while b'\n' not in c.rest:
                piece = reply.chunk()
                if not piece:
                    raise EOFError
                c.rest += piece
            first, c.rest = c.rest.split(b'\n', 1)
            return first + b'\n'
        c.chunked_line = line
        self.assertEqual(self.event(c), {'id': '0', 'event': 'hello', 'data': '{"n":0}'})
        return c

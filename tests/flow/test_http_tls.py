# SPDX-License-Identifier: Apache-2.0
"""HTTP through TLS: the same answers, new versions and ciphers alone, and goodbyes."""
import os
import random
import socket
import ssl
import subprocess
import tempfile
import unittest
import warnings

from raw_http import PATIENCE, Http, Reply, Server, read_cases


class Tls(Http):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.cert, cls.key = cls.folder.name + '/cert', cls.folder.name + '/key'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:P-256', '-nodes', '-keyout', cls.key,
                        '-out', cls.cert, '-subj', '/CN=localhost', '-addext',
                        'subjectAltName=DNS:localhost'],
                       check=True, capture_output=True)
        os.chmod(cls.key, 0o600)
        cls.context = ssl.create_default_context(cafile=cls.cert)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def server(self, **options):
        return Server(cert=self.cert, key=self.key, **options)

    def test_requests_go_through_tls(self):
        data = random.Random(2).randbytes(700000)
        with self.server(file=self.file(len(data), data)) as s, s.client(self.context) as c:
            reply = c.ask('/hello')
            self.has_safety(reply, is_tls=True)
            self.assertEqual(c.ask('/stream').body, data)
            body = b'y' * 1048576
            self.assertEqual(c.ask('/upload', 'POST', body,
                                   Content_Type='application/octet-stream').json(),
                             {'bytes': len(body)})
            self.assertEqual(c.ask('/api/echo', 'POST', b'{}', Content_Type='application/json',
                                   Origin='https://localhost').status, 200)
            self.assertEqual(c.ask('/api/echo', 'POST', b'{}', Content_Type='application/json',
                                   Origin='http://localhost').status, 403)
            self.assertEqual(c.socket.version(), 'TLSv1.3')

    def test_a_connection_ends_with_a_goodbye(self):
        with self.server(linger_ms=200) as s:
            for request in (b'GET /hello HTTP/1.1\r\nHost: localhost\r\n'
                            b'Connection: close\r\n\r\n',
                            b'GET /hello HTTP/1.1\r\n\r\n'):
                context = ssl.create_default_context(cafile=self.cert)
                plain = socket.create_connection(('127.0.0.1', s.port), timeout=PATIENCE)
                with context.wrap_socket(plain, server_hostname='localhost',
                                         suppress_ragged_eofs=False) as c:
                    c.sendall(request)
                    while c.recv(65536):
                        pass  # an end without close_notify would be an SSLEOFError

    def test_the_gate_stands_behind_tls(self):
        with self.server(linger_ms=200) as s:
            for kind, status, name, data in read_cases()[::9]:
                with self.subTest(name), s.client(self.context) as c:
                    c.send(data.replace(b'http://localhost', b'https://localhost'))
                    reply = Reply(c.stream, data[:4].decode('latin1').strip())
                    self.assertEqual(reply.status, status)
                    self.has_safety(reply, is_tls=True)

    def test_only_new_versions_are_spoken(self):
        with self.server() as s:
            for version in ('TLSv1', 'TLSv1_1', 'TLSv1_2', 'TLSv1_3'):
                context = ssl.create_default_context(cafile=self.cert)
                context.set_ciphers('ALL:@SECLEVEL=0')
                with warnings.catch_warnings(action='ignore'):
                    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
                if version in ('TLSv1_2', 'TLSv1_3'):
                    with s.client(context) as c:
                        self.assertEqual(c.ask('/hello').status, 200)
                else:
                    with self.assertRaises((ssl.SSLError, ConnectionResetError)):
                        s.client(context)

    def test_only_forward_secrecy_is_spoken(self):
        context = ssl.create_default_context(cafile=self.cert)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers('AES256-GCM-SHA384:AES128-SHA')
        with self.server() as s, self.assertRaises((ssl.SSLError, ConnectionResetError)):
            s.client(context)

    def test_plain_http_and_half_a_handshake_do_no_harm(self):
        with self.server(head_ms=300) as s:
            with s.client() as c:
                c.send(b'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n')
                c.is_closed()
            with s.client() as c:
                c.send(b'\x16\x03\x01\x02')
                self.assertTrue(c.is_closed())
            with s.client(self.context) as c:
                self.assertEqual(c.ask('/hello').status, 200)

    def test_clients_may_leave_at_any_moment(self):
        with self.server(file=self.file(10 ** 6)) as s:
            self.leave_at_any_moment(s, self.context)
            with s.client(self.context) as c:
                for _ in range(80):
                    c.post('/api/release')
            s.wait_for(self.context, connections=1, streams=0)

    def test_a_slow_follower_gets_a_gap(self):
        with self.server() as s:
            c = self.follow(s, self.context)
            with s.client(self.context) as other:
                reply = other.post('/api/publish', {'count': 400, 'data': 'x' * 60000})
                taken = reply.json()['taken']
            seen = [self.event(c) for _ in range(taken + 1)]
            self.assertEqual(seen[-1]['event'], 'gap')
            c.close()


if __name__ == '__main__':
    unittest.main()

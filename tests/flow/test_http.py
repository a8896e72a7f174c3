# SPDX-License-Identifier: Apache-2.0
"""The portal's HTTP core as a client meets it, over raw sockets: what the gate refuses,
connections and their deadlines, replies, routes, and what it needs to start."""
import contextlib
import os
import socket
import subprocess
import tempfile
import time
import unittest

from raw_http import PATIENCE, Http, Reply, Server, read_cases


class Gate(Http):
    def test_every_case_is_answered_as_the_table_says(self):
        cases = read_cases()
        self.assertGreater(len(cases), 180)
        with Server() as s:
            for kind, status, name, data in cases:
                with self.subTest(name), s.client() as c:
                    c.send(data)
                    reply = Reply(c.stream, data[:4].decode('latin1').strip())
                    self.assertEqual(reply.status, status)
                    self.has_safety(reply)
                    if kind == 'REFUSE':
                        self.assertEqual(reply.fields['connection'], 'close')
                        self.assertTrue(c.is_closed(), 'a second reply, or left open')
                    if status == 405:
                        self.assertIn('allow', reply.fields)

    def test_the_answer_is_the_same_byte_by_byte(self):
        with Server() as s:
            for kind, status, name, data in read_cases():
                with self.subTest(name), s.client() as c:
                    for i in range(len(data)):
                        try:
                            c.send(data[i:i + 1])
                        except (BrokenPipeError, ConnectionResetError):
                            break  # refused before the end
                    self.assertEqual(Reply(c.stream, data[:4].decode('latin1').strip()).status,
                                     status)

    def test_the_answer_is_the_same_at_every_split(self):
        good = (b'POST /api/echo?a=b HTTP/1.1\r\nHost: localhost\r\n'
                b'Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"a":[1,2,3]}')
        with Server() as s, s.client() as c:
            for at in range(len(good) + 1):
                c.send(good[:at])
                c.send(good[at:])
                self.assertEqual(Reply(c.stream).json(), {'a': [1, 2, 3]})

    def test_heads_that_are_too_large_are_refused(self):
        with Server() as s:
            begin = b'GET / HTTP/1.1\r\nHost: localhost\r\nA: '
            for data, status in ((b'GET /' + b'a' * 9000, 414),
                                 (begin + b'a' * 9000, 431),
                                 (begin + b'b\r\nA: ' * 70, 431),
                                 (begin + b'a' * 2 ** 22, 431)):
                with s.client() as c:
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        c.send(data)
                    reply = Reply(c.stream)
                    self.assertEqual(reply.status, status)
                    self.has_safety(reply)

    def test_a_large_body_is_refused_and_the_client_hears_it(self):
        with Server() as s, s.client() as c:
            c.send(b'POST /upload HTTP/1.1\r\nHost: localhost\r\n'
                   b'Content-Length: 3000000\r\n\r\n')
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                c.send(b'x' * 3000000)
            self.assertEqual(Reply(c.stream).status, 413)

    def test_nothing_behind_a_refused_request_is_answered(self):
        with Server() as s, s.client() as c:
            c.send(b'POST /api/echo HTTP/1.1\r\nHost: localhost\r\n'
                   b'Transfer-Encoding: xchunked\r\n\r\n'
                   + b'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n' * 3)
            self.assertEqual(Reply(c.stream).status, 411)
            self.assertTrue(c.is_closed())


class Connections(Http):
    def test_requests_sent_ahead_are_answered_in_order(self):
        with Server() as s, s.client() as c:
            c.send(b''.join(b'GET /jobs/%d HTTP/1.1\r\nHost: localhost\r\n'
                            b'Cookie: sid=alice\r\n\r\n'
                            b'POST /api/echo HTTP/1.1\r\nHost: localhost\r\n'
                            b'Content-Type: application/json\r\n'
                            b'Content-Length: 9\r\n\r\n{"n":%3d}'
                            % (n, n) for n in range(100, 200)))
            for n in range(100, 200):
                self.assertEqual(Reply(c.stream).json()['id'], n)
                self.assertEqual(Reply(c.stream).json(), {'n': n})

    def test_a_request_sent_ahead_of_a_refused_one_is_answered(self):
        with Server() as s, s.client() as c:
            c.send(b'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hello HTTP/1.1\r\n\r\n')
            self.assertEqual([Reply(c.stream).status, Reply(c.stream).status], [200, 400])
            self.assertTrue(c.is_closed())

    def test_more_sent_ahead_than_fits_does_no_harm(self):
        ahead = b'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n' * 5000
        with Server(requests=100000) as s, s.client() as slow, s.client() as c:
            slow.socket.setblocking(False)
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while sent < len(ahead):
                    sent += slow.socket.send(ahead[sent:])
            self.assertEqual(c.ask('/hello').status, 200)
            slow.socket.settimeout(PATIENCE)
            for _ in range(sent // 42):
                self.assertEqual(Reply(slow.stream).status, 200)

    def test_HEAD_has_the_length_and_no_body(self):
        with Server() as s, s.client() as c:
            for target in ('/hello', '/', '/nothing', '/stream', '/status/500'):
                length = c.ask(target).fields.get('content-length')
                reply = c.ask(target, 'HEAD')
                self.has_safety(reply)
                self.assertEqual(reply.fields.get('content-length'), length)
            self.assertEqual(c.ask('/events', 'HEAD').fields['content-type'],
                             'text/event-stream')
            self.assertEqual(c.ask('/hello').json()['hello'], 'world')  # nothing left between

    def test_a_refused_HEAD_has_no_body(self):
        with Server() as s, s.client() as c:
            c.send(b'HEAD /hello HTTP/1.1\r\n\r\n')
            self.assertEqual(Reply(c.stream, 'HEAD').status, 400)
            self.assertTrue(c.is_closed())

    def test_a_connection_ends_when_it_should(self):
        with Server(requests=3) as s:
            with s.client() as c:
                kept = [c.ask('/hello').fields.get('connection') for _ in range(3)]
                self.assertEqual(kept, [None, None, 'close'])
                self.assertTrue(c.is_closed())
            with s.client() as c:
                reply = c.ask('/hello', Connection='close')
                self.assertEqual(reply.fields['connection'], 'close')
                self.assertTrue(c.is_closed())
            with s.client() as c:
                c.send(b'GET /pipe HTTP/1.0\r\nHost: localhost\r\n'
                       b'Connection: keep-alive\r\n\r\n')
                reply = Reply(c.stream)
                self.assertEqual(reply.body, b'through a pipe')
                self.assertTrue(c.is_closed())

    def test_expect_100_continue_is_answered(self):
        with Server() as s, s.client() as c:
            c.send(b'POST /api/echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n'
                   b'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n')
            self.assertEqual(c.stream.readline(), b'HTTP/1.1 100 Continue\r\n')
            self.assertEqual(c.stream.readline(), b'\r\n')
            c.send(b'{"a":1}')
            self.assertEqual(Reply(c.stream).json(), {'a': 1})
            self.assertEqual(c.ask('/hello').status, 200)

    def test_at_the_limit_the_next_waits_for_a_place(self):
        with Server(connections=4) as s:
            held = [s.client() for _ in range(4)]
            self.assertEqual([c.ask('/hello').status for c in held], [200] * 4)
            late = s.client()
            late.send(b'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n')
            self.assertEqual(held[0].ask('/state').json()['connections'], 4)
            held[1].close()
            self.assertEqual(Reply(late.stream).status, 200)
            for c in held + [late]:
                c.close()

    def test_one_address_has_its_limit(self):
        s = Server(per_address=2)
        with s:
            a, b, c = s.client(), s.client(), s.client()
            self.assertEqual([a.ask('/hello').status, b.ask('/hello').status], [200, 200])
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                c.send(b'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n')
            self.assertTrue(c.is_closed())
            b.close()
            end = time.monotonic() + PATIENCE
            status = None
            while status != 200 and time.monotonic() < end:
                with contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
                    status = s.ask('/hello').status
            self.assertEqual(status, 200)
            a.close()
            c.close()
        self.assertEqual(s.text.count('see connections_per_address in [portal]'), 1, s.text)
        self.assertIn('the address has 2 connections already', s.text)

    def test_without_descriptors_accepting_pauses_and_recovers(self):
        with Server(limit_files=60) as s:
            with s.client() as first:
                self.assertEqual(first.ask('/hello').status, 200)
                crowd = [s.client() for _ in range(100)]
                self.assertEqual(first.ask('/hello').status, 200)
                for c in crowd:
                    c.close()
            self.assertEqual(s.ask('/hello').status, 200)


class Deadlines(Http):
    def closes(self, c, least, most):
        begin = time.monotonic()
        data = c.stream.read()
        took = time.monotonic() - begin
        self.assertTrue(least <= took <= most, took)
        return data

    def test_a_connection_that_says_nothing_is_closed(self):
        with Server(head_ms=300) as s, s.client() as c:
            self.assertEqual(self.closes(c, 0.2, 5), b'')

    def test_a_kept_connection_is_closed_when_idle(self):
        with Server(idle_ms=300) as s, s.client() as c:
            c.ask('/hello')
            self.assertEqual(self.closes(c, 0.2, 5), b'')

    def test_a_head_that_drips_is_refused_at_the_deadline(self):
        with Server(head_ms=400, linger_ms=200) as s, s.client() as c:
            begin = time.monotonic()
            c.send(b'GET /hello HTTP/1.1\r\nHost: localhost\r\n')
            c.socket.settimeout(0.05)
            answer = b''
            while not answer and time.monotonic() < begin + PATIENCE:
                c.send(b'A: b\r\n')  # a byte now and then does not help
                with contextlib.suppress(TimeoutError):
                    answer = c.socket.recv(1000)
            self.assertTrue(answer.startswith(b'HTTP/1.1 408 '), answer)
            self.assertLess(time.monotonic() - begin, 5)

    def test_the_second_head_has_its_own_deadline(self):
        with Server(head_ms=300, idle_ms=60000, linger_ms=200) as s, s.client() as c:
            c.ask('/hello')
            c.send(b'GET /hello HT')
            self.assertEqual(Reply(c.stream).status, 408)

    def test_a_body_that_does_not_come_is_refused_at_the_deadline(self):
        with Server(body_ms=300, linger_ms=200) as s, s.client() as c:
            c.send(b'POST /api/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{')
            reply = Reply(c.stream)
            self.assertEqual(reply.status, 408)
            self.has_safety(reply)
            self.assertTrue(c.is_closed())

    def test_a_reply_that_takes_too_long_ends_the_connection(self):
        with Server(reply_ms=300) as s, s.client() as c:
            c.send(b'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
            self.assertEqual(self.closes(c, 0.2, 5), b'')
            s.post('/api/release')
            s.wait_for(connections=1)

    def test_a_client_that_takes_nothing_is_closed(self):
        with Server(reply_ms=300, file=self.file(2 ** 28)) as s, s.client() as c:
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.send(b'GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
            s.wait_for(connections=1)

    def test_a_refused_client_that_stays_is_closed(self):
        with Server(linger_ms=200) as s, s.client() as c:
            c.send(b'NONSENSE\r\n\r\n')
            self.assertEqual(Reply(c.stream).status, 400)
            s.wait_for(connections=1)


class Replies(Http):
    def test_every_status_has_the_safety_fields(self):
        with Server(file=self.file(1000)) as s, s.client() as c:
            for status in (400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 500, 503):
                for accept, kind in (('*/*', 'text/html; charset=utf-8'),
                                     ('application/json', 'application/problem+json')):
                    reply = c.ask(f'/status/{status}', Accept=accept)
                    self.assertEqual(reply.status, status)
                    self.assertEqual(reply.fields['content-type'], kind)
                    self.assertEqual(reply.fields['cache-control'], 'no-store')
                    self.has_safety(reply)
                    if kind != 'text/html; charset=utf-8':
                        self.assertEqual(set(reply.json()),
                                         {'type', 'title', 'status', 'detail'})
            for target in ('/hello', '/', '/stream', '/pipe', '/redirect', '/events', '/jobs/1',
                           '/static/firefly.css', '/static/nothing'):
                with s.client() as other:
                    self.has_safety(other.ask(target))

    def test_text_in_a_page_is_escaped(self):
        with Server() as s:
            page = s.ask('/').body.decode()
        self.assertNotIn('<script>alert', page)
        self.assertIn('&lt;script&gt;alert(1)&lt;/script&gt;', page)

    def test_the_cause_of_a_500_is_logged_and_not_shown(self):
        with Server() as s:
            reply = s.ask('/jobs/13', Cookie='sid=alice')
            self.assertEqual(reply.status, 500)
            self.assertNotIn(b'secret', reply.body)
            status, errors = s.stop()
            self.assertIn('secret cause', errors)

    def test_redirects_stay_on_this_site(self):
        with Server() as s, s.client() as c:
            for to, location in (('/jobs/1', '/jobs/1'), ('//evil.example', '/'), ('x', '/'),
                                 ('https://evil.example', '/'), ('/%5cevil.example', '/'),
                                 ('/a%0d%0aSet-Cookie:%20x=y', '/')):
                reply = c.ask('/redirect?to=' + to)
                self.assertEqual((reply.status, reply.fields['location']), (303, location))

    def test_static_files_are_kept_by_their_version(self):
        with Server() as s, s.client() as c:
            reply = c.ask('/static/firefly.css')
            self.assertEqual(reply.fields['content-type'], 'text/css; charset=utf-8')
            self.assertEqual(reply.fields['cache-control'], 'no-cache')
            etag = reply.fields['etag']
            again = c.ask('/static/firefly.css', If_None_Match=etag)
            self.assertEqual((again.status, again.body), (304, b''))
            self.assertEqual(c.ask('/static/firefly.css', If_None_Match='"x"').status, 200)
            kept = c.ask('/static/firefly.css?v=' + etag.strip('"'))
            self.assertIn('immutable', kept.fields['cache-control'])
            self.assertEqual(kept.body, reply.body)

    def test_a_dropped_request_ends_the_connection(self):
        with Server() as s:
            for _ in range(5):
                with s.client() as c:
                    c.send(b'GET /drop HTTP/1.1\r\nHost: localhost\r\n\r\n')
                    self.assertTrue(c.is_closed())
            s.wait_for(connections=1)


class Routing(Http):
    FORM = 'application/x-www-form-urlencoded'

    def test_who_may_come_in(self):
        with Server() as s, s.client() as c:
            reply = c.ask('/jobs/7?q=1')
            self.assertEqual((reply.status, reply.fields['location']),
                             (303, '/login?next=%2Fjobs%2F7%3Fq%3D1'))
            self.assertEqual(c.ask('/jobs/7', Accept='application/json').status, 401)
            self.assertEqual(c.ask('/jobs/7', Cookie='sid=alice').json()['who'], 'alice')
            self.assertEqual(c.ask('/jobs/7', Cookie='a=b; sid=alice; c=d').status, 200)
            self.assertEqual(c.ask('/jobs/7', Cookie='sid=alice; sid=bob').status, 303)
            self.assertEqual(c.ask('/jobs/7', Cookie='xsid=alice').status, 303)
            self.assertEqual(c.ask('/admin', Cookie='sid=alice').status, 404)
            reply = c.ask('/jobs/7', Cookie='sid=down')
            self.assertEqual((reply.status, reply.fields['retry-after']), (503, '2'))

    def test_a_form_needs_its_token(self):
        with Server() as s, s.client() as c:
            def send(body, **fields):
                return c.ask('/echo', 'POST', body, Cookie='sid=alice',
                             **{'Content_Type': self.FORM, **fields})
            reply = send(b'token=t/echo&name=a+b&%C3%A4=%C3%B6')
            self.assertEqual(reply.json(), {'token': 't/echo', 'name': 'a b', 'ä': 'ö'})
            for body in (b'name=a', b'token=&name=a', b'token=t/other&name=a', b'token=tx'):
                self.assertEqual(send(body).status, 403)
            self.assertEqual(send(b'token=t/echo', Origin='http://evil.example').status, 403)
            self.assertEqual(send(b'token=t/echo', Origin='null').status, 403)
            self.assertEqual(send(b'token=t/echo', Sec_Fetch_Site='cross-site').status, 403)
            self.assertEqual(send(b'token=t/echo', Origin='http://localhost').status, 200)
            self.assertEqual(send(b'token=t/echo', Content_Type='text/plain').status, 415)
            self.assertEqual(send(b'token=t/echo&a=1&a=2').status, 400)
            self.assertEqual(send(b'token=t/echo&a=%00').status, 400)
            self.assertEqual(send(b'token=t/echo&a=%ff').status, 400)
            self.assertEqual(send(b'token=t/echo&a=' + b'x' * 270000).status, 413)
            reply = c.ask('/echo', 'POST', b'token=t/echo', Content_Type=self.FORM)
            self.assertEqual(reply.status, 303)

    def test_an_upload_is_bytes(self):
        with Server() as s, s.client() as c:
            for size in (0, 1, 65536, 1048576):
                reply = c.ask('/upload', 'POST', b'\0' * size,
                              Content_Type='application/octet-stream')
                self.assertEqual(reply.json(), {'bytes': size})

    def test_when_too_many_wait_the_next_is_told_to_come_again(self):
        with Server(queue=2) as s:
            waiting = [s.client() for _ in range(3)]
            for c in waiting:
                c.send(b'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
            replies = []
            while not replies:  # one is with the worker, two wait
                with s.client() as c:
                    c.socket.settimeout(0.2)
                    c.send(b'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
                    with contextlib.suppress(TimeoutError):
                        replies.append(Reply(c.stream))
            self.assertEqual((replies[0].status, replies[0].fields['retry-after']), (503, '2'))
            self.has_safety(replies[0])
            for _ in range(10):
                s.post('/api/release')
            for c in waiting:
                self.assertIn(Reply(c.stream).status, (200, 503))
                c.close()


class Starting(Http):
    def fails(self, **options):
        s = Server(**options)
        self.assertEqual(s.port, 0)
        status, errors = s.stop()
        self.assertEqual(status, 1)
        return errors.strip()

    def test_a_port_that_is_taken_is_named_with_the_remedy(self):
        with Server() as s:
            self.assertEqual(self.fails(listen=f'127.0.0.1:{s.port}'),
                             f'listen 127.0.0.1:{s.port}: another program has this port; '
                             'end it, or set another port in `listen`')

    def test_plain_http_is_for_loopback_alone(self):
        self.assertEqual(self.fails(listen='0.0.0.0:0'),
                         'listen 0.0.0.0:0: plain HTTP is for loopback alone; '
                         'set `certificate` and `key`')

    def test_an_address_must_be_one(self):
        for listen in ('localhost:80', '127.0.0.1', '127.0.0.1:99999', '[::1:80', ':80', '',
                       '1.2.3:4'):
            self.assertIn('not of the form 192.0.2.1:443 or [::1]:443',
                          self.fails(listen=listen))

    def test_ipv6_is_listened_on(self):
        with Server(listen='[::1]:0') as s:
            with socket.create_connection(('::1', s.port), timeout=PATIENCE) as c:
                c.sendall(b'GET /hello HTTP/1.1\r\nHost: [::1]\r\n\r\n')
                self.assertEqual(Reply(c.makefile('rb')).json()['address'], '::1')

    def test_a_key_that_others_can_read_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = folder + '/cert', folder + '/key'
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                            'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
                            '-subj', '/CN=localhost'], check=True, capture_output=True)
            os.chmod(key, 0o644)
            self.assertIn('lets others read it; chmod 600 it', self.fails(cert=cert, key=key))
            os.chmod(key, 0o600)
            self.assertIn('TLS certificate', self.fails(cert=key + 'x', key=key))


if __name__ == '__main__':
    unittest.main()

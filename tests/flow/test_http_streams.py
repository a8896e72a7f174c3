# SPDX-License-Identifier: Apache-2.0
"""What goes on after the head of a reply: files, pipes and events; and clients who leave in the
middle of it."""
import json
import random
import unittest

from raw_http import Http, Reply, Server


class Streams(Http):
    def test_a_file_arrives_whole(self):
        data = random.Random(1).randbytes(3 * 65536 + 17)
        for size in (0, 1, 65535, 65536, 65537, len(data)):
            with Server(file=self.file(size, data[:size])) as s, s.client() as c:
                reply = c.ask('/stream')
                self.assertEqual(reply.fields['content-length'], str(size))
                self.assertEqual(reply.body, data[:size])
                self.assertEqual(reply.fields['content-disposition'],
                                 'attachment; filename="gro__e_Datei.bin"; '
                                 "filename*=UTF-8''gro%C3%9Fe%20Datei.bin")
                self.assertEqual(c.ask('/pipe').body, b'through a pipe')
                self.assertEqual(c.ask('/hello').status, 200)

    def test_a_slow_reader_of_a_large_file_costs_little_memory(self):
        # AddressSanitizer keeps what was freed; that is not the server's
        with Server(environment={'ASAN_OPTIONS': 'quarantine_size_mb=1'},
                    file=self.file(2 ** 30)) as s:
            before = s.state()['peak_kib']
            clients = [s.client() for _ in range(8)]
            for c in clients:
                c.send(b'GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
            for _ in range(64):
                for c in clients:
                    self.assertEqual(len(c.stream.read(65536)), 65536)
            grown = s.state()['peak_kib'] - before
            self.assertLess(grown, 16 * 1024)
            for c in clients:
                c.close()
            s.wait_for(connections=1)

    def test_a_file_that_is_shorter_than_promised_ends_the_connection(self):
        with Server(file=self.file(100000)) as s, s.client() as c:
            c.send(b'GET /short HTTP/1.1\r\nHost: localhost\r\n\r\n')
            with self.assertRaises((EOFError, ConnectionResetError)):
                Reply(c.stream)
            s.wait_for(connections=1)

    def test_events_reach_all_who_follow(self):
        with Server() as s:
            followers = [self.follow(s) for _ in range(10)]
            s.post('/api/publish', {'count': 3, 'data': {'text': 'line\nbreak'}})
            for c in followers:
                for n in '123':
                    self.assertEqual(self.event(c), {'id': n, 'event': 'tick',
                                                     'data': '{"text":"line\\nbreak"}'})
            self.assertEqual(s.state()['streams'], 10)
            for c in followers:
                c.close()
            s.wait_for(streams=0, ended=10)

    def test_the_heart_beats(self):
        with Server(heartbeat_ms=50) as s:
            c = self.follow(s)
            self.assertEqual([c.chunked_line() for _ in range(4)], [b':\n', b'\n'] * 2)
            c.close()

    def test_streams_end_at_logout(self):
        with Server() as s:
            followers = [self.follow(s) for _ in range(3)]
            self.assertEqual(s.post('/api/logout').json(), {'ended': 3})
            for c in followers:
                with self.assertRaises(EOFError):
                    c.chunked_line()
                self.assertEqual(c.ask('/hello').status, 200)  # the connection lives on
                c.close()
            self.assertEqual(s.state()['streams'], 0)

    def test_a_slow_follower_gets_a_gap(self):
        with Server() as s:
            c = self.follow(s)
            taken = s.post('/api/publish', {'count': 400, 'data': 'x' * 60000}).json()['taken']
            self.assertLess(taken, 10)
            seen = [self.event(c) for _ in range(taken + 1)]
            self.assertEqual([e['id'] for e in seen[:-1]], [str(n + 1) for n in range(taken)])
            self.assertEqual(seen[-1]['event'], 'gap')
            self.assertEqual(json.loads(seen[-1]['data']), {'events': 400 - taken})
            s.post('/api/publish', {'count': 1, 'data': 1})
            self.assertEqual(self.event(c)['event'], 'tick')
            c.close()


class Leaving(Http):
    def test_clients_may_leave_at_any_moment(self):
        with Server(file=self.file(10 ** 6)) as s:
            self.leave_at_any_moment(s)
            for _ in range(80):
                s.post('/api/release')
            s.wait_for(connections=1, streams=0)

    def test_the_server_may_end_at_any_moment(self):
        for request in self.REQUESTS:
            with Server(file=self.file(2 ** 24)) as s, s.client() as c, s.client() as half:
                c.send(request)
                half.send(request[:len(request) // 2])
                self.assertEqual(s.ask('/hello').status, 200)


if __name__ == '__main__':
    unittest.main()

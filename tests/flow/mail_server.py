# SPDX-License-Identifier: Apache-2.0
"""A small mail server (RFC 5321) that keeps what it takes, and fails where it is told to."""
import email
import email.policy
import socketserver
import threading


class MailServer(socketserver.ThreadingTCPServer):
    """Listens on a free port of loopback. `fail`: None; 'rcpt' (refuses the address), 'data'
    (refuses the message at its end), 'drop' (takes the message and closes without a word),
    'cut' (closes before the message has ended), 'hold' (waits at the message's end, until
    go() is called), 'wait' (the same at the address, before there is a message). `refused`:
    addresses that it never takes."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.port = self.server_address[1]
        self.fail = None
        self.refused = set()
        self.taken = []  # (address, message) that were accepted
        self.reached = threading.Event()
        self._go = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def go(self):
        self._go.set()

    def hold(self):
        self.reached.set()
        self._go.wait(60)

    def handle_error(self, request, client_address):
        pass  # a client that was killed

    def close(self):
        self.go()
        self.shutdown()
        self.server_close()


class Conversation(socketserver.StreamRequestHandler):
    """One client."""

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self):
        to = None
        self.say("220 test")
        for line in self.rfile:
            word = line.strip().upper()
            if word.startswith(b"EHLO"):
                self.say("250 test")
            elif word.startswith(b"RCPT TO:"):
                to = line.split(b"<")[1].split(b">")[0].decode()
                if self.server.fail == "wait":
                    self.server.hold()
                is_refused = self.server.fail == "rcpt" or to in self.server.refused
                self.say("550 nobody here" if is_refused else "250 ok")
            elif word == b"DATA":
                if not self.data(to):
                    return
            elif word == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def data(self, to):
        self.say("354 go on")
        lines = []
        for line in self.rfile:
            if self.server.fail == "cut":
                return False
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b"..") else line)
        else:
            return False  # the client went away in the middle
        if self.server.fail == "data":
            self.say("452 no room")
            return True
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        self.server.taken.append((to, message))
        if self.server.fail == "hold":
            self.server.hold()
        if self.server.fail == "drop":
            return False
        self.say("250 taken")
        return True

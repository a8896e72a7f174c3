# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of one's own, for one machine: its key, and the certificates it
signs.

Made by openssl's command (ECDSA P-256), kept in a folder: a second run finds and goes on using
them. Keys are 0600 from the moment they exist. Who gets a key is the caller's business
(os.chown())."""
import os
import pathlib
import socket
import subprocess

DAYS = "3650"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def own_names():
    """What this machine is called when one talks to it from itself."""
    names = ["127.0.0.1", "localhost"]
    host = socket.gethostname()
    return names if host in names else names + [host]


def alternative_names(names):
    """The text of subjectAltName for host names and IPv4 addresses."""
    return ",".join(("IP:" if n.replace(".", "").isdigit() else "DNS:") + n for n in names)


def openssl(*args):
    old = os.umask(0o077)
    try:
        done = subprocess.run(["openssl", *map(str, args)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    finally:
        os.umask(old)
    if done.returncode:
        raise RuntimeError(f"openssl {args[0]}: exit {done.returncode}: {done.stdout.strip()}")


class Authority:
    """certificate: the path of the CA's own certificate, which clients are given."""

    def __init__(self, folder, name="Firefly demonstration CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        if not self.certificate.exists():
            self._make(name)

    def _make(self, name):
        openssl("req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.certificate,
                "-days", DAYS, "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.certificate.chmod(0o644)

    def sign(self, name, names=None, days=DAYS):
        """The paths (certificate, key) of a server called `name`; made once. days -1:
        expired."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if certificate.exists():
            return certificate, key
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        names = names or own_names()
        extensions.write_text(f"subjectAltName={alternative_names(names)}\n"
                              "extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
        openssl("req", *NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={names[0]}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-days", days, "-out", certificate, "-extfile", extensions)
        certificate.chmod(0o644)
        request.unlink()
        extensions.unlink()
        return certificate, key

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several processes on several nodes that work out one number: pi, from the area below
4 / (1 + x * x), cut into strips. Each rank adds up its share and sends it to rank 0 at
MASTER_ADDR:MASTER_PORT, which tells all of them the sum and writes result.json.

Environment: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as every job gets them; STRIPS
(16000000)."""
import json
import os
import pathlib
import socket
import time

RANK, RANKS = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
PORT, STRIPS = int(os.environ["MASTER_PORT"]), int(os.environ.get("STRIPS", 16000000))
NODE = os.environ.get("SLURMD_NODENAME", socket.gethostname())
PATIENCE_S = 60


def share():
    """Every RANKS-th strip."""
    width = 1 / STRIPS
    return width * sum(4 / (1 + ((i + 0.5) * width) ** 2) for i in range(RANK, STRIPS, RANKS))


def address():
    """Where rank 0 is. Nodes that have no address of their own are all this machine."""
    try:
        return socket.gethostbyname(os.environ["MASTER_ADDR"])
    except OSError:
        return "127.0.0.1"


def gather(part):
    """Rank 0: the sum of all parts, told to all."""
    parts, others = [part], []
    with socket.create_server(("", PORT), backlog=RANKS) as server:
        server.settimeout(PATIENCE_S)
        for _ in range(RANKS - 1):
            other, _ = server.accept()
            others.append(other)
            parts.append(float(other.makefile().readline()))
        for other in others:
            other.sendall(f"{sum(parts)!r}\n".encode())
            other.close()
    return sum(parts)


def send(part):
    """The others: what rank 0 makes of it. It may not listen yet."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with socket.create_connection((address(), PORT), PATIENCE_S) as link:
                link.sendall(f"{part!r}\n".encode())
                return float(link.makefile().readline())
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def main():
    part = share()
    print(f"rank {RANK} of {RANKS} on {NODE} sees GPUs {os.environ['CUDA_VISIBLE_DEVICES']}, "
          f"its share is {part:.6f}", flush=True)
    total = gather(part) if RANK == 0 else send(part)
    if RANK == 0:
        print(f"together {total:.10f}", flush=True)
        pathlib.Path("result.json").write_text(json.dumps({"pi": total, "ranks": RANKS}))


main()

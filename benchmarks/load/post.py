"""Publish by HTTP POST on one keep-alive connection, at a steady rate. Answers are read and not awaited.

Run as `python -m benchmarks.load.post`; prints one line of JSON at the end.
"""

import argparse
import json
import socket
import time

from benchmarks.load.body import body
from benchmarks.load.pace import ticks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--rate", type=float, required=True, help="messages per second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--size", type=int, default=140, help="bytes of a message")
    options = parser.parse_args()
    lines = [f"POST {options.path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *options.header]
    head = "".join(f"{line}\r\n" for line in [*lines, f"Content-Length: {options.size}", ""]).encode()
    sent = refused = 0
    began, cpu = time.monotonic(), time.process_time()
    with socket.create_connection(("127.0.0.1", options.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in ticks(options.rate, options.seconds):
            connection.sendall(head + body(options.size))
            sent += 1
            refused += refusals(connection)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    print(json.dumps({"sent": sent, "refused": refused, "seconds": seconds, "cpu": cpu}))


def refusals(connection: socket.socket) -> int:
    """Read the answers that are there; how many of them were not 2xx."""
    try:
        answers = connection.recv(65536, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 0
    return answers.count(b"HTTP/1.1 ") - answers.count(b"HTTP/1.1 2")


if __name__ == "__main__":
    main()

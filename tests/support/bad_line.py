"""A line that loses packets and lets them overtake each other, in user space: for kernels without ``netem`` as well.

::

    async with BadLine(seed=7) as line:
        line.loss, line.latency, line.jitter = 0.05, 0.05, 0.1
        reader, writer = await asyncio.open_connection(line.far, port)   # reaches 127.0.0.1:port

A TUN device of our own has one address, ``far`` is the other end of its network of two. What the kernel sends there
comes to us packet by packet; it goes back, late or never, as a packet from ``far`` to loopback, and answers the other
way. So both ends are the kernel's own TCP, with its retransmissions, and every packet of both ways is exposed. Nothing
of it leaves the machine. It needs root, for the device; that goes with the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
import socket
import struct
import subprocess
from pathlib import Path
from types import TracebackType

from tests.support.errors import Missing

TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
"""Of linux/if_tun.h."""

LARGEST = 2**16
MAX_ON_THE_WAY = 10_000
"""Packets that are late at a time; what comes beyond them is lost, as in a router."""

TCP = 6
LOOPBACK = socket.inet_aton("127.0.0.1")


class BadLine:
    """See above. Seconds: each packet takes `latency`, and up to `jitter` more; a share of `loss` of them is lost."""

    def __init__(self, seed: int = 0) -> None:
        self.loss = self.latency = self.jitter = 0.0
        self.carried = self.lost = self.overtook = 0
        """Packets so far."""
        # 198.18.0.0/15 is for tests of networks (RFC 2544, appendix C.2.2); each process takes four addresses of it.
        network = struct.pack("!I", 0xC6120000 | (os.getpid() * 4) & 0x1FFFF)
        self._near, self._far = network[:3] + bytes([network[3] | 1]), network[:3] + bytes([network[3] | 2])
        self.far = socket.inet_ntoa(self._far)
        self._name = f"bad{os.getpid()}"
        self._chance = random.Random(f"line {seed}")
        self._on_the_way = 0
        self._sent = self._arrived = 0
        self._device = -1

    async def __aenter__(self) -> BadLine:
        """Make the device; `Missing` where that is not for us to do."""
        try:
            await asyncio.to_thread(self._make)
        except (OSError, subprocess.SubprocessError) as failure:
            self._close()
            raise Missing(
                f"a line that loses packets needs root, {TUN} and ip (Debian: iproute2), and was not made: {failure}"
            ) from failure
        asyncio.get_running_loop().add_reader(self._device, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Remove the device; connections through it hear nothing any more."""
        self._close()

    def clear(self) -> None:
        """Let it be a good line."""
        self.loss = self.latency = self.jitter = 0.0

    def _make(self) -> None:
        self._device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self._device, TUNSETIFF, struct.pack("16sH", self._name.encode(), IFF_TUN | IFF_NO_PI))
        near = socket.inet_ntoa(self._near)
        for words in (("address", "add", f"{near}/30", "dev", self._name), ("link", "set", self._name, "up")):
            subprocess.run(["ip", *words], check=True, capture_output=True)
        # Packets to loopback that come in from elsewhere are dropped otherwise.
        Path(f"/proc/sys/net/ipv4/conf/{self._name}/route_localnet").write_text("1")

    def _close(self) -> None:
        if self._device >= 0:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._device)
            os.close(self._device)
            self._device = -1

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._take(os.read(self._device, LARGEST))

    def _take(self, packet: bytes) -> None:
        source, target = packet[12:16], packet[16:20]
        if packet[0] >> 4 != 4 or packet[9] != TCP or target != self._far:
            return
        self.carried += 1
        if self._chance.random() < self.loss or self._on_the_way >= MAX_ON_THE_WAY:
            self.lost += 1
            return
        packet = addressed(packet, self._far, LOOPBACK if source == self._near else self._near)
        self._on_the_way += 1
        self._sent += 1
        late = self.latency + self._chance.uniform(0, self.jitter)
        if late:
            asyncio.get_running_loop().call_later(late, self._deliver, packet, self._sent)
        else:
            self._deliver(packet, self._sent)

    def _deliver(self, packet: bytes, number: int) -> None:
        self._on_the_way -= 1
        self.overtook += number < self._arrived
        self._arrived = max(number, self._arrived)
        if self._device >= 0:
            with contextlib.suppress(OSError):
                os.write(self._device, packet)


def addressed(packet: bytes, source: bytes, target: bytes) -> bytes:
    """Return a TCP packet with other addresses, and checksums that fit them (RFC 791, section 3.1; RFC 9293, 3.1)."""
    changed = bytearray(packet)
    head = (changed[0] & 0x0F) * 4
    changed[12:20] = source + target
    changed[10:12] = b"\0\0"
    changed[10:12] = struct.pack("!H", checksum(bytes(changed[:head])))
    at = head + 16
    changed[at : at + 2] = b"\0\0"
    pseudo = source + target + struct.pack("!BBH", 0, TCP, len(changed) - head)
    changed[at : at + 2] = struct.pack("!H", checksum(pseudo + bytes(changed[head:])))
    return bytes(changed)


def checksum(data: bytes) -> int:
    """Return the Internet checksum of some bytes (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

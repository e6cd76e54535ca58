"""A lane of a round: it carries out one trial after the other, on a vhost and in a database of its own for each.

Several lanes run beside each other, each in a process of its own. They share a broker and a store. What a fault
ill-treats is the lane's own, started when it is first needed, and replaced after a trial that went wrong.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import SpawnContext
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import tests.faults.injections  # noqa: F401 (fills the table of faults)
from tests.faults.fault import FAULTS, Fault
from tests.faults.rig import Places
from tests.faults.trial import Report, attempt
from tests.support import ports
from tests.support.broker import Broker, OwnBroker
from tests.support.broker import ways as ways_to_a_broker
from tests.support.broker.disk import SmallDisk
from tests.support.broker.lending import broker_of
from tests.support.lending import Description
from tests.support.store import OwnServer, Server
from tests.support.store import ways as ways_to_a_store
from tests.support.store.lending import server_of


@dataclass(frozen=True)
class Job:
    """One trial to be carried out; `number` of `total` in the round."""

    key: str
    seed: int
    number: int
    total: int


@dataclass
class Lane:
    """Number `share` of `shares`. `broker` and `store` describe those that all lanes share."""

    broker: Description
    store: Description
    keep: Path | None
    share: int = 0
    shares: int = 1
    _broker: Broker | None = None
    _store: Server | None = None
    _own: dict[str, Any] = field(default_factory=dict)
    """The nodes that are this lane's own."""

    def carry_out(self, job: Job) -> Report:
        """Carry out one trial; its report, whatever happens."""
        began = time.monotonic()
        fault = FAULTS[job.key]

        def tell(words: str) -> None:
            took = time.monotonic() - began
            print(f"[{job.number}/{job.total}] {job.key} seed {job.seed}: {words} ({took:.0f} s)", flush=True)

        try:
            report = self._attempt(fault, job.seed, tell)
        except Exception as failure:  # the next trial must still be carried out
            report = Report.broken(fault, job.seed, failure, time.monotonic() - began)
        if not report.passed:
            self.dispose()  # who knows what they are like now
        tell("; ".join([report.verdict, *report.notes]))
        if not report.passed:
            print(report.details(), flush=True)
        return report

    def dispose(self) -> None:
        """Remove the lane's own broker and store."""
        while self._own:
            _, node = self._own.popitem()
            node.dispose()

    def _attempt(self, fault: Fault, seed: int, tell: Callable[[str], None]) -> Report:
        disk = self._own_disk(fault.disk) if fault.disk else None
        broker = self._own_broker(disk) if fault.own_broker else self._shared_broker()
        own_store = self._own_store() if fault.own_store else None
        store_url = own_store.url if own_store else self._shared_store().create_database()
        vhost = broker.create_vhost()
        try:
            with tempfile.TemporaryDirectory(prefix="penstock-faults-") as temporary:
                folder = Path(temporary)
                if self.keep is not None:
                    folder = self.keep / f"{fault.key}-{seed}"
                    folder.mkdir(parents=True, exist_ok=True)
                places = Places(broker, vhost, store_url, own_store, disk)
                return asyncio.run(attempt(fault, places, seed, folder, tell))
        finally:
            broker.delete_vhost(vhost)
            if own_store is None:
                self._shared_store().empty(store_url)

    def _shared_broker(self) -> Broker:
        if self._broker is None:
            self._broker = broker_of(self.broker)
        return self._broker

    def _shared_store(self) -> Server:
        if self._store is None:
            self._store = server_of(self.store, self.share, self.shares)
        return self._store

    def _own_broker(self, disk: SmallDisk | None) -> OwnBroker:
        name = "broker" if disk is None else "broker on a small disk"
        if name not in self._own:
            self._own[name] = ways_to_a_broker.started_node(data=disk and disk.folder)
        return OwnBroker(self._own[name])

    def _own_disk(self, size: int) -> SmallDisk:
        if "disk" not in self._own:
            self._own["disk"] = SmallDisk(size)
        disk: SmallDisk = self._own["disk"]
        return disk

    def _own_store(self) -> OwnServer:
        if "store" not in self._own:
            self._own["store"] = ways_to_a_store.started_node()
        store = OwnServer(self._own["store"])
        store.ask("FLUSHALL")
        return store


def run(jobs: Iterable[Job], lane: Lane, lanes: int) -> Iterator[Report]:
    """Carry out all, `lanes` of them at a time, and yield each report when it is there; `lane` is the model of all."""
    if lanes == 1:
        try:
            yield from map(lane.carry_out, jobs)
        finally:
            lane.dispose()
        return
    context = get_context("spawn")  # the Docker client and the guard do not survive a fork
    pool = ProcessPoolExecutor(lanes, context, _take_lane, (lane, lanes, _shares(context, lanes)))
    try:
        futures: list[Future[Report]] = [pool.submit(_carry_out, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_mine: Lane | None = None
"""The lane of this process."""


def _shares(context: SpawnContext, lanes: int) -> Any:
    shares = context.Queue()
    for share in range(lanes):
        shares.put(share)
    return shares


def _take_lane(model: Lane, lanes: int, shares: Any) -> None:
    global _mine
    warnings.simplefilter("ignore", ResourceWarning)
    _mine = Lane(model.broker, model.store, model.keep, shares.get(), lanes)
    ports.keep_to(_mine.share, lanes)
    Finalize(_mine, _mine.dispose, exitpriority=10)  # a process of a pool knows no atexit


def _carry_out(job: Job) -> Report:
    assert _mine is not None
    return _mine.carry_out(job)

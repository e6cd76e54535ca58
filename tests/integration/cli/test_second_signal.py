"""Somebody who presses Ctrl-C twice does not wait."""

import signal
import subprocess
import sys
from pathlib import Path

from penstock.cli.exits import Exit

STUCK = """
import asyncio
from penstock.process import run_services
from penstock.settings import ProcessSettings

class Stuck:
    async def start(self):
        print("started", flush=True)

    async def stop(self):
        print("stopping", flush=True)
        await asyncio.Event().wait()

run_services(ProcessSettings(stop_deadline=DEADLINE), lambda log: [Stuck()])
"""


def stuck(deadline):
    return subprocess.Popen(
        [sys.executable, "-c", STUCK.replace("DEADLINE", str(deadline)) + "\nraise SystemExit(99)"],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_second_signal_ends_a_process_that_is_still_stopping():
    with stuck(3600) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == Exit.INTERRUPTED
    assert "Stopped at once" in err


def test_a_service_that_never_stops_is_left_at_the_deadline_and_named():
    with stuck(0.05) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 99, "run_services returned"
    assert "stuck did not stop within 0.05 s; what it had in hand was left" in err

"""Tries one target for a while, led by what its inputs reach in our code, with ``atheris`` (libFuzzer)

``python -m tests.fuzz.guided NAME SECONDS SEED``: a process of its own, for libFuzzer ends the one it runs in.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.engine import Report
from tests.fuzz.found import kind_of, save, smaller
from tests.fuzz.target import Target

MAX_LENGTH = 4096
FOUND_LINE = "found: "
_COUNT = re.compile(r"^#(\d+)\s", re.MULTILINE)
_TOTAL = re.compile(r"number_of_executed_units: (\d+)")


def is_there() -> bool:
    """Say whether it can be used."""
    return importlib.util.find_spec("atheris") is not None


def search(target: Target, seconds: float, seed: int, *, say: Callable[[str], None]) -> Report:
    """Try inputs for about so long, in another process."""
    report = Report(target.name)
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz.guided", target.name, str(round(seconds)), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said = [*said[-20:], line]
            if count := _COUNT.match(line) or _TOTAL.search(line):
                report.inputs, report.seconds = int(count[1]), time.monotonic() - began
                say(str(report))
            elif line.startswith(FOUND_LINE):
                report.found.append(Path(line.removeprefix(FOUND_LINE).strip()))
    if process.returncode:
        raise RuntimeError(f"the fuzzer of {target.name} ended with {process.returncode}:\n{''.join(said)}")
    return report


def _run(name: str, seconds: str, seed: str) -> None:
    import atheris

    with atheris.instrument_imports(include=["gateway", "router", "shared", "penstock_client", "websockets", "jwt"]):
        from tests.fuzz.table import TARGETS
    target = TARGETS[name]
    kinds: set[object] = set()

    def attack(data: bytes) -> None:
        finding = target.finding(data)
        if finding is not None and kind_of(finding) not in kinds:
            kinds.add(kind_of(finding))
            print(f"{FOUND_LINE}{save(target, smaller(target, data))}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, data in enumerate(target.seeds):
            (corpus / str(number)).write_bytes(data)
        spelled = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words if 0 < len(word) <= 60)
        words.write_text("".join(f'"{word}"\n' for word in spelled))
        options = {
            "max_total_time": seconds, "seed": seed, "max_len": MAX_LENGTH, "print_final_stats": 1, "rss_limit_mb": 0,
            "report_slow_units": 60, **({"dict": words} if target.words else {}),
        }  # fmt: skip
        atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)], attack)
        atheris.Fuzz()


if __name__ == "__main__":
    _run(*sys.argv[1:])

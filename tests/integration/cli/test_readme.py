"""What README and the first screen tell a newcomer to run does what they say."""

import re
import shlex
import subprocess
import sys
import urllib.request

import pytest

from penstock.cli.exits import Exit
from tests.integration.cli.conftest import ROOT
from tests.support.eventually import wait_until
from tests.support.ports import free_port


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def up(penstock, port):
    process = penstock.start("up", "--port", str(port))
    process.says("Ctrl-C stops it.")
    process.answers(port, "/readyz")
    return process


def block(page, words):
    """The one block of Python on a page that holds these words."""
    (found,) = [text for text in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL) if words in text]
    return found


def test_the_program_that_follows_a_topic_prints_what_is_emitted(penstock, up, port, tmp_path):
    _, token, _ = penstock.run("token", "--subscribe", "orders.*", "--port", str(port))
    program = block(ROOT / "README.md", "penstock_client").replace("localhost:8000", f"127.0.0.1:{port}")
    environment = penstock.environment | {
        "PYTHONPATH": str(ROOT / "clients/python"),
        "PYTHONUNBUFFERED": "1",
        "PENSTOCK_TOKEN": token.strip(),
    }
    out = tmp_path / "follow.out"
    with out.open("wb") as file:
        following = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=file, stderr=file)
    try:

        def heard():
            penstock.run("emit", "orders.42", '{"total": 12}', "--port", str(port))
            return out.read_text()

        wait_until(heard, 30)
        assert out.read_text().splitlines()[0] == "orders.42 {'total': 12}"
    finally:
        following.kill()
        following.wait()


def test_the_clients_program_publishes_and_receives(penstock, up, port):
    _, token, _ = penstock.run("token", "--subscribe", "#", "--publish", "#", "--port", str(port))
    program = block(ROOT / "clients/python/README.md", "asyncio.run")
    environment = penstock.environment | {
        "PYTHONPATH": str(ROOT / "clients/python"),
        "PENSTOCK_URL": f"http://127.0.0.1:{port}",
        "PENSTOCK_TOKEN": token.strip(),
    }
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1] == "received orders.42 {'status': 'paid'}"


def test_the_line_for_curl_publishes(penstock, up, port):
    listening = penstock.start("listen", "orders.*", "--count", "1", "--port", str(port))
    listening.says("listening as", on="err")
    (line,) = [line for line in up.out.splitlines() if "curl" in line]
    curl, *words = shlex.split(line)
    options = list(zip(words[:-1:2], words[1:-1:2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
    (body,) = [value.encode() for option, value in options if option == "-d"]
    with urllib.request.urlopen(urllib.request.Request(words[-1], body, headers), timeout=10) as answer:
        assert (curl, answer.status) == ("curl", 202)
    assert listening.ends() == Exit.OK
    assert 'orders.42  {"total": 12}' in listening.out

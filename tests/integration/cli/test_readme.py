"""What README and the first screen tell a newcomer to run does what they say."""

import re
import shlex
import subprocess
import sys
import textwrap
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


def block(page, words, language="python"):
    """The one block of a language on a page that holds these words."""
    found = re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)
    (one,) = [text for text in found if words in text]
    return one


def words_of_token(page, pattern):
    """What the page says behind `penstock token` for one that may subscribe to it."""
    line = block(page, pattern, "sh")
    return shlex.split(re.search(r"\$\(\.venv/bin/penstock (token [^)]*)\)", line)[1])


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


def test_who_is_there_is_told_once_the_rule_is_written_and_penstock_is_started_again(penstock, up, port, tmp_path):
    page = ROOT / "README.md"
    up.tell()
    up.ends()
    (penstock.folder / "penstock.toml").write_text(block(page, "presence", "toml"))
    penstock.start("up", "--port", str(port)).answers(port, "/readyz")
    _, token, _ = penstock.run(*words_of_token(page, "rooms"), "--port", str(port))
    opening, client, _ = block(page, "penstock_client").partition(" as client:\n")
    body = textwrap.indent(block(page, "client.presence"), " " * 8)
    program = f"{opening}{client}{body}\n\nasyncio.run(main())\n".replace("localhost:8000", f"127.0.0.1:{port}")
    environment = penstock.environment | {
        "PYTHONPATH": str(ROOT / "clients/python"),
        "PYTHONUNBUFFERED": "1",
        "PENSTOCK_TOKEN": token.strip(),
    }
    out = tmp_path / "room.out"
    with out.open("wb") as file:
        watching = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=file, stderr=file)
    try:
        wait_until(lambda: "developer" in out.read_text() or watching.poll() is not None, 30)
        assert "Traceback" not in out.read_text()
        assert "count=1" in out.read_text().splitlines()[0]
    finally:
        watching.kill()
        watching.wait()


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

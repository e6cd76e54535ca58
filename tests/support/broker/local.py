"""A private RabbitMQ node: the machine's rabbitmq-server in a temporary folder, on loopback and free ports.

Nothing outside that folder is read or written: not /etc/rabbitmq, not the user's Erlang cookie, not the
epmd that may run already (ours listens on a port of its own).
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.broker.errors import BrokerError, NoWay
from tests.support.broker.node import (
    CONFIGURATION,
    CTL_WITHIN,
    ERLANG_ARGUMENTS,
    PLUGINS,
    STOP_WITHIN,
    amqp_answers,
    management_answers,
    wait_for_start,
)
from tests.support.eventually import wait_until
from tests.support.guard import guard
from tests.support.ports import different_ports, is_listening

# The scripts themselves come first: what Debian and Fedora put on PATH wants to be root or rabbitmq.
SCRIPT_FOLDERS = ("/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"


def find_scripts() -> Path:
    """The folder of rabbitmq-server and rabbitmqctl; ``NoWay`` when the machine has none."""
    for folder in (*SCRIPT_FOLDERS[:1], *os.environ.get("PATH", "").split(os.pathsep), *SCRIPT_FOLDERS[1:]):
        if all(os.access(Path(folder, script), os.X_OK) for script in ("rabbitmq-server", "rabbitmqctl")):
            return Path(folder)
    raise NoWay("no rabbitmq-server on PATH")


def find_epmd() -> str:
    """Erlang's port mapper, which not every distribution puts on PATH."""
    found = shutil.which("epmd")
    if not found:
        erl = shutil.which("erl")
        beside = sorted(Path(erl).resolve().parent.parent.glob("erts-*/bin/epmd")) if erl else []
        if not beside:
            raise NoWay("rabbitmq-server is here but Erlang's epmd is not on PATH")
        found = str(beside[-1])
    return found


class LocalNode:
    """A node made of processes of ours. Its `data` are there, where that is given."""

    def __init__(self, data: Path | None = None) -> None:
        self._scripts = find_scripts()
        self._epmd_program = find_epmd()
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-broker-"))
        guard().watch("folder", self._folder)
        self._port, self._management_port, self._distribution_port, self._epmd_port = different_ports(4)
        self._environment = self._furnish() | ({"RABBITMQ_MNESIA_BASE": str(data)} if data else {})
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return f"a private node of {self._scripts / 'rabbitmq-server'}"

    @property
    def amqp_url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    @property
    def management_url(self) -> str:
        return f"http://guest:guest@127.0.0.1:{self._management_port}"

    def start(self) -> None:
        if self._epmd is None:
            self._epmd = self._spawn(self._epmd_program, "-address", "127.0.0.1", "-port", str(self._epmd_port))
        self._server = self._spawn(str(self._scripts / "rabbitmq-server"))
        wait_for_start(self._serves, self._is_running, self._last_words)

    def stop(self) -> None:
        self._end_server(signal.SIGTERM)

    def kill(self) -> None:
        self._end_server(signal.SIGKILL)

    def freeze(self) -> None:
        os.killpg(self._group(), signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self._group(), signal.SIGCONT)

    def dispose(self) -> None:
        if self._server is not None:
            self.kill()
        if self._epmd is not None:
            self._end(self._epmd, signal.SIGKILL)
            self._epmd = None
        shutil.rmtree(self._folder, ignore_errors=True)
        guard().forget("folder", self._folder)

    def ctl(self, *arguments: str) -> str:
        return run_ctl(str(self._scripts), self._environment, *arguments)

    def description(self) -> dict[str, Any]:
        return {"kind": "local", "scripts": str(self._scripts), "environment": self._environment}

    def _furnish(self) -> dict[str, str]:
        """Write the node's files; the environment that keeps it to them."""
        folder = self._folder
        (folder / "rabbitmq.conf").write_text(
            CONFIGURATION + f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            "management.tcp.ip = 127.0.0.1\n"
            f"management.tcp.port = {self._management_port}\n"
        )
        (folder / "enabled_plugins").write_text(f"[{','.join(PLUGINS)}].\n")
        (folder / "rabbitmq-env.conf").touch()
        (folder / "conf.d").mkdir()
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RABBITMQ_", "ERL_", "ERLANG_"))
        }
        return {
            **inherited,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"{folder.name.lower().replace('_', '-')}@localhost",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PLUGINS_EXPAND_DIR": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{ERLANG_ARGUMENTS} {LOOPBACK_ONLY}",
            "RABBITMQ_CTL_ERL_ARGS": f"+S 1:1 +sbwt none {LOOPBACK_ONLY}",
        }

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program as the head of a process group, so that it can be killed with its children."""
        with (self._folder / "output").open("ab") as output:
            process = subprocess.Popen(
                command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        guard().watch("group", process.pid)
        return process

    def _group(self) -> int:
        if self._server is None:
            raise BrokerError("this broker is not running")
        return self._server.pid

    def _end_server(self, how: signal.Signals) -> None:
        if self._server is not None:
            self._end(self._server, how)
            self._server = None

    def _end(self, process: subprocess.Popen[bytes], how: signal.Signals) -> None:
        """Signal the group, and wait until its head is gone and nobody serves clients any more."""
        _signal_group(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not is_listening(self._port), within=STOP_WITHIN)
        guard().forget("group", process.pid)

    def _serves(self) -> bool:
        return amqp_answers("127.0.0.1", self._port) and management_answers(self.management_url)

    def _is_running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def _last_words(self) -> str:
        logs = [self._folder / "output", *sorted((self._folder / "log").glob("*.log"))]
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())


def run_ctl(scripts: str, environment: dict[str, str], *arguments: str) -> str:
    """Run rabbitmqctl from *scripts*; ``BrokerError`` with its words when it fails."""
    done = subprocess.run(
        [str(Path(scripts, "rabbitmqctl")), *arguments],
        env=environment,
        cwd=environment["HOME"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CTL_WITHIN,
        check=False,
    )
    if done.returncode:
        raise BrokerError(f"rabbitmqctl {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _signal_group(group: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, how)

"""What the doctor says of the machine."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from penstock.doctor import machine
from penstock.doctor.verdict import Level, fail, ok, warn, worst
from tests.support.ports import free_port


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 10), Level.FAIL), ((3, 11), Level.OK), ((3, 14), Level.OK), ((3, 15), Level.WARN)],
)
def test_python_is_judged_by_its_version(version, level):
    assert machine.python(version).level is level


def test_the_limit_of_files_is_enough_at_the_connections_and_what_is_beside_them():
    assert machine.open_files(1064, 1000).level is Level.OK
    verdict = machine.open_files(1063, 1000)
    assert verdict.level is Level.WARN
    assert "after the 999th" in verdict.found
    assert "1064" in verdict.mend


def test_a_clock_in_the_past_fails():
    assert machine.clock(0.0).level is Level.FAIL
    assert machine.clock(machine.RELEASED).level is Level.OK


def test_a_free_port_is_free():
    assert machine.port("127.0.0.1", free_port()).level is Level.OK


def test_a_port_of_another_program_fails_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.listen()
        verdict = machine.port("127.0.0.1", other.getsockname()[1])
    assert verdict.level is Level.FAIL
    assert "PENSTOCK_PORT" in verdict.mend


def test_a_port_on_which_a_gateway_listens_is_fine():
    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "alive"}')

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        verdict = machine.port("127.0.0.1", server.server_port)
        thread.join()
    assert (verdict.level, "a Penstock gateway" in verdict.found) == (Level.OK, True)


def test_an_address_of_another_machine_fails():
    assert machine.port("192.0.2.1", 8000).level is Level.FAIL


def test_the_worst_verdict_counts():
    assert worst([]) is Level.OK
    assert worst([ok("a", ""), warn("b", "", "")]) is Level.WARN
    assert worst([fail("a", "", ""), warn("b", "", ""), ok("c", "")]) is Level.FAIL

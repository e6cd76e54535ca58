"""What is said of the suite's cases, and the echo that they run against."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.conformance import suite
from tests.conformance.echo import EchoServer
from tests.conformance.verdicts import Outcome, failed, other_faults, outcomes, table

BROKEN = "\ud800".encode("utf-8", "surrogatepass")


def said(behavior: str, close: str = "OK", code: int | None = 1000) -> dict[str, object]:
    return {"behavior": behavior, "behaviorClose": close, "remoteCloseCode": code, "duration": 1}


def test_cases_are_read_in_the_order_of_their_numbers() -> None:
    index = {"penstock": {"10.1.1": said("OK"), "9.1": said("NON-STRICT"), "2.11": said("OK", code=None)}}
    assert [outcome.case for outcome in outcomes(index)] == ["2.11", "9.1", "10.1.1"]
    assert outcomes(index)[0] == Outcome("2.11", "OK", "OK", None)


def test_a_case_that_ends_wrongly_has_failed() -> None:
    good = [Outcome("1.1", "OK", "OK", 1000), Outcome("7.1", "INFORMATIONAL", "INFORMATIONAL", 1000)]
    bad = [Outcome("1.2", "FAILED", "OK", 1000), Outcome("1.3", "OK", "UNCLEAN", None)]
    assert failed(good + bad) == bad
    assert table(good + bad) == [
        ("chapter", "cases", "ok", "non-strict", "informational", "unimplemented", "failed"),
        ("1 Framing", "3", "1", "0", "0", "0", "2"),
        ("7 Close handshake", "1", "0", "0", "1", "0", "0"),
        ("all", "4", "1", "0", "1", "0", "2"),
    ]


def test_with_our_codes_only_another_fault_than_4106_counts() -> None:
    ours = Outcome("7.3.2", "FAILED", "WRONG CODE", 4106)
    odd, unclean = Outcome("7.3.3", "FAILED", "WRONG CODE", 4003), Outcome("7.3.4", "OK", "UNCLEAN", 4106)
    assert other_faults([ours, odd, unclean]) == [odd, unclean]


@pytest.mark.parametrize(("plain_codes", "code"), [(True, 1007), (False, 4106)])
async def test_the_echo_sends_messages_back_and_knows_text_from_bytes(plain_codes: bool, code: int) -> None:
    server = EchoServer(plain_codes=plain_codes)
    host, port = await server.start()
    try:
        async with connect(f"ws://{host}:{port}/", compression=None, proxy=None) as client:
            await client.send("é" * 40_000)
            assert await client.recv() == "é" * 40_000
            await client.send([b"in ", b"fragments"])
            assert await client.recv() == b"in fragments"
            await client.send(BROKEN, text=True)
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
    finally:
        await server.stop()


async def test_without_a_program_of_the_suite_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(suite.shutil, "which", lambda _: None)
    monkeypatch.setattr(suite.sys, "executable", str(tmp_path / "python"))
    monkeypatch.delenv("WSTEST", raising=False)
    with pytest.raises(suite.NoSuite, match="kosoku"):
        await suite.run(1, tmp_path)

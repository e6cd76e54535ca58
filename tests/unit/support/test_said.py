"""No secret passes the log unseen."""

import logging

import pytest

from tests.support.said import Said

log = logging.getLogger("gateway.somewhere")


@pytest.mark.parametrize(
    "tell",
    [
        lambda: log.debug("the secret is hunter2"),
        lambda: log.info("the secret is %s", "hunter2"),
        lambda: log.info("a secret", extra={"event": "x", "field": "hunter2"}),
        lambda: log.info("a secret", extra={"event": "x", "field": [b"hunter2"]}),
    ],
)
def test_a_secret_in_a_line_is_found(tell):
    with Said.everything() as said:
        tell()
    said.never("another")
    with pytest.raises(AssertionError, match=r"gateway\.somewhere"):
        said.never("another", "hunter2")


def test_a_secret_in_a_traceback_is_found():
    with Said.everything() as said:
        try:
            raise RuntimeError("a failure") from ValueError("hunter2")
        except RuntimeError:
            log.exception("it failed")
    with pytest.raises(AssertionError):
        said.never("hunter2")


def test_lines_are_found_by_their_event():
    with Said.everything() as said:
        log.info("one", extra={"event": "a"})
        log.info("two", extra={"event": "b"})
        log.info("three")
    assert [record.getMessage() for record in said.events("b")] == ["two"]
    assert len(said.events()) == 2

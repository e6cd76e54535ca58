"""The codes of the client protocol, as its text lists them."""

import pytest

from shared.codes import CloseCode, ErrorCode, may_come_back


def test_the_error_codes_are_those_of_the_protocol() -> None:
    assert {code.value for code in ErrorCode} == set(
        [
            "bad_request",
            "unauthenticated",
            "forbidden",
            "not_found",
            "rate_limited",
            "overloaded",
            "unavailable",
            "timeout",
            "too_large",
            "conflict",
            "internal",
        ]
    )


def test_the_close_codes_are_those_of_the_protocol() -> None:
    assert {code.name: code.value for code in CloseCode} == {
        "DRAIN": 4000,
        "NO_HEARTBEAT": 4001,
        "SLOW": 4002,
        "INTERNAL": 4003,
        "DEGRADED": 4004,
        "NOT_AUTHENTICATED_IN_TIME": 4100,
        "BAD_TOKEN": 4101,
        "TOKEN_EXPIRED": 4102,
        "REVOKED": 4103,
        "TOO_MANY_CONNECTIONS": 4104,
        "FLOODING": 4105,
        "BAD_FRAME": 4106,
        "TOO_LARGE": 4107,
    }


@pytest.mark.parametrize(
    ("code", "back"),
    [(1000, True), (1006, True), (4000, True), (4099, True), (4100, False), (4199, False), (4200, True)],
)
def test_the_range_of_a_close_code_says_whether_to_come_back(code: int, back: bool) -> None:
    assert may_come_back(code) is back

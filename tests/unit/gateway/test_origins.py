import pytest

from gateway.origins import Origins

HOST = "push.example.com"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://a.com", True),
        ("HTTPS://A.COM", True),
        ("https://a.com:443", True),
        ("http://a.com", False),
        ("https://a.com:444", False),
        ("https://a.com.evil", False),
        ("https://evil-a.com", False),
        ("https://sub.a.com", False),
        ("https://a.com.", False),
        ("https://a.com/", False),
        ("https://a.com/path", False),
        ("https://user@a.com", False),
        ("https://a.com,https://evil.com", False),
        ("https://a.com https://evil.com", False),
        (" https://a.com", False),
        ("https://a.com\n", False),
        ("https://а.com", False),  # a Cyrillic а
        ("https://a.com:", False),
        ("a.com", False),
        ("//a.com", False),
        ("", False),
        ("*", False),
        ("null", False),
        ("http://b.com:8080", True),
        ("http://b.com", False),
        ("https://[2001:db8::1]:8443", True),
        ("app://native", True),
        ("http://localhost:3000", False),
    ],
)
def test_an_origin_is_compared_as_a_whole(origin: str, allowed: bool) -> None:
    origins = Origins(["https://A.com", "http://b.com:8080", "https://[2001:DB8::1]:8443", "app://native"])
    assert origins.allows(origin, HOST) is allowed


def test_a_request_without_an_origin_is_no_browsers_and_passes() -> None:
    assert Origins().allows(None, HOST)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://push.example.com", "push.example.com", True),
        ("https://push.example.com", "PUSH.example.com:443", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("https://push.example.com", "push.example.com:80", False),
        ("https://example.com", "push.example.com", False),
        ("https://push.example.com", "", False),
        ("https://push.example.com", "push.example.com,evil.com", False),
        ("https://evil.com", "push.example.com\r\nx: evil.com", False),
    ],
)
def test_the_host_that_is_asked_is_its_own_origin(origin: str, host: str, allowed: bool) -> None:
    assert Origins().allows(origin, host) is allowed


def test_null_passes_only_where_it_is_listed() -> None:
    assert Origins(["null"]).allows("null", HOST)
    assert not Origins(["https://a.com"]).allows("null", "null")


def test_a_star_lets_everybody_in() -> None:
    origins = Origins(["*"])
    assert all(origins.allows(origin, HOST) for origin in ("https://a.com", "null", "whatever", None))


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://localhost", "http://127.0.0.1:5173", "http://[::1]:80"]
)
def test_pages_of_this_machine_pass_in_development_only(origin: str) -> None:
    assert Origins(development=True).allows(origin, HOST)
    assert not Origins().allows(origin, HOST)


@pytest.mark.parametrize(
    "origin", ["http://localhost.evil.com", "http://127.0.0.2", "ftp://localhost", "http://localhost@evil.com"]
)
def test_development_opens_the_door_to_this_machine_alone(origin: str) -> None:
    assert not Origins(development=True).allows(origin, HOST)


@pytest.mark.parametrize("wrong", ["example.com", "https://example.com/", "https://*.example.com", "", "https://"])
def test_what_is_no_origin_cannot_be_listed(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Origins([wrong])

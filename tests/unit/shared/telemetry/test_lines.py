"""How a log line looks, and what it never shows."""

import io
import json
import logging

import pytest

from shared.bus import amqp_link
from shared.settings import CommonSettings
from shared.telemetry import lines, logs

CANARY = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"


def record(message="client connected", args=(), exc_info=None, **extra):
    made = logging.getLogger("gateway.app").makeRecord(
        "gateway.app", logging.INFO, __file__, 1, message, args, exc_info, extra=extra
    )
    made.created, made.msecs = 1_700_000_000.25, 250.0
    return made


@pytest.fixture(params=[lines.TextLines, lines.JsonLines])
def formatter(request):
    return request.param()


def test_a_json_line_holds_the_event_the_message_and_the_fields():
    line = json.loads(lines.JsonLines().format(record(event="client.connected", user="ada", count=3)))
    assert line == {
        "at": "2023-11-14T22:13:20.250+00:00",
        "level": "info",
        "logger": "gateway.app",
        "event": "client.connected",
        "message": "client connected",
        "user": "ada",
        "count": 3,
    }


def test_a_text_line_is_read_from_left_to_right():
    line = lines.TextLines().format(record(event="client.connected", user="ada lovelace"))
    assert line.endswith('INFO    gateway.app: client connected  event=client.connected user="ada lovelace"')


def test_a_field_that_has_no_value_is_left_out(formatter):
    line = formatter.format(record(event="request.forbidden", close=None, session=0))
    assert "close" not in line
    assert "session" in line


@pytest.mark.parametrize(
    "extra",
    [
        {"token": CANARY},
        {"reason": f"refused {CANARY}"},
        {"header": f"Bearer {CANARY}"},
        {"api_key": CANARY},
        {"url": f"amqp://penstock:{CANARY}@broker:5672/"},
        {"settings": {"secret": CANARY}},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_the_canary_token_never_gets_into_a_line(formatter, extra):
    assert CANARY not in formatter.format(record(**extra))


@pytest.mark.parametrize("name", ["token", "new_secret", "password", "authorization", "api_key", "apikey", "Cookie"])
def test_a_secret_of_any_shape_is_masked_by_the_name_of_its_field(formatter, name):
    assert "correct horse" not in formatter.format(record(**{name: "correct horse"}))


def test_the_canary_token_never_gets_into_a_message_or_a_traceback(formatter):
    try:
        raise ValueError(f"bad token {CANARY}")
    except ValueError as error:
        line = formatter.format(record("refused %s", (CANARY,), (type(error), error, error.__traceback__)))
    assert "ValueError" in line
    assert CANARY not in line


def test_a_password_of_any_shape_is_masked_in_a_url(formatter):
    line = formatter.format(record(url="amqp://penstock:p%40ss-word@broker:5672/v"))
    assert "p%40ss-word" not in line
    assert "penstock:***@broker" in line


def test_what_a_client_sent_cannot_begin_a_line_of_its_own():
    line = lines.TextLines().format(record(topic="a\n12:00:00 ERROR forged\x1b[31m\u2028"))
    assert "\n" not in line
    assert "\x1b" not in line


def test_what_a_client_sent_is_cut():
    line = lines.TextLines().format(record(topic="x" * 100_000))
    assert len(line) < 2 * lines.MAX_FIELD


def test_a_field_cannot_replace_what_a_line_says_of_itself():
    line = json.loads(lines.JsonLines().format(record(level="fatal", at="yesterday")))
    assert line["level"] == "info"
    assert line["at"].startswith("2023")


@pytest.fixture
def root():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(("environment", "is_json"), [("production", True), ("development", False)])
def test_production_logs_json_and_development_text(root, environment, is_json):
    stream = io.StringIO()
    logs.configure(CommonSettings(environment=environment), stream)
    logging.getLogger("x").info("hello")
    assert stream.getvalue().startswith("{") is is_json


def test_the_format_can_be_chosen(root):
    stream = io.StringIO()
    logs.configure(CommonSettings(environment="development", log_format="json", log_level="warning"), stream)
    logging.getLogger("x").info("hello")
    logging.getLogger("x").warning("mind")
    assert json.loads(stream.getvalue())["message"] == "mind"


def test_a_flood_of_one_kind_of_line_is_held_back(root):
    stream = io.StringIO()
    counters = logs.configure(CommonSettings(), stream)
    for number in range(1000):
        logging.getLogger("x").info("bad frame %d", number, extra={"event": "frame.bad"})
    logging.getLogger("x").info("other", extra={"event": "other"})
    assert 10 <= stream.getvalue().count("frame.bad") <= 20
    assert "other" in stream.getvalue()
    assert counters.lines["info"] + counters.held_back == 1001


@pytest.mark.parametrize("level", ["debug", "info"])
def test_configuring_logs_does_not_let_the_amqp_library_speak_again(level):
    """It says at each attempt, with a traceback, what the bus says once; see `amqp_link`."""
    stream = io.StringIO()
    logs.configure(CommonSettings(log_level=level), stream)
    logging.getLogger(f"{amqp_link.aiormq.__name__}.connection").warning("Cancelling cause reader exited abnormally")
    assert stream.getvalue() == ""

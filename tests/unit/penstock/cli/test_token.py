"""`penstock token`."""

import json

import jwt
import pytest

from penstock import local
from penstock.cli.exits import Exit
from penstock.local import Door

SECRET = "s" * 32


def decoded(token, secret=SECRET):
    return jwt.decode(token.strip(), secret, algorithms=["HS256"])


def test_a_token_holds_what_was_asked_for(penstock):
    code, out, _ = penstock(
        *("token", "--sub", "ada", "--subscribe", "orders.#", "--subscribe", "news", "--publish", "a.*"),
        *("--ttl", "15m", "--jti", "7", "--secret", SECRET),
    )
    claims = decoded(out)
    assert code == 0
    assert (claims["sub"], claims["jti"], claims["exp"] - claims["iat"]) == ("ada", "7", 900)
    assert claims["penstock"] == {"subscribe": ["orders.#", "news"], "publish": ["a.*"]}


def test_the_configured_secret_signs(penstock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_AUTH__SECRET", SECRET)
    local.remember(8000, Door("http://x", "o" * 32))
    _, out, _ = penstock("token", "--subscribe", "#")
    assert decoded(out)


def test_else_that_of_the_server_on_this_machine(penstock):
    local.remember(8000, Door("http://x", SECRET))
    local.remember(9000, Door("http://x", "o" * 32))
    assert decoded(penstock("token", "--subscribe", "#")[1])
    assert decoded(penstock("token", "--subscribe", "#", "--port", "9000")[1], "o" * 32)


def test_nothing_to_sign_with_is_told_with_what_to_do(penstock):
    code, out, err = penstock("token", "--subscribe", "#")
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert "set PENSTOCK_AUTH__SECRET, give --key-file, or start `penstock up` on port 8000" in err


def test_programs_get_the_claims_too(penstock):
    _, out, _ = penstock("token", "--subscribe", "#", "--secret", SECRET, "--json")
    answer = json.loads(out)
    assert decoded(answer["token"]) == answer["claims"]
    assert answer["algorithm"] == "HS256"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--secret", SECRET], Exit.USAGE, "no rights"),
        (["--subscribe", "#", "--ttl", "soon"], Exit.USAGE, "is not a duration"),
        (["--subscribe", "#", "--secret", "short"], Exit.CONFIGURATION, "must have 32"),
        (["--subscribe", "a..b", "--secret", SECRET], Exit.USAGE, "cannot be a right"),
        (["--publish", "a..b"], Exit.USAGE, "cannot be a right"),
        (["--subscribe", "#", "--secret", SECRET, "--key-file", "x"], Exit.USAGE, "two ways"),
        (["--subscribe", "#", "--key-file", "x"], Exit.CONFIGURATION, "Cannot read the key"),
        (["--subscribe", "#", "--secret", SECRET, "--algorithm", "RS256"], Exit.CONFIGURATION, "is one for HS256"),
    ],
)
def test_what_cannot_be_is_told(penstock, words, code, told):
    answered, out, err = penstock("token", *words)
    assert (answered, out) == (code, "")
    assert told in err


def test_the_user_may_be_called_user_as_elsewhere(penstock):
    assert decoded(penstock("token", "--user", "ada", "--subscribe", "#", "--secret", SECRET)[1])["sub"] == "ada"


def test_rights_to_call_are_said_to_be_for_what_comes(penstock):
    _, out, _ = penstock("token", "--help")
    assert "nothing can be called yet" in " ".join(out.split())
    assert "--call" not in penstock("token", "--secret", SECRET)[2], "it opens nothing today"

"""A token proves who its bearer is, or it is refused: vectors of what others fell for (RFC 8725)."""

import base64
import hashlib
import hmac
import json

import jwt
import msgspec
import pytest

from router.keys import NeedsKeys, OneKey, read_jwks, read_pem
from router.tokens import MAX_INFO, MAX_PATTERNS, Verifier
from shared.envelopes import Grant
from shared.errors import TokenRefused
from tests.unit.router.builders import NOW, SECRET, token
from tests.unit.router.keyring import ALGORITHMS, jwk, jwks, pem, private

VERIFIER = Verifier(OneKey("HS256", SECRET.encode()), ("HS256",))


class Set:
    """A key source of one JWKS, without an issuer behind it."""

    def __init__(self, *keys):
        self._keys = read_jwks(jwks(*keys))

    def find(self, algorithm, kid):
        return self._keys.find(algorithm, kid) or NeedsKeys(0.0, heard=True)


def b64(data):
    return (
        base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()
    )


def forged(header, claims=None, secret=None):
    """A token with any header, signed as HS256 whatever the header says."""
    signed = f"{b64(header)}.{b64(claims or {'sub': 'ada', 'exp': NOW + 60})}"
    return f"{signed}.{b64(hmac.digest(secret or SECRET.encode(), signed.encode(), hashlib.sha256))}"


def granted(text, verifier=VERIFIER, now=NOW):
    outcome = verifier.verify(text, now)
    assert isinstance(outcome, Grant), outcome
    return outcome


def refused(text, verifier=VERIFIER, now=NOW):
    outcome = verifier.verify(text, now)
    assert isinstance(outcome, TokenRefused), outcome
    return outcome


def test_a_good_token_grants_what_it_says():
    rights = {
        "subscribe": ["orders.#"],
        "publish": ["chat.*"],
        "call": ["math.add"],
        "info": {"name": "Ada", "n": [1, None]},
    }
    grant = granted(token(jti="t1", penstock=rights))
    assert (grant.user, grant.jti, grant.expires) == ("ada", "t1", int(NOW) + 3600)
    assert (grant.subscribe, grant.publish, grant.call) == (("orders.#",), ("chat.*",), ("math.add",))
    assert msgspec.msgpack.decode(grant.info) == rights["info"]


def test_a_token_without_rights_grants_none():
    grant = granted(token(penstock=None))
    assert (grant.subscribe, grant.publish, grant.call) == ((), (), ())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_proves_a_bearer(algorithm):
    verifier = Verifier(read_pem(pem(private(algorithm))), (algorithm,))
    assert granted(token(private(algorithm), algorithm), verifier).user == "ada"
    refused(token(private(algorithm, 1), algorithm), verifier)


def test_the_tokens_of_the_standards_hold():
    # RFC 7515, appendices A.1 to A.3, and RFC 8037, appendix A.4: their keys and their tokens.
    hs256 = base64.urlsafe_b64decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="
    )
    joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    verifier = Verifier(OneKey("HS256", hs256), ("HS256",))
    text = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{joe}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert json.loads(verifier.payload(text))["iss"] == "joe"
    es256 = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    text = f"eyJhbGciOiJFUzI1NiJ9.{joe}.{signature}"
    assert json.loads(Verifier(Set(es256), ("ES256",)).payload(text))["iss"] == "joe"
    ed25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    text = (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    assert Verifier(Set(ed25519), ("EdDSA",)).payload(text) == b"Example of Ed25519 signing"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_a_token_that_says_it_needs_no_signature_is_refused(algorithm):
    claims = b64({"sub": "ada", "exp": NOW + 60})
    for signature in ("", "AA"):
        refused(f"{b64({'alg': algorithm})}.{claims}.{signature}")
    refused(forged({"alg": algorithm}))


@pytest.mark.parametrize(
    "algorithm", ["HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "hs256", None, 5, ["HS256"], {}]
)
def test_a_token_for_another_algorithm_is_refused(algorithm):
    refused(forged({"alg": algorithm}))
    refused(forged({"typ": "JWT"}))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_is_never_taken_for_a_secret(algorithm):
    key = private(algorithm)
    for source in (read_pem(pem(key)), Set(jwk(algorithm, kid="k"))):
        verifier = Verifier(source, (algorithm,))
        for secret in (pem(key), pem(key).strip(), json.dumps(jwk(algorithm)).encode()):
            refused(forged({"alg": "HS256", "kid": "k"}, secret=secret), verifier)
            refused(forged({"alg": algorithm, "kid": "k"}, secret=secret), verifier)


def test_a_key_of_one_kind_never_checks_a_token_of_another():
    verifier = Verifier(Set(jwk("RS256", kid="k")), ALGORITHMS)
    for algorithm in ("ES256", "EdDSA"):
        outcome = verifier.verify(token(private(algorithm), algorithm, {"kid": "k"}), NOW)
        assert isinstance(outcome, NeedsKeys), "the issuer has no key k for this algorithm"


def test_the_allowed_algorithms_bind_even_where_a_key_would_fit():
    # CVE-2026-48523: a key that brings its own algorithm went around the allow-list.
    verifier = Verifier(Set(jwk("RS256", kid="k", alg="RS256")), ("ES256",))
    assert "algorithm" in refused(token(private("RS256"), "RS256", {"kid": "k"}), verifier).reason


def test_kid_chooses_among_the_issuers_keys_and_nothing_else():
    verifier = Verifier(Set(jwk("RS256", 0, kid="a"), jwk("RS256", 1, kid="b"), jwk("ES256", kid="a")), ALGORITHMS)
    granted(token(private("RS256", 0), "RS256", {"kid": "a"}), verifier)
    granted(token(private("RS256", 1), "RS256", {"kid": "b"}), verifier)
    granted(token(private("ES256"), "ES256", {"kid": "a"}), verifier)
    refused(token(private("RS256", 1), "RS256", {"kid": "a"}), verifier)
    assert isinstance(verifier.verify(token(private("RS256"), "RS256", {"kid": "../a"}), NOW), NeedsKeys)
    assert isinstance(verifier.verify(token(private("RS256"), "RS256"), NOW), NeedsKeys), "two keys fit, none is named"
    assert "header" in refused(forged({"alg": "RS256", "kid": 5}), verifier).reason


def test_without_kid_the_only_key_that_fits_is_taken():
    verifier = Verifier(Set(jwk("RS256", kid="a"), jwk("ES256", kid="b")), ALGORITHMS)
    granted(token(private("RS256"), "RS256"), verifier)


def test_a_token_that_brings_its_own_key_or_says_where_to_fetch_one_gains_nothing():
    headers = {"jwk": jwk("RS256", 1), "jku": "http://127.0.0.1/keys", "x5u": "http://127.0.0.1/cert"}
    verifier = Verifier(Set(jwk("RS256", 0)), ALGORITHMS)
    assert "signature" in refused(token(private("RS256", 1), "RS256", headers), verifier).reason


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp", None])
def test_a_token_that_calls_an_extension_critical_is_refused(crit):
    refused(forged({"alg": "HS256", "crit": crit, "exp": 5}))


def test_the_one_extension_that_the_library_understands_is_refused_too():
    # RFC 7797: b64. Without it, as here, nothing else would be wrong with the token.
    assert "extension" in refused(forged({"alg": "HS256", "crit": ["b64"], "b64": True})).reason


def test_an_unsigned_payload_by_b64_false_is_refused():
    refused(forged({"alg": "HS256", "b64": False}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",  # an encrypted one (RFC 7516)
        "ü.ü.ü",
        " " + token(),
        token() + "\n",
        token().replace(".", ".="),
        token().replace(".", "..", 1),
        "A" * 9000 + ".a.a",
        b64(b"{") + ".a.a",
        b64(b"[" * 5000) + ".a.a",
        b64(b'{"alg":' + b"[" * 5000) + ".a.a",
        forged("HS256"),
        forged({"alg": "HS256"})[:-2],
    ],
)
def test_what_is_no_token_is_refused(text):
    refused(text)


def test_a_changed_token_is_refused():
    head, _, signature = token().split(".")
    assert "signature" in refused(f"{head}.{b64({'sub': 'eve', 'exp': NOW + 60})}.{signature}").reason
    refused(token(secret="another secret of more than thirty-two bytes"))


def test_an_expired_token_is_told_from_one_that_never_was_good():
    assert refused(token(exp=int(NOW) - 5)).expired
    assert not refused(token(exp=int(NOW) - 5, sub=None)).expired
    assert not refused("a.b.c").expired


def test_the_leeway_bridges_clocks_that_differ():
    granted(token(exp=int(NOW) - 4))
    granted(token(nbf=int(NOW) + 5))
    granted(token(iat=int(NOW) + 5))
    assert "not valid yet" in refused(token(nbf=int(NOW) + 6)).reason
    assert "future" in refused(token(iat=int(NOW) + 6)).reason


@pytest.mark.parametrize("claim", ["exp", "sub"])
def test_a_token_must_say_who_and_until_when(claim):
    assert claim in refused(token(**{claim: None})).reason


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "soon"},
        {"exp": True},
        {"exp": -1},
        {"exp": 1e300},
        {"exp": 10**30},
        {"iat": "then"},
        {"iat": -1},
        {"nbf": []},
        {"sub": 5},
        {"sub": ""},
        {"sub": "a" * 129},
        {"sub": "ü" * 65},
        {"sub": "a\nb"},
        {"sub": "a\x7fb"},
        {"sub": "a\u2028b"},
        {"jti": 5},
        {"jti": "j" * 129},
        {"penstock": []},
        {"penstock": {"subscribe": "#"}},
        {"penstock": {"subscribe": [5]}},
        {"penstock": {"subscribe": [""]}},
        {"penstock": {"publish": ["a b"]}},
        {"penstock": {"call": ["a..b"]}},
        {"penstock": {"subscribe": ["a"] * (MAX_PATTERNS + 1)}},
        {"penstock": {"info": "Ada"}},
        {"penstock": {"info": {"a": "x" * MAX_INFO}}},
        {"penstock": {"info": {"a": 10**30}}},
    ],
)
def test_a_claim_of_the_wrong_kind_is_refused(claims):
    assert "hunter2" not in refused(token(**claims)).reason


def test_claims_nested_too_deeply_are_refused():
    deep = f'{{"sub": "ada", "exp": {NOW + 60}, "x": {"[" * 1000}{"]" * 1000}}}'
    assert "deep" in refused(forged({"alg": "HS256"}, deep.encode())).reason
    assert "deep" in refused(forged({"alg": "HS256"}, b"[" * 5000)).reason


def test_claims_with_numbers_that_no_parser_agrees_on_are_refused():
    refused(forged({"alg": "HS256"}, b'{"sub": "ada", "exp": NaN}'))
    refused(forged({"alg": "HS256"}, b'{"sub": "ada", "exp": 1e999}'))


def test_issuer_and_audience_must_be_those_configured():
    verifier = Verifier(OneKey("HS256", SECRET.encode()), ("HS256",), issuer="https://a", audience="penstock")
    granted(token(iss="https://a", aud="penstock"), verifier)
    granted(token(iss="https://a", aud=["x", "penstock"]), verifier)
    assert "issuer" in refused(token(iss="https://a.evil", aud="penstock"), verifier).reason
    assert "issuer" in refused(token(aud="penstock"), verifier).reason
    assert "audience" in refused(token(iss="https://a", aud="other"), verifier).reason
    assert "audience" in refused(token(iss="https://a"), verifier).reason


def test_a_token_for_somebody_else_is_refused_where_no_audience_is_configured():
    assert "audience" in refused(token(aud="somebody else")).reason


def test_no_reason_quotes_the_token():
    text = token(exp=int(NOW) - 50, sub="hunter2", jti="hunter2")
    assert "hunter2" not in refused(text).reason
    assert text.split(".")[1] not in refused(text[:-3]).reason


def test_a_token_of_the_library_with_its_defaults_is_good():
    text = jwt.encode({"sub": "ada", "exp": NOW + 60}, SECRET)
    assert granted(text).user == "ada"

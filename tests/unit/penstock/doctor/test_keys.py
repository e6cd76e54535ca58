"""What the doctor says of the key for tokens."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from penstock.doctor.keys import token_key
from penstock.doctor.verdict import Level
from router.settings import AuthSettings, RouterSettings
from tests.support.ports import free_port


def judged(**auth):
    return token_key(RouterSettings(auth=AuthSettings(**auth)))


def test_no_key_is_a_warning_in_development():
    assert judged().level is Level.WARN


def test_a_secret_is_fine_and_not_shown():
    verdict = judged(secret="canary" * 8)
    assert verdict.level is Level.OK
    assert "canary" not in repr(verdict)


def test_a_public_key_is_named_by_its_kind(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    verdict = judged(public_key_file=path)
    assert (verdict.level, "Ed25519" in verdict.found) == (Level.OK, True)


def test_a_file_that_holds_no_key_or_is_not_there_fails(tmp_path):
    (tmp_path / "text").write_text("hello")
    assert "no public key" in judged(public_key_file=tmp_path / "text").found
    assert "No such file" in judged(public_key_file=tmp_path / "missing").found


@pytest.mark.parametrize(
    ("status", "body", "level", "words"),
    [
        (200, json.dumps({"keys": [{}, {}]}).encode(), Level.OK, "2 keys"),
        (200, b"<html>", Level.FAIL, "no key set"),
        (200, b"[]", Level.FAIL, "no key set"),
        (500, b"", Level.FAIL, "answers 500"),
    ],
)
def test_a_key_set_is_fetched(status, body, level, words):
    class Issuer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Issuer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        verdict = judged(jwks_url=f"http://127.0.0.1:{server.server_port}/jwks.json")
        thread.join()
    assert (verdict.level, words in verdict.found) == (level, True)


def test_an_issuer_that_is_not_there_fails():
    assert "cannot be reached" in judged(jwks_url=f"http://127.0.0.1:{free_port()}/").found

"""Brokers that will not have us, and what the operator is told."""

import asyncio
import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.bus.amqp import AmqpBus
from shared.bus.port import BusState
from shared.errors import ConfigurationError
from tests.contract.bus.harness import Taker, send
from tests.contract.bus.shapes import only, own
from tests.support.eventually import eventually

SECRET = "s3cret-canary"


async def refusal(url):
    bus = AmqpBus(url)
    with pytest.raises(ConfigurationError) as refused:
        await bus.open()
    await bus.close()
    return str(refused.value)


async def test_a_wrong_password_stops_the_start_with_one_sentence(vhost, caplog):
    url = vhost.amqp_url.replace("guest:guest", f"guest:{SECRET}")
    words = await refusal(url)
    assert "user 'guest'" in words
    assert "check user and password" in words
    assert SECRET not in words + caplog.text


async def test_a_virtual_host_that_is_not_there_stops_the_start(vhost):
    words = await refusal(vhost.amqp_url + "-missing")
    assert f"{vhost.name}-missing" in words
    assert "create the virtual host" in words


async def test_a_url_that_is_none_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="must look like"):
        AmqpBus("localhost:5672")


async def test_where_nobody_listens_the_bus_tries_on_and_says_so_once(caplog):
    bus = AmqpBus(f"amqp://guest:{SECRET}@127.0.0.1:1/")
    opening = asyncio.create_task(bus.open())
    await eventually(lambda: bus.counters.attempts_failed >= 3)
    assert not opening.done()
    assert bus.state is BusState.AWAY
    await bus.close()
    await asyncio.gather(opening, return_exceptions=True)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "bus penstock is away and tries again: nobody listens at 127.0.0.1:1"
    ]
    assert SECRET not in caplog.text


async def test_what_does_not_speak_amqp_is_named_and_tried_again(caplog):
    async def greet(reader, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    bus = AmqpBus(f"amqp://guest:guest@127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    opening = asyncio.create_task(bus.open())
    await eventually(lambda: "does not answer as AMQP 0-9-1 does" in caplog.text)
    assert bus.counters.attempts_failed
    await bus.close()
    await asyncio.gather(opening, return_exceptions=True)
    server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that signs itself: the file, and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return pem, context


async def test_tls_works_where_the_certificate_is_trusted(vhost, connect, proxied, certificate):
    pem, context = certificate
    url, _ = await proxied(vhost.amqp_url, tls=context)
    bus = await connect(url.replace("amqp://", "amqps://") + f"?cafile={pem}")
    await bus.declare(only(own("mine")))
    taker = await Taker(bus).take("mine")
    await send(bus, "", "mine", [b"1", bytes(300_000)])
    await taker.has(2)
    assert taker.bodies == [b"1", bytes(300_000)]


async def test_a_certificate_that_is_not_trusted_stops_the_start(vhost, proxied, certificate):
    url, _ = await proxied(vhost.amqp_url, tls=certificate[1])
    words = await refusal(url.replace("amqp://", "amqps://"))
    assert "cannot be trusted" in words
    assert "cafile=" in words


async def test_tls_to_a_port_without_it_stops_the_start(vhost):
    assert "does not speak TLS" in await refusal(vhost.amqp_url.replace("amqp://", "amqps://"))

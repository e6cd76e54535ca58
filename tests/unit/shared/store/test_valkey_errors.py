import asyncio

import pytest
import uvloop
from redis import exceptions as said

from shared.errors import ConfigurationError, StoreAway
from shared.store.valkey_errors import FAILURES, meaning


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (said.BusyLoadingError("Redis is loading the dataset in memory"), "still reading its data"),
        (said.ReadOnlyError("You can't write against a read only replica."), "is a replica"),
        (said.ClusterDownError("The cluster is down"), "the Cluster is down"),
        (said.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "is full"),
        (said.ResponseError("MISCONF Errors writing to the AOF file"), "cannot write to its disk"),
        (said.ResponseError("BUSY Redis is busy running a script."), "busy with somebody's script"),
        (said.ResponseError("OOM command not allowed"), "is full"),
        (said.TimeoutError("Timeout reading from h:1"), "does not answer"),
        (TimeoutError(), "does not answer"),
        (said.ConnectionError("Error 111 connecting to h:1. Connection refused."), "cannot be reached"),
        (ConnectionResetError(104, "Connection reset by peer"), "cannot be reached"),
        (RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed"), "cannot be reached"),
        (said.MaxConnectionsError(), "cannot be reached: MaxConnectionsError"),
        (said.RedisClusterException("Redis Cluster cannot be connected."), "cannot be reached"),
    ],
)
def test_what_passes_is_away(error, words):
    failure = meaning(error, "h:1")
    assert isinstance(failure, StoreAway)
    assert words in str(failure)
    assert str(failure).startswith("The store (h:1) ")
    assert str(failure).endswith(".")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (said.AuthenticationError("invalid username-password pair or user is disabled."), "the user or the password"),
        (said.AuthenticationError("Authentication required."), "wants a password"),
        (said.NoPermissionError("this user has no permissions to run the 'info' command"), "docs/operations.md"),
        (said.ResponseError("unknown command 'XADD'"), "Redis 6.2 or later"),
        (said.RedisClusterException("ERROR: Cluster mode is not enabled on this node"), "is no Cluster"),
    ],
)
def test_what_stays_is_for_the_operator(error, words):
    failure = meaning(error, "h:1")
    assert isinstance(failure, ConfigurationError)
    assert words in str(failure)


def test_what_is_our_fault_is_no_state_of_the_store():
    assert meaning(said.ResponseError("WRONGTYPE Operation against a key"), "h:1") is None
    assert meaning(RuntimeError("dictionary changed size during iteration"), "h:1") is None


def test_a_connection_that_was_lost_a_moment_ago_is_away_on_uvloop_too():
    async def write_to_what_is_lost():
        server = await asyncio.start_server(lambda _, writer: writer.transport.abort(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            await reader.read()
            writer.transport.abort()
            await asyncio.sleep(0.01)
            writer.writelines([b"x"])
        finally:
            server.close()

    with pytest.raises(RuntimeError) as caught, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_to_what_is_lost())
    assert isinstance(caught.value, FAILURES)
    assert isinstance(meaning(caught.value, "h:1"), StoreAway)

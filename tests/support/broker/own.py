"""A private throwaway broker, for tests in which brokers die."""

from tests.support.broker.broker import Broker
from tests.support.broker.node import Node

ALARM_NEVER_OVER = "0.00001"  # of the machine's memory: always exceeded
ALARM_USUAL = "0.4"


class OwnBroker(Broker):
    """A broker that a test may ill-treat. Ports and data last over :meth:`kill`, :meth:`stop`, :meth:`start`.

    All verbs block, for up to some seconds: under an event loop, ``await asyncio.to_thread(own_broker.kill)``.
    """

    def __init__(self, node: Node) -> None:
        super().__init__(node.amqp_url, node.management_url, node.ctl)
        self._node = node

    def kill(self, *, newborn_queues_too: bool = False) -> None:
        """End it with SIGKILL: sockets are reset, what was not on disk is lost.

        RabbitMQ (3.10 and 4.0 alike) enters a new quorum queue in its register on disk some seconds
        late, and a queue that is killed before that never finds a leader again. So the register is
        written first, unless *newborn_queues_too*: what our tests ask is what becomes of messages.
        """
        if not newborn_queues_too:
            self.settle()
        self._node.kill()

    def settle(self) -> None:
        """Have it write its register of queues."""
        self.ctl("eval", "lists:foreach(fun dets:sync/1, dets:all()).")

    def revive(self) -> None:
        """Bring it back, whether it has died by itself or lives and is of no use, and return when it serves."""
        self._node.kill()
        self._node.start()

    def stop(self) -> None:
        """Shut it down in order: clients are told (320, connection forced)."""
        self._node.stop()

    def start(self) -> None:
        """Bring it back, and return when it serves."""
        self._node.start()

    def freeze(self) -> None:
        """Stop its clock: connections stay open, nothing answers, new ones hang."""
        self._node.freeze()

    def thaw(self) -> None:
        """Let it run on."""
        self._node.thaw()

    def block(self) -> None:
        """Raise a memory alarm: a connection that publishes now gets ``connection.blocked``, and is read no more.

        One that only published earlier is told when it publishes again.
        """
        self.ctl("set_vm_memory_high_watermark", ALARM_NEVER_OVER)

    def unblock(self) -> None:
        """End the memory alarm."""
        self.ctl("set_vm_memory_high_watermark", ALARM_USUAL)

    def dispose(self) -> None:
        """Remove it and its data; the fixture does."""
        self._node.dispose()

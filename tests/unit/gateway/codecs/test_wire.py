import pytest
from websockets.frames import Frame, Opcode

from gateway.codecs import wire


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("opcode", [wire.TEXT, wire.BINARY])
def test_a_frame_is_byte_for_byte_what_another_implementation_writes(opcode: int, length: int) -> None:
    payload = b"x" * length
    assert wire.frame(opcode, payload) == Frame(Opcode(opcode), payload).serialize(mask=False)

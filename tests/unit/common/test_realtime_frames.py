"""Frames: an event's data is encoded once, by who publishes it."""

import pytest
from socketio.packet import EVENT, Packet

from chatcluster_common.realtime import Frame


def test_a_frame_survives_the_channel() -> None:
    frame = Frame("message:new", '{"body": "a\\nb, ü"}'.encode(), {"seq": 3})
    assert Frame.decode(frame.encode()) == frame


def test_clients_read_it_as_a_socket_io_event() -> None:
    data = Frame("message:new", b'{"seq":3}', {"hidden": 1}).packet.data.decode()
    assert data[0] == "4"
    packet = Packet(encoded_packet=data[1:])
    assert (packet.packet_type, packet.data) == (EVENT, ["message:new", {"seq": 3}])


@pytest.mark.parametrize("data", [b"", b"no second line", b"{}\n", b"not json\n{}"])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 any of its kinds
        Frame.decode(data)

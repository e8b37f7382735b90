"""The real-time base: Socket.IO connections on one side, Redis channels on the other.

python-socketio speaks the protocol of events. What it does not scale or promise is ours: a room is a Redis channel that
a process subscribes to while it has members of it (`channels`, `manager`), a frame is encoded once for all who receive
it (`frames`) and written to each one's connection (`engine`, `websocket`), and `server` adds what every service's
connections share: the handshake, acknowledged events, the token's end, draining.
"""

from chatcluster_common.realtime.channels import Channels, ChannelsUnavailableError, Publisher
from chatcluster_common.realtime.frames import Frame
from chatcluster_common.realtime.server import Connection, RealtimeServer

__all__ = ["Channels", "ChannelsUnavailableError", "Connection", "Frame", "Publisher", "RealtimeServer"]

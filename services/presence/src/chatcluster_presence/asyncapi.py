"""What travels over this service's sockets, for the AsyncAPI document."""

from pydantic import BaseModel

from chatcluster_common.realtime.asyncapi import Channel, ClientEvent, Nothing, ServerEvent
from chatcluster_presence.models import Activity, Me, Presence, Presences, Setting, Typing, Unwatch, Watch


class TypingPeople(BaseModel):
    """`typing:changed`: who types in a conversation now."""

    conversation_id: str
    user_ids: list[str]


CHANNEL = Channel(
    "presence",
    "/presence/socket.io/",
    "Who is there, and who types.",
    client=(
        ClientEvent("presence:set", Setting, Me, "Choose how to appear, on all the person's devices."),
        ClientEvent("presence:activity", Activity, Nothing, "Say that the device was used, or is put aside."),
        ClientEvent("presence:subscribe", Watch, Presences, "Watch people; answered with how they appear now."),
        ClientEvent("presence:unsubscribe", Unwatch, Nothing, "Watch them no longer."),
        ClientEvent("typing:start", Typing, Nothing, "The person types; say it again while it lasts."),
        ClientEvent("typing:stop", Typing, Nothing, "The person types no longer."),
    ),
    server=(
        ServerEvent("presence:me", Me, "What the person chose, on whichever device."),
        ServerEvent("presence:changed", Presence, "Somebody who is watched appears differently."),
        ServerEvent("presence:changes", Presences, "The same for several people, to sockets that asked for `batched`."),
        ServerEvent("typing:changed", TypingPeople, "Who types in a conversation, all of them."),
    ),
)

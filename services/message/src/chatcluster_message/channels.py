"""Names of the Redis channels, and the frames that travel on them."""

from collections.abc import Iterable

import orjson

from chatcluster_common.realtime import Frame
from chatcluster_message.models import Conversation, Message

CONVERSATION = "message:conversation:"
USER = "message:user:"


def conversation_channel(conversation_id: str) -> str:
    """Followed by every process that has a member connected."""
    return CONVERSATION + conversation_id


def user_channel(user_id: str) -> str:
    """Followed by every process that has a device of the person connected."""
    return USER + user_id


def message_new(message: Message) -> Frame:
    """A message for all members."""
    return Frame(
        "message:new", message.model_dump_json().encode(), {"seq": message.seq, "at": message.created_at.timestamp()}
    )


def message_changed(message: Message) -> Frame:
    """A message as it is now, or what is left of it."""
    return Frame("message:deleted" if message.deleted_at else "message:updated", message.model_dump_json().encode())


def reactions_changed(message: Message) -> Frame:
    """All reactions to a message as they are now."""
    names = {"conversation_id", "seq", "reactions", "revision"}
    return Frame(
        "reaction:changed", orjson.dumps({"message_id": message.id, **message.model_dump(mode="json", include=names)})
    )


def read_changed(conversation_id: str, user_id: str, seq: int) -> Frame:
    """A read mark moved."""
    return Frame(
        "read:changed",
        orjson.dumps({"conversation_id": conversation_id, "user_id": user_id, "seq": seq}),
        {"reader": user_id},
    )


def conversation_changed(conversation: Conversation, gone: Iterable[str] = ()) -> Frame:
    """To all members: what it is like now. People who are `gone` are taken out first."""
    return Frame("conversation:changed", _changed(conversation), {"gone": list(gone)})


def joined(conversation: Conversation) -> Frame:
    """To somebody who is a member now; their sockets follow it from here on."""
    return Frame(
        "conversation:changed",
        _changed(conversation),
        {"join": conversation.id, "last_seq": conversation.last_seq},
    )


def _changed(conversation: Conversation) -> bytes:
    return orjson.dumps({"conversation_id": conversation.id, "conversation": conversation.model_dump(mode="json")})


def left(conversation_id: str) -> Frame:
    """To somebody who is not a member any more."""
    return Frame(
        "conversation:changed",
        orjson.dumps({"conversation_id": conversation_id, "conversation": None}),
        {"leave": conversation_id},
    )

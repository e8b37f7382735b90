"""The routes of the message service, a module a feature."""

from chatcluster_message.api import conversations, internal, messages, moderation

ROUTERS = (conversations.router, messages.router, moderation.router, internal.router)

__all__ = ["ROUTERS"]

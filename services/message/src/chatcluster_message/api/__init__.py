"""The routes of the message service, a module a feature."""

from chatcluster_message.api import conversations, internal, messages

ROUTERS = (conversations.router, messages.router, internal.router)

__all__ = ["ROUTERS"]

"""The rules: who may do what in a conversation, and what a send, a change, a read mark and a catch-up mean."""

from chatcluster_common.realtime import Publisher
from chatcluster_common.recent import Recent
from chatcluster_message.files import Files
from chatcluster_message.models import Conversation
from chatcluster_message.outbox import Relay
from chatcluster_message.people import People
from chatcluster_message.sequence import Turns
from chatcluster_message.service.access import Access
from chatcluster_message.service.changes import ChangeService
from chatcluster_message.service.conversations import ConversationService
from chatcluster_message.service.erasure import ErasureService
from chatcluster_message.service.messages import MessageService
from chatcluster_message.service.moderation import ModerationService
from chatcluster_message.service.reading import ReadService
from chatcluster_message.service.search import SearchService
from chatcluster_message.store import Store

__all__ = ["Chat"]


class Chat:
    """All that the service does, a part a feature."""

    def __init__(
        self,
        store: Store,
        people: People,
        files: Files,
        relay: Relay,
        publisher: Publisher,
        *,
        turns: Turns,
        recent: Recent[str, Conversation],
        max_members: int,
        max_body_length: int,
    ) -> None:
        access = Access(store, recent, people)
        self.conversations = ConversationService(store, access, people, publisher, max_members=max_members)
        self.messages = MessageService(
            store, access, people, files, relay, turns=turns, max_body_length=max_body_length
        )
        self.changes = ChangeService(store, access, self.messages, relay)
        self.reading = ReadService(store, access, people, publisher)
        self.search = SearchService(store)
        self.moderation = ModerationService(store, access, self.changes)
        self.erasure = ErasureService(store, self.conversations, self.changes)

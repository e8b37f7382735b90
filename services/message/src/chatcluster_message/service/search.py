"""Search by word and phrase in the caller's own conversations."""

from chatcluster_common import errors
from chatcluster_message import text
from chatcluster_message.models import Message, SearchPage, SearchQuery
from chatcluster_message.store import Store
from chatcluster_message.store.search import HAS_FILE, Candidate, from_sender

MOST_CANDIDATES = 2000
"""Messages looked at that hold the rarest of the words."""
MOST_RANKED = 200
"""Of those that hold all of them, the newest, whose texts are read and compared."""


class SearchService:
    """Finds messages. The index knows words; order, phrases and rank are found in the texts themselves."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, caller: str, asked: SearchQuery) -> SearchPage:
        """One page of what matches, the best first."""
        words = text.query(asked.query)
        terms = [*words.words]
        if asked.sender:
            terms.append(from_sender(asked.sender))
        if asked.has:
            terms.append(HAS_FILE)
        if not terms:
            raise errors.invalid("query.query", "give a word, a sender or has=file")
        where = list(await self._store.conversations.rooms_of(caller))
        if asked.conversation_id:
            where = [conversation_id for conversation_id in where if conversation_id == asked.conversation_id]
        if not where:
            return SearchPage(items=[], next_cursor=None, limited=False)
        candidates, limited = await self._candidates(where, terms, asked)
        messages = await self._store.messages.get_many([candidate.id for candidate in candidates[:MOST_RANKED]])
        ranked = _ranked(words, messages)
        start = int(asked.cursor or 0)
        end = start + asked.limit
        return SearchPage(
            items=ranked[start:end],
            next_cursor=str(end) if end < len(ranked) else None,
            limited=limited or len(candidates) > MOST_RANKED,
        )

    async def _candidates(self, where: list[str], terms: list[str], asked: SearchQuery) -> tuple[list[Candidate], bool]:
        """The messages that hold all terms, the newest first, and whether older ones were left out."""
        rarest = terms[0]
        if len(terms) > 1:
            rarity = {term: await self._store.search.rarity(term, where, MOST_CANDIDATES) for term in terms}
            rarest = min(terms, key=lambda term: rarity[term])
        found = await self._store.search.find(
            rarest, where, after=asked.after, before=asked.before, most=MOST_CANDIDATES
        )
        wanted = frozenset(terms)
        return [candidate for candidate in found if wanted <= candidate.terms], len(found) == MOST_CANDIDATES


def _ranked(words: text.Query, messages: list[Message]) -> list[Message]:
    scored: list[tuple[float, Message]] = []
    for message in messages:
        names = " ".join(file.name for file in message.attachments)
        score = text.relevance(words, f"{message.body}\n{names}")
        if score is not None and message.deleted_at is None:
            scored.append((score, message))
    scored.sort(key=lambda pair: (pair[0], pair[1].created_at), reverse=True)
    return [message for _, message in scored]

"""What a message's text holds for the machine: the people it names, and the words it can be found by."""

import re
import unicodedata
from dataclasses import dataclass

MOST_MENTIONS = 50
MOST_WORDS = 400
"""Different words of one message that it can be found by."""
_LONGEST_WORD = 48

_CODE = re.compile(r"```.*?(?:```|$)|`[^`\n]*`", re.DOTALL)
# As the user service writes names: 3 to 32 of these; a full stop behind one is not part of it.
_MENTION = re.compile(r"(?<![\w@/.])@([a-z0-9][a-z0-9._-]{1,30}[a-z0-9])(?![\w@])", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"\w+")
_PHRASE = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Mentions:
    """Who is named in a text. Words in code are no names."""

    names: tuple[str, ...]
    here: bool = False
    everybody: bool = False


NOBODY = Mentions(())


def mentions(body: str) -> Mentions:
    """The first `MOST_MENTIONS` user names in lower case, and whether `@here` or `@all` is among them."""
    if "@" not in body:
        return NOBODY
    names = dict.fromkeys(found.lower() for found in _MENTION.findall(_CODE.sub(" ", body)))
    special = {"here", "all"} & names.keys()
    others = [name for name in names if name not in special]
    return Mentions(tuple(others[:MOST_MENTIONS]), here="here" in special, everybody="all" in special)


def words(text: str) -> list[str]:
    """The words of a text in their order, without regard to case, accents and width.

    Scripts that put no spaces between words give pairs of neighbouring characters instead.
    """
    found: list[str] = []
    for word in _WORD.findall(_folded(text)):
        if any(_unspaced(character) for character in word):
            found += [word[n : n + 2] for n in range(max(len(word) - 1, 1))]
        else:
            found.append(word[:_LONGEST_WORD])
    return found


def index_words(text: str) -> list[str]:
    """The different words of a text, as many as are indexed."""
    return list(dict.fromkeys(words(text)))[:MOST_WORDS]


def _folded(text: str) -> str:
    # Unicode D146, compatibility caseless match: decomposing can bring capitals to light, as in the sign ℠.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    decomposed = unicodedata.normalize("NFKD", folded.casefold())
    return "".join(character for character in decomposed if unicodedata.category(character) != "Mn")


def _unspaced(character: str) -> bool:
    point = ord(character)
    return 0x3040 <= point <= 0x30FF or 0x3400 <= point <= 0x9FFF or 0x20000 <= point <= 0x3FFFF


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for: every word, and each phrase word by word in its order."""

    words: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...] = ()


def query(typed: str, *, most: int = 8) -> Query:
    """Read a query: words, and phrases in double quotes. Of more than `most` different words the longest count."""
    phrases = [phrase for quoted in _PHRASE.findall(typed) if len(phrase := tuple(words(quoted))) > 1]
    different = dict.fromkeys(words(typed))
    longest = set(sorted(different, key=len, reverse=True)[:most])
    return Query(tuple(word for word in different if word in longest), tuple(phrases[:most]))


def relevance(asked: Query, body: str) -> float | None:
    """How well a text answers, None when it does not: how often the words occur for its length, and how near the
    beginning. A word that is everywhere in a short text counts most."""
    text = words(body)
    places = {word: [n for n, other in enumerate(text) if other == word] for word in asked.words}
    if not all(places.values()) or not all(_contains(text, phrase) for phrase in asked.phrases):
        return None
    density = sum(min(len(found), 5) for found in places.values()) / (len(text) + 10) ** 0.5
    beginning = sum(1 / (1 + found[0]) for found in places.values()) / max(len(places), 1)
    return density + beginning / 4


def _contains(text: list[str], phrase: tuple[str, ...]) -> bool:
    size = len(phrase)
    return any(tuple(text[n : n + size]) == phrase for n in range(len(text) - size + 1))

"""Reading the machine's own apt sources: the base image is made from the mirror that this machine is set to."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_MIRROR = "http://deb.debian.org/debian"
CODENAMES = {"bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}
"""Suites of Debian itself; other suites are other people's repositories."""


@dataclass(frozen=True)
class Source:
    """One binary repository."""

    uri: str
    suite: str
    components: tuple[str, ...]


@dataclass(frozen=True)
class Mirrors:
    """Where Debian's packages and its security updates come from; `security` is empty where there is no such mirror."""

    main: str = DEFAULT_MIRROR
    security: str = ""


def parse_list(text: str) -> Iterator[Source]:
    """The sources of a one-line-style file (`sources.list`)."""
    for line in text.splitlines():
        words = shlex.split(re.sub(r"\[[^]]*\]", " ", line), comments=True)
        if len(words) >= 3 and words[0] == "deb":
            yield Source(words[1].rstrip("/"), words[2], tuple(words[3:]))


def parse_deb822(text: str) -> Iterator[Source]:
    """The sources of a deb822-style file (`*.sources`)."""
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {
            name.lower(): " ".join(value.split())
            for name, value in re.findall(r"(?m)^([A-Za-z-]+):((?:.*)(?:\n[ \t]+.*)*)", stanza)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri.rstrip("/"), suite, tuple(fields.get("components", "").split()))


def find_mirrors(sources: Iterable[Source]) -> Mirrors:
    """The mirrors to use, from the first source of Debian's main component of either kind; Debian's own by default."""
    main = security = ""
    for source in sources:
        name, _, part = source.suite.partition("-")
        # A suite of security updates was called stable/updates once; apt-transport schemes other than these need more
        # than a minimal system has.
        if name not in CODENAMES or "main" not in source.components or not re.match(r"https?://", source.uri):
            continue
        if part == "security":
            security = security or source.uri
        elif part in {"", "updates"}:
            main = main or source.uri
    return Mirrors(main or DEFAULT_MIRROR, security)


def machine_mirrors(etc: Path = Path("/etc/apt")) -> Mirrors:
    """The mirrors that this machine's apt is set to."""
    sources: list[Source] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if path.suffix == ".list":
                sources += parse_list(text)
            elif path.suffix == ".sources":
                sources += parse_deb822(text)
    return find_mirrors(sources)

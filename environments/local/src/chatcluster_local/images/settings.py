"""This machine's package indexes and proxies, for use during a build and never kept in an image.

The Dockerfiles mount them as a build secret, a shell file of exports; a build without one uses the public indexes.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

INDEXES = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INSECURE_HOST",
)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables that are set, under their upper-case and lower-case names."""
    found: dict[str, str] = {}
    for name in PROXIES:
        value = environment.get(name.lower()) or environment.get(name)
        if value:
            found |= {name: value, name.lower(): value}
    return found


def maven_options(environment: Mapping[str, str]) -> str:
    """The proxies as Java's options: Java reads none of the variables."""
    options: list[str] = []
    for scheme, name in (("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY")):
        url = urlsplit(proxies(environment).get(name, ""))
        if url.hostname:
            options += [f"-D{scheme}.proxyHost={url.hostname}", f"-D{scheme}.proxyPort={url.port or 80}"]
    return " ".join(options)


def script(environment: Mapping[str, str]) -> str:
    """The shell file; empty when this machine has nothing set."""
    values = {name: environment[name] for name in INDEXES if environment.get(name)} | proxies(environment)
    if options := maven_options(environment):
        values["MAVEN_OPTS"] = options
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))


@contextmanager
def secret_file(environment: Mapping[str, str] = os.environ) -> Iterator[Path | None]:
    """The shell file on disk, readable by its owner alone; None when there is nothing to say."""
    text = script(environment)
    if not text:
        yield None
        return
    with TemporaryDirectory(prefix="chatcluster-settings-") as folder:
        path = Path(folder) / "settings"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        yield path

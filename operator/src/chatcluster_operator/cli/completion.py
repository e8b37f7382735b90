"""What the shell proposes: the names of ChatClusters, and kubectl's own way of asking for proposals.

kubectl runs `kubectl_complete-chat` with the words after `kubectl chat`, and takes one proposal a line and then a colon
with flags of the Cobra library.
"""

import asyncio
import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from typing import Final

import typer

PATIENCE: Final = 2.0
"""Seconds: a slow cluster must not hold up the shell."""
_NO_FILES: Final = 4
"""Cobra's directive: propose no files."""


def chatclusters(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of ChatClusters in the namespace that begin like this; none when the cluster does not answer at once."""
    return _beginning_like(ctx, incomplete, "CHATCLUSTER")


def chatbackups(ctx: typer.Context, incomplete: str) -> list[str]:
    """The same of ChatBackups."""
    return _beginning_like(ctx, incomplete, "CHATBACKUP")


def _beginning_like(ctx: typer.Context, incomplete: str, kind: str) -> list[str]:
    given = {name: value for name, value in ctx.params.items() if name in {"namespace", "context", "kubeconfig"}}
    try:
        return [name for name in asyncio.run(_names(kind, **given)) if name.startswith(incomplete)]
    except Exception:
        return []


async def _names(kind: str, **given: str | None) -> list[str]:
    from chatcluster_operator.cli.options import Options  # noqa: PLC0415 - it needs this module
    from chatcluster_operator.cli.screen import Screen  # noqa: PLC0415
    from chatcluster_operator.cli.session import connect  # noqa: PLC0415 - takes as long as all the rest
    from chatcluster_operator.kube import kinds  # noqa: PLC0415

    async with asyncio.timeout(PATIENCE), connect(Options(**given), Screen()) as session:  # type: ignore[arg-type]
        return [item["metadata"]["name"] for item in await session.items(getattr(kinds, kind), session.namespace)]


def propose(app: Callable[..., object], words: Sequence[str]) -> None:
    """Write what may stand for the last word, as kubectl takes it."""
    os.environ |= {
        "_KUBECTL_CHAT_COMPLETE": "complete_bash",
        "COMP_WORDS": shlex.join(["kubectl-chat", *words]) + ("" if words and words[-1] else " "),
        "COMP_CWORD": str(len(words) or 1),
    }
    proposals = io.StringIO()
    with suppress(SystemExit), redirect_stdout(proposals):
        app(prog_name="kubectl-chat")
    files = len(words) > 1 and words[-2] in {"-f", "--file", "--kubeconfig", "--to"}
    lines = [line for line in proposals.getvalue().splitlines() if line]
    sys.stdout.write("\n".join([*lines, f":{0 if files else _NO_FILES}"]) + "\n")

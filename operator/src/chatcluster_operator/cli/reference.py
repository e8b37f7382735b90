"""The reference of the commands, made from their own help.

`python -m chatcluster_operator.cli.reference --check | --write` compares or rewrites `docs/kubectl-chat.md`.
"""

import sys
from pathlib import Path
from typing import Final

from typer.testing import CliRunner

from chatcluster_operator import generated
from chatcluster_operator.cli.errors import ExitCode
from chatcluster_operator.cli.main import app

COMMITTED: Final = Path(__file__).resolve().parents[4] / "docs" / "kubectl-chat.md"
WIDTH: Final = 100

_HEAD: Final = """\
# kubectl chat

A plugin of kubectl that looks after ChatClusters. It acts with your own rights, through the API server alone, and does
nothing that you could not do with kubectl: it reads, it sets fields and annotations of a ChatCluster, and it foretells
with the very functions by which the operator decides.

## Install

    pip install "chatcluster-operator[cli]"

That puts `kubectl-chat` on the `PATH`, where kubectl finds it; in a checkout it is in `.venv/bin` after `make up`.
kubectl completes its commands by `kubectl_complete-chat` beside it, as soon as kubectl's own completion is set up
(`kubectl completion --help`); for `kubectl-chat` itself run `kubectl-chat --install-completion`.

## What holds for every command

- The ChatCluster's name may be left out where the namespace has one alone. The namespace is the context's unless `-n`
  says otherwise.
- Answers go to standard output, as a table, or with `-o json` and `-o yaml` for programs; progress and errors go to
  standard error. There is colour on a terminal alone, and none where `NO_COLOR` is set.
- What needs a right that you lack is left out and named, where the rest still makes sense.
- `KUBECTL` names the kubectl to use, for `plan` and `connect`. `KUBECTL_CHAT_DEBUG=1` shows where a defect is.

| exit code | means |
|---|---|
"""

_MEANINGS: Final = {
    ExitCode.OK: "all well",
    ExitCode.PROBLEM: "a problem was found (`status`, `plan`, `doctor`), or what was asked for failed",
    ExitCode.USAGE: "wrong usage; for `plan --detailed-exitcode`: there are changes",
    ExitCode.ABSENT: "there is no such thing, or the API server cannot be reached",
    ExitCode.REFUSED: "the API server refused: not your right, or not valid",
    ExitCode.TIMEOUT: "not done in time; it may still be",
}


def render() -> str:
    """The whole page."""
    codes = "".join(f"| {int(code)} | {meaning} |\n" for code, meaning in _MEANINGS.items())
    parts = [_HEAD + codes + "| 130 | stopped by Ctrl-C |\n"]
    names = [command.name or "" for command in app.registered_commands]
    parts += [f"## {name}\n\n```\n{_help(name)}\n```\n" for name in names]
    return "\n".join(parts)


def _help(name: str) -> str:
    environment = {"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH), "NO_COLOR": "1"}
    answer = CliRunner().invoke(app, [name, "--help"], env=environment, prog_name="kubectl chat", terminal_width=WIDTH)
    return "\n".join(line.rstrip() for line in answer.stdout.strip().splitlines())


def main(arguments: list[str] | None = None) -> int:
    """Check or write the committed page; 1 when a check finds it out of date."""
    command = "python -m chatcluster_operator.cli.reference"
    return generated.main({COMMITTED: render()}, command=command, description=__doc__, arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())

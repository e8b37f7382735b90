"""What holds for every command: help with examples, shared options, the reference, errors without tracebacks."""

import io
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from chatcluster_operator.cli import reference
from chatcluster_operator.cli.commands import DEBUG, run
from chatcluster_operator.cli.completion import propose
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.main import app
from chatcluster_operator.cli.screen import Screen

NAMES = [command.name or "" for command in app.registered_commands]
SHOWING = {
    "status",
    "plan",
    "capacity",
    "doctor",
    "version",
    "switchover",
    "failover",
    "rebuild",
    "backup",
    "backups",
    "restore",
}


def help_of(name: str) -> str:
    return CliRunner().invoke(app, [name, "--help"], terminal_width=100, prog_name="kubectl chat").stdout


@pytest.mark.parametrize("name", NAMES)
def test_help_has_examples_and_the_shared_options(name: str) -> None:
    text = help_of(name)
    assert f"kubectl chat {name}" in text.split("Example")[1]
    for option in ("--namespace", "--context", "--kubeconfig"):
        assert option in text
    assert ("--output" in text) == (name in SHOWING)


def test_the_reference_is_what_help_says() -> None:
    assert reference.COMMITTED.read_text() == reference.render(), "python -m chatcluster_operator.cli.reference --write"


def test_every_exit_code_is_documented() -> None:
    page = reference.render()
    assert all(f"| {int(code)} |" in page for code in ExitCode)


def test_wrong_usage_has_its_exit_code() -> None:
    assert CliRunner().invoke(app, ["status", "--no-such-option"]).exit_code == ExitCode.USAGE
    assert CliRunner().invoke(app, ["no-such-command"]).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CliError("It is not there.", "Make it", ExitCode.ABSENT), 3, "error: It is not there.\n       Make it.\n"),
        (KeyError("name"), 1, "A defect of this program: KeyError: 'name'"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
    ids=["told", "a defect", "interrupted"],
)
def test_an_error_is_a_few_lines_and_an_exit_code(error: BaseException, code: int, said: str, monkeypatch: Any) -> None:
    monkeypatch.delenv(DEBUG, raising=False)
    screen = Screen()
    screen.err.file = io.StringIO()

    async def fail() -> None:
        raise error

    assert run(screen, fail) == code
    assert said in screen.err.file.getvalue()


def test_a_defect_shows_where_it_is_when_asked(monkeypatch: Any) -> None:
    monkeypatch.setenv(DEBUG, "1")

    async def fail() -> None:
        raise KeyError("name")

    with pytest.raises(KeyError):
        run(Screen(), fail)


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["sup"], ["support-bundle", ":4"]),
        (["restart", "ga"], ["gateway", ":4"]),
        (["logs", "op"], ["operator", ":4"]),
        (["status", "-o", "y"], ["yaml", ":4"]),
        (["plan", "-f", ""], [":0"]),
    ],
)
def test_proposals_as_kubectl_takes_them(words: list[str], lines: list[str], capsys: Any, monkeypatch: Any) -> None:
    for name in ("_KUBECTL_CHAT_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
        monkeypatch.setenv(name, "")
    propose(app, words)
    assert capsys.readouterr().out.splitlines() == lines


def test_help_and_completion_do_without_the_client_library() -> None:
    code = "import sys, chatcluster_operator.cli.main; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, (
        "it takes most of a second to load"
    )

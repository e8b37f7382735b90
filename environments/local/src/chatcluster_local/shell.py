"""Running programs: always with a time limit, and with the end of their output in the error when they fail."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from .errors import ExitCode, LocalError

TAIL_LINES = 15


def run(
    command: Sequence[str | Path],
    *,
    timeout: float = 60,
    input: str | None = None,  # noqa: A002 - the name that subprocess uses
    stdin: BinaryIO | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end and return it with its output as text.

    Its input is the text `input` or the file `stdin`, else empty.
    Raises LocalError when it is not there, takes longer than `timeout` seconds or, with `check`, fails.
    """
    name = Path(command[0]).name
    # Given neither text nor a file, the program finds its input empty.
    source: dict[str, Any] = {"stdin": stdin or subprocess.DEVNULL} if input is None else {"input": input}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=env,
            cwd=cwd,
            check=False,
            **source,
        )
    except FileNotFoundError as error:
        raise LocalError(f"the program {name} is missing", f"Install it and try again ({error})") from error
    except subprocess.TimeoutExpired as error:
        raise LocalError(f"{name} took longer than {timeout:g} s", code=ExitCode.TIMEOUT) from error
    if check and done.returncode:
        tail = "\n".join((done.stderr + done.stdout).strip().splitlines()[-TAIL_LINES:])
        raise LocalError(f"{' '.join(str(part) for part in command[:4])} … failed ({done.returncode}): {tail}")
    return done

"""The command `chatcluster-local`."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .errors import ExitCode, LocalError
from .paths import DEFAULT_NAME, Paths, cache_root, check_name
from .programs import ensure_programs
from .progress import Progress
from .providers import Provider, provider_for

EPILOG = """
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 this machine does not fit (nothing was changed), 4 no such cluster or not
running, 5 something was not ready in time.
"""

app = typer.Typer(
    help="A real Kubernetes cluster on this machine, and ChatCluster on it.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
nodes_app = typer.Typer(
    help="""Look at nodes, and make them fail.

    \b
    Examples:
      chatcluster-local nodes list
      chatcluster-local nodes kill 2        # as if its power had failed
      chatcluster-local nodes partition 3   # as if its cable were cut
      chatcluster-local nodes heal 2
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(nodes_app, name="nodes")

NameOption = Annotated[
    str, typer.Option("--name", envvar="CHATCLUSTER_NAME", help="The cluster's name; several can run side by side.")
]
ProviderOption = Annotated[
    str | None,
    typer.Option(
        "--provider",
        envvar="CHATCLUSTER_PROVIDER",
        help="builtin, kind, or existing with KUBECONFIG. Default: kind where Docker answers, else builtin.",
    ),
]
NodeArgument = Annotated[int, typer.Argument(help="The node's number, from 1.")]


def _provider(name: str, asked: str | None = None) -> Provider:
    return provider_for(Paths(check_name(name)), asked)


def _running(provider: Provider) -> Provider:
    if not any(part.healthy for part in provider.status()):
        raise LocalError(f"the cluster {provider.paths.name} is not running", "Start it with up", ExitCode.ABSENT)
    return provider


@app.command()
def up(
    name: NameOption = DEFAULT_NAME,
    provider: ProviderOption = None,
    cluster_only: Annotated[
        bool, typer.Option("--cluster-only", help="The cluster alone, without ChatCluster.")
    ] = False,
) -> None:
    """Make the cluster and ChatCluster on it, or mend what died and roll out what changed.

    \b
    Examples:
      chatcluster-local up
      chatcluster-local up --name second --cluster-only
      KUBECONFIG=~/.kube/config chatcluster-local up --provider existing
    """
    from .environment import Environment  # noqa: PLC0415 - the other commands start faster without

    progress = Progress()
    environment = Environment(_provider(name, provider), progress)
    environment.up(cluster_only=cluster_only)


@app.command()
def down(name: NameOption = DEFAULT_NAME) -> None:
    """End the cluster and leave nothing running; its data stays for the next up (see clean)."""
    _provider(name).down(Progress())


@app.command()
def clean(
    name: NameOption = DEFAULT_NAME,
    cache: Annotated[bool, typer.Option("--cache", help="Remove built programs and images too.")] = False,
) -> None:
    """End the cluster and remove its data.

    \b
    Examples:
      chatcluster-local clean
      chatcluster-local clean --cache   # the next up starts from nothing
    """
    provider = _provider(name)
    progress = Progress()
    provider.down(progress)
    with progress.step("Removing the cluster's data"):
        shutil.rmtree(provider.paths.state, ignore_errors=True)
    if cache:
        with progress.step("Removing built programs and images"):
            shutil.rmtree(cache_root(), ignore_errors=True)


@app.command()
def status(name: NameOption = DEFAULT_NAME) -> None:
    """Show the cluster's machines and ChatCluster's pods; exit code 1 when something is not as it should be."""
    provider = _provider(name)
    parts = provider.status()
    if not parts:
        raise LocalError(f"there is no cluster {name}", "Make it with up", ExitCode.ABSENT)
    table = Table(box=None, pad_edge=False)
    for column in ("", "machine", "state"):
        table.add_column(column)
    for part in parts:
        table.add_row("ok" if part.healthy else "!!", part.name, part.detail)
    Console(highlight=False).print(table)
    if not all(part.healthy for part in parts):
        raise LocalError("something is not running", "Mend it with up")
    from .environment import Environment  # noqa: PLC0415

    print(Environment(provider, Progress()).summary())


@app.command()
def programs() -> None:
    """Build the Kubernetes programs, if they are not in the cache, and print their folders."""
    for folder in ensure_programs(Progress()).folders.values():
        print(folder)


@app.command("load-images")
def load_images(
    archives: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="OCI or docker archives.")],
    name: NameOption = DEFAULT_NAME,
) -> None:
    """Put the images of archives on every node that lacks them.

    \b
    Example:
      docker save my/image:1 > image.tar && chatcluster-local load-images image.tar
    """
    _running(_provider(name)).load([archive.resolve() for archive in archives], Progress())


@app.command()
def kubeconfig(name: NameOption = DEFAULT_NAME) -> None:
    """Print the path of the kubeconfig, and nothing else.

    \b
    Example:
      export KUBECONFIG=$(chatcluster-local kubeconfig)
    """
    print(_running(_provider(name)).kubeconfig)


@app.command()
def url(name: NameOption = DEFAULT_NAME) -> None:
    """Print the address to chat at, and nothing else."""
    from .environment import Environment  # noqa: PLC0415

    print(Environment(_running(_provider(name)), Progress()).url())


@nodes_app.command("list")
def list_nodes(name: NameOption = DEFAULT_NAME) -> None:
    """Show the nodes and their state."""
    for part in _provider(name).status():
        print(f"{part.name}\t{part.detail}")


def _set_node(name: str, number: int, state: str) -> None:
    _running(_provider(name)).set_node(number, state)


@nodes_app.command()
def kill(number: NodeArgument, name: NameOption = DEFAULT_NAME) -> None:
    """End all that runs on a node at once, as a power cut does. Its disk stays."""
    _set_node(name, number, "kill")


@nodes_app.command()
def partition(number: NodeArgument, name: NameOption = DEFAULT_NAME) -> None:
    """Cut a node off the network; what runs on it keeps running."""
    _set_node(name, number, "partition")


@nodes_app.command()
def heal(number: NodeArgument, name: NameOption = DEFAULT_NAME) -> None:
    """Start a killed node again, or plug a cut one back in."""
    _set_node(name, number, "heal")


def main() -> None:
    """Run the command; errors become one line (or one each) and an exit code."""
    try:
        app()
    except LocalError as error:
        for line in str(error).splitlines():
            print(f"chatcluster-local: {line}", file=sys.stderr)
        raise SystemExit(int(error.code)) from error
    except KeyboardInterrupt as error:
        print("chatcluster-local: stopped; up goes on from here, down clears up", file=sys.stderr)
        raise SystemExit(130) from error

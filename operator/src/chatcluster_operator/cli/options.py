"""What commands take: the options that all share, and the arguments that several do."""

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from chatcluster_operator.api.constants import COMPONENTS, STORES
from chatcluster_operator.cli.completion import chatclusters
from chatcluster_operator.cli.screen import Format

OPERATOR: Final = "operator"
"""What `logs` calls the operator, which is no component of any ChatCluster."""


@dataclass(frozen=True)
class Options:
    """What every command takes."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    operator_namespace: str = "chatcluster-system"

    @property
    def flags(self) -> list[str]:
        """The same for kubectl, but for the namespace."""
        given = (("--kubeconfig", self.kubeconfig), ("--context", self.context))
        return [part for name, value in given if value for part in (name, value)]


SHARED: Final = {
    "namespace": Annotated[
        str | None, typer.Option("--namespace", "-n", help="The ChatCluster's namespace. Default: the context's.")
    ],
    "context": Annotated[str | None, typer.Option("--context", help="The context of the kubeconfig.")],
    "kubeconfig": Annotated[
        str | None, typer.Option("--kubeconfig", help="The kubeconfig file. Default: KUBECONFIG, ~/.kube/config.")
    ],
    "operator_namespace": Annotated[
        str,
        typer.Option(
            "--operator-namespace", envvar="CHATCLUSTER_OPERATOR_NAMESPACE", help="Where the operator is installed."
        ),
    ],
}
OUTPUT: Final = Annotated[Format, typer.Option("--output", "-o", help="How the answer is written.")]

_WHICH: Final = "The ChatCluster; may be left out where the namespace has one alone."

Name = Annotated[
    str | None, typer.Argument(metavar="NAME", show_default=False, help=_WHICH, autocompletion=chatclusters)
]
NameOption = Annotated[str | None, typer.Option("--name", help=_WHICH, autocompletion=chatclusters)]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done, and say how far it is.")]
Timeout = Annotated[int, typer.Option("--timeout", min=1, metavar="SECONDS", help="How long to wait.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _components(incomplete: str) -> list[str]:
    return [name for name in COMPONENTS if name.startswith(incomplete)]


def _stores(incomplete: str) -> list[str]:
    return [name for name in STORES if name.startswith(incomplete)]


def _log_sources(incomplete: str) -> list[str]:
    return [name for name in (*COMPONENTS, OPERATOR) if name.startswith(incomplete)]


Components = Annotated[
    list[str] | None,
    typer.Argument(metavar="COMPONENT...", show_default=False, help="Which.", autocompletion=_components),
]
Store = Annotated[
    str,
    typer.Argument(metavar="STORE", show_default=False, help=f"One of {', '.join(STORES)}.", autocompletion=_stores),
]
Member = Annotated[
    str | None,
    typer.Argument(
        metavar="MEMBER", show_default=False, help="The member's pod, or its number. Default: whichever is best."
    ),
]
LogSource = Annotated[
    str | None,
    typer.Argument(
        metavar="COMPONENT",
        show_default=False,
        help=f"One of {', '.join(COMPONENTS)}, or operator. Default: all components.",
        autocompletion=_log_sources,
    ),
]

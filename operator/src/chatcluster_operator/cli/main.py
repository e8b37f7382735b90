"""The program `kubectl-chat`, which kubectl runs as `kubectl chat`: every command, its options and its help.

What does the work is imported once it is called for, so that help and completion answer at once.
"""

# ruff: noqa: PLC0415 - see above

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatcluster_operator.cli.commands import command
from chatcluster_operator.cli.completion import chatbackups, chatclusters, propose
from chatcluster_operator.cli.options import (
    Components,
    LogSource,
    Member,
    Name,
    NameOption,
    Options,
    Store,
    Timeout,
    Wait,
    Yes,
)
from chatcluster_operator.cli.screen import Screen

if TYPE_CHECKING:
    from chatcluster_operator.cli.errors import ExitCode
    from chatcluster_operator.cli.session import Session

EPILOG = """
Exit codes: 0 all well, 1 a problem was found or what was asked for failed, 2 wrong usage, 3 there is no such thing or
the API server cannot be reached, 4 the API server refused, 5 not done in time (it may still be), 130 stopped by Ctrl-C.
"""

app = typer.Typer(
    name="kubectl chat",
    help="Look at ChatClusters, foretell changes, and look after what runs.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


@command(app, shows=True)
async def status(
    session: "Session",
    name: Name = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
) -> "ExitCode | None":
    """Show how a ChatCluster is. Conditions, components, what is under way, addresses, recent warnings.

    Exit code 1 when it is not Ready.

    \b
    Examples:
      kubectl chat status                    # the only one in the namespace
      kubectl chat status demo -n chat --watch
      kubectl chat status -o json | jq .components
    """
    from chatcluster_operator.cli import status

    return await status.run(session, name, watch=watch)


@command(app, shows=True)
async def plan(
    session: "Session",
    file: Annotated[
        str, typer.Option("--file", "-f", help="A file with a ChatCluster, as for kubectl apply; - is standard input.")
    ],
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes, 0 when none."),
    ] = False,
) -> "ExitCode | None":
    """Show what applying a file would change. Fields, objects, and the pods that would restart.

    Nothing is written. Exit code 1 when the spec or an object would be refused, or could not be carried out.

    \b
    Examples:
      kubectl chat plan -f chat.yaml
      kubectl get chat demo -o yaml | sed s/0.1.0/0.2.0/ | kubectl chat plan -f -
      kubectl chat plan -f chat.yaml --detailed-exitcode   # in a pipeline
    """
    from chatcluster_operator.cli import plan

    return await plan.run(session, file, detailed=detailed_exitcode)


@command(app)
async def logs(
    session: "Session",
    *,
    component: LogSource = None,
    name: NameOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come, new pods' too.")] = False,
    since: Annotated[str, typer.Option("--since", help="How far back: 90s, 10m, 2h, 1d; 0 is from the start.")] = "10m",
    tail: Annotated[int | None, typer.Option("--tail", min=0, help="At most so many lines of each pod.")] = None,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of containers before a restart.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Lines as they were written.")] = False,
) -> None:
    """Show logs of all pods, in order of time. Those of a component, or of all components.

    \b
    Examples:
      kubectl chat logs message --follow
      kubectl chat logs --since 1h --tail 100
      kubectl chat logs operator
      kubectl chat logs gateway --previous --raw | jq .
    """
    from chatcluster_operator.cli import logs

    await logs.run(session, name, component, follow=follow, since=since, tail=tail, previous=previous, raw=raw)


@command(app)
async def connect(
    session: "Session",
    name: Name = None,
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="Port here; 0: a free one.")] = 0,
) -> None:
    """Reach the edge from this machine. Prints the address, and stays until Ctrl-C.

    \b
    Examples:
      kubectl chat connect
      kubectl chat connect demo --port 8080
    """
    from chatcluster_operator.cli import connect

    await connect.run(session, name, port)


@command(app)
async def restart(
    session: "Session",
    components: Components = None,
    name: NameOption = None,
    wait: Wait = True,
    within: Timeout = 900,
) -> None:
    """Renew the pods of components. Without a component: those of the services and the edge.

    \b
    Examples:
      kubectl chat restart message
      kubectl chat restart gateway user --no-wait
      kubectl chat restart redis            # a store is renewed only when it is named
    """
    from chatcluster_operator.cli import switches

    await switches.restart(session, name, components or [], wait=wait, within=within)


@command(app)
async def pause(session: "Session", name: Name = None) -> None:
    """Have the operator change nothing more. It still looks and reports (spec.paused).

    \b
    Example:
      kubectl chat pause demo
    """
    from chatcluster_operator.cli import switches

    await switches.pause(session, name, paused=True)


@command(app)
async def resume(session: "Session", name: Name = None) -> None:
    """Have the operator act again.

    \b
    Example:
      kubectl chat resume demo
    """
    from chatcluster_operator.cli import switches

    await switches.pause(session, name, paused=False)


@command(app)
async def hibernate(
    session: "Session", name: Name = None, yes: Yes = False, wait: Wait = True, within: Timeout = 600
) -> None:
    """Stop everything and keep all data. People are disconnected (spec.hibernated).

    \b
    Examples:
      kubectl chat hibernate demo
      kubectl chat hibernate demo --yes --no-wait
    """
    from chatcluster_operator.cli import switches

    await switches.hibernate(session, name, hibernated=True, yes=yes, wait=wait, within=within)


@command(app)
async def wake(session: "Session", name: Name = None, wait: Wait = True, within: Timeout = 900) -> None:
    """Start everything again as it was.

    \b
    Example:
      kubectl chat wake demo
    """
    from chatcluster_operator.cli import switches

    await switches.hibernate(session, name, hibernated=False, yes=True, wait=wait, within=within)


@command(app)
async def rotate(
    session: "Session",
    what: Annotated[str, typer.Argument(metavar="WHAT", help="passwords, token-key or all.")] = "all",
    name: NameOption = None,
    wait: Wait = True,
    within: Timeout = 1800,
) -> None:
    """Renew passwords and keys. Those of the stores, and what signs tokens, without an interruption.

    \b
    Examples:
      kubectl chat rotate passwords
      kubectl chat rotate token-key --name demo
    """
    from chatcluster_operator.cli import switches

    await switches.rotate(session, name, what, wait=wait, within=within)


@command(app, shows=True)
async def switchover(
    session: "Session",
    store: Store,
    member: Member = None,
    name: NameOption = None,
    *,
    wait: Wait = True,
    within: Timeout = 180,
) -> None:
    """Have another member of a store lead. The one that leads hands over; nothing is lost.

    \b
    Examples:
      kubectl chat switchover postgres
      kubectl chat switchover redis demo-redis-2
      kubectl chat switchover postgres 1 --name demo -o json
    """
    from chatcluster_operator.cli import members

    await members.ask(session, name, "switchover", store, member, yes=True, wait=wait, within=within)


@command(app, shows=True)
async def failover(
    session: "Session",
    store: Store,
    member: Member = None,
    name: NameOption = None,
    *,
    wait: Wait = True,
    within: Timeout = 180,
) -> None:
    """Have another member of a store lead although the leader does not answer. Stores do that by themselves within
    seconds; this is for one that does not.

    It is refused where something acknowledged would be lost.

    \b
    Examples:
      kubectl chat failover postgres
      kubectl chat failover postgres demo-postgres-1 --no-wait
    """
    from chatcluster_operator.cli import members

    await members.ask(session, name, "failover", store, member, yes=True, wait=wait, within=within)


@command(app, shows=True)
async def rebuild(
    session: "Session",
    store: Store,
    member: Annotated[str, typer.Argument(metavar="MEMBER", show_default=False, help="The member's pod, or number.")],
    name: NameOption = None,
    *,
    yes: Yes = False,
    wait: Wait = True,
    within: Timeout = 3600,
) -> None:
    """Make a member of a store anew. Its volume is given up, and its data copied from the other members.

    Refused for the member that leads, and while another one is not in step.

    \b
    Examples:
      kubectl chat rebuild postgres demo-postgres-2
      kubectl chat rebuild kafka 1 --yes --timeout 7200
    """
    from chatcluster_operator.cli import members

    await members.ask(session, name, "rebuild", store, member, yes=yes, wait=wait, within=within)


@command(app, shows=True)
async def backup(
    session: "Session",
    name: Name = None,
    *,
    comment: Annotated[str | None, typer.Option("--comment", help="Why it is made, for people.")] = None,
    wait: Wait = True,
    within: Timeout = 7200,
) -> None:
    """Back a ChatCluster up now. Where spec.backup says, apart from any schedule.

    \b
    Examples:
      kubectl chat backup
      kubectl chat backup demo --comment "before the move" --no-wait
    """
    from chatcluster_operator.cli import backups

    await backups.make(session, name, comment, wait=wait, within=within)


@command(app, shows=True)
async def backups(
    session: "Session",
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", show_default=False, help="Of this ChatCluster alone.", autocompletion=chatclusters
        ),
    ] = None,
) -> None:
    """List backups. Those of ChatClusters that are gone too.

    \b
    Examples:
      kubectl chat backups
      kubectl chat backups demo -o json | jq '.[] | select(.phase == "Completed") | .moment'
    """
    from chatcluster_operator.cli import backups

    await backups.show(session, name)


@command(app, shows=True)
async def restore(
    session: "Session",
    source: Annotated[
        str,
        typer.Argument(
            metavar="FROM",
            show_default=False,
            help="A ChatBackup, or where backups lie: s3://bucket/folder.",
            autocompletion=chatbackups,
        ),
    ],
    *,
    name: Annotated[str | None, typer.Option("--as", help="What the new ChatCluster is called.")] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "-f",
            help="A file with the new ChatCluster; - is standard input. Default: sizes and "
            "settings are the operator's own.",
        ),
    ] = None,
    release: Annotated[str | None, typer.Option("--release", help="What is to run. Default: what ran then.")] = None,
    target_time: Annotated[
        str | None,
        typer.Option("--target-time", help="Accounts as they were at this later time, such as 2026-11-23T04:25:49Z."),
    ] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="With s3://: address, https://….")] = None,
    region: Annotated[str | None, typer.Option("--region", help="With s3://: region.")] = None,
    secret: Annotated[
        str | None, typer.Option("--secret", help="With s3://: Secret with access_key and secret_key.")
    ] = None,
    passphrase: Annotated[
        str | None, typer.Option("--passphrase-secret", help="With s3://: Secret with passphrase.")
    ] = None,
    private_authority: Annotated[
        bool, typer.Option("--private-authority", help="With s3://: its certificate is signed by ca.crt in the Secret.")
    ] = False,
    backup_id: Annotated[
        str | None, typer.Option("--backup-id", help="With s3://: which backup. Default: the newest.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the ChatCluster that would be made.")] = False,
    wait: Wait = True,
    within: Timeout = 7200,
) -> None:
    """Make a ChatCluster from a backup. It is a new one; what runs is left as it is.

    \b
    Examples:
      kubectl chat restore demo-202611230300 --as demo-again
      kubectl chat restore demo-202611230300 -f chat.yaml --dry-run
      kubectl chat restore s3://chat-backups/chat/demo/5f1c… --as demo --release 0.1.0 \\
        --endpoint https://s3.example.com --secret backup-s3 --passphrase-secret backup-passphrase
    """
    from chatcluster_operator.cli import restore

    wanted = restore.Wanted(
        source=source,
        name=name,
        file=file,
        release=release,
        target_time=target_time,
        backup_id=backup_id,
        endpoint=endpoint,
        region=region,
        secret=secret,
        passphrase=passphrase,
        private_authority=private_authority,
    )
    await restore.run(session, wanted, dry_run=dry_run, wait=wait, within=within)


@command(app, shows=True, connects=False)
async def capacity(
    options: Options,
    screen: Screen,
    name: Name = None,
    users: Annotated[int | None, typer.Option("--users", min=1, help="So many people connected at once.")] = None,
) -> None:
    """Show what a number of people asks for. Without a number: what was derived for a ChatCluster.

    \b
    Examples:
      kubectl chat capacity demo
      kubectl chat capacity --users 100000   # before it is set; needs no ChatCluster
    """
    from chatcluster_operator.cli import capacity

    await capacity.run(options, screen, name, users)


@command(app, shows=True)
async def doctor(session: "Session", name: Name = None) -> "ExitCode | None":
    """Find what is wrong, and what to do. Looks at the operator, the cluster and a ChatCluster.

    Exit code 1 when something is wrong.

    \b
    Examples:
      kubectl chat doctor
      kubectl chat doctor demo -n chat -o json
    """
    from chatcluster_operator.cli import doctor

    return await doctor.run(session, name)


@command(app, "support-bundle")
async def support_bundle(
    session: "Session",
    name: Name = None,
    to: Annotated[Path | None, typer.Option("--to", help="The archive to write. Default: named by time, here.")] = None,
    since: Annotated[str, typer.Option("--since", help="How far back logs go.")] = "6h",
    megabytes: Annotated[int, typer.Option("--max-size", min=1, max=1024, help="Most MiB of logs, unpacked.")] = 64,
) -> None:
    """Gather what somebody who helps needs. Objects, events, logs and findings, without a secret's value.

    \b
    Examples:
      kubectl chat support-bundle demo
      kubectl chat support-bundle demo --since 24h --to /tmp/demo.tar.gz
    """
    from chatcluster_operator.cli import bundle

    await bundle.run(session, name, to, since=since, megabytes=megabytes)


@command(app)
async def uninstall(
    session: "Session",
    keep_crd: Annotated[
        bool, typer.Option("--keep-crd", help="Leave the kind ChatCluster, and the ChatClusters that there are.")
    ] = False,
    yes: Yes = False,
    within: Timeout = 300,
) -> None:
    """Remove ChatClusters and the operator. Its rights too, and the kind ChatCluster itself last.

    Says first what data is kept and what is lost, and asks.

    \b
    Examples:
      kubectl chat uninstall
      kubectl chat uninstall --keep-crd --yes   # the operator alone; chat goes on
    """
    from chatcluster_operator.cli import uninstall

    await uninstall.run(session, keep_crd=keep_crd, yes=yes, within=within)


@command(app, shows=True)
async def version(session: "Session") -> None:
    """Show the versions of all parts. This program, the operator, the kind ChatCluster, the API server.

    \b
    Example:
      kubectl chat version -o yaml
    """
    from chatcluster_operator.cli import version

    await version.run(session)


def main() -> None:
    """`kubectl-chat`."""
    app(prog_name="kubectl chat" if sys.argv[0].endswith("kubectl-chat") else None)


def complete() -> None:
    """`kubectl_complete-chat`."""
    propose(app, sys.argv[1:])

"""`conformance audit`: the posture of a cluster, read and not touched."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from conformance.cli.consoles import console_of
from conformance.environment import Aws, Cluster, Environment
from conformance.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from conformance.audit import Check, Finding, Snapshot

EXIT_FINDINGS = 1
EXIT_UNREAD = 3


def audit(  # noqa: PLR0917 - typer reads the command line from the signature
    environment: Annotated[
        Path | None, typer.Option(help="The environment.json of an environment that runs.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="eks: a real cluster, by the ambient credentials.")
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Its name, target eks.")] = None,
    region: Annotated[str | None, typer.Option(help="Its region, target eks.")] = None,
    namespace: Annotated[
        list[str] | None, typer.Option(help="Only this namespace; may be given again.")
    ] = None,
    check: Annotated[
        list[str] | None, typer.Option(help="Only this check, by its id; may be given again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """
    Look for what is not wrong yet: associations, trust, permissions, keys, nodes.

    It reads and creates nothing; in CloudTrail its calls have the user agent conformance-audit.
    Each finding names the object and the fix.

    \b
    conformance audit --target eks --cluster prod --region eu-west-1
    conformance audit --environment .conformance/environment.json --namespace shop
    conformance audit --target eks --cluster prod --check wide-trust --check wildcard --json

    \b
    checks
      default-account  no association for the service account `default`
      one-purpose      one service account, one purpose
      wildcard         no wildcard permission
      wide-trust       trust narrowed to cluster and namespace
      irsa-left-over   no annotation of IRSA beside an association
      static-keys      no static keys in pods
      not-injected     every pod with an association was injected
      open-imds        pods do not reach the instance metadata
      no-agent         an agent on every node

    \b
    exit codes
      0  no findings
      1  findings
      2  the command line asks for something that cannot be
      3  the cluster, or a part of it, could not be read
    """
    from conformance.audit import CHECKS  # noqa: PLC0415 - others need not wait for it
    from conformance.audit import audit as audit_  # noqa: PLC0415 - likewise

    chosen = _chosen(check or [], CHECKS)
    snapshot = _read(environment, target, cluster, region, namespace or [])
    findings = audit_(snapshot, chosen)
    if as_json:
        told = {
            "cluster": snapshot.cluster,
            "checks": [one.id for one in chosen],
            "findings": [asdict(finding) for finding in findings],
            "unread": list(snapshot.unread),
        }
        typer.echo(json.dumps(told, indent=1))
    else:
        _print(snapshot, chosen, findings, console_of())
    raise typer.Exit(EXIT_FINDINGS if findings else EXIT_UNREAD if snapshot.unread else 0)


def _chosen(wanted: list[str], checks: "tuple[Check, ...]") -> "tuple[Check, ...]":
    known = {check.id: check for check in checks}
    for id_ in wanted:
        if id_ not in known:
            raise UsageError(f"--check {id_}: no such check", try_=f"one of: {', '.join(known)}")
    return tuple(known[id_] for id_ in dict.fromkeys(wanted)) or checks


def _read(
    environment: Path | None,
    target: str | None,
    cluster: str | None,
    region: str | None,
    namespaces: list[str],
) -> "Snapshot":
    from conformance.audit.reading import read  # noqa: PLC0415 - others need not wait for it

    if target not in (None, "eks"):
        raise UsageError(
            f"--target {target}: only a real cluster is audited without an environment",
            try_="--target eks --cluster NAME, or --environment FILE",
        )
    if (environment is None) == (cluster is None):
        raise UsageError(
            "audit wants one of --environment FILE and --target eks --cluster NAME",
            try_="--environment .conformance/environment.json, where `conformance up` was run",
        )
    if environment is not None:
        found = Environment.read(environment)
        return read(found.aws, found.cluster, namespaces=namespaces)
    with tempfile.TemporaryDirectory(prefix="conformance-audit-") as folder:
        aws, attached = _real(cluster or "", region, Path(folder))
        return read(aws, attached, namespaces=namespaces)


def _real(name: str, region: str | None, folder: Path) -> tuple[Aws, Cluster]:
    """How to reach a real cluster; the kubeconfig holds no secret."""
    import botocore.session  # noqa: PLC0415 - only for a real account
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - likewise

    from conformance.targets.eks import token_command  # noqa: PLC0415 - likewise
    from conformance.targets.kubeconfig import write_kubeconfig  # noqa: PLC0415 - likewise

    session = botocore.session.get_session()
    region = region or session.get_config_variable("region")
    if not region:
        raise UsageError("--target eks wants --region REGION")
    # botocore makes its methods when it runs, so no type knows them.
    eks: Any = session.create_client("eks", region_name=region)
    try:
        described = eks.describe_cluster(name=name)["cluster"]
    except (BotoCoreError, ClientError) as error:
        raise HarnessError(
            f"cluster {name} in {region} cannot be looked at",
            saw=str(error),
            try_="aws sts get-caller-identity",
        ) from error
    kubeconfig = folder / "kubeconfig"
    write_kubeconfig(
        kubeconfig,
        name=name,
        endpoint=described["endpoint"],
        certificate_authority=described["certificateAuthority"]["data"],
        user={"exec": token_command(name, region)},
    )
    arn = described["arn"]
    return (
        Aws(region=region, account_id=arn.split(":")[4]),
        Cluster(name=name, arn=arn, kubeconfig=kubeconfig, context=name),
    )


def _print(
    snapshot: "Snapshot",
    checks: "tuple[Check, ...]",
    findings: "list[Finding]",
    console: Console,
) -> None:
    def say(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    for check in checks:
        found = [finding for finding in findings if finding.check == check.id]
        say(f"{'✗' if found else '✓'} {check.title}", "bold red" if found else "green")
        if found:
            say(f"  {check.why}", "dim")
        for finding in found:
            say(f"  {finding.object}: {finding.says}")
            say(f"    fix: {finding.fix}", "cyan")
    for unread in snapshot.unread:
        say(f"! not read: {unread}", "bold magenta")
    looked = (
        f"{len(snapshot.associations)} associations, {len(snapshot.pods)} pods, "
        f"{len(snapshot.nodes)} nodes"
    )
    say(f"{len(findings)} findings in cluster {snapshot.cluster_name}: {looked}", "bold")

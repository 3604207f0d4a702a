"""
A cluster on a real account, which is there already.

Nothing here makes or removes a cluster: `fixtures/terraform/clusters/existing`
reads it, the scenarios' stacks add roles, buckets and associations with the run's
tag, and take them away again. This file has been tested against the emulation
and stubs only; it has never run against an account (see docs/fidelity.md).
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session

from conformance.environment import (
    ALLOWABLE,
    Aws,
    Capability,
    Cluster,
    Environment,
    OtherAccount,
)
from conformance.errors import HarnessError, UsageError
from conformance.events import EventLog
from conformance.probes import aws_cli
from conformance.targets.kubeconfig import has_kubectl, write_kubeconfig
from conformance.targets.options import TargetOptions

DESCRIPTION = "a real cluster that is there already (--cluster, --region, --probe-image)"

ALWAYS = frozenset({Capability.NODE_ISOLATION, Capability.MINT_TOKENS})
AT_MOST = ALWAYS.union(ALLOWABLE, (Capability.AWS_CLI, Capability.KUBECTL, Capability.ORGANIZATION))
"""
What no real cluster has is not among these; a core promise must be provable with them, or
no run on an account is ever complete.
"""


def start(options: TargetOptions, log: EventLog, *, lifeline: bool) -> Environment:
    """Look the cluster up and describe it; `lifeline` means nothing, as nothing is started."""
    del lifeline
    cluster = _wanted(options.cluster, "--cluster NAME", "the cluster that is to be certified")
    image = _wanted(
        options.probe_image,
        "--probe-image IMAGE",
        "an image that the cluster can pull; conformance/probes/image holds its Dockerfile",
    )
    session = botocore.session.get_session()
    region = options.region or session.get_config_variable("region")
    region = _wanted(region, "--region REGION", "the region of the cluster")
    with log.step("environment", f"looking at cluster {cluster} in {region}"):
        account_id, described, parts = _look(session, cluster, region)
    organization = _organization(session, region)
    other = _second_account(options.other_profile, region) if options.other_profile else None
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    kubeconfig = folder / "kubeconfig"
    write_kubeconfig(
        kubeconfig,
        name=cluster,
        endpoint=described["endpoint"],
        certificate_authority=described["certificateAuthority"]["data"],
        user={"exec": token_command(cluster, region)},
    )
    capabilities = {*ALWAYS, *options.allow}
    if aws_cli.command() is not None:
        capabilities.add(Capability.AWS_CLI)
    if organization is not None:
        capabilities.add(Capability.ORGANIZATION)
    if has_kubectl():
        capabilities.add(Capability.KUBECTL)
    environment = Environment(
        target="eks",
        folder=folder,
        aws=Aws(region=region, account_id=account_id, organization=organization, other=other),
        cluster=Cluster(name=cluster, arn=described["arn"], kubeconfig=kubeconfig, context=cluster),
        capabilities=frozenset(capabilities),
        network="real",
        probe_image=image,
        provider=options.provider or "registry",
        parts=parts,
    )
    environment.write()
    return environment


def lost(environment: Environment) -> str:
    """Nothing of a real cluster is a process of ours."""
    del environment
    return ""


def stop(environment: Environment, log: EventLog) -> None:
    """Remove our notes about the cluster; the cluster itself is left alone."""
    del log
    for name in ("environment.json", "kubeconfig", "kubeconfig.ca"):
        (environment.folder / name).unlink(missing_ok=True)
    if environment.folder.is_dir() and not any(environment.folder.iterdir()):
        environment.folder.rmdir()


def _wanted(value: str | None, option: str, meaning: str) -> str:
    if not value:
        raise UsageError(f"--target eks wants {option}: {meaning}")
    return value


def _look(
    session: botocore.session.Session, cluster: str, region: str
) -> tuple[str, dict[str, Any], dict[str, str]]:
    # botocore makes its methods when it runs, so no type knows them.
    sts: Any = session.create_client("sts", region_name=region)
    eks: Any = session.create_client("eks", region_name=region)
    try:
        account_id: str = sts.get_caller_identity()["Account"]
        described = eks.describe_cluster(name=cluster)["cluster"]
        addons = {
            name: eks.describe_addon(clusterName=cluster, addonName=name)["addon"]["addonVersion"]
            for name in eks.list_addons(clusterName=cluster)["addons"]
        }
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise HarnessError(
            f"cluster {cluster} in {region} cannot be looked at",
            saw=str(error),
            try_="aws sts get-caller-identity; the permissions wanted are in the README",
        ) from error
    if described["status"] != "ACTIVE":
        raise HarnessError(f"cluster {cluster} is not ACTIVE", saw=described["status"])
    parts = {
        "EKS": f"{described['version']} ({described['platformVersion']})",
        **{f"add-on {name}": version for name, version in addons.items()},
    }
    return account_id, described, parts


def _organization(session: botocore.session.Session, region: str) -> str | None:
    """None as well where nobody may ask: one scenario is skipped then, and no run."""
    organizations: Any = session.create_client("organizations", region_name=region)
    try:
        found: str = organizations.describe_organization()["Organization"]["Id"]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        return None
    return found


def _second_account(profile: str, region: str) -> OtherAccount:
    try:
        session = botocore.session.Session(profile=profile)
        sts: Any = session.create_client("sts", region_name=region)
        account_id: str = sts.get_caller_identity()["Account"]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise HarnessError(
            f"--other-profile {profile}: the second account cannot be reached",
            saw=str(error),
            try_=f"aws sts get-caller-identity --profile {profile}",
        ) from error
    return OtherAccount(account_id=account_id, profile=profile)


def token_command(cluster: str, region: str) -> dict[str, object]:
    """The `exec` of a kubeconfig's user: how kubectl gets a token; holds no secret."""
    return {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": sys.executable,
        "args": ["-m", "conformance.targets.eks_token", "--cluster", cluster, "--region", region],
        "interactiveMode": "Never",
        "env": [
            {"name": name, "value": os.environ[name]}
            for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
            if name in os.environ
        ],
    }

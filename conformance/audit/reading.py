"""
Reads a cluster for the checks, and creates nothing.

Wanted are eks:List* and Describe* of associations, iam:Get* and List* of their roles,
ec2:DescribeInstances, and to list pods, service accounts, nodes and namespaces. What AWS
refuses is said and left out, so that one missing permission does not hide all other
findings. The part that asks EC2 has been tested against stubs only (see
docs/fidelity.md): no emulation of ours has instances, and its nodes say by labels what
EC2 would.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, partial
from typing import Any, TypeVar

import botocore.config
from botocore.exceptions import BotoCoreError, ClientError

from conformance.audit.snapshot import Association, Node, Object, Role, Snapshot, role_name
from conformance.cluster.nodes.metadata_options import MetadataOptions
from conformance.environment import Aws, Cluster
from conformance.errors import HarnessError, UsageError
from conformance.world import aws_calls
from conformance.world.agents import AGENT_PODS, AGENT_SELECTOR
from conformance.world.kube import Kube

USER_AGENT = "conformance-audit"
"""Stands in every call of AWS, so that the audited find the audit in their CloudTrail."""
_PATIENT = botocore.config.Config(retries={"mode": "standard"}, user_agent_extra=USER_AGENT)

A = TypeVar("A")
T = TypeVar("T")

COMPUTE_TYPE = "eks.amazonaws.com/compute-type"
_BUILT_IN_OR_NONE = ("auto", "fargate")
"""Auto Mode has the agent built in, and Fargate has none (EKS user guide, pod-identities)."""


def read(aws: Aws, cluster: Cluster, *, namespaces: Collection[str] = ()) -> Snapshot:
    """
    The cluster as it is now; only these namespaces, where some are given.

    Raises `HarnessError` when the associations or the cluster cannot be read at all, and
    `UsageError` for a namespace that is in neither: nothing is found in what is not there.
    """
    return _Reader(aws, cluster, frozenset(namespaces)).snapshot()


class _Reader:
    def __init__(self, aws: Aws, cluster: Cluster, namespaces: frozenset[str]) -> None:
        self._aws = aws
        self._cluster = cluster
        self._namespaces = namespaces
        self._met: set[str] = set()
        """Namespaces of whatever was read, wanted or not."""
        self._kube = Kube(cluster.kubeconfig, cluster.context)
        self._unread: list[str] = []
        self._client = cache(partial(aws_calls.client, aws, config=_PATIENT))
        self._document = cache(self._managed_document)

    def snapshot(self) -> Snapshot:
        associations = tuple(self._associations())
        service_accounts = self._objects("/api/v1/serviceaccounts")
        pods = self._objects("/api/v1/pods")
        self._refuse_unknown()
        return Snapshot(
            cluster=self._cluster.arn,
            associations=associations,
            roles={role.arn: role for role in self._roles(associations)},
            service_accounts=service_accounts,
            pods=pods,
            nodes=tuple(self._nodes()),
            unread=tuple(self._unread),
        )

    # --- EKS and IAM

    def _associations(self) -> Iterator[Association]:
        eks = self._client("eks")
        try:
            pages = eks.get_paginator("list_pod_identity_associations").paginate(
                clusterName=self._cluster.name
            )
            listed = [each for page in pages for each in page["associations"]]
        except (BotoCoreError, ClientError) as error:
            raise HarnessError(
                f"the associations of cluster {self._cluster.name} cannot be listed",
                saw=str(error),
                try_=f"aws eks list-pod-identity-associations --cluster-name {self._cluster.name}",
            ) from error
        for each in listed:
            if not self._wanted(each["namespace"]):
                continue
            id_ = each["associationId"]
            told = self._allowed(f"association {id_}", self._described, id_)
            if told:
                yield Association(
                    id=id_,
                    namespace=told["namespace"],
                    service_account=told["serviceAccount"],
                    role_arn=told["roleArn"],
                    session_tags=not told.get("disableSessionTags", False),
                    target_role_arn=told.get("targetRoleArn") or "",
                )

    def _described(self, id_: str) -> Object:
        told: Object = self._client("eks").describe_pod_identity_association(
            clusterName=self._cluster.name, associationId=id_
        )["association"]
        return told

    def _roles(self, associations: tuple[Association, ...]) -> Iterator[Role]:
        """Target roles as well, of which another account's cannot be read from here."""
        own = self._cluster.arn.split(":")[4]
        for arn in dict.fromkeys(arn for each in associations for arn in each.roles):
            name, account = role_name(arn), arn.split(":")[4]
            if account != own:
                self._unread.append(f"role {name}: it is of account {account}, to be read there")
            elif role := self._allowed(f"role {name}", self._role, arn):
                yield role

    def _role(self, arn: str) -> Role:
        iam, name = self._client("iam"), role_name(arn)
        policies: dict[str, Object] = {}
        for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
            for policy in page["PolicyNames"]:
                told = iam.get_role_policy(RoleName=name, PolicyName=policy)
                policies[policy] = told["PolicyDocument"]
        for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
            for attached in page["AttachedPolicies"]:
                policies[attached["PolicyName"]] = self._document(attached["PolicyArn"])
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        return Role(arn=arn, trust=trust, policies=policies)

    def _managed_document(self, arn: str) -> Object:
        iam = self._client("iam")
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        told = iam.get_policy_version(PolicyArn=arn, VersionId=version)
        document: Object = told["PolicyVersion"]["Document"]
        return document

    # --- the cluster

    def _objects(self, path: str) -> tuple[Object, ...]:
        found = self._kube.get(path)["items"]
        return tuple(each for each in found if self._wanted(each["metadata"]["namespace"]))

    def _nodes(self) -> Iterator[Node]:
        agents = {
            pod["spec"].get("nodeName")
            for pod in self._kube.get(AGENT_PODS, labelSelector=AGENT_SELECTOR)["items"]
            if _is_ready(pod)
        }
        nodes = self._kube.get("/api/v1/nodes")["items"]
        options = self._metadata_options(nodes)
        for node in nodes:
            name, labels = node["metadata"]["name"], node["metadata"].get("labels") or {}
            told = options.get(name)
            yield Node(
                name=name,
                agent=name in agents,
                needs_agent=labels.get(COMPUTE_TYPE) not in _BUILT_IN_OR_NONE
                and labels.get("kubernetes.io/os", "linux") == "linux",
                hop_limit=told.hop_limit if told else None,
                tokens_required=told.tokens_required if told else True,
            )

    def _metadata_options(self, nodes: list[Any]) -> Mapping[str, MetadataOptions]:
        """By the name of the node; those that are no instances are left out."""
        if self._aws.endpoint is not None:
            return {
                node["metadata"]["name"]: MetadataOptions.of(node["metadata"].get("labels") or {})
                for node in nodes
            }
        instances = {
            provider.rpartition("/")[2]: node["metadata"]["name"]
            for node in nodes
            if (provider := node["spec"].get("providerID", "")).rpartition("/")[2].startswith("i-")
        }
        if not instances:
            return {}
        found = self._allowed("instances of the nodes", self._instances, list(instances))
        return {instances[id_]: options for id_, options in (found or {}).items()}

    def _instances(self, ids: list[str]) -> dict[str, MetadataOptions]:
        pages = self._client("ec2").get_paginator("describe_instances").paginate(InstanceIds=ids)
        return {
            instance["InstanceId"]: MetadataOptions(
                # Where it is switched off it answers nobody.
                hop_limit=told["HttpPutResponseHopLimit"]
                if told.get("HttpEndpoint") != "disabled"
                else 1,
                tokens_required=told.get("HttpTokens") == "required"
                or told.get("HttpEndpoint") == "disabled",
            )
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
            if (told := instance.get("MetadataOptions"))
        }

    # --- inside

    def _refuse_unknown(self) -> None:
        """An empty namespace may be audited, one that is not there would look as good."""
        unknown = self._namespaces - self._met
        if unknown:
            found = self._kube.get("/api/v1/namespaces")["items"]
            unknown -= {each["metadata"]["name"] for each in found}
        if unknown:
            raise UsageError(
                f"no such namespace: {', '.join(map(repr, sorted(unknown)))}",
                saw=f"neither cluster {self._cluster.name} nor an association of it has one",
                try_="kubectl get namespaces",
            )

    def _wanted(self, namespace: str) -> bool:
        """And notes that there is one so named."""
        self._met.add(namespace)
        return not self._namespaces or namespace in self._namespaces

    def _allowed(self, what: str, ask: Callable[[A], T], about: A) -> T | None:
        """What AWS answers; what it refuses is noted, and None."""
        try:
            return ask(about)
        except ClientError as error:
            said = error.response.get("Error", {})
            self._unread.append(f"{what}: {said.get('Code')}: {said.get('Message')}")
        except BotoCoreError as error:
            self._unread.append(f"{what}: {error}")
        return None


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

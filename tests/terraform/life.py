"""
The life of one of each resource type, with whichever provider; what it planned, made and said.

The same steps are lived with the embedded provider in `make test`, and with the real one
where it is recorded (`golden/README.md`); the two records must be equal but for what
`provider/differences.toml` lists.
"""

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conformance.environment import Aws
from conformance.terraform.engine import Engine
from conformance.terraform.finding import EngineBinary
from conformance.terraform.messages import TerraformError
from conformance.terraform.sources import ProviderSource
from conformance.terraform.surroundings import child_environment

VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ROOTS = Path(__file__).parent / "roots"

Clients = Callable[[str], Any]

_lives, _folders = itertools.count(1), itertools.count(1)


class Life:
    """`roots/lifecycle.tf` in a folder, with one provider; answers what Terraform would do."""

    def __init__(
        self, folder: Path, source: ProviderSource, binary: EngineBinary, aws: Aws
    ) -> None:
        self._folder, self._source, self._aws = folder, source, aws
        self.names = f"life-{next(_lives)}"
        self._variables: dict[str, Any] = {
            "names": self.names,
            "text": "hello",
            "tags": {"team": "one"},
            "description": "first",
            "account_name": "reader",
        }
        folder.mkdir()
        shutil.copyfile(ROOTS / "lifecycle.tf", folder / "main.tf")
        override = {
            "region": aws.region,
            "s3_use_path_style": True,
            "skip_credentials_validation": True,
        }
        (folder / "zz_override.tf.json").write_text(json.dumps({"provider": {"aws": override}}))
        rc = folder / "terraform.rc"
        rc.write_text(source.configuration())
        self._surroundings = child_environment(folder, rc)
        self.engine = Engine(folder, binary, self._surroundings)
        if source.needs_init:
            self.engine.init()

    def change(self, **variables: Any) -> None:
        self._variables |= variables

    def plan(self) -> dict[str, str]:
        """Address to action, as it would be with the variables of now."""
        with self._ready():
            return {change.address: change.action for change in self.engine.plan()}

    def apply(self) -> None:
        with self._ready():
            self.engine.apply()

    def destroy(self) -> None:
        with self._ready():
            self.engine.destroy()

    def refused(self, more: str, *, alone: bool = False) -> dict[str, str]:
        """
        What errors say when this is applied besides: address to code, or to the summary.

        `alone` leaves the lifecycle's own resources out. The words differ between
        providers; who refuses what does not.
        """
        other = self.beside(more)
        if alone:
            (other._folder / "main.tf").unlink()
        try:
            with other._ready():
                other.engine.apply() if alone else other.engine.plan()
        except TerraformError as error:
            return {
                each.address or each.where: _code(f"{each.summary} {each.detail}")
                for each in error.diagnostics
            }
        return {}

    def beside(self, more: str) -> "Life":
        """The same configuration and more, with no state."""
        other = self._another(self._source)
        (other._folder / "more.tf").write_text(more)
        return other

    def heir(self, source: ProviderSource) -> "Life":
        """The same configuration and state in the hands of another provider."""
        other = self._another(source)
        shutil.copyfile(self._folder / "terraform.tfstate", other._folder / "terraform.tfstate")
        return other

    def _another(self, source: ProviderSource) -> "Life":
        folder = self._folder.parent / f"another-{next(_folders)}"
        other = Life(folder, source, self.engine.binary, self._aws)
        other.names = self.names
        other.change(**self._variables)
        return other

    def state(self, address: str) -> dict[str, Any]:
        """The attributes of one resource."""
        return self._attributes()[address]

    def attributes(self) -> dict[str, dict[str, Any]]:
        """Those of every resource, with placeholders for names, ids and times."""
        text = json.dumps(self._attributes())
        found: dict[str, dict[str, Any]] = json.loads(self._without_ids(text))
        return found

    def adopt(self, theirs: Mapping[str, Mapping[str, Any]]) -> None:
        """Write what another provider's state had into our state; ids and times stay ours."""
        ours = self.attributes()
        file = self._folder / "terraform.tfstate"
        state = json.loads(file.read_text())
        for resource in state["resources"]:
            address = f"{resource['type']}.{resource['name']}"
            if resource["mode"] == "managed":
                real = resource["instances"][0]["attributes"]
                resource["instances"][0]["attributes"] = {
                    name: real[name] if name in real and ours[address][name] == value else value
                    for name, value in theirs[address].items()
                }
        file.write_text(json.dumps(state))

    def _attributes(self) -> dict[str, dict[str, Any]]:
        state = json.loads((self._folder / "terraform.tfstate").read_text())
        return {
            f"{each['type']}.{each['name']}": each["instances"][0]["attributes"]
            for each in state["resources"]
            if each["mode"] == "managed"
        }

    def _without_ids(self, text: str) -> str:
        text = text.replace(self.names, "NAMES").replace(self._aws.account_id, "ACCOUNT")
        for pattern, placeholder in _IDS:
            text = pattern.sub(placeholder, text)
        return text

    @contextmanager
    def _ready(self) -> Iterator[None]:
        (self._folder / "terraform.tfvars.json").write_text(json.dumps(self._variables))
        with self._source.serving(self._aws) as surroundings:
            self.engine.environment = {**self._surroundings, **surroundings}
            yield


_IDS = tuple(
    (re.compile(pattern), placeholder)
    for pattern, placeholder in (
        (r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", "UUID"),
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "TIME"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC", "TEXT OF A TIME"),
        (r"\ba-[a-z0-9]{16,17}\b", "ASSOCIATION"),
        (r"\bA(ROA|NPA)[A-Z0-9]{10,}", "UNIQUE"),
        (r"\b(127\.0\.0\.1|localhost):\d+", "HOST"),
        (r"\b[0-9A-F]{32}\b", "ISSUER"),
        (r"\b[0-9a-f]{64}\b", "CANONICAL USER"),
        (r"\b(sg|vpc)-[0-9a-f]{17}\b", "NETWORK"),
        (r"NAMES-one-\d{14}[0-9a-f]+", "ATTACHMENT"),
        (r'(?<="data": ")[A-Za-z0-9+/=]{100,}', "CERTIFICATE"),
    )
)

_CODE = re.compile(r"\b(NoSuchEntity|\w+Exception|non-existent remote object)\b")


def _code(text: str) -> str:
    found = _CODE.search(text)
    return found[1] if found else "refused"


@dataclass
class Story:
    """Everything that one life came to."""

    plans: dict[str, dict[str, str]] = field(default_factory=dict)
    """The plan of each step, address to action."""
    attributes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By step: the attributes of every resource after it."""
    refusals: dict[str, dict[str, str]] = field(default_factory=dict)
    inherited: dict[str, dict[str, str]] = field(default_factory=dict)
    """By step: what the other provider would do with this one's state; nothing, it is hoped."""

    def as_json(self) -> str:
        """For `golden/life.json`; who inherits has no part in it."""
        told = {name: value for name, value in asdict(self).items() if name != "inherited"}
        return json.dumps(told, indent=1, sort_keys=True) + "\n"


def differences(ours: Story, theirs: Story) -> set[str]:
    """`type.attribute` of everything that does not mean the same in both after some step."""
    return {
        f"{address.partition('.')[0]}.{name}"
        for step, resources in theirs.attributes.items()
        for address, attributes in resources.items()
        for mine in [ours.attributes[step][address]]
        for name in {*attributes, *mine}
        if (name in attributes) != (name in mine)
        or _meaning(attributes[name]) != _meaning(mine[name])
    }


def _meaning(value: Any) -> Any:
    """By the two `rules` of differences.toml: empty is nothing, and JSON is what it says."""
    if isinstance(value, dict):
        kept = {key: _meaning(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each is not None} or None
    if isinstance(value, list):
        return [_meaning(each) for each in value] or None
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    return value or None


def live(life: Life, client: Clients, heir: ProviderSource | None = None) -> Story:
    """From beginning to end; at the end nothing is left. `heir` is shown the state on the way."""
    story = Story()
    plans = story.plans

    def look(step: str) -> None:
        story.attributes[step] = life.attributes()
        if heir is not None:
            story.inherited[step] = life.heir(heir).plan()

    plans["create"] = life.plan()
    life.apply()
    plans["again"] = life.plan()
    look("created")

    life.change(text="goodbye", tags={"team": "two"}, description="second")
    plans["change"] = life.plan()
    life.apply()
    plans["changed"] = life.plan()

    life.change(tags={})
    plans["empty tags"] = life.plan()
    life.apply()
    plans["emptied"] = life.plan()
    look("emptied")

    life.change(account_name="writer")
    plans["replace"] = life.plan()
    life.apply()
    plans["replaced"] = life.plan()

    delete_behind_its_back(life, client)
    plans["out of band"] = life.plan()
    life.apply()
    plans["healed"] = life.plan()

    change_behind_its_back(life, client)
    plans["drift"] = life.plan()
    life.apply()
    plans["corrected"] = life.plan()
    look("corrected")
    client("iam").delete_role(RoleName=f"{life.names}-drift")

    plans["import"] = life.beside(_imports(import_ids(life))).plan()
    story.refusals["bad import ids"] = {
        address: " ".join(life.refused(_imports({address: bad})).values())
        for address, bad in BAD_IDS.items()
    }
    story.refusals["API errors"] = life.refused((ROOTS / "refused.tf").read_text(), alone=True)
    life.destroy()
    return story


def delete_behind_its_back(life: Life, client: Clients) -> None:
    client("s3").delete_object(Bucket=f"{life.names}-data", Key="hello.txt")
    client("s3").delete_bucket_policy(Bucket=f"{life.names}-data")
    client("dynamodb").delete_table(TableName=f"{life.names}-items")
    url = life.state("aws_sqs_queue.jobs")["url"]
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    client("iam").detach_role_policy(RoleName=f"{life.names}-one", PolicyArn=READ_ONLY)
    client("iam").delete_role_policy(RoleName=f"{life.names}-one", PolicyName="own")
    client("eks").delete_pod_identity_association(
        clusterName=life.names,
        associationId=life.state("aws_eks_pod_identity_association.reader")["association_id"],
    )
    client("eks").disassociate_access_policy(
        clusterName=life.names,
        principalArn=life.state("aws_iam_role.guest")["arn"],
        policyArn=VIEW,
    )


def change_behind_its_back(life: Life, client: Clients) -> None:
    """Another value of something in each resource that can have one."""
    names, iam, eks = life.names, client("iam"), client("eks")
    other = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
        }
    )
    iam.update_role(RoleName=f"{names}-one", Description="drifted")
    iam.tag_role(RoleName=f"{names}-one", Tags=[{"Key": "drifted", "Value": "yes"}])
    iam.put_role_policy(RoleName=f"{names}-one", PolicyName="own", PolicyDocument=other)
    shared = life.state("aws_iam_policy.shared")["arn"]
    iam.create_policy_version(PolicyArn=shared, PolicyDocument=other, SetAsDefault=True)
    trust = life.state("aws_iam_role.one")["assume_role_policy"]
    drift = iam.create_role(RoleName=f"{names}-drift", AssumeRolePolicyDocument=trust)
    eks.update_pod_identity_association(
        clusterName=names,
        associationId=life.state("aws_eks_pod_identity_association.reader")["association_id"],
        roleArn=drift["Role"]["Arn"],
    )
    eks.update_access_entry(
        clusterName=names,
        principalArn=life.state("aws_iam_role.guest")["arn"],
        kubernetesGroups=["drifted"],
    )
    for address in ("aws_eks_cluster.this", "aws_eks_addon.agent"):
        eks.tag_resource(resourceArn=life.state(address)["arn"], tags={"drifted": "yes"})
    tags = [{"Key": "drifted", "Value": "yes"}]
    client("s3").put_bucket_tagging(Bucket=f"{names}-data", Tagging={"TagSet": tags})
    table = life.state("aws_dynamodb_table.items")["arn"]
    client("dynamodb").tag_resource(ResourceArn=table, Tags=tags)
    client("sqs").set_queue_attributes(
        QueueUrl=life.state("aws_sqs_queue.jobs")["url"], Attributes={"VisibilityTimeout": "9"}
    )


def _imports(ids: Mapping[str, str]) -> str:
    return "".join(
        f'import {{\n  to = {address}\n  id = "{import_id}"\n}}\n'
        for address, import_id in ids.items()
    )


BAD_IDS = {
    "aws_eks_access_entry.guest": "junk",
    "aws_eks_access_policy_association.guest": "junk",
    "aws_eks_addon.network": "junk",
    "aws_eks_node_group.nodes": "junk",
    "aws_eks_pod_identity_association.reader": "junk",
    "aws_iam_role.one": "nobody-here",
    "aws_iam_role_policy.own": "junk",
    "aws_iam_role_policy_attachment.read": "junk",
}
"""Seven that are no ids of their types, and one of something that is not there."""


def import_ids(life: Life) -> dict[str, str]:
    """Of every resource, by address."""
    names = life.names
    shared, queue = life.state("aws_iam_policy.shared")["arn"], life.state("aws_sqs_queue.jobs")
    association = life.state("aws_eks_pod_identity_association.reader")["association_id"]
    guest = life.state("aws_iam_role.guest")["arn"]
    return {
        "aws_dynamodb_table.items": f"{names}-items",
        "aws_eks_access_entry.guest": f"{names}:{guest}",
        "aws_eks_access_policy_association.guest": f"{names}#{guest}#{VIEW}",
        "aws_eks_addon.agent": f"{names}:eks-pod-identity-agent",
        "aws_eks_addon.network": f"{names}:vpc-cni",
        "aws_eks_cluster.this": names,
        "aws_eks_node_group.nodes": f"{names}:nodes",
        "aws_eks_pod_identity_association.reader": f"{names},{association}",
        "aws_iam_policy.shared": shared,
        "aws_iam_role.guest": f"{names}-guest",
        "aws_iam_role.one": f"{names}-one",
        "aws_iam_role_policy.own": f"{names}-one:own",
        "aws_iam_role_policy_attachment.read": f"{names}-one/{READ_ONLY}",
        "aws_iam_role_policy_attachment.shared": f"{names}-one/{shared}",
        "aws_s3_bucket.data": f"{names}-data",
        "aws_s3_bucket_policy.data": f"{names}-data",
        "aws_s3_object.hello": f"{names}-data/hello.txt",
        "aws_sqs_queue.jobs": queue["url"],
        "aws_sqs_queue_policy.jobs": queue["url"],
    }

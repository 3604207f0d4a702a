"""
An audit that does not see, and nodes that it has to see.

What the posture's promises certify is `conformance audit` itself, so here it is the audit
that is broken, one check after the other. The part is the one whose trouble nobody hears of.
"""

from functools import partial

from conformance.mutants.model import Mutant, Part

_roles = partial(Mutant, module="audit.role_checks")
_workloads = partial(Mutant, module="audit.workload_checks")
_reading = partial(Mutant, module="audit.reading")

MUTANTS = (
    _roles(
        "audit-blind-to-default",
        part=Part.ASSOCIATIONS,
        old='if association.service_account == "default":',
        new='if association.subject == "default":',
        broken="posture.default-account",
        because="an association for `default` is no finding, for its namespace is compared too",
    ),
    _workloads(
        "audit-blind-to-shared-accounts",
        part=Part.ASSOCIATIONS,
        old="if len(workloads) > 1:",
        new="if len(workloads) > 2:",
        broken="posture.one-purpose",
        because="two workloads of one service account are no finding, only three are",
    ),
    _reading(
        "audit-reads-no-inline-policies",
        part=Part.IAM,
        old='policies[policy] = told["PolicyDocument"]',
        new="pass",
        broken="posture.wildcard",
        because="a wildcard is found in managed policies only",
    ),
    Mutant(
        "audit-blind-to-trust",
        part=Part.STS,
        module="audit.policies",
        old='POD_IDENTITY = "pods.eks.amazonaws.com"',
        new='POD_IDENTITY = "eks.amazonaws.com"',
        broken="posture.wide-trust",
        because="no role is taken for one that trusts EKS for pods, so none is open to them",
    ),
    _roles(
        "audit-blind-to-target-roles",
        part=Part.STS,
        old="dict.fromkeys(arn for each in snapshot.associations for arn in each.roles)",
        new="dict.fromkeys(each.role_arn for each in snapshot.associations)",
        broken="posture.target-role",
        because="of a chain of roles only the first is looked at",
    ),
    _workloads(
        "audit-blind-to-irsa",
        part=Part.WEBHOOK,
        old='ROLE_ARN = f"{ANNOTATION_PREFIX}role-arn"',
        new='ROLE_ARN = f"{ANNOTATION_PREFIX}rolearn"',
        broken="posture.irsa-left-over",
        because="the annotation of IRSA is looked for by another name",
    ),
    _workloads(
        "audit-blind-to-keys",
        part=Part.WEBHOOK,
        old='names = [entry["name"] for entry in container.get("env") or ()]',
        new='names = [e["name"] for e in container.get("env") or () if "valueFrom" in e]',
        broken="posture.static-keys",
        because="keys are found where a Secret holds them, and not where the pod itself does",
    ),
    _workloads(
        "audit-tells-keys",
        part=Part.WEBHOOK,
        old="found = [name for name in names if name in (*_KEYS, *_FILES)]",
        new="""found = [
                f"{e['name']}={e.get('value')}" for e in container.get("env") or ()
                if e["name"] in (*_KEYS, *_FILES)
            ]""",
        broken="posture.static-keys",
        because="the report of an audit has the keys that it warns of",
    ),
    _workloads(
        "audit-blind-to-missed-pods",
        part=Part.WEBHOOK,
        old="if association is None or OPTED_OUT in (",
        new="if association is None or OPTED_OUT not in (",
        broken="posture.not-injected",
        because="only pods that wanted no injection are looked at",
    ),
    _workloads(
        "audit-blind-to-hops",
        part=Part.NODE,
        old="if node.hop_limit > 1 or not node.tokens_required:",
        new="if not node.tokens_required:",
        broken="posture.open-imds",
        because="a node that answers pods is a finding only where it answers without a token",
    ),
    _workloads(
        "audit-blind-to-missing-agents",
        part=Part.AGENT,
        old="if node.needs_agent and not node.agent:",
        new="if node.needs_agent and node.agent is None:",
        broken="posture.no-agent",
        because="a node without a ready agent is no finding",
    ),
    Mutant(
        "nodes-answer-pods",
        part=Part.NODE,
        module="cluster.nodes.metadata_options",
        old="hop_limit: int = 1",
        new="hop_limit: int = 2",
        broken="posture.own-nodes",
        because="nodes without a word about it have the hop limit that pods need for their role",
        stage="injection",
    ),
    _reading(
        "audit-takes-no-agent-for-ready",
        part=Part.AGENT,
        old='each["type"] == "Ready"',
        new='each["type"] == "ready"',
        broken="posture.own-nodes",
        because="every node of a good cluster is said to have no agent",
        stage="agent",
    ),
    _reading(
        "audit-writes-tags",
        part=Part.IAM,
        old="        trust = iam.get_role(",
        new="""        iam.tag_role(RoleName=name, Tags=[{"Key": "audited", "Value": "yes"}])
        trust = iam.get_role(""",
        broken="posture.reads-only",
        because="each role that was audited has a tag of it",
    ),
)

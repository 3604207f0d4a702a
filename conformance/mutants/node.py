"""Nodes that give a pod something else than its specification says."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_volumes = partial(Mutant, part=Part.NODE, module="cluster.nodes.volumes")

MUTANTS = (
    Mutant(
        "node-drops-the-last-variable",
        part=Part.NODE,
        module="cluster.nodes.variables",
        old='for entry in container.get("env") or []:',
        new='for entry in (container.get("env") or [])[:-1]:',
        broken="injection.variables.inside",
        because="the last variable of the specification is not there inside of the container",
    ),
    _volumes(
        "node-newline-behind-the-token",
        old="Content(token.value.encode(), mode)",
        new='Content(token.value.encode() + b"\\n", mode)',
        broken="s3.read.own-object",
        because="the token's file ends with a newline, which no SDK takes for a header",
    ),
    Mutant(
        "node-never-renews-tokens",
        part=Part.NODE,
        module="cluster.nodes.pod_files",
        old="if held is not None and asked < held.renew_at:",
        new="if held is not None:",
        broken="rotation.token.rewritten",
        because="the token in a running pod is never renewed",
    ),
    Mutant(
        "node-metadata-from-afar",
        part=Part.NODE,
        module="cluster.nodes.metadata_service",
        old="_limit_hops(http, instance.options.hop_limit)",
        new="_limit_hops(http, 2)",
        broken="precedence.hop-limit",
        because="pods reach the node's role whatever the hop limit is",
    ),
    Mutant(
        "node-metadata-for-nobody",
        part=Part.NODE,
        module="cluster.nodes.metadata_service",
        old="_limit_hops(http, instance.options.hop_limit)",
        new="_limit_hops(http, 1)",
        broken="precedence.node-role",
        because="a hop limit of 2 does not let pods reach the metadata service",
    ),
    Mutant(
        "node-mounts-writable",
        part=Part.NODE,
        module="cluster.nodes.pod_files",
        old='bool(wanted.get("readOnly"))',
        new="False",
        broken="injection.mount.inside",
        because="what a pod mounts read-only it can write",
    ),
    Mutant(
        "node-sidecars-without-address",
        part=Part.NODE,
        module="cluster.nodes.variables",
        old='for entry in container.get("env") or []:',
        new="""for entry in (
        one
        for one in container.get("env") or []
        if not (
            container.get("restartPolicy") and one["name"].startswith("AWS_CONTAINER")
        )
    ):""",
        broken="injection.containers.inside",
        because="native sidecars are not told where their credentials are",
    ),
    Mutant(
        "node-without-labels",
        part=Part.NODE,
        module="cluster.nodes.node_object",
        old="                **identity.labels,\n",
        new="",
        broken="posture.open-imds",
        because="nobody is told how many hops the metadata service of a node answers",
    ),
)

"""Add-ons that take what is not theirs, or keep what they should not."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_addons = partial(Mutant, part=Part.ADDON, module="emulator.eks.addons")

MUTANTS = (
    _addons(
        "addon-twice-is-400",
        old='raise in_use("Addon already exists."',
        new='raise invalid_parameter("Addon already exists."',
        broken="addon.twice",
        because="a second creation of the agent's add-on is 400, not 409",
    ),
    _addons(
        "addon-adopts-associations",
        old="others = [a for a in cluster.associations.values() if a.id not in replaced] + made",
        new="others = made",
        broken="addon.associations.adopt",
        because="an add-on makes an association beside one that is there already",
    ),
    _addons(
        "addon-any-service-account",
        old="if account not in kind.service_accounts:",
        new="if False:",
        broken="addon.associations.service-account",
        because="an add-on gets roles for service accounts that are not its own",
    ),
    _addons(
        "addon-owns-nothing",
        old="owner_arn=addon.arn,",
        new="owner_arn=None,",
        broken="addon.associations.owned",
        because="whose an association is cannot be told",
    ),
    _addons(
        "addon-empty-list-keeps",
        old='if call["podIdentityAssociations"] is not None:',
        new='if call["podIdentityAssociations"]:',
        broken="addon.associations.emptied",
        because="an empty list of associations takes none away",
    ),
    _addons(
        "addon-leaves-associations",
        old="""    for association in owned:
        associations.remove(call, cluster, association)
    if owned:
""",
        new="    if owned:\n",
        broken="addon.associations.removed",
        because="a removed add-on leaves its associations behind",
    ),
    _addons(
        "addon-ignores-preserve",
        old='    if call["preserve"]:\n',
        new="    if False:\n",
        broken="addon.associations.preserved",
        because="an add-on that is removed with preserve takes its associations along",
    ),
    _addons(
        "addon-owns-what-it-left",
        old="            association.owner_arn = None\n",
        new="            pass\n",
        broken="addon.associations.preserved",
        because="associations that a preserved add-on left belong to an add-on that is gone",
    ),
    Mutant(
        "addon-ignores-its-addresses",
        part=Part.ADDON,
        module="cluster.nodes.agents",
        old="for host in flags.bind_hosts or _default_hosts(network)",
        new="for host in _default_hosts(network)",
        broken="addon.ipv4-only",
        because="the agent listens on IPv6 although it was told not to",
    ),
    _addons(
        "addon-made-again",
        old='raise in_use("Addon already exists."',
        new='return {"addon": _told(cluster, cluster.addons[kind.name])}; raise in_use("There."',
        broken="guide.add-on.again",
        because="a second creation of an add-on is answered as if it were the first",
    ),
    Mutant(
        "addon-on-one-node",
        part=Part.ADDON,
        module="cluster.controllers.daemonsets",
        old="        and placement.matches_node(spec, node)\n    ]\n",
        new="        and placement.matches_node(spec, node)\n    ][:1]\n",
        broken="guide.add-on",
        because="there is an agent on one node of the cluster",
    ),
)

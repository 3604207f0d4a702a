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
    _addons(
        "addon-keeps-its-version",
        old="    addon.version, addon.configuration = version, configuration\n",
        new="    addon.configuration = configuration\n",
        broken="addon.update",
        because="an update to another version ends well, and the version is the one before",
    ),
    Mutant(
        "addon-away-while-updated",
        part=Part.ADDON,
        module="cluster.addons",
        old="    await api.create_or_replace(_COLLECTION, daemon_set)\n",
        new="""    if found is not None:
        await _delete(api)
        await asyncio.sleep(5)
    await api.create_or_replace(_COLLECTION, daemon_set)
""",
        broken="addon.update",
        because="an update removes every agent for five seconds before it brings the next",
    ),
    Mutant(
        "addon-role-is-the-agents",
        part=Part.ADDON,
        module="emulator.eks_auth",
        old='    call.require(f"eks-auth:{OPERATION}", call.arn(f"cluster/{call.cluster_name}"))\n',
        new="""    call.require(f"eks-auth:{OPERATION}", call.arn(f"cluster/{call.cluster_name}"))
    if any(addon.role_arn for addon in call.cluster().addons.values()):
        raise ServiceError(
            "AccessDeniedException", f"not authorized to perform: eks-auth:{OPERATION}"
        )
""",
        broken="addon.role-ignored",
        because="an agent whose add-on has a role asks as that role, which may not",
    ),
    Mutant(
        "addon-any-configuration",
        part=Part.ADDON,
        module="emulator.eks.addon_configuration",
        old="    if wrong:\n",
        new='    if wrong and "not defined" not in wrong:\n',
        broken="addon.configuration",
        because="flags with typing errors are taken, and do nothing",
    ),
    _addons(
        "addon-keeps-what-it-refused",
        old="    configuration = addon.configuration if configuration is None else configuration\n",
        new="""    configuration = addon.configuration if configuration is None else configuration
    addon.configuration = configuration
""",
        broken="addon.configuration",
        because="a configuration that was refused is told as the add-on's",
    ),
    _addons(
        "addon-leaves-its-agents",
        old="if CATALOGUE[addon.name].runs and process is not None and process.ended is None:",
        new="if False:",
        broken="addon.removed",
        because="where the add-on was removed agents go on to answer",
    ),
    Mutant(
        "agent-tells-short-lives",
        part=Part.ADDON,
        module="cluster.agent.outcomes",
        old='"Expiration": rfc3339(self.expires_at),',
        new='"Expiration": rfc3339(min(self.expires_at, __import__("time").time() + 300)),',
        broken="addon.removed.running",
        because="SDKs have to ask the agent again for every call",
    ),
    _addons(
        "addon-installed-once",
        old="""    try:
        await _put(cluster, kind, addon, conflicts)
""",
        new="""    try:
        installed = vars(cluster).setdefault("installed", set())
        if addon.name not in installed:
            installed.add(addon.name)
            await _put(cluster, kind, addon, conflicts)
""",
        broken="addon.installed-again",
        because="an add-on that was removed and is installed again is ACTIVE and runs nowhere",
    ),
    _addons(
        "addon-unsupported-and-silent",
        old='    if call["podIdentityAssociations"] and not kind.service_accounts:\n',
        new="""    if not kind.service_accounts:
        return []
    if call["podIdentityAssociations"] and not kind.service_accounts:
""",
        broken="addon.associations.unsupported",
        because="an add-on that knows no Pod Identity is installed, and its associations forgotten",
    ),
    _addons(
        "addon-refuses-without-a-name",
        old='f"Service account {account} in pod identity configuration is not supported "',
        new='"A service account in pod identity configuration is not supported "',
        broken="addon.associations.service-account",
        because="the refusal does not say which service account is not the add-on's",
    ),
)

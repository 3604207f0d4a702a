"""Webhooks that inject too much, too little, or the wrong thing."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_mutation = partial(Mutant, part=Part.WEBHOOK, module="cluster.webhook.mutation")
_server = partial(Mutant, part=Part.WEBHOOK, module="cluster.webhook.server")
_settings = partial(Mutant, part=Part.WEBHOOK, module="cluster.webhook.settings")
_cluster = partial(Mutant, part=Part.WEBHOOK, module="cluster.cluster")
_registration = partial(Mutant, part=Part.WEBHOOK, module="cluster.webhook_registration")

MUTANTS = (
    _mutation(
        "webhook-forgets-init-containers",
        old='for kind in ("containers", "initContainers"):',
        new='for kind in ("containers",):',
        broken="injection.init-containers",
        because="init containers are passed over",
    ),
    _mutation(
        "webhook-forgets-sidecars",
        old="after = [_container(container, injection) for container in before]",
        new="""after = [
            _with_resources(container) if number else _container(container, injection)
            for number, container in enumerate(before)
        ]""",
        broken="injection.containers",
        because="only the first container is injected",
    ),
    _mutation(
        "webhook-ignores-skip-containers",
        old='if container.get("name") in injection.skipped:',
        new="if False:",
        broken="injection.skip-containers",
        because="the annotation that names containers to leave alone is not read",
    ),
    _mutation(
        "webhook-skips-first-named-only",
        old='name.strip() for name in skipped.split(",") if name.strip()',
        new='name.strip() for name in skipped.split(",")[:1] if name.strip()',
        broken="injection.skip-containers",
        because="of several containers to leave alone only the first is",
    ),
    _mutation(
        "webhook-volume-last",
        old='"path": "/spec/volumes/0"',
        new='"path": "/spec/volumes/-"',
        broken="injection.volume",
        because="the token's volume is put behind the pod's own",
    ),
    _mutation(
        "webhook-drops-own-volumes",
        old="    if others:\n",
        new="    if False:\n",
        broken="injection.volume",
        because="the pod's own volumes are replaced by the token's",
    ),
    _mutation(
        "webhook-mount-writable",
        old='"readOnly": True,',
        new='"readOnly": False,',
        broken="injection.mount",
        because="a container may write where its token lies",
    ),
    _mutation(
        "webhook-mounts-twice",
        old='if not any(mount.get("name") == injection.method.volume for mount in mounts):',
        new="if True:",
        broken="injection.mount.existing",
        because="a container that mounts the volume itself gets a second mount",
    ),
    _mutation(
        "webhook-variables-first",
        old='[*variables, *({"name": name, "value": value} for name, value in added)]',
        new='[*({"name": name, "value": value} for name, value in added), *variables]',
        broken="injection.variables.order",
        because="variables are put in front of the container's own, which then win",
    ),
    _mutation(
        "webhook-region-overrides",
        old="if injection.region and not region:",
        new="if injection.region:",
        broken="injection.variables.region",
        because="the region that the pod sets is overridden",
    ),
    _mutation(
        "webhook-address-overrides",
        old="    if not own:\n",
        new="    if True:\n",
        broken="injection.variables.preset",
        because="the credentials address that the pod sets is overridden",
    ),
    _mutation(
        "webhook-touches-complete-containers",
        old="if own and region and _STS in present:",
        new="if False:",
        broken="injection.variables.complete",
        because="a container that has said everything still gets a mount",
    ),
    _mutation(
        "webhook-stops-at-static-keys",
        old="    if own and region",
        new="""    if "AWS_ACCESS_KEY_ID" in present:
        return container
    if own and region""",
        broken="injection.variables.other-credentials",
        because="a container with static keys is left alone",
    ),
    _settings(
        "webhook-token-in-a-variable",
        old='("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{token_file}"),',
        new="""("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{token_file}"),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of the pod"),""",
        broken="injection.variables.no-secret",
        because="the token is given as a variable, as widespread descriptions have it",
    ),
    _settings(
        "webhook-audience-of-irsa",
        old='audience: str = "pods.eks.amazonaws.com"',
        new='audience: str = "sts.amazonaws.com"',
        broken="injection.volume",
        because="the projected token is for STS",
    ),
    _settings(
        "webhook-other-address",
        old='full_uri: str = "http://169.254.170.23/v1/credentials"',
        new='full_uri: str = "http://169.254.170.2/v1/credentials"',
        broken="injection.associated",
        because="pods are sent to the address that ECS uses",
    ),
    _settings(
        "webhook-no-label",
        old='label=f"{ANNOTATION_PREFIX}/pod-identity",',
        new="label=None,",
        broken="injection.label",
        because="injected pods carry no label, as before release 0.6.15",
    ),
    _mutation(
        "webhook-expiration-not-spread",
        old="if method.spreads_expiration and expiration == DEFAULT_EXPIRATION:",
        new="if False:",
        broken="injection.expiration.spread",
        because="all tokens expire after the same 86400 s",
    ),
    _mutation(
        "webhook-service-account-wins",
        old="for annotations in (of_account, of_pod):",
        new="for annotations in (of_pod, of_account):",
        broken="injection.expiration.pod",
        because="the service account's expiration wins over the pod's",
    ),
    _mutation(
        "webhook-shortest-is-an-hour",
        old="expiration = max(expiration, SHORTEST_EXPIRATION)",
        new="expiration = max(expiration, 3600)",
        broken="injection.expiration.pod",
        because="tokens are not allowed to live ten minutes",
    ),
    _mutation(
        "webhook-longest-is-a-day",
        old="expiration = max(expiration, SHORTEST_EXPIRATION)",
        new="expiration = min(max(expiration, SHORTEST_EXPIRATION), 86400)",
        broken="injection.expiration.pod",
        because="tokens are not allowed to live longer than a day",
    ),
    _mutation(
        "webhook-ignores-service-account-expiration",
        old="for annotations in (of_account, of_pod):",
        new="for annotations in (of_pod,):",
        broken="injection.expiration.service-account",
        because="the service account's expiration is not read",
    ),
    _mutation(
        "webhook-ignores-regional-sts",
        old="_BOOLEANS.get(regional, settings.sts_regional_endpoints)",
        new="settings.sts_regional_endpoints",
        broken="injection.sts-regional-endpoints",
        because="the annotation that refuses regional STS endpoints is not read",
    ),
    _mutation(
        "webhook-never-regional-sts",
        old="_BOOLEANS.get(regional, settings.sts_regional_endpoints)",
        new="False",
        broken="injection.sts-regional-endpoints",
        because="the annotation that asks for regional STS endpoints is not read",
    ),
    _mutation(
        "webhook-legacy-sts",
        old='added.append((_STS, "regional"))',
        new='added.append((_STS, "legacy"))',
        broken="injection.variables.order",
        because="SDKs are told to ask STS's global endpoint",
    ),
    _mutation(
        "webhook-regions-before-sts",
        old="added += [(name, injection.region) for name in _REGIONS]",
        new="added = [(name, injection.region) for name in _REGIONS] + added",
        broken="injection.variables.order",
        because="the region stands in front of AWS_STS_REGIONAL_ENDPOINTS",
    ),
    _mutation(
        "webhook-linux-paths-on-windows",
        old='return "C:" + path.replace("/", "\\\\")',
        new="return path",
        broken="injection.windows",
        because="a Windows pod is told a path of Linux",
    ),
    _server(
        "webhook-matches-beginnings",
        old="if (namespace, name) in self._identities:",
        new="if any(namespace == ns and name.startswith(sa) for ns, sa in self._identities):",
        broken="injection.exact-match",
        because="service accounts whose names begin alike are injected",
    ),
    _server(
        "webhook-ignores-namespace",
        old="if (namespace, name) in self._identities:",
        new="if name in {service_account for _, service_account in self._identities}:",
        broken="injection.exact-match",
        because="the same service account name is injected in every namespace",
    ),
    _server(
        "webhook-irsa-wins",
        old="if (namespace, name) in self._identities:",
        new="""if (namespace, name) in self._identities and not annotations.get(
            f"{ANNOTATION_PREFIX}/role-arn"
        ):""",
        broken="injection.irsa.suppressed",
        because="a role annotation left over keeps Pod Identity away",
    ),
    Mutant(
        "webhook-takes-web-identity-away",
        part=Part.WEBHOOK,
        module="cluster.webhook.mutation",
        old='container["env"] = [*variables, *(',
        new="""hand_made = [v for v in variables if "WEB_IDENTITY" not in v["name"]]
        container["env"] = [*hand_made, *(""",
        broken="precedence.web-identity",
        because="variables of web identity are taken away, so that Pod Identity wins in the SDK",
    ),
    Mutant(
        "webhook-goes-with-the-agent",
        part=Part.WEBHOOK,
        module="cluster.cluster",
        old="        await addons.remove(self.admin)\n",
        new="        await addons.remove(self.admin)\n        self.webhook.set_identities(())\n",
        broken="addon.removed.injection",
        because="where the agent's add-on is removed no pod is injected any more",
    ),
    _server(
        "webhook-irsa-gone",
        old='return IRSA if annotations.get(f"{ANNOTATION_PREFIX}/role-arn") else None',
        new="return None",
        broken="injection.irsa.alone",
        because="roles for service accounts do not work any more beside Pod Identity",
    ),
    _server(
        "webhook-never-forgets",
        old="self._identities = frozenset(identities)",
        new="self._identities |= frozenset(identities)",
        broken="association.removed",
        because="a deleted association goes on injecting new pods",
    ),
    _server(
        "webhook-skips-host-network",
        old="if method is None:",
        new='if method is None or (isinstance(spec, dict) and spec.get("hostNetwork")):',
        broken="injection.host-network",
        because="pods on the host's network are passed over",
    ),
    _registration(
        "webhook-fails-closed",
        old='"failurePolicy": "Ignore",',
        new='"failurePolicy": "Fail",',
        broken="injection.fails-open",
        because="while the webhook is away no pod can be created",
    ),
    _registration(
        "webhook-reads-the-opt-out",
        old='"operator": "DoesNotExist",',
        new='"operator": "NotIn", "values": ["true"],',
        broken="injection.opt-out",
        because="the label that opts out counts only with the value true",
    ),
    _registration(
        "webhook-sees-updates",
        old='"operations": ["CREATE"],',
        new='"operations": ["CREATE", "UPDATE"],',
        broken="injection.fails-open",
        because="the webhook is asked about changes of pods, too",
    ),
    _server(
        "webhook-injects-default",
        old="if (namespace, name) in self._identities:",
        new="""if (namespace, name) in self._identities or (
            name == "default" and namespace in {ns for ns, _ in self._identities}
        ):""",
        broken="separation.default",
        because="pods of the service account default are injected beside associated ones",
    ),
    _mutation(
        "webhook-labels-with-the-volume",
        old="    if injection.method.label is not None:\n",
        new="""    brought = {one.get("name") for one in _list(spec, "volumes")}
    if injection.method.label is not None and injection.method.volume not in brought:
""",
        broken="injection.label.alone",
        because="pods that bring the volume themselves are not labelled",
    ),
    _mutation(
        "webhook-audience-by-annotation",
        old="        method=method,\n",
        new="""        method=replace(
            method,
            audience=annotations.get(f"{ANNOTATION_PREFIX}/audience", method.audience),
        ),
""",
        broken="injection.audience",
        because="an annotation that is left over from IRSA changes the token's audience",
    ),
    _server(
        "webhook-not-for-fargate",
        old="if method is None:",
        new="""if method is None or (
            isinstance(spec, dict)
            and "fargate" in (spec.get("nodeSelector") or {}).values()
        ):""",
        broken="injection.any-place",
        because="pods for Fargate are left alone",
    ),
    _cluster(
        "webhook-another-region",
        old="asked = WebhookSettings(region=settings.region,",
        new='asked = WebhookSettings(region="eu-north-1",',
        broken="injection.variables.region.value",
        because="pods are told another region than their cluster's",
    ),
    _cluster(
        "webhook-ipv4-everywhere",
        old="return replace(asked, full_uri=IPV6_URI)",
        new="return asked",
        broken="injection.ipv6",
        because="pods of an IPv6 cluster are told an address of IPv4",
    ),
    _mutation(
        "webhook-passes-over-other-tokens",
        old='    volumes = _list(spec, "volumes")\n',
        new="""    volumes = _list(spec, "volumes")
    if any(str(volume.get("name")).startswith("kube-api-access-") for volume in volumes):
        return []
""",
        broken="guide.kubectl",
        because="pods that mount Kubernetes' own token, as all do by default, are left alone",
    ),
    _server(
        "webhook-remembers-misses",
        old="if (namespace, name) in self._identities:",
        new="""known = vars(self).setdefault("known", {})
        if known.setdefault((namespace, name), (namespace, name) in self._identities):""",
        broken="association.early-pod",
        because="a service account of which one pod came too early is not injected any more",
    ),
)

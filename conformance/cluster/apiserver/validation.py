"""
Rules that an object must keep to be stored, with the recorded words of refusal.

Only rules that someone building on Pod Identity can break: names, pods, projected
tokens, webhook configurations, finalizers. Each collects causes; one refusal tells all.
Sources: pkg/apis/*/validation of kubernetes.
"""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.pod_validation import invalid_value, pod_spec, required
from conformance.cluster.apiserver.resources import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    MUTATING_WEBHOOKS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    VALIDATING_WEBHOOKS,
    Object,
    Resource,
    dig,
)
from conformance.cluster.apiserver.selectors import LABEL_VALUE, LABEL_VALUE_RULE
from conformance.cluster.apiserver.status import Cause

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_LABEL}(\\.{_LABEL})*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    f"used for validation is '{_LABEL}')"
)
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    f"regex used for validation is '{_DNS_1035}')"
)
NAME_RULES: dict[str, tuple[str, int, str]] = {
    # Pattern, longest, the sentence that a refusal says.
    "subdomain": (_SUBDOMAIN, 253, _SUBDOMAIN_RULE),
    "label": (_LABEL, 63, _LABEL_RULE),
    "dns1035": (_DNS_1035, 63, _DNS_1035_RULE),
    "path": (r"(?!\.\.?$)[^/%]+", 253, "may not contain '/' or '%'"),
}
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_CONFIG_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    f" or 'KEY_NAME',  or 'key-name', regex used for validation is '{_CONFIG_KEY}')"
)
_STANDARD_FINALIZERS = {"kubernetes", "orphan", "foregroundDeletion"}


def check(resource: Resource, obj: Object, old: Object | None, shortest_token: int) -> None:
    """Raises `ApiError` 422 that tells every broken rule."""
    causes = [*_metadata(resource, obj, old)]
    if rules := _RULES.get(resource):
        causes += rules(obj, shortest_token)
    if causes:
        name = obj["metadata"].get("name", "")
        raise status.invalid(resource.kind, name, causes, resource.group)


def _metadata(resource: Resource, obj: Object, old: Object | None) -> Iterator[Cause]:
    meta = obj["metadata"]
    name = meta.get("name", "")
    pattern, longest, rule = NAME_RULES[resource.name_rule]
    generate = meta.get("generateName", "")
    if len(generate) > 253:
        yield invalid_value(
            "metadata.generateName", generate, "must be no more than 253 characters"
        )
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif old is None:
        if len(name) > longest:
            yield invalid_value("metadata.name", name, f"must be no more than {longest} characters")
        if not re.fullmatch(pattern, name):
            yield invalid_value("metadata.name", name, rule)
    for value in (meta.get("labels") or {}).values():
        if len(value) > 63:
            yield invalid_value("metadata.labels", value, "must be no more than 63 bytes")
        elif not LABEL_VALUE.fullmatch(value):
            yield invalid_value("metadata.labels", value, LABEL_VALUE_RULE)
    yield from _finalizers(meta, old)


def _finalizers(meta: Object, old: Object | None) -> Iterator[Cause]:
    finalizers = meta.get("finalizers") or []
    for at, finalizer in enumerate(finalizers):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            yield invalid_value(
                f"metadata.finalizers[{at}]",
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            )
    if old is not None and "deletionTimestamp" in old["metadata"]:
        added = [one for one in finalizers if one not in (old["metadata"].get("finalizers") or [])]
        if added:
            listed = ", ".join(f'"{one}"' for one in added)
            yield Cause(
                "Forbidden: no new finalizers can be added if the object is being deleted, found "
                f"new finalizers []string{{{listed}}}",
                "metadata.finalizers",
                "FieldValueForbidden",
            )


def _pod(obj: Object, shortest: int) -> list[Cause]:
    return list(pod_spec(obj.get("spec") or {}, "spec", shortest))


def _workload(obj: Object, shortest: int) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = list(
        pod_spec(dig(spec, "template", "spec", default={}), "spec.template.spec", shortest)
    )
    labels = dig(spec, "template", "metadata", "labels", default={})
    chosen = dig(spec, "selector", "matchLabels", default={})
    if obj["kind"] != "Job" and "selector" not in spec:
        causes.append(required("spec.selector"))
    elif any(labels.get(key) != value for key, value in chosen.items()):
        causes.append(
            invalid_value(
                "spec.template.metadata.labels",
                labels,
                "`selector` does not match template `labels`",
            )
        )
    return causes


def _config_keys(obj: Object, _: int) -> list[Cause]:
    return [
        invalid_value(f"{field}[{key}]", key, _CONFIG_KEY_RULE)
        for field in ("data", "binaryData")
        for key in obj.get(field) or {}
        if not re.fullmatch(_CONFIG_KEY, key)
    ]


def _webhooks(obj: Object, _: int) -> list[Cause]:
    return [
        cause
        for index, webhook in enumerate(obj.get("webhooks") or ())
        for cause in _webhook(webhook, f"webhooks[{index}]")
    ]


def _webhook(webhook: Object, field: str) -> Iterator[Cause]:
    name = webhook.get("name", "")
    if name.count(".") < 2:
        yield invalid_value(
            f"{field}.name",
            name,
            "should be a domain with at least three segments separated by dots",
        )
    seconds = webhook.get("timeoutSeconds", 10)
    if not 1 <= seconds <= 30:
        yield invalid_value(
            f"{field}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds"
        )
    client = webhook.get("clientConfig") or {}
    if ("url" in client) == ("service" in client):
        yield required(f"{field}.clientConfig", "exactly one of url or service is required")
    elif "url" in client and (scheme := urlsplit(client["url"]).scheme) != "https":
        yield invalid_value(
            f"{field}.clientConfig.url",
            scheme,
            "'https' is the only allowed URL scheme; desired format: https://host[/path]",
        )


_RULES: dict[Resource, Callable[[Object, int], list[Cause]]] = {
    PODS: _pod,
    CONFIG_MAPS: _config_keys,
    SECRETS: _config_keys,
    DAEMON_SETS: _workload,
    DEPLOYMENTS: _workload,
    REPLICA_SETS: _workload,
    JOBS: _workload,
    MUTATING_WEBHOOKS: _webhooks,
    VALIDATING_WEBHOOKS: _webhooks,
}


def check_immutable(resource: Resource, new: Object, old: Object) -> None:
    """ConfigMaps and Secrets that were declared immutable; raises `ApiError` 422."""
    if resource not in {CONFIG_MAPS, SECRETS} or not old.get("immutable"):
        return
    causes = [
        Cause("Forbidden: field is immutable when `immutable` is set", field, "FieldValueForbidden")
        for field in ("immutable", "data", "binaryData")
        if new.get(field) != old.get(field)
    ]
    if causes:
        raise status.invalid(resource.kind, old["metadata"]["name"], causes)

"""
One webhook and its conversation: whom it concerns, what it is asked, what it may answer.

An answer that cannot be used counts as a failure, not as a refusal: with failurePolicy
Ignore the pod is then made without credentials, and nobody is told.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from conformance.cluster.apiserver import selectors, status
from conformance.cluster.apiserver.admission import Admitted
from conformance.cluster.apiserver.resources import NAMESPACES, Object

_UNDERSTOOD = ("v1", "v1beta1")


class WebhookFailedError(Exception):
    """The webhook could not be called, or its answer could not be used."""


@dataclass(frozen=True)
class Webhook:
    """One webhook of a configuration."""

    configuration: str
    settings: Object

    @property
    def name(self) -> str:
        return str(self.settings["name"])

    def concerns(self, request: Admitted, namespace_labels: dict[str, str] | None) -> bool:
        """Whether rules and selectors include the request."""
        if not any(_rule_includes(rule, request) for rule in self.settings.get("rules") or ()):
            return False
        if namespace_labels is not None:
            chosen = selectors.from_object(self.settings.get("namespaceSelector") or {})
            if not selectors.labels_match(chosen, namespace_labels):
                return False
        chosen = selectors.from_object(self.settings.get("objectSelector") or {})
        objects = [obj for obj in (request.obj, request.old) if obj]
        return any(selectors.labels_match(chosen, obj["metadata"].get("labels")) for obj in objects)


def _rule_includes(rule: Object, request: Admitted) -> bool:
    resource = request.resource
    named = f"{resource.plural}/{request.subresource}" if request.subresource else resource.plural
    wildcards = {"*/*", f"{resource.plural}/*"} | (
        {f"*/{request.subresource}"} if request.subresource else {"*"}
    )
    scope = rule.get("scope", "*")
    return (
        _holds(rule, "operations", request.operation)
        and _holds(rule, "apiGroups", resource.group)
        and _holds(rule, "apiVersions", resource.version)
        and bool({named, *wildcards} & set(rule.get("resources") or ()))
        and scope in ("*", "Namespaced" if resource.namespaced else "Cluster")
    )


def _holds(rule: Object, field: str, value: str) -> bool:
    values = rule.get(field) or ()
    return "*" in values or value in values


def review_of(hook: Webhook, request: Admitted) -> Object:
    """The AdmissionReview that asks; in the first listed version that is understood."""
    versions = hook.settings.get("admissionReviewVersions") or []
    version = next((one for one in versions if one in _UNDERSTOOD), None)
    if version is None:
        raise WebhookFailedError(f"no supported AdmissionReview version in {versions}")
    resource = request.resource
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    plural = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    options = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
    asked: Object = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": plural,
        "requestKind": kind,
        "requestResource": plural,
        "operation": request.operation,
        "userInfo": request.user.info(),
        "object": request.obj or None,
        "oldObject": request.old,
        "dryRun": request.dry_run,
        "options": {"kind": options[request.operation], "apiVersion": "meta.k8s.io/v1"},
    }
    optional = {
        "subResource": request.subresource,
        "requestSubResource": request.subresource,
        "name": request.name,
        "namespace": request.name if resource is NAMESPACES else request.namespace,
    }
    asked |= {key: value for key, value in optional.items() if value}
    return {
        "kind": "AdmissionReview",
        "apiVersion": f"admission.k8s.io/{version}",
        "request": asked,
    }


def response_of(review: Object, answer: Any) -> Object:
    """The response in an answer; raises `WebhookFailedError` when it cannot be used."""
    response = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise WebhookFailedError("webhook response was absent")
    sent = (review["apiVersion"], review["kind"])
    got = (answer.get("apiVersion"), answer.get("kind"))
    if review["apiVersion"].endswith("/v1"):
        if got != sent:
            raise WebhookFailedError(
                f"expected webhook response of {sent[0]}, Kind={sent[1]}, got {got[0]}, "
                f"Kind={got[1]}"
            )
        if response.get("uid") != review["request"]["uid"]:
            raise WebhookFailedError(
                f'expected response.uid="{review["request"]["uid"]}", got "{response.get("uid")}"'
            )
        if response.get("patch") and response.get("patchType") is None:
            raise WebhookFailedError("webhook returned response.patch but not response.patchType")
    elif response.get("patch"):
        # In v1beta1 the type of a patch goes without saying.
        response = {"patchType": "JSONPatch"} | response
    return response


def denial(hook: Webhook, told: Object) -> status.ApiError:
    """How a denied request is answered."""
    said = f'admission webhook "{hook.name}" denied the request'
    reason = told.get("message") or told.get("reason")
    message = f"{said}: {reason}" if reason else f"{said} without explanation"
    code = told.get("code") or 403
    named = told.get("reason") or ("Forbidden" if code == 403 else "")
    return status.ApiError(max(code, 400), named, message)

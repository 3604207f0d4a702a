"""
The webhook as an EKS cluster has it: beside the API server, called over TLS.

The configuration is AWS's managed one, seen in aws/eks-pod-identity-agent#153:
failurePolicy Ignore is why a webhook that is down shows as pods without variables
and never as an error.
"""

import base64
import ssl
from collections.abc import Mapping

from conformance.cluster.apiserver.certificates import CertificateAuthority
from conformance.cluster.nodes.api import ApiClient, Object, Refused

_NAME = "pod-identity-webhook"
_COLLECTION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class WebhookCertificate:
    """A certificate for 127.0.0.1 and the authority that API servers check it with."""

    def __init__(self) -> None:
        # Another name than the server's: OpenSSL takes equal ones for a self-signed certificate.
        authority = CertificateAuthority(f"{_NAME}-ca")
        self.bundle = base64.b64encode(authority.pem.encode()).decode()
        self.context: ssl.SSLContext = authority.server_context(_NAME, ["127.0.0.1"])


async def register(api: ApiClient, url: str, bundle: str) -> None:
    """Tell the API server to ask `url` about every pod that is created."""
    await api.create_or_replace(_COLLECTION, configuration(url, bundle))


def configuration(url: str, bundle: str) -> Object:
    """The MutatingWebhookConfiguration; `bundle` is the base64 of the authority's PEM."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": _NAME},
        "webhooks": [
            {
                "name": "iam-for-pods.amazonaws.com",
                "admissionReviewVersions": ["v1beta1"],
                "clientConfig": {"url": url, "caBundle": bundle},
                "failurePolicy": "Ignore",
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {
                    "matchExpressions": [
                        {
                            "key": "eks.amazonaws.com/skip-pod-identity-webhook",
                            "operator": "DoesNotExist",
                        }
                    ]
                },
                "reinvocationPolicy": "IfNeeded",
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                        "scope": "*",
                    }
                ],
                "sideEffects": "None",
                "timeoutSeconds": 10,
            }
        ],
    }


async def annotations_of(api: ApiClient, namespace: str, name: str) -> Mapping[str, str] | None:
    """Annotations of a service account, None when there is none."""
    try:
        found = await api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
    except Refused as refused:
        if refused.not_found:
            return None
        raise
    annotations: Mapping[str, str] = found["metadata"].get("annotations") or {}
    return annotations

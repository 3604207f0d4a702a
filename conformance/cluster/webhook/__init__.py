"""The EKS Pod Identity webhook: `Webhook` and its settings."""

from conformance.cluster.webhook.mutation import Json
from conformance.cluster.webhook.server import ServiceAccounts, Webhook
from conformance.cluster.webhook.settings import IPV6_URI, WebhookSettings

__all__ = ["IPV6_URI", "Json", "ServiceAccounts", "Webhook", "WebhookSettings"]

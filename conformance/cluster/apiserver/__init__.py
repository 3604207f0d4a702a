"""
A thin Kubernetes API server: the part of kube-apiserver that Pod Identity stands on.

It answers from the rules of kube-apiserver 1.37, as recorded in
`tests/golden/kube-apiserver-1.37.json`, so that the same nodes, webhook and
clients run against a real one. Everything but `ApiServer` is reached by HTTPS.
"""

from conformance.cluster.apiserver.logs import LogRequest, LogSource
from conformance.cluster.apiserver.server import ApiServer
from conformance.cluster.apiserver.status import ApiError

__all__ = ["ApiError", "ApiServer", "LogRequest", "LogSource"]

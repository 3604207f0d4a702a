"""
EKS Auth: AssumeRoleForPodIdentity, from a pod's token to the role's credentials.

Four questions in this order, and each has its own refusal: may the caller ask (IAM),
whose token is it (the cluster's published keys), which role is it for (the
association), does the role let EKS in (STS). A refusal by the role's trust policy
is AccessDeniedException with status 400, not 403; agents relay that status.

Sources: botocore's model eks-auth/2023-11-26; CloudTrail's record of the STS call
(session name, six tags in order, all transitive, 21600 s); EKS user guide,
pod-id-abac and pod-id-assign-target-role.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.model import OperationModel

from conformance.emulator.eks import token_holders, tokens
from conformance.emulator.eks.answers import failure, success
from conformance.emulator.eks.associations import SERVICE
from conformance.emulator.eks.call import Call
from conformance.emulator.eks.cluster_api import ClusterUnreachableError
from conformance.emulator.eks.clusterprocess import ClusterProcess
from conformance.emulator.eks.errors import ServiceError, invalid_request, not_found
from conformance.emulator.eks.model import Api, api
from conformance.emulator.eks.parameters import Parameters, read
from conformance.emulator.eks.store import Association, Cluster
from conformance.emulator.records import EksAuthCall, fingerprint
from conformance.emulator.service import (
    InvalidSession,
    Request,
    Response,
    Session,
    TrustRefused,
    World,
)
from conformance.faults import EKS_AUTH_IGNORES_NAMESPACE, EKS_AUTH_SKIPS_SIGNATURE

OPERATION = "AssumeRoleForPodIdentity"
LONGEST_CHAINED_SECONDS = 3600
"""Credentials of a target role: AWS caps role chaining at one hour."""

logger = logging.getLogger(__name__)


@dataclass
class Throttle:
    """
    A limit of calls per second for each account, with as many in reserve; none by default.

    EKS Auth has a low limit for each account and does not publish it.
    """

    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Calls left and when that was so, by account."""

    def check(self, account: str, limit: float | None) -> None:
        """Raises ThrottlingException."""
        if limit is None:
            self._left.clear()
            return
        now = time.monotonic()
        # Below one call a second the reserve is one call, or none could ever be made.
        reserve = max(1.0, limit)
        before, at = self._left.get(account, (reserve, now))
        left = min(reserve, before + (now - at) * limit)
        self._left[account] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            raise ServiceError(
                "ThrottlingException",
                "The request was denied because your request rate is too high. "
                "Reduce the frequency of requests.",
            )


@dataclass
class Flapping:
    """Calls that fail for no reason of theirs; none by default."""

    _failed: int = 0

    def check(self, in_a_row: int, code: str) -> None:
        """Raises the error of that code for so many calls in a row, then lets one pass."""
        if self._failed >= in_a_row:
            self._failed = 0
            return
        self._failed += 1
        raise ServiceError(code, "Internal failure")


async def handle(request: Request, world: World) -> Response:
    """Answer one call and record it; nothing that a caller sends is an error of ours."""
    service = api("eks-auth")
    try:
        model, labels = service.find(request.method, request.raw_path)
    except ServiceError as error:
        # No call of any operation, so there is nothing to record.
        return failure(service, error)
    noted: dict[str, Any] = {
        "request_id": request.request_id,
        "caller_arn": request.caller.arn,
        "cluster": labels["clusterName"],
        "outcome": "ok",
    }
    try:
        call = Call(model.name, request, world, _parameters(model, labels, request))
        response = success(model, await _assume_role(call, noted))
    except ServiceError as error:
        response = _refused(service, error, noted)
    except Exception:
        logger.exception("EKS Auth failed")
        internal = ServiceError("InternalServerException", "Internal failure")
        response = _refused(service, internal, noted)
    world.records.eks_auth.append(EksAuthCall(**noted))
    return response


def _parameters(model: OperationModel, labels: dict[str, str], request: Request) -> Parameters:
    try:
        return read(model, labels, request)
    except ServiceError as error:
        if error.code != "SerializationException":
            raise
        raise invalid_request(error.message) from None


def _refused(service: Api, error: ServiceError, noted: dict[str, Any]) -> Response:
    noted["outcome"], noted["message"] = error.code.removesuffix("Exception"), error.message
    return failure(service, error)


async def _assume_role(call: Call, noted: dict[str, Any]) -> dict[str, Any]:
    """The answer as the model has it; `noted` is filled with what is known so far."""
    token: str = call["token"]
    noted["token_fingerprint"] = fingerprint(token)
    behaviour = call.world.behaviour
    if behaviour.eks_auth_delay_seconds:
        # What is waited for is the delay itself: it is what was asked for.
        await asyncio.sleep(behaviour.eks_auth_delay_seconds)
    call.world.state(Throttle).check(call.account_id, behaviour.eks_auth_calls_per_second)
    call.world.state(Flapping).check(behaviour.eks_auth_failures, behaviour.eks_auth_failure)
    call.require(f"eks-auth:{OPERATION}", call.arn(f"cluster/{call.cluster_name}"))
    cluster = call.cluster()
    claims = await _believed(call.world, cluster, token)
    of = claims.kubernetes
    noted |= {
        "namespace": of.namespace,
        "service_account": of.serviceaccount.name,
        "pod": of.pod.name,
    }
    association = _association(call.world, cluster, claims)
    noted |= {"association_id": association.id, "role_arn": association.role_arn}
    session = _session(call.world, cluster, association, claims)
    noted |= {
        "session_arn": session.arn,
        "access_key_fingerprint": fingerprint(session.access_key_id),
    }
    return {
        "subject": {"namespace": of.namespace, "serviceAccount": of.serviceaccount.name},
        "audience": tokens.AUDIENCE,
        "podIdentityAssociation": {
            "associationArn": association.arn,
            "associationId": association.id,
        },
        "assumedRoleUser": {"arn": session.arn, "assumeRoleId": session.assumed_role_id},
        "credentials": {
            "accessKeyId": session.access_key_id,
            "secretAccessKey": session.secret_access_key,
            "sessionToken": session.session_token,
            "expiration": session.expiration,
        },
    }


async def _believed(world: World, cluster: Cluster, token: str) -> tokens.Claims:
    """The claims of a token that this cluster made for a pod, and that is still good."""
    unverified = tokens.parse(token)
    if unverified.claims.issuer != cluster.issuer:
        # Before the signature: another cluster's key id is no reason to look for new keys.
        raise tokens.invalid("its issuer is not this cluster")
    if EKS_AUTH_SKIPS_SIGNATURE not in world.faults:
        with _asking(cluster) as process:
            key = await process.keys.find(unverified.key_id)
        tokens.check_signature(token, unverified, key)
    tokens.check_claims(unverified.claims)
    if world.behaviour.eks_auth_checks_pods:
        with _asking(cluster) as process:
            why_gone = await token_holders.why_gone(process.api, unverified.claims)
        if why_gone:
            raise tokens.invalid(why_gone)
    return unverified.claims


@contextmanager
def _asking(cluster: Cluster) -> Iterator[ClusterProcess]:
    """The cluster's process; ServiceUnavailableException when it does not answer in the block."""
    try:
        if cluster.process is None:
            raise ClusterUnreachableError(f"the cluster is {cluster.status}")
        yield cluster.process
    except ClusterUnreachableError as error:
        raise ServiceError(
            "ServiceUnavailableException", f"Cluster {cluster.name} cannot be asked: {error}"
        ) from error


def _association(world: World, cluster: Cluster, claims: tokens.Claims) -> Association:
    """The association of the token's service account; raises ResourceNotFoundException."""
    namespace, name = claims.kubernetes.namespace, claims.kubernetes.serviceaccount.name
    of_that_name = [a for a in cluster.effective if a.service_account == name]
    own = [a for a in of_that_name if a.namespace == namespace]
    if EKS_AUTH_IGNORES_NAMESPACE in world.faults:
        # Others first, or a namespace with an association of its own would never notice.
        own = [a for a in of_that_name if a.namespace != namespace] + own
    if not own:
        raise not_found(
            f"No association found for service account {name} in namespace {namespace} "
            f"of cluster {cluster.name}."
        )
    return own[0]


def _session(
    world: World, cluster: Cluster, association: Association, claims: tokens.Claims
) -> Session:
    """
    The role's session, or with a target role that one's, by chaining.

    A session policy limits only the role whose credentials the pod gets.
    Raises AccessDeniedException when a trust policy or the role's own policies refuse.
    """
    name = session_name(cluster.name, claims.kubernetes.pod.name)
    tags = {} if association.disable_session_tags else session_tags(cluster, claims)
    target = association.target_role_arn
    seconds = world.behaviour.credential_seconds
    if target:
        seconds = min(seconds, LONGEST_CHAINED_SECONDS)
    try:
        session = world.assume_role_for_service(
            association.role_arn,
            service=SERVICE,
            session_name=name,
            tags=tags,
            transitive=tuple(tags),
            duration_seconds=seconds,
            source_arn=cluster.arn,
            source_account=cluster.account_id,
            session_policy=None if target else association.policy,
        )
        if target:
            session = world.assume_role(
                session,
                target,
                session_name=name,
                duration_seconds=seconds,
                external_id=association.external_id,
                session_policy=association.policy,
            )
    except TrustRefused as refused:
        raise ServiceError(
            "AccessDeniedException",
            "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
        ) from refused
    except InvalidSession as error:
        raise invalid_request(error.message) from error
    return session


def session_name(cluster: str, pod: str) -> str:
    """A new one for each call: the first ten characters of each name, and a random UUID."""
    return f"eks-{cluster[:10]}-{pod[:10]}-{uuid.uuid4()}"


def session_tags(cluster: Cluster, claims: tokens.Claims) -> dict[str, str]:
    """The six tags, in the order of CloudTrail's record."""
    of = claims.kubernetes
    return {
        "eks-cluster-arn": cluster.arn,
        "eks-cluster-name": cluster.name,
        "kubernetes-namespace": of.namespace,
        "kubernetes-service-account": of.serviceaccount.name,
        "kubernetes-pod-name": of.pod.name,
        "kubernetes-pod-uid": of.pod.uid,
    }

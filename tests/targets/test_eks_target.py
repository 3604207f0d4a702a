import base64
import json
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance import targets
from conformance.errors import UsageError
from conformance.events import EventLog
from conformance.targets import TargetOptions
from conformance.targets.eks_token import eks_token
from conformance.targets.kubeconfig import write_kubeconfig


def test_token_is_a_presigned_caller_identity_for_one_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    prefix, _, encoded = eks_token("staging", "eu-west-1").rpartition(".")
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())

    assert prefix == "k8s-aws-v1"
    assert url.netloc == "sts.eu-west-1.amazonaws.com"
    query = parse_qs(url.query)
    assert query["Action"] == ["GetCallerIdentity"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert query["X-Amz-Expires"] == ["60"]


def test_kubeconfig_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"

    write_kubeconfig(
        path, name="c", endpoint="https://x", certificate_authority="Q0E=", user={"token": "t"}
    )

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = json.loads(path.read_text())
    assert content["current-context"] == "c"
    assert content["users"][0]["user"] == {"token": "t"}
    # Beside it, not in it: the official client would write it into a temporary file.
    authority = tmp_path / content["clusters"][0]["cluster"]["certificate-authority"]
    assert authority.read_bytes() == b"CA"


def test_faults_are_refused_on_a_real_account() -> None:
    options = TargetOptions(run="r7", faults=("eks-auth-down",), cluster="staging")

    with pytest.raises(UsageError, match="target eks is not emulated"):
        targets.start("eks", options, EventLog(None))


def test_unknown_target_is_refused() -> None:
    with pytest.raises(UsageError, match="no such target"):
        targets.start("gke", TargetOptions(run="r7"), EventLog(None))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (TargetOptions(run="r7"), "--cluster NAME"),
        (TargetOptions(run="r7", cluster="staging"), "--probe-image IMAGE"),
    ],
)
def test_what_eks_needs_is_named(options: TargetOptions, wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted):
        targets.start("eks", options, EventLog(None))

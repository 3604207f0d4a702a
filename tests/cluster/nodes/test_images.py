from pathlib import Path

import pytest

from conformance.cluster.images import IMAGES, ImageStore, environment, find, why_missing


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("conformance/probe", "conformance/probe"),
        ("localhost:5000/conformance/probe:1.2", "conformance/probe"),
        ("public.ecr.aws/aws-cli/aws-cli:2.17", "amazon/aws-cli"),
        ("public.ecr.aws/docker/library/busybox@sha256:00", "busybox"),
        ("registry.k8s.io/pause:3.10", "pause"),
        (
            "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/eks-pod-identity-agent:v0.1.37",
            "eks-pod-identity-agent",
        ),
    ],
)
def test_registry_and_tag_do_not_matter(reference: str, name: str) -> None:
    image = find(reference)
    assert image is not None
    assert image.names[0] == name


@pytest.mark.parametrize("reference", ["mybusybox", "example.com/shop:1", "localhost:5000/probe"])
def test_an_unknown_image_is_not_found(reference: str) -> None:
    assert find(reference) is None


def test_images_bring_no_credentials_and_no_region() -> None:
    brought = {
        name for image in IMAGES for name in environment(image, "http://x", own_network=True)
    }
    assert {name for name in brought if name.startswith("AWS")} == {"AWS_ENDPOINT_URL"}


def test_a_shared_network_switches_off_the_metadata_service() -> None:
    variables = environment(IMAGES[0], "http://x", own_network=False)
    assert variables["AWS_EC2_METADATA_DISABLED"] == "true"


def test_an_image_without_its_module_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    image = find("amazon/aws-cli")
    assert image is not None
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert why_missing(image) == "this machine has no Python module awscli"


def test_the_root_is_an_explicit_list(tmp_path: Path) -> None:
    targets = {bind.target for bind in ImageStore(tmp_path / "images").binds}
    assert "/usr" in targets
    assert "/opt/conformance/runner.py" in targets
    assert not {"/", "/etc", "/home", "/root", "/var", "/tmp", "/work"} & targets

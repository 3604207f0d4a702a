"""
The images that built-in nodes know, as data.

Nothing is pulled: an image is a way to start a program of this machine in a
sandbox. An unknown one ends as on a real node, in `ErrImagePull`. Images carry no
credentials and no region. Credentials must come from Pod Identity and the region
from its webhook; an image that had either would hide their absence.
"""

import importlib.util
import os
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import conformance

RUNNER = "/opt/conformance/runner.py"
PYTHON = "/opt/conformance/bin/python"
_HOME_OF_PYTHON = "/opt/conformance"
_PATH = "/opt/conformance/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

NOBODY = 65532
"""The user of distroless images that do not run as root."""


@dataclass(frozen=True)
class Image:
    """What a container of this image runs unless its pod says otherwise."""

    names: tuple[str, ...]
    """Repositories without registry and tag; a reference that ends so is this image."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: int = 0
    working_directory: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    needs_module: str = ""
    """The Python module without which the image cannot be had on this machine."""
    runs: Literal["sandbox", "agent", "nothing"] = "sandbox"
    """`agent` runs inside the cluster process; `nothing` only holds the pod open."""


IMAGES = (
    Image(
        ("conformance/probe",),
        entrypoint=(PYTHON, RUNNER),
        user=NOBODY,
        working_directory="/tmp",  # noqa: S108 - the sandbox's own
        environment={"PYTHONUNBUFFERED": "1"},
        needs_module="boto3",
    ),
    Image(
        ("amazon/aws-cli", "aws-cli/aws-cli"),
        entrypoint=("aws",),
        working_directory="/aws",
        needs_module="awscli",
    ),
    Image(
        ("busybox", "debian", "ubuntu", "alpine", "amazonlinux", "curlimages/curl"),
        command=("sh",),
    ),
    Image(("python",), command=("python",)),
    Image(("pause", "eks-distro/kubernetes/pause"), runs="nothing", user=65535),
    Image(("eks-pod-identity-agent",), entrypoint=("/eks-pod-identity-agent",), runs="agent"),
)


@dataclass(frozen=True)
class Bind:
    """A file or folder of this machine, read-only in every sandbox."""

    source: Path
    target: str


def find(reference: str) -> Image | None:
    """
    The image that a pod's `image` names; None when no registry of ours has it.

    Registry, tag and digest do not matter: `public.ecr.aws/aws-cli/aws-cli:2.17`
    is found by its repository.
    """
    repository = reference.partition("@")[0]
    head, colon, tail = repository.rpartition(":")
    if colon and "/" not in tail:
        repository = head
    for image in IMAGES:
        if any(repository == name or repository.endswith(f"/{name}") for name in image.names):
            return image
    return None


def why_missing(image: Image) -> str:
    """Empty if this machine has what the image needs, otherwise what it lacks."""
    if image.needs_module and importlib.util.find_spec(image.needs_module) is None:
        return f"this machine has no Python module {image.needs_module}"
    return ""


def environment(image: Image, aws_endpoint: str, *, own_network: bool) -> dict[str, str]:
    """
    The variables an image brings along.

    `AWS_ENDPOINT_URL` stands for the private endpoints of a VPC. On a network that
    pods share with the host (`own_network` false) the SDKs' last resort, the
    instance metadata service, is switched off: there it might be a real one.
    """
    brought = {
        "PATH": _PATH,
        "HOME": "/tmp",  # noqa: S108 - the sandbox's own
        "LANG": "C.UTF-8",
        "AWS_ENDPOINT_URL": aws_endpoint,
        **image.environment,
    }
    if not own_network:
        brought["AWS_EC2_METADATA_DISABLED"] = "true"
    return brought


class ImageStore:
    """What the images share: this machine's programs and one Python with its packages."""

    def __init__(self, folder: Path) -> None:
        """`folder` takes what is written for the images; it becomes their /opt/conformance."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        interpreter = _base_interpreter(version)
        self._folder = folder
        self._make_home(interpreter, version)
        self.links = {PYTHON: str(interpreter), f"{PYTHON}3": "python", **_links_of_root()}
        """Symbolic links of the image's root: path to target."""
        candidates = [
            Bind(Path("/usr"), "/usr"),
            *(Bind(path, str(path)) for path in _ROOT_FOLDERS if not path.is_symlink()),
            *(Bind(path, str(path)) for path in _ETC),
            *_bind_base(),
            Bind(_SITE_PACKAGES, f"{_HOME_OF_PYTHON}/lib/{version}/site-packages"),
            Bind(folder / "pyvenv.cfg", f"{_HOME_OF_PYTHON}/pyvenv.cfg"),
            Bind(folder / "bin" / "aws", f"{_HOME_OF_PYTHON}/bin/aws"),
            Bind(folder / "nsswitch.conf", "/etc/nsswitch.conf"),
            *(Bind(file, f"{_HOME_OF_PYTHON}/{file.name}") for file in _RUNNER_HERE),
        ]
        self.binds = tuple(bind for bind in candidates if bind.source.exists())

    def _make_home(self, interpreter: Path, version: str) -> None:
        home = self._folder
        (home / "bin").mkdir(mode=0o755, parents=True)
        (home / "lib" / version).mkdir(parents=True)
        (home / "pyvenv.cfg").write_text(
            f"home = {interpreter.parent}\ninclude-system-site-packages = false\n",
            encoding="utf-8",
        )
        aws = home / "bin" / "aws"
        aws.write_text('#!/bin/sh\nexec "${0%/*}/python" -m awscli "$@"\n', encoding="utf-8")
        aws.chmod(0o755)
        (home / "nsswitch.conf").write_text(
            "passwd: files\ngroup: files\nhosts: files dns\n", encoding="utf-8"
        )
        # For programs without sandbox; in one, these are links and binds of the root.
        (home / "bin" / "python").symlink_to(interpreter)
        (home / "bin" / "python3").symlink_to("python")
        (home / "lib" / version / "site-packages").symlink_to(_SITE_PACKAGES)
        for file in _RUNNER_HERE:
            (home / file.name).symlink_to(file)

    def on_this_machine(self, path: str) -> str:
        """Where a path of the image's root lies outside of it; for programs without sandbox."""
        if PurePosixPath(path).is_relative_to(_HOME_OF_PYTHON):
            return str(self._folder / PurePosixPath(path).relative_to(_HOME_OF_PYTHON))
        return path


_ROOT_FOLDERS = tuple(Path(f"/{name}") for name in ("bin", "sbin", "lib", "lib32", "lib64"))
# What programs need of /etc, and nothing that tells one machine from another.
_ETC = tuple(
    Path("/etc") / name
    for name in (
        "alternatives",
        "ld.so.cache",
        "ld.so.conf",
        "ld.so.conf.d",
        "localtime",
        "ssl/certs",
    )
)


def _links_of_root() -> dict[str, str]:
    return {str(path): str(path.readlink()) for path in _ROOT_FOLDERS if path.is_symlink()}


def _base_interpreter(version: str) -> Path:
    beside = Path(sys.base_prefix) / "bin" / version
    return beside if beside.exists() else Path(os.path.realpath(sys.executable))


def _bind_base() -> list[Bind]:
    """The Python that is not below /usr: pyenv's, uv's, a CI tool cache's."""
    base = Path(sys.base_prefix)
    return [] if base.is_relative_to("/usr") else [Bind(base, str(base))]


def _site_packages() -> Path:
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        return Path(sysconfig.get_path("purelib"))
    return Path(spec.origin).parent.parent


_SITE_PACKAGES = _site_packages()
_RUNNER_HERE = tuple(
    Path(conformance.__file__).parent / "probes" / name
    for name in ("runner.py", "repeating.py", "flooding.py")
)

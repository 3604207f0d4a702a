"""
`env` in an environment's folder: shell variables that point everything at it.

For whoever works with an environment that goes on: `conformance up` writes it, and a run
that keeps its own. It holds the keys of an emulated account's root, as the folder does.
"""

import os
import shlex
from pathlib import Path

from conformance.environment import Environment
from conformance.terraform.provider.mirror import write_mirror


def write_env(environment: Environment) -> Path:
    """The shell variables that point any AWS client, kubectl and terraform at it; mode 0600."""
    aws = environment.aws
    variables = {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_REGION": aws.region,
        "AWS_DEFAULT_REGION": aws.region,
        "AWS_ACCESS_KEY_ID": aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "KUBECONFIG": str(environment.cluster.kubeconfig),
        # `terraform init` then finds the embedded provider; with a real one, unset it.
        "TF_CLI_CONFIG_FILE": str(write_mirror(environment.folder / "terraform")),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if value]
    # A profile or a session of a real account would win over the keys, or contradict them.
    lines.append("unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CA_BUNDLE")
    path = environment.folder / "env"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path

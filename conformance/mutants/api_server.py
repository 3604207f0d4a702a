"""An API server whose tokens are not what was asked for."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_tokens = partial(Mutant, part=Part.API_SERVER, module="cluster.apiserver.tokens")

MUTANTS = (
    _tokens(
        "api-server-tokens-live-long",
        old="ends = issued + timedelta(seconds=seconds)",
        new="ends = issued + timedelta(days=7)",
        broken="injection.token",
        because="tokens live a week, whatever was asked for",
    ),
    Mutant(
        "api-server-takes-any-label-for-an-opt-in",
        part=Part.API_SERVER,
        module="cluster.apiserver.webhooks",
        old="return hook.concerns(request, labels)",
        new="return hook.concerns(request.with_object({**request.obj, 'metadata': {}}), labels)",
        broken="injection.opt-out",
        because="object selectors of webhooks are not looked at",
    ),
    Mutant(
        "api-server-lists-no-annotations",
        part=Part.API_SERVER,
        module="cluster.apiserver.reading",
        old='    limit = int(query.get("limit") or 0)\n',
        new="""    if resource.plural == "serviceaccounts":
        items = [{**one, "metadata": {**one["metadata"], "annotations": {}}} for one in items]
    limit = int(query.get("limit") or 0)
""",
        broken="posture.irsa-left-over",
        because="a list of service accounts leaves out what they are annotated with",
    ),
)

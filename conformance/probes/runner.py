"""
Runs a call plan inside a pod and says what the pod saw, one JSON line per call.

This file is all there is of the suite inside a pod: it is copied alone into the
probe image, so it imports nothing of ours. It uses the credentials that boto3's
default chain finds, as an application would, and judges nothing: who refused a
call is read from its line by `probes/blame.py`, outside. The trap it avoids: pod
logs are kept for years, so tokens, secret keys, session tokens and access key ids
are replaced by fingerprints before anything is printed. A denied call is a
result, not a failure of the runner, which still exits 0.

    CONFORMANCE_PLAN    {"calls": [...], "hold": false}; made by probes/plan.py
    CONFORMANCE_REGION  the clients' region where none is injected; setting AWS_REGION
                        instead would change what the webhook injects
"""

import base64
import errno
import gc
import hashlib
import http.client
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from importlib import import_module
from operator import getitem
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

FORMAT = 2
FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - a variable's name

SHOWN_VARIABLES = (
    FULL_URI, TOKEN_FILE, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_DEFAULT_REGION",
    "AWS_REGION", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED",
    "AWS_ENDPOINT_URL",
)  # fmt: skip
"""What decides which credentials boto3 finds; none of these values is a secret."""

KEY_VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)  # fmt: skip
"""Variables that hold a secret: only their names are told."""

SIGNED_WITH = {
    "aws_access_key_id": "AccessKeyId",
    "aws_secret_access_key": "SecretAccessKey",
    "aws_session_token": "Token",
}  # boto3's names and the agent's
KEY_FILES = ("~/.aws/credentials", "~/.aws/config", "/etc/boto.cfg", "~/.boto")

SECRET_MEMBERS = re.compile(
    r"AccessKeyId|SecretAccessKey|\w*Token|\w*Password|\w*Secret(String|Binary)?|Plaintext", re.I
)
"""Members of a service's answer that are replaced by a fingerprint."""

LONGEST_TEXT = 2000
LARGEST_BODY = 4096
AGENT_SECONDS = 10.0
"""Longer than the agent takes to give up on EKS Auth: 5.4 s was measured on 0.1.37."""


class Refusal(NamedTuple):
    """
    Why a call gave nothing: `source` is `chain` (boto3 found no credentials and asked nobody),
    `agent`, `service`, or `plan` (the call itself is wrong). `status` 0: no answer came.
    """

    source: str
    status: int
    code: str
    text: str


class AgentAnswer(NamedTuple):
    """
    What the agent said. Only who asks by hand sees headers, the members of a JSON answer in
    their order, and whether the body ended with a newline.
    """

    status: int
    text: str
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    members: tuple[str, ...] = ()
    newline: bool = False


def fingerprint(secret: str) -> str:
    """First 12 hex digits of SHA-256: says "the same one", useless to whoever reads it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


class Secrets:
    """Everything secret that this process has seen; takes it out of texts and answers."""

    _SHAPES = re.compile(r"\beyJ[\w-]*\.[\w-]+\.[\w-]*|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, *values: str | None) -> None:
        # A short value would blank out innocent text, and no real secret is that short.
        long = [value for value in values if value and len(value) >= 8]
        self._seen.update(long, (quote(value, safe="") for value in long))  # as URLs have them

    def scrub(self, text: str) -> str:
        for value in sorted(self._seen, key=len, reverse=True):
            text = text.replace(value, f"<{fingerprint(value)}>")
        text = self._SHAPES.sub(lambda found: f"<{fingerprint(found[0])}>", text)
        return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."

    def answer(self, value: Any, member: str = "") -> Any:
        """A service's answer as JSON: bodies as text with their hash, secrets as fingerprints."""
        if isinstance(value, dict):
            return {k: self.answer(v, k) for k, v in value.items() if k != "ResponseMetadata"}
        if isinstance(value, (list, tuple)):
            return [self.answer(item, member) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if SECRET_MEMBERS.fullmatch(member):
            return f"<{fingerprint(str(value))}>"
        if hasattr(value, "read"):
            value = value.read()
        if isinstance(value, (bytes, bytearray)):
            text = self.scrub(value[:LARGEST_BODY].decode("utf-8", errors="replace"))
            return {"size": len(value), "sha256": hashlib.sha256(value).hexdigest(), "text": text}
        return self.scrub(str(value))


def claims_of(token: str) -> dict[str, Any]:
    """What a service account token says about itself, unverified; only a mark when not a JWT."""
    told = {"fingerprint": fingerprint(token)}
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        wanted = ("aud", "iss", "sub", "exp", "iat", "kubernetes.io")
        return told | {name: claims[name] for name in wanted if name in claims}
    except (IndexError, ValueError, TypeError):
        return told


def injection() -> dict[str, Any]:
    """Which variables and files are in this container, and not one secret value."""
    files = [path for path in KEY_FILES if Path(path).expanduser().exists()]
    return {
        "variables": {name: os.environ[name] for name in SHOWN_VARIABLES if name in os.environ},
        "keys": [name for name in KEY_VARIABLES if name in os.environ] + files,
        "token_file": Path(os.environ.get(TOKEN_FILE, os.devnull)).is_file(),
        "not_written": not_written(os.environ[TOKEN_FILE]) if TOKEN_FILE in os.environ else "",
    }


def not_written(token_file: str) -> str:
    """How the system refuses who writes beside the token, such as EROFS; empty if it does not."""
    beside = Path(token_file).with_name("written")
    try:
        beside.touch(exist_ok=False)
        beside.unlink()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return ""


class Sdk:
    """boto3 with its default chain; the first refusal of credentials stands for all calls."""

    _REFUSED = re.compile(r"Received non 200 response (\d+) from container metadata: (.*)", re.S)

    def __init__(self, secrets: Secrets) -> None:
        # Imported late: 0.2 s that a pod which only holds, or only asks the agent, need not pay.
        modules = ("boto3.session", "botocore.session", "botocore.config", "botocore.utils")
        boto3, core, botocore, utils = map(import_module, modules)
        self._errors: Any = import_module("botocore.exceptions")
        # Three attempts, as ever, but not a second apart: the agent gives each the same answer,
        # and the wait would cost every refused pod 3 s.
        utils.ContainerMetadataFetcher.SLEEP_TIME = 0.05
        # boto3 reads AWS_DEFAULT_REGION, which the webhook injects where it knows a region.
        fallback = None if "AWS_DEFAULT_REGION" in os.environ else "CONFORMANCE_REGION"
        session = core.get_session()
        models = session.get_component("data_loader")
        # Twice botocore looks into each of 400 folders, to know whether one service is there.
        folders = [Path(path) for path in models.search_paths if Path(path).is_dir()]
        names = sorted(each.name for folder in folders for each in folder.iterdir())
        models.list_available_services = lambda _: names
        region = fallback and os.environ.get(fallback)
        self._session = boto3.Session(region_name=region, botocore_session=session)
        # Two attempts: a lost connection is no finding, and a denial is never tried again.
        retries = {"mode": "standard", "total_max_attempts": 2}
        self._config = botocore.Config(connect_timeout=5, read_timeout=10, retries=retries)
        self._secrets = secrets
        self._clients: dict[tuple[str | None, ...], Any] = {}
        self.answers: dict[str, Any] = {}
        self.asked = False
        self.refusal: Refusal | None = None
        self.agent: AgentAnswer | None = None
        self.credentials: dict[str, str] = {}

    def call(self, call: dict[str, Any], keys: dict[str, str] | None) -> Any:
        """Make one call, as the pod or with `keys`: the service's answer, or a `Refusal`."""
        try:
            if keys is None and (refusal := self._pod_is_refused()):
                return refusal
            given = keys or {}
            signature = "s3v4-query" if call.get("in_url") else None
            name = (call["service"], given.get("AccessKeyId"), signature)
            if name not in self._clients:
                config = self._config.merge(type(self._config)(signature_version=signature))
                signed = {ours: given.get(told) for ours, told in SIGNED_WITH.items()}
                self._clients[name] = self._session.client(name[0], config=config, **signed)
            parameters = self._filled(call.get("parameters", {}))
            answer = getattr(self._clients[name], call["operation"])(**parameters)
            self.answers[call["name"]] = answer
            return answer
        except self._errors.ClientError as error:  # of the service, or of STS about a web identity
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            said = error.response.get("Error", {})
            return Refusal("service", status, said.get("Code", ""), said.get("Message", ""))
        except self._errors.CredentialRetrievalError as error:  # a refresh, when lives are short
            return self._refused(error)
        except (self._errors.ConnectionError, self._errors.HTTPClientError) as error:
            return Refusal("service", 0, "", str(error))
        except (self._errors.BotoCoreError, AttributeError, LookupError, TypeError) as error:
            return Refusal("plan", 0, "", f"{type(error).__name__}: {error}")

    def _filled(self, value: Any) -> Any:
        """The parameters, with what `plan.presented` and `plan.answer_of` left out of the plan."""
        if isinstance(value, dict) and value.keys() == {"$answer"}:
            return reduce(getitem, value["$answer"], self.answers)
        if isinstance(value, dict) and value.keys() == {"$file"}:
            secret = Path(os.path.expandvars(value["$file"])).read_text(encoding="utf-8")
            self._secrets.add(secret)
            return secret
        if isinstance(value, dict):
            return {name: self._filled(item) for name, item in value.items()}
        return [self._filled(item) for item in value] if isinstance(value, list) else value

    def _pod_is_refused(self) -> Refusal | None:
        if self.asked:
            return self.refusal
        self.asked = True
        try:
            found = self._session.get_credentials()
            if found is None:
                text = str(self._errors.NoCredentialsError())
                self.refusal = Refusal("chain", 0, "NoCredentials", text)
            else:
                self._note(found)
        except self._errors.CredentialRetrievalError as error:
            self.refusal = self._refused(error)
        except OSError as error:
            self.refusal = Refusal("chain", 0, "TokenUnreadable", str(error))
        except ValueError as error:  # an address or a token that boto3 will not use
            self.refusal = Refusal("chain", 0, "InjectionUnusable", str(error))
        except (KeyError, RuntimeError) as error:  # 200, without keys or with keys that are over
            self.refusal = Refusal("agent", 200, "", f"{type(error).__name__}: {error}")
        return self.refusal

    def _note(self, found: Any) -> None:
        self.credentials["provider"] = found.method
        keys = found.get_frozen_credentials()
        self._secrets.add(keys.access_key, keys.secret_key, keys.token)
        if found.method == "container-role":
            self.agent = AgentAnswer(200, "")
        expires = getattr(found, "_expiry_time", None)  # boto3 has no public name for it
        self.credentials |= {
            "access_key": fingerprint(keys.access_key),
            "expires_at": expires.isoformat() if expires else "",
        }

    def _refused(self, error: Any) -> Refusal:
        text = str(error)
        self.credentials = {"provider": error.kwargs.get("provider", "")}
        if refused := self._REFUSED.search(text):
            self.agent = AgentAnswer(int(refused[1]), refused[2].strip())
            return Refusal("agent", self.agent.status, "", self.agent.text)
        answered = "Unable to parse JSON" in text
        return Refusal("agent", 200 if answered else 0, "", text)


def ask_agent(request: dict[str, Any], token: str | None) -> tuple[AgentAnswer | None, Any]:
    """Send one request: the agent's answer, and the credentials in it, or a `Refusal`."""
    given = urlsplit(os.environ[FULL_URI])
    address = urlsplit(request.get("address") or os.environ[FULL_URI])
    host, port = address.hostname or "", address.port or 80
    connection = http.client.HTTPConnection(host, port, timeout=AGENT_SECONDS)
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = request.get("authorization", "{token}").replace("{token}", token)
    headers |= {"Host": request["host"]} if request.get("host") else {}
    path, body = request.get("path") or given.path, request.get("body") or None
    try:
        connection.request(request.get("method", "GET"), path, body, headers)
        response = connection.getresponse()
        text = response.read().decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return None, Refusal("agent", 0, "", f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    answer = AgentAnswer(response.status, "", dict(response.getheaders()), (), text[-1:] == "\n")
    if response.status != 200:
        answer = answer._replace(text=text.strip())
        return answer, Refusal("agent", answer.status, "", answer.text)
    if request.get("plain"):
        return answer, {"Body": text.encode()}
    try:
        told = json.loads(text)
        needed = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} - told.keys()
        if not needed:
            return answer._replace(members=tuple(told)), told
        return answer, Refusal("agent", 200, "", f"no {' and no '.join(sorted(needed))}")
    except (ValueError, AttributeError) as error:
        return answer, Refusal("agent", 200, "", type(error).__name__)


class Runner:
    """Makes the calls of a plan, one after the other."""

    def __init__(self) -> None:
        self.secrets = Secrets()
        self.secrets.add(*(os.environ.get(name) for name in KEY_VARIABLES))
        self._sdk: Sdk | None = None
        self.outages: dict[str, dict[str, Any]] = {}

    def run(self, call: dict[str, Any]) -> dict[str, Any]:
        """Make one call; what `probes/evidence.py` reads."""
        began = time.monotonic()
        told = self.outages.get(call.get("agent", {}).get("after"))
        told = told or (self._by_hand(call) if "agent" in call else self._as_the_pod(call))
        refusal = told.get("refusal", {"status": 200})
        # Agent 0.0.25 answers 500 to refusals, too, and has EKS Auth's own status in its text.
        if refusal["status"] in (0, 500, 503) and "StatusCode: 4" not in refusal["text"]:
            self.outages[call["name"]] = told
        latency = round((time.monotonic() - began) * 1000, 1)
        head = {"evidence": FORMAT, "call": call["name"], "latency_ms": latency}
        return {**head, "injection": injection(), **told}

    def _as_the_pod(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            token = claims_of(self.read_token(os.environ.get(TOKEN_FILE, "")))
        except (OSError, UnicodeDecodeError):
            token = None
        result = self.result(call, (sdk := self.boto3()).call(call, None))
        return {**result, "token": token, "agent": self._told(sdk.agent), **sdk.credentials}

    def _by_hand(self, call: dict[str, Any]) -> dict[str, Any]:
        request = call["agent"]
        if not os.environ.get(FULL_URI):
            unset = Refusal("chain", 0, "NoAgentAddress", f"{FULL_URI} is not set")
            return self.result(call, unset)
        if request.get("flood"):
            flooding = import_module("flooding")
            return self.result(call, flooding.flood(sys.modules[__name__], request["flood"]))
        try:
            path = request.get("token_file")
            token = path and self.read_token(os.path.expandvars(path))
        except OSError as error:
            return self.result(call, Refusal("chain", 0, "TokenUnreadable", str(error)))
        times = request.get("times", 1)
        with ThreadPoolExecutor(times) as pool:
            answers = list(pool.map(ask_agent, [request] * times, [token] * times))
        # One that was refused stands for all.
        agent, keys = min(answers, key=lambda answer: not isinstance(answer[1], Refusal))
        claims = None if token is None else claims_of(token)
        told = {"provider": "by-hand", "token": claims, "agent": self._told(agent)}
        if isinstance(keys, Refusal) or request.get("plain"):
            return {**self.result(call, keys), **told}
        told |= {"expires_at": keys["Expiration"], "access_key": fingerprint(keys["AccessKeyId"])}
        self.secrets.add(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])
        answer: Any = keys | {"Different": len({given["AccessKeyId"] for _, given in answers})}
        if call.get("then"):
            answer = self.boto3().call({**call["then"], "name": call["name"]}, keys)
        return {**self.result(call.get("then") or call, answer), **told}

    def read_token(self, path: str) -> str:
        token = Path(path).read_text(encoding="utf-8")
        self.secrets.add(token, token.strip())
        return token

    def boto3(self) -> Sdk:
        self._sdk = self._sdk or Sdk(self.secrets)
        return self._sdk

    def _told(self, agent: AgentAnswer | None) -> dict[str, Any] | None:
        return agent and {**agent._asdict(), "text": self.secrets.scrub(agent.text)}

    def result(self, made: dict[str, Any], answer: Any) -> dict[str, Any]:
        operation = f"{made['service']}:{made['operation']}" if "service" in made else "agent"
        if isinstance(answer, Refusal):
            refusal = answer._replace(text=self.secrets.scrub(answer.text))
            return {"operation": operation, "refusal": refusal._asdict()}
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return {"operation": operation, "status": status, "answer": self.secrets.answer(answer)}


def main() -> int:
    """Run the plan; 0 whatever was denied, 2 when there is no plan to run."""
    # A third of a pod's life went into looking for garbage in an SDK that is there to stay.
    gc.disable()
    # Process 1 of a container gets no default action for SIGTERM: it could only be killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        plan = json.loads(os.environ["CONFORMANCE_PLAN"])
        calls = plan["calls"]
    except (KeyError, ValueError, TypeError) as error:
        print(f"CONFORMANCE_PLAN holds no plan: {type(error).__name__}", file=sys.stderr)
        return 2
    runner = Runner()
    for call in calls:
        if "repeat" not in call:
            print(json.dumps(runner.run(call)), flush=True)
    if repeated := [call for call in calls if "repeat" in call]:
        import_module("repeating").repeat(sys.modules[__name__], repeated)
    if plan.get("hold"):
        end_is_waited_for()()
    return 0


def end_is_waited_for() -> Callable[[], object]:
    """
    From now on SIGTERM is kept for whoever calls what is returned.

    A handler does not do: Python runs it in the main thread, between two instructions, and one
    that comes just before the thread blocks waits for ever with it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    return lambda: signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    sys.exit(main())

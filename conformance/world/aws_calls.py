"""
One call of AWS that no pod makes, as evidence like any other.

The traps: an SDK that checks parameters itself never lets the API refuse them, so the
check is off; and a second attempt would hide what the first one was told, so there is none.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import botocore.config
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.probes.evidence import FORMAT, HARNESS, Evidence, as_evidence

CONNECT_SECONDS, READ_SECONDS = 5, 30
_CONFIG = botocore.config.Config(
    parameter_validation=False,
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": 1},
)


_making = threading.Lock()


@cache
def _session() -> botocore.session.Session:
    """One for all clients: it keeps the service models, and to read one takes 20 to 100 ms."""
    return botocore.session.Session()


def client(aws: Aws, service: str, config: botocore.config.Config = _CONFIG) -> Any:
    """
    A client of the account; as it is asked by a scenario, unless `config` says otherwise.

    botocore makes its methods when it runs, so no type knows them.
    """
    # Sessions are not for several threads at once.
    with _making:
        return _session().create_client(
            service,
            region_name=aws.region,
            endpoint_url=aws.endpoint,
            aws_access_key_id=aws.access_key_id,
            aws_secret_access_key=aws.secret_access_key,
            config=config,
        )


def as_it_is(answer: Any) -> Any:
    """An answer that holds no secret."""
    return answer


def ask(
    of: Any,
    operation: str,
    parameters: Mapping[str, Any],
    *,
    shown: Callable[[Any], Any] = as_it_is,
) -> Evidence:
    """
    Make one call of a client by boto3's name for it; what is `shown` of the answer is kept.

    Whatever the API answers is evidence; raises `HarnessError` when it does not answer.
    """
    service = of.meta.service_model.service_name
    began = time.monotonic()
    told = _told(of, operation, parameters, shown)
    return as_evidence(
        {
            "evidence": FORMAT,
            "call": operation,
            "operation": f"{service}:{operation}",
            "latency_ms": round((time.monotonic() - began) * 1000, 1),
            "bound_ms": (CONNECT_SECONDS + READ_SECONDS) * 1000,
            "injection": {},
            "provider": HARNESS,
            **told,
        }
    )


def _told(
    of: Any, operation: str, parameters: Mapping[str, Any], shown: Callable[[Any], Any]
) -> dict[str, Any]:
    try:
        answer = getattr(of, operation)(**parameters)
    except ClientError as error:
        said = error.response.get("Error", {})
        refusal = {
            "source": "service",
            "status": error.response["ResponseMetadata"]["HTTPStatusCode"],
            "code": said.get("Code", ""),
            "text": said.get("Message", ""),
        }
        return {"refusal": refusal}
    except BotoCoreError as error:
        service = of.meta.service_model.service_id
        raise HarnessError(
            f"{service} does not answer {operation}", saw=str(error), try_="conformance doctor"
        ) from error
    status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
    plain = json.loads(json.dumps(answer, default=lambda moment: moment.isoformat()))
    return {"status": status, "answer": shown(plain)}

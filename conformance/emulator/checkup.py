"""
`GET /health` asks the services themselves.

"The process runs" is not "IAM answers": a request goes the whole way, signed, through
the router to the handler and back, without a socket. It is made as the root of an
account that nobody else has, so it neither sees nor changes what the environment is
about, and what it leaves in the records bears that account's number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from conformance.emulator.aws import Aws
from conformance.emulator.router import Dropped, Router, Wire

ACCOUNT = "000000000000"


@dataclass(frozen=True)
class Question:
    """A request, and the status of a service that is well."""

    method: str
    path: str
    body: str
    well: int


QUESTIONS: Mapping[str, Question] = {
    "iam": Question("POST", "/", "Action=ListAccountAliases&Version=2010-05-08", 200),
    "eks": Question("GET", "/clusters", "", 200),
    # Nothing can be asked of EKS Auth that is not an AssumeRole; an operation that it does
    # not have is refused by its own handler.
    "eks-auth": Question("GET", "/clusters", "", 404),
}


class Checkup:
    """Asks each part its question."""

    def __init__(self, aws: Aws, router: Router) -> None:
        self._aws = aws
        self._router = router
        self._key, self._secret = aws.mint.root(ACCOUNT)

    def install(self) -> None:
        for part in QUESTIONS:
            self._aws.on_health(part, partial(self._ask, part))

    async def _ask(self, part: str) -> str:
        question = QUESTIONS[part]
        try:
            answer = await self._router.answer(self._signed(part, question))
        except Dropped:
            return "closes the connection without an answer"
        return "ok" if answer.status == question.well else f"answers {answer.status}"

    def _signed(self, service: str, question: Question) -> Wire:
        # Loaded when it is asked for: the process has to be ready within a second.
        from botocore.auth import SigV4Auth  # noqa: PLC0415 -- see above
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 -- see above
        from botocore.credentials import Credentials  # noqa: PLC0415 -- see above

        settings = self._aws.settings
        request = AWSRequest(
            question.method,
            f"http://127.0.0.1:{settings.port}{question.path}",
            headers={"Content-Type": "application/x-www-form-urlencoded"} if question.body else {},
            data=question.body,
        )
        request.headers["Host"] = f"127.0.0.1:{settings.port}"
        SigV4Auth(Credentials(self._key, self._secret), service, settings.region).add_auth(request)
        return Wire(
            method=question.method,
            target=question.path,
            headers=tuple(
                (name.encode(), str(value).encode()) for name, value in request.headers.items()
            ),
            body=question.body.encode(),
            peer="127.0.0.1",
        )

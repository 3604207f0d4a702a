"""
What EKS and EKS Auth refuse with.

Handlers raise; the wire decides status and form, from the service model where it
names the error and from the table here where AWS has it for every service. So no
handler can answer an error that a real client could not parse.
"""

COMMON = {
    "AccessDeniedException": 403,
    "SerializationException": 400,
    "UnknownOperationException": 404,
    "NotImplementedException": 501,
}
"""Errors that need not be in a model. Source: AWS general reference, "Common errors"."""


class ServiceError(Exception):
    """
    An answer of the service that is not success.

    `code` is the error's name in the service model or in `COMMON`; `message` is
    AWS's text where it is known. Other `members` (`clusterName`, ...) are those of
    the error's shape. Never holds a token.
    """

    def __init__(self, code: str, message: str, **members: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.members = members


def invalid_parameter(message: str, **members: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message, **members)


def invalid_request(message: str, **members: str) -> ServiceError:
    return ServiceError("InvalidRequestException", message, **members)


def in_use(message: str, **members: str) -> ServiceError:
    return ServiceError("ResourceInUseException", message, **members)


def not_found(message: str, **members: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message, **members)

"""One call of the EKS API: found in the model, authorised, checked and answered."""

from conformance.emulator.eks import members
from conformance.emulator.eks.answers import failure, success
from conformance.emulator.eks.call import Call
from conformance.emulator.eks.errors import ServiceError
from conformance.emulator.eks.model import api
from conformance.emulator.eks.operations import OPERATIONS, conditions
from conformance.emulator.eks.parameters import read
from conformance.emulator.service import Request, Response, World


async def handle(request: Request, world: World) -> Response:
    """Answer one call of the EKS API."""
    eks = api("eks")
    try:
        model, labels = eks.find(request.method, request.raw_path)
        if model.name not in OPERATIONS:
            raise ServiceError("NotImplementedException", f"{model.name} of eks is not emulated")
        operation = OPERATIONS[model.name]
        call = Call(model.name, request, world, read(model, labels, request))
        resource = operation.resource(call)
        call.require(f"eks:{model.name}", resource, conditions(call, resource))
        members.check(model.name, call.parameters)
        return success(model, await operation.handler(call))
    except ServiceError as error:
        return failure(eks, error)

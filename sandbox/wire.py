"""What every cloud's API goes through: the request log and the faults around the true answer."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar

from aiohttp import web

from sandbox.auth import presented_key
from sandbox.cloud import Cloud
from sandbox.fault_answers import fault_answer, hang_up, wait
from sandbox.faults import Fault
from sandbox.wire_call import Call, Route


class Wire(ABC):
    """The endpoints of one API of one cloud."""

    cloud_name: ClassVar[str]

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @abstractmethod
    async def _answer(self, route: Route, call: Call) -> web.StreamResponse:
        """Return the true answer, an error included."""

    @abstractmethod
    def _usual_answer(self, status: int, operation: str) -> web.Response:
        """Return what this cloud sends with a status, for a fault that names nothing else."""

    def handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            record = self._cloud.requests.add(
                method=request.method,
                path=request.path,
                operation=await self._operation(route, request),
                key=presented_key(request),
                cloud=self.cloud_name,
            )
            response = await self._serve(route, Call(request, record))
            if response is None:
                return hang_up(request)
            record.status = response.status
            return response

        return handle

    async def _operation(self, route: Route, request: web.Request) -> str:
        """Return the name of the call in the fault script and the request log."""
        return route.operation

    async def _serve(self, route: Route, call: Call) -> web.StreamResponse | None:
        """Answer a call with the faults that are put on it; None closes the connection."""
        faults = self._cloud.faults
        await wait(faults.take("delay_before", call.record))
        if fault := faults.take("before", call.record):
            return self._fault_answer(fault, None, call)
        response = await self._answer(route, call)
        await wait(faults.take("delay_after", call.record))
        fault = faults.take("after", call.record)
        return response if fault is None else self._fault_answer(fault, response, call)

    def _fault_answer(
        self, fault: Fault, real: web.StreamResponse | None, call: Call
    ) -> web.Response | None:
        return fault_answer(fault, real, operation=call.record.operation, usual=self._usual_answer)

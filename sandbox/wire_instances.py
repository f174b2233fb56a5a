"""The endpoints under /instances and /instance-operations."""

from dataclasses import replace
from functools import partial

from sandbox import errors
from sandbox.cloud import Cloud
from sandbox.faults import Fault
from sandbox.instance_json import Json, foreign_instances_json, instance_json
from sandbox.lambda_machine import LambdaMachine, LambdaOrder
from sandbox.launch_request import Body, read_launch, read_new_name
from sandbox.life_script import take_life_script
from sandbox.machines import Status
from sandbox.wire_call import Call, Route


class InstancesWire:
    """Machines, from their launch to their end."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._rows_before: list[Json] = []

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/instances", "list", self._list),
            Route("GET", "/instances/{id}", "get", self._get),
            Route("POST", "/instances/{id}", "rename", self._rename),
            Route("POST", "/instance-operations/launch", "launch", self._launch),
            Route("POST", "/instance-operations/restart", "restart", self._restart),
            Route("POST", "/instance-operations/terminate", "terminate", self._terminate),
        )

    async def _list(self, call: Call) -> object:
        """List the machines; none of them is part of a cluster, should one be asked for."""
        if call.query("cluster_id") is not None:
            return []
        rows = [self._json(machine) for machine in self._cloud.listed(LambdaMachine)]
        fault = self._cloud.faults.take("list", call.record)
        if fault is None:
            self._rows_before = rows
            return rows
        if fault.kind == "foreign_list":
            return foreign_instances_json()
        if fault.kind == "stale_list":
            return self._rows_before
        return rows[: int(fault.values["keep"])] if fault.kind == "truncated_list" else []

    async def _get(self, call: Call) -> object:
        return self._json(self._found(call.path_id))

    async def _rename(self, call: Call) -> object:
        machine = self._found(call.path_id)
        name = read_new_name(await call.body())
        call.note(machine)
        if name is not None:
            machine.rename(name)
            self._audit(call, machine, "rename")
        return self._json(machine)

    async def _launch(self, call: Call) -> object:
        order = read_launch(await call.body(), self._cloud)
        place = (order.instance_type.name, order.region)
        call.record.machine = order.name or ""
        faults = self._cloud.faults
        if faults.take("capacity", call.record) or not self._cloud.catalogue.take(*place):
            raise errors.insufficient_capacity()
        fault = faults.take("order", call.record)
        first = self._launch_one(call, self._delivered(order, fault), place=place)
        if fault is None or fault.kind != "two_ids":
            return {"instance_ids": [first]}
        second_place = place if self._cloud.catalogue.take(*place) else None
        return {"instance_ids": [first, self._launch_one(call, order, place=second_place)]}

    def _launch_one(self, call: Call, order: LambdaOrder, *, place: tuple[str, str] | None) -> str:
        script = take_life_script(self._cloud.faults, call.record)
        machine = LambdaMachine(order, site=self._cloud.site, script=script)
        give_back = partial(self._cloud.catalogue.give_back, *place) if place else None
        self._cloud.launch(machine, give_back=give_back)
        call.note(machine)
        self._audit(call, machine, "launch")
        return machine.machine_id

    def _delivered(self, order: LambdaOrder, fault: Fault | None) -> LambdaOrder:
        """Return what is started in place of what was asked for."""
        if fault is None:
            return order
        kind = self._cloud.catalogue.instance_type(str(fault.values.get("instance_type")))
        return replace(
            order,
            instance_type=kind or order.instance_type,
            region=fault.values.get("region", order.region),
        )

    async def _restart(self, call: Call) -> object:
        machines = self._named(await call.body())
        for machine in machines:
            if machine.is_restarting or machine.status is not Status.ACTIVE:
                raise errors.conflict(f"Instance {machine.machine_id} cannot be restarted now.")
        for machine in machines:
            call.note(machine)
            self._cloud.restart(machine)
            self._audit(call, machine, "restart")
        return {"restarted_instances": [self._json(machine) for machine in machines]}

    async def _terminate(self, call: Call) -> object:
        machines = self._named(await call.body())
        call.record.machine = "\n".join(machine.order.name or "" for machine in machines)
        fault = self._cloud.faults.take("terminate", call.record)
        return {"terminated_instances": [self._end(call, each, fault) for each in machines]}

    def _end(self, call: Call, machine: LambdaMachine, fault: Fault | None) -> Json:
        call.note(machine)
        if fault is not None and fault.kind == "ok_but_alive":
            return {**self._json(machine), "status": "terminating"}
        stuck_seconds = 0.0 if fault is None else fault.values["seconds"]
        self._cloud.terminate(machine, stuck_seconds=stuck_seconds)
        self._audit(call, machine, "terminate")
        return self._json(machine)

    def _named(self, body: Body) -> list[LambdaMachine]:
        """Return the machines of ``instance_ids``; one unknown id, and none is touched."""
        ids = body.get("instance_ids")
        if not isinstance(ids, list) or not ids:
            raise errors.invalid("instance_ids", "Field required")
        return [self._found(str(machine_id)) for machine_id in dict.fromkeys(map(str, ids))]

    def _found(self, machine_id: str) -> LambdaMachine:
        machine = self._cloud.find(machine_id, LambdaMachine)
        if machine is None:
            raise errors.no_such_instance()
        return machine

    def _json(self, machine: LambdaMachine) -> Json:
        return instance_json(machine, self._cloud.catalogue)

    def _audit(self, call: Call, machine: LambdaMachine, action: str) -> None:
        details: Json = {
            "instance_type": machine.order.instance_type.name,
            "region": machine.order.region,
        }
        call.audit(self._cloud.audit, "instance", action, machine.machine_id, **details)

"""Creating, starting, stopping and ending pods, whichever wire asks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

from sandbox.cloud import Cloud
from sandbox.faults import Fault
from sandbox.life_script import take_life_script
from sandbox.machines import Status
from sandbox.request_log import RequestRecord
from sandbox.runpod.catalogue import DATA_CENTERS, GpuType, Spot, Wish
from sandbox.runpod.pod import Pod, PodOrder
from sandbox.runpod.refusals import PodRefusedError, Refusal


@dataclass(frozen=True)
class PodRequest:
    """What a create asks for, after the checks of its wire."""

    name: str
    gpu_type: GpuType
    wish: Wish
    image: str
    disk_gb: int
    args: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    volume_gb: int = 0
    volume_path: str = ""
    network_volume: Mapping[str, str] | None = None
    ports: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    registry: str | None = None
    template: str | None = None
    starts_ssh: bool = False
    is_interruptible: bool = False
    # Only GraphQL can ask for these.
    stop_after_seconds: float | None = None
    terminate_after_seconds: float | None = None


class Scheduler:
    """What RunPod does with the pods of one account."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def find(self, pod_id: str) -> Pod:
        pod = self._cloud.find(pod_id, Pod)
        if pod is None:
            raise PodRefusedError(Refusal.NOT_FOUND)
        return pod

    def listed(self) -> list[Pod]:
        """Return the pods that the list shows, newest first."""
        pods = self._cloud.listed(Pod)
        return sorted(pods, key=lambda pod: pod.launched_at, reverse=True)

    def balance_cents(self) -> Decimal:
        now = time.time()
        costs = [entry.cost_cents(now=now) for entry in self._cloud.ledger.entries(Pod.cloud)]
        return Decimal(str(self._cloud.settings.runpod_credit_cents)) - sum(costs, Decimal(0))

    def spend_cents_per_hour(self) -> int:
        pods = self._cloud.live_machines(Pod)
        return sum(pod.order.instance_type.price_cents_per_hour for pod in pods)

    def create(self, request: PodRequest, record: RequestRecord) -> Pod:
        """Start a pod; raises PodRefusedError."""
        record.machine = request.name
        wish, faults = request.wish, self._cloud.faults
        cents = max(request.gpu_type.cents(tier) for tier in wish.tiers) * wish.count
        # The credit for an hour is asked for at the start (runpod-api.md section 7).
        if self.balance_cents() < cents:
            raise PodRefusedError(Refusal.NO_MONEY)
        spot = None if faults.take("capacity", record) else self._cloud.pod_catalogue.take(wish)
        if spot is None:
            raise PodRefusedError(Refusal.NO_CAPACITY)
        fault = faults.take("order", record)
        pod = self._launch(self._delivered(self._order(request, spot), fault), record, taken=spot)
        if request.stop_after_seconds is not None:
            self._cloud.later(pod, request.stop_after_seconds, partial(self._cloud.stop, pod))
        if request.terminate_after_seconds is not None:
            end = partial(self._cloud.terminate, pod)
            self._cloud.later(pod, request.terminate_after_seconds, end)
        if fault is not None and fault.kind == "two_ids":
            second = self._cloud.pod_catalogue.take(wish)
            self._launch(self._order(request, second or spot), record, taken=second)
        return pod

    def terminate(self, pod: Pod, record: RequestRecord) -> None:
        record.machine = pod.order.name
        _note(record, pod)
        fault = self._cloud.faults.take("terminate", record)
        if fault is not None and fault.kind == "ok_but_alive":
            return
        stuck_seconds = 0.0 if fault is None else fault.values["seconds"]
        pod.outlives_terminate = stuck_seconds != 0.0
        pod.started_at = None
        pod.log.end()
        self._cloud.terminate(pod, stuck_seconds=stuck_seconds)

    def stop(self, pod: Pod, record: RequestRecord) -> None:
        _note(record, pod)
        if pod.is_locked:
            raise PodRefusedError(Refusal.LOCKED)
        if not pod.is_live():
            raise PodRefusedError(Refusal.WRONG_STATE)
        pod.note_change("Exited by user")
        self._cloud.stop(pod)

    async def start(self, pod: Pod, record: RequestRecord) -> None:
        """Start a stopped pod on its own host, or refuse when that has no free GPUs."""
        _note(record, pod)
        if pod.status is Status.UNHEALTHY and pod.started_at is None:
            self._cloud.stop(pod)
        if pod.status is not Status.STOPPED:
            raise PodRefusedError(Refusal.WRONG_STATE)
        spot, count = pod.order.spot, pod.order.instance_type.gpus
        catalogue = self._cloud.pod_catalogue
        is_full = self._cloud.faults.take("capacity", record) is not None
        if is_full or not catalogue.take_at(spot, count=count):
            raise PodRefusedError(Refusal.HOST_FULL)
        pod.note_change("Resumed by user")
        await self._cloud.start(pod, give_back=partial(catalogue.give_back, spot, count))

    def restart(self, pod: Pod, record: RequestRecord) -> None:
        _note(record, pod)
        if pod.is_locked:
            raise PodRefusedError(Refusal.LOCKED)
        if pod.status is not Status.ACTIVE or pod.is_restarting:
            raise PodRefusedError(Refusal.WRONG_STATE)
        self._cloud.restart(pod)

    def _order(self, request: PodRequest, spot: Spot) -> PodOrder:
        env = dict(request.env)
        if request.starts_ssh and self._cloud.pod_keys:
            env.setdefault("PUBLIC_KEY", "\n".join(self._cloud.pod_keys))
        return PodOrder(
            name=request.name,
            instance_type=request.gpu_type.instance_type(
                count=request.wish.count, tier=spot.tier, disk_gb=request.disk_gb
            ),
            region=spot.data_center,
            spot=spot,
            image=request.image,
            args=request.args,
            entrypoint=request.entrypoint,
            cmd=request.cmd,
            disk_gb=request.disk_gb,
            volume_gb=request.volume_gb,
            volume_path=request.volume_path,
            network_volume=request.network_volume,
            ports=request.ports,
            env=env,
            registry=request.registry,
            template=request.template,
            is_interruptible=request.is_interruptible,
            min_cuda_version=request.wish.min_cuda_version,
        )

    def _launch(self, order: PodOrder, record: RequestRecord, *, taken: Spot | None) -> Pod:
        script = take_life_script(self._cloud.faults, record)
        pod = Pod(order, site=self._cloud.site, script=script)
        catalogue, count = self._cloud.pod_catalogue, order.instance_type.gpus
        give_back = partial(catalogue.give_back, taken, count) if taken else None
        self._cloud.launch(pod, give_back=give_back)
        _note(record, pod)
        return pod

    def _delivered(self, order: PodOrder, fault: Fault | None) -> PodOrder:
        """Return what is started in place of what was asked for.

        Where the fault names a type or region of another cloud, the pod gets the first other one.
        """
        if fault is None or fault.kind == "two_ids":
            return order
        if fault.kind == "wrong_region":
            region = str(fault.values["region"])
            others = [center for center in DATA_CENTERS if center != order.region]
            region = region if region in DATA_CENTERS else others[0]
            return replace(order, region=region)
        wanted = self._cloud.pod_catalogue.gpu_type(str(fault.values["instance_type"]))
        other_types = [
            kind
            for kind in self._cloud.pod_catalogue.types()
            if kind.gpu_id != order.instance_type.name and kind.cents(order.spot.tier)
        ]
        other = (wanted or other_types[0]).instance_type(
            count=order.instance_type.gpus, tier=order.spot.tier, disk_gb=order.disk_gb
        )
        return replace(order, instance_type=other)


def _note(record: RequestRecord, pod: Pod) -> None:
    record.machine_ids.append(pod.machine_id)
    record.machine_names.append(pod.order.name)

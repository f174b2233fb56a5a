"""From RunPod's JSON to our values.

Lenient about what is missing, null or new; strict about one thing: a list of machines is whole or
it is an error, for a machine that is left out would look gone (I13).
Source: RunPod REST v2, schemas Pod, GpuType, SshKeys, PodBillingRecord (read 2026-11).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from deployments.providers.base import Instance, InstanceStatus, Offer
from deployments.providers.http import Answer
from deployments.providers.runpod_errors import unreadable
from deployments.providers.values import address, count, text, usable_id

PLATFORM = "runpod"
SECURE, COMMUNITY = "SECURE", "COMMUNITY"
HIGHEST_PRICE_USD = Decimal(10_000)
# Container disk, while the pod runs. Source: RunPod's pricing page (read 2026-11); the length of
# its month is not documented, 730 hours are usual.
DISK_USD_PER_GB_HOUR = Decimal("0.10") / 730
PRICE_PLACES = Decimal("0.0001")
# Without it the catalogue and the list say nothing of where a Community machine stands.
ANYWHERE = "anywhere"
COUNTS = (1, 2, 4, 8)
# Their torch is the newest that still knows them; the image's does not (compute capability 7.0).
_TOO_OLD = re.compile(r"V100")
_TYPE = re.compile(r"(\d{1,2})x (.+?)( \(community\))?")

# EXITED: the container is stopped, its disk erased and its GPU released; it never comes back by
# itself (runpod-api.md section 6).
STATUSES: dict[str, InstanceStatus] = {
    "PROVISIONING": InstanceStatus.BOOTING,
    "STARTING": InstanceStatus.BOOTING,
    "RUNNING": InstanceStatus.ACTIVE,
    "EXITED": InstanceStatus.PREEMPTED,
    "ERROR": InstanceStatus.UNHEALTHY,
    "TERMINATED": InstanceStatus.TERMINATED,
}
_BILLED = frozenset({InstanceStatus.BOOTING, InstanceStatus.ACTIVE, InstanceStatus.UNHEALTHY})


@dataclass(frozen=True)
class Kind:
    """A machine type: so many cards of one id, in one of RunPod's two clouds."""

    gpu_id: str
    gpu_count: int
    cloud: str

    @property
    def name(self) -> str:
        """The name under which it is asked for, such as "1x NVIDIA L4 (community)"."""
        suffix = " (community)" if self.cloud == COMMUNITY else ""
        return f"{self.gpu_count}x {self.gpu_id}{suffix}"


def kind_of(name: str) -> Kind | None:
    """Return what a machine type's name says; None for what is no name of ours."""
    said = _TYPE.fullmatch(name)
    return Kind(said[2], int(said[1]), COMMUNITY if said[3] else SECURE) if said else None


def hourly_price(gpu_usd: Decimal, *, disk_gb: int) -> Decimal:
    """Return US dollars per hour for a pod with its disk, never less than RunPod's bill."""
    return (gpu_usd + disk_gb * DISK_USD_PER_GB_HOUR).quantize(PRICE_PLACES, rounding=ROUND_UP)


def listed(answer: Answer, name: str) -> list[object]:
    """Return the list that a success holds under a name."""
    content = answer.content
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise unreadable(f"it has no list of {name}")
    return found


def next_cursor(answer: Answer) -> str | None:
    """Return where the list goes on; None at its end, and where lists have no pages."""
    content = answer.content
    paging = content.get("pagination") if isinstance(content, dict) else None
    if not isinstance(paging, dict) or not paging.get("hasNextPage"):
        return None
    cursor = paging.get("nextCursor")
    if not isinstance(cursor, str) or not cursor:
        raise unreadable("the list of pods goes on, but it does not say where")
    return cursor


def instance(item: object) -> Instance:
    """Return one pod; raises ProviderUnavailableError if it cannot be told from others.

    It is active only once its container runs and SSH has a public port: the status alone says
    RUNNING long before (runpod-api.md section 6).
    """
    pod = _object(item)
    pod_id = usable_id(pod.get("id"))
    if pod_id is None:
        raise unreadable("a pod in it has no id")
    host, port = _ssh_address(pod)
    status = STATUSES.get(text(pod.get("status")), InstanceStatus.UNKNOWN)
    if status == InstanceStatus.ACTIVE and (host is None or not _object(pod.get("runtime"))):
        status = InstanceStatus.BOOTING
    kind = _kind(pod)
    return Instance(
        instance_id=pod_id,
        name=text(pod.get("name")),
        status=status,
        ip=host,
        region=_region(pod),
        instance_type=kind.name if kind else "",
        description=kind.name if kind else "",
        hourly_price_usd=_pod_price(pod) if status in _BILLED else None,
        ssh_port=port if host else None,
    )


def offers(answer: Answer, *, cloud: str, disk_gb: int) -> list[Offer]:
    """Return what one of the two clouds offers; a card we cannot read or use is left out.

    Raises ProviderUnavailableError when none of the cards can be read.
    """
    cards = listed(answer, "gpus")
    if cards and not any(text(_object(card).get("id")) for card in cards):
        raise unreadable("none of its cards has an id")
    return [
        offer for card in cards for offer in _offers_of_card(_object(card), cloud, disk_gb=disk_gb)
    ]


def ssh_keys(answer: Answer) -> list[str]:
    """Return the account's registered public keys."""
    return [text(key).strip() for key in listed(answer, "keys") if text(key).strip()]


def billed_usd(answer: Answer, pod_id: str) -> Decimal | None:
    """Return the sum of a pod's bills; None when there is none yet."""
    amounts = [
        _dollars(record.get("totalAmount"))
        for record in map(_object, listed(answer, "records"))
        if record.get("podId") == pod_id
    ]
    if not amounts:
        return None
    if None in amounts:
        raise unreadable("a bill in it has no amount")
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def balance_usd(answer: Answer) -> Decimal | None:
    """Return the credit that GraphQL tells; None for everything else that it may say."""
    data = _object(_object(answer.content).get("data"))
    return _dollars(_object(data.get("myself")).get("clientBalance"))


def _offers_of_card(card: dict[str, object], cloud: str, *, disk_gb: int) -> Iterator[Offer]:
    """Yield an offer per number of cards and data centre that has such a card.

    The stock was asked for one card. Of several it is a hint, as stock always is: the launch tells.
    """
    side = cloud.lower()
    gpu_id, name = text(card.get("id")), text(card.get("name"))
    price = _dollars(_object(card.get("price")).get(side))
    if not gpu_id or not price or not card.get(side) or not _usable(card, gpu_id):
        return
    most = count(_object(card.get("maxCount")).get(side)) or 1
    for gpu_count in (n for n in COUNTS if n <= most):
        for region, where in _free_in(card) or (("", ""),):
            yield Offer(
                platform=PLATFORM,
                instance_type=Kind(gpu_id, gpu_count, cloud).name,
                region=region,
                region_description=where if cloud == SECURE else f"{where} (community)".strip(),
                description=_description(card, name or gpu_id, gpu_count, cloud),
                gpu_name=name or gpu_id,
                gpu_count=gpu_count,
                vram_gib=count(card.get("memory")) or None,
                vcpus=0,
                memory_gib=0,
                storage_gib=disk_gb,
                architecture="x86_64",
                hourly_price_usd=hourly_price(price * gpu_count, disk_gb=disk_gb),
                available=region != "",
            )


def _usable(card: dict[str, object], gpu_id: str) -> bool:
    """Say whether our stack runs on it: CUDA, and a card that the image's torch still knows."""
    return text(card.get("manufacturer")).upper() == "NVIDIA" and not _TOO_OLD.search(gpu_id)


def _free_in(card: dict[str, object]) -> tuple[tuple[str, str], ...]:
    centres = card.get("dataCenters")
    if not isinstance(centres, list) or not centres:
        return ((ANYWHERE, ""),) if _is_free(card) else ()
    found = {
        text(centre.get("id")): text(centre.get("name"))
        for centre in map(_object, centres)
        if text(centre.get("id")) and _is_free(centre)
    }
    return tuple(found.items())


def _is_free(item: dict[str, object]) -> bool:
    return text(item.get("availability")).upper() not in ("", "NONE")


def _description(card: dict[str, object], name: str, gpu_count: int, cloud: str) -> str:
    memory = count(card.get("memory"))
    size = f"{memory} GB, " if memory else ""
    where = "Secure Cloud" if cloud == SECURE else "Community Cloud"
    return f"{gpu_count}x {name} ({size}{where})"


def _kind(pod: dict[str, object]) -> Kind | None:
    gpu = _object(pod.get("gpu"))
    gpu_id = text(gpu.get("id"))
    gpu_count, cloud = count(gpu.get("count")), text(pod.get("cloud"))
    # What is left out says nothing: a type made up of it would be another than was asked for (F21).
    return Kind(gpu_id, gpu_count, cloud) if gpu_id and gpu_count and cloud else None


def _region(pod: dict[str, object]) -> str:
    # One that was let anywhere is nowhere else than asked for.
    return "" if pod.get("cloud") == COMMUNITY else text(pod.get("dataCenterId"))


def _pod_price(pod: dict[str, object]) -> Decimal | None:
    cost = _dollars(pod.get("cost"))
    return hourly_price(cost, disk_gb=count(pod.get("disk"))) if cost else None


def _ssh_address(pod: dict[str, object]) -> tuple[str | None, int | None]:
    """Return where SSH answers; RunPod says so itself, or its list of ports does."""
    direct = _object(_object(pod.get("ssh")).get("direct"))
    if direct:
        return _host_and_port(direct.get("host"), direct.get("port"))
    ports = _object(pod.get("runtime")).get("ports")
    for port in map(_object, ports if isinstance(ports, list) else ()):
        if port.get("private") == 22 and port.get("type") == "tcp":
            return _host_and_port(port.get("ip"), port.get("public"))
    return None, None


def _host_and_port(host: object, port: object) -> tuple[str | None, int | None]:
    number = count(port)
    found = address(host)
    return (found, number) if found and number <= 65535 and number else (None, None)


def _dollars(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        return None
    return amount if amount.is_finite() and 0 <= amount <= HIGHEST_PRICE_USD else None


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}

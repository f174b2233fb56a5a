"""The bill: minutes begun, at the price of the launch."""

import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.ledger import Ledger, LedgerEntry
from tests.sandbox.client import Client


def entry(*, seconds: float | None, price: int = 129) -> LedgerEntry:
    launched = 1_800_000_000.0
    return LedgerEntry(
        machine_id="m",
        name="n",
        instance_type="gpu_1x_a10",
        region="us-east-1",
        price_cents_per_hour=price,
        launched_at=launched,
        terminated_at=None if seconds is None else launched + seconds,
    )


@pytest.mark.parametrize(
    ("seconds", "cents"),
    [(0, "2.15"), (1, "2.15"), (60, "2.15"), (60.5, "4.30"), (3600, "129"), (3601, "131.15")],
)
def test_rent_is_rounded_up_to_whole_minutes(seconds: float, cents: str) -> None:
    assert entry(seconds=seconds).cost_cents(now=0) == Decimal(cents)


def test_a_running_machine_is_billed_until_now() -> None:
    running = entry(seconds=None)

    assert running.cost_cents(now=running.launched_at + 119) == Decimal("4.30")


def test_cents_that_do_not_end_are_exact_to_28_digits() -> None:
    shown = entry(seconds=60, price=199).as_json(now=0)["cost_cents"]

    assert shown == "3.316666666666666666666666667"


def pod_entry(*, seconds: float) -> LedgerEntry:
    bare = entry(seconds=seconds, price=3600)
    return replace(bare, quantum_seconds=1, cloud="runpod", disk_gb=73, volume_gb=146)


def test_a_pod_s_rent_is_by_the_second_and_its_disks_by_the_month() -> None:
    pod = pod_entry(seconds=99.5)

    assert pod.compute_cents(now=0) == 100
    # 219 GB at 10 cents a month of 730 hours are 3 cents an hour.
    assert pod.disk_cents(now=0) == Decimal(3) * 100 / 3600


def test_a_stopped_pod_pays_for_its_volume_alone_and_twice() -> None:
    pod = pod_entry(seconds=4600)
    pod.stopped_at = pod.launched_at + 1000

    assert pod.compute_cents(now=0) == 1000
    # 146 GB at 20 cents a month of 730 hours are 4 cents an hour.
    assert pod.disk_cents(now=0) == pytest.approx(Decimal(3) * 1000 / 3600 + Decimal(4))


def test_a_pause_in_the_ledger_is_added_up(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    pod = replace(pod_entry(seconds=0), terminated_at=None, launched_at=time.time() - 5000)
    ledger.open(pod)

    ledger.pause("m")
    pod.stopped_at = time.time() - 3000
    ledger.resume("m")

    assert pod.billed_seconds(now=time.time()) == pytest.approx(2000, abs=60)


def test_the_ledger_outlives_the_process(tmp_path: Path) -> None:
    file = tmp_path / "ledger.json"
    Ledger(file).open(entry(seconds=None))

    reopened = Ledger(file)

    assert reopened.running() == ["m"]
    reopened.close_all()
    assert Ledger(file).running() == []


def test_a_terminated_machine_is_billed_from_launch_to_the_end_it_came_to(client: Client) -> None:
    machine_id = client.launch_active(name="billed")["id"]
    client.terminate(machine_id)
    client.wait_for(machine_id, "terminated")

    bill, truth = client.bill(machine_id), client.truth(machine_id)

    assert bill["name"] == "billed"
    assert bill["launched_at"] == truth["launched_at"]
    assert bill["terminated_at"] >= truth["terminated_at"]
    assert (bill["billed_seconds"], bill["cost_cents"]) == (60, "2.15")


def test_the_total_is_the_sum_of_the_entries(client: Client) -> None:
    machine_id = client.launch()
    client.launch()

    ledger = client.control("GET", "ledger")

    total = sum(Decimal(entry["cost_cents"]) for entry in ledger["entries"])
    assert Decimal(ledger["total_cents"]) == total
    assert client.bill(machine_id)["quantum_seconds"] == 60


def test_F72_a_price_change_is_shown_at_once_and_not_billed_to_a_running_machine(
    client: Client,
) -> None:
    offer = {"instance_type_name": "gpu_1x_rtx6000", "region_name": "us-east-1"}
    before = client.launch(**offer)
    new_price = {"instance_type": "gpu_1x_rtx6000", "price_cents_per_hour": 600}

    client.control("POST", "prices", new_price)

    after = client.launch(**offer)
    offers = client.get("/instance-types").json()["data"]
    assert offers["gpu_1x_rtx6000"]["instance_type"]["price_cents_per_hour"] == 600
    assert client.instance(before)["instance_type"]["price_cents_per_hour"] == 600
    assert client.bill(before)["price_cents_per_hour"] == 69
    assert client.bill(after)["price_cents_per_hour"] == 600
    client.control("POST", "prices", {**new_price, "price_cents_per_hour": 69})

"""Which lives could succeed: those whose script, as far as it was met, did not forbid it.

A life could succeed when nobody asked it to stop, not every cloud refused it for good, the run
itself was to finish with an adapter on one of its machines, and neither its budget, its hours, its
attempts nor its wait for capacity was too small for what went wrong. What is not counted here is
for Slipway to survive: lost answers, killed workers, wrong lists, a database that is away.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.chaos.script import FIRST_PRICE, MAX_HOURS, NEVER, Script
from tests.deployments.virtual.cloud import VirtualCloud
from tests.deployments.virtual.world import QUICK

if TYPE_CHECKING:
    from tests.chaos.life import Life

# A refusal that no later try at that cloud can mend, and what ends a run wherever it is.
FINAL_AT_CLOUD = ("launch:quota", "launch:invalid", "launch:auth", "offers:auth")
FINAL = ("ssh:hostkey",)
STOPS = ("person:cancel", "person:cancel_unsaved")
# What costs a machine, or may.
COSTS_A_MACHINE = (
    "worker:machine_vanish",
    "worker:machine_unhealthy",
    "worker:machine_preempted",
    "worker:machine_reboot",
    "launch:late",
    "launch:lost_late",
    "ssh:auth",
)
# How long it takes to see that a machine is lost, to try to save what there is (F43), and to prove
# it gone; and what is kept back of the hours for the landing.
LAST_TRY_SECONDS = QUICK.save_seconds + QUICK.collect_seconds
LOSS_SECONDS = QUICK.silence_limit_seconds + LAST_TRY_SECONDS + 4 * QUICK.proof_interval_seconds
LANDING_SECONDS = LAST_TRY_SECONDS + QUICK.terminate_reserve_seconds
AMPLE_USD = Decimal("10.00")


def why_it_could_not_succeed(life: "Life", faults: Counter[str]) -> str:
    """Return the first reason why this life was not bound to succeed, "" when it was."""
    return next(_reasons(life, faults), "")


def _reasons(life: "Life", faults: Counter[str]) -> Iterator[str]:
    script = life.script
    yield from (fault for fault in (*STOPS, *FINAL) if faults[fault])
    if all(_has_refused(cloud) for cloud in life.world.clouds):
        yield "refused for good"
    if script.budget < AMPLE_USD:
        yield "small budget"
    if script.windows:
        yield f"{script.windows[0].what} away"
    if script.wait_minutes < 30 and any(kind.startswith(("launch:", "offers:")) for kind in faults):
        yield "short wait"
    if script.new_price is not None and script.new_price > FIRST_PRICE:
        yield "dearer"
    bad_plans = sum(1 for plan in script.plans if plan.outcome != "completed" or plan.error)
    if bad_plans or any(p.exit_at >= NEVER or not p.has_adapter for p in script.plans):
        yield "bad run"
    if script.boot_seconds >= NEVER:
        yield "never boots"
    yield from _losses(script, sum(faults[fault] for fault in COSTS_A_MACHINE))
    if faults["worker:asleep"]:
        yield "asleep"


def _has_refused(cloud: VirtualCloud) -> bool:
    return any(f"{kind}:{fault}" in FINAL_AT_CLOUD for kind, fault in cloud.calls)


def _losses(script: Script, lost: int) -> Iterator[str]:
    if lost >= script.attempts or lost >= 2:
        yield "machines lost"
    if lost:
        trained_twice = 2 * (script.boot_seconds + max(plan.exit_at for plan in script.plans))
        if trained_twice + LOSS_SECONDS + LANDING_SECONDS > float(MAX_HOURS) * 3600:
            yield "short hours"

"""The invariants that hold once a life is over (FAULTS.md section 2), one function each."""

import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User

from core.errors import NotFoundError
from core.lookups import get_owned
from core.models import AuditEntry
from deployments.lifecycle.edges import is_allowed
from deployments.models import (
    Artifact,
    Checkpoint,
    Deployment,
    Event,
    LogLine,
    MachineToken,
    Metric,
    Stray,
)
from deployments.models.deployments import TERMINAL, LaunchState, Status
from tests.deployments.virtual.clouds import Clouds

# I13: a list counts for the time at which it was asked for; a worker may have slept before that.
LIST_SLACK = timedelta(seconds=60)
# I10: the last words of a run may come so long after its end.
LAST_WORDS = timedelta(minutes=10)
# Which event each audited act leaves, so that the two can be counted against each other (I19).
AUDITED = {
    "queued": "deployment.create",
    "stop_asked": "deployment.stop",
    "save_asked": "deployment.save",
    "retry_collect": "deployment.retry_collect",
    "attention_resolved": "deployment.attention_resolved",
}
# What people ask for and what the sweep finds is told without the lease.
OUTSIDE_THE_LEASE = frozenset({*AUDITED, "stray", "stray_gone", "late_cost"})


def i1_it_is_over_and_nothing_lives(cloud: Clouds, deployment: Deployment) -> None:
    assert deployment.status in TERMINAL, f"I1: {deployment.status}"
    assert not cloud.live(), "I1: something lives on"


def check_story(deployment: Deployment) -> None:
    """Fail when the deployment's events do not tell a life that may be told (I4, I13)."""
    status, version = "queued", 0
    for event in Event.objects.filter(deployment=deployment).order_by("id"):
        if event.to_status and event.from_status:
            assert event.from_status == status, f"I4: {event}"
            assert is_allowed(status, event.to_status), f"I4: {event}"
            status = event.to_status
        assert event.version >= version or event.kind in OUTSIDE_THE_LEASE, f"I4: {event}"
        version = max(version, event.version)
        if event.kind in ("gone", "never_seen"):
            assert len(event.data["listed"]) == 2, f"I13: {event}"
    assert status == deployment.status, "I4"


def i4_its_events_tell_a_life_that_may_be(cloud: Clouds, deployment: Deployment) -> None:
    check_story(deployment)


def i8_its_cost_is_not_under_the_clouds_bill(cloud: Clouds, deployment: Deployment) -> None:
    rows = {m.instance_id: m for m in deployment.machines.exclude(instance_id="")}
    ours = sum((m.billed_usd or Decimal(0) for m in rows.values()), Decimal(0))
    strays = {stray.instance_id: stray for stray in deployment.strays.all()}
    late = sum((stray.billed_usd or Decimal(0) for stray in strays.values()), Decimal(0))
    assert deployment.actual_cost == ours + late, "I8: the final cost is the sum of the bills"
    for machine in cloud.machines:
        row, stray = rows.get(machine.instance_id), strays.get(machine.instance_id)
        if row is not None:
            assert row.launch_state == LaunchState.LAUNCHED, "I8"
            assert row.gone_at is not None, "I8: billed before it was proven gone"
            assert row.billed_usd is not None, "I8"
        if row is not None or stray is not None:
            # A machine that showed again after its proof goes on in a row of strays.
            bills = [each.billed_usd or Decimal(0) for each in (row, stray) if each is not None]
            assert sum(bills) >= machine.bill(), "I8: under the cloud's bill"


def i10_each_word_counts_once_and_none_comes_too_late(
    cloud: Clouds, deployment: Deployment
) -> None:
    assert deployment.completed_at is not None, "I10"
    latest = deployment.completed_at + LAST_WORDS
    late = [model.objects.filter(at__gt=latest) for model in (LogLine, Metric, Checkpoint)]
    assert not any(each.exists() for each in late), "I10: news of a run that is long over"
    told = Counter(Metric.objects.values_list("job_id", "name", "step"))
    assert all(count == 1 for count in told.values()), "I10"


def i11_what_is_home_is_on_disk(cloud: Clouds, deployment: Deployment) -> None:
    for artifact in Artifact.objects.all():
        path: Path = settings.SLIPWAY_DATA_DIR / artifact.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == artifact.sha256, "I11"
    started = Counter(cloud.agents_started)
    assert all(count == 1 for count in started.values()), "I11: two agents on one machine"


def i13_what_was_taken_for_gone_was_missing_from_two_lists(
    cloud: Clouds, deployment: Deployment
) -> None:
    for event in Event.objects.filter(kind__in=("gone", "never_seen")).select_related("machine"):
        moments = [datetime.fromisoformat(text) for text in event.data["listed"]]
        assert len(moments) == 2, f"I13: {event}"
        apart = (moments[1] - moments[0]).total_seconds()
        assert apart >= settings.TIMING.proof_interval_seconds, f"I13: {event}"
        machine = event.machine
        assert machine is not None, f"I13: {event}"
        for moment in moments:
            cited = [
                listing
                for listing in cloud.listings
                if listing.platform == machine.platform
                and moment <= listing.asked_at <= moment + LIST_SLACK
            ]
            # A second one under its name may well be there (F21).
            missing = [
                listing
                for listing in cited
                if not any(
                    machine.instance_id in ("", each.instance_id) and each.name == machine.name
                    for each in listing.shown
                )
            ]
            assert missing, f"I13: no list of {moment} was without {machine.name}"


def i14_the_data_is_what_was_accepted(cloud: Clouds, deployment: Deployment) -> None:
    wanted = deployment.job.dataset_sha256
    for machine in cloud.machines:
        for path, content in machine.files.items():
            if path.endswith("/data/dataset.jsonl"):
                assert hashlib.sha256(content).hexdigest() == wanted, f"I14: {machine.name}"


def i16_no_token_outlives_its_machine(cloud: Clouds, deployment: Deployment) -> None:
    open_ones = MachineToken.objects.filter(revoked_at__isnull=True, machine__gone_at__isnull=False)
    assert not open_ones.exists(), "I16"


def i18_nobody_else_finds_it(cloud: Clouds, deployment: Deployment) -> None:
    stranger = User(pk=deployment.user_id + 1)
    try:
        get_owned(Deployment, stranger, str(deployment.pk))
    except NotFoundError:
        return
    raise AssertionError("I18: a stranger finds it")


def i19_each_act_has_one_audit_row(cloud: Clouds, deployment: Deployment) -> None:
    told = Counter(Event.objects.values_list("kind", flat=True))
    audited = Counter(AuditEntry.objects.values_list("action", flat=True))
    for kind, action in AUDITED.items():
        assert audited[action] == told[kind], f"I19: {audited[action]} of {action}"
    reaped = AuditEntry.objects.filter(action="machine.reaped").values_list("data", flat=True)
    ended = set(Stray.objects.exclude(terminated_at=None).values_list("instance_id", flat=True))
    assert {data["instance_id"] for data in reaped} <= ended, "I19"


def i21_a_failure_says_what_and_what_to_do(cloud: Clouds, deployment: Deployment) -> None:
    assert deployment.attention is None, f"I21: {deployment.attention}"
    if deployment.status == Status.FAILED:
        error = deployment.error or {}
        assert str(error.get("code")).startswith("E_"), f"I21: {error}"
        assert "remedy" in error, f"I21: {error}"
        assert error.get("bills") is False, f"I21: {error}"
    if deployment.status == Status.COMPLETED:
        assert deployment.artifacts.exists(), "I21: completed, and nothing is home"


END: tuple[Callable[[Clouds, Deployment], None], ...] = (
    i1_it_is_over_and_nothing_lives,
    i4_its_events_tell_a_life_that_may_be,
    i8_its_cost_is_not_under_the_clouds_bill,
    i10_each_word_counts_once_and_none_comes_too_late,
    i11_what_is_home_is_on_disk,
    i13_what_was_taken_for_gone_was_missing_from_two_lists,
    i14_the_data_is_what_was_accepted,
    i16_no_token_outlives_its_machine,
    i18_nobody_else_finds_it,
    i19_each_act_has_one_audit_row,
    i21_a_failure_says_what_and_what_to_do,
)


def check_exact(cloud: Clouds, deployment: Deployment) -> None:
    """I8: no fault kept us from knowing: at most two quanta and 60 s over each machine's bill."""
    rows = {m.instance_id: m for m in deployment.machines.exclude(instance_id="")}
    for machine in cloud.machines:
        row = rows.get(machine.instance_id)
        if row is None or row.billed_usd is None:
            continue
        tolerated = machine.hourly_price * 180 / 3600 + Decimal("0.0001")
        assert row.billed_usd <= machine.bill() + tolerated, "I8: far over the cloud's bill"

"""One writer at a time, and no wish of a user is lost on the way."""

import uuid
from datetime import timedelta

import pytest

from core.time import database_now
from deployments import services
from deployments.lifecycle.lease import Lease, LeaseLostError
from deployments.models import Deployment, Event, Machine
from deployments.models.deployments import Desired, Status
from tests import builders

pytestmark = pytest.mark.django_db


def take(deployment: Deployment, *, purpose: str = "tick", seconds: float = 50) -> Lease | None:
    return Lease.take(deployment.pk, purpose=purpose, seconds=seconds)


def taken(deployment: Deployment, *, purpose: str = "tick") -> Lease:
    lease = take(deployment, purpose=purpose)
    assert lease is not None
    return lease


def ask_to_stop(deployment: Deployment, *, save: bool) -> None:
    services.cancel(deployment, requested_by=deployment.user, save=save)


def test_D5_taking_the_lease_increments_the_version() -> None:
    deployment = builders.make_deployment()

    lease = taken(deployment)

    deployment.refresh_from_db()
    assert lease.version == deployment.version == 1
    assert deployment.lease_purpose == "tick"
    assert deployment.lease_until == lease.now + timedelta(seconds=50)


def test_D5_nobody_else_gets_a_lease_that_is_held() -> None:
    deployment = builders.make_deployment()
    taken(deployment)

    assert take(deployment) is None


def test_a_lease_that_ran_out_can_be_taken() -> None:
    deployment = builders.make_deployment(lease_until=database_now() - timedelta(seconds=1))

    assert take(deployment) is not None


def test_a_lease_that_was_given_back_can_be_taken() -> None:
    deployment = builders.make_deployment()
    taken(deployment).release(next_tick_at=None)

    assert take(deployment) is not None


def test_there_is_no_lease_on_what_does_not_exist() -> None:
    assert Lease.take(uuid.uuid4(), purpose="tick", seconds=50) is None


# Stop takes over.


@pytest.mark.parametrize("purpose", ["tick", "ssh"])
def test_a_stop_that_does_not_save_takes_the_lease_from_a_slow_slice(purpose: str) -> None:
    deployment = builders.make_deployment(status=Status.PREPARING)
    slow = taken(deployment, purpose=purpose)
    ask_to_stop(deployment, save=False)

    assert take(deployment) is not None
    with pytest.raises(LeaseLostError):
        slow.write(deployment={"phase": "late"})


def test_a_launch_under_way_is_not_taken_over() -> None:
    deployment = builders.make_deployment(status=Status.LAUNCHING)
    launching = taken(deployment)
    launching.renew(purpose="launch", seconds=50)
    ask_to_stop(deployment, save=False)

    assert take(deployment) is None
    launching.write(deployment={"phase": "still ours"})


def test_a_stop_does_not_take_over_from_a_stop() -> None:
    deployment = builders.make_deployment()
    ask_to_stop(deployment, save=False)
    taken(deployment)

    assert take(deployment) is None


def test_a_stop_that_saves_waits_for_the_slice_under_way() -> None:
    deployment = builders.make_deployment(status=Status.TRAINING)
    taken(deployment, purpose="ssh")
    ask_to_stop(deployment, save=True)

    assert take(deployment) is None


def test_a_launch_does_not_begin_once_a_stop_took_the_lease() -> None:
    deployment = builders.make_deployment(status=Status.LAUNCHING)
    about_to_launch = taken(deployment)
    ask_to_stop(deployment, save=False)
    taken(deployment)

    with pytest.raises(LeaseLostError):
        about_to_launch.renew(purpose="launch", seconds=50)


# Writing.


def test_D5_a_late_writer_changes_nothing_at_all() -> None:
    deployment = builders.make_deployment(status=Status.BOOTING)
    machine = builders.make_machine(deployment)
    late = taken(deployment)
    Deployment.objects.filter(pk=deployment.pk).update(version=7)

    with pytest.raises(LeaseLostError):
        late.write(
            deployment={"outcome": "failed"},
            machine=machine,
            machine_changes={"instance_id": "i-late"},
            create=Machine(deployment=deployment, name="late"),
            event=late.event("late", "Too late."),
            to=Status.TERMINATING,
        )

    deployment.refresh_from_db()
    assert (deployment.status, deployment.outcome) == (Status.BOOTING, "")
    assert list(deployment.machines.values_list("instance_id")) == [(machine.instance_id,)]
    assert not deployment.events.exists()


def test_D5_a_write_without_changes_still_proves_the_lease() -> None:
    deployment = builders.make_deployment()
    late = taken(deployment)
    Deployment.objects.filter(pk=deployment.pk).update(version=7)

    with pytest.raises(LeaseLostError):
        late.write(event=late.event("note", "Still mine?"))


def test_I4_a_change_that_the_table_does_not_have_is_refused_whole() -> None:
    deployment = builders.make_deployment(status=Status.PREPARING)
    lease = taken(deployment)

    with pytest.raises(ValueError, match="no edge from preparing to completed"):
        lease.write(deployment={"outcome": "completed"}, to=Status.COMPLETED)

    deployment.refresh_from_db()
    assert (deployment.status, deployment.outcome) == (Status.PREPARING, "")


def test_I19_a_change_of_status_is_told_in_one_event_of_the_same_version() -> None:
    deployment = builders.make_deployment(status=Status.QUEUED)
    lease = taken(deployment)

    lease.write(
        event=lease.event("launching", "Looking.", to=Status.LAUNCHING), to=Status.LAUNCHING
    )

    event = Event.objects.get()
    assert (event.from_status, event.to_status, event.version) == ("queued", "launching", 1)
    deployment.refresh_from_db()
    assert deployment.status_since == lease.now
    assert deployment.job.status == Status.LAUNCHING


def test_a_job_shows_the_status_of_its_newest_deployment_only() -> None:
    older = builders.make_deployment(status=Status.TERMINATING)
    job = older.job
    builders.make_deployment(job=job, created_at=older.created_at + timedelta(hours=1))

    taken(older).write(to=Status.FAILED)

    job.refresh_from_db()
    assert (job.status, job.completed_at) == (Status.QUEUED, None)


def test_a_job_keeps_the_first_start_of_training_and_the_end() -> None:
    deployment = builders.make_deployment(status=Status.PREPARING)
    lease = taken(deployment)
    lease.write(to=Status.TRAINING)
    started = lease.now
    for status in (Status.RECOVERING, Status.LAUNCHING, Status.BOOTING, Status.PREPARING):
        lease.deployment.refresh_from_db()
        lease.write(to=status)
    lease.now += timedelta(hours=1)
    for status in (Status.TRAINING, Status.TERMINATING, Status.COMPLETED):
        lease.deployment.refresh_from_db()
        lease.write(to=status)

    job = type(deployment.job).objects.get()
    assert (job.started_at, job.completed_at) == (started, started + timedelta(hours=1))


# Giving it back.


def test_D6_giving_the_lease_back_says_when_to_look_again() -> None:
    deployment = builders.make_deployment()
    lease = taken(deployment)
    later = lease.now + timedelta(seconds=60)

    lease.release(next_tick_at=later)

    deployment.refresh_from_db()
    assert (deployment.lease_until, deployment.lease_purpose) == (None, "")
    assert (deployment.next_tick_at, deployment.last_tick_at) == (later, lease.now)


@pytest.mark.parametrize("save", [True, False])
def test_F24_a_stop_asked_for_during_a_tick_is_looked_at_at_once(save: bool) -> None:
    deployment = builders.make_deployment(status=Status.WAITING_FOR_CAPACITY)
    lease = taken(deployment)
    ask_to_stop(deployment, save=save)

    lease.release(next_tick_at=lease.now + timedelta(seconds=60))

    deployment.refresh_from_db()
    assert deployment.desired == Desired.STOP
    assert deployment.next_tick_at is not None
    assert deployment.next_tick_at <= database_now()


def test_F24_a_second_thought_not_to_save_is_looked_at_at_once() -> None:
    deployment = builders.make_deployment(status=Status.COLLECTING)
    ask_to_stop(deployment, save=True)
    lease = taken(deployment, purpose="ssh")
    ask_to_stop(deployment, save=False)

    lease.release(next_tick_at=lease.now + timedelta(seconds=60))

    deployment.refresh_from_db()
    assert deployment.next_tick_at is not None
    assert deployment.next_tick_at <= database_now()


def test_giving_back_a_lost_lease_changes_nothing() -> None:
    deployment = builders.make_deployment()
    late = taken(deployment)
    Deployment.objects.filter(pk=deployment.pk).update(version=7, lease_purpose="ssh")

    late.release(next_tick_at=None)

    deployment.refresh_from_db()
    assert deployment.lease_purpose == "ssh"
    assert deployment.next_tick_at is not None

"""Runs as rich as real ones, for the pages: living, ended, failed, and one that needs its owner.

One afternoon, told backwards from ``now``, so that what is live looks live.
"""

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from core.time import database_now
from datasets.models import Dataset
from deployments import costs, sample_rows
from deployments.models import CloudSnapshot, Deployment, Machine, WorkerHeartbeat
from deployments.models.deployments import LaunchState, Status
from notifications import webhooks
from notifications.models import Message, Webhook
from tests import builders
from tests.deployments.pages.telling import TOTAL_STEPS, seconds, training_told, weights

A10 = "1x A10 (24 GB)"
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def worker_beats(*, ago: float = 2) -> None:
    """Let a worker have shown life so many seconds ago."""
    WorkerHeartbeat.objects.update_or_create(
        name="worker:here:1", defaults={"beat_at": database_now() - seconds(ago)}
    )


def account_listed(deployment: Deployment, *, ago: float = 4, **fields: Any) -> None:
    """Let the account of a run have been listed so many seconds ago."""
    CloudSnapshot.objects.update_or_create(
        vault_entry_id=deployment.vault_entry_id,
        defaults={"listed_at": database_now() - seconds(ago), "good_lists": 9} | fields,
    )


def dataset(user: User, *, name: str = "Support answers", rows: int = 1520) -> Dataset:
    """Make data that looks as large as the story says; its file is small."""
    found = builders.make_dataset(user, name=name)
    found.rows = rows
    found.save(update_fields=["rows"])
    return found


def run(user: User, *, name: str = "Support answers v3", **fields: Any) -> Deployment:
    """Accept a run of the story's recipe, 31 min 49 s before now unless told otherwise."""
    data = fields.pop("dataset", None) or dataset(user)
    config = fields.pop("training_config", None) or builders.make_config(
        user,
        name=name,
        base_model=fields.pop("model", MODEL),
        dataset=data,
        hyperparameters={"num_train_epochs": 3.0, "lora_r": 16},
    )
    begin = fields.pop("begin", database_now() - seconds(1909))
    values = {
        "name": name,
        "budget_limit": Decimal("2.50"),
        "created_at": begin,
        "status_since": begin,
        "url": "",
    } | fields
    job = builders.make_job(user, training_config=config, name=name)
    deployment = builders.make_deployment(user, job=job, **values)
    builders.make_event(
        deployment, at=begin, kind="queued", message="Accepted.", to_status="queued"
    )
    return deployment


def change(deployment: Deployment, to: Status, *, at: datetime, message: str) -> None:
    """Tell a status change, and make it."""
    builders.make_event(deployment, at=at, kind=to, message=message, to_status=to)
    Deployment.objects.filter(pk=deployment.pk).update(status=to, phase=to, status_since=at)
    deployment.refresh_from_db()


def machine(deployment: Deployment, **fields: Any) -> Machine:
    """Rent the machine of a run 1 s after it was accepted; the cloud showed it 4 s ago."""
    begin = deployment.created_at + seconds(1)
    values = {
        "requested_at": begin,
        "launch_ended_at": begin + seconds(3),
        "description": A10,
        "seen_status": "active",
        "seen_ip": "203.0.113.27",
        "seen_at": database_now() - seconds(4),
        "active_at": begin + seconds(190),
        "login_at": begin + seconds(247),
    } | fields
    return builders.make_machine(deployment, **values)


def prepared(deployment: Deployment) -> Machine:
    """Rent, boot and prepare, in the times of the story."""
    begin = deployment.created_at
    change(deployment, Status.LAUNCHING, at=begin, message="Looking for a machine.")
    rented = machine(deployment)
    builders.make_event(
        deployment,
        machine=rented,
        at=rented.requested_at,
        message="Asking for 1x A10 (24 GB) in us-east-1 at $1.29 an hour.",
    )
    change(
        deployment,
        Status.BOOTING,
        at=begin + seconds(4),
        message="1x A10 (24 GB) in us-east-1 is ours, booting.",
    )
    change(
        deployment,
        Status.PREPARING,
        at=begin + seconds(248),
        message="SSH login works; preparing.",
    )
    return rented


def training(user: User, **fields: Any) -> Deployment:
    """Make the run of run-live-light.png: step 177 of 285, 62 percent, on an A10."""
    deployment = run(user, **fields)
    rented = prepared(deployment)
    training_told(rented, steps=177)
    change(
        deployment,
        Status.TRAINING,
        at=deployment.created_at + seconds(595),
        message="Everything is in place; training.",
    )
    account_listed(deployment)
    return deployment


def ended(user: User, **fields: Any) -> Deployment:
    """Make the run of run-ended-light.png: the adapter home, the machine proven gone."""
    begin = fields.pop("begin", database_now() - seconds(4200))
    deployment = run(user, begin=begin, **fields)
    rented = prepared(deployment)
    training_told(rented, steps=TOTAL_STEPS)
    change(
        deployment,
        Status.TRAINING,
        at=begin + seconds(595),
        message="Everything is in place; training.",
    )
    change(
        deployment,
        Status.COLLECTING,
        at=begin + seconds(2713),
        message="Training ended; bringing the adapter home.",
    )
    builders.make_artifact(
        rented,
        size_bytes=84_100_000,
        saved_at=begin + seconds(2760),
        files=weights(TOTAL_STEPS, folder="adapter"),
    )
    change(deployment, Status.TERMINATING, at=begin + seconds(2765), message="The adapter is home.")
    gone(rented, at=begin + seconds(2904))
    finish(deployment, Status.COMPLETED, at=begin + seconds(2905))
    return deployment


def gone(rented: Machine, *, at: datetime) -> None:
    """Prove a machine gone: asked, accepted, and two lists 33 s apart, the last one ``at``."""
    used = math.ceil((at - rented.requested_at).total_seconds() / 60)
    rented.launch_state = LaunchState.LAUNCHED
    rented.end_wanted_at = at - seconds(139)
    rented.terminate_requested_at = at - seconds(139)
    rented.terminate_accepted_at = at - seconds(138)
    rented.absent_since = at - seconds(33)
    rented.absent_until = at
    rented.absent_lists = 4
    rented.gone_at = at
    rented.billed_usd = rented.hourly_price * used / 60
    rented.save()
    builders.make_event(
        rented.deployment,
        machine=rented,
        at=at,
        kind="gone",
        message=f"{rented.name} is gone, proven by two good lists.",
    )


def finish(deployment: Deployment, to: Status, *, at: datetime, **fields: Any) -> None:
    """End a run for good."""
    spent = sum((m.billed_usd or Decimal(0) for m in deployment.machines.all()), Decimal(0))
    change(
        deployment,
        to,
        at=at,
        message=f"Nothing of this run bills any more. It cost ${costs.cents_up(spent)}.",
    )
    Deployment.objects.filter(pk=deployment.pk).update(
        actual_cost=spent, completed_at=at, next_tick_at=None, **fields
    )
    deployment.refresh_from_db()


def sampled(deployment: Deployment) -> None:
    """Let the run have answered three held-out prompts at each of three evaluations."""
    machine = deployment.machines.get()
    asked = (
        (
            "My parcel says delivered, but nothing is here. What now?",
            "I am sorry about that. Please look with your neighbours first; if it is not there "
            "by tomorrow, write back and we send another one.",
            "There are many possible reasons why a parcel may be marked as delivered. Here are "
            "some steps:\n\n1. Check the address\n2. Check with your neighbours",
        ),
        ("Can I change the size of order 4471?", "Yes, until it is packed.", "As an AI, I"),
        ("Where is my invoice?", "In your account, under Orders.", ""),
    )
    for number, (prompt, reference, base) in enumerate(asked):
        told = {"prompt": prompt, "reference": reference, "base": base}
        sample_rows.keep(machine, number=number, step=None, told=told, at=database_now())
        for step, part in ((48, 3), (96, 6), (144, 12)):
            answer = {"answer": " ".join(reference.split(" ")[:part])}
            sample_rows.keep(machine, number=number, step=step, told=answer, at=database_now())


def failed(user: User, **fields: Any) -> Deployment:
    """Make a run that stopped at a loss that is not finite; no adapter came home."""
    begin = fields.pop("begin", database_now() - timedelta(days=3, hours=2))
    deployment = run(user, begin=begin, **fields)
    rented = prepared(deployment)
    training_told(rented, steps=61, diverges=True)
    change(
        deployment,
        Status.TRAINING,
        at=begin + seconds(595),
        message="Everything is in place; training.",
    )
    change(
        deployment,
        Status.TERMINATING,
        at=begin + seconds(1050),
        message="The loss is not a finite number since step 61.",
    )
    gone(rented, at=begin + seconds(1190))
    error = {
        "code": "E_NAN",
        "message": "The loss is not a finite number since step 61.",
        "remedy": "Lower the learning rate, or look at the rows near step 61.",
        "retryable": False,
    }
    finish(deployment, Status.FAILED, at=begin + seconds(1191), error=error)
    return deployment


def kept(user: User, *, minutes: float = 10, **fields: Any) -> Deployment:
    """Make a run whose training has just failed and whose machine stays for a look."""
    deployment = training(user, **fields)
    change(deployment, Status.TERMINATING, at=database_now(), message="Kept so that you can look.")
    deployment.events.filter(to_status=Status.TERMINATING).update(kind="kept")
    error = {"code": "E_TRAINING", "message": "Training failed.", "remedy": "Read the log."}
    Deployment.objects.filter(pk=deployment.pk).update(
        outcome=Status.FAILED,
        error=error,
        keep_on_failure_minutes=10,
        kept_until=database_now() + timedelta(minutes=minutes),
    )
    deployment.refresh_from_db()
    return deployment


def failed_before_boot(user: User, **fields: Any) -> Deployment:
    """Make a run that failed because no machine was free; nothing was rented."""
    deployment = waiting(user, **fields)
    error = {
        "code": "E_CAPACITY",
        "message": "No machine was free.",
        "remedy": "Wait longer, or allow other machines.",
        "retryable": False,
    }
    finish(deployment, Status.FAILED, at=database_now(), error=error)
    return deployment


def cancelled(user: User, **fields: Any) -> Deployment:
    """Make a run its owner cancelled at step 40."""
    begin = fields.pop("begin", database_now() - timedelta(days=4, hours=5))
    deployment = run(user, begin=begin, **fields)
    rented = prepared(deployment)
    training_told(rented, steps=40)
    change(deployment, Status.TRAINING, at=begin + seconds(595), message="Training.")
    change(
        deployment,
        Status.TERMINATING,
        at=begin + seconds(800),
        message="Stop asked for: ending the machine.",
    )
    gone(rented, at=begin + seconds(930))
    finish(deployment, Status.CANCELLED, at=begin + seconds(931), desired="stop")
    return deployment


def needs_owner(user: User, **fields: Any) -> Deployment:
    """Make the run of attention-light.png: its machine cannot be ended."""
    deployment = run(user, **fields)
    rented = prepared(deployment)
    training_told(rented, steps=177)
    begin = deployment.created_at
    change(deployment, Status.TRAINING, at=begin + seconds(595), message="Training.")
    change(
        deployment,
        Status.TERMINATING,
        at=begin + seconds(1200),
        message="Stop asked for: ending the machine.",
    )
    Machine.objects.filter(pk=rented.pk).update(
        end_wanted_at=begin + seconds(1200),
        terminate_requested_at=begin + seconds(1201),
        seen_at=database_now() - seconds(308),
    )
    attention = {
        "code": "E_AUTH",
        "message": "The last 5 tries to go on failed: API key was invalid, expired, or deleted.",
        "remedy": "Check the key in the vault.",
    }
    Deployment.objects.filter(pk=deployment.pk).update(
        attention=attention, next_tick_at=database_now() + seconds(30)
    )
    deployment.refresh_from_db()
    account_listed(deployment, ago=308)
    return deployment


def waiting(user: User, **fields: Any) -> Deployment:
    """Make a run that waits for a free machine."""
    deployment = run(user, begin=database_now() - seconds(720), **fields)
    change(deployment, Status.LAUNCHING, at=deployment.created_at, message="Looking.")
    machine(
        deployment,
        launch_state=LaunchState.REFUSED,
        instance_id="",
        seen_at=None,
        seen_ip=None,
        seen_status="",
        active_at=None,
        login_at=None,
        billed_usd=Decimal(0),
        refusal={
            "reason": "capacity",
            "code": "E_CAPACITY",
            "message": "No A10 is free.",
            "remedy": "",
        },
    )
    change(
        deployment,
        Status.WAITING_FOR_CAPACITY,
        at=deployment.created_at + seconds(5),
        message="No allowed machine is free now.",
    )
    Deployment.objects.filter(pk=deployment.pk).update(
        capacity_deadline=database_now() + seconds(1080)
    )
    deployment.refresh_from_db()
    return deployment


def preparing(user: User, **fields: Any) -> Deployment:
    """Make a run whose machine installs packages."""
    deployment = run(user, begin=database_now() - seconds(480), **fields)
    rented = prepared(deployment)
    builders.make_run_state(
        rented, phase="download_model", phase_detail="41 %", news_at=database_now()
    )
    account_listed(deployment)
    return deployment


def many(user: User) -> list[Deployment]:
    """Make the list of runs-list-light.png, more or less."""
    data = dataset(user)
    return [
        cancelled(user, name="Tone experiment", model="mistralai/Mistral-7B-v0.3", dataset=data),
        failed(user, name="Invoice fields", model="Qwen/Qwen3-4B", dataset=data),
        ended(
            user,
            name="Support answers v2",
            dataset=data,
            begin=database_now() - timedelta(days=1, hours=1),
        ),
        ended(user, name="Support answers v2, rank 64", dataset=data),
        waiting(user, name="Code review tone", model="mistralai/Mistral-7B-v0.3", dataset=data),
        needs_owner(user, name="Ticket router", model="local:slipway-sample", dataset=data),
        training(user, dataset=data),
        preparing(user, name="Contract clauses, prefer short", model="Qwen/Qwen3-8B", dataset=data),
    ]


def given_up(webhook: Webhook) -> Message:
    """Make a message that ten tries did not bring to a webhook."""
    message = webhooks.send_test(webhook)
    message.kind, message.status, message.tries = "run.failed", Message.Status.DEAD, 10
    message.answer_status, message.problem = 500, "It answered 500."
    message.settled_at, message.next_try_at = database_now(), None
    message.save()
    return message

"""Runs that end with a code: whole lives, or the last part of one, on virtual machines."""

from decimal import Decimal
from typing import Any

from core.installation import installation_id
from deployments.models import Deployment, Machine
from deployments.models.deployments import Status
from deployments.providers.base import InstanceStatus, Refused
from deployments.providers.lambda_errors import VERDICTS
from tests.deployments.pages.every_error import machine_words as words
from tests.deployments.pages.every_error.machine_words import EXITS, Words, exited, said
from tests.deployments.pages.every_error.stage import HOSTILE, Provoke, Row, Shown, Stage
from tests.deployments.virtual import cloud as virtual_cloud
from tests.deployments.virtual.acting import with_machine
from tests.deployments.virtual.agent import Agent, Plan
from tests.deployments.virtual.cloud import VirtualMachine

PLACE = "run, ended"


def deploy(stage: Stage, **fields: Any) -> Deployment:
    """Accept a run that gets one machine and waits for none."""
    usual = {"name": HOSTILE, "max_attempts": 1, "wait_for_capacity_minutes": 0}
    return stage.world.deploy(**(usual | fields))


def on_a_machine(
    stage: Stage, plan: Plan, status: Status = Status.TRAINING, **fields: Any
) -> tuple[Deployment, Machine, VirtualMachine]:
    """Return a run in that status whose agent has just begun to follow a plan."""
    now = stage.world.clock.now
    started = None if status == Status.PREPARING else now
    run, row, at_cloud = with_machine(
        stage.world,
        status,
        name=f"{installation_id()}-5eed0001-a1-n0-t1",
        active_at=now,
        login_at=now,
        agent_started_at=started,
    )
    before = stage.world.clock.in_seconds(-123)
    Deployment.objects.filter(pk=run.pk).update(
        name=HOSTILE, max_attempts=1, created_at=before, **fields
    )
    if started is not None:
        at_cloud.agent = Agent(plan, now)
    return run, row, at_cloud


def ended(stage: Stage, run: Deployment) -> Shown:
    """Live on to the end."""
    return stage.page_of(stage.world.until(run))


def refused(code: str) -> Provoke:
    """Let the cloud refuse the launch with a code of its own."""

    def provoke(stage: Stage) -> Shown:
        verdict = VERDICTS[code]
        error = verdict.error(
            f"{verdict.message} Nothing was started.", remedy=verdict.remedy, code=verdict.code
        )
        answers = virtual_cloud.REFUSALS
        stage.monkeypatch.setitem(answers, "told", lambda: Refused(error, verdict.reason))
        stage.world.cloud.fail("launch", "told")
        return ended(stage, deploy(stage))

    return provoke


def meets(kind: str, fault: str) -> Provoke:
    """Let a run meet the same fault for ever."""

    def provoke(stage: Stage) -> Shown:
        stage.always(kind, fault)
        return ended(stage, deploy(stage))

    return provoke


def told(failure: Words) -> Provoke:
    """Let a machine tell of a failure and end."""

    def provoke(stage: Stage) -> Shown:
        error = failure(stage).as_event()
        plan = Plan(exit_at=1, outcome="failed", has_adapter=False, error=error)
        return ended(stage, on_a_machine(stage, plan)[0])

    return provoke


def is_another_kind(stage: Stage) -> Shown:
    run = stage.world.until(deploy(stage), Status.BOOTING)
    stage.world.cloud.machines[0].instance_type = "gpu_8x_h100"
    return ended(stage, run)


def never_boots(stage: Stage) -> Shown:
    stage.world.cloud.boot_seconds = 10_000
    return ended(stage, deploy(stage))


def is_unhealthy(stage: Stage) -> Shown:
    stage.world.cloud.boot_seconds = 10_000
    run = stage.world.until(deploy(stage), Status.BOOTING)
    stage.world.cloud.machines[0].shown_as = InstanceStatus.UNHEALTHY
    return ended(stage, run)


def disappears(stage: Stage) -> Shown:
    run, _, at_cloud = on_a_machine(stage, Plan(exit_at=10_000))
    at_cloud.end()
    return ended(stage, run)


def falls_silent(stage: Stage) -> Shown:
    return ended(stage, on_a_machine(stage, Plan(exit_at=10_000, falls_silent=1))[0])


def prepares_too_long(stage: Stage) -> Shown:
    plan = Plan(train_from=10_000, exit_at=20_000)
    run, _, at_cloud = on_a_machine(stage, plan, Status.PREPARING)
    at_cloud.agent = Agent(plan, stage.world.clock.now)
    return ended(stage, run)


def spends_its_budget(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, Plan(exit_at=10_000), budget_limit=Decimal("0.25"))
    return ended(stage, run)


def uses_up_its_hours(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, Plan(exit_at=10_000), max_hours=Decimal("0.05"))
    return ended(stage, run)


def cannot_be_collected(stage: Stage) -> Shown:
    stage.always("download", "cut")
    stage.world.cloud.call_seconds = 60
    run, *_ = on_a_machine(stage, Plan(exit_at=1), budget_limit=Decimal("0.60"))
    return ended(stage, run)


def leaves_no_adapter(stage: Stage) -> Shown:
    return ended(stage, on_a_machine(stage, Plan(exit_at=1, has_adapter=False))[0])


ROWS = (
    Row("E_CAPACITY", PLACE, meets("offers", "sold_out"), "No machine was free"),
    Row("E_LAUNCH_UNCLEAR", PLACE, meets("launch", "failed"), "gave no clear answer"),
    Row("E_QUOTA", PLACE, refused("global/quota-exceeded"), "limit at Lambda is reached"),
    Row("E_ACCOUNT", PLACE, refused("global/account-inactive"), "account is not active"),
    Row("E_PROVIDER", PLACE, refused("global/invalid-parameters"), "found the request invalid"),
    Row("E_AUTH", PLACE, refused("global/invalid-api-key"), "refused the key"),
    Row("E_BOOT_TIMEOUT", PLACE, never_boots, "not become usable within 2 minutes"),
    Row("E_MACHINE_UNHEALTHY", PLACE, is_unhealthy, "reports the machine as unhealthy"),
    Row("E_SSH_UNREACHABLE", PLACE, meets("ssh", "unreachable"), "SSH did not answer"),
    Row("E_SSH_AUTH", PLACE, meets("ssh", "auth"), "refuses our SSH key"),
    Row("E_HOSTKEY", PLACE, meets("ssh", "hostkey"), "Nothing was sent to it"),
    Row("E_PREPARE_TIMEOUT", PLACE, prepares_too_long, "not in place within 2 minutes"),
    Row("E_MACHINE_LOST", PLACE, disappears, "disappeared from the account"),
    Row("E_WRONG_MACHINE", PLACE, is_another_kind, "The cloud started gpu_8x_h100"),
    Row("E_SILENT", PLACE, falls_silent, "gave a sign of life"),
    Row("E_BUDGET", PLACE, spends_its_budget, "The budget of 0.25 USD is used up"),
    Row("E_MAX_HOURS", PLACE, uses_up_its_hours, "its limit of 0.05 hours"),
    Row("E_COLLECT", PLACE, cannot_be_collected, "could not be brought home"),
    Row("E_NO_ADAPTER", PLACE, leaves_no_adapter, "left no usable adapter"),
    Row("E_OOM", PLACE, told(exited(EXITS["E_OOM"])), "per_device_train_batch_size from 8 to 4"),
    Row("E_NAN", PLACE, told(exited(EXITS["E_NAN"])), "learning_rate from 0.0002 to 2e-05"),
    Row("E_TRAINING", PLACE, told(exited(1, "KeyError: 'text'")), "Training ended with an error"),
    Row("E_CONFIG", PLACE, told(exited(EXITS["E_CONFIG"])), "settings cannot be used"),
    Row("E_DATA", PLACE, told(exited(EXITS["E_DATA"])), "training data cannot be used"),
    Row("E_CUDA", PLACE, told(exited(EXITS["E_CUDA"])), "GPU or its driver failed"),
    Row("E_DISK", PLACE, told(exited(EXITS["E_DISK"])), "disk is full"),
    Row("E_HF_ACCESS", PLACE, told(exited(EXITS["E_HF_ACCESS"])), "Hub refused the base model"),
    Row("E_HF_UNREACHABLE", PLACE, told(exited(EXITS["E_HF_UNREACHABLE"])), "could not be reached"),
    Row("E_KILLED", PLACE, told(exited(-9)), "198.0 of 200.0 GiB of memory used"),
    Row("E_CRASH", PLACE, told(exited(-11)), "crashed below Python"),
    Row("E_HOST_OOM", PLACE, told(exited(-9, kernel=words.OUT_OF_MEMORY)), "ran out of memory"),
    Row("E_XID", PLACE, told(exited(1, kernel=words.FALLEN_OFF)), "fallen off the bus"),
    Row("E_CUDA_KERNEL", PLACE, told(exited(EXITS["E_CUDA_KERNEL"])), "was not valid"),
    Row("E_NCCL", PLACE, told(exited(EXITS["E_NCCL"])), "lost contact with each other"),
    Row("E_STALLED", PLACE, told(words.stands_still), "Training stood still"),
    Row("E_AGENT", PLACE, told(words.agent_broke), "agent on the machine failed"),
    Row("E_NO_GPU", PLACE, told(words.no_gpu), "no usable GPU"),
    Row("E_WRONG_GPU", PLACE, told(words.wrong_gpu), "16.0 GiB of memory, not 24 GiB"),
    Row("E_DATA_CHANGED", PLACE, told(words.other_data), "not the data that was chosen"),
    Row(
        "E_INSTALL",
        PLACE,
        told(
            said(
                "E_INSTALL",
                "The Python environment could not be made in 3 tries.",
                "Start the run again, on another image if it happens twice.",
            )
        ),
        "could not be made in 3 tries",
    ),
    Row(
        "E_CHECKPOINT",
        PLACE,
        told(
            said(
                "E_CHECKPOINT",
                "checkpoint-20 was to be gone on from, and is not whole on the machine.",
                "Start the run again, or go on from another checkpoint.",
            )
        ),
        "checkpoint-20 was to be gone on from",
    ),
    Row(
        "E_MACHINE_REBOOTED",
        PLACE,
        told(
            said(
                "E_MACHINE_REBOOTED",
                "The machine was rebooted while the run was on it.",
                "Start the run again.",
            )
        ),
        "was rebooted",
    ),
    Row(
        "E_CONTROL_SILENT",
        PLACE,
        told(
            said(
                "E_CONTROL_SILENT",
                "For 60 minutes nobody looked after the run, so the machine stopped it and saved.",
                "Find out why this server or its worker was away, then start the run again.",
            )
        ),
        "nobody looked after the run",
    ),
    Row(
        "E_MACHINE_STOPPING",
        PLACE,
        told(
            said(
                "E_MACHINE_STOPPING",
                "The machine told the run to end, as it does when it is shut down.",
                "Start the run again.",
            )
        ),
        "told the run to end",
    ),
)

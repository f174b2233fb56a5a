"""What pages answer when something that was asked for is refused, or Slipway itself fails."""

from decimal import Decimal
from typing import Any

import responses
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client

from deployments import kill_switch, overview
from deployments.models import Draft, UserLimits
from secrets_vault.models import VaultEntry
from secrets_vault.services import entry_for
from tests import builders
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages import scenes
from tests.deployments.pages.every_error.stage import HOSTILE, Provoke, Row, Shown, Stage, shown
from tests.deployments.pages.wizard.market import ready_draft

NEW_SECRET = "secret_rotated_fedcba9876543210.q7R2t9XzKnewKey"
KEY = {"provider": "lambda", "secret": builders.SECRET}
MIB = 1024**2
REFUSED_KEY = "global/invalid-api-key"
MACHINE = {
    "platform": "lambda",
    "instance_type": "gpu_1x_h100_pcie",
    "region": "us-west-3",
    "hourly": "3.29",
}


# Keys.


def key_is_refused(stage: Stage) -> Shown:
    stage.cloud_says(401, REFUSED_KEY)
    return shown(stage.reader.post("/vault/add/", KEY))


def key_exists(stage: Stage) -> Shown:
    builders.make_vault_entry(stage.user)
    return shown(stage.reader.post("/vault/add/", KEY))


def own_machine_is_no_machine(stage: Stage) -> Shown:
    place = {"name": "gpu-box", "address": "169.254.169.254", "port": "22", "user": "ada"}
    return shown(stage.reader.post("/vault/machine/", place | {"hourly_price": "0"}))


def replaced(stage: Stage) -> Any:
    entry = entry_for(stage.user, "lambda") or builders.make_vault_entry(stage.user)
    return stage.reader.post(f"/vault/{entry.pk}/replace/", {"secret": NEW_SECRET})


def new_key_is_refused(stage: Stage) -> Shown:
    stage.cloud_says(401, REFUSED_KEY)
    return shown(replaced(stage))


def new_key_sees_less(stage: Stage) -> Shown:
    scenes.preparing(stage.user)
    stage.market.get(f"{BASE_URL}/instances", json={"data": []})
    return shown(replaced(stage))


def key_changed_meanwhile(stage: Stage) -> Shown:
    def another_window(request: object) -> tuple[int, dict[str, str], str]:
        VaultEntry.objects.update(fingerprint="0" * 16)
        return 200, {}, '{"data": []}'

    stage.market.add_callback(responses.GET, f"{BASE_URL}/instances", another_window)
    return shown(replaced(stage))


def replacing_meets_silence(stage: Stage) -> Shown:
    stage.cloud_says(503)
    return shown(replaced(stage))


def key_is_in_use(stage: Stage) -> Shown:
    run = scenes.preparing(stage.user, name=HOSTILE)
    return shown(stage.reader.post(f"/vault/{run.vault_entry_id}/delete/"))


def no_key_to_look_with(stage: Stage) -> Shown:
    return shown(stage.reader.post("/machines/look/"))


# The wizard.


def draft(stage: Stage, **values: Any) -> Draft:
    """Return a draft that could be started."""
    stage.market.get(f"{BASE_URL}/instances", json={"data": []})
    complete = {"machine": MACHINE, "budget_limit": "4.00", "max_hours": "2"}
    return ready_draft(stage.user, **(complete | values))


def press(stage: Stage, found: Draft) -> Shown:
    """Press Start and go where that leads."""
    version = Draft.objects.get(pk=found.pk).version
    asked = {"name": HOSTILE, "version": str(version), "hourly": "3.29"}
    return shown(stage.reader.post(f"/new/{found.pk}/review/", asked, follow=True))


def start_without_key(stage: Stage) -> Shown:
    found = draft(stage)
    VaultEntry.objects.all().delete()
    return press(stage, found)


def start_with_refused_key(stage: Stage) -> Shown:
    found = draft(stage)
    stage.cloud_says(401, REFUSED_KEY)
    return press(stage, found)


def start_while_the_cloud_is_silent(stage: Stage) -> Shown:
    found = draft(stage)
    stage.cloud_says(503)
    return press(stage, found)


def start_with_too_little(stage: Stage) -> Shown:
    return press(stage, draft(stage, budget_limit="0.20"))


def start_what_was_taken(stage: Stage) -> Shown:
    gone = MACHINE | {"instance_type": "gpu_1x_a100_sxm4", "region": "us-east-1"}
    return press(stage, draft(stage, machine=gone))


def start_what_was_started(stage: Stage) -> Shown:
    found = draft(stage)
    builders.make_config(id=found.pk)
    return press(stage, found)


def start_with_a_bad_address(stage: Stage) -> Shown:
    stage.settings.APP_URL = "http://slipway.example"
    return press(stage, draft(stage))


def start_over_the_month(stage: Stage) -> Shown:
    UserLimits.objects.create(user=stage.user, monthly_usd=Decimal("3.99"))
    return press(stage, draft(stage))


def start_over_the_day(stage: Stage) -> Shown:
    builders.make_limits(daily_usd=Decimal("3.99"))
    return press(stage, draft(stage))


def start_one_run_too_many(stage: Stage) -> Shown:
    UserLimits.objects.create(user=stage.user, max_machines=0)
    return press(stage, draft(stage))


def start_while_launches_are_blocked(stage: Stage) -> Shown:
    found = draft(stage)
    kill_switch.turn_on(actor=None, reason=HOSTILE)
    return press(stage, found)


# Data and what came home.


def upload_too_large(stage: Stage) -> Shown:
    stage.settings.DATASET_SIZE_LIMIT_BYTES = MIB
    file = SimpleUploadedFile(f"{HOSTILE}.jsonl", b"x" * (MIB + 1))
    return shown(stage.reader.post("/datasets/upload/", {"file": file}))


def body_too_large(stage: Stage) -> Shown:
    stage.settings.DATASET_SIZE_LIMIT_BYTES = MIB
    file = SimpleUploadedFile("rows.jsonl", b"x" * 2 * MIB)
    return shown(stage.reader.post("/datasets/upload/", {"file": file}))


def data_is_in_use(stage: Stage) -> Shown:
    run = scenes.preparing(stage.user, name=HOSTILE)
    return shown(stage.reader.post(f"/datasets/{run.job.dataset_id}/delete/"))


def data_is_lost(stage: Stage) -> Shown:
    data = builders.make_dataset(stage.user, name=HOSTILE)
    (stage.settings.SLIPWAY_DATA_DIR / data.normalised_path).unlink()
    return shown(stage.reader.get(f"/datasets/{data.pk}/"))


# Addresses and requests.


def not_found(stage: Stage) -> Shown:
    return shown(stage.reader.get("/nothing/"))


def too_many_fields(stage: Stage) -> Shown:
    fields = {f"field{number}": "" for number in range(2000)}
    return shown(stage.reader.post("/vault/add/", fields))


def stale_form(stage: Stage) -> Shown:
    reader = Client(enforce_csrf_checks=True)
    reader.force_login(stage.user)
    return shown(reader.post("/vault/add/", KEY))


def save_what_is_over(stage: Stage) -> Shown:
    run = scenes.failed_before_boot(stage.user, name=HOSTILE)
    return shown(stage.reader.post(f"/jobs/{run.job_id}/save/"))


def too_many_wrong_passwords(stage: Stage) -> Shown:
    tries = {"username": stage.user.username, "password": "wrong"}
    for _ in range(stage.settings.AXES_FAILURE_LIMIT):
        answer = Client().post("/login/", tries)
    return shown(answer)


def slipway_fails(stage: Stage) -> Shown:
    def unexpected(user: object) -> None:
        raise KeyError(HOSTILE)

    stage.monkeypatch.setattr(overview, "deployments_of", unexpected)
    stage.reader.raise_request_exception = False
    return shown(stage.reader.get("/"))


def database_is_away(stage: Stage) -> Shown:
    def away(*asked: object) -> None:
        raise OperationalError("database is locked")

    reader = stage.reader
    reader.raise_request_exception = False
    with connection.execute_wrapper(away):
        return shown(reader.get("/"))


def adapter_is_lost(stage: Stage) -> Shown:
    artifact = builders.make_artifact(builders.make_machine(builders.make_deployment(stage.user)))
    (stage.settings.SLIPWAY_DATA_DIR / artifact.path).unlink()
    return shown(stage.reader.get(f"/jobs/{artifact.job_id}/files/{artifact.pk}/"))


def push_failed(code: str) -> Provoke:
    """Return how to see a push that failed with this code on the Files tab."""

    def provoke(stage: Stage) -> Shown:
        run = scenes.ended(stage.user)
        error = {"code": code, "message": f"The Hub said {HOSTILE}.", "remedy": "Push again."}
        builders.make_push(run.artifacts.get(), state="failed", error=error)
        return shown(stage.reader.get(f"/jobs/{run.job_id}/files/"))

    return provoke


def resume_without_a_checkpoint(stage: Stage) -> Shown:
    run = scenes.cancelled(stage.user)
    return shown(stage.reader.get(f"/jobs/{run.job_id}/resume/"))


def resume_what_is_at_its_end(stage: Stage) -> Shown:
    stage.market.assert_call_count(f"{BASE_URL}/instance-types", 0)
    run = scenes.cancelled(stage.user)
    home = builders.make_checkpoint_at_home(run.machines.get(), step=32)
    given = {
        "checkpoint": str(home.pk),
        "num_train_epochs": "0.1",
        "machine": "lambda|gpu_1x_a10|us-east-1|1.29",
        "budget_limit": "2.00",
        "max_hours": "6",
    }
    return shown(stage.reader.post(f"/jobs/{run.job_id}/resume/", given))


FILES = "files tab"
VAULT, REPLACE, WIZARD, REVIEW = "vault", "replace key", "wizard, hardware", "wizard, review"
ERROR_PAGE = "error page"
ROWS = (
    Row("E_AUTH", VAULT, key_is_refused, "It was not saved."),
    Row("E_KEY_EXISTS", VAULT, key_exists, "You have a key for Lambda already"),
    Row("E_HOST_ADDRESS", VAULT, own_machine_is_no_machine, "which is no public address"),
    Row("E_KEY_REFUSED", REPLACE, new_key_is_refused, "The old key is still in place."),
    Row("E_KEY_SEES_LESS", REPLACE, new_key_sees_less, "does not see everything"),
    Row("E_KEY_CHANGED", REPLACE, key_changed_meanwhile, "changed or deleted meanwhile"),
    Row("E_PROVIDER_UNREACHABLE", REPLACE, replacing_meets_silence, "Lambda's API fails"),
    Row("E_KEY_IN_USE", "delete key", key_is_in_use, "still needed by 1", bills=True),
    Row("E_NO_KEY", "machines, look", no_key_to_look_with, "no account to look at"),
    Row("E_NO_KEY", WIZARD, start_without_key, "Connect a cloud to see its machines"),
    Row("E_AUTH", WIZARD, start_with_refused_key, "Lambda refused the key."),
    Row("E_PROVIDER_UNREACHABLE", WIZARD, start_while_the_cloud_is_silent, "Lambda's API fails"),
    Row("E_BUDGET", WIZARD, start_with_too_little, "Give at least"),
    Row("E_CAPACITY", WIZARD, start_what_was_taken, "was taken meanwhile"),
    Row("E_FORM_USED", REVIEW, start_what_was_started, "This form was sent before."),
    Row("E_APP_URL", REVIEW, start_with_a_bad_address, "APP_URL is not https"),
    Row("E_MONTHLY_CAP", REVIEW, start_over_the_month, "your cap of 3.99 USD for this month"),
    Row("E_DAILY_CAP", REVIEW, start_over_the_day, "this installation's cap of 3.99 USD a day"),
    Row("E_MACHINE_CAP", REVIEW, start_one_run_too_many, "You may have 0 machines at once"),
    Row("E_LAUNCHES_BLOCKED", REVIEW, start_while_launches_are_blocked, "has blocked all launches"),
    Row("E_TOO_LARGE", "upload", upload_too_large, "larger than"),
    Row("E_TOO_LARGE", ERROR_PAGE, body_too_large, "larger than"),
    Row("E_DATASET_IN_USE", "delete data", data_is_in_use, "Keep the data"),
    Row("E_DATASET_LOST", ERROR_PAGE, data_is_lost, "missing on the disk"),
    Row("E_ARTIFACT_MISSING", ERROR_PAGE, adapter_is_lost, "no longer in the data folder"),
    Row("E_HUB_TOKEN", FILES, push_failed("E_HUB_TOKEN"), "The Hub said"),
    Row("E_HUB_REFUSED", FILES, push_failed("E_HUB_REFUSED"), "The Hub said"),
    Row("E_HUB_UNREACHABLE", FILES, push_failed("E_HUB_UNREACHABLE"), "The Hub said"),
    Row("E_NO_CHECKPOINT", ERROR_PAGE, resume_without_a_checkpoint, "nothing to go on from"),
    Row("E_NOTHING_LEFT", "resume", resume_what_is_at_its_end, "Nothing is left to train"),
    Row("E_NOT_FOUND", ERROR_PAGE, not_found, "There is nothing here"),
    Row("E_INVALID", ERROR_PAGE, too_many_fields, "This request cannot be read"),
    Row("E_FORBIDDEN", ERROR_PAGE, stale_form, "This form has gone stale"),
    Row("E_CONFLICT", ERROR_PAGE, save_what_is_over, "Nothing of this run can be saved now"),
    Row("E_RATE_LIMITED", "sign in", too_many_wrong_passwords, "Too many attempts to sign in"),
    Row("E_INTERNAL", ERROR_PAGE, slipway_fails, "Slipway failed"),
    Row("E_DATABASE_AWAY", ERROR_PAGE, database_is_away, "The database is away"),
)

"""What only programs are told, in the one error body of the interface."""

from datetime import timedelta
from typing import Any

from django.test import Client

from core.api.idempotency import CUT_OFF_AFTER, HEADER
from core.confirmation import CONFIRMED_AT
from core.models import FirstAnswer
from core.time import database_now
from deployments import own_hosts
from deployments.own_hosts import Shown as HostKey
from deployments.remote import generate_key_pair
from tests import builders
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages.every_error.stage import HOSTILE, Row, Shown, Stage, shown

PLACE = "program"
CONFIGS = "/api/training/configs"
KEY_LINE = generate_key_pair("host").public_key
JSON = "application/json"


def program(stage: Stage, *, scopes: tuple[str, ...] = ("read", "deploy")) -> Client:
    """Return a program of the user's."""
    token = builders.make_token(stage.user, scopes=scopes)
    return Client(headers={"Authorization": f"Bearer {token}"})


def nobody(stage: Stage) -> Shown:
    return shown(Client().get("/api/datasets"))


def wrong_token(stage: Stage) -> Shown:
    return shown(Client(headers={"Authorization": "Bearer slw_wrong"}).get("/api/datasets"))


def too_narrow_token(stage: Stage) -> Shown:
    return shown(program(stage, scopes=("read",)).post(CONFIGS, {}, content_type=JSON))


def no_json(stage: Stage) -> Shown:
    return shown(program(stage).post(CONFIGS, "{", content_type=JSON))


def wrong_method(stage: Stage) -> Shown:
    return shown(program(stage).put("/api/datasets", {}, content_type=JSON))


def wrong_body(stage: Stage) -> Shown:
    return shown(program(stage).post(CONFIGS, "x", content_type="text/csv"))


def wrong_accept(stage: Stage) -> Shown:
    return shown(program(stage).get("/api/datasets", headers={"Accept": "text/csv"}))


def behind_the_end(stage: Stage) -> Shown:
    artifact = builders.make_artifact(builders.make_machine(builders.make_deployment(stage.user)))
    address = f"/api/artifacts/{artifact.pk}/download"
    return shown(program(stage).get(address, headers={"Range": "bytes=999-"}))


def resume_what_lives(stage: Stage) -> Shown:
    run = builders.make_deployment(stage.user)
    builders.make_checkpoint_at_home(builders.make_machine(run))
    address = f"/api/training/jobs/{run.job_id}/resume"
    return shown(program(stage).post(address, {}, content_type=JSON))


def old_address(stage: Stage) -> Shown:
    return shown(Client().get("/api/datasets/download?token=unknown"))


def password_long_ago(stage: Stage) -> Shown:
    session = stage.reader.session
    session[CONFIRMED_AT] = 0
    session.save()
    return shown(stage.reader.post("/api/tokens", {"name": "x"}, content_type=JSON))


def asked_again(stage: Stage, *, budget: str = "1.00") -> Any:
    """Ask for a config under one Idempotency-Key; return the program and its answer."""
    data = stage.user.datasets.first() or builders.make_dataset(stage.user)
    body = {
        "name": "sums",
        "base_model": "example/tiny-llama",
        "dataset_id": str(data.pk),
        "budget_limit": budget,
    }
    return program(stage).post(CONFIGS, body, content_type=JSON, headers={HEADER: "one-two-three"})


def another_request(stage: Stage) -> Shown:
    asked_again(stage)
    return shown(asked_again(stage, budget="2.00"))


def still_at_work(stage: Stage) -> Shown:
    asked_again(stage)
    FirstAnswer.objects.update(status=None)
    return shown(asked_again(stage))


def cut_off(stage: Stage) -> Shown:
    asked_again(stage)
    long_ago = database_now() - CUT_OFF_AFTER - timedelta(seconds=1)
    FirstAnswer.objects.update(status=None, created_at=long_ago)
    return shown(asked_again(stage))


def no_such_ssh_key(stage: Stage) -> Shown:
    stage.market.get(f"{BASE_URL}/ssh-keys", json={"data": []})
    builders.make_vault_entry(stage.user)
    body = {
        "training_config_id": str(builders.make_config(stage.user).pk),
        "instance_type": "gpu_1x_a10",
        "budget_limit": "5.00",
        "ssh_key_name": HOSTILE,
    }
    return shown(program(stage).post("/api/training/deploy/lambda", body, content_type=JSON))


def own_machine_unconfirmed(stage: Stage) -> Shown:
    stage.monkeypatch.setattr(own_hosts, "_shown", lambda host: HostKey(KEY_LINE))
    parts = {"name": "gpu-box", "address": "gpu-box.test", "user": "ada"}
    body = {"provider": "ssh", "parts": parts | {"private_key": generate_key_pair("x").private_key}}
    return shown(program(stage).post("/api/vault/entries", body, content_type=JSON))


ROWS = (
    Row("E_HOSTKEY_UNCONFIRMED", PLACE, own_machine_unconfirmed, "shows the SSH host key SHA256:"),
    Row("E_UNAUTHENTICATED", PLACE, nobody, "Nobody is signed in"),
    Row("E_TOKEN", PLACE, wrong_token, "token"),
    Row("E_SCOPE", PLACE, too_narrow_token, "lacks the scope deploy"),
    Row("E_PARSE", PLACE, no_json, "JSON"),
    Row("E_METHOD", PLACE, wrong_method, "not allowed"),
    Row("E_MEDIA_TYPE", PLACE, wrong_body, "Unsupported media type"),
    Row("E_NOT_ACCEPTABLE", PLACE, wrong_accept, "Accept header"),
    Row("E_RANGE", PLACE, behind_the_end, "behind its end"),
    Row("E_SSH_KEY", PLACE, no_such_ssh_key, f"No SSH key named {HOSTILE}"),
    Row("E_RUN_LIVES", PLACE, resume_what_lives, "is not over yet"),
    Row("E_DOWNLOAD_TOKEN", PLACE, old_address, "address"),
    Row("E_PASSWORD_NEEDED", PLACE, password_long_ago, "your password again"),
    Row("E_REQUEST_ID_USED", PLACE, another_request, "used for a different"),
    Row("E_REQUEST_IN_PROGRESS", PLACE, still_at_work, "first request"),
    Row("E_REQUEST_OUTCOME_UNKNOWN", PLACE, cut_off, "not known"),
)

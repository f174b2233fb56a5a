"""``POST /api/training/estimate``: of a kept config or of one that is not, on live offers."""

from typing import Any

import pytest
import responses
from django.contrib.auth.models import User

from core import tokens
from tests.builders import json_lines, make_config, make_dataset, make_user, make_vault_entry
from tests.deployments.api.calls import Caller, error_of

pytestmark = pytest.mark.django_db

MODEL = "Qwen/Qwen2.5-7B-Instruct"
ANSWER = {"role": "assistant", "content": "Yes."}


@pytest.fixture
def user() -> User:
    found = make_user()
    make_vault_entry(found)
    return found


def ask(user: User, body: object, *, scopes: tuple[str, ...] = ("read",)) -> Any:
    response = Caller(user, scopes=scopes).post("training/estimate", body)
    assert response.status_code == 200, response.content
    return response.json()


@pytest.mark.usefixtures("cloud")
def test_a_kept_config_is_estimated_on_every_offer_by_total(user: User) -> None:
    config = make_config(user, base_model=MODEL)

    answer = ask(user, {"config_id": str(config.pk)})

    totals = [float(offer["est_cost"]["low"]) for offer in answer["offers"]]
    assert len(totals) == 3
    assert totals == sorted(totals)
    h100 = next(o for o in answer["offers"] if o["instance_type"] == "gpu_1x_h100_pcie")
    assert h100["verdict"] == "fits"
    assert h100["available"] is False
    assert h100["hours"]["low"] <= h100["hours"]["high"]
    assert [phase["name"] for phase in h100["phases"]] == [
        "Boot",
        "Prepare",
        "Train",
        "Bring home",
        "End and prove",
    ]
    # 7.615 billion weights of two bytes.
    assert answer["vram_gib"]["weights"] == pytest.approx(14.18, abs=0.01)
    parts = {name: gib for name, gib in answer["vram_gib"].items() if name != "total"}
    assert answer["vram_gib"]["total"] == pytest.approx(sum(parts.values()), abs=0.05)


@pytest.mark.usefixtures("cloud")
def test_a_config_need_not_be_kept(user: User) -> None:
    config = {
        "base_model": MODEL,
        "dataset_id": str(make_dataset(user).pk),
        "hyperparameters": {"max_length": 256, "per_device_train_batch_size": 1},
        # As a config is kept, though none of these matters here.
        "name": "Sums",
        "export": {},
        "budget_limit": "2.50",
    }

    answer = ask(user, {"config": config})

    assert answer["fits"] is True
    assert answer["hours"] is not None


@pytest.mark.usefixtures("cloud")
def test_what_does_not_fit_names_its_remedies(user: User) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"{number} " * 4000}, ANSWER]}
        for number in range(10, 22)
    ]
    config = {
        "base_model": MODEL,
        "dataset_id": str(make_dataset(user, content=json_lines(rows)).pk),
        "hyperparameters": {"max_length": 2048},
    }

    answer = ask(user, {"config": config})

    a10 = next(o for o in answer["offers"] if o["instance_type"] == "gpu_1x_a10")
    assert a10["verdict"] == "does_not_fit"
    assert a10["remedies"]
    assert all(remedy["est_cost"]["low"] for remedy in a10["remedies"])


@pytest.mark.usefixtures("cloud")
def test_of_a_model_of_unknown_size_nothing_is_made_up(user: User) -> None:
    answer = ask(user, {"config_id": str(make_config(user).pk)})

    assert (answer["vram_gib"], answer["fits"], answer["hours"]) == (None, None, None)
    assert {offer["verdict"] for offer in answer["offers"]} == {"unknown"}
    assert {offer["est_cost"] for offer in answer["offers"]} == {None}


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("kind", ["config", "dataset"])
def test_i18_somebody_elses_config_and_data_are_not_there(user: User, kind: str) -> None:
    theirs = make_config(base_model=MODEL)
    body: dict[str, object] = {"config_id": str(theirs.pk)}
    if kind == "dataset":
        body = {"config": {"base_model": MODEL, "dataset_id": str(theirs.dataset_id)}}

    response = Caller(user).post("training/estimate", body)

    assert error_of(response, status=404)["code"] == "E_NOT_FOUND"


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"config_id": "x"}, "config"),
        ({"config": None}, "config"),
        ({"platform": "nowhere"}, "platform"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_by_name(
    user: User, changes: dict[str, object], param: str
) -> None:
    config = {"base_model": MODEL, "dataset_id": str(make_dataset(user).pk)}

    response = Caller(user).post("training/estimate", {"config": config} | changes)

    assert error_of(response, status=400)["param"] == param


@pytest.mark.usefixtures("cloud")
def test_a_setting_that_is_not_allowed_is_refused_by_name(user: User) -> None:
    config = {
        "base_model": MODEL,
        "dataset_id": str(make_dataset(user).pk),
        "hyperparameters": {"lora_r": 0},
    }

    response = Caller(user).post("training/estimate", {"config": config})

    assert error_of(response, status=400)["param"] == "hyperparameters.lora_r"


@pytest.mark.usefixtures("cloud")
def test_a_token_that_may_only_read_may_ask(user: User) -> None:
    assert "deploy" in tokens.SCOPES
    assert ask(user, {"config_id": str(make_config(user).pk)}, scopes=("read",))


def test_without_a_key_nobody_is_asked(cloud: responses.RequestsMock) -> None:
    user = make_user()

    response = Caller(user).post("training/estimate", {"config_id": str(make_config(user).pk)})

    assert error_of(response, status=400)["code"] == "E_NO_KEY"
    assert not cloud.calls

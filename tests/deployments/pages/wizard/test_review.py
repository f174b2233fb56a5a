"""The review: everything in one view, and what will run, file by file."""

import io
import json
import tarfile
from decimal import Decimal

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from deployments.models import Draft
from deployments.pages.wizard.offers_table import TIMES
from deployments.training.job_file import PAYLOAD_FILES
from secrets_vault.services import add_entry
from tests import builders
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.wizard.market import ready_draft
from tests.deployments.pages.wizard.reviewing import address, complete
from tests.deployments.pages.wizard.test_hardware import text


@pytest.fixture
def draft(user: User, market: responses.RequestsMock) -> Draft:
    return ready_draft(user, **complete())


def test_every_choice_is_there_with_a_link_to_change_it(reader: Client, draft: Draft) -> None:
    page = reader.get(address(draft))

    words = text(page)
    assert "Support answers, 1,600 rows" in words
    assert "1,520 to train on, 80 held out" in words
    assert "8.03 billion parameters" in words
    assert "max length 1,024, preset 2,048" in words
    assert f"1{TIMES} H100 PCIe, Lambda, Utah" in words
    assert "$4.00, at most 2 hours" in words
    assert "is kept 10 min to look" in words
    for step in ("data", "method", "model", "training", "hardware"):
        assert f"/new/{draft.pk}/{step}/" in page.content.decode()


def test_a_number_of_steps_decides_alone_and_one_hour_is_one(reader: Client, draft: Draft) -> None:
    draft.values |= {
        "hyperparameters": {**draft.values.get("hyperparameters", {}), "max_steps": 400},
        "max_hours": "1",
    }
    draft.save()

    words = text(reader.get(address(draft)))

    assert "cosine · 400 steps · batch" in words
    assert "stop after steps 400, preset none" in words
    assert "$4.00, at most 1 hour" in words
    assert "1 hours" not in words


def test_a_gated_model_says_whether_the_token_it_needs_is_there(
    reader: Client, user: User, draft: Draft
) -> None:
    before = text(reader.get(address(draft)))
    add_entry(user, provider="huggingface", secret="hf_" + "x" * 30)
    after = text(reader.get(address(draft)))

    assert "without a Hugging Face token in your vault no machine can fetch it" in before
    assert "gated: fetched with your Hugging Face token" in after


def test_the_button_carries_the_likely_total(reader: Client, draft: Draft) -> None:
    page = reader.get(address(draft))

    total = page.context["forecast"].cost_usd
    assert text(page).count(f"Start, ${total.low} to ${total.high}") == 2


def test_the_phases_add_up_to_the_total(reader: Client, draft: Draft) -> None:
    page = reader.get(address(draft))

    total = page.context["forecast"].cost_usd
    cents = [phase.cost.replace("$", "").split(" to ") for phase in page.context["phases"]]
    assert sum(Decimal(each[0]) for each in cents) == total.low
    assert sum(Decimal(each[-1]) for each in cents) == total.high
    assert sum(phase.width + 0.3 for phase in page.context["phases"]) == pytest.approx(100, abs=0.5)


def test_what_will_run_can_be_read_file_by_file(reader: Client, draft: Draft) -> None:
    page = reader.get(f"/new/{draft.pk}/files/train.py")

    (source,) = [path for name, path, _ in PAYLOAD_FILES if name == "train.py"]
    assert page.context["file"].content == source.read_bytes()
    assert reader.get(f"/new/{draft.pk}/files/absent.py").status_code == 404


def test_the_bundle_holds_every_file_and_the_job_as_it_will_be(
    reader: Client, draft: Draft
) -> None:
    response = reader.get(f"/new/{draft.pk}/bundle.tar.gz")

    with tarfile.open(fileobj=io.BytesIO(response.content)) as tar:
        names = {entry.name.partition("/")[2] for entry in tar}
        found = tar.extractfile("slipway-run/job.json")
        assert found is not None
        job = json.load(found)
    assert names == {"job.json", *(name for name, _, _ in PAYLOAD_FILES)}
    assert job["recipe"]["hyperparameters"]["max_length"] == 1024
    assert job["expected"] == {
        "gpu_count": 1,
        "vram_gib": 80,
        "architecture": "x86_64",
        "peak_tflops": 756.5,
    }
    assert job["deadline_seconds"] == 7200


def test_I17_a_package_index_is_shown_without_its_password(
    reader: Client, draft: Draft, settings: Settings
) -> None:
    settings.TORCH_INDEX_URL = "https://builder:hush-hush@wheels.example:8443/cu126"

    page = reader.get(f"/new/{draft.pk}/files/job.json").content.decode()

    assert "https://wheels.example:8443/cu126" in page
    assert "hush-hush" not in page


@pytest.mark.parametrize("path", ["review/", "files/job.json", "bundle.tar.gz"])
def test_i18_nobody_sees_another_ones_review(draft: Draft, path: str) -> None:
    other = signed_in(builders.make_user())

    assert other.get(f"/new/{draft.pk}/{path}").status_code == 404

"""Data and recipe together: refused before any spending, and measured with a file of its own."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from core.errors import ConflictError, NotFoundError, UnusableDataError
from datasets.models import Dataset
from datasets.services import delete_dataset
from deployments import base_models, job_parts, recipes, training_data, workload
from deployments.services import ConfigInput, save_config
from tests import builders
from tests.datasets.models import model_in

pytestmark = pytest.mark.django_db
REVISION = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture
def user() -> User:
    return builders.make_user()


def recipe(base_model: str = "example/x", **evaluation: Any) -> dict[str, Any]:
    return recipes.freeze(
        method="sft", base_model=base_model, hyperparameters={}, evaluation=evaluation
    )


def apart(user: User) -> Dataset:
    """Return data of its own to measure with."""
    content = builders.json_lines(builders.chat_rows(60)[45:])
    return builders.make_dataset(user, name="Apart", content=content)


class TestRefused:
    """``check``."""

    def test_F7_a_model_that_cannot_read_the_data(
        self, user: User, tmp_path: Path, settings: Settings
    ) -> None:
        settings.LOCAL_MODELS_DIR = tmp_path
        (tmp_path / "base").mkdir()
        model_in(tmp_path / "base", template=None)

        with pytest.raises(UnusableDataError) as refused:
            training_data.check(user, builders.make_dataset(user), recipe("local:base"))

        assert refused.value.param == "base_model"
        details: Any = refused.value.details
        assert details[0]["code"] == "template_missing"

    def test_evaluation_data_of_another_format(self, user: User) -> None:
        texts = builders.json_lines([{"text": f"{number}"} for number in range(12)])
        other = builders.make_dataset(user, content=texts)

        with pytest.raises(UnusableDataError) as refused:
            training_data.check(user, builders.make_dataset(user), recipe(dataset_id=str(other.pk)))

        assert refused.value.param == "eval.dataset_id"

    def test_evaluation_data_with_errors(self, user: User) -> None:
        broken = builders.make_dataset(user, content=b"{}\n")

        with pytest.raises(UnusableDataError, match="has errors"):
            training_data.check(
                user, builders.make_dataset(user), recipe(dataset_id=str(broken.pk))
            )

    def test_I18_evaluation_data_of_somebody_else(self, user: User) -> None:
        given = ConfigInput(
            name="Sums",
            base_model="example/x",
            dataset_id=str(builders.make_dataset(user).pk),
            eval={"dataset_id": str(apart(builders.make_user()).pk)},
        )

        with pytest.raises(NotFoundError) as refused:
            save_config(user, given)

        assert refused.value.param == "eval.dataset_id"

    def test_F7_a_config_whose_method_its_data_cannot_serve(self, user: User) -> None:
        given = ConfigInput(
            name="Sums",
            base_model="example/x",
            dataset_id=str(builders.make_dataset(user).pk),
            method="dpo",
        )

        with pytest.raises(UnusableDataError) as refused:
            save_config(user, given)

        assert refused.value.param == "method"

    def test_what_fits_is_fine(self, user: User) -> None:
        dataset = builders.make_dataset(user)

        training_data.check(user, dataset, recipe())
        training_data.check(user, dataset, recipe(dataset_id=str(apart(user).pk)))


@pytest.mark.parametrize("dataset_id", ["", "x", 7, f"{uuid.UUID(int=7)}0"])
def test_what_is_no_id_of_data_is_refused_by_name(dataset_id: object) -> None:
    with pytest.raises(Exception, match="dataset_id"):
        recipe(dataset_id=dataset_id)


def test_I14_data_that_a_config_measures_with_is_in_use(user: User) -> None:
    other = apart(user)
    builders.make_config(user, eval={"dataset_id": str(other.pk)})

    with pytest.raises(ConflictError):
        delete_dataset(other, actor=user)


class TestSplit:
    """What job.json says of the data."""

    def test_rows_held_out_are_named_by_number(self, user: User) -> None:
        dataset = builders.make_dataset(user)

        found = job_parts.data_of(dataset, recipe(share=0.25), evaluation=None)

        assert len(found["eval_rows"]) == 3
        assert found["eval_rows"] == sorted(set(found["eval_rows"]))

    def test_of_very_many_the_machine_finds_them_by_seed(
        self, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job_parts, "MOST_NUMBERED_ROWS", 2)
        dataset = builders.make_dataset(user)

        assert "eval_rows" not in job_parts.data_of(dataset, recipe(share=0.25), evaluation=None)

    def test_with_a_file_of_its_own_none_is_held_out(self, user: User) -> None:
        dataset, other = builders.make_dataset(user), apart(user)

        found = job_parts.data_of(dataset, recipe(dataset_id=str(other.pk)), evaluation=other)

        assert found["eval_file"] == "data/eval.jsonl"
        assert "eval_rows" not in found
        assert workload.rows_held_out(12, recipe(dataset_id=str(other.pk))) == []


class TestTokenizers:
    """``tokenizer_of``."""

    def test_that_of_a_model_of_ours(self, tmp_path: Path, settings: Settings) -> None:
        settings.LOCAL_MODELS_DIR = tmp_path
        (tmp_path / "small").mkdir()
        model_in(tmp_path / "small")

        assert training_data.tokenizer_of("local:small") is not None
        assert training_data.tokenizer_of("local:other") is None

    def test_that_of_a_model_in_the_hubs_cache(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        kept = tmp_path / "hub" / "models--example--small"
        (kept / "snapshots" / REVISION).mkdir(parents=True)
        (kept / "refs").mkdir()
        (kept / "refs" / "main").write_text(REVISION)
        model_in(kept / "snapshots" / REVISION)

        assert training_data.tokenizer_of("example/small") is not None
        assert training_data.tokenizer_of("example/other") is None

    def test_T22_a_cache_leads_nowhere_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        kept = tmp_path / "hub" / "models--example--small"
        (kept / "refs").mkdir(parents=True)
        (kept / "refs" / "main").write_text("../../..")

        assert base_models.cached_folder("example/small") is None
        assert base_models.cached_folder("../etc") is None

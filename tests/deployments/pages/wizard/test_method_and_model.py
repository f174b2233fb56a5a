"""Steps 2 and 3: how it learns and from which model, with a reason for what cannot be chosen."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from deployments import drafts
from deployments.models import Draft
from tests import builders
from tests.deployments.pages.wizard.walking import words

CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
}


@pytest.fixture
def draft(user: User) -> Draft:
    return drafts.begin(user, dataset=builders.make_dataset(user))


@pytest.fixture
def local_model() -> str:
    folder: Path = django_settings.LOCAL_MODELS_DIR / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return "local:tiny"


def kept(draft: Draft) -> object:
    draft.refresh_from_db()
    return draft.values.get("base_model")


def test_methods_that_the_data_cannot_serve_stay_visible_and_greyed_with_the_reason(
    reader: Client, draft: Draft
) -> None:
    page = reader.get(f"/new/{draft.pk}/method/").content.decode()

    assert re.search(r'id="method-sft"\s+value="sft"\s+checked', page)
    for method in ("dpo", "orpo"):
        assert re.search(rf'value="{method}"\s+disabled', page)
    assert "Your data cannot serve it. It needs rows with a prompt, a chosen and" in page


def test_preference_data_opens_the_preference_methods_and_closes_the_other(
    reader: Client, draft: Draft
) -> None:
    assert draft.dataset is not None
    draft.dataset.methods = ["dpo", "orpo"]
    draft.dataset.save()

    page = reader.get(f"/new/{draft.pk}/method/").content.decode()
    reader.post(f"/new/{draft.pk}/method/", {"method": "dpo"})

    assert re.search(r'value="sft"\s+disabled', page)
    assert not re.search(r'value="(dpo|orpo)"\s+disabled', page)
    draft.refresh_from_db()
    assert draft.values["method"] == "dpo"


def test_a_method_is_kept_and_leads_on(reader: Client, draft: Draft) -> None:
    response = reader.post(f"/new/{draft.pk}/method/", {"method": "sft"})

    draft.refresh_from_db()
    assert draft.values["method"] == "sft"
    assert response["Location"] == f"/new/{draft.pk}/model/"


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("dpo", "cannot serve the method dpo. It serves: sft."),
        ("", "is not available. Choose one of: sft, dpo, orpo."),
        ("magic", "is not available. Choose one of: sft, dpo, orpo."),
    ],
)
def test_a_method_that_cannot_be_trained_is_refused_as_the_api_does(
    reader: Client, draft: Draft, method: str, told: str
) -> None:
    response = reader.post(f"/new/{draft.pk}/method/", {"method": method})

    assert response.status_code == 200
    assert told in response.content.decode()
    draft.refresh_from_db()
    assert "method" not in draft.values


def test_curated_models_say_size_licence_context_and_where_they_fit(
    reader: Client, draft: Draft
) -> None:
    page = words(reader.get(f"/new/{draft.pk}/model/").content.decode())

    assert "Llama 3.1 8B Instruct meta-llama/Llama-3.1-8B-Instruct 8.0 billion" in page
    assert "Llama 3.1 licence gated: needs your Hugging Face token 131,072" in page
    assert "A10, 24 GB and up" in page
    assert "no single card" in page


def test_a_folder_of_this_server_is_read_and_can_be_taken(
    reader: Client, draft: Draft, local_model: str
) -> None:
    page = words(reader.get(f"/new/{draft.pk}/model/").content.decode())

    assert "tiny (local) a folder of this server 0 million as its folder says 512" in page
    reader.post(f"/new/{draft.pk}/model/", {"base_model": local_model, "hub_model": ""})
    assert kept(draft) == local_model


def test_a_free_name_is_kept_and_looked_at_as_far_as_one_can(reader: Client, draft: Draft) -> None:
    given = {"base_model": "hub", "hub_model": " example/tiny-llama ", "go": "stay"}

    response = reader.post(f"/new/{draft.pk}/model/", given, follow=True)

    page = response.content.decode()
    assert kept(draft) == "example/tiny-llama"
    assert 'value="example/tiny-llama"' in page
    assert "The name is well formed." in page
    assert re.search(r'id="model-free"\s+value="hub"\s+checked', page)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "Choose a model."),
        ({"base_model": "hub", "hub_model": ""}, "Name the model as on the Hub: owner/name."),
        ({"base_model": "hub", "hub_model": "not a model!"}, "is not a model id."),
        ({"base_model": "local:nothing"}, "There is no local model named nothing."),
        ({"base_model": "local:../etc"}, "There is no local model named ../etc."),
    ],
)
def test_a_model_that_cannot_be_is_told_and_what_was_typed_stays(
    reader: Client, draft: Draft, given: dict[str, str], told: str
) -> None:
    response = reader.post(f"/new/{draft.pk}/model/", given)

    page = response.content.decode()
    assert response.status_code == 200
    assert told in page
    assert given.get("hub_model", "") in page
    assert kept(draft) is None


def test_going_back_is_never_held_up_by_an_error(reader: Client, draft: Draft) -> None:
    response = reader.post(f"/new/{draft.pk}/model/", {"go": "back"})

    assert response["Location"] == f"/new/{draft.pk}/method/"
    assert kept(draft) is None


def test_going_back_keeps_what_was_chosen(reader: Client, draft: Draft) -> None:
    reader.post(
        f"/new/{draft.pk}/model/",
        {"base_model": "hub", "hub_model": "example/tiny-llama", "go": "back"},
    )

    assert kept(draft) == "example/tiny-llama"

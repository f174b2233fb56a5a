"""Step 4: presets, every setting with its limits, what changed, what is trained on."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deployments import drafts, recipes
from deployments.models import Draft
from deployments.pages.wizard.settings_words import ADVANCED, SIMPLE
from tests import builders
from tests.deployments.pages.wizard.walking import settings_of, words


@pytest.fixture
def draft(user: User) -> Draft:
    content = builders.json_lines(builders.chat_rows(100))
    draft = drafts.begin(user, dataset=builders.make_dataset(user, content=content))
    return drafts.change(draft, {"eval": {"share": 0.05}})


def url(draft: Draft) -> str:
    return f"/new/{draft.pk}/training/"


def changed(draft: Draft) -> object:
    draft.refresh_from_db()
    return draft.values.get("hyperparameters")


def test_every_setting_of_a_recipe_has_its_words() -> None:
    assert {words.name for words in (*SIMPLE, *ADVANCED)} == set(recipes.HYPERPARAMETERS)


@pytest.mark.parametrize("method", recipes.METHODS)
def test_every_preset_is_a_recipe_that_can_be_trained(method: str) -> None:
    for values in recipes.presets(method).values():
        recipes.check_settings(values, method=method)
        assert values["lora_alpha"] == 2 * int(str(values["lora_r"]))


def test_the_balanced_preset_stands_first_chosen_and_nothing_counts_as_changed(
    reader: Client, draft: Draft
) -> None:
    page = words(reader.get(url(draft)).content.decode())

    assert "rank 16, alpha 32 · 3 epochs · learning rate 2e-4 · 2,048 tokens" in page
    assert "changed" not in page.replace("Everything can be changed", "")
    assert "2 rows at once × 8 batches = 16 rows a step." in page  # noqa: RUF001
    assert "95 rows, 3 epochs: 18 steps." in page


@pytest.mark.parametrize(
    ("preset", "rank", "alpha"), [("light", 8, 16), ("balanced", 16, 32), ("thorough", 64, 128)]
)
def test_pressing_a_preset_takes_all_its_values(
    reader: Client, draft: Draft, preset: str, rank: int, alpha: int
) -> None:
    reader.post(url(draft), settings_of(lora_r="99") | {"preset": preset})

    draft.refresh_from_db()
    settings = drafts.settings_of(draft)
    assert draft.values["preset"] == preset
    assert (settings["lora_r"], settings["lora_alpha"]) == (rank, alpha)


def test_untouched_settings_are_kept_as_the_preset_alone(reader: Client, draft: Draft) -> None:
    response = reader.post(url(draft), settings_of())

    assert response["Location"] == f"/new/{draft.pk}/hardware/"
    assert changed(draft) == {}
    assert draft.values["preset"] == "balanced"
    assert drafts.gaps(draft)["training"] == ()
    assert draft.values["eval"] == {"share": 0.05, "steps": None, "samples": 3}


def test_what_differs_from_the_preset_is_kept_marked_and_can_be_reset(
    reader: Client, draft: Draft
) -> None:
    given = settings_of(max_length="1024", gradient_checkpointing=None, eval_steps="7")
    reader.post(url(draft), given | {"go": "stay"})
    page = words(reader.get(url(draft)).content.decode())

    assert changed(draft) == {"max_length": 1024, "gradient_checkpointing": False}
    assert draft.values["eval"]["steps"] == 7
    assert "changed Reset Max length, in tokens to 2048" in page
    assert "changed Reset Gradient checkpointing to ticked" in page
    assert "22 more settings, 2 changed" in page

    reader.post(url(draft), given | {"reset": "max_length"})
    assert changed(draft) == {"gradient_checkpointing": False}
    reader.post(
        url(draft), settings_of(gradient_checkpointing=None) | {"reset": "gradient_checkpointing"}
    )
    assert changed(draft) == {}


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"learning_rate": "2"}, "learning_rate", "Give a number from 1e-08 to 1"),
        ({"learning_rate": "fast"}, "learning_rate", "Enter a number."),
        ({"lora_r": "0"}, "lora_r", "Give a whole number from 1 to 512; the default is 8."),
        ({"lora_r": ""}, "lora_r", "This field is required."),
        ({"lora_r": "8.5"}, "lora_r", "Enter a whole number."),
        ({"max_length": "15"}, "max_length", "Give a whole number from 16 to 131072"),
        ({"num_train_epochs": "nan"}, "num_train_epochs", "Enter a number."),
        ({"target_modules": "q proj"}, "target_modules", "or a list of module names"),
        ({"lr_scheduler_type": "magic"}, "lr_scheduler_type", "Select a valid choice"),
        ({"eval_steps": "0"}, "eval_steps", "Give a whole number from 1 to 10000000 or null"),
    ],
)
def test_a_wrong_setting_is_told_beside_its_field_with_what_would_pass(
    reader: Client, draft: Draft, given: dict[str, str], field: str, told: str
) -> None:
    response = reader.post(url(draft), settings_of(**given, seed="4711"))

    page = response.content.decode()
    error = re.search(rf'id="id_{field}_error"[^>]*>(.*?)</span>', page, re.DOTALL)
    assert response.status_code == 200
    assert error is not None
    assert told in error[1]
    assert 'value="4711"' in page
    assert "1 field below cannot be used as it is." in words(page)
    assert changed(draft) is None


def test_an_error_in_a_folded_setting_opens_the_fold(reader: Client, draft: Draft) -> None:
    page = reader.post(url(draft), settings_of(lora_r="0")).content.decode()

    assert re.search(r'<details class="more setting-more"\s+open', page)


def test_settings_that_contradict_one_another_are_told_beside_the_field(
    reader: Client, draft: Draft
) -> None:
    response = reader.post(url(draft), settings_of(early_stopping_patience="3"))

    page = response.content.decode()
    error = re.search(r'id="id_load_best_model_at_end_error"[^>]*>(.*?)</span>', page, re.DOTALL)
    assert error is not None
    assert "leave early_stopping_patience out" in error[1]
    assert changed(draft) is None


def test_preference_methods_have_their_own_fields_and_usual_values(
    reader: Client, draft: Draft
) -> None:
    drafts.change(draft, {"method": "dpo", "hyperparameters": {"packing": True}})

    page = reader.get(url(draft)).content.decode()

    assert 'name="beta" value="0.1"' in page
    assert 'name="packing"' not in page
    assert 'name="learning_rate" value="2e-5"' in page
    assert "5e-6 to 5e-5" in page
    assert "1 row at once × 16 batches = 16 rows a step." in words(page)  # noqa: RUF001


def test_layers_can_be_named(reader: Client, draft: Draft) -> None:
    reader.post(url(draft), settings_of(target_modules="q_proj, v_proj"))

    assert changed(draft) == {"target_modules": ["q_proj", "v_proj"]}
    assert 'value="q_proj, v_proj"' in reader.get(url(draft)).content.decode()


def test_the_answers_of_a_real_row_are_marked_as_trained_on(reader: Client, draft: Draft) -> None:
    page = words(reader.get(f"{url(draft)}?row=2").content.decode())

    assert "User , only read What is 2 plus 2?" in page
    assert "Assistant , trained on It is 4." in page


def test_without_the_answers_alone_everything_is_trained_on(reader: Client, draft: Draft) -> None:
    drafts.change(draft, {"hyperparameters": {"assistant_only_loss": False}})

    assert "only read What" not in words(reader.get(url(draft)).content.decode())


def test_what_lies_beyond_the_max_length_is_shown_as_cut_off(reader: Client, user: User) -> None:
    rows = builders.chat_rows()
    rows[0]["messages"][1]["content"] = "begin " + "word " * 100 + "the end"
    data = builders.make_dataset(user, content=builders.json_lines(rows))
    draft = drafts.begin(user, dataset=data, values={"hyperparameters": {"max_length": 64}})

    page = words(reader.get(url(draft)).content.decode())

    assert "Assistant , trained on begin" in page
    assert re.search(r"Assistant , cut off .* the end", page)
    assert "cut off, about 76 tokens" in page
    assert "At 64 tokens about 1 row of 12 is cut." in page


def test_a_models_own_limit_is_told(reader: Client, draft: Draft) -> None:
    given = {"base_model": "google/gemma-2-9b-it", "hyperparameters": {"max_length": 20_000}}
    drafts.change(draft, given)

    page = words(reader.get(url(draft)).content.decode())

    assert "The model reads at most 8,192 tokens, so no row is cut." in page


def test_two_tabs_on_different_steps_keep_both_choices(reader: Client, draft: Draft) -> None:
    reader.get(url(draft))
    reader.post(f"/new/{draft.pk}/model/", {"base_model": "Qwen/Qwen3-8B"})
    reader.post(url(draft), settings_of(lora_r="32"))

    draft.refresh_from_db()
    assert draft.values["base_model"] == "Qwen/Qwen3-8B"
    assert changed(draft) == {"lora_r": 32}


def test_refreshing_shows_what_was_saved(reader: Client, draft: Draft) -> None:
    reader.post(url(draft), settings_of(num_train_epochs="2") | {"go": "back"})

    assert re.search(r'name="num_train_epochs" value="2"', reader.get(url(draft)).content.decode())


def test_a_merged_model_can_be_asked_for(reader: Client, draft: Draft) -> None:
    reader.post(url(draft), settings_of() | {"merged": "on"})

    draft.refresh_from_db()
    assert drafts.recipe(draft)["export"] == {"merged": True}
    assert changed(draft) == {}
    page = reader.get(url(draft)).content.decode()
    assert re.search(r'name="merged"[^>]* checked', page)

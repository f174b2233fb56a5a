"""Step 1: data is chosen, looked at and split, and nothing goes on that cannot be trained on."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from datasets.models import Dataset
from deployments import drafts
from deployments.models import Draft
from tests import builders
from tests.datasets.models import model_in
from tests.deployments.pages.wizard.walking import words

DUPLICATES = builders.json_lines([*builders.chat_rows(40), *builders.chat_rows(3)])


def url(draft: Draft, rest: str = "") -> str:
    return f"/new/{draft.pk}/data/{rest}"


def draft_with(user: User, content: bytes | None = None) -> Draft:
    return drafts.begin(user, dataset=builders.make_dataset(user, name="Sums", content=content))


def file(content: bytes, name: str = "sums.jsonl") -> io.BytesIO:
    found = io.BytesIO(content)
    found.name = name
    return found


def test_without_data_the_step_offers_a_file_the_sample_and_what_there_is(
    reader: Client, user: User
) -> None:
    builders.make_dataset(user, name="Earlier")

    page = words(reader.get(url(drafts.begin(user))).content.decode())

    assert "Drop a file here, or choose one" in page
    assert "Take the sample, 300 rows" in page
    assert "Earlier" in page
    assert "Choose data to go on." in page
    assert "Next: method" not in page


def test_an_uploaded_file_becomes_the_drafts_data(reader: Client, user: User) -> None:
    draft = drafts.begin(user)
    content = builders.json_lines(builders.chat_rows(40))

    response = reader.post(url(draft, "upload/"), {"file": file(content)}, follow=True)

    page = words(response.content.decode())
    draft.refresh_from_db()
    assert draft.dataset == Dataset.objects.get(user=user)
    assert "No findings in 40 rows." in page
    assert "Chat ·" in page
    assert "3 rows, as the model will see them" in page


def test_t18_a_body_too_large_is_not_even_read(
    reader: Client, user: User, settings: Settings
) -> None:
    settings.DATASET_SIZE_LIMIT_BYTES = 10
    big = file(b"x" * 100_000)

    response = reader.post(url(drafts.begin(user), "upload/"), {"file": big})

    assert response.status_code == 413
    assert not Dataset.objects.exists()


def test_an_upload_without_a_file_says_so_and_keeps_the_draft(reader: Client, user: User) -> None:
    draft = drafts.begin(user)

    page = reader.post(url(draft, "upload/"), {"name": "Kept name"}).content.decode()

    assert "Choose a file." in page
    assert 'value="Kept name"' in page


def test_taking_the_sample_twice_keeps_it_once(reader: Client, user: User) -> None:
    first, second = drafts.begin(user), drafts.begin(user, values={"method": "sft"})

    reader.post(url(first, "sample/"))
    reader.post(url(second, "sample/"))

    sample = Dataset.objects.get(user=user)
    assert {d.dataset for d in Draft.objects.all()} == {sample}
    assert sample.rows == 300
    assert sample.findings == []


def test_the_preference_sample_serves_dpo_and_orpo(reader: Client, user: User) -> None:
    draft = drafts.begin(user)

    answer = reader.post(url(draft, "sample/"), {"sample": "preference"}, follow=True)

    page = answer.content.decode()

    sample = Dataset.objects.get(user=user)
    assert (sample.format, sample.rows, sample.findings) == ("preference", 300, [])
    assert "DPO, ORPO" in page
    for part in ("Prompt", "Chosen", "Rejected"):
        assert part in page


def test_earlier_data_can_be_taken_and_warnings_must_be_seen_again(
    reader: Client, user: User
) -> None:
    draft = draft_with(user)
    drafts.change(draft, {"warnings_seen": ["duplicate_rows"]})
    other = builders.make_dataset(user, content=DUPLICATES)

    reader.post(url(draft), {"dataset": str(other.pk)})

    draft.refresh_from_db()
    assert draft.dataset == other
    assert draft.values["warnings_seen"] == []


@pytest.mark.parametrize("verb", ["dataset", "nonsense"])
def test_t2_somebody_elses_data_cannot_be_taken(reader: Client, user: User, verb: str) -> None:
    draft = drafts.begin(user)
    theirs = builders.make_dataset()
    pk = str(theirs.pk) if verb == "dataset" else "nonsense"

    assert reader.post(url(draft), {"dataset": pk}).status_code == 404
    draft.refresh_from_db()
    assert draft.dataset is None


def test_the_figures_say_what_is_in_the_file_and_mark_the_estimate(
    reader: Client, user: User
) -> None:
    page = words(reader.get(url(draft_with(user))).content.decode())

    assert "Tokens, estimated" in page
    assert re.search(r"Answers, trained on \d+ % of tokens", page)
    assert "Median row" in page
    assert "Can serve SFT" in page


def test_lengths_are_drawn_with_the_max_length_and_told_in_words(
    reader: Client, user: User
) -> None:
    rows: list[dict[str, Any]] = builders.chat_rows(40)
    rows[5]["messages"][1]["content"] = "word " * 4000
    draft = draft_with(user, builders.json_lines(rows))

    page = reader.get(url(draft)).content.decode()

    assert "the longest 5," in page
    assert "max length 2,048" in page
    assert "about 1\N{NO-BREAK SPACE}row beyond" in page
    assert "over_max_length" in page
    assert "A max length of 8,192 in step 4 keeps them." in page


def test_a_file_from_before_lengths_were_kept_is_measured_at_the_first_look(
    reader: Client, user: User
) -> None:
    draft = draft_with(user)
    Dataset.objects.update(row_lengths=None)

    page = words(reader.get(url(draft)).content.decode())

    assert "Median row" in page
    assert Dataset.objects.get().row_lengths is not None


def test_a_large_file_from_before_says_that_it_was_not_measured(reader: Client, user: User) -> None:
    draft = draft_with(user)
    Dataset.objects.update(row_lengths=None, normalised_size_bytes=10**9)

    assert "Not measured" in words(reader.get(url(draft)).content.decode())


def test_errors_block_the_next_step(reader: Client, user: User) -> None:
    draft = draft_with(user, b'{"messages": []}\n' + builders.json_lines(builders.chat_rows()))

    page = words(reader.get(url(draft)).content.decode())
    response = reader.post(url(draft), {"share": "0.05"})

    assert "1 error" in page
    assert "Rows not usable" in page
    assert "Errors must be mended before the next step." in page
    assert response.status_code == 200
    assert drafts.gaps(draft)["data"]


def test_warnings_want_one_tick_that_is_remembered(reader: Client, user: User) -> None:
    draft = draft_with(user, DUPLICATES)

    refused = reader.post(url(draft), {"share": "0.1"})
    draft.refresh_from_db()
    before = dict(draft.values)
    response = reader.post(url(draft), {"share": "0.1", "seen": "on"})
    page = reader.get(url(draft)).content.decode()

    assert "Tick this to go on, or choose other data." in refused.content.decode()
    assert before == {}
    assert response["Location"] == f"/new/{draft.pk}/method/"
    assert re.search(r'name="seen"[^>]*checked', page)
    draft.refresh_from_db()
    assert drafts.gaps(draft)["data"] == ()


def test_repeated_rows_are_removed_at_one_press_and_the_upload_stays(
    reader: Client, user: User
) -> None:
    draft = draft_with(user, DUPLICATES)
    before = draft.dataset
    offered = words(reader.get(url(draft)).content.decode())

    page = words(reader.post(url(draft, "repeats/"), follow=True).content.decode())

    draft.refresh_from_db()
    assert "Remove 3 rows" in offered
    assert "3 rows removed. Sums itself stays as it is." in page
    assert "No findings in 40 rows." in page
    assert draft.dataset != before
    assert before is not None
    before.refresh_from_db()
    assert (before.rows, before.deleted_at) == (43, None)


def test_findings_can_be_filtered_by_kind(reader: Client, user: User) -> None:
    draft = draft_with(user, b"\xef\xbb\xbf" + DUPLICATES)

    warnings = reader.get(url(draft, "?show=warning")).content.decode()
    notes = reader.get(url(draft, "?show=info")).content.decode()

    assert "duplicate_rows" in warnings
    assert ">bom<" not in warnings
    assert ">bom<" in notes
    assert "duplicate_rows" not in notes


@pytest.mark.parametrize(("share", "kept"), [("0.05", 0.05), ("0.1", 0.1), ("0", 0.0)])
def test_the_rows_held_out_are_chosen_and_kept(
    reader: Client, user: User, share: str, kept: float
) -> None:
    draft = draft_with(user)

    reader.post(url(draft), {"share": share})

    draft.refresh_from_db()
    assert draft.values["eval"] == {"share": kept, "dataset_id": None}
    page = reader.get(url(draft)).content.decode()
    assert re.search(rf'value="{re.escape(str(kept if kept else 0))}"\s+checked', page)


@pytest.mark.parametrize("share", ["0.9", "-1", "much"])
def test_a_share_that_nobody_offered_is_not_kept(reader: Client, user: User, share: str) -> None:
    draft = draft_with(user)

    assert reader.post(url(draft), {"share": share}).status_code == 200
    draft.refresh_from_db()
    assert draft.values == {}


def test_data_deleted_meanwhile_is_told_at_every_later_step(reader: Client, user: User) -> None:
    draft = draft_with(user)
    Dataset.objects.update(deleted_at=builders.NOON)

    page = words(reader.get(f"/new/{draft.pk}/training/").content.decode())

    assert "The data was deleted." in page
    assert "Choose data to go on." in words(reader.get(url(draft)).content.decode())


class TestAnotherFile:
    """Measuring with data of its own instead of rows held out."""

    @pytest.fixture
    def other(self, user: User) -> Dataset:
        content = builders.json_lines(builders.chat_rows(60)[45:])
        return builders.make_dataset(user, name="Kept apart", content=content)

    def test_it_is_offered_where_there_is_one_of_the_same_format(
        self, reader: Client, user: User, other: Dataset
    ) -> None:
        page = reader.get(url(draft_with(user))).content.decode()

        assert "Another file" in page
        assert f'<option value="{other.pk}"' in page

    def test_without_one_it_is_not(self, reader: Client, user: User) -> None:
        builders.make_dataset(
            user, content=builders.json_lines([{"text": f"{n}"} for n in range(12)])
        )

        assert "Another file" not in reader.get(url(draft_with(user))).content.decode()

    def test_it_is_kept_and_no_row_is_held_out(
        self, reader: Client, user: User, other: Dataset
    ) -> None:
        draft = draft_with(user)

        reader.post(url(draft), {"share": "file", "evaluation": str(other.pk)})

        draft.refresh_from_db()
        assert draft.values["eval"] == {"dataset_id": str(other.pk)}
        assert drafts.gaps(draft)["data"] == ()
        assert words(reader.get(url(draft)).content.decode()).count("held out") <= 1

    @pytest.mark.parametrize("given", ["", "not an id"])
    def test_a_file_must_be_named(
        self, reader: Client, user: User, other: Dataset, given: str
    ) -> None:
        draft = draft_with(user)

        page = reader.post(url(draft), {"share": "file", "evaluation": given}).content.decode()

        assert "Choose the file to measure with." in page
        draft.refresh_from_db()
        assert "eval" not in draft.values

    def test_rows_in_both_are_warned_of(self, reader: Client, user: User) -> None:
        draft = draft_with(user)
        same = builders.make_dataset(user, name="The same")

        draft = drafts.change(draft, {"eval": {"dataset_id": str(same.pk)}})

        page = reader.get(url(draft)).content.decode()
        assert "overlap_train_eval" in page
        assert "I have seen the warnings" in page


class TestTheModelsOwnCount:
    """With a model at hand whose tokeniser we have, tokens are counted by it."""

    def test_they_are_exact_once_a_model_is_chosen(
        self, reader: Client, user: User, tmp_path: Path, settings: Settings
    ) -> None:
        settings.LOCAL_MODELS_DIR = tmp_path
        (tmp_path / "small").mkdir()
        model_in(tmp_path / "small")
        draft = draft_with(user)
        before = reader.get(url(draft)).content.decode()

        draft = drafts.change(draft, {"base_model": "local:small"})

        page = reader.get(url(draft)).content.decode()
        assert "Tokens, estimated" in before
        assert "Tokens, estimated" not in page

    def test_a_model_without_chat_template_is_a_gap_of_its_step(
        self, user: User, tmp_path: Path, settings: Settings
    ) -> None:
        settings.LOCAL_MODELS_DIR = tmp_path
        (tmp_path / "base").mkdir()
        model_in(tmp_path / "base", template=None)

        draft = drafts.change(draft_with(user), {"base_model": "local:base"})

        (gap,) = drafts.gaps(draft)["model"]
        assert "no chat template" in gap.message

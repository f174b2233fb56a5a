"""The pages of training data: upload, findings, three rows as the model sees them, deletion."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings

from datasets import checking
from datasets.models import Dataset
from deployments import drafts
from deployments.models import TrainingConfig
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken

GOOD = builders.json_lines(builders.chat_rows())


def upload(reader: Client, content: bytes, **fields: str) -> str:
    """Upload a file and return the page that follows."""
    file = SimpleUploadedFile("sums.jsonl", content)
    response = reader.post("/datasets/upload/", {"file": file, **fields}, follow=True)
    return spoken(response.content.decode())


def mine(user: User) -> list[Dataset]:
    return list(Dataset.objects.active().filter(user=user))


def test_good_data_is_ready_and_shown_as_the_model_will_see_it(user: User, reader: Client) -> None:
    page = upload(reader, GOOD)

    (dataset,) = mine(user)
    assert dataset.is_ready
    assert dataset.name == "sums.jsonl"
    assert "No findings in 12 rows." in page
    assert "3 rows, as the model will see them" in page
    assert "What is 1 plus 1?" in page
    assert page.count('class="learnt"') == 3
    assert f"/new/?dataset={dataset.pk}" in page


def test_data_with_errors_is_kept_and_each_kind_of_error_says_what_to_do(
    user: User, reader: Client
) -> None:
    page = upload(reader, b"not json\n" + GOOD + builders.json_lines(builders.chat_rows(2)))

    assert "Has errors" in page
    assert "1 error · 2 warnings in 1 kind" in page
    assert "invalid_json" in page
    assert "duplicate_rows" in page
    assert page.index("invalid_json") < page.index("duplicate_rows")
    assert "14, 15" in page
    assert "Train on this" not in page


def test_findings_can_be_taken_as_csv(user: User, reader: Client) -> None:
    dataset = builders.make_dataset(user, content=b"not json\n", name="Bad file")

    response = reader.get(f"/datasets/{dataset.pk}/findings.csv")

    assert response["Content-Disposition"] == 'attachment; filename="bad-file-findings.csv"'
    assert response.content.decode().startswith("line,severity,code")


def test_rows_with_other_columns_are_taken_by_naming_them(user: User, reader: Client) -> None:
    rows = [{"question": f"{n}?", "answer": f"{n}."} for n in range(12)]

    page = upload(reader, builders.json_lines(rows), prompt="question", completion="answer")

    assert "Prompt and completion" in page
    assert "Completion" in page
    assert mine(user)[0].mapping == {"prompt": "question", "completion": "answer"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"prompt": "question"}, "Name this column too"),
        ({"prompt": "a", "completion": "a"}, "The mapping does not say which column"),
        ({"name": "x" * 201}, "at most 200 characters"),
    ],
)
def test_what_is_wrong_with_the_form_is_told_and_what_was_typed_stays(
    user: User, reader: Client, fields: dict[str, str], told: str
) -> None:
    page = upload(reader, GOOD, **fields)

    assert told in page
    assert next(iter(fields.values())) in page
    assert mine(user) == []


def test_no_file_at_all_is_told_beside_the_field(reader: Client) -> None:
    response = reader.post("/datasets/upload/", {})

    assert response.status_code == 200
    assert "Choose a file." in response.content.decode()


def test_an_empty_file_is_told_beside_the_field(reader: Client) -> None:
    assert "The file is empty." in upload(reader, b"")


def test_t18_a_body_that_is_too_large_is_refused_before_it_is_read(
    user: User, reader: Client, settings: Settings
) -> None:
    settings.DATASET_SIZE_LIMIT_BYTES = 10_000

    page = upload(reader, b"x" * 90_000)

    assert "The file is larger than 10 kB." in page
    assert mine(user) == []


def test_a_file_that_is_too_large_while_it_is_read_is_told_beside_the_field(
    user: User, reader: Client, settings: Settings
) -> None:
    settings.DATASET_SIZE_LIMIT_BYTES = 100

    page = upload(reader, GOOD)

    assert "field-error" in page
    assert mine(user) == []


def test_uploading_needs_the_forms_own_token(user: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    response = browser.post("/datasets/upload/", {"file": SimpleUploadedFile("sums.jsonl", GOOD)})

    assert response.status_code == 403
    assert mine(user) == []


def test_the_sample_is_a_press_away(user: User, reader: Client) -> None:
    page = spoken(reader.post("/datasets/sample/", follow=True).content.decode())

    (dataset,) = mine(user)
    assert (dataset.rows, dataset.is_ready) == (300, True)
    assert "Sample: sums and units" in page


def test_datasets_are_listed_with_their_state(user: User, reader: Client) -> None:
    builders.make_dataset(user, name="Good one")
    builders.make_dataset(user, name="Bad one", content=b"not json\n")

    page = reader.get("/datasets/").content.decode()

    assert "Good one" in page
    assert "Ready" in page
    assert "Bad one" in page
    assert "Has errors" in page


def test_deleting_says_first_what_is_lost_and_what_is_kept(user: User, reader: Client) -> None:
    dataset = builders.make_dataset(user)

    page = spoken(reader.get(f"/datasets/{dataset.pk}/delete/").content.decode())

    assert "Lost:" in page
    assert "its 12 rows" in page
    assert mine(user) == [dataset]


def test_data_that_nothing_needs_is_deleted(user: User, reader: Client) -> None:
    dataset = builders.make_dataset(user)

    page = reader.post(f"/datasets/{dataset.pk}/delete/", follow=True).content.decode()

    assert "sums is deleted." in page
    assert mine(user) == []


def test_f7_data_in_use_is_kept_and_what_needs_it_is_named(user: User, reader: Client) -> None:
    deployment = scenes.preparing(user)
    dataset = deployment.job.dataset

    response = reader.post(f"/datasets/{dataset.pk}/delete/")

    page = response.content.decode()
    assert response.status_code == 409
    assert "Support answers is still in use." in page
    assert "The run Support answers v3, which is alive" in page
    assert "Forget these settings" in page
    assert mine(user) == [dataset]


def test_kept_settings_can_be_forgotten_so_that_their_data_can_go(
    user: User, reader: Client
) -> None:
    config = builders.make_config(user)

    response = reader.post(f"/settings/{config.pk}/forget/")
    reader.post(response["Location"])

    assert not TrainingConfig.objects.exists()
    assert mine(user) == []


@pytest.mark.parametrize(
    ("method", "more"),
    [("get", ""), ("get", "findings.csv"), ("get", "delete/"), ("post", "delete/")],
)
def test_t2_somebody_elses_data_is_not_found(user: User, method: str, more: str) -> None:
    dataset = builders.make_dataset(user)
    stranger = signed_in(builders.make_user())

    response = getattr(stranger, method)(f"/datasets/{dataset.pk}/{more}")

    assert response.status_code == 404
    assert mine(user) == [dataset]


def test_t2_somebody_elses_settings_are_not_forgotten(user: User) -> None:
    config = builders.make_config(user)

    response = signed_in(builders.make_user()).post(f"/settings/{config.pk}/forget/")

    assert response.status_code == 404
    assert TrainingConfig.objects.filter(pk=config.pk).exists()


def test_t13_uploaded_text_is_shown_as_text(user: User, reader: Client) -> None:
    hostile = "<script>alert(1)</script>"
    rows = builders.chat_rows()
    rows[0]["messages"][0]["content"] = hostile

    page = upload(reader, hostile.encode() + b"\n" + builders.json_lines(rows), name=hostile)

    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


class TestLargeFiles:
    """What the pages show while a worker checks a file."""

    @pytest.fixture
    def large(self, user: User, monkeypatch: pytest.MonkeyPatch) -> Dataset:
        monkeypatch.setattr(checking, "CHECKED_AT_ONCE_BYTES", 10)
        dataset = builders.make_dataset(user, name="Large")
        Dataset.objects.filter(pk=dataset.pk).update(checked_bytes=dataset.size_bytes // 4)
        return dataset

    def test_the_page_says_how_far_it_is_and_looks_again(
        self, large: Dataset, reader: Client
    ) -> None:
        page = reader.get(f"/datasets/{large.pk}/").content.decode()

        assert "The file is being checked" in page
        assert re.search(r'value="2[45]\.\d"', page)
        assert 'hx-trigger="every 2s"' in page
        assert "Has errors" not in page

    def test_nothing_can_be_trained_on_it_yet(self, large: Dataset, reader: Client) -> None:
        page = reader.get(f"/new/?dataset={large.pk}", follow=True).content.decode()

        assert "The next step opens when the file is checked." in page
        assert "Errors must be mended" not in page


class TestColumns:
    """Naming the columns of a file that no form fits."""

    ROWS = builders.json_lines(
        [{"id": n, "question": f"{n}?", "answer": f"{n}."} for n in range(12)]
    )

    def test_they_are_offered_with_a_guess(self, user: User, reader: Client) -> None:
        dataset = builders.make_dataset(user, content=self.ROWS)

        page = reader.get(f"/datasets/{dataset.pk}/").content.decode()

        assert "What do the columns hold?" in page
        assert '<option value="prompt" selected>' in page
        assert '<option value="completion" selected>' in page
        assert '<option value="" selected>not trained on' in page

    def test_named_they_make_the_data_ready(self, user: User, reader: Client) -> None:
        dataset = builders.make_dataset(user, content=self.ROWS)

        answer = reader.post(
            f"/datasets/{dataset.pk}/columns/",
            {"holds-0": "", "holds-1": "prompt", "holds-2": "completion"},
            follow=True,
        )

        dataset.refresh_from_db()
        assert (dataset.status, dataset.rows) == ("ready", 12)
        assert "What do the columns hold?" not in answer.content.decode()

    def test_columns_that_make_no_form_are_refused_with_what_there_is(
        self, user: User, reader: Client
    ) -> None:
        dataset = builders.make_dataset(user, content=self.ROWS)

        answer = reader.post(f"/datasets/{dataset.pk}/columns/", {"holds-1": "prompt"}, follow=True)

        assert "The mapping does not say which column holds what." in answer.content.decode()

    def test_from_the_wizard_one_comes_back_to_it(self, user: User, reader: Client) -> None:
        draft = drafts.begin(user, dataset=builders.make_dataset(user, content=self.ROWS))

        answer = reader.post(
            f"/datasets/{draft.dataset_id}/columns/",
            {"draft": str(draft.pk), "holds-1": "prompt", "holds-2": "completion"},
        )

        assert answer.headers["Location"] == f"/new/{draft.pk}/data/"

"""``/api/datasets`` (API.md section 3): uploads, findings, and nobody else's anything."""

import csv
import io
import json
import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from datasets import in_use
from datasets.models import Dataset
from tests.builders import chat_rows, json_lines, make_dataset, make_token, make_user

pytestmark = pytest.mark.django_db
DATASETS = "/api/datasets"


def client_of(user: Any, *, scopes: tuple[str, ...] = ("read", "deploy")) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_token(user, scopes=scopes)}")
    return client


def upload(client: APIClient, content: bytes, **fields: Any) -> Any:
    file = SimpleUploadedFile("../../etc/rows.jsonl", content)
    return client.post(DATASETS, {"file": file, "name": "sums", **fields}, format="multipart")


@pytest.fixture(autouse=True)
def uses(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the things that need any dataset; a test fills the list."""
    needed: list[object] = []
    monkeypatch.setattr(in_use, "_uses", {})
    in_use.register_in_use(lambda dataset: needed)
    return needed


def test_an_upload_is_checked_and_the_answer_holds_all_of_the_contract() -> None:
    content = json_lines(chat_rows())

    response = upload(client_of(make_user()), content)

    assert response.status_code == 201
    body = response.json()
    assert (body["name"], body["status"], body["format"]) == ("sums", "ready", "chat")
    assert (body["rows"], body["size_bytes"]) == (12, len(content))
    assert (body["findings"], body["methods"], body["mapping"]) == ([], ["sft"], None)
    assert body["tokens"] > 0
    assert len(body["sha256"]) == 64


def test_f7_bad_data_is_answered_with_what_to_mend() -> None:
    response = upload(client_of(make_user()), b'{"messages": []}\n')

    body = response.json()
    assert (response.status_code, body["status"], body["methods"]) == (201, "invalid", [])
    assert body["findings"] == [
        {
            "code": "empty_messages",
            "severity": "error",
            "line": 1,
            "field": "messages",
            "message": "The conversation has no messages.",
            "fix": "Remove the row, or give it a question and an answer.",
            "excerpt": '{"messages": []}',
        }
    ]
    assert body["finding_totals"] == {"empty_messages": 1}


def test_an_empty_file_is_a_finding_like_any_other() -> None:
    body = upload(client_of(make_user()), b"").json()

    assert (body["status"], body["findings"][0]["code"]) == ("invalid", "empty_file")


def test_a_mapping_comes_as_json_text() -> None:
    rows = [{"question": f"{n}?", "answer": f"{n}."} for n in range(12)]
    mapping = {"prompt": "question", "completion": "answer"}

    body = upload(client_of(make_user()), json_lines(rows), mapping=json.dumps(mapping)).json()

    assert (body["status"], body["mapping"]) == ("ready", mapping)


@pytest.mark.parametrize("mapping", ["{", "[]", "7", '{"a": "b"}', "[" * 1900, "x" * 2001])
def test_a_mapping_that_maps_nothing_is_a_bad_request(mapping: str) -> None:
    response = upload(client_of(make_user()), json_lines(chat_rows()), mapping=mapping)

    assert (response.status_code, response.json()["error"]["param"]) == (400, "mapping")
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("missing", ["file", "name"])
def test_a_missing_part_is_named(missing: str) -> None:
    body: dict[str, Any] = {"file": SimpleUploadedFile("a", b"x"), "name": "sums"}
    del body[missing]

    response = client_of(make_user()).post(DATASETS, body, format="multipart")

    assert (response.status_code, response.json()["error"]["param"]) == (400, missing)


def test_a_body_that_is_no_multipart_is_refused_by_its_type() -> None:
    response = client_of(make_user()).post(DATASETS, {"name": "sums"}, format="json")

    assert (response.status_code, response.json()["error"]["code"]) == (415, "E_MEDIA_TYPE")


def test_t18_too_large_an_upload_is_refused_by_its_announced_length(settings: Settings) -> None:
    settings.DATASET_SIZE_LIMIT_BYTES = 1000

    response = upload(client_of(make_user()), b"x" * 100_000)

    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (413, "E_TOO_LARGE", "file")
    assert not Dataset.objects.exists()


def test_t18_an_upload_slightly_too_large_is_refused_by_its_bytes(settings: Settings) -> None:
    settings.DATASET_SIZE_LIMIT_BYTES = 1000

    response = upload(client_of(make_user()), b"x" * 1001)

    assert (response.status_code, response.json()["error"]["code"]) == (413, "E_TOO_LARGE")


def test_the_list_holds_ones_own_datasets_newest_first() -> None:
    user = make_user()
    make_dataset()
    older, newer = make_dataset(user), make_dataset(user)

    body = client_of(user).get(DATASETS).json()

    assert [row["id"] for row in body["data"]] == [str(newer.pk), str(older.pk)]
    assert (body["object"], body["has_more"]) == ("list", False)


def test_the_preview_shows_three_rows_and_says_that_there_are_more() -> None:
    dataset = make_dataset()

    body = client_of(dataset.user).get(f"{DATASETS}/{dataset.pk}/preview").json()

    assert body == {"object": "list", "data": chat_rows()[:3], "has_more": True}


def test_the_findings_are_listed_with_their_totals() -> None:
    dataset = make_dataset(content=b"{\n" * 150)

    body = client_of(dataset.user).get(f"{DATASETS}/{dataset.pk}/findings").json()

    assert (len(body["data"]), body["has_more"]) == (100, True)
    assert body["totals"] == {"invalid_json": 150}


def test_t4_the_findings_as_csv_hold_no_formula() -> None:
    dataset = make_dataset(content=b'=HYPERLINK("http://example.com")\n')

    response = client_of(dataset.user).get(f"{DATASETS}/{dataset.pk}/findings?format=csv")

    (row,) = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["Content-Disposition"]
    assert row["excerpt"] == '\'=HYPERLINK("http://example.com")'


def test_another_format_of_the_findings_is_refused_by_name() -> None:
    dataset = make_dataset()

    response = client_of(dataset.user).get(f"{DATASETS}/{dataset.pk}/findings?format=xls")

    assert (response.status_code, response.json()["error"]["param"]) == (400, "format")


def test_a_deleted_dataset_is_gone() -> None:
    dataset = make_dataset()
    client = client_of(dataset.user)

    deleted = client.delete(f"{DATASETS}/{dataset.pk}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(f"{DATASETS}/{dataset.pk}").status_code == 404
    assert client.delete(f"{DATASETS}/{dataset.pk}").status_code == 404
    assert client.get(DATASETS).json()["data"] == []


def test_f37_a_dataset_in_use_is_kept_and_the_uses_are_listed(uses: list[object]) -> None:
    dataset = make_dataset()
    uses.append({"deployment_id": "d1"})

    response = client_of(dataset.user).delete(f"{DATASETS}/{dataset.pk}")

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (409, "E_DATASET_IN_USE")
    assert error["details"] == [{"deployment_id": "d1"}]


@pytest.mark.parametrize(
    ("method", "path"), [("get", ""), ("delete", ""), ("get", "/preview"), ("get", "/findings")]
)
def test_i18_somebody_elses_dataset_is_answered_like_an_unknown_one(method: str, path: str) -> None:
    theirs = make_dataset()
    client = client_of(make_user())

    answers = [
        getattr(client, method)(f"{DATASETS}/{pk}{path}")
        for pk in (theirs.pk, uuid.uuid4(), "nonsense")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].json() == answers[1].json() == answers[2].json()


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("post", ""), ("get", "/x"), ("delete", "/x"), ("get", "/x/findings")],
)
def test_t1_nobody_gets_in_unsigned(method: str, path: str) -> None:
    response = getattr(APIClient(), method)(f"{DATASETS}{path}")

    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"


def test_a_token_that_may_only_read_uploads_and_deletes_nothing() -> None:
    dataset = make_dataset()
    client = client_of(dataset.user, scopes=("read",))

    answers = [
        upload(client, json_lines(chat_rows())),
        client.delete(f"{DATASETS}/{dataset.pk}"),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert client.get(f"{DATASETS}/{dataset.pk}").status_code == 200

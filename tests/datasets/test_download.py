"""The signed download (API.md section 5): the token in the address is the whole permission (T5)."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core.time import database_now
from datasets import services
from datasets.models import Dataset, DownloadToken
from tests.builders import make_dataset, make_token

pytestmark = pytest.mark.django_db
DOWNLOAD = "/api/datasets/download"


@pytest.fixture
def dataset() -> Dataset:
    """Return a dataset that is ready."""
    return make_dataset()


@pytest.fixture
def address(dataset: Dataset) -> str:
    """Return a good download address for it."""
    return f"{DOWNLOAD}?token={services.mint_token(dataset, run_id='run-1')}"


def rows_of(dataset: Dataset) -> bytes:
    return services.normalised_file(dataset).read_bytes()


def test_a_machine_fetches_the_normalised_rows_without_signing_in(
    client: Client, dataset: Dataset, address: str
) -> None:
    response = client.get(address)

    assert (response.status_code, response.getvalue()) == (200, rows_of(dataset))
    assert response.headers["ETag"] == f'"{dataset.normalised_sha256}"'
    assert response.headers["Content-Length"] == str(dataset.normalised_size_bytes)
    assert response.headers["Accept-Ranges"] == "bytes"


def test_t5_a_token_may_travel_in_a_header_where_no_access_log_shows_it(
    client: Client, dataset: Dataset, address: str
) -> None:
    token = address.partition("=")[2]

    answer = client.get(DOWNLOAD, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.getvalue()) == (200, rows_of(dataset))
    wrong = client.get(DOWNLOAD, headers={"Authorization": f"Bearer x{token}"})
    assert wrong.status_code == 403


def test_t5_the_address_is_neither_kept_nor_passed_on(client: Client, address: str) -> None:
    good, wrong = client.get(address), client.get(f"{DOWNLOAD}?token=wrong")

    assert good.getvalue()
    for response in (good, wrong):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"


def test_a_download_that_broke_off_goes_on_where_it_stopped(
    client: Client, dataset: Dataset, address: str
) -> None:
    whole = rows_of(dataset)
    etag = f'"{dataset.normalised_sha256}"'

    rest = client.get(address, headers={"Range": "bytes=100-", "If-Range": etag})
    other = client.get(address, headers={"Range": "bytes=100-", "If-Range": '"other"'})

    assert (rest.status_code, rest.getvalue()) == (206, whole[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert (other.status_code, other.getvalue()) == (200, whole)


def test_a_range_behind_the_end_answers_with_the_size(
    client: Client, dataset: Dataset, address: str
) -> None:
    response = client.get(address, headers={"Range": "bytes=99999999-"})

    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{dataset.normalised_size_bytes}"


def test_head_tells_the_size_without_the_bytes(
    client: Client, dataset: Dataset, address: str
) -> None:
    response = client.head(address)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == str(dataset.normalised_size_bytes)


def test_each_use_is_recorded(client: Client, address: str) -> None:
    for _ in range(2):
        client.get(address).getvalue()

    row = DownloadToken.objects.get()
    assert row.uses == 2
    assert row.used_at is not None


@pytest.mark.parametrize(
    "state",
    [
        {"expires_at": timedelta(seconds=-1)},
        {"revoked_at": timedelta(0)},
        {"created_at": timedelta(hours=1)},
    ],
    ids=["expired", "revoked", "issued in the future"],
)
def test_i16_every_token_that_is_not_good_gets_the_same_answer(
    client: Client, address: str, state: dict[str, timedelta]
) -> None:
    unknown = client.get(f"{DOWNLOAD}?token=unknown")
    now = database_now()
    DownloadToken.objects.update(**{name: now + offset for name, offset in state.items()})

    response = client.get(address)

    assert (response.status_code, response.content) == (403, unknown.content)
    assert response.json()["error"]["code"] == "E_DOWNLOAD_TOKEN"
    counted = {"X-Request-ID", "RateLimit-Remaining", "RateLimit-Reset"}
    told, told_unknown = (
        {name: value for name, value in each.headers.items() if name not in counted}
        for each in (response, unknown)
    )
    assert told == told_unknown


@pytest.mark.parametrize("query", ["", "?token=", "?token=%00", "?token=%ED%A0%80", "?t=x"])
def test_i16_no_token_gets_the_same_answer_as_a_wrong_one(client: Client, query: str) -> None:
    wrong = client.get(f"{DOWNLOAD}?token=wrong")

    response = client.get(f"{DOWNLOAD}{query}")

    assert (response.status_code, response.content) == (403, wrong.content)


def test_an_api_token_opens_no_download(client: Client, dataset: Dataset) -> None:
    token = make_token(dataset.user)

    by_header = client.get(DOWNLOAD, headers={"Authorization": f"Bearer {token}"})
    by_address = client.get(f"{DOWNLOAD}?token={token}")

    assert (by_header.status_code, by_address.status_code) == (403, 403)


def test_i16_a_download_token_opens_nothing_else(client: Client, address: str) -> None:
    token = address.partition("=")[2]

    response = client.get("/api/datasets", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_i16_no_other_verb_is_taken_and_none_counts_as_a_use(
    client: Client, address: str, method: str
) -> None:
    response = getattr(client, method)(address)

    assert (response.status_code, response.json()["error"]["code"]) == (405, "E_METHOD")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert DownloadToken.objects.get().uses == 0


def test_a_download_that_began_in_time_may_finish(
    client: Client, dataset: Dataset, address: str
) -> None:
    response: Any = client.get(address)

    services.revoke_tokens("run-1")

    assert response.getvalue() == rows_of(dataset)
    assert client.get(address).status_code == 403


@pytest.mark.parametrize("accept", ["text/html", "application/jsonl", "image/png"])
def test_whatever_is_accepted_there_is_one_form(client: Client, address: str, accept: str) -> None:
    response = client.get(address, headers={"Accept": accept})

    assert (response.status_code, bool(response.getvalue())) == (200, True)
    assert response.headers["Content-Type"] == "application/jsonl"


def test_rows_lost_on_the_disk_are_our_fault(
    client: Client, dataset: Dataset, address: str
) -> None:
    services.normalised_file(dataset).unlink()

    response = client.get(address)

    assert (response.status_code, response.json()["error"]["code"]) == (500, "E_DATASET_LOST")

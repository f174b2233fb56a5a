"""Administrators see that there is data, not the data, and change nothing (T15)."""

import pytest
from django.test import Client

from datasets.models import Dataset
from tests.builders import make_dataset, make_user

pytestmark = pytest.mark.django_db
PAGES = "/admin/datasets/dataset/"


def test_t15_datasets_can_be_looked_at_and_not_changed(client: Client) -> None:
    dataset = make_dataset(content=b'{"private": "words"}\n')
    client.force_login(make_user(is_staff=True, is_superuser=True))

    pages = [client.get(PAGES), client.get(f"{PAGES}{dataset.pk}/change/")]
    refused = [
        client.get(f"{PAGES}add/"),
        client.post(f"{PAGES}{dataset.pk}/change/", {"name": "changed"}),
        client.post(f"{PAGES}{dataset.pk}/delete/", {"post": "yes"}),
    ]

    assert [page.status_code for page in pages] == [200, 200]
    assert all(b"words" not in page.content for page in pages)
    assert {answer.status_code for answer in refused} == {403}
    assert Dataset.objects.get().name == "sums"

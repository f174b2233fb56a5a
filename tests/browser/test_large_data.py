"""A large upload is followed without a press until it is ready."""

import pytest
from playwright.sync_api import expect

from datasets import checking
from datasets.models import Dataset
from tests import builders
from tests.browser.conftest import Tab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.mark.parametrize("where", ["page", "wizard"])
def test_the_page_shows_the_end_of_the_check_by_itself(
    tab: Tab, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(checking, "CHECKED_AT_ONCE_BYTES", 10)
    user = builders.make_user()
    large = builders.make_dataset(user, name="Large")
    Dataset.objects.filter(pk=large.pk).update(checked_bytes=large.size_bytes // 3)
    address = f"/datasets/{large.pk}/" if where == "page" else f"/new/?dataset={large.pk}"
    page = tab.sign_in(user).go(address)
    expect(page.get_by_role("progressbar")).to_be_visible()

    monkeypatch.setattr(checking, "CHECKED_AT_ONCE_BYTES", 10_000)
    checking.check(large)

    expect(page.get_by_role("heading", name="Findings")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    assert tab.complaints == []

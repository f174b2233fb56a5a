"""Limits and the kill switch in the admin: for staff that may, under a fresh password, audited."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from core import confirmation
from core.models import AuditEntry
from deployments import kill_switch, spending
from deployments.models import SpendingLimits, UserLimits
from deployments.models.deployments import Desired
from tests import builders

pytestmark = pytest.mark.django_db
LISTED = "admin:deployments_spendinglimits_changelist"
INSTALLATIONS = {
    "daily_usd": "30",
    "max_machines": "",
    "user_monthly_usd": "20.50",
    "user_max_machines": "2",
}


def staff(*permissions: str, is_fresh: bool = True) -> Client:
    """Return a browser of staff with these permissions, signed in just now or a while ago."""
    user: User = builders.make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    if not is_fresh:
        session = client.session
        session[confirmation.CONFIRMED_AT] = 0
        session.save()
    return client


@pytest.fixture
def boss() -> Client:
    return staff(
        *(f"{verb}_{model}" for verb in ("view", "change") for model in ("spendinglimits",)),
        *(f"{verb}_userlimits" for verb in ("view", "add", "change", "delete")),
        "view_user",
    )


def act(client: Client, action: str, **fields: str) -> Any:
    row = builders.make_limits()
    sent = {"action": action, "_selected_action": [str(row.pk)], **fields}
    return client.post(reverse(LISTED), sent)


def change_page() -> str:
    return reverse("admin:deployments_spendinglimits_change", args=[builders.make_limits().pk])


def test_the_installations_limits_are_changed_and_audited_field_by_field(boss: Client) -> None:
    answer = boss.post(change_page(), INSTALLATIONS)

    assert answer.status_code == 302, answer.content
    row = SpendingLimits.objects.get()
    assert (row.daily_usd, row.max_machines) == (Decimal(30), None)
    audited = AuditEntry.objects.get(action="limits.change")
    assert audited.data == {
        "daily_usd": "30",
        "max_machines": "None",
        "user_monthly_usd": "20.50",
        "user_max_machines": "2",
    }


def test_a_users_limits_are_added_and_deleted_and_audited(boss: Client) -> None:
    user = builders.make_user()
    sent = {"user": str(user.pk), "monthly_usd": "12.00", "max_machines": "1"}

    added = boss.post(reverse("admin:deployments_userlimits_add"), sent)
    row = UserLimits.objects.get()
    page = reverse("admin:deployments_userlimits_delete", args=[row.pk])
    deleted = boss.post(page, {"post": "yes"})

    assert (added.status_code, deleted.status_code) == (302, 302)
    assert not UserLimits.objects.exists()
    assert AuditEntry.objects.filter(action="limits.change").count() == 2


@pytest.mark.parametrize("field", ["daily_usd", "user_monthly_usd", "max_machines"])
def test_no_limit_is_negative(boss: Client, field: str) -> None:
    answer = boss.post(change_page(), INSTALLATIONS | {field: "-1"})

    assert answer.status_code == 200
    assert spending.limits().daily_usd == Decimal(1000)


def test_T14_limits_are_changed_only_shortly_after_the_password_was_given() -> None:
    browser = staff("view_spendinglimits", "change_spendinglimits", is_fresh=False)
    url = change_page()

    answer = browser.post(url, INSTALLATIONS)

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("deployments:confirm"))
    assert spending.limits().daily_usd == Decimal(1000)


def test_staff_that_may_only_look_changes_and_turns_nothing() -> None:
    browser = staff("view_spendinglimits")

    answer = browser.post(change_page(), INSTALLATIONS)
    act(browser, "stop_everything", reason="because")

    assert answer.status_code == 403
    row = spending.limits()
    assert (row.daily_usd, row.launches_blocked_at) == (Decimal(1000), None)


def test_the_one_row_is_neither_added_nor_deleted(boss: Client) -> None:
    page = reverse("admin:deployments_spendinglimits_delete", args=[builders.make_limits().pk])

    answers = [
        boss.post(reverse("admin:deployments_spendinglimits_add"), INSTALLATIONS),
        boss.post(page, {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert SpendingLimits.objects.count() == 1


@pytest.mark.parametrize(
    ("action", "saves"), [("stop_everything", False), ("save_and_stop_everything", True)]
)
def test_T20_the_kill_switch_is_turned_on_with_a_reason_alone(
    boss: Client, action: str, saves: bool
) -> None:
    deployment = builders.make_deployment()

    act(boss, action)
    assert spending.limits().launches_blocked_at is None

    act(boss, action, reason="a token was stolen")
    row = spending.limits()
    assert row.launches_blocked_at is not None
    assert row.launches_blocked_reason == "a token was stolen"
    deployment.refresh_from_db()
    assert (deployment.desired, deployment.save_wanted) == (Desired.STOP, saves)


def test_T14_turning_it_off_asks_for_the_password_and_turning_it_on_does_not() -> None:
    hurried = staff("view_spendinglimits", "change_spendinglimits", is_fresh=False)

    act(hurried, "stop_everything", reason="because")
    answer = act(hurried, "allow_launches")

    assert answer["Location"].startswith(reverse("deployments:confirm"))
    assert spending.limits().launches_blocked_at is not None


def test_it_is_turned_off_in_the_admin(boss: Client) -> None:
    kill_switch.turn_on(actor=None, reason="drill")

    act(boss, "allow_launches")

    assert spending.limits().launches_blocked_at is None


def test_the_sheet_shows_what_is_spent_and_kept_beside_the_caps(boss: Client) -> None:
    deployment = builders.make_deployment(budget_limit=Decimal("12.34"))

    page = boss.get(reverse("admin:deployments_spendinglimits_committed"))

    text = page.content.decode()
    assert page.status_code == 200
    assert deployment.user.username in text
    assert text.count("12.34") == 2
    assert "1000.00" in text


def test_who_may_not_look_sees_no_sheet() -> None:
    url = reverse("admin:deployments_spendinglimits_committed")

    assert staff().get(url).status_code == 403

"""A third cloud is one module and one registry line: everything else finds it by itself."""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command, load_command_class
from django.test import Client
from pytest_django.fixtures import Settings

from core.installation import installation_id
from deployments import reaper, snapshot
from deployments.lifecycle.advance import advance
from deployments.models import Deployment
from secrets_vault.models import VaultEntry
from tests.builders import make_config, make_user, make_vault_entry
from tests.deployments.api.calls import Caller
from tests.deployments.pages.wizard.market import ready_draft
from tests.deployments.providers.double import API_KEY
from tests.deployments.providers.nimbus import add_to_registry
from tests.deployments.providers.nimbus_double import NimbusDouble

pytestmark = pytest.mark.django_db


@pytest.fixture
def nimbus(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[NimbusDouble]:
    add_to_registry(monkeypatch)
    settings.TIMING = replace(
        settings.TIMING, request_interval_seconds=0.0, launch_interval_seconds=0.0
    )
    double = NimbusDouble()
    cache.clear()
    with double.answering():
        yield double
    cache.clear()


@pytest.fixture
def user() -> User:
    return make_user("nina")


@pytest.fixture
def reader(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(reader: Client, address: str) -> str:
    return " ".join(reader.get(address, follow=True).content.decode().split())


def test_its_key_is_asked_for_checked_and_kept(
    nimbus: NimbusDouble, user: User, reader: Client
) -> None:
    session = reader.session
    session["confirmed_at"] = 10**11
    session.save()

    asked = page(reader, "/vault/")
    entry = make_vault_entry(user, provider="nimbus", secret=API_KEY)
    reader.post(f"/vault/{entry.pk}/check/")

    assert '<option value="nimbus">Nimbus</option>' in asked
    assert nimbus.calls == ["GET /me"]
    assert VaultEntry.objects.get(pk=entry.pk).status == VaultEntry.Status.OK
    assert "Nimbus" in page(reader, "/vault/")
    assert "https://nimbus.example/console" in page(reader, "/help/keys/")


def test_the_wizard_and_the_price_page_show_its_offers(
    nimbus: NimbusDouble, user: User, reader: Client
) -> None:
    make_vault_entry(user, provider="nimbus", secret=API_KEY)
    draft = ready_draft(user, with_key=False)

    hardware = page(reader, f"/new/{draft.pk}/hardware/")
    prices = page(reader, "/prices/")

    assert "puff" in hardware
    assert "Nimbus, Reykjavik" in hardware
    assert "Nimbus, per hour" in prices
    assert "only at Nimbus" in prices


def test_the_api_offers_compares_and_deploys_on_it(nimbus: NimbusDouble, user: User) -> None:
    make_vault_entry(user, provider="nimbus", secret=API_KEY)
    config = make_config(user)
    caller = Caller(user)

    (offer,) = caller.read("offers?platform=nimbus")["data"]
    (row,) = caller.read("prices")["data"]
    answer = caller.post(
        "training/deploy/nimbus",
        {
            "training_config_id": str(config.pk),
            "instance_type": "puff",
            "budget_limit": "2.00",
        },
    )

    assert (offer["hourly"], offer["region"]) == ("0.77", "is-1")
    assert (row["gpu"], row["only_at"]) == ("A6000", "nimbus")
    assert answer.status_code == 202
    assert answer.json()["platform"] == "nimbus"


def test_a_run_is_launched_seen_and_swept_there(nimbus: NimbusDouble, user: User) -> None:
    entry = make_vault_entry(user, provider="nimbus", secret=API_KEY)
    body = {"training_config_id": str(make_config(user).pk), "instance_type": "puff"}
    answer = Caller(user).post("training/deploy/nimbus", {**body, "budget_limit": "2.00"})
    deployment = Deployment.objects.get(pk=answer.json()["deployment_id"])

    for _ in range(3):
        advance(deployment.pk, may_block=True)
        snapshot.list_cloud(entry.pk)

    (machine,) = deployment.machines.all()
    assert (machine.platform, machine.instance_id, machine.seen_status) == (
        "nimbus",
        "m1",
        "active",
    )
    assert (machine.hourly_price, machine.seen_ip) == (Decimal("0.7700"), "198.51.100.9")
    (finding,) = reaper.sweep_account(entry).findings
    assert finding.wanted


def test_the_commands_know_it_and_the_stopper_ends_what_is_left_there(
    nimbus: NimbusDouble, user: User, tmp_path: object, settings: Settings
) -> None:
    for name in ("reap", "prove_cloud", "demo"):
        parser = load_command_class("deployments", name).create_parser("manage.py", name)
        assert "nimbus" in _choices(parser), name
    nimbus.machines.append(
        {"id": "m9", "name": f"{installation_id()}-left", "state": "up", "zone": "is-1"}
    )
    make_vault_entry(user, provider="nimbus", secret=API_KEY)
    settings.TIMING = replace(settings.TIMING, stray_grace_seconds=0)

    call_command("reap", "--platform", "nimbus")

    assert nimbus.machines == []


def _choices(parser: ArgumentParser) -> set[str]:
    return {
        str(choice)
        for action in parser._actions  # noqa: SLF001  # argparse tells it nowhere else
        for choice in action.choices or ()
    }

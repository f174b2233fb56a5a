"""T15: staff that opens every page of the admin reads no key, sealed or open."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from core import audit
from deployments import clouds, machine_tokens
from deployments.models.deployments import Status
from notifications import webhooks
from secrets_vault import rewrap
from secrets_vault.models import VaultEntry
from tests.builders import (
    SECRET,
    make_artifact,
    make_checkpoint,
    make_deployment,
    make_event,
    make_log_line,
    make_machine,
    make_metric,
    make_run_state,
    make_token,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def secrets() -> list[str]:
    """A row in most tables, and every text that must not be shown."""
    deployment = make_deployment(status=Status.TRAINING)
    machine = make_machine(deployment)
    for make in (
        make_run_state,
        make_metric,
        make_log_line,
        make_checkpoint,
        make_artifact,
    ):
        make(machine)
    make_event(deployment, machine=machine)
    deployment.job.job_token = "hash-of-the-job-token"
    deployment.job.save()
    token = make_token(deployment.user)
    machine_token = machine_tokens.mint(machine)
    audit.record("something", actor=deployment.user, obj=deployment)
    webhook, signing_secret = webhooks.add(deployment.user, url="https://example.org/in-secret")
    webhooks.rotate(webhook, actor=deployment.user)
    webhooks.send_test(webhook)
    sealed = [text for column in rewrap.columns() for text in _raw(column)]
    assert sealed
    login_key = clouds.login_key().private_key.splitlines()[1]
    hashes = [deployment.job.job_token, machine.tokens.get().token_hash]
    told = [signing_secret, "in-secret"]
    return [SECRET, token, machine_token, login_key, *told, *hashes, *sealed]


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def _raw(column: rewrap.Column) -> list[str]:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {quote(column.name)} FROM {quote(column.table)}")  # noqa: S608
        return [row[0] for row in cursor.fetchall() if row[0]]


def pages() -> Iterator[str]:
    """Yield every page of every model that the admin knows, and the pages of our own."""
    yield reverse("admin:index")
    yield reverse("admin:deployments_machine_fleet")
    for model in admin.site._registry:  # noqa: SLF001  # there is no other list
        meta = model._meta  # noqa: SLF001  # documented by Django
        prefix = f"admin:{meta.app_label}_{meta.model_name}"
        yield reverse(f"{prefix}_changelist")
        yield reverse(f"{prefix}_changelist") + "?q=words"
        for row in _rows(model)[:3]:
            for page in ("change", "history", "delete"):
                yield reverse(f"{prefix}_{page}", args=[row.pk])


def _rows(model: type[Model]) -> list[Model]:
    return list(model._default_manager.all())  # noqa: SLF001  # documented by Django


def test_T15_no_page_of_the_admin_shows_a_secret(secrets: list[str], root: Client) -> None:
    crawled = 0
    for page in pages():
        answer = root.get(page)
        text = answer.content.decode()

        assert answer.status_code in (200, 403), page
        assert not [secret for secret in secrets if secret in text], page
        crawled += answer.status_code == 200

    assert crawled > 50


def test_T15_the_key_is_no_field_of_any_form(root: Client) -> None:
    make_deployment()
    entry = VaultEntry.objects.get()

    page = root.get(reverse("admin:secrets_vault_vaultentry_change", args=[entry.pk]))

    assert "api_key" not in page.content.decode()

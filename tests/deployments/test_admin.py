"""The admin shows everything, changes nothing, and can stop (F83, F84, T15, T23)."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from core.models import AuditEntry
from deployments import machine_tokens
from deployments.models import CloudSnapshot, Deployment, PacerSlot, Stray, WorkerHeartbeat
from deployments.models.deployments import Desired, Status
from deployments.run_log import ingest
from tests.builders import (
    NOON,
    SECRET,
    make_answer,
    make_artifact,
    make_checkpoint,
    make_deployment,
    make_draft,
    make_event,
    make_log_line,
    make_machine,
    make_metric,
    make_push,
    make_run_state,
    make_user,
)

pytestmark = pytest.mark.django_db
# The key of a machine's token is its hash, which would stand in every link.
WITHOUT_A_PAGE = {"MachineToken"}
# Limits are edited here, and nowhere else.
EDITED = {"SpendingLimits", "UserLimits"}
MODELS = sorted(
    {model.__name__ for model in apps.get_app_config("deployments").get_models()}
    - WITHOUT_A_PAGE
    - EDITED
)


@pytest.fixture
def deployment() -> Deployment:
    """One row of every model."""
    found = make_deployment(status=Status.TRAINING)
    machine = make_machine(found)
    make_run_state(machine)
    make_event(found, machine=machine)
    make_metric(machine)
    ingest(machine, [{"seq": 1, "kind": "metrics", "step": 1, "values": {"train/loss": 2.5}}])
    make_draft(found.user)
    make_log_line(machine)
    make_checkpoint(machine)
    make_push(make_artifact(machine))
    make_answer(machine)
    found.job.job_token = "hash-of-the-job-token"
    found.job.save()
    key = found.vault_entry_id
    CloudSnapshot.objects.create(vault_entry_id=key)
    PacerSlot.objects.create(vault_entry_id=key, next_request_at=NOON, next_launch_at=NOON)
    Stray.objects.create(
        vault_entry_id=key,
        deployment=found,
        instance_id="stray",
        name="slwtst-stray",
        first_seen_at=NOON,
        last_seen_at=NOON,
        terminate_after=NOON,
    )
    WorkerHeartbeat.objects.create(name="worker", beat_at=NOON)
    return found


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def staff(*permissions: str) -> Client:
    user: User = make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, deployment: Deployment, **fields: str) -> Any:
    return client.post(
        reverse("admin:deployments_deployment_changelist"),
        {"action": action, "_selected_action": [str(deployment.pk)], **fields},
    )


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_listed_searched_and_looked_at_without_its_secrets(
    name: str, deployment: Deployment, root: Client
) -> None:
    model = apps.get_model("deployments", name)
    row = model.objects.first()
    assert row is not None
    prefix = f"admin:deployments_{name.lower()}"

    pages = [
        root.get(reverse(f"{prefix}_changelist")),
        root.get(reverse(f"{prefix}_changelist"), {"q": "some words"}),
        root.get(reverse(f"{prefix}_change", args=[row.pk])),
    ]

    for page in pages:
        assert page.status_code == 200
        assert SECRET not in page.content.decode()
        assert "hash-of-the-job-token" not in page.content.decode()


@pytest.mark.parametrize("name", MODELS)
def test_f84_nothing_is_added_changed_or_deleted_not_even_by_a_superuser(
    name: str, deployment: Deployment, root: Client
) -> None:
    model = apps.get_model("deployments", name)
    row = model.objects.first()
    assert row is not None
    prefix = f"admin:deployments_{name.lower()}"
    before = list(model.objects.values())

    answers = [
        root.post(reverse(f"{prefix}_add"), {}),
        root.post(reverse(f"{prefix}_change", args=[row.pk]), {"status": "completed"}),
        root.post(reverse(f"{prefix}_delete", args=[row.pk]), {"post": "yes"}),
    ]
    root.post(
        reverse(f"{prefix}_changelist"),
        {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"},
    )

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert list(model.objects.values()) == before


def test_a_deployment_shows_its_machines_and_its_story(
    deployment: Deployment, root: Client
) -> None:
    page = root.get(reverse("admin:deployments_deployment_change", args=[deployment.pk]))

    text = page.content.decode()
    assert deployment.machines.get().name in text
    assert "Something happened." in text


@pytest.mark.parametrize(("action", "saves"), [("stop", True), ("stop_without_saving", False)])
def test_f84_stopping_goes_the_owners_way_and_is_audited(
    deployment: Deployment, root: Client, action: str, saves: bool
) -> None:
    answer = act(root, action, deployment)

    assert answer.status_code == 302
    deployment.refresh_from_db()
    assert (deployment.desired, deployment.save_wanted) == (Desired.STOP, saves)
    assert deployment.status == Status.TRAINING
    entry = AuditEntry.objects.get(action="deployment.stop")
    assert entry.actor != deployment.user
    assert entry.data == {"save": saves}


def test_stopping_leaves_what_is_over_alone(deployment: Deployment, root: Client) -> None:
    over = make_deployment(status=Status.COMPLETED)

    act(root, "stop", over)

    assert not AuditEntry.objects.filter(action="deployment.stop").exists()


def test_staff_that_may_only_look_cannot_stop(deployment: Deployment) -> None:
    act(staff("view_deployment"), "stop", deployment)

    deployment.refresh_from_db()
    assert deployment.desired == Desired.RUN


def test_staff_that_may_change_deployments_can_stop(deployment: Deployment) -> None:
    act(staff("view_deployment", "change_deployment"), "stop", deployment)

    deployment.refresh_from_db()
    assert deployment.desired == Desired.STOP


def test_f84_a_notice_is_resolved_with_a_reason_alone(deployment: Deployment, root: Client) -> None:
    Deployment.objects.update(attention={"code": "E_X", "message": "Look here."})

    act(root, "mark_resolved", deployment)
    deployment.refresh_from_db()
    assert deployment.attention is not None

    act(root, "mark_resolved", deployment, reason="The cloud's support ended it.")
    deployment.refresh_from_db()
    assert deployment.attention is None
    entry = AuditEntry.objects.get(action="deployment.attention_resolved")
    assert entry.data["reason"] == "The cloud's support ended it."


def test_f84_what_cannot_be_collected_is_said_to_the_operator(
    deployment: Deployment, root: Client
) -> None:
    url = reverse("admin:deployments_deployment_changelist")
    chosen = {"action": "retry_collect", "_selected_action": [str(deployment.pk)]}

    page = root.post(url, chosen, follow=True)

    assert "only what is collecting can be collected" in page.content.decode()


@pytest.mark.parametrize("action", ["stop", "retry_collect", "mark_resolved"])
def test_staff_that_may_only_look_can_do_none_of_it(deployment: Deployment, action: str) -> None:
    Deployment.objects.update(attention={"code": "E_X", "message": "Look here."})

    act(staff("view_deployment"), action, deployment, reason="None.")

    assert not AuditEntry.objects.filter(action__startswith="deployment.").exists()


def test_the_list_shows_who_asks_for_attention_and_can_be_narrowed_to_it(
    deployment: Deployment, root: Client
) -> None:
    make_deployment(name="all-is-well")
    Deployment.objects.filter(pk=deployment.pk).update(
        attention={"code": "E_X", "message": "Look here."}
    )

    url = reverse("admin:deployments_deployment_changelist")
    page = root.get(url, {"attention__isempty": "0"}).content.decode()

    assert "E_X: Look here." in page
    assert "all-is-well" not in page


def test_T15_a_machine_tells_what_tokens_it_has_and_shows_none(
    deployment: Deployment, root: Client
) -> None:
    machine = deployment.machines.get()
    token = machine_tokens.mint(machine)
    row = machine.tokens.get()

    page = root.get(reverse("admin:deployments_machine_change", args=[machine.pk]))

    text = page.content.decode()
    assert f"until {row.expires_at:%Y-%m-%d}" in text
    assert token not in text
    assert row.token_hash not in text
    assert not admin.site.is_registered(type(row))


def test_the_fleet_shows_what_bills_now_and_how_fast(deployment: Deployment, root: Client) -> None:
    gone = make_machine(gone_at=NOON)

    page = root.get(reverse("admin:deployments_machine_fleet")).content.decode()

    assert deployment.machines.get().name in page
    assert "slwtst-stray" in page
    assert "$1.29 an hour" in page
    assert gone.name not in page


def test_the_list_of_machines_leads_to_the_fleet(deployment: Deployment, root: Client) -> None:
    page = root.get(reverse("admin:deployments_machine_changelist")).content.decode()

    assert reverse("admin:deployments_machine_fleet") in page


def test_the_fleet_is_not_for_staff_that_may_not_see_machines(deployment: Deployment) -> None:
    url = reverse("admin:deployments_machine_fleet")

    assert staff("view_deployment").get(url).status_code == 403
    assert staff("view_machine").get(url).status_code == 200


def test_t23_the_queue_has_no_admin_that_would_run_functions_by_name() -> None:
    models = apps.get_app_config("django_q").get_models()

    assert not any(admin.site.is_registered(model) for model in models)

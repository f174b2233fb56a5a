"""F1: of many presses that arrive together, one starts the run."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import responses
from django.contrib.auth.models import User
from django.db import connections

from deployments.models import Deployment, TrainingConfig
from deployments.pages import starting
from tests import builders
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.wizard.test_walk import press, ready


@pytest.mark.django_db(transaction=True)
def test_f1_ten_presses_at_once_make_one_run(cloud: responses.RequestsMock) -> None:
    user = builders.make_user()
    builders.make_vault_entry(user)
    draft = ready(user, builders.make_dataset(user))
    readers = [signed_in(user) for _ in range(10)]
    form = {"name": "Sums", "version": draft.version, "hourly": "1.29"}

    def press_as(number: int) -> str:
        try:
            return str(readers[number].post(f"/new/{draft.pk}/review/", form)["Location"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=10) as pool:
        led_to = set(pool.map(press_as, range(10)))

    deployment = Deployment.objects.get()
    assert led_to <= {f"/jobs/{deployment.job_id}/", f"/new/{draft.pk}/"}
    assert f"/jobs/{deployment.job_id}/" in led_to
    assert TrainingConfig.objects.count() == 1
    assert User.objects.get().pk == user.pk


@pytest.mark.django_db
def test_f1_a_run_that_another_press_starts_while_this_one_looks_is_found(
    cloud: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = builders.make_user()
    builders.make_vault_entry(user)
    draft = ready(user, builders.make_dataset(user))
    reader = signed_in(user)
    first = press(reader, draft)["Location"]
    # The other press kept the settings; this one still sees the draft, and no run at first.
    draft.save(force_insert=True)
    looks = 0

    def started(owner: User, nonce: UUID) -> Deployment | None:
        nonlocal looks
        looks += 1
        return None if looks <= 2 else Deployment.objects.get(training_config=nonce)

    monkeypatch.setattr(starting, "started", started)

    assert press(reader, draft)["Location"] == first
    assert Deployment.objects.count() == 1


@pytest.mark.django_db
def test_f1_a_run_that_another_press_started_since_the_last_look_is_found(
    cloud: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = builders.make_user()
    builders.make_vault_entry(user)
    draft = ready(user, builders.make_dataset(user))
    reader = signed_in(user)
    real = starting.started
    presses: list[str] = []

    def started(owner: User, nonce: UUID) -> Deployment | None:
        """While this press looks for a run, another one starts it and drops the draft."""
        before = real(owner, nonce)
        if not presses:
            presses.append("")
            presses.append(press(signed_in(user), draft)["Location"])
        return before

    monkeypatch.setattr(starting, "started", started)

    assert press(reader, draft)["Location"] == presses[1]
    assert Deployment.objects.count() == 1

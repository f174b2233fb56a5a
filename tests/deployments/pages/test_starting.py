"""F1: of many presses that arrive together, one starts the run."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import responses
from django.contrib.auth.models import User
from django.db import connections

from deployments.models import Deployment, TrainingConfig
from tests import builders
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_new_run import filled


@pytest.mark.django_db(transaction=True)
def test_f1_ten_presses_at_once_make_one_run(cloud: responses.RequestsMock) -> None:
    user = builders.make_user()
    builders.make_vault_entry(user)
    form = filled(builders.make_dataset(user))
    readers = [signed_in(user) for _ in range(10)]

    def press(number: int) -> str:
        try:
            return str(readers[number].post("/new/", form)["Location"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=10) as pool:
        led_to = set(pool.map(press, range(10)))

    deployment = Deployment.objects.get()
    assert led_to <= {f"/jobs/{deployment.job_id}/", f"/new/{form['nonce']}/"}
    assert f"/jobs/{deployment.job_id}/" in led_to
    assert TrainingConfig.objects.count() == 1
    assert User.objects.get().pk == user.pk

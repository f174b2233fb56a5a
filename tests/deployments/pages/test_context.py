"""What stands around every page: the burn meter, which must be true (I20), and the banners."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from core.time import database_now
from deployments import second_guard
from deployments.models import Deployment, Machine, Stray
from deployments.models.deployments import LaunchState
from deployments.pages import context
from deployments.pages.context import Burn
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken


def burn_of(user: User) -> Burn:
    return context.burn(user, context.living_machines(user), now=database_now())


def test_i20_nothing_bills_only_while_no_machine_may_live(user: User) -> None:
    scenes.ended(user)
    scenes.waiting(user)

    assert burn_of(user) == Burn("nothing", "Nothing bills")


def test_i20_a_launch_without_an_answer_may_bill(user: User) -> None:
    deployment = scenes.run(user)
    scenes.machine(deployment, launch_state=LaunchState.UNKNOWN, instance_id="")
    scenes.account_listed(deployment)

    assert burn_of(user).tone == "live"


def test_machines_that_live_are_counted_with_their_price(user: User) -> None:
    data = scenes.dataset(user)
    for name in ("one", "two"):
        scenes.training(user, name=name, dataset=data)

    assert spoken(burn_of(user).text) == "2 machines · $2.58 an hour"


def test_a_machine_nobody_lists_any_more_is_not_confirmed(user: User) -> None:
    deployment = scenes.training(user)
    scenes.account_listed(deployment, ago=301)

    burn = burn_of(user)

    assert burn.tone == "unknown"
    assert spoken(burn.text).startswith("Not confirmed for 5 min")


def test_a_fresh_launch_is_not_called_unconfirmed_because_of_an_old_list(user: User) -> None:
    deployment = scenes.run(user, begin=database_now() - timedelta(seconds=9))
    scenes.machine(deployment)
    scenes.account_listed(deployment, ago=86_000)

    assert burn_of(user).tone == "live"


def test_f56_a_machine_we_cannot_end_is_out_of_reach(user: User) -> None:
    scenes.needs_owner(user)

    burn = burn_of(user)

    assert (burn.tone, spoken(burn.text)) == ("bad", "1 machine out of reach · $1.29 an hour")


def test_i20_a_stray_machine_is_not_nothing(user: User) -> None:
    entry = builders.make_vault_entry(user)
    now = database_now()
    Stray.objects.create(
        vault_entry_id=entry.pk,
        instance_id="i-1",
        name="slwtst-00000000-a1-n0-t1",
        first_seen_at=now,
        last_seen_at=now,
        terminate_after=now,
    )

    assert spoken(burn_of(user).text) == "1 stray machine being ended"


def test_F81_F69_a_machine_with_our_name_and_no_row_asks_whether_a_backup_was_restored(
    user: User, reader: Client
) -> None:
    lost = builders.make_stray(builders.make_deployment(user), name="slwtst-0a1b2c3d-a9-n0-t1")

    with_it = reader.get("/vault/").content.decode()
    Stray.objects.filter(pk=lost.pk).update(gone_at=database_now())
    without = reader.get("/vault/").content.decode()

    assert "Was the database restored?" in with_it
    assert lost.name in with_it
    assert "Was the database restored?" not in without


def test_F21_a_second_machine_under_a_name_we_know_is_no_sign_of_a_restored_backup(
    user: User, reader: Client
) -> None:
    machine = builders.make_machine(builders.make_deployment(user))
    builders.make_stray(machine.deployment, name=machine.name)

    assert "Was the database restored?" not in reader.get("/vault/").content.decode()


def test_somebody_elses_machines_are_not_counted(user: User) -> None:
    scenes.training(builders.make_user())

    assert burn_of(user).tone == "nothing"


def test_i20_the_burn_meter_stands_on_every_page_and_is_asked_for_again_even_when_nothing_bills(
    user: User, reader: Client
) -> None:
    # Found on a real run: a page opened while it was queued went on saying that nothing bills.
    page = reader.get("/vault/").content.decode()
    assert "Nothing bills" in page
    assert re.search(r'hx-get="/burn/"\s+hx-trigger="every 15s"', page)

    scenes.training(user)

    alone = reader.get("/burn/")
    assert alone.status_code == 200
    assert "1 machine" in spoken(alone.content.decode())
    assert 'hx-trigger="every 5s"' in alone.content.decode()


def test_f9_a_silent_worker_is_told_while_something_is_alive(user: User, reader: Client) -> None:
    scenes.training(user)
    scenes.worker_beats(ago=61)

    page = reader.get("/vault/").content.decode()

    assert "No worker since" in page
    assert "machines go on billing" in page
    assert "python manage.py worker" in page


def test_f9_a_worker_that_never_ran_is_told_for_a_run_that_waits_for_it(
    user: User, reader: Client
) -> None:
    scenes.run(user)

    assert "No worker runs." in reader.get("/vault/").content.decode()


@pytest.mark.parametrize("beaten_ago", [2, 59])
def test_f9_a_worker_that_beats_is_not_worth_a_word(
    user: User, reader: Client, beaten_ago: float
) -> None:
    scenes.training(user)
    scenes.worker_beats(ago=beaten_ago)

    assert "No worker" not in reader.get("/vault/").content.decode()


def test_F9_the_second_guards_beat_is_no_workers(user: User, reader: Client) -> None:
    scenes.training(user)
    scenes.worker_beats(ago=61)
    second_guard.note_look(database_now())

    assert "No worker since" in reader.get("/vault/").content.decode()


def test_D7_a_second_guard_that_does_not_look_is_told_while_real_machines_live(
    user: User, reader: Client, settings: Settings
) -> None:
    scenes.training(user)
    assert "The second guard has not looked today" in reader.get("/vault/").content.decode()

    second_guard.note_look(database_now() - timedelta(minutes=16))
    page = reader.get("/vault/").content.decode()
    assert "The second guard has not looked since" in page
    assert "python manage.py reap" in page

    second_guard.note_look(database_now() - timedelta(minutes=14))
    assert "second guard" not in reader.get("/vault/").content.decode()
    second_guard.note_look(database_now() - timedelta(minutes=16))
    settings.LAMBDA_API_BASE_URL = "http://127.0.0.1:9400/api/v1"
    assert "second guard" not in reader.get("/vault/").content.decode()


def test_without_anything_alive_no_worker_is_missed(reader: Client) -> None:
    assert "No worker" not in reader.get("/vault/").content.decode()


def test_practice_machines_are_told_on_every_page_the_sign_in_included(
    db: None, settings: Settings
) -> None:
    settings.ALLOW_CPU_MACHINES = True
    settings.LAMBDA_API_BASE_URL = "http://127.0.0.1:9400/api/v1"

    page = Client().get("/login/").content.decode()

    assert "Practice machines, not GPUs." in page
    assert "127.0.0.1:9400 instead of Lambda" in page


def test_another_address_than_the_vendors_is_told(reader: Client, settings: Settings) -> None:
    settings.LAMBDA_API_BASE_URL = "https://lambda.example/api/v1"

    assert "lambda.example instead of Lambda" in reader.get("/vault/").content.decode()


def test_the_vendors_own_cloud_needs_no_banner(reader: Client) -> None:
    assert 'class="banner' not in reader.get("/vault/").content.decode()


def test_the_top_bar_asks_as_many_questions_for_ten_machines_as_for_one(
    user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    data = scenes.dataset(user)
    for number in range(10):
        deployment = scenes.run(user, name=f"run {number}", dataset=data)
        scenes.machine(deployment)
        scenes.account_listed(deployment)
    reader = signed_in(user)

    # Session, user, now, limits, machines, strays, snapshots, heartbeat, lost strays, keys.
    with django_assert_max_num_queries(11):
        page = reader.get("/vault/").content.decode()

    assert "10 machines" in spoken(page)


def test_the_price_of_what_lives_is_never_rounded_down(user: User) -> None:
    deployment = scenes.training(user)
    Machine.objects.update(hourly_price=Decimal("0.7525"))

    assert spoken(burn_of(user).text) == "1 machine · $0.76 an hour"
    assert Deployment.objects.get(pk=deployment.pk).attention is None

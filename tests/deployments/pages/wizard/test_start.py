"""Start: it happens once, for what was shown, and comes back with the reason where it cannot."""

from decimal import Decimal

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client

from deployments import services
from deployments.models import Deployment, Draft, TrainingConfig
from deployments.pages.wizard import likely, offers_table, pressing
from deployments.providers import PROVIDERS
from secrets_vault.services import delete_entry, entry_for
from tests import builders
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.offers import make_offer
from tests.deployments.pages.wizard.market import again, ready_draft
from tests.deployments.pages.wizard.reviewing import address, complete, press
from tests.deployments.pages.wizard.test_hardware import text
from tests.deployments.virtual.clock import Clock
from tests.deployments.virtual.cloud import VirtualCloud


@pytest.fixture
def draft(user: User, market: responses.RequestsMock) -> Draft:
    return ready_draft(user, **complete())


def test_start_asks_for_what_was_shown_and_for_nothing_else(reader: Client, draft: Draft) -> None:
    response = press(reader, draft)

    deployment = Deployment.objects.get()
    assert response["Location"] == f"/jobs/{deployment.job_id}/"
    assert deployment.config["instance_type"] == "gpu_1x_h100_pcie"
    assert deployment.config["region"] == "us-west-3"
    assert deployment.config["fallbacks"] == []
    assert deployment.max_hourly_price == Decimal("3.29")
    assert deployment.budget_limit == Decimal("4.00")
    assert deployment.max_hours == 2
    assert deployment.wait_for_capacity_minutes == 15
    assert deployment.keep_on_failure_minutes == 10
    assert deployment.estimated_cost is not None
    assert deployment.name == "Support answers v3"
    assert deployment.job.config["hyperparameters"]["max_length"] == 1024
    assert not Draft.objects.exists()


def test_f5_the_price_that_was_shown_is_the_limit_also_when_it_fell(
    reader: Client, draft: Draft
) -> None:
    press(reader, draft, hourly="3.50")

    assert Deployment.objects.get().max_hourly_price == Decimal("3.50")


@pytest.mark.parametrize(("pressed", "step"), [("stay", "review"), ("back", "hardware")])
def test_enter_in_the_name_and_back_keep_the_name_and_rent_nothing(
    reader: Client, draft: Draft, pressed: str, step: str
) -> None:
    response = press(reader, draft, name="Named by me", go=pressed)

    assert response["Location"] == f"/new/{draft.pk}/{step}/"
    assert 'value="Named by me"' in reader.get(address(draft)).content.decode()
    assert not Deployment.objects.exists()


def test_f1_pressing_twice_starts_one_run(reader: Client, draft: Draft) -> None:
    first = press(reader, draft)
    second = reader.post(address(draft), {"name": "x", "version": "1", "hourly": "3.29"})
    looked = reader.get(address(draft))

    assert Deployment.objects.count() == 1
    assert first["Location"] == second["Location"] == looked["Location"]


def test_fallbacks_are_the_free_offers_up_to_the_limit_and_what_is_waited_for(
    reader: Client, user: User, market: responses.RequestsMock
) -> None:
    waited = {
        "platform": "lambda",
        "instance_type": "gpu_1x_a6000",
        "region": "auto",
        "hourly": "1.09",
    }
    draft = ready_draft(user, **complete(fallback_total_limit="9.00", wait_for=[waited]))

    press(reader, draft)

    fallbacks = Deployment.objects.get().config["fallbacks"]
    assert [(each["instance_type"], each["max_hourly_price"]) for each in fallbacks] == [
        ("gpu_1x_gh200", "2.29"),
        ("gpu_1x_h100_sxm5", "4.29"),
        ("gpu_1x_a6000", "1.09"),
    ]


def test_no_fallback_is_likely_to_cost_more_than_its_limit(
    reader: Client, user: User, market: responses.RequestsMock
) -> None:
    # The GH200 likely totals up to 0.96, the larger H100 up to 1.79.
    press(reader, ready_draft(user, **complete(fallback_total_limit="1.50")))

    fallbacks = Deployment.objects.get().config["fallbacks"]
    assert [each["instance_type"] for each in fallbacks] == ["gpu_1x_gh200"]


def test_a_fallback_may_be_at_another_cloud_and_the_budget_goes_by_the_dearest(
    reader: Client, user: User, market: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = make_offer(
        "gpu_1x_h100_pcie",
        platform="runpod",
        region="US-KS-2",
        hourly_price_usd=Decimal("4.99"),
    )
    provider = VirtualCloud(Clock(), platform="runpod").provider_class()
    monkeypatch.setattr(provider, "offers", lambda self: [pod], raising=False)
    monkeypatch.setitem(PROVIDERS, "runpod", provider)
    builders.make_vault_entry(user, provider="runpod", secret="key-of-the-other-cloud-123")
    draft = ready_draft(user, **complete(fallback_total_limit="9.00"))

    look = likely.look(draft)
    picked = look.forecast_of(likely.chosen(draft))
    press(reader, draft)

    assert picked is not None
    assert pressing.dearest(draft, look, picked.offer) == pod
    words = offers_table.limit_words(Decimal(9), look.table.free, look.table.chosen)
    assert words == "The next free offer up to $9.00 (3 more now, at Lambda and Virtual)"
    deployment = Deployment.objects.get()
    fallbacks = deployment.config["fallbacks"]
    assert [(each["platform"], each["instance_type"]) for each in fallbacks] == [
        ("lambda", "gpu_1x_gh200"),
        ("lambda", "gpu_1x_h100_sxm5"),
        ("runpod", "gpu_1x_h100_pcie"),
    ]
    assert deployment.platforms == ("lambda", "runpod")


def test_a_fallback_that_the_budget_does_not_even_boot_stands_in_nobodys_way(
    reader: Client, user: User, market: responses.RequestsMock
) -> None:
    # At 4.29 an hour booting and landing alone take 0.80.
    press(reader, ready_draft(user, **complete(fallback_total_limit="9.00", budget_limit="0.70")))

    fallbacks = Deployment.objects.get().config["fallbacks"]
    assert [each["instance_type"] for each in fallbacks] == ["gpu_1x_gh200"]


def test_a_draft_that_was_changed_in_another_window_is_shown_again(
    reader: Client, draft: Draft
) -> None:
    version = draft.version
    Draft.objects.filter(pk=draft.pk).update(version=version + 1)

    page = press(reader, draft, version=str(version))

    assert "changed in another window" in text(page)
    assert not Deployment.objects.exists()
    # The name that was typed is not lost.
    assert 'value="Support answers v3"' in page.content.decode()


def test_f5_a_price_that_rose_is_shown_and_not_paid(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    reader.get(address(draft))
    again(market, cents={"gpu_1x_h100_pcie": 400})

    page = press(reader, draft)

    assert "The price rose from $3.29 to $4.00 an hour" in text(page)
    assert not Deployment.objects.exists()
    assert not TrainingConfig.objects.exists()


def test_f5_what_is_waited_for_is_never_rented_above_the_price_it_was_ticked_at(
    reader: Client, user: User, market: responses.RequestsMock
) -> None:
    waited = {
        "platform": "lambda",
        "instance_type": "gpu_1x_a6000",
        "region": "auto",
        "hourly": "1.09",
    }
    draft = ready_draft(user, **complete(wait_for=[waited]))
    again(market, cents={"gpu_1x_a6000": 200})

    response = press(reader, draft)

    assert response["Location"] == f"/new/{draft.pk}/hardware/"
    assert "Nothing is offered at 1.09 USD an hour or less" in text(
        reader.get(response["Location"])
    )
    assert not Deployment.objects.exists()


def test_f13_a_machine_that_is_free_elsewhere_only_is_not_rented_there_unasked(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    reader.get(address(draft))
    again(market, gpu_1x_h100_pcie=("europe-central-1",))

    response = press(reader, draft)

    assert response["Location"] == f"/new/{draft.pk}/hardware/"
    assert not Deployment.objects.exists()


@pytest.mark.parametrize("hourly", ["1E+400", "1000000", "NaN", "-1", "x", ""])
def test_a_price_that_no_page_has_shown_starts_nothing(
    reader: Client, draft: Draft, hourly: str
) -> None:
    page = press(reader, draft, hourly=hourly)

    assert page.status_code == 200
    assert "Nothing was started: look it over once more." in text(page)
    assert not Deployment.objects.exists()


def test_f13_a_machine_that_was_taken_leads_back_to_the_offers(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    reader.get(address(draft))
    again(market, gpu_1x_h100_pcie=())

    response = press(reader, draft)

    assert response["Location"] == f"/new/{draft.pk}/hardware/"
    page = reader.get(response["Location"])
    assert page.context["form"].errors["machine"]
    assert not Deployment.objects.exists()
    # Said once.
    assert not reader.get(response["Location"]).context["form"].errors


def test_f6_a_budget_that_is_too_small_by_now_leads_to_its_field(
    reader: Client, user: User, market: responses.RequestsMock
) -> None:
    draft = ready_draft(user, **complete(budget_limit="0.20"))

    response = press(reader, draft)

    page = reader.get(response["Location"])
    (error,) = page.context["form"].errors["budget_limit"]
    assert "Give at least 0.62 USD" in error
    assert not Deployment.objects.exists()


def test_f4_a_key_that_is_gone_starts_nothing(reader: Client, user: User, draft: Draft) -> None:
    entry = entry_for(user, "lambda")
    assert entry is not None
    delete_entry(entry, actor=user)

    response = press(reader, draft)

    page = reader.get(response["Location"])
    assert "Connect a cloud to see its machines" in text(page)
    assert not Deployment.objects.exists()


def test_f4_a_key_that_was_revoked_starts_nothing(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    denied = {"error": {"code": "global/invalid-api-key", "message": "bad key"}}
    market.replace(responses.GET, f"{BASE_URL}/instance-types", status=401, json=denied)

    response = press(reader, draft)

    assert response["Location"] == f"/new/{draft.pk}/hardware/"
    assert "Go to the vault" in text(reader.get(response["Location"]))
    assert not Deployment.objects.exists()


def test_a_draft_that_lacks_something_cannot_be_started(
    reader: Client, user: User, market: responses.RequestsMock
) -> None:
    draft = ready_draft(user)

    looked = reader.get(address(draft))
    pressed = press(reader, draft)

    assert not looked.context["can_start"]
    assert pressed.status_code == 200
    assert not Deployment.objects.exists()


def test_the_two_windows_of_one_press_meet_at_one_run(
    reader: Client, user: User, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other press is at it: its settings are kept, its run is not there yet.
    services.save_config(
        user,
        services.ConfigInput(name="x", base_model="example/x", dataset_id=str(draft.dataset_id)),
        existing=TrainingConfig(pk=draft.pk, user=user),
    )

    response = press(reader, draft)

    assert response["Location"] == f"/new/{draft.pk}/"
    assert "Starting your run" in text(reader.get(response["Location"]))


def test_after_a_press_that_came_to_nothing_the_review_is_where_it_was(
    reader: Client, draft: Draft
) -> None:
    assert reader.get(f"/new/{draft.pk}/")["Location"] == address(draft)

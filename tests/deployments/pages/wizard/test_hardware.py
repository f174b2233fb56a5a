"""Hardware and budget: the offers by total, what is kept in the draft, and what is refused."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from deployments import acceptance
from deployments.models import Draft
from deployments.pages.wizard import hardware, likely
from deployments.pages.wizard.offers_table import TIMES
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages.wizard.market import again, ready_draft

H100 = "lambda|gpu_1x_h100_pcie|us-west-3|3.29"
A6000_WAITED = "lambda|gpu_1x_a6000|auto|1.09"


@pytest.fixture
def draft(user: User, market: responses.RequestsMock) -> Draft:
    return ready_draft(user)


def address(draft: Draft) -> str:
    return f"/new/{draft.pk}/hardware/"


def text(response: Any) -> str:
    """Return the page's words, one space between any two."""
    words = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", words.replace("\N{NO-BREAK SPACE}", " "))


def choice(**changes: Any) -> dict[str, Any]:
    return {
        "show_type": "auto",
        "show_region": "auto",
        "max_hourly_price": "",
        "machine": H100,
        "fallback_total_limit": "",
        "wait_for_capacity_minutes": "30",
        "budget_limit": "4.00",
        "max_hours": "2",
        "keep_on_failure_minutes": "0",
    } | changes


def kept(draft: Draft) -> dict[str, Any]:
    values: dict[str, Any] = Draft.objects.get(pk=draft.pk).values
    return values


def test_free_offers_come_first_and_by_their_likely_total(reader: Client, draft: Draft) -> None:
    page = reader.get(address(draft))

    rows = page.context["table"].free
    totals = [row.forecast.likely_usd for row in rows]
    assert totals == sorted(totals)
    # Not the selectors above it, which name every type.
    words = text(page).partition("Likely total Verdict")[2]
    assert words.index("Free now") < words.index("Sold out now, cheaper when free.")
    assert words.index("H100 PCIe") < words.index(f"1{TIMES} A6000")


def test_the_cheapest_that_fits_is_chosen_at_first(reader: Client, draft: Draft) -> None:
    page = reader.get(address(draft))

    # The GH200 would cost less, but nobody has tried it here.
    chosen = page.context["table"].chosen
    assert chosen.place.instance_type == "gpu_1x_h100_pcie"
    assert chosen.note == "Cheapest that fits"
    assert page.context["table"].free[0].place.instance_type == "gpu_1x_gh200"


def test_what_cannot_run_says_why_and_what_would_help(reader: Client, draft: Draft) -> None:
    words = text(reader.get(address(draft)))

    assert "It lacks 1.7 GB of memory" in words
    assert "It would run with" in words
    assert "1 row at once, 16 batches a step" in words
    assert "8 GPUs at once: tried with processes on a CPU alone" in words


def test_a_budget_of_twice_the_high_estimate_is_suggested(reader: Client, draft: Draft) -> None:
    page = reader.get(address(draft))

    high = page.context["table"].chosen.forecast.cost_usd.high
    assert page.context["form"]["budget_limit"].value() == 2 * high
    assert f"twice the high estimate, ${2 * high}" in text(page)


def test_next_keeps_everything_and_leads_to_the_review(reader: Client, draft: Draft) -> None:
    response = reader.post(
        address(draft),
        choice(wait_for=[A6000_WAITED], fallback_total_limit="1.80", keep_on_failure_minutes="10"),
    )

    assert response["Location"] == f"/new/{draft.pk}/review/"
    values = kept(draft)
    assert values["machine"] == {
        "platform": "lambda",
        "instance_type": "gpu_1x_h100_pcie",
        "region": "us-west-3",
        "hourly": "3.29",
    }
    assert values["wait_for"] == [
        {
            "platform": "lambda",
            "instance_type": "gpu_1x_a6000",
            "region": "auto",
            "hourly": "1.09",
        }
    ]
    assert (values["budget_limit"], values["max_hours"]) == ("4.00", "2")
    assert values["fallback_total_limit"] == "1.80"
    assert values["keep_on_failure_minutes"] == 10


def test_what_is_kept_is_shown_again_next_week(reader: Client, draft: Draft) -> None:
    reader.post(address(draft), choice(machine="lambda|gpu_1x_h100_sxm5|us-south-1|4.29"))

    page = reader.get(address(draft))

    assert page.context["table"].chosen.place.instance_type == "gpu_1x_h100_sxm5"
    assert page.context["form"]["budget_limit"].value() == "4.00"


def test_the_selectors_narrow_the_table_and_are_kept(reader: Client, draft: Draft) -> None:
    response = reader.post(
        address(draft), choice(show_region="us-south-1", max_hourly_price="5.00", go="stay")
    )

    assert response["Location"] == address(draft)
    page = reader.get(address(draft))
    assert {row.place.region for row in page.context["table"].free} == {"us-south-1"}
    assert page.context["form"]["max_hourly_price"].value() == "5.00"


def test_the_highest_price_narrows_the_table(reader: Client, draft: Draft) -> None:
    reader.post(address(draft), choice(max_hourly_price="3.50", go="stay"))

    rows = reader.get(address(draft)).context["table"].free
    assert [row.place.instance_type for row in rows] == ["gpu_1x_gh200", "gpu_1x_h100_pcie"]


def test_f6_a_budget_that_only_pays_for_booting_names_the_number_that_would_pass(
    reader: Client, draft: Draft
) -> None:
    page = reader.post(address(draft), choice(budget_limit="0.10"))

    # 310 s to land and 300 s to boot at 3.29 an hour, and one begun minute: 0.283 + 0.275 + 0.055.
    (error,) = page.context["form"].errors["budget_limit"]
    assert "Give at least 0.62 USD" in error
    assert "budget_limit" not in kept(draft)


def test_a_machine_above_the_highest_price_is_refused_at_the_price(
    reader: Client, draft: Draft
) -> None:
    reader.post(address(draft), choice())

    page = reader.post(address(draft), choice(max_hourly_price="1.00"))

    (error,) = page.context["form"].errors["max_hourly_price"]
    assert "Give at least 3.29" in error


def test_f13_a_machine_that_was_taken_meanwhile_is_not_chosen(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    again(market, gpu_1x_h100_pcie=())

    page = reader.post(address(draft), choice())

    assert "taken meanwhile" in page.context["form"].errors["machine"][0]
    assert "machine" not in kept(draft)


def test_where_nothing_is_free_what_is_ticked_is_waited_for(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    several = ("gpu_2x_a100", "gpu_8x_a100")
    sold_out = ("gpu_1x_gh200", "gpu_1x_h100_pcie", "gpu_1x_h100_sxm5", *several)
    again(market, **dict.fromkeys(sold_out, ()))

    refused = reader.post(address(draft), choice(machine=""))
    reader.post(address(draft), choice(machine="", wait_for=[A6000_WAITED]))

    assert "Tick what you would wait for" in refused.context["form"].errors["machine"][0]
    assert kept(draft)["machine"]["instance_type"] == "gpu_1x_a6000"


def test_back_keeps_what_can_be_kept_and_holds_nobody(reader: Client, draft: Draft) -> None:
    response = reader.post(
        address(draft), choice(budget_limit="nonsense", max_hours="3", go="back")
    )

    assert response["Location"] == f"/new/{draft.pk}/training/"
    assert kept(draft)["max_hours"] == "3"
    assert "budget_limit" not in kept(draft)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budget_limit", ""),
        ("budget_limit", "-1"),
        ("max_hours", "0"),
        ("max_hours", "721"),
        ("wait_for_capacity_minutes", "-1"),
        ("fallback_total_limit", "everything"),
        ("keep_on_failure_minutes", "7"),
        ("machine", "lambda"),
        ("machine", "lambda|gpu_1x_a10|us-east-1|0"),
        ("show_type", "gpu_9x"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(
    reader: Client, draft: Draft, field: str, value: str
) -> None:
    page = reader.post(address(draft), choice(**{field: value}))

    assert page.status_code == 200
    assert field in page.context["form"].errors


def test_f58_a_cloud_that_does_not_answer_leaves_the_draft_as_it_is(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    market.replace(responses.GET, f"{BASE_URL}/instance-types", status=503)

    page = reader.get(address(draft))
    refused = reader.post(address(draft), choice())

    assert "The offers could not be read" in text(page)
    assert "could not be read" in refused.context["form"].errors["machine"][0]


def test_without_a_key_it_is_asked_for_here(
    reader: Client, user: User, market: responses.RequestsMock
) -> None:
    page = reader.get(address(ready_draft(user, with_key=False)))

    assert "Connect a cloud to see its machines" in text(page)
    assert not market.calls


def test_of_a_model_of_unknown_size_the_hourly_price_decides(
    reader: Client, user: User, market: responses.RequestsMock
) -> None:
    page = reader.get(address(ready_draft(user, base_model="somebody/model")))

    assert page.context["table"].chosen.place.instance_type == "gpu_1x_rtx6000"
    assert page.context["summary"].cost == "not known yet"
    assert "Sorted by price per hour" in text(page)


def test_turning_pages_asks_the_cloud_once(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    for _ in range(3):
        reader.get(address(draft))

    assert len(market.calls) == 1


def test_more_offers_cost_no_more_queries(
    reader: Client, draft: Draft, market: responses.RequestsMock
) -> None:
    reader.get(address(draft))

    with CaptureQueriesContext(connection) as captured:
        reader.get(address(draft))

    assert len(captured) <= 27


def test_F6_what_is_suggested_is_taken_however_little_the_run_will_likely_cost(
    draft: Draft, settings: Settings
) -> None:
    found = [each for each in likely.look(draft).found if each.cost_usd is not None]
    assert found
    for each in found:
        acceptance.check_budget(hardware.suggestion(each) or Decimal(0), each.offer)

    # Booting alone is now dearer than twice the run.
    settings.TIMING = replace(settings.TIMING, expected_boot_seconds=360_000)
    for each in found:
        assert hardware.suggestion(each) == acceptance.least_budget(each.offer)

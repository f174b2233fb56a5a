"""What the settings and every page say of caps and of the kill switch (T20)."""

from decimal import Decimal

from django.contrib.auth.models import User
from django.test import Client

from deployments import kill_switch
from deployments.caps import Caps, Committed, MachineCap, MoneyCap
from deployments.models import UserLimits
from deployments.pages.cap_words import allowance, month_left
from tests import builders
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken
from tests.deployments.pages.wizard.test_hardware import text

# In words.


def caps(limit: str | None, machines: int | None = 5) -> Caps:
    month = MoneyCap(
        None if limit is None else Decimal(limit),
        Committed(Decimal("12.30"), Decimal("30.00"), runs=2),
    )
    some = MachineCap(machines, runs=2)
    return Caps(month=month, day=month, machines=some, all_machines=some)


def test_the_month_is_told_and_drawn_under_its_cap() -> None:
    found = allowance(caps("50.00"))

    assert (found.spent, found.reserved) == ("$12.30", "$30.00")
    assert spoken(found.runs) == "2 living runs"
    assert (found.cap, found.left, found.machines) == ("$50.00", "$7.70", "2 of 5")
    assert (found.spent_percent, found.reserved_percent) == (24.6, 60.0)
    assert month_left(caps("50.00").month) == "$7.70 of $50.00 left"


def test_a_cap_that_was_lowered_draws_no_bar_beyond_its_end() -> None:
    found = allowance(caps("20.00"))

    assert (found.spent_percent, found.reserved_percent) == (61.5, 38.5)
    assert found.left == "$0.00"


def test_without_a_cap_there_is_no_bar_and_any_amount_is_left() -> None:
    found = allowance(caps(None, machines=None))

    assert (found.cap, found.left, found.spent_percent) == ("no cap", "any amount", None)
    assert spoken(found.machines) == "2 living runs"
    assert month_left(caps(None).month) == ""


# The settings.


def test_the_settings_show_what_is_spent_kept_and_left(user: User, reader: Client) -> None:
    UserLimits.objects.create(user=user, monthly_usd=Decimal("50.00"), max_machines=3)
    builders.make_deployment(user, budget_limit=Decimal("12.50"))

    words = text(reader.get("/settings/"))

    assert "$0.00 by runs that are over" in words
    assert "$12.50 for 1 living run, each with its whole budget" in words
    assert "$37.50 for the budget of a new run" in words
    assert "1 of 3 at once" in words


def test_T2_the_settings_show_nobody_elses_figures(user: User, reader: Client) -> None:
    builders.make_deployment(budget_limit=Decimal("77.77"))

    assert "77.77" not in text(reader.get("/settings/"))


# Above every page.


def test_while_the_kill_switch_is_on_everybody_reads_why_on_every_page(user: User) -> None:
    kill_switch.turn_on(actor=None, reason="<b>a token</b> was stolen")

    for reader in (signed_in(user), signed_in(builders.make_user())):
        page = reader.get("/datasets/")

        assert "Launches are blocked since" in text(page)
        assert "The reason: &lt;b&gt;a token&lt;/b&gt; was stolen" in page.content.decode()


def test_T1_nobody_unknown_reads_of_it(db: None) -> None:
    kill_switch.turn_on(actor=None, reason="a token was stolen")

    assert "stolen" not in text(Client().get("/login/"))


def test_once_it_is_off_nothing_is_said(reader: Client) -> None:
    kill_switch.turn_on(actor=None, reason="drill")
    kill_switch.turn_off(actor=None)

    assert "Launches are blocked" not in text(reader.get("/datasets/"))

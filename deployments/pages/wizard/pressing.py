"""From a draft that is complete to the press of Start: what exactly is asked for, at what price."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from django.conf import settings

from core.errors import InvalidInputError, SlipwayError
from deployments import clouds, costs, drafts
from deployments.acceptance import budget_pays
from deployments.models import Draft
from deployments.pages.starting import Press
from deployments.pages.wizard import likely, offers_table
from deployments.pages.wizard.likely import Look
from deployments.pages.wizard.offers_table import Place
from deployments.providers.base import Offer
from deployments.quotes import AUTO
from deployments.services import DEFAULT_MAX_HOURS, ConfigInput, DeployRequest, Fallback
from deployments.templatetags.wording import usd_exact

MAX_FALLBACKS = 20
CHANGED_ELSEWHERE = (
    "This draft was changed in another window since you looked. Nothing was started: look it over "
    "once more."
)
# The step on which a refusal of the services can be put right, by the name of its parameter.
STEP_BY_PARAM = {
    "dataset_id": "data",
    "method": "method",
    "base_model": "model",
    "hyperparameters": "training",
    "eval": "training",
}
# With these no step helps; the review says what does.
STAY_AT_REVIEW = frozenset(
    {
        "E_FORM_USED",
        "E_APP_URL",
        "E_MONTHLY_CAP",
        "E_DAILY_CAP",
        "E_MACHINE_CAP",
        "E_LAUNCHES_BLOCKED",
    }
)


class LookAgainError(Exception):
    """What was shown beside the button is no longer so; ``message`` says what changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def must_type(budget: Decimal | None) -> bool:
    """Whether a budget is so large that a slip of the hand must not start its run (T20)."""
    return budget is not None and budget >= settings.CONFIRM_BUDGET_FROM_USD


def lacks_amount(budget: Decimal | None, typed: str) -> bool:
    """Say whether the budget must be typed and was not, however its cents are written."""
    if not must_type(budget):
        return False
    try:
        return Decimal(typed.strip().removeprefix("$").replace(",", "")) != budget
    except InvalidOperation:
        return True


def step_of(error: SlipwayError) -> str:
    """Return the step on which the reader can put a refusal right."""
    if error.code in STAY_AT_REVIEW:
        return "review"
    return STEP_BY_PARAM.get((error.param or "").split(".")[0], "hardware")


def press(draft: Draft, look: Look, *, name: str, shown: Decimal | None) -> Press:
    """Return what one press asks for, each machine at no more than it was shown for (F5).

    Raises: LookAgainError when the price rose; InvalidInputError when the machine is taken, and
    what the cloud answered when the offers are not known.
    """
    if look.error is not None:
        raise look.error
    place = _place(draft, look, shown)
    config = ConfigInput(
        name=name,
        base_model=str(draft.values["base_model"]),
        dataset_id=str(draft.dataset_id),
        method=drafts.method_of(draft),
        hyperparameters=drafts.hyperparameters(draft),
        eval=draft.values.get("eval", {}),
        export=draft.values.get("export", {}),
        budget_limit=likely.amount(draft, "budget_limit"),
    )
    waits = draft.values.get("wait_for_capacity_minutes")
    request = DeployRequest(
        training_config_id=str(draft.pk),
        instance_type=place.instance_type,
        region=place.region,
        budget_limit=likely.amount(draft, "budget_limit"),
        max_hours=likely.amount(draft, "max_hours") or DEFAULT_MAX_HOURS,
        name=name,
        wait_for_capacity_minutes=DeployRequest.wait_for_capacity_minutes
        if waits is None
        else int(waits),
        max_hourly_price=place.hourly,
        fallbacks=_fallbacks(draft, look, place),
        keep_on_failure_minutes=int(draft.values.get("keep_on_failure_minutes") or 0),
        adapter_from=str((draft.values.get("adapter_from") or {}).get("id", "")),
    )
    return Press(nonce=draft.pk, platform=place.platform, config=config, request=request)


def _place(draft: Draft, look: Look, shown: Decimal | None) -> Place:
    """Return the chosen machine at its price of now; what is waited for may be sold out."""
    chosen, waited = likely.chosen(draft), likely.waited_for(draft)
    now = look.forecast_of(chosen)
    if chosen is None or now is None:
        raise _taken("The chosen machine is no longer on offer.")
    found = offers_table.place_of(now.offer)
    is_waited_for = any(found.is_same_kind(place) for place in waited)
    if not now.offer.available and not is_waited_for:
        raise _taken(f"{offers_table.gpu_words(now.offer)} is sold out now.")
    if now.offer.available and chosen.region not in (AUTO, found.region):
        raise _taken(f"{offers_table.gpu_words(now.offer)} is free in other regions only.")
    if shown is None or now.offer.hourly_price_usd > shown:
        before = f" from {usd_exact(shown)}" if shown else ""
        raise LookAgainError(
            f"The price rose{before} to {usd_exact(now.offer.hourly_price_usd)} an hour since you "
            "looked. Nothing was started: look it over once more."
        )
    region = chosen.region if chosen.region == AUTO else found.region
    return Place(found.platform, found.instance_type, region, shown)


def _taken(what: str) -> InvalidInputError:
    return InvalidInputError(
        what,
        remedy="Choose another one, or tick it among the sold-out ones to wait for it.",
        param="instance_type",
        code="E_CAPACITY",
    )


def dearest(draft: Draft, look: Look, picked: Offer) -> Offer:
    """Return what costs most to land of all that may be rented: the budget is reckoned by it."""
    others = (offer for offer, _ in _instead(draft, look, offers_table.place_of(picked)))
    return max([picked, *others], key=_landing_usd)


def _landing_usd(offer: Offer) -> Decimal:
    quantum_seconds = clouds.capabilities(offer.platform).billing_quantum_seconds
    return costs.reserve(
        offer.hourly_price_usd, timing=settings.TIMING, quantum_seconds=quantum_seconds
    )


def _fallbacks(draft: Draft, look: Look, place: Place) -> tuple[Fallback, ...]:
    """Return what may be rented instead, at no more than it was ticked for (F5)."""
    found: dict[Fallback, None] = {}
    for offer, shown in _instead(draft, look, place):
        each = offers_table.place_of(offer)
        hourly = min(offer.hourly_price_usd, shown or offer.hourly_price_usd)
        found[Fallback(each.platform, each.instance_type, each.region, hourly)] = None
    return tuple(found)[:MAX_FALLBACKS]


def _instead(draft: Draft, look: Look, place: Place) -> Iterator[tuple[Offer, Decimal | None]]:
    """Yield the free offers of all clouds up to the limit, by total, then what is waited for.

    The latter with what it was ticked at: nothing else bounds its price. What the budget does not
    even boot is left out: it must not stand in the way of the rest.
    """
    limit = likely.amount(draft, "fallback_total_limit")
    rows = look.table.free if limit is not None else ()
    chosen = next((row for row in rows if row.place.is_same(place)), None)
    free = [] if limit is None else offers_table.fallback_rows(limit, rows, chosen)
    waited = [
        (forecast.offer, wanted.hourly)
        for wanted in likely.waited_for(draft)
        if (forecast := look.forecast_of(wanted)) is not None
    ]
    budget = likely.amount(draft, "budget_limit") or Decimal(0)
    for offer, shown in [*((row.forecast.offer, None) for row in free), *waited]:
        if not offers_table.place_of(offer).is_same(place) and budget_pays(budget, offer):
            yield offer, shown

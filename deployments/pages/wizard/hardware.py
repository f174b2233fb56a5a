"""Step 5: where it should run, what if that is sold out, and what it may cost."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from core.errors import ConflictError, InvalidInputError
from core.time import database_now
from deployments import acceptance, clouds, drafts, spending
from deployments.acceptance import check_budget
from deployments.forecasts import OfferForecast
from deployments.models import Draft
from deployments.pages.answers import page
from deployments.pages.forms import KeyForm, PlainForm
from deployments.pages.wizard import (
    budget_words,
    frame,
    likely,
    offers_table,
    pressing,
    refusals,
)
from deployments.pages.wizard.likely import Look
from deployments.pages.wizard.offers_table import Place
from deployments.quotes import AUTO
from deployments.services import DEFAULT_MAX_HOURS, DeployRequest
from deployments.templatetags.wording import usd

STEP = "hardware"
# Totals up to which another free offer may be taken, as shares of the chosen one's high estimate.
FALLBACK_SHARES = (Decimal("1.2"), Decimal("1.5"), Decimal(2))
KEEP_MINUTES = (10, 30, 60)
DIME = Decimal("0.10")
CENT = Decimal("0.01")
# Where an error of the services is shown, by the name of its parameter.
FIELDS_BY_PARAM = {
    "budget_limit": "budget_limit",
    "max_hours": "max_hours",
    "max_hourly_price": "max_hourly_price",
    "instance_type": "machine",
    "region": "machine",
    "wait_for_capacity_minutes": "wait_for_capacity_minutes",
}


class Ticks(forms.MultipleChoiceField):
    """Places of the table; a price that moved meanwhile makes none of them wrong."""

    def valid_value(self, value: Any) -> bool:
        """Say whether it names a place."""
        return Place.read(str(value)) is not None


class Limit(forms.ChoiceField):
    """An amount out of a list that moves with the prices."""

    def valid_value(self, value: Any) -> bool:
        """Say whether it is an amount like those that are offered."""
        try:
            return Decimal(0) < Decimal(str(value)) < Decimal(1_000_000)
        except InvalidOperation:
            return False


class HardwareForm(PlainForm):
    """Machine, what instead of it, and limits."""

    show_type = forms.ChoiceField(label="Machine type", required=False)
    show_region = forms.ChoiceField(label="Region", required=False)
    max_hourly_price = forms.DecimalField(
        label="Highest price per hour",
        required=False,
        min_value=Decimal("0.01"),
        max_digits=10,
        decimal_places=4,
    )
    machine = forms.CharField(required=False, max_length=300)
    wait_for = Ticks(required=False)
    fallback_total_limit = Limit(
        label="Then try", required=False, help_text="Likely total, not price per hour"
    )
    wait_for_capacity_minutes = forms.IntegerField(
        label="If all refuse, wait for up to",
        min_value=0,
        max_value=10_080,
        help_text="Waiting costs nothing",
    )
    budget_limit = forms.DecimalField(
        label="This run may cost at most",
        min_value=Decimal("0.01"),
        max_digits=10,
        decimal_places=2,
        error_messages={"required": "Set a budget: it is the limit that is kept for you."},
    )
    max_hours = forms.DecimalField(
        label="And take at most",
        min_value=Decimal("0.01"),
        max_value=Decimal(720),
        max_digits=6,
        decimal_places=2,
        error_messages={"required": "Say how many hours it may take at most."},
    )
    keep_on_failure_minutes = forms.TypedChoiceField(label="If it fails", coerce=int)

    def __init__(self, draft: Draft, look: Look, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._look = look
        self.picked: OfferForecast | None = _picked(draft, look)
        for name, choices in self._choices(draft).items():
            self.fields[name].choices = choices  # type: ignore[attr-defined]  # a choice field
        self._hints()

    def show_error(self, error: InvalidInputError) -> None:
        """Put a refusal of the services where its field is."""
        self.refuse(FIELDS_BY_PARAM.get(error.param or ""), error)

    def clean(self) -> dict[str, Any]:
        """Ask what the service will ask: is the machine there, and does the budget pay for it."""
        given = super().clean() or {}
        self.picked = self._machine(given)
        if self.picked is None:
            self.add_error("machine", self._why_no_machine())
            return given
        offer = self.picked.offer
        limit = given.get("max_hourly_price")
        if limit is not None and offer.hourly_price_usd > limit:
            self.add_error(
                "max_hourly_price",
                f"The chosen machine costs {usd(offer.hourly_price_usd)} an hour. Give at least "
                f"{offer.hourly_price_usd:.2f}, or choose another one.",
            )
        if given.get("budget_limit") is not None:
            try:
                check_budget(given["budget_limit"], offer)
            except InvalidInputError as error:
                self.show_error(error)
        return given

    def values(self) -> dict[str, Any]:
        """Return what the draft keeps of what was given and can be used."""
        given = self.cleaned_data
        found: dict[str, Any] = {
            "show": {
                "instance_type": given.get("show_type") or AUTO,
                "region": given.get("show_region") or AUTO,
            }
        }
        for name in ("max_hourly_price", "budget_limit", "max_hours"):
            if name in given:
                found[name] = "" if given[name] is None else str(given[name])
        for name in (
            "fallback_total_limit",
            "wait_for_capacity_minutes",
            "keep_on_failure_minutes",
        ):
            if name in given:
                found[name] = given[name]
        if "wait_for" in given:
            found["wait_for"] = [
                likely.kept(place) for text in given["wait_for"] if (place := Place.read(text))
            ]
        if "machine" not in self.errors and self.picked is not None:
            found["machine"] = likely.kept(offers_table.place_of(self.picked.offer))
        return found

    def _machine(self, given: Mapping[str, Any]) -> OfferForecast | None:
        """Return the chosen free machine, or the first sold-out one that is waited for."""
        rows = self._look.table.free
        wanted = Place.read(given.get("machine") or "")
        if wanted is not None:
            return next((row.forecast for row in rows if row.place.is_same(wanted)), None)
        if rows:
            return None
        places = [Place.read(text) for text in given.get("wait_for", [])]
        for row in self._look.table.sold_out:
            if any(row.place.is_same(place) for place in places):
                return row.forecast
        return None

    def _why_no_machine(self) -> forms.ValidationError:
        if self._look.error is not None:
            return forms.ValidationError(
                "The offers could not be read, so no machine can be chosen. Try again.",
                code=self._look.error.code,
            )
        if self.data.get("machine"):
            return forms.ValidationError(
                "That machine was taken meanwhile, or is no longer shown. Choose another one.",
                code="E_CAPACITY",
            )
        if not self._look.table.free and self._look.table.sold_out:
            return forms.ValidationError(
                "Nothing that can run this is free. Tick what you would wait for.",
                code="E_CAPACITY",
            )
        return forms.ValidationError("Choose a machine.")

    def _choices(self, draft: Draft) -> dict[str, list[tuple[Any, str]]]:
        offers = self._look.offers
        types = {o.instance_type: f"{offers_table.gpu_words(o)}, {o.vram_gib} GB" for o in offers}
        regions = {o.region: offers_table.where_words(o) for o in offers if o.region}
        kept = draft.values.get("show") or {}
        for name, known in (("instance_type", types), ("region", regions)):
            # What is gone from the offers stays chosen until somebody chooses otherwise.
            if kept.get(name, AUTO) != AUTO:
                known.setdefault(kept[name], kept[name])
        return {
            "show_type": [(AUTO, "Auto: cheapest that fits"), *_by_words(types)],
            "show_region": [(AUTO, "Auto: any region"), *_by_words(regions)],
            "wait_for": [(row.value, row.gpu) for row in self._look.table.sold_out],
            "fallback_total_limit": self._fallbacks(draft),
            "keep_on_failure_minutes": [
                (0, "End the machine at once"),
                *((minutes, f"Keep it {minutes} min to look") for minutes in KEEP_MINUTES),
            ],
        }

    def _fallbacks(self, draft: Draft) -> list[tuple[Any, str]]:
        found: list[tuple[Any, str]] = [("", "Nothing else")]
        table, picked = self._look.table, self.picked
        limits = [] if picked is None else fallback_limits(picked)
        kept = likely.amount(draft, "fallback_total_limit")
        if kept is not None and kept not in limits:
            limits = sorted([*limits, kept])
        words = offers_table.limit_words
        return found + [
            (str(limit), words(limit, table.free, table.chosen)) for limit in limits if limit > 0
        ]

    def _hints(self) -> None:
        if self.picked is None:
            return
        suggested = suggestion(self.picked)
        hourly = self.picked.offer.hourly_price_usd
        if suggested is not None:
            twice = suggested == offers_table.twice_the_high(self.picked)
            why = "twice the high estimate" if twice else "the least that boots and lands safely"
            self.fields["budget_limit"].help_text = f"Suggested: {why}, {usd(suggested)}"
        self.fields["keep_on_failure_minutes"].help_text = budget_words.keeping(10, hourly=hourly)


@page
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show the offers and limits; on POST keep them and move on."""
    draft = frame.own_draft(request, draft_id)
    look = likely.look(draft)
    if request.method != "POST":
        return _show(request, draft, look, _form_to_show(request, draft, look))
    form = HardwareForm(draft, look, request.POST)
    is_valid = form.is_valid()
    if is_valid or frame.goes_back(request) or request.POST.get(frame.GO) == frame.STAY:
        draft = drafts.change(draft, form.values())
        return frame.moved_on(request, draft, STEP)
    return _show(request, draft, look, form)


def _form_to_show(request: HttpRequest, draft: Draft, look: Look) -> HardwareForm:
    """Return the form as it is kept; after a start that was refused, with the reason in it."""
    first = initial(draft, look)
    refusal = refusals.take(request, draft)
    if refusal is None:
        return HardwareForm(draft, look, initial=first)
    place = likely.chosen(draft)
    ticked = [row.value for row in look.table.waited_for]
    kept = {**first, "machine": place.value if place else "", "wait_for": ticked}
    form = HardwareForm(draft, look, kept)
    field = FIELDS_BY_PARAM.get(refusal.param)
    # What the form finds wrong by itself says the same, with newer figures.
    is_told = look.error is not None and look.error.code == refusal.code
    if (form.is_valid() or field not in form.errors) and not is_told:
        form.add_error(field, forms.ValidationError(refusal.message, code=refusal.code))
    return form


def initial(draft: Draft, look: Look) -> dict[str, Any]:
    """Return what the draft holds, and for what it does not hold yet a suggestion."""
    values = draft.values
    show = values.get("show") or {}
    picked = _picked(draft, look)
    suggested = suggestion(picked)
    hours = budget_words.suggested_hours(picked.seconds if picked else None)
    limits = fallback_limits(picked) if picked else []
    fallback = values.get("fallback_total_limit", str(limits[0]) if limits else "")
    waits = values.get("wait_for_capacity_minutes", DeployRequest.wait_for_capacity_minutes)
    return {
        "show_type": show.get("instance_type", AUTO),
        "show_region": show.get("region", AUTO),
        "max_hourly_price": values.get("max_hourly_price") or None,
        "fallback_total_limit": fallback,
        "wait_for_capacity_minutes": waits,
        "budget_limit": values.get("budget_limit") or settings.DEFAULT_BUDGET_USD or suggested,
        "max_hours": values.get("max_hours") or hours or DEFAULT_MAX_HOURS,
        "keep_on_failure_minutes": values.get("keep_on_failure_minutes", 0),
    }


def fallback_limits(picked: OfferForecast) -> list[Decimal]:
    """Return totals a little above the chosen machine's, in whole dimes."""
    if picked.cost_usd is None:
        return []
    found = {
        (picked.cost_usd.high * share / DIME).to_integral_value(rounding="ROUND_CEILING") * DIME
        for share in FALLBACK_SHARES
    }
    return sorted(limit.quantize(Decimal("0.01")) for limit in found)


def _picked(draft: Draft, look: Look) -> OfferForecast | None:
    """Return the forecast of the row that is chosen, free or waited for."""
    if look.table.chosen is not None:
        return look.table.chosen.forecast
    if look.table.waited_for:
        return look.table.waited_for[0].forecast
    return look.table.sold_out[0].forecast if look.table.sold_out else None


def _by_words(known: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(known.items(), key=lambda item: item[1])


def _show(request: HttpRequest, draft: Draft, look: Look, form: HardwareForm) -> HttpResponse:
    picked = form.picked or _picked(draft, look)
    context = {
        "form": form,
        "look": look,
        "table": look.table,
        "budget": _budget(draft, look, form, picked),
        "over_cap": _over_cap(draft, form),
        "buys": _buys(form, picked),
        "picked": form["machine"].value() if form.is_bound else None,
        "ticked": form["wait_for"].value() if form.is_bound else None,
        "summary": likely.summary_with(draft, picked),
        "key_form": KeyForm() if look.error and look.error.code == "E_NO_KEY" else None,
    }
    return frame.show(request, draft, STEP, context)


def _amount(form: HardwareForm) -> Decimal | None:
    """Return the budget as it stands in the form, if it can be used."""
    if form.is_bound and form.errors.get("budget_limit"):
        return None
    try:
        found = form.fields["budget_limit"].clean(form["budget_limit"].value())
    except forms.ValidationError:
        return None
    return found if isinstance(found, Decimal) else None


def _over_cap(draft: Draft, form: HardwareForm) -> ConflictError | None:
    """Return why a run of this budget would not be accepted now: a draft may wait for better."""
    amount = _amount(form)
    return None if amount is None else spending.refusal(draft.user, amount, now=database_now())


def _budget(
    draft: Draft, look: Look, form: HardwareForm, picked: OfferForecast | None
) -> budget_words.Budget | None:
    amount = _amount(form)
    if amount is None or picked is None:
        return None
    dearest = pressing.dearest(draft, look, picked.offer)
    if not dearest.hourly_price_usd:
        return None
    return budget_words.budget(
        amount,
        hourly=dearest.hourly_price_usd,
        likely=picked.cost_usd,
        timing=settings.TIMING,
        quantum_seconds=clouds.capabilities(dearest.platform).billing_quantum_seconds,
    )


def _buys(form: HardwareForm, picked: OfferForecast | None) -> str:
    amount = _amount(form)
    if amount is None or picked is None:
        return ""
    return budget_words.buys(amount, hourly=picked.offer.hourly_price_usd)


def suggestion(picked: OfferForecast | None) -> Decimal | None:
    """Return a budget that leaves room for a wrong guess, and that is taken (F6)."""
    twice = offers_table.twice_the_high(picked)
    if picked is None or twice is None:
        return None
    # A machine of one's own may cost nothing; a budget is some amount all the same.
    return max(twice, acceptance.least_budget(picked.offer), CENT)

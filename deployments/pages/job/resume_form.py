"""The form of the page on which a run is gone on with: what may change, where, for how much."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms

from deployments import services
from deployments.forecasts import OfferForecast, cheapest_that_fits
from deployments.models import Checkpoint, Deployment
from deployments.pages.forms import PlainForm
from deployments.pages.wizard import offers_table, range_words
from deployments.pages.wizard.offers_table import Place
from deployments.services import Changes, DeployRequest
from deployments.templatetags.wording import rate

# Where an error of the services is shown, by the name of its parameter.
FIELDS_BY_PARAM = {
    "budget_limit": "budget_limit",
    "max_hours": "max_hours",
    "instance_type": "machine",
    "region": "machine",
    "max_hourly_price": "machine",
    "hyperparameters.num_train_epochs": "num_train_epochs",
    "hyperparameters.max_steps": "max_steps",
    "hyperparameters.save_steps": "save_steps",
}


class MachineField(forms.ChoiceField):
    """A place out of a list that moves with the market; its price is that which was shown."""

    def valid_value(self, value: Any) -> bool:
        """Say whether it names a place with its price."""
        place = Place.read(str(value))
        return place is not None and place.hourly is not None


class ResumeForm(PlainForm):
    """One of ``num_train_epochs`` and ``max_steps`` is left out: that which decides nothing."""

    checkpoint = forms.ChoiceField(label="Go on from")
    num_train_epochs = forms.FloatField(
        label="Epochs in all", min_value=0.001, max_value=100, help_text="Over the whole training."
    )
    max_steps = forms.IntegerField(
        label="Steps in all", min_value=1, help_text="Over the whole training."
    )
    save_steps = forms.IntegerField(
        label="Save every",
        min_value=1,
        required=False,
        help_text="Empty: with each evaluation.",
    )
    machine = MachineField(label="Machine")
    budget_limit = forms.DecimalField(
        label="Budget",
        min_value=Decimal("0.01"),
        max_digits=10,
        decimal_places=2,
        help_text="A limit of its own; what was spent before does not count.",
    )
    max_hours = forms.DecimalField(
        label="Longest time",
        min_value=Decimal("0.1"),
        max_value=720,
        max_digits=6,
        decimal_places=2,
    )

    def __init__(
        self,
        *args: Any,
        recipe: dict[str, Any],
        checkpoints: Sequence[Checkpoint],
        found: Sequence[OfferForecast],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._recipe = recipe
        self.found = found
        by_steps = recipe["hyperparameters"]["max_steps"] is not None
        del self.fields["num_train_epochs" if by_steps else "max_steps"]
        _choices(self, "checkpoint", [(str(each.pk), words(each)) for each in checkpoints])
        free = [each for each in found if each.offer.available and each.can_run]
        _choices(self, "machine", [(value_of(each), offer_words(each)) for each in free])

    def changes(self) -> Changes:
        """Return what differs from the run's recipe."""
        kept = self._recipe["hyperparameters"]
        names = ("num_train_epochs", "max_steps", "save_steps")
        given = {name: self.cleaned_data[name] for name in names if name in self.fields}
        return Changes({name: value for name, value in given.items() if value != kept[name]})

    def request(self) -> tuple[str, DeployRequest]:
        """Return the cloud and what is asked of it, at no more than was shown (F5)."""
        place = Place.read(self.cleaned_data["machine"])
        if place is None:
            raise ValueError("a machine that names no place is not valid")
        return place.platform, DeployRequest(
            instance_type=place.instance_type,
            region=place.region,
            max_hourly_price=place.hourly,
            budget_limit=self.cleaned_data["budget_limit"],
            max_hours=self.cleaned_data["max_hours"],
        )


def first_values(
    deployment: Deployment,
    checkpoint: Checkpoint,
    recipe: dict[str, Any],
    found: Sequence[OfferForecast],
) -> dict[str, Any]:
    """Return what the form proposes: the settings, and the cheapest free machine that fits."""
    settings = recipe["hyperparameters"]
    best = proposed(found)
    return {
        "checkpoint": str(checkpoint.pk),
        "num_train_epochs": settings["num_train_epochs"],
        "max_steps": settings["max_steps"],
        "save_steps": settings["save_steps"],
        "machine": value_of(best) if best else "",
        "budget_limit": deployment.budget_limit,
        "max_hours": deployment.max_hours or services.DEFAULT_MAX_HOURS,
    }


def proposed(found: Sequence[OfferForecast]) -> OfferForecast | None:
    """Return the cheapest free machine that fits, None when none does."""
    return cheapest_that_fits(each for each in found if each.offer.available)


def proposed_words(found: Sequence[OfferForecast]) -> str:
    """Say what is left would take and cost on the machine that is proposed; "" if unknown."""
    best = proposed(found)
    if best is None or best.cost_usd is None:
        return ""
    gpu = offers_table.gpu_words(best.offer)
    return f"On {gpu} that likely costs {range_words.money(best.cost_usd)}."


def words(checkpoint: Checkpoint) -> str:
    """Return a checkpoint as the list names it."""
    return f"checkpoint {checkpoint.step:,}"


def value_of(forecast: OfferForecast) -> str:
    """Return an offer as the form's field holds it, with its price."""
    return offers_table.place_of(forecast.offer).value


def offer_words(forecast: OfferForecast) -> str:
    """Return an offer in one line: card, place, price an hour, likely total."""
    offer = forecast.offer
    total = range_words.money(forecast.cost_usd) if forecast.cost_usd else ""
    likely = f", likely {total} for what is left" if total else ""
    return (
        f"{offers_table.gpu_words(offer)}, {offers_table.where_words(offer)}, "
        f"{rate(offer.hourly_price_usd)}{likely}"
    )


def _choices(form: ResumeForm, name: str, choices: list[tuple[str, str]]) -> None:
    field = form.fields[name]
    if isinstance(field, forms.ChoiceField):
        field.choices = choices

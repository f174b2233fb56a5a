"""What would make a run fail or waste money, refused before any spending."""

from decimal import Decimal
from urllib.parse import urlsplit

from django.conf import settings

from core.errors import InvalidInputError, UnusableDataError
from datasets.models import Dataset
from deployments import clouds, costs
from deployments.providers.base import Offer

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_reachability(platform: str) -> None:
    """T25: a machine elsewhere cannot reach our loopback address."""
    if not settings.APP_URL:
        return
    ours = urlsplit(settings.APP_URL).hostname in LOOPBACK
    theirs = urlsplit(clouds.endpoint(platform).base_url).hostname in LOOPBACK
    if ours and not theirs:
        raise InvalidInputError(
            f"APP_URL is {settings.APP_URL}: rented machines cannot reach that address.",
            remedy="Set APP_URL to your public https address, or unset it: then SSH alone serves.",
            code="E_APP_URL",
        )
    if not ours and urlsplit(settings.APP_URL).scheme != "https":
        raise InvalidInputError(
            "APP_URL is not https: tokens and data would travel in the open.",
            remedy="Serve Slipway over https and set APP_URL to that address, or unset it.",
            code="E_APP_URL",
        )


def check_budget(budget: Decimal, offer: Offer) -> None:
    """F6: a budget that only pays for booting and ending is refused, with the arithmetic."""
    quantum_seconds = clouds.capabilities(offer.platform).billing_quantum_seconds
    reserve = costs.reserve(
        offer.hourly_price_usd, timing=settings.TIMING, quantum_seconds=quantum_seconds
    )
    boot = costs.rent(
        offer.hourly_price_usd,
        seconds=settings.TIMING.expected_boot_seconds,
        quantum_seconds=quantum_seconds,
    )
    least = least_budget(offer)
    if budget < least:
        raise InvalidInputError(
            f"A budget of {budget} USD is too small: at {offer.hourly_price_usd:.2f} USD an hour "
            f"booting costs about {costs.cents_up(boot)}, and {costs.cents_up(reserve)} are kept "
            "back for saving and ending.",
            remedy=f"Give at least {least} USD, better what the training itself costs on top.",
            param="budget_limit",
            code="E_BUDGET",
        )


def least_budget(offer: Offer) -> Decimal:
    """Return the smallest budget that is taken for an offer (F6): boot, a moment, and landing."""
    quantum_seconds = clouds.capabilities(offer.platform).billing_quantum_seconds
    price = offer.hourly_price_usd
    seconds = settings.TIMING.expected_boot_seconds
    return costs.cents_up(
        costs.reserve(price, timing=settings.TIMING, quantum_seconds=quantum_seconds)
        + costs.rent(price, seconds=seconds, quantum_seconds=quantum_seconds)
        + costs.rent(price, seconds=1, quantum_seconds=quantum_seconds)
    )


def budget_pays(budget: Decimal, offer: Offer) -> bool:
    """Say whether a budget pays for more than booting and ending (F6)."""
    return budget >= least_budget(offer)


def check_ready(dataset: Dataset) -> None:
    """F7: data that is not ready is refused by name."""
    if dataset.is_being_checked:
        raise UnusableDataError(
            f"The dataset {dataset.name} is still being checked.",
            remedy="Wait until its check has ended, then go on.",
            param="dataset_id",
        )
    if not dataset.is_ready:
        raise UnusableDataError(
            f"The dataset {dataset.name} has errors and cannot be trained on.",
            remedy="Read its findings, correct the file and upload it again.",
            param="dataset_id",
        )


def check_dataset(dataset: Dataset, *, method: str) -> None:
    """F7: data that is not ready, or cannot serve the method, is refused by name."""
    check_ready(dataset)
    if method not in dataset.methods:
        raise UnusableDataError(
            f"The dataset {dataset.name} cannot serve the method {method}.",
            remedy=f"It serves: {', '.join(dataset.methods) or 'none'}.",
            param="method",
        )

"""What a person asks for, and what is agreed to: clouds, keys, prices and fallbacks, frozen."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from core.errors import InvalidInputError
from deployments import choosing, quotes
from deployments.acceptance import budget_pays, check_budget
from deployments.choosing import Choice
from deployments.forecasts import OfferForecast
from deployments.quotes import AUTO, Wish
from secrets_vault.models import VaultEntry

DEFAULT_MAX_HOURS = Decimal(24)


@dataclass(frozen=True)
class Fallback:
    """What to try when the machine asked for is refused for capacity; in the order given."""

    platform: str
    instance_type: str = AUTO
    region: str = AUTO
    # What its reader was shown; the request's limit holds without it.
    max_hourly_price: Decimal | None = None


@dataclass(frozen=True)
class DeployRequest:
    """The body of ``POST /api/training/deploy/{platform}`` (API.md section 2), already typed."""

    training_config_id: str = ""
    instance_type: str = AUTO
    region: str = AUTO
    budget_limit: Decimal | None = None
    max_hours: Decimal = DEFAULT_MAX_HOURS
    name: str = ""
    ssh_key_name: str | None = None
    wait_for_capacity_minutes: int = 30
    max_hourly_price: Decimal | None = None
    max_attempts: int = 2
    fallbacks: tuple[Fallback, ...] = ()
    keep_on_failure_minutes: int = 0
    # A job or a checkpoint to go on from; a job, an artifact or a checkpoint whose adapter to
    # start from.
    resume_from: str = ""
    adapter_from: str = ""


@dataclass(frozen=True)
class Agreed:
    """What a person and we agree on: the keys, the budget, and what may be rented.

    ``fallbacks`` come in the order in which they are tried; each names its cloud and its price.
    """

    keys: Sequence[VaultEntry]
    budget: Decimal
    choice: Choice
    fallbacks: tuple[Wish, ...]
    ssh_public_key: str = ""

    @property
    def used_keys(self) -> list[VaultEntry]:
        """The keys it may rent under, that of the preferred cloud first."""
        wishes = (self.choice.wish, *self.fallbacks)
        used = (key for wish in wishes for key in self.keys if _serves(key, wish))
        return list(dict.fromkeys(used))

    def as_config(self, request: DeployRequest) -> dict[str, Any]:
        """Return what the deployment's row keeps of it."""
        return {
            "instance_type": self.choice.wish.instance_type,
            "region": request.region,
            "ssh_key_name": request.ssh_key_name,
            **({"ssh_public_key": self.ssh_public_key} if self.ssh_public_key else {}),
            "fallbacks": [
                {
                    "platform": each.platform,
                    "instance_type": each.instance_type,
                    "region": each.region,
                    "max_hourly_price": str(each.max_hourly_price_usd),
                }
                for each in self.fallbacks
            ],
        }


def _serves(key: VaultEntry, wish: Wish) -> bool:
    """Say whether a wish may be rented under a key; a machine's own key bears its name."""
    return key.provider == wish.platform and key.name in ("", wish.instance_type)


def frozen_fallbacks(
    request: DeployRequest, choice: Choice, found: Sequence[OfferForecast], *, budget: Decimal
) -> tuple[Wish, ...]:
    """Return what may be rented instead, each at the price it is offered at now (F5, F13).

    Without fallbacks in the request it is what "auto" has found besides. What the budget does not
    even boot is left out, unless it was asked for by name: then it is refused.
    """
    if not request.fallbacks:
        wishes = list(_payable(choice.alternatives, found, budget=budget))
    else:
        wishes = []
    for number, fallback in enumerate(request.fallbacks):
        limit = fallback.max_hourly_price or request.max_hourly_price
        wish = Wish(fallback.instance_type, fallback.region, limit, fallback.platform)
        try:
            instead = choosing.choose(wish, found)
            check_budget(budget, instead.quote.offer)
        except InvalidInputError as error:
            error.param = f"fallbacks.{number}.{error.param}" if error.param else "fallbacks"
            raise
        price = instead.quote.max_hourly_price_usd
        wishes.append(replace(instead.wish, max_hourly_price_usd=price))
        wishes += _payable(instead.alternatives, found, budget=budget)
    return tuple(dict.fromkeys(wishes))


def _payable(
    wishes: Iterable[Wish], found: Sequence[OfferForecast], *, budget: Decimal
) -> Iterator[Wish]:
    offers = [each.offer for each in found]
    for wish in wishes:
        allowed = quotes.allowed_offers(offers, [replace(wish, region=AUTO)])
        if any(budget_pays(budget, offer) for offer in allowed):
            yield wish

"""What the same card costs at each cloud: per hour, for 10 and for 50 hours."""

from dataclasses import dataclass
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.errors import InvalidInputError, ProviderError
from deployments import price_sources
from deployments.pages.answers import member, page
from deployments.price_sources import Comparison
from deployments.prices import CardPrices, CloudPrice
from deployments.providers import PROVIDERS
from deployments.templatetags.wording import SPACE


@dataclass(frozen=True)
class PriceCell:
    """One cloud's price of a card, or None where it has none; ``more`` is + 23 %."""

    cloud: str
    price: CloudPrice | None
    more: str
    is_cheapest: bool


@dataclass(frozen=True)
class PriceRow:
    """One card, with a cell for each cloud in the same order; ``difference`` in words."""

    gpu: str
    vram_gib: int | None
    cells: tuple[PriceCell, ...]
    difference: str


@page
@require_safe
def prices(request: HttpRequest) -> HttpResponse:
    """Compare the clouds that the reader has keys of."""
    try:
        found = price_sources.compare(member(request))
    except (InvalidInputError, ProviderError) as error:
        # Without a key, or while no cloud answers: the page says so and what to do.
        return render(request, "deployments/prices.html", {"error": error})
    context = {
        "found": found,
        "labels": [PROVIDERS[name].capabilities.label for name in found.platforms],
        "rows": rows_of(found),
        "without_key": [source.label for source in found.sources if not source.has_key],
    }
    return render(request, "deployments/prices.html", context)


def rows_of(found: Comparison) -> tuple[PriceRow, ...]:
    """Return the table's rows, worded."""
    return tuple(
        PriceRow(
            gpu=row.gpu,
            vram_gib=row.vram_gib,
            cells=tuple(_cell(row, platform) for platform in found.platforms),
            difference=_difference(row),
        )
        for row in found.rows
    )


def _cell(row: CardPrices, platform: str) -> PriceCell:
    price = row.at(platform)
    more = price.more_percent if price else Decimal(0)
    return PriceCell(
        cloud=PROVIDERS[platform].capabilities.label,
        price=price,
        more=f"+{_percent(more)}" if more else "",
        is_cheapest=price is not None and not more and row.only_at is None,
    )


def _difference(row: CardPrices) -> str:
    if row.only_at is not None:
        return f"only at {row.only_at.cloud}"
    more = row.difference_percent or Decimal(0)
    return f"{row.prices[-1].cloud} +{_percent(more)}" if more else "the same"


def _percent(share: Decimal) -> str:
    return f"{share.normalize():f}{SPACE}%"

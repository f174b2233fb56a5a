"""Rent, budgets and reserves in US dollars (D8). Pure arithmetic on Decimals."""

import math
from decimal import ROUND_UP, Decimal

from deployments.timing import Timing

CENT = Decimal("0.01")
# What the ledger's columns keep.
LEDGER_PLACES = Decimal("0.0001")


def rent(hourly_price_usd: Decimal, *, seconds: float, quantum_seconds: int) -> Decimal:
    """Return the price of ``seconds`` of rent, rounded up to whole billing quanta.

    Time that has begun is paid: one second costs one quantum, no time costs nothing. Rounded up to
    a hundredth of a cent, so that what the database keeps is never under the cloud's bill (I8).
    """
    quanta = math.ceil(max(seconds, 0.0) / quantum_seconds)
    exact = hourly_price_usd * quanta * quantum_seconds / Decimal(3600)
    return exact.quantize(LEDGER_PLACES, rounding=ROUND_UP)


def reserve(
    hourly_price_usd: Decimal,
    *,
    timing: Timing,
    quantum_seconds: int,
    save_seconds: float | None = None,
    collect_seconds: float | None = None,
) -> Decimal:
    """Return what must be kept back to save, bring home, end the machine and prove it gone (D8).

    At the defaults and 1.29 USD an hour: 250 s and one quantum of 60 s, 0.111 USD.
    """
    seconds = (
        timing.poll_seconds
        + (timing.save_seconds if save_seconds is None else save_seconds)
        + (timing.collect_seconds if collect_seconds is None else collect_seconds)
        + timing.terminate_reserve_seconds
        + quantum_seconds
    )
    return hourly_price_usd * Decimal(str(seconds)) / Decimal(3600)


def cents_up(amount_usd: Decimal) -> Decimal:
    """Return the amount rounded up to the cent, as users are shown it."""
    return amount_usd.quantize(CENT, rounding=ROUND_UP)

"""What a deployment's events tell people and their programs: which are told, and in which words.

``tell`` is called where the events of the lifecycle are written, in their transaction (D6).
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction

from core.database import DATABASE_AWAY
from deployments import costs
from deployments.models import Deployment, Event, Machine, Stray
from deployments.models.deployments import Status
from notifications import kinds, mail, outbox
from notifications.kinds import Kind
from notifications.outbox import News
from secrets_vault.redaction import scrub

logger = logging.getLogger(__name__)

# By the kind of the event; what is not here is nobody's news.
TOLD: dict[str, Kind] = {
    "launched": kinds.LAUNCHED,
    "adopted": kinds.LAUNCHED,
    "training": kinds.TRAINING,
    "attention": kinds.ATTENTION,
    "kept": kinds.ATTENTION,
    "budget_80": kinds.BUDGET_80,
    "budget_95": kinds.BUDGET_95,
    "adapter_home": kinds.SAVED,
}
# Of a run that is over nobody else says it: no tick sets or clears its attention.
TOLD_AFTER_THE_END = {"stray": kinds.ATTENTION}
# The end is told once more, with the cost that it has now.
TOLD_AS_THE_END = "late_cost"
ENDS: dict[str, Kind] = {
    Status.COMPLETED: kinds.COMPLETED,
    Status.FAILED: kinds.FAILED,
    Status.CANCELLED: kinds.CANCELLED,
}
# What the reader can do; a fault's own remedy goes before these.
REMEDIES: dict[Kind, str] = {
    kinds.LAUNCHED: "Nothing, if you started this run. If you did not: cancel it on its page, "
    "change your password and end the other sessions.",
    kinds.TRAINING: "Nothing. The run's page shows how it goes.",
    kinds.ATTENTION: "Look at the run's page.",
    kinds.CANNOT_END: "End the machine on the cloud's own page.",
    kinds.BUDGET_80: "Nothing, if that is as planned: the run lands by itself before the budget "
    "is reached. To spend less, stop and save on its page.",
    kinds.BUDGET_95: "Nothing, if that is as planned: the run lands by itself before the budget "
    "is reached. To spend less, stop and save on its page.",
    kinds.SAVED: "Nothing yet. You are told again when the machine is proven gone.",
    kinds.COMPLETED: "Download the adapter on the run's page.",
    kinds.FAILED: "The run's page says what was saved and what to change.",
    kinds.CANCELLED: "Nothing. What was saved is on the run's page.",
}
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


def tell(event: Event) -> None:
    """Write to the outbox what an event tells, if anything.

    A fault in here is logged and changes nothing else: a machine must be ended all the same.
    """
    try:
        with transaction.atomic():
            kind = _kind_of(event)
            if kind is not None:
                deployment = Deployment.objects.select_related("user").get(pk=event.deployment_id)
                outbox.tell(deployment.user, _news(kind, event, deployment))
    except DATABASE_AWAY:
        raise
    except Exception:
        logger.exception("Nobody was told: %s", event.message)


def _kind_of(event: Event) -> Kind | None:
    is_over = event.deployment.is_terminal
    if is_over and event.kind == TOLD_AS_THE_END:
        return ENDS[event.deployment.status]
    if is_over and event.kind in TOLD_AFTER_THE_END:
        return TOLD_AFTER_THE_END[event.kind]
    return ENDS.get(event.to_status) or TOLD.get(event.kind)


@dataclass(frozen=True)
class _Facts:
    """What is so after the event."""

    message: str
    remedy: str
    code: str
    spent: Decimal
    living: tuple[Machine, ...]
    strays: tuple[Stray, ...]

    @property
    def bills(self) -> bool:
        return bool(self.living or self.strays)


def _news(kind: Kind, event: Event, deployment: Deployment) -> News:
    fault = deployment.attention if event.kind == "attention" else None
    if fault is not None and fault.get("code") == "E_CANNOT_END":
        kind = kinds.CANNOT_END
    if kind is kinds.FAILED:
        fault = deployment.error
    facts = _Facts(
        message=_clean(_happened(event, fault)),
        remedy=_clean(str((fault or {}).get("remedy") or REMEDIES[kind])),
        code=str((fault or {}).get("code") or ""),
        spent=costs.cents_up(deployment.accrued_usd(event.at)),
        living=tuple(each for each in deployment.machines.all() if each.may_live),
        strays=tuple(each for each in deployment.strays.all() if each.bills),
    )
    name = _clean(deployment.name)
    return News(
        kind=kind.name,
        at=event.at,
        subject=f"[Slipway] {kind.label}: {name}",
        text=_text(kind, deployment, facts),
        data=_data(deployment, facts),
    )


def _happened(event: Event, fault: Mapping[str, Any] | None) -> str:
    """The fault that ended a run says more than that it is over."""
    told = str((fault or {}).get("message") or "")
    return event.message if told in event.message else f"{told} {event.message}"


def _text(kind: Kind, deployment: Deployment, facts: _Facts) -> str:
    budget = costs.cents_up(deployment.budget_limit)
    lines = [
        f"{kind.label}: {_clean(deployment.name)}",
        "",
        f"What happened: {facts.message}",
        f"What it cost: ${facts.spent} of ${budget}{'' if deployment.is_terminal else ' so far'}.",
        f"Does it bill: {_bills(facts)}",
        f"What you can do: {facts.remedy}",
        "",
        f"The run: {mail.link(deployment.url)}",
        f"What you are mailed about: {mail.link('/settings/mail/')}",
        "",
    ]
    return "\n".join(lines)


def _bills(facts: _Facts) -> str:
    if not facts.bills:
        return "no, nothing of this run bills now."
    lines = [
        f"{m.name}, {m.description or m.instance_type} in {m.region}, ${m.hourly_price:.2f} an hour"
        for m in facts.living
    ]
    lines += [f"{stray.instance_id}, which nobody asked for" for stray in facts.strays]
    return f"yes, {'; '.join(lines)}."


def _data(deployment: Deployment, facts: _Facts) -> dict[str, Any]:
    return {
        "deployment_id": str(deployment.pk),
        "job_id": str(deployment.job_id),
        "name": _clean(deployment.name),
        "status": deployment.status,
        "code": facts.code or None,
        "message": facts.message,
        "remedy": facts.remedy,
        "cost_usd": str(facts.spent),
        "budget_usd": str(costs.cents_up(deployment.budget_limit)),
        "bills": facts.bills,
        "machines": [
            {
                "name": machine.name,
                "instance_id": machine.instance_id or None,
                "platform": machine.platform,
                "instance_type": machine.instance_type,
                "region": machine.region,
                "hourly_usd": str(machine.hourly_price.normalize()),
            }
            for machine in facts.living
        ],
        "url": mail.link(deployment.url),
    }


def _clean(text: str) -> str:
    """Names and a machine's words in one line, without what looks like a secret (I17, T9)."""
    return scrub(_UNPRINTABLE.sub(" ", text)).strip()

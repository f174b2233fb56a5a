"""The settings pages of webhooks and mail: what is told, where, and what came of it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.errors import ConflictError, InvalidInputError, SlipwayError
from core.lookups import get_owned
from deployments.pages.answers import member, page
from deployments.pages.confirm import confirmed
from deployments.pages.notification_forms import ChangedWebhookForm, MailForm, WebhookForm
from notifications import kinds, mail, mailing, webhooks
from notifications.models import Message, Webhook

DELIVERIES = 50
LABELS = {kind.name: kind.label for kind in kinds.KINDS} | {kinds.TEST: "A test"}


def section(user: User) -> dict[str, Any]:
    """Return what the settings page shows of all this."""
    return {
        "mail_is_set_up": mail.is_set_up(),
        "mail_kinds": len(mail.chosen(user)),
        "kinds_in_all": len(kinds.KINDS),
        "newest_mail": mailing.newest(user),
        "webhooks": Webhook.objects.filter(user=user),
    }


@page
@confirmed
@require_http_methods(["GET", "POST"])
def new_webhook(request: HttpRequest) -> HttpResponse:
    """Make a webhook and show its secret, in this answer alone (T26)."""
    form = WebhookForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            webhook, secret = webhooks.add(
                member(request), url=form.cleaned_data["url"], wanted=form.cleaned_data["kinds"]
            )
        except (InvalidInputError, ConflictError) as error:
            _refuse(form, error)
        else:
            return _show_secret(request, webhook, secret)
    return render(request, "settings/webhook_new.html", {"form": form})


@page
@require_safe
def webhook(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Show a webhook with its newest deliveries."""
    mine = _own(member(request), webhook_id)
    deliveries = mine.messages.all()[:DELIVERIES]
    context = {
        "webhook": mine,
        "told": [LABELS.get(kind, kind) for kind in mine.kinds],
        "lines": [(each, LABELS.get(each.kind, each.kind)) for each in deliveries],
        "most": DELIVERIES,
    }
    return render(request, "settings/webhook.html", context)


@page
@confirmed
@require_http_methods(["GET", "POST"])
def change_webhook(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Ask where a webhook leads, what it hears, and whether it is on; on POST keep it."""
    user = member(request)
    mine = _own(user, webhook_id)
    begins = {"url": mine.url, "kinds": mine.kinds, "is_enabled": mine.is_enabled}
    form = ChangedWebhookForm(request.POST if request.method == "POST" else None, initial=begins)
    if form.is_valid():
        given = form.cleaned_data
        try:
            webhooks.change(
                mine,
                actor=user,
                url=given["url"],
                wanted=given["kinds"],
                is_enabled=given["is_enabled"],
            )
        except InvalidInputError as error:
            _refuse(form, error)
        else:
            messages.success(request, "The webhook is changed.")
            return redirect("deployments:webhook", mine.pk)
    return render(request, "settings/webhook_change.html", {"webhook": mine, "form": form})


@page
@require_POST
def test_webhook(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Have a test sent."""
    mine = _own(member(request), webhook_id)
    try:
        webhooks.send_test(mine)
    except ConflictError as error:
        messages.warning(request, f"{error.message} {error.remedy}")
    else:
        messages.success(request, "A test is on its way. See below in a moment what came of it.")
    return redirect("deployments:webhook", mine.pk)


@page
@confirmed
@require_http_methods(["GET", "POST"])
def rotate_secret(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Say what a new secret means; on POST make one and show it, in this answer alone."""
    user = member(request)
    mine = _own(user, webhook_id)
    if request.method == "GET":
        return render(request, "settings/webhook_rotate.html", {"webhook": mine})
    mine, secret = webhooks.rotate(mine, actor=user)
    return _show_secret(request, mine, secret)


@page
@confirmed
@require_http_methods(["GET", "POST"])
def delete_webhook(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Say what deleting means; on POST delete."""
    user = member(request)
    mine = _own(user, webhook_id)
    if request.method == "GET":
        return render(request, "settings/webhook_delete.html", {"webhook": mine})
    webhooks.delete(mine, actor=user)
    messages.success(request, f"The webhook at {mine.origin} is deleted.")
    return redirect("deployments:settings")


@page
@confirmed
@require_http_methods(["GET", "POST"])
def mail_choice(request: HttpRequest) -> HttpResponse:
    """Ask where the reader is mailed and about what; on POST keep it."""
    user = member(request)
    begins = {"address": user.email, "kinds": mail.chosen(user)}
    form = MailForm(request.POST if request.method == "POST" else None, initial=begins)
    if form.is_valid():
        given = form.cleaned_data
        mailing.choose(user, address=given["address"], wanted=given["kinds"])
        messages.success(request, "Kept: where you are mailed, and about what.")
        return redirect("deployments:settings")
    context = {
        "form": form,
        "mail_is_set_up": mail.is_set_up(),
        "can_test": mail.can_reach(user),
        "newest_mail": mailing.newest(user),
    }
    return render(request, "settings/mail.html", context)


@page
@require_POST
def test_mail(request: HttpRequest) -> HttpResponse:
    """Have a test mail sent to the reader."""
    try:
        message: Message = mailing.send_test(member(request))
    except ConflictError as error:
        messages.warning(request, f"{error.message} {error.remedy}")
    else:
        messages.success(request, f"A test is on its way to {message.address}.")
    return redirect("deployments:mail")


def _own(user: User, webhook_id: UUID) -> Webhook:
    return get_owned(Webhook.objects.all(), user, webhook_id)


def _show_secret(request: HttpRequest, webhook: Webhook, secret: str) -> HttpResponse:
    context = {"webhook": webhook, "secret": secret}
    return render(request, "settings/webhook_secret.html", context)


def _refuse(form: WebhookForm, error: SlipwayError) -> None:
    form.add_error("url" if error.param == "url" else None, f"{error.message} {error.remedy}")

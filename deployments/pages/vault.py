"""The vault's page: add a key with a live check, see that it works, replace or delete it."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import confirmation
from core.errors import ConflictError, InvalidInputError, NotFoundError, ProviderError
from core.lookups import get_owned
from deployments.exports import hub
from deployments.models import Draft
from deployments.pages.answers import member, page
from deployments.pages.confirm import ask, confirmed
from deployments.pages.forms import HubTokenForm, KeyForm, ReplacementForm
from deployments.providers import rented
from deployments.providers.base import ProviderAuthError
from secrets_vault import services
from secrets_vault.kinds import kind_of
from secrets_vault.models import VaultEntry


@page
@require_safe
def vault(request: HttpRequest) -> HttpResponse:
    """List the user's keys, and offer to add one."""
    return _show(request, member(request), KeyForm())


@page
@sensitive_post_parameters("secret")
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Ask its provider about the key and keep it, unless it is refused."""
    if not confirmation.is_fresh(request):
        messages.warning(request, "Your password was needed first. Now paste the key again.")
        return ask(reverse("deployments:vault"))
    user = member(request)
    is_of_hub = request.POST.get("provider") == hub.PROVIDER
    form: KeyForm | HubTokenForm = (HubTokenForm if is_of_hub else KeyForm)(request.POST)
    if not form.is_valid():
        return _show(request, user, form)
    try:
        entry = services.add_entry(
            user, provider=form.cleaned_data["provider"], secret=form.cleaned_data["secret"]
        )
    except (InvalidInputError, ConflictError) as error:
        form.refuse("secret", error)
        return _show(request, user, form)
    entry = services.check_entry(entry)
    if entry.status == VaultEntry.Status.REFUSED:
        # A key that does not work is no use and only looks like one.
        services.delete_entry(entry, actor=user)
        form.refuse("secret", ProviderAuthError(entry.status_message), more="It was not saved.")
        return _show(request, user, form)
    if entry.status == VaultEntry.Status.OK:
        messages.success(request, f"The {label_of(entry)} key works and is sealed.")
    else:
        messages.warning(
            request, f"The key is sealed, but could not be checked: {entry.status_message}"
        )
    return redirect(where_it_was_asked_for(request, user))


@page
@require_POST
def check(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """Ask the cloud whether it still takes a key."""
    entry = services.check_entry(_own(member(request), entry_id))
    if entry.status == VaultEntry.Status.OK:
        messages.success(request, f"The {label_of(entry)} key works.")
    else:
        messages.error(request, f"The {label_of(entry)} key: {entry.status_message}")
    return redirect("deployments:vault")


@page
@confirmed
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
def replace(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """Ask for a new key; on POST let it take over if it sees every machine (F55)."""
    user = member(request)
    entry = _own(user, entry_id)
    if entry.name:
        return redirect("deployments:own-machine-replace", entry.pk)
    form = ReplacementForm(request.POST if request.method == "POST" else None)
    shown: dict[str, object] = {"entry": entry, "label": label_of(entry), "form": form}
    if not form.is_valid():
        return render(request, "deployments/vault_replace.html", shown)
    try:
        services.replace_secret(entry, secret=form.cleaned_data["secret"], actor=user)
    except InvalidInputError as error:
        form.refuse("secret", error, more="The old key is still in place.")
        return render(request, "deployments/vault_replace.html", shown)
    except (ConflictError, ProviderError) as error:
        shown["error"] = error
        return render(request, "deployments/vault_replace.html", shown, status=error.http_status)
    messages.success(request, f"The new {label_of(entry)} key works and has taken over.")
    return redirect("deployments:vault")


@page
@confirmed
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """Say what deleting means; on POST delete, unless machines still need the key (F55)."""
    user = member(request)
    entry = _own(user, entry_id)
    shown = {"entry": entry, "label": label_of(entry)}
    if request.method == "GET":
        return render(request, "deployments/vault_delete.html", shown)
    try:
        services.delete_entry(entry, actor=user)
    except ConflictError as error:
        shown["error"] = error
        return render(request, "deployments/vault_delete.html", shown, status=409)
    messages.success(request, f"The {label_of(entry)} key is deleted.")
    return redirect("deployments:vault")


def label_of(entry: VaultEntry) -> str:
    """Return the cloud's name for people, or the machine's own."""
    kind = kind_of(entry.provider)
    label = kind.label if kind else entry.provider
    return f"{label} {entry.name}" if entry.name else label


def where_it_was_asked_for(request: HttpRequest, user: User) -> str:
    """Return the page that goes on with the key: the first visit, or a draft's machines."""
    asked = request.POST.get("next", "")
    if asked == "runs":
        return reverse("deployments:runs")
    try:
        draft = get_owned(Draft, user, asked)
    except NotFoundError:
        return reverse("deployments:vault")
    return reverse("deployments:wizard-hardware", args=[draft.pk])


def _own(user: User, entry_id: UUID) -> VaultEntry:
    # Deferred: a key that does not open any more must still be seen and deleted (F80).
    return get_owned(VaultEntry.objects.active().defer("api_key_encrypted"), user, entry_id)


def _show(request: HttpRequest, user: User, form: KeyForm | HubTokenForm) -> HttpResponse:
    entries = VaultEntry.objects.active().defer("api_key_encrypted").filter(user=user)
    lines = [(entry, label_of(entry)) for entry in entries]
    have = {entry.provider for entry, _ in lines}
    cloud, token = (KeyForm(), form) if isinstance(form, HubTokenForm) else (form, HubTokenForm())
    context = {
        "form": None if have >= set(rented()) and not cloud.errors else cloud,
        "hub_form": None if hub.PROVIDER in have and not token.errors else token,
        "lines": lines,
    }
    return render(request, "deployments/vault.html", context)

"""Adding a machine of one's own: where it is, is that its host key, and who logs in."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from core.errors import ConflictError, InvalidInputError, ProviderError, SlipwayError
from core.lookups import get_owned
from deployments import own_hosts
from deployments.own_hosts import Shown
from deployments.pages.answers import member, page
from deployments.pages.confirm import confirmed
from deployments.pages.forms import PlainForm
from deployments.pages.vault import where_it_was_asked_for
from deployments.providers import OWN
from deployments.providers.base import ProviderRefusedError
from deployments.providers.ssh_host_sealed import MOST_HOURLY_USD, Host, read
from secrets_vault import services
from secrets_vault.models import VaultEntry

PLACE = ("name", "address", "port", "user", "hourly_price")
# Only for reading the other parts; it is no key, and nothing is done with it.
NO_KEY_YET = "-"


class PlaceForm(PlainForm):
    """Where the machine is, and what its owner says it costs."""

    name = forms.CharField(
        label="Name", max_length=40, help_text="As you will find it among the machines: gpu-box"
    )
    address = forms.CharField(
        label="Address", max_length=253, help_text="A host name or an IP address"
    )
    port = forms.IntegerField(label="SSH port", min_value=1, max_value=65535, initial=22)
    user = forms.CharField(label="User", max_length=32, help_text="Who logs in there")
    hourly_price = forms.DecimalField(
        label="Costs an hour",
        min_value=0,
        max_value=MOST_HOURLY_USD,
        max_digits=10,
        decimal_places=4,
        initial=0,
        help_text="0 costs nothing anywhere; or what its power costs you",
    )

    def parts(self) -> dict[str, Any]:
        """Return what was given, as the vault's text has it."""
        return {name: str(self.cleaned_data[name]) for name in PLACE}


class SealedText(forms.Textarea):
    """Lines that are never sent back."""

    def format_value(self, value: object) -> None:
        """Show nothing of what was typed."""


class LoginForm(PlaceForm):
    """What follows once the host key is on the page; the key is never sent back."""

    fingerprint = forms.CharField(max_length=100, widget=forms.HiddenInput)
    is_mine = forms.BooleanField(
        label="I have compared the fingerprint: this is my machine",
        error_messages={"required": "Compare the fingerprint first, then tick this."},
    )
    private_key = forms.CharField(
        label="Private key",
        max_length=7000,
        error_messages={"required": "Paste the private key."},
        help_text="Without a passphrase, and best made for Slipway alone: ssh-keygen -t ed25519",
        widget=SealedText(
            attrs={
                "rows": 6,
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "-----BEGIN OPENSSH PRIVATE KEY-----",
            }
        ),
    )


@page
@confirmed
@sensitive_post_parameters("private_key")
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Ask where the machine is, show its host key, and keep it once that is confirmed."""
    return _answer(request, member(request), entry=None)


@page
@confirmed
@sensitive_post_parameters("private_key")
@require_http_methods(["GET", "POST"])
def replace(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """The same for a machine that is there: a new address, key, price or host key."""
    user = member(request)
    entries = VaultEntry.objects.active().defer("api_key_encrypted").filter(provider=OWN)
    return _answer(request, user, entry=get_owned(entries, user, entry_id))


def _answer(request: HttpRequest, user: User, *, entry: VaultEntry | None) -> HttpResponse:
    if request.method != "POST":
        return _show(request, PlaceForm(initial=_kept(entry)), entry=entry)
    is_last = bool(request.POST.get("fingerprint"))
    form = (LoginForm if is_last else PlaceForm)(request.POST)
    if not form.is_valid():
        shown = request.POST.get("fingerprint", "")
        return _show(request, form, entry=entry, fingerprint=shown)
    try:
        if not isinstance(form, LoginForm):
            return _show_host_key(request, user, form, entry=entry)
        return _keep(request, user, form, entry=entry)
    except (InvalidInputError, ConflictError, ProviderError) as error:
        _refuse(form, error)
        return _show(request, form, entry=entry, fingerprint=request.POST.get("fingerprint", ""))


def _show_host_key(
    request: HttpRequest, user: User, form: PlaceForm, *, entry: VaultEntry | None
) -> HttpResponse:
    shown = own_hosts.look(user, _host(form))
    again = LoginForm(initial={**form.parts(), "fingerprint": shown.fingerprint})
    return _show(request, again, entry=entry, shown=shown, fingerprint=shown.fingerprint)


def _keep(
    request: HttpRequest, user: User, form: LoginForm, *, entry: VaultEntry | None
) -> HttpResponse:
    given = form.cleaned_data
    text = own_hosts.text_of(
        {**form.parts(), "private_key": given["private_key"], "host_key": given["fingerprint"]}
    )
    if entry is None:
        kept = services.check_entry(services.add_entry(user, provider=OWN, secret=text))
        if kept.status == VaultEntry.Status.REFUSED:
            # A machine that cannot be used is no use and only looks like one.
            services.delete_entry(kept, actor=user)
            raise ProviderRefusedError(f"{kept.status_message} Nothing was changed.")
    else:
        kept = services.check_entry(services.replace_secret(entry, secret=text, actor=user))
    if kept.status == VaultEntry.Status.OK:
        messages.success(request, f"Your machine {kept.name} works and is sealed.")
    else:
        messages.warning(request, f"{kept.name} is sealed, but: {kept.status_message}")
    return redirect(where_it_was_asked_for(request, user))


def _host(form: PlaceForm) -> Host:
    return read(own_hosts.text_of({**form.parts(), "private_key": NO_KEY_YET}))


def _kept(entry: VaultEntry | None) -> dict[str, object]:
    """Return what may be shown of a machine that is there; nothing where it does not open."""
    if entry is None:
        return {}
    try:
        host = read(services.open_secret(entry))
    except SlipwayError:
        return {"name": entry.name}
    return {
        "name": host.name,
        "address": host.address,
        "port": host.port,
        "user": host.user,
        "hourly_price": host.hourly_price_usd.normalize(),
    }


def _refuse(form: PlaceForm, error: SlipwayError) -> None:
    name = getattr(error, "param", None)
    form.refuse(name if name in form.fields else None, error)


def _show(
    request: HttpRequest,
    form: PlaceForm,
    *,
    entry: VaultEntry | None,
    shown: Shown | None = None,
    fingerprint: str = "",
) -> HttpResponse:
    context = {
        "form": form,
        "entry": entry,
        "is_last": isinstance(form, LoginForm),
        "fingerprint": fingerprint,
        "key_file": shown.file if shown else "/etc/ssh/ssh_host_ed25519_key.pub",
        "next": request.POST.get("next") or request.GET.get("next") or "",
    }
    return render(request, "deployments/own_machine.html", context)

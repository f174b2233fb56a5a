"""The page that asks for the password once more before the worst deeds (T14)."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from core import confirmation
from deployments.pages.account_forms import WRONG_PASSWORD, ConfirmForm
from deployments.pages.answers import member, page

Parameters = ParamSpec("Parameters")
View = Callable[Concatenate[HttpRequest, Parameters], HttpResponse]


def confirmed(view: View[Parameters]) -> View[Parameters]:
    """Let nobody do this whose password was last given more than 15 minutes ago.

    They are asked for it and led back to the address by GET, so the view must answer GET.
    """

    @wraps(view)
    def asked(
        request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> HttpResponse:
        if not confirmation.is_fresh(request):
            return ask(request.path)
        return view(request, *args, **kwargs)

    return asked


def ask(back: str) -> HttpResponse:
    """Lead to the page that asks for the password, and from there to ``back``."""
    return redirect(f"{reverse('deployments:confirm')}?{urlencode({'next': back})}")


@page
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask for the password; when it is right, lead back to what was wanted."""
    user = member(request)
    back = _safe(request, request.POST.get("next") or request.GET.get("next") or "")
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if confirmation.confirm(request, user, form.cleaned_data["password"]):
            return redirect(back)
        form.add_error("password", WRONG_PASSWORD)
    return render(request, "settings/confirm.html", {"form": form, "back": back})


def _safe(request: HttpRequest, address: str) -> str:
    is_ours = address.startswith("/") and url_has_allowed_host_and_scheme(
        address, allowed_hosts=None, require_https=request.is_secure()
    )
    return address if is_ours else reverse("deployments:settings")

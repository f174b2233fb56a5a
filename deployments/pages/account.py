"""The settings page: what its reader may spend, what acts as them, who is told, the password."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from core import audit, confirmation, sessions, tokens
from core.errors import ConflictError
from core.lookups import get_owned
from core.models import SignIn
from core.time import database_now
from deployments import spending
from deployments.pages import cap_words, notifications
from deployments.pages.account_forms import NewPasswordForm, NewTokenForm
from deployments.pages.answers import member, page
from deployments.pages.browser_words import browser_words
from deployments.pages.confirm import confirmed
from deployments.templatetags.wording import counted


@page
@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    """Show what the reader may spend, their live tokens and sign-ins, and who is told."""
    user = member(request)
    sign_ins = [
        (sign_in, browser_words(sign_in.user_agent), sessions.is_own(sign_in, request))
        for sign_in in sessions.live_sign_ins(user)
    ]
    context = {
        "allowance": cap_words.allowance(spending.caps_of(user, now=database_now())),
        "tokens": tokens.live_tokens(user),
        "sign_ins": sign_ins,
        **notifications.section(user),
    }
    return render(request, "settings/settings.html", context)


@page
@confirmed
@require_http_methods(["GET", "POST"])
def new_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show it, in this answer alone: it is kept nowhere (T26)."""
    user = member(request)
    form = NewTokenForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "settings/new_token.html", {"form": form})
    try:
        token, plaintext = tokens.issue(
            user, name=form.cleaned_data["name"], scopes=form.scopes, expires_at=form.expires_at
        )
    except ConflictError as error:
        form.refuse(None, error)
        return render(request, "settings/new_token.html", {"form": form}, status=error.http_status)
    return render(request, "settings/token_made.html", {"token": token, "plaintext": plaintext})


@page
@require_http_methods(["GET", "POST"])
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Say what revoking means; on POST revoke."""
    user = member(request)
    token = get_owned(tokens.live_tokens(user), user, token_id)
    if request.method == "GET":
        return render(request, "settings/token_revoke.html", {"token": token})
    tokens.revoke(token, actor=user)
    messages.success(request, f"The token {token.name} opens nothing any more.")
    return redirect("deployments:settings")


@page
@confirmed
@require_http_methods(["GET", "POST"])
def end_session(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """Say what ending one session means; on POST end it."""
    user = member(request)
    sign_in: SignIn = get_owned(sessions.live_sign_ins(user), user, session_id)
    if sessions.is_own(sign_in, request):
        messages.warning(request, "This is the session you are in. Sign out to end it.")
        return redirect("deployments:settings")
    browser = browser_words(sign_in.user_agent)
    if request.method == "GET":
        context = {"sign_in": sign_in, "browser": browser}
        return render(request, "settings/session_end.html", context)
    sessions.end(sign_in, actor=user)
    messages.success(request, f"{browser} is signed out.")
    return redirect("deployments:settings")


@page
@confirmed
@require_http_methods(["GET", "POST"])
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """Say what ending all others means; on POST end them."""
    user = member(request)
    if request.method == "GET":
        others = [s for s in sessions.live_sign_ins(user) if not sessions.is_own(s, request)]
        return render(request, "settings/session_end.html", {"others": len(others)})
    ended = sessions.end_others(request, user)
    messages.success(request, f"{counted(ended, 'other session')} ended; only this one is left.")
    return redirect("deployments:settings")


@page
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change the password, which the form asks for; every other session ends with it."""
    user = member(request)
    form = NewPasswordForm(user, request, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "settings/password.html", {"form": form})
    with transaction.atomic():
        form.save()
        sessions.end_others(request, user)
        update_session_auth_hash(request, user)
        confirmation.note(request)
        sessions.note(request, user)
        audit.record("password.changed", actor=user, obj=user)
    messages.success(request, "Your password is changed. Every other session has ended.")
    return redirect("deployments:settings")

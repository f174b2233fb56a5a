"""The forms of the settings page. What is typed as a password is never sent back."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.http import HttpRequest

from core import confirmation
from core.time import database_now
from core.tokens import SCOPES
from deployments.pages.forms import PlainForm

WRONG_PASSWORD = "This is not your password. Nothing was changed."  # noqa: S105  # words


class ConfirmForm(PlainForm):
    """The password once more."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=4096,
        error_messages={"required": "Type your password."},
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )


class NewTokenForm(PlainForm):
    """What a token is for, what it may do, and for how long."""

    FOREVER = "0"

    name = forms.CharField(
        label="What is it for",
        max_length=100,
        help_text="A name you will know it by, such as the program that uses it.",
        error_messages={"required": "Name it after the program that will use it."},
    )
    scope = forms.ChoiceField(
        label="It may",
        initial="deploy",
        choices=[
            ("read", "Read: see runs, data, prices and files"),
            ("deploy", "Deploy: read, and start and stop runs, which costs money"),
            ("admin", "Admin: deploy, and make and revoke tokens and webhooks"),
        ],
    )
    days = forms.ChoiceField(
        label="It ends after",
        initial="90",
        choices=[
            ("7", "7 days"),
            ("30", "30 days"),
            ("90", "90 days"),
            ("365", "One year"),
            (FOREVER, "Never, until you revoke it"),
        ],
    )

    @property
    def scopes(self) -> list[str]:
        """The chosen scope with those it includes."""
        return list(SCOPES[: SCOPES.index(self.cleaned_data["scope"]) + 1])

    @property
    def expires_at(self) -> datetime | None:
        """When the token ends, by the database's clock; None for never."""
        days = self.cleaned_data["days"]
        return None if days == self.FOREVER else database_now() + timedelta(days=int(days))


class NewPasswordForm(PasswordChangeForm):
    """Django's own; a wrong old password counts, and locks, as at the sign-in (T1)."""

    def __init__(self, user: User, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, label_suffix="", **kwargs)
        self._request = request
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"
        self.fields["old_password"].label = "Password you have now"
        self.fields["new_password1"].label = "New password"
        self.fields[
            "new_password1"
        ].help_text = (
            "At least 8 characters, not only digits, nothing common and nothing like your name."
        )
        self.fields["new_password2"].label = "New password again"
        self.fields["new_password2"].help_text = ""

    def clean_old_password(self) -> str:
        given: str = self.cleaned_data["old_password"]
        if not confirmation.is_password_of(self.user, given, request=self._request):
            raise forms.ValidationError(WRONG_PASSWORD)
        return given

"""The forms for webhooks and mail."""

from typing import Any

from django import forms

from core.outbound import MAX_URL_CHARACTERS
from deployments.pages.forms import PlainForm
from notifications import kinds

CHOICES = [(kind.name, kind.label) for kind in kinds.KINDS]


class WebhookForm(PlainForm):
    """Where a program listens, and to what."""

    url = forms.CharField(
        label="Address",
        max_length=MAX_URL_CHARACTERS,
        help_text="https, reachable from the internet. It is not shown to anybody but you.",
        error_messages={"required": "Give the address as https://host/path."},
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "spellcheck": "false",
                "inputmode": "url",
                "placeholder": "https://example.org/slipway",
            }
        ),
    )
    kinds = forms.MultipleChoiceField(
        label="Tell it when",
        choices=CHOICES,
        initial=list(kinds.NAMES),
        error_messages={"required": "Choose at least one."},
        widget=forms.CheckboxSelectMultiple,
    )


class ChangedWebhookForm(WebhookForm):
    """A webhook that is there; switched off it is told nothing, and what waits is given up."""

    is_enabled = forms.BooleanField(
        label="It is on",
        required=False,
        help_text="Off: it is told nothing, and what waits for it is given up.",
    )


class MailForm(PlainForm):
    """Where its reader is mailed, and about what."""

    address = forms.EmailField(
        label="Your address",
        required=False,
        help_text="Without one nothing is mailed. The address you had is told of the change.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    kinds = forms.MultipleChoiceField(
        label="Send me mail when",
        required=False,
        choices=CHOICES,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["address"].error_messages["invalid"] = "Write it as name@host."

"""The forms of the pages: plain fields with Bootstrap's classes, hints and errors beside them."""

from typing import Any

from django import forms

from core.errors import SlipwayError
from deployments.exports import hub
from deployments.providers import PROVIDERS, rented


class PlainForm(forms.Form):
    """A form whose widgets carry the look; templates show it field by field with _field.html."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", _look(field.widget))

    def refuse(self, field: str | None, error: SlipwayError, *, more: str = "") -> None:
        """Put a refusal of the services beside its field, with its code."""
        told = f"{error.message} {error.remedy} {more}".replace("  ", " ").strip()
        self.add_error(field, forms.ValidationError(told, code=error.code))


def _look(widget: forms.Widget) -> str:
    if isinstance(widget, (forms.CheckboxInput, forms.RadioSelect)):
        return "form-check-input"
    return "form-select" if isinstance(widget, forms.Select) else "form-control"


def cloud_choices() -> list[tuple[str, str]]:
    """Return (platform, label) of every cloud; derived, so that a new one needs no change here."""
    return [(name, PROVIDERS[name].capabilities.label) for name in rented()]


class ReplacementForm(PlainForm):
    """A new key for a cloud there is a key for. What is typed is never sent back."""

    secret = forms.CharField(
        label="API key",
        max_length=4096,
        strip=True,
        error_messages={"required": "Paste the key here."},
        widget=forms.PasswordInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "secret_…"}
        ),
    )


class KeyForm(ReplacementForm):
    """A key of a cloud."""

    provider = forms.ChoiceField(label="Cloud", choices=cloud_choices)


class HubTokenForm(ReplacementForm):
    """A token of the Hugging Face Hub."""

    provider = forms.CharField(initial=hub.PROVIDER, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="hub_%s", **kwargs)
        self.fields["secret"].label = "Token"
        self.fields["secret"].widget.attrs["placeholder"] = "hf_…"


class UploadForm(PlainForm):
    """A file of training data, with the names of its columns where they are not the usual ones."""

    file = forms.FileField(
        label="File",
        help_text="JSON lines, a JSON array, CSV or Parquet, packed with gzip or not: "
        "conversations, prompts with completions, preferences, or text.",
        error_messages={
            "required": "Choose a file.",
            "empty": "The file is empty. Choose one with rows.",
            "missing": "Choose a file.",
        },
    )
    name = forms.CharField(
        label="Name", required=False, max_length=200, help_text="Named after the file if empty."
    )
    prompt = forms.CharField(
        label="Column with the question",
        required=False,
        max_length=100,
        help_text="Only if your rows have other columns, such as question and answer.",
    )
    completion = forms.CharField(label="Column with the answer", required=False, max_length=100)

    def clean(self) -> dict[str, Any]:
        """Take both columns or none."""
        given = super().clean() or {}
        for name, other in (("prompt", "completion"), ("completion", "prompt")):
            if given.get(other) and not given.get(name):
                self.add_error(name, "Name this column too, or leave both empty.")
        return given

    @property
    def mapping(self) -> dict[str, str] | None:
        """The columns by their part, or None for data that needs no mapping."""
        names = ("prompt", "completion")
        given = {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name)}
        return given or None

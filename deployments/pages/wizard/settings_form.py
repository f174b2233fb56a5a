"""The form of the training settings: its fields and limits follow deployments/recipes.py."""

from collections.abc import Mapping
from typing import Any

from django import forms

from core.errors import InvalidInputError
from deployments import recipes
from deployments.pages.forms import PlainForm
from deployments.pages.wizard.settings_words import (
    EVAL_SAMPLES,
    EVAL_STEPS,
    EVALUATION,
    MERGED,
    words_of,
)
from deployments.recipe_values import ALL_LINEAR, Setting
from deployments.templatetags.wording import plain

MODULES = "target_modules"
SCHEDULER = "lr_scheduler_type"


class SettingsForm(PlainForm):
    """One field for each setting that a method has; ``evaluation`` is what is set elsewhere."""

    def __init__(
        self, method: str, *args: Any, evaluation: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.method = method
        self.evaluation = evaluation or {}
        self.known = recipes.settings_of(method)
        for words in words_of(method):
            self.fields[words.name] = field_of(words.name, words.label, self.known[words.name])
        for words in (EVAL_STEPS, EVAL_SAMPLES):
            self.fields[words.name] = _number(forms.IntegerField, words.label, required=False)
        self.fields[MERGED.name] = field_of(MERGED.name, MERGED.label, recipes.EXPORT[MERGED.name])
        for words in (*words_of(method), EVAL_STEPS, EVAL_SAMPLES, MERGED):
            # The browser reads it out with the field.
            self.fields[words.name].help_text = words.sentence

    def clean(self) -> dict[str, Any]:
        """Check every setting against the limits that the API has too."""
        given = super().clean() or {}
        if MODULES in given:
            given[MODULES] = _modules(given[MODULES])
        for name, value in list(given.items()):
            if name in recipes.EXPORT:
                continue
            measured = EVALUATION.get(name)
            setting = recipes.EVAL[measured] if measured else self.known[name]
            if measured and value is None:
                value = given[name] = setting.default
            allowed = setting.check(value)
            if allowed is not None:
                usual = typed(setting.default_for(self.method))
                self.add_error(name, f"Give {allowed}; the default is {_default(usual)}.")
        if not self.errors:
            self._check_together(given)
        return given

    def _check_together(self, given: dict[str, Any]) -> None:
        evaluation = {**self.evaluation, **self.measured()}
        settings = {name: given[name] for name in self.known}
        try:
            recipes.check_settings(settings, method=self.method, evaluation=evaluation)
        except InvalidInputError as error:
            self.refuse((error.param or "").rpartition(".")[2] or None, error)

    def measured(self) -> dict[str, Any]:
        """Return how often is measured, and how many prompts are answered then."""
        return {key: self.cleaned_data[name] for name, key in EVALUATION.items()}

    def exported(self) -> dict[str, Any]:
        """Return what is to come home beside the adapter."""
        return {name: self.cleaned_data[name] for name in recipes.EXPORT}

    def settings(self) -> dict[str, Any]:
        """Return the settings typed, of a valid form."""
        return {name: self.cleaned_data[name] for name in self.known}


def field_of(name: str, label: str, setting: Setting) -> forms.Field:
    """Return the field of one setting, of the kind of its default."""
    default = setting.default
    if isinstance(default, bool):
        widget = forms.CheckboxInput(attrs={"class": "form-check-input"})
        return forms.BooleanField(label=label, required=False, widget=widget)
    if name == SCHEDULER:
        choices = [(word, word) for word in recipes.SCHEDULERS]
        select = forms.Select(attrs={"class": "form-select"})
        return forms.ChoiceField(label=label, choices=choices, widget=select)
    if name == MODULES:
        text = forms.TextInput(attrs={"class": "form-control", "spellcheck": "false"})
        return forms.CharField(label=label, max_length=2100, widget=text)
    kind = forms.FloatField if isinstance(default, float) else forms.IntegerField
    return _number(kind, label, required=default is not None)


def typed(value: object) -> Any:
    """Return a setting as one would type it; ticks stay ticks."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(str(name) for name in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return plain(value) if isinstance(value, float) else str(value)


def _number(kind: type[forms.IntegerField], label: str, *, required: bool) -> forms.Field:
    # A text field: browsers round and spin numbers of 2e-4.
    widget = forms.TextInput(attrs={"inputmode": "decimal", "class": "form-control"})
    return kind(label=label, required=required, widget=widget)


def _modules(text: str) -> object:
    names = [name.strip() for name in text.split(",")]
    return text.strip() if names == [ALL_LINEAR] else names


def _default(usual: object) -> str:
    if isinstance(usual, bool):
        return "ticked" if usual else "unticked"
    return str(usual) or "empty"

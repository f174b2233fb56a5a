"""The form of the training settings: its fields and limits follow deployments/recipes.py."""

from typing import Any

from django import forms

from deployments import recipes
from deployments.pages.forms import PlainForm
from deployments.pages.wizard.settings_words import ADVANCED, EVAL_STEPS, SIMPLE
from deployments.templatetags.wording import plain

MODULES = "target_modules"
SCHEDULER = "lr_scheduler_type"


class SettingsForm(PlainForm):
    """One field for each setting of a recipe."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for words in (*SIMPLE, *ADVANCED):
            self.fields[words.name] = field_of(words.name, words.label)
        self.fields[EVAL_STEPS.name] = _number(forms.IntegerField, EVAL_STEPS.label, required=False)
        for words in (*SIMPLE, *ADVANCED, EVAL_STEPS):
            # The browser reads it out with the field.
            self.fields[words.name].help_text = words.sentence

    def clean(self) -> dict[str, Any]:
        """Check every setting against the limits that the API has too."""
        given = super().clean() or {}
        if MODULES in given:
            given[MODULES] = _modules(given[MODULES])
        for name, value in list(given.items()):
            setting = recipes.EVAL["steps"] if name == EVAL_STEPS.name else settings()[name]
            allowed = setting.check(value)
            if allowed is not None:
                usual = typed(setting.default)
                self.add_error(name, f"Give {allowed}; the default is {_default(usual)}.")
        return given

    def settings(self) -> dict[str, Any]:
        """Return the settings typed, of a valid form."""
        return {name: self.cleaned_data[name] for name in settings()}


def settings() -> dict[str, recipes.Setting]:
    """Return the settings there are fields for."""
    return {words.name: recipes.HYPERPARAMETERS[words.name] for words in (*SIMPLE, *ADVANCED)}


def field_of(name: str, label: str) -> forms.Field:
    """Return the field of one setting, of the kind of its default."""
    default = recipes.HYPERPARAMETERS[name].default
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
    return text.strip() if names == [recipes.ALL_LINEAR] else names


def _default(usual: object) -> str:
    if isinstance(usual, bool):
        return "ticked" if usual else "unticked"
    return str(usual) or "empty"

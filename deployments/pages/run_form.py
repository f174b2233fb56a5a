"""The form of a new run: its fields follow the settings and limits of deployments/recipes.py."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User

from core.errors import SlipwayError
from datasets.models import Dataset
from deployments import base_models, recipes
from deployments.models import TrainingJob
from deployments.pages.forms import PlainForm
from deployments.pages.job_page import model_words
from deployments.pages.starting import Press
from deployments.services import AUTO, DEFAULT_MAX_HOURS, ConfigInput, DeployRequest
from deployments.templatetags.wording import plain

HUB = "hub"
SEPARATOR = "|"
# (setting, label, hint) in the order shown; the first three stand open, the rest is folded.
SETTINGS = (
    ("num_train_epochs", "Epochs", "How often the data is passed over."),
    ("learning_rate", "Learning rate", "For LoRA ten times what full tuning takes."),
    ("max_length", "Longest row, in tokens", "What is beyond is cut off."),
    ("lora_r", "LoRA rank", "Higher learns more and takes more memory."),
    ("lora_alpha", "LoRA alpha", "Usually twice the rank."),
    ("per_device_train_batch_size", "Rows at once", "Fewer if memory runs out."),
    ("gradient_accumulation_steps", "Batches in a step", "Rows at once times this is a step."),
    ("max_steps", "Stop after steps", "Empty: the epochs decide."),
    ("seed", "Seed", "The same seed shuffles alike."),
)
SHARE = "eval_share"
OPEN_SETTINGS = ("num_train_epochs", "learning_rate", "max_length")
# Where an error of the services is shown, by the name of its parameter.
FIELDS_BY_PARAM = {
    "dataset_id": "dataset",
    "method": "dataset",
    "base_model": "base_model",
    "budget_limit": "budget_limit",
    "max_hours": "max_hours",
    "instance_type": "machine",
    "region": "machine",
    "max_hourly_price": "machine",
    "eval.share": SHARE,
}


@dataclass(frozen=True)
class MachineChoice:
    """What a row of the offers stands for; its price is the most the user agreed to (F5)."""

    instance_type: str
    region: str
    hourly_price_usd: Decimal | None

    @property
    def value(self) -> str:
        """The choice as the form sends it."""
        price = "" if self.hourly_price_usd is None else str(self.hourly_price_usd)
        return SEPARATOR.join((self.instance_type, self.region, price))

    @classmethod
    def read(cls, text: str) -> "MachineChoice | None":
        """Return the choice that a form has sent, or None."""
        instance_type, region, price = [*text.split(SEPARATOR), "", ""][:3]
        try:
            limit = Decimal(price) if price else None
        except InvalidOperation:
            return None
        fine = limit is None or (limit.is_finite() and Decimal(0) < limit < Decimal(1_000_000))
        return cls(instance_type, region or AUTO, limit) if instance_type and fine else None


class RunForm(PlainForm):
    """Data, model, settings, machine and budget of one run."""

    nonce = forms.UUIDField(widget=forms.HiddenInput)
    name = forms.CharField(max_length=120, label="Name", widget=forms.TextInput)
    dataset = forms.ChoiceField(
        label="Data", error_messages={"required": "Choose the data to learn from."}
    )
    base_model = forms.ChoiceField(label="Base model")
    hub_model = forms.CharField(
        required=False,
        max_length=200,
        label="Model on the Hub",
        help_text="Only for a model of the Hub: owner/name.",
    )
    machine = forms.CharField(max_length=300)
    budget_limit = forms.DecimalField(
        label="This run may cost at most",
        min_value=Decimal("0.01"),
        max_digits=10,
        decimal_places=2,
        help_text="Training stops before, so that saving and ending stay within it.",
    )
    max_hours = forms.DecimalField(
        label="And take at most",
        min_value=Decimal("0.01"),
        max_value=Decimal(9999),
        max_digits=6,
        decimal_places=2,
        help_text="Counted from the launch.",
    )
    wait_for_capacity_minutes = forms.IntegerField(
        label="If sold out, wait for",
        min_value=0,
        max_value=10_080,
        help_text="Waiting costs nothing.",
    )
    eval_share = forms.FloatField(
        label="Held out to measure",
        min_value=0,
        max_value=50,
        help_text="Rows kept apart to tell learning from learning by heart.",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["dataset"].choices = data_choices(user)  # type: ignore[attr-defined]
        self.fields["base_model"].choices = model_choices()  # type: ignore[attr-defined]
        self.fields["hub_model"].widget.attrs["placeholder"] = "owner/name"
        for name, label, hint in SETTINGS:
            self.fields[name] = setting_field(name, label, hint)

    def clean_machine(self) -> MachineChoice:
        """Read the chosen row of the offers."""
        choice = MachineChoice.read(self.cleaned_data["machine"])
        if choice is None:
            raise forms.ValidationError("Choose a machine from the list.")
        return choice

    def clean(self) -> dict[str, Any]:
        """Check what depends on more than one field, and every setting against its limits."""
        given = super().clean() or {}
        if given.get("base_model") == HUB and not given.get("hub_model"):
            self.add_error("hub_model", "Name the model, or choose one of this server.")
        for name, _, _ in SETTINGS:
            setting = recipes.HYPERPARAMETERS[name]
            allowed = None if name not in given else setting.check(given[name])
            if allowed is not None:
                self.add_error(name, f"Give {allowed}; the default is {plain_default(name)}.")
        return given

    def press(self, platform: str) -> Press:
        """Return what is asked for, typed; only of a valid form."""
        given = self.cleaned_data
        model = given["hub_model"] if given["base_model"] == HUB else given["base_model"]
        machine: MachineChoice = given["machine"]
        return Press(
            nonce=given["nonce"],
            platform=platform,
            config=ConfigInput(
                name=given["name"],
                base_model=model,
                dataset_id=given["dataset"],
                hyperparameters={name: given[name] for name, _, _ in SETTINGS},
                eval={"share": round(given[SHARE] / 100, 4)},
                budget_limit=given["budget_limit"],
            ),
            request=DeployRequest(
                training_config_id=str(given["nonce"]),
                instance_type=machine.instance_type,
                region=machine.region,
                max_hourly_price=machine.hourly_price_usd,
                budget_limit=given["budget_limit"],
                max_hours=given["max_hours"],
                wait_for_capacity_minutes=given["wait_for_capacity_minutes"],
            ),
        )

    def show_error(self, error: SlipwayError) -> None:
        """Put an error of the services beside the field it is about, else above the form."""
        param = (error.param or "").removeprefix("hyperparameters.")
        field = FIELDS_BY_PARAM.get(param, param if param in self.fields else None)
        if field == "base_model" and self.cleaned_data.get("base_model") == HUB:
            field = "hub_model"
        self.add_error(field, f"{error.message} {error.remedy}".strip())

    @property
    def open_settings(self) -> list[forms.BoundField]:
        """The settings that most people look at."""
        return [self[name] for name in OPEN_SETTINGS]

    @property
    def folded_settings(self) -> list[forms.BoundField]:
        """The others."""
        return [self[name] for name, _, _ in SETTINGS if name not in OPEN_SETTINGS]

    @property
    def folded_have_errors(self) -> bool:
        """Whether the folded ones must be open, so that no error is hidden."""
        return any(field.errors for field in self.folded_settings)


def setting_field(name: str, label: str, hint: str) -> forms.Field:
    """Return the field of one setting: whole numbers or others, as its default is."""
    default = recipes.HYPERPARAMETERS[name].default
    kind = forms.FloatField if isinstance(default, float) else forms.IntegerField
    field = kind(label=label, help_text=hint, required=default is not None)
    # A text field: browsers round and spin numbers of 2e-4.
    field.widget = forms.TextInput(attrs={"inputmode": "decimal", "class": "form-control"})
    return field


def plain_default(name: str) -> str:
    """Return a setting's default as one would type it."""
    default = recipes.HYPERPARAMETERS[name].default
    if isinstance(default, (int, float)):
        return plain(default)
    return "empty" if default is None else str(default)


def data_choices(user: User) -> list[tuple[str, str]]:
    """Return the user's data that can be trained on, newest first."""
    ready = Dataset.objects.active().filter(user=user, status=Dataset.Status.READY)
    return [(str(dataset.pk), f"{dataset.name}, {dataset.rows:,} rows") for dataset in ready]


def model_choices() -> list[tuple[str, str]]:
    """Return the base models of this server, and the Hub."""
    local = [(name, model_words(name)) for name in local_models()]
    return [*local, (HUB, "A model of the Hub, named beside")]


def local_models() -> list[str]:
    """Return the names of the base models below LOCAL_MODELS_DIR (T22)."""
    folder = settings.LOCAL_MODELS_DIR
    if not folder.is_dir():
        return []
    return [
        f"{base_models.LOCAL}{path.name}"
        for path in sorted(folder.iterdir())
        if base_models.FOLDER_NAME.fullmatch(path.name) and (path / "config.json").is_file()
    ]


def first_values(user: User) -> dict[str, Any]:
    """Return what an untouched form holds: the defaults of the recipes and the services."""
    share = recipes.EVAL["share"].default
    values: dict[str, Any] = {
        name: "" if recipes.HYPERPARAMETERS[name].default is None else plain_default(name)
        for name, _, _ in SETTINGS
    }
    return values | {
        "nonce": uuid.uuid4(),
        "name": f"Run {user.deployments.count() + 1}",
        "budget_limit": settings.DEFAULT_BUDGET_USD,
        "max_hours": DEFAULT_MAX_HOURS,
        "wait_for_capacity_minutes": DeployRequest.wait_for_capacity_minutes,
        SHARE: plain(100 * float(str(share))),
        "base_model": (model_choices() or [("", "")])[0][0],
        "machine": "",
    }


def values_of(job: TrainingJob) -> dict[str, Any]:
    """Return the values of an earlier run, to be trained again with changes."""
    recipe: Mapping[str, Any] = job.config
    parameters = recipe.get("hyperparameters", {})
    values = {name: _typed(parameters[name]) for name, _, _ in SETTINGS if name in parameters}
    model = job.model_name
    is_local = model in local_models()
    newest = job.deployments.order_by("-created_at").first()
    return values | {
        "name": job.name,
        "dataset": str(job.dataset_id),
        "base_model": model if is_local else HUB,
        "hub_model": "" if is_local else model,
        SHARE: plain(100 * float(recipe.get("eval", {}).get("share") or 0)),
        **({"budget_limit": newest.budget_limit, "max_hours": newest.max_hours} if newest else {}),
    }


def _typed(value: object) -> object:
    return plain(value) if isinstance(value, float) else "" if value is None else value

"""The training settings in words: what each does, what is usual, what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from deployments import recipes


@dataclass(frozen=True)
class SettingWords:
    """One setting: ``typical`` is the usual range, ``effect`` what it does to memory and time.

    ``by_method``: usual ranges that differ.
    """

    name: str
    label: str
    sentence: str
    typical: str
    effect: str
    by_method: Mapping[str, str] = field(default_factory=dict)


SIMPLE = (
    SettingWords(
        "num_train_epochs",
        "Epochs",
        "How often the data is passed over.",
        "1 to 4",
        "Time grows with it; memory stays.",
    ),
    SettingWords(
        "learning_rate",
        "Learning rate",
        "How large each step of learning is; for LoRA ten times what full tuning takes.",
        "5e-5 to 4e-4",
        "Costs nothing; too high and the loss jumps.",
        by_method={"dpo": "5e-6 to 5e-5", "orpo": "1e-5 to 1e-4"},
    ),
    SettingWords(
        "beta",
        "Beta",
        "How much the preferences weigh.",
        "0.05 to 0.5",
        "Costs nothing; with DPO more keeps the answers nearer to the base model's, with ORPO "
        "it turns them further from the rejected ones.",
    ),
    SettingWords(
        "max_length",
        "Max length, in tokens",
        "Longer rows are cut at their end.",
        "512 to 4096",
        "Memory and time grow with it.",
    ),
    SettingWords(
        "per_device_train_batch_size",
        "Rows at once",
        "How many rows the card reads together.",
        "1 to 8",
        "Memory grows with it; more is a little faster.",
    ),
    SettingWords(
        "gradient_accumulation_steps",
        "Batches in a step",
        "How many of those are gathered before the model changes.",
        "1 to 16",
        "Costs no memory; fewer steps for the same rows.",
    ),
)
ADVANCED = (
    SettingWords(
        "load_in_4bit",
        "Base model in 4 bit (QLoRA)",
        "Holds the base model's weights in 4 bit; the adapter stays exact.",
        "unticked; ticked where the model does not fit otherwise",
        "The weights take about a third of the memory; steps take up to twice the time.",
    ),
    SettingWords(
        "lora_r",
        "LoRA rank",
        "How much the adapter can hold.",
        "8 to 64",
        "A little more memory and a larger file.",
    ),
    SettingWords(
        "lora_alpha",
        "LoRA alpha",
        "How strongly the adapter speaks; usually twice the rank.",
        "16 to 128",
        "Costs nothing.",
    ),
    SettingWords(
        "lora_dropout",
        "LoRA dropout",
        "Part of the adapter left out by chance, against learning by heart.",
        "0 to 0.1",
        "A little slower above 0.",
    ),
    SettingWords(
        "target_modules",
        "Adapted layers",
        "all-linear, or names of layers with commas between.",
        "all-linear",
        "Fewer layers take less memory and learn less.",
    ),
    SettingWords(
        "lr_scheduler_type",
        "Schedule",
        "How the learning rate falls during the run.",
        "cosine",
        "Costs nothing.",
    ),
    SettingWords(
        "warmup_ratio",
        "Warm-up",
        "The part of all steps in which the learning rate rises.",
        "0 to 0.1",
        "Costs nothing; steadies the start.",
    ),
    SettingWords(
        "weight_decay",
        "Weight decay",
        "Pulls the adapter's weights towards zero.",
        "0 to 0.1",
        "Costs nothing.",
    ),
    SettingWords(
        "max_steps",
        "Stop after steps",
        "Empty: the epochs decide.",
        "empty",
        "Sets the time by itself.",
    ),
    SettingWords(
        "seed",
        "Seed",
        "The same seed shuffles, and holds rows out, alike.",
        "any",
        "Costs nothing.",
    ),
    SettingWords(
        "packing",
        "Pack short rows together",
        "Several short rows share one place, without seeing one another.",
        "unticked; ticked for many short rows",
        "Less time where rows are much shorter than the max length; a step holds more rows.",
    ),
    SettingWords(
        "assistant_only_loss",
        "Learn the assistant's messages only",
        "Of conversations; unticked, the model learns to write the questions too.",
        "ticked",
        "Costs nothing.",
    ),
    SettingWords(
        "completion_only_loss",
        "Learn the completions only",
        "Of rows with a prompt and a completion; unticked, the prompts are learnt too.",
        "ticked",
        "Costs nothing.",
    ),
    SettingWords(
        "gradient_checkpointing",
        "Gradient checkpointing",
        "Calculates parts twice instead of keeping them.",
        "ticked",
        "Much less memory, up to a fifth more time.",
    ),
    SettingWords(
        "logging_steps",
        "Report every so many steps",
        "How often the loss is told.",
        "1 to 10",
        "Costs nothing.",
    ),
    SettingWords(
        "save_steps",
        "Checkpoint every so many steps",
        "Empty: about ten times in the run.",
        "empty",
        "Each takes a few seconds.",
    ),
    SettingWords(
        "save_total_limit",
        "Checkpoints kept on the machine",
        "The newest stay; the best one too where the best is kept.",
        "2 to 5",
        "Each takes three times the adapter's size of disk.",
    ),
    SettingWords(
        "load_best_model_at_end",
        "Keep the best",
        "The adapter is that of the lowest loss on the rows held out, not the last one.",
        "ticked for many epochs",
        "Costs nothing; each measuring is saved.",
    ),
    SettingWords(
        "early_stopping_patience",
        "Stop early after",
        "So many measurings without a better loss end the run. Empty: never. Needs the best kept.",
        "empty, or 2 to 5",
        "Saves the time that teaches nothing more.",
    ),
    SettingWords(
        "early_stopping_threshold",
        "What counts as better",
        "By how much the loss must fall to count as better, when stopping early.",
        "0.001 to 0.01",
        "Costs nothing; at 0 a run may never stop early.",
    ),
)
EVAL_STEPS = SettingWords(
    "eval_steps",
    "Measure every so many steps",
    "How often the rows held out are read. Empty: about ten times in the run.",
    "empty",
    "Each time reads all rows held out.",
)
EVAL_SAMPLES = SettingWords(
    "eval_samples",
    "Answer held-out prompts",
    "How many of the prompts held out are answered each time, for you to read beside the base "
    "model's answers. Empty: 3.",
    "0 to 5",
    "Seconds each time.",
)
MERGED = SettingWords(
    "merged",
    "Bring the merged model too",
    "After training the machine adds the adapter into its base model; the whole comes home after "
    "the adapter and runs without peft.",
    "unticked",
    "Takes minutes of the machine and as much disk as the base model, there and here; it is left "
    "out where money, time or a disk do not allow it.",
)
# By the name of its field: the name in ``eval``.
EVALUATION = {EVAL_STEPS.name: "steps", EVAL_SAMPLES.name: "samples"}


def simple(method: str) -> tuple[SettingWords, ...]:
    """Return the words of the settings that everybody sees, of those a method has."""
    return _of(SIMPLE, method)


def advanced(method: str) -> tuple[SettingWords, ...]:
    """Return the words of a method's other settings."""
    return _of(ADVANCED, method)


def words_of(method: str) -> tuple[SettingWords, ...]:
    """Return the words of all settings that a method has."""
    return (*simple(method), *advanced(method))


def _of(words: tuple[SettingWords, ...], method: str) -> tuple[SettingWords, ...]:
    known = recipes.settings_of(method)
    return tuple(
        replace(each, typical=each.by_method.get(method, each.typical))
        for each in words
        if each.name in known
    )


def label(name: str) -> str:
    """Return what the pages call a setting; its own name for one they do not show."""
    return next((words.label for words in (*SIMPLE, *ADVANCED) if words.name == name), name)

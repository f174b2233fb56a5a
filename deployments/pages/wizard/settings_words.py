"""The training settings in words: what each does, what is usual, what it costs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SettingWords:
    """One setting: ``typical`` is the usual range, ``effect`` what it does to memory and time."""

    name: str
    label: str
    sentence: str
    typical: str
    effect: str


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
        "assistant_only_loss",
        "Learn the answers only",
        "Unticked, the model learns to write the questions too.",
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
        "Each takes a few seconds and stays on the machine.",
    ),
)
EVAL_STEPS = SettingWords(
    "eval_steps",
    "Measure every so many steps",
    "How often the rows held out are read. Empty: about ten times in the run.",
    "empty",
    "Each time reads all rows held out.",
)


def label(name: str) -> str:
    """Return what the pages call a setting; its own name for one they do not show."""
    return next((words.label for words in (*SIMPLE, *ADVANCED) if words.name == name), name)

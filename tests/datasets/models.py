"""Tokenisers of small models: each word is a token, and so is each frame of a template."""

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

from datasets.tokenizers_at_hand import ModelTokenizer, tokenizer_in

# Two tokens for each message, one more where the answer begins; marks as in training templates.
TEMPLATE = (
    "{% for message in messages %}{{ message.role }} "
    "{% generation %}{{ message.content }}{% endgeneration %} end {% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


def model_in(folder: Path, *, template: str | None = TEMPLATE) -> ModelTokenizer:
    """Write a model's tokeniser into a folder and read it from there."""
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text("{}")
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    found = tokenizer_in(folder)
    assert found is not None
    return found

"""Make the sample base model: a small Llama and its tokenizer, pre-trained on our own problems.

Run with the trainer's Python: ``python sample_model.py --data DIR --out DIR [--steps N]``, where
DIR holds ``reading.jsonl`` as ``datasets.samples`` writes it. A random base would be a poor one:
its embeddings and head stay frozen under LoRA, so nothing could move (training-stack.md section
4). This one has read bare answers and bare workings; fine-tuning teaches it to do both at once.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VOCABULARY = 512
CONTEXT = 512
END, PAD, START = "<|im_end|>", "<|pad|>", "<|im_start|>"
# ChatML with generation marks, so that assistant_only_loss finds the answers; the end mark lies
# inside them, or the model would never learn to stop.
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def reading_texts(data: Path) -> Iterator[str]:
    """Yield each reading row as text: questions as a chat, workings as they are."""
    for line in (data / "reading.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "text" in row:
            yield f"{row['text']}{END}"
        else:
            yield (f"{START}user\n{row['question']}{END}\n{START}assistant\n{row['answer']}{END}\n")


def make_tokenizer(texts: list[str]) -> Any:
    """Return a byte-level BPE tokenizer trained on the texts, with pad and end marks of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # Digit by digit: sums are then learnt on digits, not on whole numbers by heart.
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        chat_template=TEMPLATE,
        model_max_length=CONTEXT,
    )


def make_model(tokenizer: Any) -> Any:
    """Return the untrained model: two Llama layers of width 64, about 150,000 weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=176,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)


def pretrain(model: Any, tokenizer: Any, texts: list[str], *, steps: int) -> float:
    """Train all weights on windows of the texts laid end to end; return the last steps' loss."""
    import torch

    batch, window = 32, 64
    stream = torch.tensor([token for text in texts for token in tokenizer(text)["input_ids"]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, total_steps=steps, pct_start=0.1
    )
    recent: list[float] = []
    model.train()
    for step in range(steps):
        starts = torch.randint(len(stream) - window, (batch,))
        rows = torch.stack([stream[start : start + window] for start in starts])
        loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent.append(loss.item())
        if step % 50 == 49:
            print(f"step {step + 1} of {steps}: loss {sum(recent[-20:]) / 20:.3f}", flush=True)  # noqa: T201
    last = recent[-20:]
    return sum(last) / len(last)


def build(data: Path, out: Path, *, steps: int) -> None:
    """Make the model in a folder beside ``out`` and rename it there; an existing one is kept."""
    if (out / "config.json").is_file():
        return
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    torch.manual_seed(7)
    texts = list(reading_texts(data))
    tokenizer = make_tokenizer(texts)
    model = make_model(tokenizer)
    loss = pretrain(model, tokenizer, texts, steps=steps)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        part.chmod(0o755)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        # Another process may have been quicker; its model is as good as ours.
        if not (out / "config.json").is_file():
            raise
    print(f"{out.name}: {model.num_parameters():,} weights, last loss {loss:.3f}")  # noqa: T201


def main() -> None:
    """Make the model where the command line says."""
    parser = argparse.ArgumentParser(description="Make the sample base model.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    given = parser.parse_args()
    build(given.data, given.out, steps=given.steps)


if __name__ == "__main__":
    main()

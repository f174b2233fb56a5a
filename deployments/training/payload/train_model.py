"""The base model and its tokenizer as training needs them: precision, padding, template, 4 bit."""

from __future__ import annotations

import os
from typing import Any, Mapping

import train_processes
from agent_failures import RunFailedError, failure
from payload_events import say

# Names that models give a token nothing else uses; the first that a vocabulary has is taken.
PAD_TOKENS = (
    "<|finetune_right_pad_id|>",
    "<pad>",
    "<|pad|>",
    "[PAD]",
    "<|endoftext|>",
    "<unk>",
)
# Two rows packed one after the other may differ so much from each alone: rounding, and no more.
PACKED_TOLERANCE = 0.02


def choose_precision() -> dict[str, Any]:
    """Return how to calculate: bf16 only where the card has it, since emulation is slow."""
    import torch

    if os.environ.get("SLIPWAY_CPU") == "1":
        return {"use_cpu": True, "bf16": False, "fp16": False, "dtype": torch.float32}
    if not torch.cuda.is_available():
        raise failure("E_CUDA", job={}, detail="torch finds no usable GPU.")
    train_processes.use_own_card()
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return {"use_cpu": False, "bf16": True, "fp16": False, "dtype": torch.bfloat16}
    return {"use_cpu": False, "bf16": False, "fp16": True, "dtype": torch.float16}


def load_tokenizer(path: str) -> Any:
    """Return the tokenizer, with a token to pad with."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    choose_pad_token(tokenizer)
    return tokenizer


def choose_pad_token(tokenizer: Any) -> None:
    """Give a tokenizer without a padding token one that is not the end of text (trap 7.7).

    Padded with the end of text, a collator that masks by token would never teach the end. Where a
    vocabulary has no other, TRL's collators mask by position, which is right with any token.
    """
    if tokenizer.pad_token is not None:
        return
    vocabulary = tokenizer.get_vocab()
    spare = [t for t in PAD_TOKENS if t in vocabulary and t != tokenizer.eos_token]
    tokenizer.pad_token = spare[0] if spare else tokenizer.eos_token
    say("info", f"The tokenizer has no padding token: {tokenizer.pad_token} is used.")


def load_model(path: str, *, dtype: Any, in_4bit: bool, job: Mapping[str, Any]) -> Any:
    """Return the base model; safetensors only, and no code that came with it."""
    from transformers import AutoModelForCausalLM

    train_processes.expect_sharing(job)
    more = {"quantization_config": nf4(dtype)} if in_4bit else {}
    model = AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, use_safetensors=True, trust_remote_code=False, **more
    )
    for module in model.modules():
        # On a CPU an evaluation would repack the weights into a form that training cannot read
        # (bitsandbytes 0.50.2, Linear4bit.forward).
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    if in_4bit:
        quantised = sum(hasattr(weights, "quant_state") for weights in model.parameters())
        say("info", f"{quantised} weights of the base model are held in 4 bit (nf4).")
    return model


def nf4(dtype: Any) -> Any:
    """Return the settings of QLoRA: nf4, its scales in 8 bit, calculated in the card's own type.

    Source: QLoRA paper (2305.14314) section 3, BitsAndBytesConfig of transformers 5.23.
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def keep_adapter_exact(model: Any, *, bf16: bool) -> None:
    """Undo what TRL does to a 4-bit model's adapter where the card has no bf16.

    It makes the adapter bf16, which such cards emulate, and whose gradients fp16 training cannot
    scale (TRL 1.16, SFTTrainer and DPOTrainer).
    """
    import torch

    if bf16:
        return
    for weights in model.parameters():
        if weights.requires_grad and weights.dtype != torch.float32:
            weights.data = weights.data.float()


def fitting_length(asked: int, model: Any) -> int:
    """Return the longest row: as asked, or what the model reads if that is less."""
    context = getattr(model.config, "max_position_embeddings", None) or asked
    if asked > context:
        say("warning", f"max_length is {asked}, but the model reads {context} tokens: using that.")
    return min(asked, context)


def check_template(tokenizer: Any, *, chat: bool, marked: bool) -> None:
    """Refuse conversations that the base model has no way to read, or no way to mark answers in."""
    if chat and not tokenizer.chat_template:
        raise RunFailedError(
            "E_DATA",
            "The base model has no chat template, so it cannot be trained on conversations.",
            remedy="Choose the model's instruct version, or upload prompt/completion rows (for DPO "
            "and ORPO pairs of plain texts).",
        )
    if not marked:
        return
    from trl.chat_template_utils import get_training_chat_template

    try:
        get_training_chat_template(tokenizer)
    except ValueError:
        raise RunFailedError(
            "E_DATA",
            "The base model's chat template does not mark the assistant's part, so "
            "assistant_only_loss cannot know what to train on.",
            remedy="Set assistant_only_loss to false, upload prompt/completion rows, or choose "
            "another base model.",
        ) from None


def check_packing(model: Any, job: Mapping[str, Any]) -> None:
    """Refuse packing where a row would see the one before it (trap 7.8).

    Whether a model keeps packed rows apart depends on its attention and on what is installed, so
    it is tried: one row alone, and the same behind another, must mean the same to the model.
    """
    import torch

    if train_processes.is_shared(job):
        raise RunFailedError(
            "E_CONFIG",
            "packing is true, and whether packed rows stay apart cannot be tried on a model that "
            "is spread over several cards.",
            remedy="Set packing to false.",
        )
    if torch.cuda.is_available() and not getattr(model, "is_loaded_in_4bit", False):
        # Where it will train, and where a large model answers within a second.
        model.to(torch.cuda.current_device())
    vocabulary = int(model.config.get_text_config().vocab_size)
    numbers = torch.Generator().manual_seed(0)
    rows = [torch.randint(vocabulary, (1, n), generator=numbers) for n in (13, 9)]
    first, second = (row.to(model.device) for row in rows)
    positions = torch.cat([torch.arange(13), torch.arange(9)])[None].to(model.device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        alone = model(input_ids=second, use_cache=False).logits[0].float()
        packed = (
            model(
                input_ids=torch.cat([first, second], dim=1), position_ids=positions, use_cache=False
            )
            .logits[0, 13:]
            .float()
        )
    model.train(was_training)
    apart = float((packed - alone).abs().max() / alone.abs().max().clamp(min=1e-6))
    if not apart <= PACKED_TOLERANCE * (1 if model.dtype == torch.float32 else 5):
        raise RunFailedError(
            "E_CONFIG",
            "packing is true, but this base model would let packed rows see one another on this "
            f"machine: what a row means to it changes by {100 * apart:.0f} % behind another row.",
            remedy="Set packing to false.",
        )
    say("info", f"Packed rows stay apart: tried on this model, equal within {apart:.1e}.")

"""The same held-out prompts answered at each evaluation: by the base model once, by ours each time.

Greedy, few tokens, all prompts in one batch, and ended by the clock: what it tells is worth seconds
of a rented machine, not minutes. It draws no random number, so that training is the same with it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, List, Mapping, Sequence

from transformers import TrainerCallback

from payload_events import say, tell
from train_questions import question_of, shown

MAX_NEW_TOKENS = 64
MAX_PROMPT_TOKENS = 512
MAX_SECONDS = 30.0
# Of each text that is told; a line of the run log holds several.
MAX_CHARACTERS = 2000


def add(
    trainer: Any, rows: Sequence[Mapping[str, Any]], *, job: Mapping[str, Any], control: Path
) -> None:
    """Let the trainer answer some of the held-out rows, as many as ``eval.samples`` says."""
    count = int(job["recipe"]["eval"].get("samples") or 0)
    if count == 0 or not rows or trainer.args.eval_strategy == "no":
        return
    if trainer.args.fsdp:
        say("info", "No sample answers: the model is spread over several cards.")
        return
    trainer.add_callback(
        SampleCallback(
            rows[:count],
            tokenizer=trainer.processing_class,
            stop_file=control / "stop",
            starts_as_base=not job["recipe"].get("adapter"),
        )
    )


class SampleCallback(TrainerCallback):  # type: ignore[misc]
    """Answers after each evaluation, on the first process alone."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        tokenizer: Any,
        stop_file: Path,
        starts_as_base: bool,
    ) -> None:
        self._asked = [question_of(row) for row in rows]
        self._tokenizer = tokenizer
        self._stop_file = stop_file
        # Fresh LoRA weights change nothing, so before the first step there is one answer only.
        self._starts_as_base = starts_as_base
        self._has_told_base = False

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self._asked or not state.is_world_process_zero or self._stop_file.exists():
            return
        begun = time.monotonic()
        tell("pulse")
        try:
            self._answer_all(kwargs["model"], step=int(state.global_step))
        except Exception as problem:  # noqa: BLE001 (no sample is worth the run)
            self._asked = []
            say("warning", f"No more sample answers: {type(problem).__name__}: {problem}"[:500])
            return
        tell("pulse")
        took = time.monotonic() - begun
        say("info", f"Answered {len(self._asked)} held-out prompts in {took:.1f} s.")

    def _answer_all(self, model: Any, *, step: int) -> None:
        if not self._has_told_base:
            with model.disable_adapter():
                self._tell_base(self._answers(model))
            self._has_told_base = True
        if step > 0 or not self._starts_as_base:
            for number, answer in enumerate(self._answers(model)):
                tell("sample", number=number, step=step, answer=answer)

    def _tell_base(self, answers: Sequence[str]) -> None:
        for number, answer in enumerate(answers):
            question, reference = self._asked[number]
            tell(
                "sample",
                number=number,
                prompt=shown(question)[:MAX_CHARACTERS],
                reference=reference[:MAX_CHARACTERS],
                base=answer,
            )

    def _answers(self, model: Any) -> List[str]:
        import torch

        batch = self._tokenizer.pad(
            {"input_ids": [self._tokens(question) for question, _ in self._asked]},
            padding_side="left",
            return_tensors="pt",
        ).to(model.device)
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad():
                told = model.generate(
                    input_ids=batch["input_ids"],
                    attention_mask=batch["attention_mask"],
                    max_new_tokens=MAX_NEW_TOKENS,
                    max_time=MAX_SECONDS,
                    do_sample=False,
                    use_cache=True,
                    pad_token_id=self._tokenizer.pad_token_id,
                )
        finally:
            model.train(was_training)
        new = told[:, batch["input_ids"].shape[1] :]
        texts = self._tokenizer.batch_decode(new, skip_special_tokens=True)
        return [text.strip()[:MAX_CHARACTERS] for text in texts]

    def _tokens(self, question: Any) -> List[int]:
        """Return the question as the model reads it; of one that is too long, the end."""
        if isinstance(question, str):
            ids = self._tokenizer(question)["input_ids"]
        else:
            ids = self._tokenizer.apply_chat_template(question, add_generation_prompt=True)
        ids = list(ids["input_ids"] if hasattr(ids, "keys") else ids)
        return ids[-MAX_PROMPT_TOKENS:]

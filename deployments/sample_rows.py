"""The held-out prompts of a job and what was answered to them, kept and read back.

A machine tells them, so their number and length are bounded (T3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from deployments.models import Machine, Sample, SampleAnswer, TrainingJob

MOST = 5
MAX_TEXT = 2000
# Of one prompt; a run has about ten evaluations, unless somebody asks for more.
MAX_ANSWERS = 500


@dataclass(frozen=True)
class Answer:
    """What was answered after ``step`` steps of training."""

    step: int
    answer: str
    at: datetime


@dataclass(frozen=True)
class Answered:
    """A held-out prompt, what the data answers, what the base model does, and ours by step."""

    number: int
    prompt: str
    reference: str
    base: str
    answers: tuple[Answer, ...]

    @property
    def newest(self) -> Answer | None:
        """The last answer of the model being trained; None before the first."""
        return self.answers[-1] if self.answers else None

    @property
    def earlier(self) -> tuple[Answer, ...]:
        """The answers before the last, the newest first."""
        return self.answers[-2::-1]


def keep(
    machine: Machine, *, number: int, step: int | None, told: Mapping[str, str], at: datetime
) -> None:
    """Keep what a machine told of one prompt; what is told again replaces what was told before."""
    about = {name: told[name] for name in ("prompt", "reference", "base") if name in told}
    sample, _ = Sample.objects.update_or_create(
        job_id=machine.deployment.job_id,
        number=number,
        defaults=about,
        create_defaults={**about, "at": at},
    )
    if step is None or "answer" not in told:
        return
    answers = SampleAnswer.objects.filter(sample=sample)
    if not answers.filter(step=step).exists() and answers.count() >= MAX_ANSWERS:
        return
    SampleAnswer.objects.update_or_create(
        sample=sample,
        step=step,
        defaults={"machine": machine, "answer": told["answer"], "at": at},
    )


def of_job(job: TrainingJob) -> Sequence[Answered]:
    """Return the job's prompts with every answer, in order of step. Two queries."""
    rows = Sample.objects.filter(job=job).prefetch_related("answers")
    return [
        Answered(
            number=row.number,
            prompt=row.prompt,
            reference=row.reference,
            base=row.base,
            answers=tuple(Answer(each.step, each.answer, each.at) for each in row.answers.all()),
        )
        for row in rows
    ]

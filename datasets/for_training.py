"""What is wrong with data only for how it is to be trained on: method, model, length, eval file.

Found when a training config brings these together, by the wizard and the API alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from datasets.counting import Counts, counts_of, needs_template
from datasets.findings import Finding, Findings, Severity
from datasets.lengths import RowLengths
from datasets.models import Dataset
from datasets.services import normalised_file
from datasets.tokenizers_at_hand import ModelTokenizer, TemplateError

_HASHED_ROWS = 2_000_000


@dataclass(frozen=True)
class Training:
    """How data is to be trained on. ``tokenizer`` is None where the model's is not at hand.

    ``answers_only``: nothing is learnt of what comes before an answer.
    """

    method: str
    max_length: int
    tokenizer: ModelTokenizer | None = None
    answers_only: bool = True
    evaluation: Dataset | None = None


@dataclass(frozen=True)
class Fit:
    """What was found, and how long the rows are; ``counts`` is None where nobody could count."""

    findings: Findings
    counts: Counts | None

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The findings that keep the data from being trained on in this way."""
        return [one for one in self.findings.listed() if one["severity"] == Severity.ERROR]


def fit_of(dataset: Dataset, training: Training) -> Fit:
    """Return how ready data fits what is to be done with it."""
    findings = Findings()
    _check_method(dataset, training, findings)
    counts = None
    if _has_template(dataset, training, findings):
        try:
            counts = counts_of(dataset, training.tokenizer)
        except TemplateError as error:
            findings.add(_template_refuses(str(error)))
    if counts is not None:
        _check_lengths(dataset, counts, training, findings)
    if training.evaluation is not None:
        _check_evaluation(dataset, training.evaluation, findings)
    return Fit(findings, counts)


def _check_method(dataset: Dataset, training: Training, findings: Findings) -> None:
    if training.method in dataset.methods:
        return
    findings.add(
        Finding(
            code="wrong_type_for_method",
            severity=Severity.ERROR,
            field="method",
            message=f"{dataset.get_format_display()} data cannot be trained on by "
            f"{training.method}.",
            fix=f"Choose other data, or a method that it serves: {', '.join(dataset.methods)}.",
        )
    )


def _has_template(dataset: Dataset, training: Training, findings: Findings) -> bool:
    tokenizer = training.tokenizer
    if tokenizer is None or tokenizer.template or not needs_template(dataset):
        return True
    findings.add(
        Finding(
            code="template_missing",
            severity=Severity.ERROR,
            field="base_model",
            message="The base model has no chat template, so it cannot read conversations.",
            fix="Choose the model's instruct version, or upload prompts with completions.",
        )
    )
    return False


def _template_refuses(words: str) -> Finding:
    return Finding(
        code="template_refuses",
        severity=Severity.ERROR,
        field="base_model",
        message=f"The base model's chat template does not take the conversations: {words[:120]}",
        fix="Let user and assistant take turns, without a system message if it takes none; or "
        "choose another base model.",
    )


def _check_lengths(
    dataset: Dataset, counts: Counts, training: Training, findings: Findings
) -> None:
    """Say how many rows are cut or dropped at max_length, and what is lost of them."""
    limit, lengths = training.max_length, counts.lengths
    guess = "" if counts.is_exact else ", by our estimate"
    before = counts.before_answers
    empty = 0
    if before is not None and training.answers_only:
        empty = before.rows_beyond(limit - 1)
    if empty:
        everything = empty >= dataset.rows
        findings.add(
            Finding(
                code="no_trainable_tokens",
                severity=Severity.ERROR if everything else Severity.WARNING,
                field="max_length",
                message=f"The answer begins beyond {limit:,} tokens{guess}: nothing is left to "
                "learn.",
                fix=f"{'All rows are' if everything else 'Such rows are'} left out. Raise "
                f"max_length to {_enough(lengths.longest):,}, or shorten what comes before the "
                "answer.",
            ),
            rows=empty,
        )
    beyond = lengths.rows_beyond(limit)
    if beyond > empty:
        findings.add(
            Finding(
                code="over_max_length",
                severity=Severity.WARNING,
                field="max_length",
                message=f"Longer than {limit:,} tokens{guess}",
                fix=f"{_loss(dataset, lengths, limit)} A max length of "
                f"{_enough(lengths.longest):,} in step 4 keeps them.",
            ),
            rows=beyond - empty,
        )


def _loss(dataset: Dataset, lengths: RowLengths, limit: int) -> str:
    """Say what becomes of rows that are too long; preference rows are left out (trap 7.1)."""
    if dataset.format == Dataset.Format.PREFERENCE:
        return "Dropped: such rows are left out."
    lost = lengths.tokens - lengths.tokens_within(limit)
    share = 100 * lost / lengths.tokens
    return f"Cut at the end; about {share:.1f} % of all tokens are lost ({lost:,})."


def _enough(longest: int) -> int:
    return 1 << max(4, (longest - 1).bit_length())


def _check_evaluation(dataset: Dataset, evaluation: Dataset, findings: Findings) -> None:
    if evaluation.format != dataset.format:
        findings.add(
            Finding(
                code="wrong_type_for_method",
                severity=Severity.ERROR,
                field="eval.dataset_id",
                message=f"The evaluation data is {evaluation.get_format_display()}, the training "
                f"data {dataset.get_format_display()}.",
                fix="Bring both into one format, or hold out rows of the training data.",
            )
        )
        return
    shared = _shared_rows(dataset, evaluation)
    if shared:
        findings.add(
            Finding(
                code="overlap_train_eval",
                severity=Severity.WARNING,
                field="eval.dataset_id",
                message="The row is in the training data as well as in the evaluation data.",
                fix="Remove it from one of them: the eval loss would look better than it is.",
            ),
            rows=shared,
        )


def _shared_rows(dataset: Dataset, evaluation: Dataset) -> int:
    """Count the rows of the evaluation data that are trained on too."""
    if dataset.normalised_sha256 == evaluation.normalised_sha256:
        return evaluation.rows
    wanted: dict[int, int] = {}
    for digest in _hashes(evaluation):
        if digest in wanted or len(wanted) < _HASHED_ROWS:
            wanted[digest] = wanted.get(digest, 0) + 1
    return sum(wanted.pop(digest, 0) for digest in _hashes(dataset))


def _hashes(dataset: Dataset) -> Iterator[int]:
    with normalised_file(dataset).open("rb") as file:
        yield from map(hash, file)

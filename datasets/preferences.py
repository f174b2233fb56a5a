"""Preference rows: a prompt, the better answer and the worse one, in the ways people write them.

The prompt may stand alone, or begin both answers; each part may be a text or a list of messages.
"""

from collections.abc import Mapping
from typing import Any

from datasets.forms import Form
from datasets.problems import Problems, text_in
from datasets.turns import Turn, check_order, read_turns, unquoted

# Where the prompt ends in transcripts kept as one text (HH-RLHF).
_ANSWER_MARK = "\n\nAssistant:"


def read_preference(value: Mapping[str, Any], form: Form, problems: Problems) -> dict[str, Any]:
    """Return prompt, chosen and rejected, whichever way the row holds them."""
    names = (form.columns["chosen"], form.columns["rejected"])
    column = form.optional.get("prompt", "")
    given = unquoted(value.get(column))
    prompt = None if given in (None, "") else _text_or_turns(given, column, problems)
    chosen, rejected = (_text_or_turns(value[name], name, problems) for name in names)
    if problems.found:
        return {}
    if prompt is None:
        found = _split(chosen, rejected, names, problems)
    else:
        found = _with_prompt(prompt, chosen, rejected, names, problems)
    return _checked(found, names, problems)


def read_openai(value: Mapping[str, Any], form: Form, problems: Problems) -> dict[str, Any]:
    """Return the row of OpenAI's form: {"input": {"messages"}, "preferred_output", ..}."""
    names = (form.columns["preferred_output"], form.columns["non_preferred_output"])
    column = form.columns["input"]
    given = value[column]
    if not isinstance(given, dict) or "messages" not in given:
        problems.add(
            "missing_key",
            f"{column}.messages",
            f"{column} has no messages.",
            'Write it as {"messages": [{"role": "user", "content": "..."}]}.',
        )
        return {}
    prompt = read_turns(given["messages"], f"{column}.messages", problems)
    chosen, rejected = (read_turns(value[name], name, problems) for name in names)
    if problems.found:
        return {}
    return _checked(_with_prompt(prompt, chosen, rejected, names, problems), names, problems)


def _text_or_turns(given: object, field: str, problems: Problems) -> str | list[Turn]:
    given = unquoted(given)
    if isinstance(given, list):
        return read_turns(given, field, problems)
    return text_in(given, field, problems)


def _split(
    chosen: str | list[Turn],
    rejected: str | list[Turn],
    names: tuple[str, str],
    problems: Problems,
) -> dict[str, Any]:
    """Split off the prompt with which both answers begin."""
    if isinstance(chosen, str) and isinstance(rejected, str):
        if chosen == rejected:
            return {"prompt": "", "chosen": chosen, "rejected": rejected}
        shared = _shared_text(chosen, rejected)
        if not shared.strip():
            _mismatch(names, problems)
        at = len(shared)
        return {"prompt": shared, "chosen": chosen[at:], "rejected": rejected[at:]}
    if isinstance(chosen, str) or isinstance(rejected, str):
        _unlike(names, problems)
        return {}
    if chosen == rejected:
        return {"prompt": [], "chosen": chosen, "rejected": rejected}
    at = _shared_turns(chosen, rejected)
    ends = (chosen[at:], rejected[at:])
    if at == 0 or any(end and end[0]["role"] != "assistant" for end in ends):
        _mismatch(names, problems)
    return {"prompt": chosen[:at], "chosen": ends[0], "rejected": ends[1]}


def _shared_text(chosen: str, rejected: str) -> str:
    """Return the shared beginning, up to where the answer begins or at least to a whole word."""
    at = next(
        (at for at, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b),
        min(len(chosen), len(rejected)),
    )
    shared = chosen[:at]
    mark = shared.rfind(_ANSWER_MARK)
    if mark >= 0:
        return shared[: mark + len(_ANSWER_MARK)]
    end = max(shared.rfind(" "), shared.rfind("\n"))
    # The space goes with the answer's first word, as tokenisers have it.
    return shared[:end] if end > 0 else ""


def _shared_turns(chosen: list[Turn], rejected: list[Turn]) -> int:
    at = 0
    for better, worse in zip(chosen, rejected, strict=False):
        if better != worse:
            break
        at += 1
    return at


def _with_prompt(
    prompt: str | list[Turn],
    chosen: str | list[Turn],
    rejected: str | list[Turn],
    names: tuple[str, str],
    problems: Problems,
) -> dict[str, Any]:
    """Bring the three parts to one kind, and take the prompt off answers that repeat it."""
    if isinstance(chosen, str) is not isinstance(rejected, str):
        _unlike(names, problems)
        return {}
    if isinstance(prompt, str) and isinstance(chosen, str):
        return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    ends = []
    for name, answer in zip(names, (chosen, rejected), strict=True):
        spoken = _spoken(answer)
        if spoken and spoken[0]["role"] != "assistant":
            spoken, turns = _without_prompt(spoken, turns, name, problems)
        ends.append(spoken)
    return {"prompt": turns, "chosen": ends[0], "rejected": ends[1]}


def _spoken(answer: str | list[Turn]) -> list[Turn]:
    return [{"role": "assistant", "content": answer}] if isinstance(answer, str) else answer


def _without_prompt(
    answer: list[Turn], prompt: list[Turn], name: str, problems: Problems
) -> tuple[list[Turn], list[Turn]]:
    """Return what follows the prompt in an answer that repeats it, and the prompt.

    An answer may put a system message before the prompt; it is then the prompt's.
    """
    if answer[0]["role"] == "system" and prompt[0]["role"] != "system":
        prompt = [answer[0], *prompt]
    if answer[: len(prompt)] != prompt:
        problems.add(
            "prompt_mismatch",
            name,
            f"{name} begins with another prompt than the row's own.",
            "Let the answers hold only what follows the prompt, or repeat it word for word.",
        )
    return answer[len(prompt) :], prompt


def _checked(found: dict[str, Any], names: tuple[str, str], problems: Problems) -> dict[str, Any]:
    """Report answers that are the same, missing, or nobody's."""
    if problems.found:
        return {}
    if found["chosen"] == found["rejected"]:
        problems.add(
            "chosen_equals_rejected",
            names[0],
            "Both answers are the same, so the row teaches nothing.",
            "Remove the row, or give it a worse answer.",
        )
        return {}
    for name, part in zip(names, ("chosen", "rejected"), strict=True):
        answer = found[part]
        if not answer or (isinstance(answer, str) and not answer.strip()):
            problems.add(
                "empty_content",
                name,
                f"{name} says nothing after the prompt.",
                "Fill it in, or remove the row.",
            )
        elif isinstance(answer, list):
            check_order([*found["prompt"], *answer], name, problems)
    return found


def _mismatch(names: tuple[str, str], problems: Problems) -> None:
    problems.add(
        "prompt_mismatch",
        names[1],
        f"{names[0]} and {names[1]} do not begin with the same prompt.",
        "Give the prompt in a column of its own, or let both begin with it word for word.",
    )


def _unlike(names: tuple[str, str], problems: Problems) -> None:
    problems.add(
        "wrong_type",
        names[1],
        f"One of {names[0]} and {names[1]} is a text, the other a list of messages.",
        "Write both in the same way.",
    )

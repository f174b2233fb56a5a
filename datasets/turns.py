"""Lists of messages: whose each is, what it says, and whether their order makes a conversation."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from datasets.formats import ROLES
from datasets.problems import Problems, text_in

Turn = dict[str, str]
# What other tools call a speaker.
SHAREGPT_ROLES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
_CHAT_ROLES = {role: role for role in ROLES}
_ROLES_IN_ORDER = "system, user, assistant"


def read_turns(
    given: object, field: str, problems: Problems, *, is_sharegpt: bool = False
) -> list[Turn]:
    """Return the messages with the keys role and content; what is wrong with them is reported.

    With ``is_sharegpt`` a message may have "from" and "value" instead, and human and gpt as roles.
    """
    given = unquoted(given)
    if not isinstance(given, list):
        problems.add(
            "wrong_type",
            field,
            f"{field} is not a list.",
            "Give a list of messages, each with role and content.",
        )
        return []
    if not given:
        problems.add(
            "empty_messages",
            field,
            "The conversation has no messages.",
            "Remove the row, or give it a question and an answer.",
        )
    turns: list[Turn] = []
    for index, message in enumerate(given):
        turn = None
        if not is_sharegpt and type(message) is dict:
            turn = _quickly(message)
        if turn is None:
            turn = _carefully(message, f"{field}[{index}]", problems, is_sharegpt=is_sharegpt)
        if turn is not None:
            turns.append(turn)
    return turns


def _quickly(message: dict[str, Any]) -> Turn | None:
    """Return a message that is as it should be, None for any other."""
    try:
        role, content = message["role"], message["content"]
        if (
            type(content) is str
            and role in ROLES
            and content
            and not content.isspace()
            and "\0" not in content
        ):
            return message if len(message) == 2 else {"role": role, "content": content}
    except (KeyError, TypeError):
        pass
    return None


def _carefully(
    message: object, field: str, problems: Problems, *, is_sharegpt: bool
) -> Turn | None:
    if not isinstance(message, dict):
        problems.add(
            "wrong_type",
            field,
            "A message is not an object.",
            'Write each message as {"role": "user", "content": "..."}.',
        )
        return None
    other_tool = is_sharegpt and "role" not in message
    keys = ("from", "value") if other_tool else ("role", "content")
    absent = [key for key in keys if key not in message]
    for key in absent:
        problems.add(
            "missing_key",
            f"{field}.{key}",
            f"A message has no {key}.",
            f"Give every message a {keys[0]} and a {keys[1]}.",
        )
    if absent:
        return None
    said = message[keys[0]]
    known: Mapping[str, str] = SHAREGPT_ROLES if is_sharegpt else _CHAT_ROLES
    role = known.get(said) if isinstance(said, str) else None
    if role is None:
        problems.add(
            "unknown_role",
            f"{field}.{keys[0]}",
            f"There is no role {said!r}.",
            _role_fix(said),
        )
        return None
    return {"role": role, "content": text_in(message[keys[1]], f"{field}.{keys[1]}", problems)}


def _role_fix(said: object) -> str:
    meant = SHAREGPT_ROLES.get(said.casefold()) if isinstance(said, str) else None
    return f"Write {meant} instead." if meant else f"Use one of: {_ROLES_IN_ORDER}."


def unquoted(given: object) -> object:
    """Return a list of messages that a table holds as JSON text; anything else as it is."""
    if not isinstance(given, str) or not given.lstrip().startswith("["):
        return given
    try:
        value = orjson.loads(given)
    except ValueError:
        return given
    is_turns = isinstance(value, list) and all(isinstance(one, dict) for one in value)
    return value if is_turns else given


def check_order(turns: list[Turn], field: str, problems: Problems) -> None:
    """Report a conversation in which nobody answers, or whose speakers do not take turns."""
    if not turns:
        return
    for code in order_faults(tuple([turn["role"] for turn in turns])):
        if code == "no_assistant_message":
            problems.add(
                code,
                field,
                "No message is the assistant's, so there is nothing to learn.",
                "Add the answer that the model should give.",
            )
        elif code == "last_message_not_assistant":
            problems.warn(
                code,
                field,
                f"The last message is the {turns[-1]['role']}'s; nothing is learnt from it.",
                "End the conversation with the assistant's answer.",
            )
        else:
            problems.warn(
                code,
                field,
                "User and assistant do not take turns, beginning with the user.",
                "Join messages that follow one another; some chat templates refuse such rows.",
            )


# Conversations differ; the orders of their speakers are few.
@lru_cache(maxsize=4096)
def order_faults(roles: tuple[str, ...]) -> tuple[str, ...]:
    """Return the codes of what is wrong with the order of a conversation's speakers."""
    if "assistant" not in roles:
        return ("no_assistant_message",)
    found = []
    if roles[-1] != "assistant":
        found.append("last_message_not_assistant")
    spoken = roles[1:] if roles[0] == "system" else roles
    if any(role != ("user", "assistant")[index % 2] for index, role in enumerate(spoken)):
        found.append("roles_do_not_alternate")
    return tuple(found)

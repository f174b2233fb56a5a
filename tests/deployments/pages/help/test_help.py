"""The help pages: one for every code that can be shown, found in the code itself."""

import ast
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deployments.pages.help.codes import BY_CODE, GROUPS
from deployments.pages.help.views import TOPICS
from tests.deployments.pages import scenes
from tests.deployments.pages.test_wording import spoken

ROOT = Path(__file__).resolve().parents[4]
APPS = ("config", "core", "datasets", "deployments", "secrets_vault")
CODE = re.compile(r"E_[A-Z][A-Z0-9_]*")
HELP = ROOT / "deployments" / "pages" / "help"


def codes_in_the_code() -> set[str]:
    """Return every string that is a code and nothing else, wherever it stands in our modules."""
    modules = [module for app in APPS for module in (ROOT / app).rglob("*.py")]
    trees = [ast.parse(module.read_text()) for module in modules if HELP not in module.parents]
    strings = [
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return {string for string in strings if CODE.fullmatch(string)}


def test_every_code_has_its_help_page_and_every_help_page_its_code() -> None:
    assert set(BY_CODE) == codes_in_the_code()


def test_no_code_is_told_twice() -> None:
    assert sum(len(group.entries) for group in GROUPS) == len(BY_CODE)


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_a_code_says_what_it_means_costs_does_and_what_one_can_do(
    reader: Client, code: str
) -> None:
    page = spoken(reader.get(f"/help/{code}/").content.decode())

    entry = BY_CODE[code]
    for part in ("What it means", "What it costs", "What Slipway does", "What you can do"):
        assert part in page
    for text in (entry.means, entry.costs, entry.does, entry.can):
        assert re.fullmatch(r"[A-Z].*[.)]", text), text
    assert not entry.title.endswith(".")


def test_a_code_is_found_in_small_letters(reader: Client) -> None:
    assert "ran out of memory" in reader.get("/help/e_oom/").content.decode()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_has_its_page(reader: Client, topic: object) -> None:
    name, title = getattr(topic, "name", ""), getattr(topic, "title", "")

    assert f"<h1>{title}</h1>" in reader.get(f"/help/{name}/").content.decode()


def test_the_contents_lead_to_every_page(reader: Client) -> None:
    page = reader.get("/help/").content.decode()

    for name in (*BY_CODE, *(topic.name for topic in TOPICS)):
        assert f'href="/help/{name}/"' in page


def test_what_is_no_help_page_is_not_found(reader: Client) -> None:
    assert reader.get("/help/E_NOTHING/").status_code == 404
    assert reader.get("/help/../secret/").status_code == 404


def test_help_is_for_whoever_is_signed_in(db: None) -> None:
    assert Client().get("/help/").status_code == 302


def test_every_link_in_the_topics_leads_somewhere(reader: Client) -> None:
    for topic in TOPICS:
        page = reader.get(f"/help/{topic.name}/").content.decode()
        for address in re.findall(r'href="(/[^"#]*)"', page):
            if not address.startswith("/static/"):
                assert reader.get(address, follow=True).status_code == 200, (topic.name, address)


def test_a_code_on_a_page_leads_to_its_help(user: User, reader: Client) -> None:
    failed = scenes.failed(user)

    page = reader.get(f"/jobs/{failed.job_id}/").content.decode()
    missing = reader.get("/nothing/").content.decode()

    assert '<a class="code-link" href="/help/E_NAN/">E_NAN</a>' in page
    assert '<a class="code-link" href="/help/E_NOT_FOUND/">E_NOT_FOUND</a>' in missing

"""What keeps the look whole: the strict content policy, one heading, tables with captions."""

import re
import uuid
from html.parser import HTMLParser
from pathlib import Path

import pytest
import responses
from django.contrib.auth.models import User
from django.template import loader
from django.test import Client

from core import sessions, tokens
from deployments import drafts
from deployments.models.deployments import Status
from deployments.pages.status_words import WORDS
from deployments.pages.wizard.frame import STEPS
from tests import builders
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.wizard.test_walk import hardware, ready
from tests.deployments.pages.wizard.walking import settings_of

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SPRITE = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static" / "icons.svg").read_text()))
VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """Collects what the rules are about while it reads a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings = 0
        self.ids: list[str] = []
        self.refers: set[str] = set()
        self.inline: list[str] = []
        self.tables = 0
        self.captions = 0
        self.labels: set[str] = set()
        self.controls: list[tuple[str, bool]] = []
        self.mismatched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.headings += tag == "h1"
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.inline += [n for n in given if n == "style" or n.startswith("on") or n == "hx-on"]
        if tag in ("script", "style") and not given.get("src"):
            self.inline.append(tag)
        if given.get("id"):
            self.ids.append(given["id"] or "")
        for name in ("aria-labelledby", "aria-describedby", "for"):
            self.refers |= set((given.get(name) or "").split())
        if tag == "label":
            self.labels.add(given.get("for") or "")
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            self.controls.append((given.get("id") or "", bool(given.get("aria-label"))))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mismatched.append(tag)


@pytest.fixture
def pages(user: User, reader: Client, cloud: responses.RequestsMock) -> dict[str, str]:
    """Render every page there is, with runs in every state."""
    cloud.get(f"{BASE_URL}/instances", json={"data": []})
    scenes.worker_beats()
    newcomer = Client()
    newcomer.force_login(builders.make_user())
    data = scenes.dataset(user)
    draft, empty = ready(user, data), drafts.begin(user)
    broken = builders.make_dataset(user, content=b"no json\n")
    found: dict[str, str] = {
        "first visit": newcomer.get("/").content.decode(),
        "needs a key": newcomer.get("/new/", follow=True).content.decode(),
        "sign in": Client().get("/login/").content.decode(),
        "not found": reader.get("/nothing/").content.decode(),
    }
    runs = {
        "live": scenes.training(user, dataset=data),
        "ended": scenes.ended(user, dataset=data),
        "failed": scenes.failed(user, dataset=data),
        "needs you": scenes.needs_owner(user, dataset=data),
        "waiting": scenes.waiting(user, dataset=data),
    }
    addresses = {name: f"/jobs/{run.job_id}/" for name, run in runs.items()}
    live = addresses["live"]
    key = runs["live"].vault_entry_id
    token, _ = tokens.create_token(user, name="nightly")
    signed_in(user)
    elsewhere = sessions.live_sign_ins(user)[0]
    addresses |= {
        "list": "/",
        "no match": "/?q=nothing+like+it",
        "machines": "/machines/",
        "help": "/help/",
        "help of a code": "/help/E_OOM/",
        "help of keys": "/help/keys/",
        "stop": f"{live}stop/",
        "cancel": f"{live}cancel/",
        "cancel early": f"{addresses['waiting']}cancel/",
        "loss": f"{live}charts/loss/",
        "use it": f"{addresses['ended']}files/use/",
        **{
            f"{tab} of {name}": f"{addresses[name]}{tab}/"
            for name in runs
            for tab in ("charts", "logs", "events", "checkpoints", "files", "config", "cost")
        },
        "vault": "/vault/",
        "delete key": f"/vault/{key}/delete/",
        "replace key": f"/vault/{key}/replace/",
        "settings": "/settings/",
        "confirm": "/settings/confirm/?next=/vault/",
        "password": "/settings/password/",
        "new token": "/settings/tokens/new/",
        "revoke token": f"/settings/tokens/{token.pk}/revoke/",
        "end session": f"/settings/sessions/{elsewhere.pk}/end/",
        "end other sessions": "/settings/sessions/end/",
        "datasets": "/datasets/",
        "dataset": f"/datasets/{data.pk}/",
        "broken dataset": f"/datasets/{broken.pk}/",
        "delete data": f"/datasets/{data.pk}/delete/",
        "new run": f"/new/{empty.pk}/data/",
        "choose data": f"/new/{draft.pk}/data/?choose=1",
        "start over": f"/new/{empty.pk}/review/",
        **{step.name: f"/new/{draft.pk}/{step.name}/" for step in STEPS},
        "bad level": f"{live}logs/?level=x",
    }
    found |= {name: reader.get(url).content.decode() for name, url in addresses.items()}
    found |= {
        "key in use": reader.post(f"/vault/{key}/delete/").content.decode(),
        "key sees less": reader.post(
            f"/vault/{key}/replace/", {"secret": "x" * 20}
        ).content.decode(),
        "token made": reader.post(
            "/settings/tokens/new/", {"name": "ci", "scope": "read", "days": "0"}
        ).content.decode(),
        "password errors": reader.post("/settings/password/", {}).content.decode(),
        "data in use": reader.post(f"/datasets/{data.pk}/delete/").content.decode(),
        "form errors": reader.post(
            f"/new/{draft.pk}/training/", settings_of(lora_r="0", max_length="x")
        ).content.decode(),
        "limit errors": reader.post(
            f"/new/{draft.pk}/hardware/", hardware(budget_limit="", machine="")
        ).content.decode(),
        "method errors": reader.post(f"/new/{draft.pk}/method/", {}).content.decode(),
        "model errors": reader.post(f"/new/{draft.pk}/model/", {}).content.decode(),
        "data errors": reader.post(
            f"/new/{empty.pk}/data/upload/", {"prompt": "x"}
        ).content.decode(),
        "key errors": newcomer.post("/vault/add/", {}).content.decode(),
        "upload errors": reader.post("/datasets/upload/", {"prompt": "x"}).content.decode(),
    }
    return found


def test_every_page_keeps_the_rules_of_the_look(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        page = Page(text)
        # T13: no script, style or handler stands in the page itself.
        assert page.inline == [], name
        assert page.headings == 1, name
        assert page.captions == page.tables, name
        assert page.mismatched == [], name
        assert page.open == [], name
        assert len(page.ids) == len(set(page.ids)), name
        assert page.refers - {""} <= set(page.ids), name
        assert all(named or i in page.labels for i, named in page.controls), name
        assert "<title> · Slipway" not in text, name
        assert "SafeString" not in text, name
        # Python's own word for nothing; only the machines page says it: "Forgotten machines: None".
        said = re.sub(r"<[^>]+>", "", text)
        assert said.count("None") == (name == "machines"), name


def test_every_page_with_a_top_bar_can_be_skipped_to_its_content(pages: dict[str, str]) -> None:
    for name in ("list", "live", "new run", "vault", "sign in"):
        assert pages[name].index('href="#main"') < pages[name].index('id="main"'), name


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_use_only_icons_of_the_sprite_and_never_trust_text(template: Path) -> None:
    text = template.read_text()

    icons = set(re.findall(r'{% icon "([^"]+)"', text))
    assert icons <= SPRITE
    assert "|safe" not in text
    assert "autoescape off" not in text
    assert not re.search(r"https?://", text)


def test_every_status_has_a_word_a_tone_and_an_icon_of_the_sprite() -> None:
    assert set(WORDS) == set(Status)
    assert {icon for _, _, icon in WORDS.values()} <= SPRITE


def test_every_icon_of_the_sprite_is_used_somewhere() -> None:
    used = {icon for _, _, icon in WORDS.values()} | {"exclamation-triangle-fill"}
    for template in TEMPLATES:
        used |= set(re.findall(r'{% icon "([^"]+)"', template.read_text()))

    assert used >= SPRITE


def test_what_is_vendored_carries_its_licence_and_points_to_no_map() -> None:
    for folder in (ROOT / "static" / "vendor").iterdir():
        assert (folder / "LICENSE").is_file()
        for sheet in folder.glob("*.css"):
            assert "sourceMappingURL" not in sheet.read_text()


def test_in_the_dark_every_colour_is_a_token_of_its_own() -> None:
    sheet = (ROOT / "static" / "app.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)[:2]

    def tokens(block: str) -> set[str]:
        return set(re.findall(r"(--[a-z0-9-]+): #", block))

    assert tokens(light) == tokens(dark)
    # Below the tokens nobody writes a colour by hand; the one exception is Bootstrap's arrow.
    rest = sheet.partition("/* Bootstrap's variables follow ours. */")[2]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", rest) == []


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
def test_error_pages_need_nothing_of_the_request(name: str) -> None:
    page = Page(loader.get_template(name).render())

    assert page.headings == 1
    assert page.inline == []


def test_an_unknown_address_answers_in_the_same_look(db: None) -> None:
    response = Client().get(f"/jobs/{uuid.uuid4()}/nothing/")

    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_an_unknown_address_of_the_interface_answers_in_its_own_words(db: None) -> None:
    response = Client().get("/api/nothing")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "E_NOT_FOUND"

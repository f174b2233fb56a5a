"""Every page, light, dark and on a phone: accessible, within its window, without a complaint.

axe-core reads each page as it is drawn. Without scripts, every link leads somewhere and every form
is answered.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from playwright.sync_api import Browser, ViewportSize
from pytest_django.live_server_helper import LiveServer

from tests import builders
from tests.browser import every_page
from tests.browser.conftest import Tab
from tests.browser.every_page import Afternoon

pytestmark = [
    pytest.mark.browser,
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
VARIANTS = [("light", DESK), ("dark", DESK), ("light", PHONE), ("dark", PHONE)]


def findings(tab: Tab) -> list[str]:
    """Return what axe-core finds serious or critical, with the first places."""
    window = tab.page.viewport_size
    assert window is not None
    # As high as the page: a bar at the foot of a window covers something wherever one scrolls.
    height: int = tab.page.evaluate("document.documentElement.scrollHeight")
    tab.page.set_viewport_size({"width": window["width"], "height": max(height, window["height"])})
    # By the debugger, which the content policy of the page does not bind.
    tab.page.evaluate(AXE)
    result: Any = tab.page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    tab.page.set_viewport_size(window)
    return [
        f"{found['impact']}: {found['id']}: "
        + "; ".join(node["html"][:160] for node in found["nodes"][:3])
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
    ]


def look_at(tab: Tab, address: str, *, status: int = 200) -> list[str]:
    """Open a page and return everything that is wrong with it."""
    tab.complaints.clear()
    tab.go(address)
    wrong = findings(tab)
    if tab.overflow() > 0:
        wrong.append(f"{tab.overflow()} px wider than its window")
    # That a page says "not found" is no complaint.
    wrong += [told for told in tab.complaints if status == 200 or f"status of {status}" not in told]
    return wrong


@pytest.fixture
def afternoon(user: User, cloud: responses.RequestsMock) -> Afternoon:
    return Afternoon(user)


@pytest.mark.parametrize(("scheme", "window"), VARIANTS, ids=lambda each: str(each)[-15:])
def test_every_page_is_accessible_and_fits_its_window(
    chromium: Browser,
    live_server: LiveServer,
    user: User,
    afternoon: Afternoon,
    scheme: Any,
    window: ViewportSize,
) -> None:
    newcomer = builders.make_user("newcomer")
    people = {
        user: every_page.pages(user, afternoon.addresses()),
        newcomer: every_page.pages(newcomer, every_page.bare_addresses()),
    }
    wrong: dict[str, list[str]] = {}

    for person, addresses in people.items():
        with chromium.new_context(viewport=window, color_scheme=scheme) as context:
            tab = Tab(context, live_server.url).sign_in(person)
            for address, status in addresses.items():
                if found := look_at(tab, address, status=status):
                    wrong[f"{person.username} {address}"] = found
    with chromium.new_context(viewport=window, color_scheme=scheme) as context:
        if found := look_at(Tab(context, live_server.url), "/login/"):
            wrong["nobody /login/"] = found

    assert len(people[user]) > 40
    assert not wrong, "\n".join(f"{page}: {each}" for page, all_ in wrong.items() for each in all_)


LINKS = "[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))"
FORMS = """
[...document.querySelectorAll('form')].map(form => {
  const fields = {};
  for (const [name, value] of new FormData(form))
    if (typeof value === 'string') fields[name] = value;
  const kinds = [...form.elements].map(e => e.type).filter(t => t !== 'hidden' && t !== 'fieldset');
  const stuck = kinds.length > 0 && !kinds.includes('submit');
  return {method: form.method, action: new URL(form.action).pathname, fields, stuck};
})
"""


def test_without_scripts_every_link_leads_somewhere_and_every_form_is_answered(
    without_scripts: Tab, user: User, afternoon: Afternoon
) -> None:
    tab = without_scripts.sign_in(user)
    links: dict[str, str] = {}
    forms: list[tuple[str, dict[str, Any]]] = []
    for address in every_page.pages(user, afternoon.addresses()):
        tab.go(address)
        links |= dict.fromkeys(tab.page.evaluate(LINKS), address)
        forms += [(address, form) for form in tab.page.evaluate(FORMS)]

    wrong = [f"{links[link]} leads to {link}" for link in _dead(tab, links)]
    # A form that holds only the token lends it to buttons elsewhere on the page.
    wrong += [f"{page}: no button for {form}" for page, form in forms if form["stuck"]]
    wrong += list(_unanswered(tab, forms))

    assert len(forms) > 40
    assert not wrong, "\n".join(wrong)


def _dead(tab: Tab, links: dict[str, str]) -> Iterator[str]:
    """Yield the links within the installation that lead nowhere."""
    for link in sorted(links):
        if link.startswith(("/", "?")) and not link.startswith("//"):
            page = links[link].partition("?")[0]
            answer = tab.context.request.get(tab.root + (page + link if link[0] == "?" else link))
            if answer.status not in (200, 502):
                yield link


def _unanswered(tab: Tab, forms: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """Send each form once, as it stands; signing out comes last."""
    told: set[str] = set()
    for page, form in sorted(forms, key=lambda each: each[1]["action"] == "/logout/"):
        key = f"{form['method']} {form['action']}"
        if key in told:
            continue
        told.add(key)
        if form["method"] == "get":
            answer = tab.context.request.get(tab.root + form["action"], params=form["fields"])
        else:
            answer = tab.context.request.post(
                tab.root + form["action"], form=form["fields"], max_redirects=0
            )
        # Refused with words is an answer; not allowed, not there or broken is none.
        if answer.status not in (200, 302, 400, 409, 422, 502):
            yield f"{page}: {key} answers {answer.status}"

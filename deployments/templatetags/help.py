"""How a code leads to its help page."""

from django import template
from django.forms.utils import ErrorList
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.errors import InvalidInputError
from deployments.pages.help.codes import BY_CODE
from deployments.pages.help.entry import Entry

register = template.Library()


@register.simple_tag
def code_link(code: str | None) -> SafeString | str:
    """Return a code that leads to its help page; one without a page stands as it is."""
    if not code or code not in BY_CODE:
        return code or ""
    address = reverse("deployments:help", args=[code])
    return format_html('<a class="code-link" href="{}">{}</a>', address, code)


@register.simple_tag
def code_links(errors: ErrorList) -> SafeString:
    """Return the codes of a field's errors, each leading to its help page.

    The code of a value that cannot be used is left out: its help says no more than the error.
    """
    codes = dict.fromkeys(str(error.code) for error in errors.as_data())
    told = [code for code in codes if code in BY_CODE and code != InvalidInputError.code]
    return format_html_join(" ", "{}", ((code_link(code),) for code in told))


@register.simple_tag
def help_on(code: str) -> Entry | None:
    """Return what the help page of a code says, for pages that show the error itself."""
    return BY_CODE.get(code)

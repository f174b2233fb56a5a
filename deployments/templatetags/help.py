"""How a code leads to its help page."""

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from deployments.pages.help.codes import BY_CODE

register = template.Library()


@register.simple_tag
def code_link(code: str | None) -> SafeString | str:
    """Return a code that leads to its help page; one without a page stands as it is."""
    if not code or code not in BY_CODE:
        return code or ""
    address = reverse("deployments:help", args=[code])
    return format_html('<a class="code-link" href="{}">{}</a>', address, code)

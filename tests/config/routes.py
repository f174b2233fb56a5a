"""Every address of the installation, read from Django's own table, so that none is forgotten."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PARAMETER = re.compile(r"<(?:[a-z]+:)?(\w+)>")
# Django's admin ends with one regular expression that takes whatever is left.
_CATCH_ALL = "(?P<url>.*)$"


@dataclass(frozen=True)
class Route:
    """One address, such as ``jobs/<uuid:job_id>/``, and the view behind it."""

    name: str
    template: str
    view: Any

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of what stands in the address."""
        return tuple(_PARAMETER.findall(self.template))

    @property
    def is_api(self) -> bool:
        """Whether it is answered in JSON, also to nobody."""
        return self.template.startswith(("api/", "v1/"))

    @property
    def view_class(self) -> Any:
        """The class of a REST view."""
        return getattr(self.view, "cls", None)

    def address(self, values: Mapping[str, str]) -> str:
        """Return the address with these values in it; KeyError names one that nobody told of."""
        return "/" + _PARAMETER.sub(lambda found: values[found[1]], self.template)


def every_route() -> list[Route]:
    """Return all routes, in the table's order."""
    return list(_below(get_resolver().url_patterns, prefix="", namespaces=()))


def _below(
    patterns: list[URLPattern | URLResolver], *, prefix: str, namespaces: tuple[str, ...]
) -> Iterator[Route]:
    for pattern in patterns:
        template = prefix + str(pattern.pattern).replace(_CATCH_ALL, "<url>")
        if isinstance(pattern, URLResolver):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from _below(pattern.url_patterns, prefix=template, namespaces=inner)
        else:
            name = ":".join((*namespaces, pattern.name or template))
            yield Route(name, template, pattern.callback)

"""The REST interface's common parts: who calls, what they may do, and the one error body.

Settings name these four; pagination and OpenAPI helpers live in their own modules.
"""

from core.api.authentication import BearerTokenAuthentication
from core.api.errors import exception_handler
from core.api.parsers import BoundedJSONParser
from core.api.permissions import HasScope

__all__ = ["BearerTokenAuthentication", "BoundedJSONParser", "HasScope", "exception_handler"]

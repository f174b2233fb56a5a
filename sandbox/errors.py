"""Lambda's errors: one envelope, a stable code, a default text.

Codes, statuses and texts are those of the vendor's OpenAPI document 1.10.0 (lambda-cloud-api.md
section 4); where it leaves a status open, the choice made here is said.
"""

from aiohttp import web


class ApiError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, code: str, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.suggestion = suggestion

    def response(self) -> web.Response:
        error = {"code": self.code, "message": self.message}
        if self.suggestion is not None:
            error["suggestion"] = self.suggestion
        return web.json_response({"error": error}, status=self.status)


def unauthorized(message: str = "API key was invalid, expired, or deleted.") -> ApiError:
    return ApiError(
        401,
        "global/invalid-api-key",
        message,
        "Check your API key or create a new one, then try again.",
    )


def account_inactive() -> ApiError:
    return ApiError(
        403,
        "global/account-inactive",
        "Your account is inactive.",
        "Make sure you have verified your email address and have a valid payment method. "
        "Contact Support if problems continue.",
    )


def invalid(field: str, reason: str) -> ApiError:
    """Return the error of a bad parameter; the message is "field: reason", as live ones are."""
    return ApiError(400, "global/invalid-parameters", f"{field}: {reason}")


def unreadable_body() -> ApiError:
    return ApiError(400, "global/invalid-parameters", "Invalid request data.")


def no_such_instance() -> ApiError:
    return ApiError(404, "global/object-does-not-exist", "Specified instance does not exist.")


def no_such_resource(message: str) -> ApiError:
    """Return the error of a thing that a launch names and that is not there.

    Both 400 and 404 are declared for it, and which comes when is not known: here it is 404.
    """
    return ApiError(
        404, "global/object-does-not-exist", message, "Check the names in your request."
    )


def insufficient_capacity() -> ApiError:
    return ApiError(
        400,
        "instance-operations/launch/insufficient-capacity",
        "Not enough capacity to fulfill launch request.",
        "Choose an instance type with more availability, or try again later.",
    )


def quota_exceeded() -> ApiError:
    return ApiError(
        400,
        "global/quota-exceeded",
        "Quota exceeded.",
        "Contact Support to increase your quota.",
    )


def key_name_taken() -> ApiError:
    """Return the refusal of a second key under one name.

    How Lambda words it is not known; this is the only code that its document declares there.
    """
    return invalid("name", "An SSH key with this name already exists.")


def key_in_use() -> ApiError:
    """Return the refusal to delete a used key: the text was seen live, the code is as above."""
    return ApiError(400, "global/invalid-parameters", "Key is currently in use, cannot delete")


def not_found() -> ApiError:
    return ApiError(404, "global/not-found", "The requested resource was not found.")


def method_not_allowed() -> ApiError:
    """Return the 405 of a known path; the document declares no body for it."""
    return ApiError(405, "global/not-found", "Method not allowed.")


def duplicate(message: str) -> ApiError:
    return ApiError(400, "global/duplicate", message)


def conflict(message: str) -> ApiError:
    """Return the 409 of an action that does not fit the machine's state."""
    return ApiError(409, "global/conflict", message)


def no_such_file_system() -> ApiError:
    return ApiError(404, "global/object-does-not-exist", "Filesystem was not found.")


def file_system_in_use() -> ApiError:
    return ApiError(
        400,
        "filesystems/filesystem-in-use",
        "The filesystem is mounted to one or more instances.",
        "Terminate the instances that it is mounted to before deleting it.",
    )


def file_system_in_wrong_region(message: str) -> ApiError:
    return ApiError(400, "instance-operations/launch/file-system-in-wrong-region", message)


def no_such_ruleset() -> ApiError:
    return ApiError(
        404,
        "global/object-does-not-exist",
        "Firewall ruleset does not exist or you do not have permission to access it.",
        "Check your firewall ruleset ID and try again.",
    )


def firewall_ruleset_in_use() -> ApiError:
    return ApiError(
        400,
        "firewall-rulesets/firewall-ruleset-in-use",
        "Firewall ruleset is in use by one or more instances.",
        "Terminate all instances that are using the ruleset before deleting it.",
    )


def internal(status: int) -> ApiError:
    return ApiError(
        status,
        "global/internal-error",
        "An internal server error occurred.",
        "Try again later. Contact Support if the problem persists.",
    )


def rate_limited() -> web.Response:
    """Return the edge's 429: plain text, no envelope (lambda-cloud-api.md section 5)."""
    return web.Response(status=429, text="error code: 1015", content_type="text/plain")

"""Machines in the admin: every one ever rented, and the fleet that may bill now."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from deployments import operations
from deployments.admin.read_only import ReadOnlyAdmin
from deployments.models import Machine


@admin.register(Machine)
class MachineAdmin(ReadOnlyAdmin):
    """Rented machines and launches that came to nothing."""

    change_list_template = "admin/deployments/machine/change_list.html"
    list_display = (
        "name",
        "instance_type",
        "region",
        "launch_state",
        "seen_status",
        "requested_at",
        "gone_at",
        "billed_usd",
    )
    list_filter = (
        "launch_state",
        "seen_status",
        "platform",
        ("gone_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("name", "=instance_id", "=seen_ip")
    exclude = ("vault_entry",)
    readonly_fields = ("rights",)

    @admin.display(description="tokens", empty_value="none")
    def rights(self, machine: Machine) -> str | None:
        """Tell of the machine's tokens; they have no page, since their key is their hash (T15)."""
        told = [
            f"{', '.join(token.scopes)}: until {token.expires_at:%Y-%m-%d %H:%M}"
            + (f", revoked {token.revoked_at:%Y-%m-%d %H:%M}" if token.revoked_at else "")
            for token in machine.tokens.all()
        ]
        return "; ".join(told) or None

    def get_urls(self) -> list[URLPattern]:
        fleet = self.admin_site.admin_view(self.fleet)
        return [path("fleet/", fleet, name="deployments_machine_fleet"), *super().get_urls()]

    def fleet(self, request: HttpRequest) -> TemplateResponse:
        """Show what may bill now, over all users, and how fast."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Machines that may bill now",
            "opts": self.opts,
            "fleet": operations.fleet(),
        }
        return TemplateResponse(request, "admin/deployments/machine/fleet.html", context)

"""Where every address leads: the API under /api/, admin, sign-in, and the pages."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import health
from deployments.pages.sign_in import SignIn

ICON = f"{settings.STATIC_URL}favicon.svg"

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    # Asked for by browsers on pages that name no icon of their own: the admin's.
    path("favicon.ico", login_not_required(RedirectView.as_view(url=ICON)), name="favicon"),
    path("api/", include("core.api.urls")),
    path("api/", include("datasets.api_urls")),
    path("api/", include("secrets_vault.api_urls")),
    path("api/", include("notifications.api_urls")),
    path("api/", include("deployments.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path(settings.ADMIN_PATH, admin.site.urls),
    path("login/", login_not_required(SignIn.as_view()), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("", include("deployments.pages.urls")),
]

handler400 = "core.api.handlers.bad_request"
handler403 = "core.api.handlers.permission_denied"
handler404 = "core.api.handlers.not_found"
handler500 = "core.api.handlers.server_error"

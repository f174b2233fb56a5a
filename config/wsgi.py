"""The web process: `gunicorn config.wsgi`."""

import os

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

# gunicorn runs none of Django's checks; a wrong key must stop the start, not a deployment (F80).
_errors = [found for found in run_checks() if found.is_serious(ERROR)]
if _errors:
    raise ImproperlyConfigured("\n".join(str(error) for error in _errors))
_static_root = settings.STATIC_ROOT
if _static_root is not None and not (_static_root / "staticfiles.json").exists():
    # Every page would fail at its first style sheet.
    raise ImproperlyConfigured("There are no static files yet: run manage.py collectstatic.")

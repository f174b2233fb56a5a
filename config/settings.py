"""All settings, read once from the environment (API.md section 7)."""

from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.management.utils import get_random_secret_key

from config import environment
from config.logs import logging_settings
from core.outbound import HTTPS_PORT, Rules
from deployments.timing import Timing

BASE_DIR = Path(__file__).resolve().parent.parent
SLIPWAY_DATA_DIR = Path(
    environment.text("SLIPWAY_DATA_DIR", default=str(BASE_DIR / "var"))
).resolve()
SLIPWAY_DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)

PRODUCTION = environment.text("SLIPWAY_ENV", default="development") == "production"
DEBUG = environment.flag("DEBUG", default=False)
ALLOWED_HOSTS = environment.names(
    "ALLOWED_HOSTS", default="" if PRODUCTION else "localhost,127.0.0.1,[::1],testserver"
)

SECRET_KEY = environment.kept_secret(
    "SECRET_KEY",
    path=SLIPWAY_DATA_DIR / "keys" / "secret-key",
    generated=not PRODUCTION,
    make=get_random_secret_key,
)
FIELD_ENCRYPTION_KEY = [
    key.strip()
    for key in environment.kept_secret(
        "FIELD_ENCRYPTION_KEY",
        path=SLIPWAY_DATA_DIR / "keys" / "field-encryption-key",
        generated=not PRODUCTION,
        make=lambda: Fernet.generate_key().decode(),
    ).split(",")
]

# What the operator says about this installation.
# 1 only behind a proxy that sets X-Forwarded-Proto and X-Forwarded-For itself and passes on
# nothing of either that a client sent (FAULTS.md section 3).
BEHIND_PROXY = environment.flag("BEHIND_PROXY", default=False)
ADMIN_PATH = environment.path_prefix("ADMIN_PATH", default="admin/")
METRICS_TOKEN = environment.text("METRICS_TOKEN")
API_READS_PER_MINUTE = int(environment.number("API_READS_PER_MINUTE", default=600))
API_WRITES_PER_MINUTE = int(environment.number("API_WRITES_PER_MINUTE", default=120))
TOKEN_ROUTE_CALLS_PER_MINUTE = int(environment.number("TOKEN_ROUTE_CALLS_PER_MINUTE", default=600))
REFUSED_TOKENS_PER_MINUTE = 60
APP_URL = environment.text("APP_URL").rstrip("/")
# Another Hub than the public one; the library that speaks to it has the default.
HF_ENDPOINT = environment.text("HF_ENDPOINT").rstrip("/")
ALLOW_CPU_MACHINES = environment.flag("ALLOW_CPU_MACHINES", default=False)
LOCAL_MODELS_DIR = Path(
    environment.text("LOCAL_MODELS_DIR", default=str(SLIPWAY_DATA_DIR / "models"))
).resolve()
LAMBDA_API_BASE_URL = environment.text("LAMBDA_API_BASE_URL")
LAMBDA_SSH_PORT = int(environment.number("LAMBDA_SSH_PORT", default=22))
LAMBDA_SSH_USER = environment.text("LAMBDA_SSH_USER", default="ubuntu")
LAMBDA_HOST_KEY = environment.choice(
    "LAMBDA_HOST_KEY", among=("injected", "first_contact"), default="injected"
)
RUNPOD_API_BASE_URL = environment.text("RUNPOD_API_BASE_URL")
RUNPOD_SSH_USER = environment.text("RUNPOD_SSH_USER", default="root")
RUNPOD_HOST_KEY = environment.choice(
    "RUNPOD_HOST_KEY", among=("logged", "first_contact"), default="logged"
)
# Unset: the provider's own image, and a disk that suits models of 8 billion parameters.
RUNPOD_IMAGE = environment.text("RUNPOD_IMAGE")
RUNPOD_DISK_GB = int(environment.number("RUNPOD_DISK_GB", default=0))
LAMBDA_SSH_KEY_PATH = environment.text("LAMBDA_SSH_KEY_PATH")
# Where a user's own machine may be besides public addresses (T22); on this server while we develop.
SSH_NETWORKS = environment.networks("SSH_NETWORKS") or (
    (ip_network("127.0.0.0/8"), ip_network("::1/128")) if DEBUG else ()
)
DEFAULT_BUDGET_USD = environment.text("DEFAULT_BUDGET_USD")
# From so much spent on, a run is cancelled only by typing its name.
CONFIRM_NAME_FROM_USD = Decimal(str(environment.number("CONFIRM_NAME_FROM_USD", default=20)))
# A budget of so much or more is typed once more before a run is started from the wizard (T20).
CONFIRM_BUDGET_FROM_USD = Decimal(str(environment.number("CONFIRM_BUDGET_FROM_USD", default=100)))
DATASET_SIZE_LIMIT_BYTES = int(
    environment.number("DATASET_SIZE_LIMIT_BYTES", default=512 * 1024**2)
)
# Where machines with an older NVIDIA driver find PyTorch's builds for it (bootstrap.sh).
TORCH_INDEX_URL = environment.text("TORCH_INDEX_URL")
# The Python that the practice cloud's machines show as theirs; never imported here.
TRAINER_PYTHON = environment.text(
    "SLIPWAY_TRAINER_PYTHON", default=str(BASE_DIR / ".venv-trainer" / "bin" / "python")
)
TIMING = environment.numbers_of(Timing)

# Where webhooks may lead beside port 443 of public addresses (T11).
WEBHOOK_RULES = Rules(
    ports=environment.ports("WEBHOOK_PORTS") | {HTTPS_PORT},
    networks=environment.networks("WEBHOOK_NETWORKS"),
)
# Without a mail server nothing is mailed, and the pages say so.
_mail = environment.mail_server()
MAIL_IS_SET_UP = bool(_mail.host)
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.scheme == "smtp+tls", _mail.scheme == "smtp+ssl"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.text("MAIL_FROM", default="slipway@localhost")

INSTALLED_APPS = [
    "config.admin_site.SlipwayAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "django_htmx",
    "axes",
    "core",
    "secrets_vault",
    "datasets",
    "notifications",
    "deployments",
]

MIDDLEWARE = [
    "core.middleware.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.middleware.AnswerHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "core.middleware.SessionLimits",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "deployments.pages.zone.ReadersZone",
    # Last, as its documentation asks: it answers for a sign-in that was refused.
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "deployments.pages.context.top_bar",
            ],
        },
    },
]

DATABASES = {"default": environment.database(default_path=SLIPWAY_DATA_DIR / "slipway.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

# T1: five wrong passwords for one account from one address lock that pair for a minute. Whether
# there is such an account makes no difference.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=1)
AXES_LOCKOUT_PARAMETERS = [["ip_address", "username"]]
AXES_RESET_ON_SUCCESS = True
# Trying on does not prolong it: else anybody could keep somebody out for ever.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "core.addresses.client_address"
AXES_LOCKOUT_CALLABLE = "config.sign_in.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# T13, T14.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# A session ends 12 hours after its sign-in, and after an hour without anybody (SessionLimits).
SESSION_COOKIE_AGE = 12 * 3600
SESSION_IDLE_SECONDS = 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
if PRODUCTION:
    # A browser takes these names only over https, for this host alone and the whole of it.
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = PRODUCTION
# Asked by programs on this host, over plain http.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31536000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
CSRF_TRUSTED_ORIGINS = [APP_URL] if APP_URL else []

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = SLIPWAY_DATA_DIR / "static" if PRODUCTION else None
# In development static files are served from their sources: no collect step stands between a
# change and a page. In production `manage.py collectstatic` compresses them and names each by
# its content, so that browsers may keep it for ever.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "core.api.BearerTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "core.api.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.BoundedJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["core.api.throttles.CallerLimit"],
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.SlipwaySchema",
    # OPTIONS answers 405: what there is stands in the OpenAPI document, for signed-in users.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "core.api.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Slipway",
    "DESCRIPTION": "Fine-tune language models on rented GPUs; never pay for a forgotten one.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    # T1: nobody unknown is told anything.
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Four kinds of things have a status; each gets a name of its own.
    "ENUM_NAME_OVERRIDES": {
        "DatasetStatus": "datasets.models.Dataset.Status",
        "DeploymentStatus": "deployments.models.deployments.Status",
        "KeyStatus": "secrets_vault.models.VaultEntry.Status",
        "DeliveryStatus": "notifications.models.Message.Status",
    },
}

# Measured in libraries.md section 2: retry counts from the take, so it must exceed twice the
# timeout, and a worker must never pull ahead (queue_limit, bulk).
_QUEUE = {
    "workers": 2,
    "queue_limit": 1,
    "bulk": 1,
    "timeout": 50,
    "retry": 120,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "recycle": 500,
    "poll": 0.2,
}
Q_CLUSTER = {
    "name": "default",
    "orm": "default",
    "catch_up": False,
    "guard_cycle": 1,
    "label": "Queues",
    **_QUEUE,
    "ALT_CLUSTERS": {"ssh": {**_QUEUE, "workers": 4}},
}

LOGGING = logging_settings(as_json=PRODUCTION, level=environment.text("LOG_LEVEL", default="INFO"))

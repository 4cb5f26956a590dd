"""The one settings file. Reads the environment only through env.py; see .env.example."""

from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from contactcenter import env

env.load_files()

BASE_DIR = env.ROOT
DATA_DIR = env.data_dir()

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS", "")
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# --- the product's own settings ----------------------------------------------------------------
LIVEKIT_URL = env.text("LIVEKIT_URL", "ws://127.0.0.1:7880")
LIVEKIT_API_KEY = env.text("LIVEKIT_API_KEY", "contactcenter")
LIVEKIT_API_SECRET = env.secret("LIVEKIT_API_SECRET")
AGENT_NAME = env.text("AGENT_NAME", "contactcenter")
# where livekit-sip listens, as carriers reach it: the doctor asks there
SIP_ADDRESS = env.text("SIP_ADDRESS", f"127.0.0.1:{env.text('SIP_PORT', '5060')}")
SIP_PUBLIC_ADDRESS = env.text("SIP_PUBLIC_ADDRESS", SIP_ADDRESS)
SIP_LOG = env.text("SIP_LOG", "")
# the SIP edge as livekit-sip sees it, host:port; empty: there is none
SIP_EDGE_ADDRESS = env.text("SIP_EDGE_ADDRESS", "")
SIP_EDGE_RPC_URL = env.text("SIP_EDGE_RPC_URL", "http://127.0.0.1:5064/rpc")
SIP_EDGE_TOKEN = env.secret("SIP_EDGE_TOKEN") if SIP_EDGE_ADDRESS else ""
SEAL_KEYS = [key for key in env.secret("SEAL_KEY").split(",") if key.strip()]
WORKER_TOKEN = env.secret("WORKER_TOKEN")

AGENT_DEFAULTS = env.agent_defaults()  # hybrid AI: agents/environment.py

S3_ENDPOINT = env.text("S3_ENDPOINT", "http://127.0.0.1:7070")
# The browser and the worker reach the store under this address; the same unless a proxy is between.
S3_PUBLIC_ENDPOINT = env.text("S3_PUBLIC_ENDPOINT", S3_ENDPOINT)
S3_BUCKET = env.text("S3_BUCKET", "recordings")
S3_REGION = env.text("S3_REGION", "us-east-1")
S3_ACCESS_KEY = env.secret("S3_ACCESS_KEY")
S3_SECRET_KEY = env.secret("S3_SECRET_KEY")
# what our egress service has besides the rest: chrome, aac (recordings/choices.py)
EGRESS_FEATURES = frozenset(env.words("EGRESS_FEATURES", ""))

# empty: /metrics answers the machine itself and private networks only
METRICS_TOKEN = env.text("METRICS_TOKEN", "")

# hosts (host or host:port) a number's caller lookup may ask; the worker holds itself to the same
LOOKUP_HOSTS = env.words("LOOKUP_HOSTS", "")
# … and those which may be given a caller's payment card
TOKENISER_HOSTS = env.words("TOKENISER_HOSTS", "")
# the API and its webhooks
API_REQUESTS_PER_MINUTE = env.number("API_REQUESTS_PER_MINUTE", 600)
API_PROXIES = env.number("API_PROXIES", 0)
WEBHOOK_PRIVATE_NETWORKS = env.networks("WEBHOOK_PRIVATE_NETWORKS", "")
INGRESS_PRIVATE_NETWORKS = env.networks("INGRESS_PRIVATE_NETWORKS", "")

NO_AGENT_SECONDS = env.number("NO_AGENT_SECONDS", 6)
RINGING_SECONDS = env.number("RINGING_SECONDS", 20)
# so long hooks of LiveKit and carriers, and calls as carriers tell of them, are kept
HOOKS_KEEP_DAYS = env.number("HOOKS_KEEP_DAYS", 30)
CARRIER_CALLS_KEEP_DAYS = env.number("CARRIER_CALLS_KEEP_DAYS", 400)
# the file with everything about a caller's number, made because he asked
CALLER_EXPORTS_KEEP_DAYS = env.number("CALLER_EXPORTS_KEEP_DAYS", 7)

# --- Django --------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "ninja",
    "agents",
    "telephony",
    "recordings",
    "contactcenter",
]
MIDDLEWARE = [
    "contactcenter.hooks_first.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "contactcenter.urls"
WSGI_APPLICATION = "contactcenter.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database(url: str) -> dict[str, object]:
    """A Django database from `sqlite:///relative/or//absolute/path` or `postgresql://user:pw@host:port/name`."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": BASE_DIR / parts.path[1:],
            "OPTIONS": {
                # web, Celery and beat share the file: readers never wait, writers queue up to 20 s
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                # secure_delete: what was deleted is overwritten, and not left in free pages
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                "PRAGMA secure_delete=ON;",
            },
        }
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path[1:],
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": parts.port or "",
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
        }
    raise ImproperlyConfigured(
        f"DATABASE_URL begins with {parts.scheme!r}; write sqlite:///… or postgresql://…"
    )


DATABASES = {"default": _database(env.text("DATABASE_URL", f"sqlite:///{DATA_DIR}/db.sqlite3"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en"
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_TZ = True
FORMAT_MODULE_PATH = "contactcenter.formats"  # dates as 2026-11-22 14:05
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_USE_FINDERS = True

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SESSION_COOKIE_SECURE else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

UNFOLD = {
    "SITE_TITLE": "Contact centre",
    "SITE_HEADER": "Contact centre",
    "SITE_SYMBOL": "call",
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"navigation": "contactcenter.sidebar.navigation"},
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("telephony/favicon.svg"),
        }
    ],
    "STYLES": [lambda request: static("telephony/lists.css")],
    "DASHBOARD_CALLBACK": "contactcenter.sidebar.first_page",
}

# --- Celery and Redis ----------------------------------------------------------------------------
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6390/0")
CELERY_BROKER_URL = REDIS_URL
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}

LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "contactcenter.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # it would log whole addresses, in which receivers of webhooks may keep a token
    "loggers": {"httpx": {"level": "WARNING"}},
}

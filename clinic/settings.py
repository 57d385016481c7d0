"""The one settings file: deployments differ by environment variables only (.env.example, same order)."""

from datetime import timedelta
from pathlib import Path

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from clinic import env

BASE_DIR = Path(__file__).resolve().parent.parent

# --- deployment -------------------------------------------------------------------------------------------
ENVIRONMENT = env.text("ROUNDS_ENV", "local")
if ENVIRONMENT not in ("local", "production"):
    raise ImproperlyConfigured("ROUNDS_ENV must be 'local' or 'production'.")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = False
SECRET_KEY = env.text("SECRET_KEY") if PRODUCTION else env.text("SECRET_KEY", "only-for-local-use-" + "0" * 40)
if PRODUCTION and len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY must have at least 50 characters in production.")
ALLOWED_HOSTS = env.text("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in env.text("CSRF_TRUSTED_ORIGINS", "").split(",") if origin]
DEMO_LOGINS = env.flag("ROUNDS_DEMO", not PRODUCTION)
if PRODUCTION and DEMO_LOGINS:
    raise ImproperlyConfigured("ROUNDS_DEMO must be off in production: the demo passwords are published.")

# --- parts that may run elsewhere ---------------------------------------------------------------------------
DATABASES = {"default": env.database(env.text("DATABASE_URL"))}
DATABASES["default"]["TEST"] = {"NAME": "test_rounds" + env.text("TEST_DB_SUFFIX", "")}
VALKEY_URL = env.text("VALKEY_URL")
POLICY_URL = env.text("POLICY_URL", "")
POLICY_MODEL = env.text("POLICY_MODEL", "")
POLICY_CODEC = env.text("POLICY_CODEC", "structured")
POLICY_BASE = env.text("POLICY_BASE", "")
POLICY_ENGINE = env.text("POLICY_ENGINE", "")
EMBEDDED_MODEL = env.flag("ROUNDS_EMBEDDED", False)
WEIGHTS_FOLDER = env.text("ROUNDS_WEIGHTS", "")
POLICY_FIRST_TOKEN_SECONDS = float(env.text("POLICY_FIRST_TOKEN_SECONDS", "60"))
POLICY_IDLE_SECONDS = float(env.text("POLICY_IDLE_SECONDS", "20"))
POLICY_MAX_TOKENS = int(env.text("POLICY_MAX_TOKENS", "320"))
AGENT_LEASE_SECONDS = float(env.text("AGENT_LEASE_SECONDS", "10"))
JUDGE_URL = env.text("JUDGE_URL", "")
JUDGE_MODEL = env.text("JUDGE_MODEL", "")
JUDGE_API_KEY = env.text("JUDGE_API_KEY", "")
GATE_JUDGE_URL = env.text("GATE_JUDGE_URL", "")
GATE_JUDGE_MODEL = env.text("GATE_JUDGE_MODEL", "")
GATE_JUDGE_API_KEY = env.text("GATE_JUDGE_API_KEY", "")
WORLD_URL = env.text("WORLD_URL", "")
WORLD_MODEL = env.text("WORLD_MODEL", "")
WORLD_API_KEY = env.text("WORLD_API_KEY", "")
WORLD_STOPS = [stop for stop in env.text("WORLD_STOPS", "").split(",") if stop]
INTERNAL_HOSTS = [host for host in env.text("INTERNAL_HOSTS", "").split(",") if host]
EMBEDDED_WORLD = env.text("ROUNDS_WORLD", "")
EMBEDDED_AGENTS = env.text("ROUNDS_AGENTS", "")
# How versions that runs make are served: their merged weights in a server of their own, or as LoRA by name.
SERVING = env.text("SERVING", "merged")
if SERVING not in ("merged", "lora"):
    raise ImproperlyConfigured("SERVING must be 'merged' or 'lora'.")
LORA_URL = env.text("LORA_URL", POLICY_URL)
LORA_FOLDER = env.text("LORA_FOLDER", "")

# What must hold across processes for a while: tokens seen, draws of a look-ahead. Never the only copy of anything.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "shared": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": VALKEY_URL,
        "KEY_PREFIX": "rounds",
    },
}

# --- application --------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "clinic",
    "training",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "channels",
    "django_htmx",
    "template_partials",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "clinic.middleware.SlidingSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "clinic.middleware.SecondFactorMiddleware",
    "clinic.time_zone.TimeZoneMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "clinic.urls"
ASGI_APPLICATION = "clinic.asgi.application"
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
                "clinic.context.product",
            ],
        },
    }
]

# --- people -------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "clinic.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "clinic.accounts.ClinicBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*"]
ACCOUNT_ADAPTER = "clinic.accounts.InvitationOnlyAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_RATE_LIMITS = {"login_failed": False}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Rounds"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "clinic.accounts.lockout_name"
SECOND_FACTOR_ROLES = [r for r in env.text("SECOND_FACTOR_ROLES", "admin" if PRODUCTION else "").split(",") if r]
SESSION_COOKIE_AGE = int(env.text("SESSION_SECONDS", str(8 * 3600)))
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "rounds@localhost")

# --- queues -------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = VALKEY_URL.replace("unix://", "redis+socket://")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
# Only what needs an accelerator; everything light goes to the default worker, which is never busy for hours.
CELERY_TASK_ROUTES = {name: {"queue": "gpu"} for name in ("training.tasks.run", "training.tasks.gate")}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# The worker's own beat (--beat), which keeps nothing on disk: every task may run twice, late, or not at all.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "expire_reservations": {"task": "clinic.tasks.expire_reservations", "schedule": 60.0, "options": {"expires": 50}},
    "deliver_webhooks": {"task": "clinic.tasks.deliver_webhooks", "schedule": 60.0, "options": {"expires": 50}},
    "serve_what_is_named": {"task": "clinic.tasks.serve_what_is_named", "schedule": 10.0, "options": {"expires": 9}},
    "send_outbox": {"task": "training.tasks.send_outbox", "schedule": 10.0, "options": {"expires": 9}},
    "recover_runs": {"task": "training.tasks.recover_runs", "schedule": 30.0, "options": {"expires": 25}},
    "check_identities": {"task": "training.tasks.check_identities", "schedule": 60.0, "options": {"expires": 50}},
    "recover_gates": {"task": "training.tasks.recover_gates", "schedule": 60.0, "options": {"expires": 50}},
    "look_at_schedules": {"task": "training.tasks.look_at_schedules", "schedule": 60.0, "options": {"expires": 50}},
    "watch_drift": {"task": "training.tasks.watch_drift", "schedule": crontab(hour=4, minute=20)},
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [VALKEY_URL]},
    }
}

# --- training -----------------------------------------------------------------------------------------------
TRAINER_PYTHON = env.text("TRAINER_PYTHON", "")
TRAINING_DISK_GB = float(env.text("TRAINING_DISK_GB", "20"))
RUN_LEASE_SECONDS = float(env.text("RUN_LEASE_SECONDS", "30"))

# --- safety -------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    "camera": [],
    "microphone": [],
    "geolocation": [],
    "payment": [],
    "usb": [],
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- files, language, time ----------------------------------------------------------------------------------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {"axes": {"level": "WARNING"}, "django.server": {"level": "WARNING"}},
}

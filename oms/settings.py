"""Settings, driven by environment variables; README.md lists them.

With DEBUG off (the default) the site is secure: a secret key and the allowed hosts must be given, and cookies travel
over HTTPS only. Without a DATABASE_URL, `manage.py` sets what a machine of one's own needs (see `oms.embedded`).
"""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from oms.common import logs
from oms.embedded.addresses import database_url, redis_url
from oms.schema_settings import SPECTACULAR_SETTINGS  # noqa: F401 - settings
from oms.unfold_settings import MERCHANT_UNFOLD, UNFOLD  # noqa: F401 - settings

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DATA_DIR = Path(env.str("OMS_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Set it to a long random text, or DEBUG=1 on a developer's machine."
        )
    SECRET_KEY = "insecure-key-for-a-developers-machine-only"  # noqa: S105 - never used with DEBUG off
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
if not DEBUG and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS is not set. Name the host names of this site, separated by commas.")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "oms.error_pages.stale_form"

HTTPS_ONLY = env.bool("HTTPS_ONLY", default=not DEBUG)
SECURE_SSL_REDIRECT = HTTPS_ONLY
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS_ONLY else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "oms.apps.OmsAdminConfig",
    "oms.apps.OmsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "django_fsm",
    "axes",
    "oms.common",
    "oms.embedded",
    "oms.merchants",
    "inventory",
    "orders",
    "payments",
    "logistics",
    "oms.doors.loc",
]

MIDDLEWARE = [
    # Probes are answered before anything can redirect them, refuse their Host header or ask for a session.
    "oms.probes.ProbesMiddleware",
    "oms.common.door.requests.RequestMiddleware",
    "oms.compressing.PageCompressionMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "oms.content_policy.ContentPolicyMiddleware",
    # What follows is for pages.
    "oms.doors.machines.MachinesMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "oms.common.desk.drafts.DraftMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "oms.urls"
WSGI_APPLICATION = "oms.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# django-environ keeps a socket folder in OPTIONS; adding to OPTIONS must not drop it.
DATABASES = {"default": environ.Env.db_url_config(env.str("DATABASE_URL", default=database_url(DATA_DIR)))}
# A process that was frozen in the middle of a transaction loses its locks, instead of keeping everybody waiting.
IDLE_IN_TRANSACTION_SECONDS = env.float("OMS_IDLE_IN_TRANSACTION_SECONDS", default=300.0)
DATABASES["default"]["OPTIONS"] = {
    "application_name": "oms",
    "options": f"-c idle_in_transaction_session_timeout={round(IDLE_IN_TRANSACTION_SECONDS * 1000)}",
    # A server that is away is noticed, while waiting for an answer too.
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    **DATABASES["default"].get("OPTIONS", {}),
}
# What a request may wait for: a lock, one statement, its own next statement. 0: as long as it takes.
WEB_LOCK_SECONDS = env.float("OMS_WEB_LOCK_SECONDS", default=5.0)
WEB_STATEMENT_SECONDS = env.float("OMS_WEB_STATEMENT_SECONDS", default=30.0)
WEB_IDLE_IN_TRANSACTION_SECONDS = env.float("OMS_WEB_IDLE_IN_TRANSACTION_SECONDS", default=60.0)
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["ENGINE"] = "oms.common.postgresql"
PREPARED_STATEMENTS = env.bool("PREPARED_STATEMENTS", default=True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default=redis_url(DATA_DIR))

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_REDIRECT_URL = "admin:index"
# After so many wrong passwords a name must wait where they came from, and an address that tried many names everywhere.
LOGIN_COOL_OFF_SECONDS = env.int("OMS_LOGIN_COOL_OFF_SECONDS", default=900)
LOGIN_FAILURES_PER_ADDRESS = env.int("OMS_LOGIN_FAILURES_PER_ADDRESS", default=50)
# A session of the pages for people ends after so long without a page, and after so long in any case.
SESSION_IDLE_SECONDS = env.int("OMS_SESSION_IDLE_SECONDS", default=2 * 3600)
SESSION_SECONDS = env.int("OMS_SESSION_SECONDS", default=12 * 3600)
SESSION_COOKIE_AGE = SESSION_SECONDS
# Whether superusers, who belong to no role, log in with a second factor; roles say so themselves.
SUPERUSERS_NEED_SECOND_FACTOR = env.bool("OMS_SUPERUSERS_NEED_SECOND_FACTOR", default=HTTPS_ONLY)
# How this site is called in an authenticator app, and how long the first wrong code makes the next one wait.
SECOND_FACTOR_ISSUER = env.str("OMS_SECOND_FACTOR_ISSUER", default="OMS")
SECOND_FACTOR_THROTTLE_SECONDS = env.int("OMS_SECOND_FACTOR_THROTTLE_SECONDS", default=1)
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "oms.merchants.joining.access.RoleBackend",
]
AXES_FAILURE_LIMIT = env.int("OMS_LOGIN_FAILURES", default=5)
AXES_COOLOFF_TIME = timedelta(seconds=LOGIN_COOL_OFF_SECONDS)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "oms.common.logging_in.LogInCounter"
AXES_CLIENT_IP_CALLABLE = "oms.common.logging_in.counted_address"
AXES_USERNAME_CALLABLE = "oms.common.logging_in.counted_name"
AXES_LOCKOUT_CALLABLE = "oms.common.logging_in.tell_to_wait"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # who waits need not wait anew because somebody else goes on
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False  # `oms.common.admin` has a page in the site's own words
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken"]
AXES_VERBOSE = False

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="zh-hans")
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "oms.formats"
TIME_ZONE = env.str("TIME_ZONE", default="Asia/Shanghai")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if HTTPS_ONLY
        else "oms.compressing.GzippedStaticFilesStorage"  # quick: without HTTPS it is a machine of one's own
    },
}
MEDIA_ROOT = DATA_DIR / "media"

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
# Calls to other systems have workers of their own, so that a silent one holds up nothing that needs only the database.
CELERY_TASK_ROUTES = {"oms.run_outside": {"queue": "outside"}}
# 0 is taken first, 9 last. The sign of life must not wait for hundreds of nudges.
CELERY_TASK_DEFAULT_PRIORITY = 6
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600, "socket_connect_timeout": 5, "socket_timeout": 30}
CELERY_TIMEZONE = TIME_ZONE
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "oms.merchants.calls.authentication.SignatureAuthentication",
        "oms.merchants.calls.authentication.TokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["oms.common.nesting.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "oms.common.door.schema.ApiSchema",
    "EXCEPTION_HANDLER": "oms.common.door.errors.exception_handler",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
# Where e-mail goes: smtp+tls://user:password@host:587 or the like; by default it is only printed.
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="oms@localhost")

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024

LOGGING = logs.configuration(
    as_json=env.bool("OMS_LOG_JSON", default=not DEBUG),
    level=env.str("LOG_LEVEL", default="INFO"),
    # One line a request; WARNING leaves only those that failed here.
    request_level=env.str("OMS_REQUEST_LOG_LEVEL", default="INFO"),
)

# --- The business -----------------------------------------------------------------------------------------------------

# Keys the permutation that turns a sequence into order numbers. Changing it later may repeat numbers: never change it.
ORDER_NUMBER_KEY = env.str("ORDER_NUMBER_KEY", default=SECRET_KEY if DEBUG else "")
if not ORDER_NUMBER_KEY:
    raise ImproperlyConfigured("ORDER_NUMBER_KEY is not set. Set it once to a long random text and never change it.")

# How many times faster than real life deliberate waits pass: grace period, the sandbox's answers, deadlines of alerts,
# the wait between delivery and completion. 1 in production; `make run` uses more so that a demo lasts minutes.
TIME_SPEED = env.float("OMS_TIME_SPEED", default=1.0)
# How many orders a minute the sample's shop goes on selling, where one is loaded; 0: none.
SAMPLE_ORDERS_PER_MINUTE = env.float("OMS_SAMPLE_ORDERS_PER_MINUTE", default=6.0)
# A parcel's packaging, and by how much its weight may be off before a person looks: the larger of both.
PACKAGING_GRAMS = env.int("OMS_PACKAGING_GRAMS", default=100)
WEIGHT_TOLERANCE_GRAMS = env.int("OMS_WEIGHT_TOLERANCE_GRAMS", default=100)
WEIGHT_TOLERANCE_PERCENT = env.int("OMS_WEIGHT_TOLERANCE_PERCENT", default=10)
# For how many seconds what staff did can be taken back before it is done; of people's time, so never made faster.
UNDO_SECONDS = {"release": 10, "cancel": 20, "bulk": 30} | env.json("OMS_UNDO_SECONDS", default={})
# How long after its payment an order is reviewed, and after the review goes on, where its channel says nothing else.
REVIEW_DELAY_SECONDS = env.int("OMS_REVIEW_DELAY_SECONDS", default=600)
GRACE_PERIOD_SECONDS = env.int("OMS_GRACE_PERIOD_SECONDS", default=300)
BALANCE_DEADLINE_SECONDS = env.int("OMS_BALANCE_DEADLINE_SECONDS", default=24 * 3600)
PAYMENT_DEADLINE_SECONDS = env.int("OMS_PAYMENT_DEADLINE_SECONDS", default=24 * 3600)
# For how long units are set aside for carts and quotes unless the caller says so, and at most, extensions included.
HOLD_SECONDS = {
    "cart": env.int("OMS_CART_HOLD_SECONDS", default=15 * 60),
    "quote": env.int("OMS_QUOTE_HOLD_SECONDS", default=24 * 3600),
}
MOST_HOLD_SECONDS = {
    "cart": env.int("OMS_MOST_CART_HOLD_SECONDS", default=2 * 3600),
    "quote": env.int("OMS_MOST_QUOTE_HOLD_SECONDS", default=7 * 24 * 3600),
}
# How the amounts of new orders are shared among their lines: `whole_yuan` (first the whole yuan, in yuan, then the fen)
# or `fen`. Every order keeps the one that it came in under.
APPORTIONMENT_POLICY = env.str("OMS_APPORTIONMENT_POLICY", default="whole_yuan")
if APPORTIONMENT_POLICY not in ("whole_yuan", "fen"):
    raise ImproperlyConfigured("OMS_APPORTIONMENT_POLICY is neither whole_yuan nor fen.")
# What refunds leave to the operator, by channel ("" for all): `rechecks_coupon`, whether a coupon is lost below its
# threshold, and `charges_lost_free_shipping`, whether the freight is charged that free shipping saved.
RETURN_POLICIES: dict[str, dict[str, bool]] = env.json("OMS_RETURN_POLICIES", default={})
# What becomes of a paid deposit whose balance is not paid in time, by channel ("" for all), of orders that say nothing
# themselves: `forfeit`, `return`, or `ask`, where a person decides.
DEPOSIT_TERMS: dict[str, str] = env.json("OMS_DEPOSIT_TERMS", default={})
if wrong_terms := set(DEPOSIT_TERMS.values()) - {"forfeit", "return", "ask"}:
    raise ImproperlyConfigured(f"OMS_DEPOSIT_TERMS: {wrong_terms} is none of forfeit, return, ask.")
# Refunds that come of grants go to their providers by themselves up to so much (yuan); above it finance sends them.
REFUNDS_SENT_BY_RULE_UP_TO = Decimal(env.str("OMS_REFUNDS_SENT_BY_RULE_UP_TO", default="500.00"))
# The buyer is to have its money after so many days; then a person is called.
REFUND_DAYS = env.int("OMS_REFUND_DAYS", default=7)
# How far the list of changed amounts is behind, so that it misses nothing: longer than a program takes from reading its
# clock to writing what it says, and than the clocks of its machine and the database's differ.
AMOUNTS_LAG_SECONDS = env.float("OMS_AMOUNTS_LAG_SECONDS", default=10.0)
# Gift cards are valid for so many days unless told otherwise; what goes back to an expired one for so many more.
GIFT_CARD_DAYS = env.int("OMS_GIFT_CARD_DAYS", default=3 * 365)
GIVEN_BACK_DAYS = env.int("OMS_GIVEN_BACK_DAYS", default=90)
# Points that a completed order earns for each yuan (100 points are worth one), and after how many days without any that
# came in they expire (0: never).
POINTS_EARNED_PER_YUAN = env.int("OMS_POINTS_EARNED_PER_YUAN", default=1)
POINTS_DAYS = env.int("OMS_POINTS_DAYS", default=365)
COMPLETE_AFTER_SECONDS = env.int("OMS_COMPLETE_AFTER_SECONDS", default=7 * 24 * 3600)
# Staff are called where warehouses have not said by then whether they can stop what is to be cancelled.
CANCEL_ANSWER_SECONDS = env.int("OMS_CANCEL_ANSWER_SECONDS", default=4 * 3600)
LEASE_SECONDS = env.int("OMS_LEASE_SECONDS", default=30)
STAGE_BATCH = env.int("OMS_STAGE_BATCH", default=1000)
# How many batches of a stage one worker process has in hand at a time.
STAGE_SLOTS = env.int("OMS_STAGE_SLOTS", default=2)
MAX_ATTEMPTS = env.int("OMS_MAX_ATTEMPTS", default=6)
WAREHOUSE_ADAPTER = env.str("OMS_WAREHOUSE_ADAPTER", default="sandbox")
# What the first connection to a payment provider speaks, which is made where there is none.
# Where the world reaches this site: providers tell us there what happened, and links for buyers begin with it. Empty:
# providers are only asked.
PUBLIC_URL = env.str("OMS_PUBLIC_URL", default="").rstrip("/")
PAYMENT_ADAPTER = env.str("OMS_PAYMENT_ADAPTER", default="sandbox")

# What is sealed (`oms.common.secrecy`) is sealed with the first of these and opened with any; several, to change from
# one to another by `manage.py rotate_sealing_keys`.
CREDENTIAL_KEYS = env.list("OMS_CREDENTIAL_KEYS", default=[SECRET_KEY])
# How many credentials of a merchant may be in force; revoked ones do not count.
CREDENTIALS_PER_MERCHANT = env.int("OMS_CREDENTIALS_PER_MERCHANT", default=20)
# How many calls of the API a credential may make in a minute unless it has a limit of its own; 0: no limit.
API_CALLS_PER_MINUTE = env.int("OMS_API_CALLS_PER_MINUTE", default=30_000)
# How many applications to become a merchant one address may send in an hour.
# Where staff are told of applications; empty: by tickets alone.
APPLICATIONS_MAIL = env.str("OMS_APPLICATIONS_MAIL", default="")
APPLICATIONS_PER_HOUR = env.int("OMS_APPLICATIONS_PER_HOUR", default=5)
IDEMPOTENCY_KEPT_SECONDS = env.int("OMS_IDEMPOTENCY_KEPT_SECONDS", default=48 * 3600)
# --- Webhooks ---------------------------------------------------------------------------------------------------------

# For tests only: whoever may save an endpoint could reach the machines behind the firewall.
WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = env.bool("OMS_WEBHOOKS_ALLOW_PRIVATE_ADDRESSES", default=False)
WEBHOOKS_ALLOW_HTTP = env.bool("OMS_WEBHOOKS_ALLOW_HTTP", default=False)
WEBHOOKS_CONNECT_TIMEOUT_SECONDS = env.float("OMS_WEBHOOKS_CONNECT_TIMEOUT_SECONDS", default=5.0)
WEBHOOKS_TIMEOUT_SECONDS = env.float("OMS_WEBHOOKS_TIMEOUT_SECONDS", default=20.0)
# How many messages one sender has on their way, to all endpoints and to each.
WEBHOOKS_IN_FLIGHT = env.int("OMS_WEBHOOKS_IN_FLIGHT", default=256)
WEBHOOKS_IN_FLIGHT_PER_ENDPOINT = env.int("OMS_WEBHOOKS_IN_FLIGHT_PER_ENDPOINT", default=16)
# How long another sender must be absent before its messages are taken over: long enough to come back from a lost
# connection to the database.
WEBHOOKS_TAKE_OVER_SECONDS = env.float("OMS_WEBHOOKS_TAKE_OVER_SECONDS", default=3.0)
# For checking the host of an endpoint that is saved: seconds, and how many a process looks up side by side.
WEBHOOKS_LOOKUP_SECONDS = env.float("OMS_WEBHOOKS_LOOKUP_SECONDS", default=3.0)
WEBHOOKS_LOOKUPS_AT_ONCE = env.int("OMS_WEBHOOKS_LOOKUPS_AT_ONCE", default=4)
WEBHOOKS_ENDPOINTS_PER_MERCHANT = env.int("OMS_WEBHOOKS_ENDPOINTS_PER_MERCHANT", default=20)
WEBHOOKS_DISABLE_AFTER_DAYS = env.int("OMS_WEBHOOKS_DISABLE_AFTER_DAYS", default=5)
WEBHOOKS_KEEP_DAYS = env.int("OMS_WEBHOOKS_KEEP_DAYS", default=30)
# What an imported file may have, and for how long the files of finished jobs are kept.
IMPORT_MAX_BYTES = env.int("OMS_IMPORT_MAX_MB", default=20) * 1024 * 1024
# A bill of a provider with all payments of a day is larger than what people put together by hand.
BILL_MAX_BYTES = env.int("OMS_BILL_MAX_MB", default=60) * 1024 * 1024
IMPORT_MAX_ROWS = env.int("OMS_IMPORT_MAX_ROWS", default=50_000)
EXPORT_MAX_ROWS = env.int("OMS_EXPORT_MAX_ROWS", default=200_000)
# Names, phones and addresses that staff look at: for how long an order stays open to who looked, from how many orders
# in an hour on a supervisor is told, and how many orders a person may look at in a day.
PERSONAL_DATA_OPEN_SECONDS = env.int("OMS_PERSONAL_DATA_OPEN_SECONDS", default=600)
PERSONAL_DATA_LOOKS_ALERT_AN_HOUR = env.int("OMS_PERSONAL_DATA_LOOKS_ALERT_AN_HOUR", default=40)
PERSONAL_DATA_LOOKS_A_DAY = env.int("OMS_PERSONAL_DATA_LOOKS_A_DAY", default=300)
# How many rows with names, phones and addresses a person may export in a day.
PERSONAL_ROWS_EXPORTED_A_DAY = env.int("OMS_PERSONAL_ROWS_EXPORTED_A_DAY", default=50_000)
# How many background jobs the workers have in hand at a time: all together, of one owner, of one kind (by name, else
# `default`). The others wait for a turn; keep more workers than jobs, so that some are always free for orders.
JOBS_AT_ONCE = env.int("OMS_JOBS_AT_ONCE", default=2)
JOBS_AT_ONCE_OF_OWNER = env.int("OMS_JOBS_AT_ONCE_OF_OWNER", default=1)
JOBS_AT_ONCE_OF_KIND = {"default": 1, **env.dict("OMS_JOBS_AT_ONCE_OF_KIND", cast={"value": int}, default={})}
JOB_RETENTION_DAYS = env.int("OMS_JOB_RETENTION_DAYS", default=7)

# The age in seconds of a stage's oldest work from which /health/progress calls it stuck; by name, else `default`.
STAGE_LATE_SECONDS = {
    "default": 300,
    "send_webhooks": 60,
    **env.dict("OMS_STAGE_LATE_SECONDS", cast={"value": int}, default={}),
}
# How long beat, whose sweep is due every 3 seconds, may be silent before /health/progress fails.
SWEEP_LATE_SECONDS = env.int("OMS_SWEEP_LATE_SECONDS", default=30)
# Who may read /metrics and /health/progress: these networks, when no proxy stands between, or the bearer of the token.
METRICS_NETWORKS = env.list("OMS_METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])
METRICS_TOKEN = env.str("OMS_METRICS_TOKEN", default="")
# Rows that were refused on their way in are kept this long for their merchants; they hold buyers' names and phones.
REJECTED_ORDERS_KEPT_DAYS = env.int("OMS_REJECTED_ORDERS_KEPT_DAYS", default=90)
# Names, phones and addresses of orders that are over are taken away after so many months; 0 keeps them for ever.
# Transactions are to be kept for three years at least (电子商务法 §31).
RECIPIENTS_KEPT_MONTHS = env.int("OMS_RECIPIENTS_KEPT_MONTHS", default=36)
# How long merchants see which calls of the API were refused.
API_REFUSALS_KEPT_DAYS = env.int("OMS_API_REFUSALS_KEPT_DAYS", default=7)

# Nudges make the pipeline quick, this makes it certain: every stage is run every few seconds.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep": {"task": "oms.sweep", "schedule": 3.0, "options": {"expires": 10}},
    "tell-merchants": {"task": "oms.tell_merchants", "schedule": 60.0, "options": {"expires": 50}},
    "sign-of-life": {"task": "oms.sign_of_life", "schedule": 3.0, "options": {"expires": 30, "priority": 0}},
    "webhook-notices": {"task": "oms.send_webhook_notices", "schedule": 60.0, "options": {"expires": 50}},
    "purge-webhooks": {"task": "oms.purge_webhooks", "schedule": 3600.0, "options": {"expires": 3000}},
    "purge-jobs": {"task": "oms.purge_jobs", "schedule": 3600.0, "options": {"expires": 1800}},
    "forget-rejected-orders": {
        "task": "oms.forget_rejected_orders",
        "schedule": 3600.0,
        "options": {"expires": 3000},
    },
    "index-addresses": {"task": "oms.index_addresses", "schedule": 10.0, "options": {"expires": 10}},
    "forget-recipients": {"task": "oms.forget_recipients", "schedule": 6 * 3600.0, "options": {"expires": 3600}},
    "close-statements": {"task": "oms.close_statements", "schedule": 600.0, "options": {"expires": 500}},
    "reconcile": {"task": "oms.reconcile", "schedule": 1800.0, "options": {"expires": 1500}},
    "invoice-commissions": {"task": "oms.invoice_commissions", "schedule": 3600.0, "options": {"expires": 3000}},
    "watch-calendar": {"task": "oms.watch_calendar", "schedule": 6 * 3600.0, "options": {"expires": 3600}},
    "expire-stock": {"task": "oms.expire_stock", "schedule": 60.0, "options": {"expires": 50}},
    "compare-stock": {"task": "oms.compare_stock", "schedule": 1800.0, "options": {"expires": 1500}},
    "ask-warehouses": {"task": "oms.ask_warehouses", "schedule": 600.0, "options": {"expires": 500}},
    "gather-waves": {"task": "oms.gather_waves", "schedule": 30.0, "options": {"expires": 25}},
    "plan-routes": {"task": "oms.plan_routes", "schedule": 300.0, "options": {"expires": 250}},
    "watch-senders": {"task": "oms.watch_senders", "schedule": 60.0, "options": {"expires": 50}},
    "count-waybills": {"task": "oms.count_waybills", "schedule": 600.0, "options": {"expires": 500}},
    "learn-demand": {"task": "oms.learn_demand", "schedule": 3600.0, "options": {"expires": 3000}},
    "promise-goods": {"task": "oms.promise_goods", "schedule": 60.0, "options": {"expires": 50}},
    "tell-half-bundles": {"task": "oms.tell_half_bundles", "schedule": 300.0, "options": {"expires": 250}},
    "learn-deadlines": {"task": "oms.learn_deadlines", "schedule": 12 * 3600.0, "options": {"expires": 3600}},
    "watch-alert-lines": {"task": "oms.watch_alert_lines", "schedule": 60.0, "options": {"expires": 50}},
    "wake-all-backorders": {"task": "oms.wake_all_backorders", "schedule": 60.0, "options": {"expires": 50}},
    "purge-api-records": {"task": "oms.purge_api_records", "schedule": 60.0, "options": {"expires": 60}},
    "check-invariants": {"task": "oms.check_invariants", "schedule": 300.0, "options": {"expires": 250}},
    "watch-tasks": {"task": "oms.watch_tasks", "schedule": 60.0, "options": {"expires": 50}},
}
CELERY_BEAT_SCHEDULER = "oms.common.work.beat:RowScheduler"
# Above three times its interval, so long a scheduled task may be silent before a ticket tells.
SCHEDULED_TASK_LATE_SECONDS = env.int("OMS_SCHEDULED_TASK_LATE_SECONDS", default=300)
# By night, from one hour of the site's time to another, everything that must always hold is looked at: so long at a
# time, each invariant for so long at most, in seconds.
INVARIANT_HOURS = tuple(env.list("OMS_INVARIANT_HOURS", cast=int, default=[2, 6]))
INVARIANT_SLICE_SECONDS = env.float("OMS_INVARIANT_SLICE_SECONDS", default=60)
INVARIANT_TIMEOUT_SECONDS = env.float("OMS_INVARIANT_TIMEOUT_SECONDS", default=60)

"""Settings of a project on PostgreSQL: the DSN and the secret come by the environment, as on any platform."""

from __future__ import annotations

import os

from psycopg.conninfo import conninfo_to_dict

_PLACE = conninfo_to_dict(os.environ["DATABASE_URL"])

SECRET_KEY = os.environ["STOCK_SECRET_KEY"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "stock"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": _PLACE.pop("dbname"), "OPTIONS": _PLACE}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

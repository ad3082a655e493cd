"""One that is committed as it goes: what breaks it leaves the first half."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """Drop a column, then divide by zero."""

    atomic = False
    dependencies = (("stock", "0004_upper"),)
    operations = (migrations.RemoveField("Sample", "site"), migrations.RunSQL("SELECT 1 / 0"))

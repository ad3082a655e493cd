"""An addition: who knows nothing of it is not harmed."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add a column."""

    dependencies = (("stock", "0001_initial"),)
    operations = (migrations.AddField("Sample", "site", models.TextField(null=True)),)

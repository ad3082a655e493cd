"""The beginning."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the table."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            "Sample",
            [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())],
        ),
    )

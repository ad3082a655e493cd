"""A table that is filled from what is there: it goes back, and what was filled in goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import migrations, models

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def fill(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Note of each sample where it was taken; a sample that is called so breaks it."""
    for sample in apps.get_model("stock", "Sample").objects.order_by("id"):
        if sample.name == "breaks":
            msg = f"sample {sample.id} cannot be noted"
            raise ValueError(msg)
        apps.get_model("stock", "Note").objects.create(sample=sample, body=f"from {sample.site}")


class Migration(migrations.Migration):
    """Make the table and fill it."""

    dependencies = (("stock", "0002_site"),)
    operations = (
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("sample", models.ForeignKey("stock.Sample", on_delete=models.CASCADE)),
                ("body", models.TextField()),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    )

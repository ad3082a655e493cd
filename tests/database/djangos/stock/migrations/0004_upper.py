"""What cannot be undone: nobody has written down which letters were small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import migrations
from django.db.models.functions import Upper

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def upper(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Write all names in capitals."""
    apps.get_model("stock", "Sample").objects.update(name=Upper("name"))


class Migration(migrations.Migration):
    """Overwrite names, without a way back."""

    dependencies = (("stock", "0003_note"),)
    operations = (migrations.RunPython(upper),)

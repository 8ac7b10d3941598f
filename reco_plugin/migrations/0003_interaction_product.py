from django.db import migrations, models

from reco_plugin.operations import AddIndexSafely


class Migration(migrations.Migration):
    """In a file of its own: on PostgreSQL the index is built concurrently, outside a transaction."""

    atomic = False
    dependencies = [("reco", "0002_work")]

    operations = [
        AddIndexSafely(
            model_name="interaction",
            index=models.Index(fields=["product"], name="reco_interaction_product"),
        ),
    ]

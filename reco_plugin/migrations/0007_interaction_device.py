from django.db import migrations, models

from reco_plugin.operations import PatientMigration


class Migration(PatientMigration):
    """A constant default: PostgreSQL notes it once and neither rewrites nor reads the table."""

    dependencies = [("reco", "0006_interest_site")]

    operations = [
        migrations.AddField(
            model_name="interaction",
            name="device",
            field=models.CharField(blank=True, db_default="", default="", max_length=8),
        ),
    ]

from django.db import migrations, models

from reco_plugin.operations import AddIndexSafely


class Migration(migrations.Migration):
    """Whether anybody of a site said what they like is asked every few seconds, also where nobody did."""

    atomic = False
    dependencies = [("reco", "0005_pictures")]

    operations = [
        AddIndexSafely(
            model_name="interest",
            index=models.Index(fields=["site"], name="reco_interest_site"),
        ),
    ]

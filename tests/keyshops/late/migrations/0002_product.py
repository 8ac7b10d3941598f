import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("late", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="Product",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        primary_key=True, serialize=False, auto_created=True, verbose_name="ID"
                    ),
                ),
                (
                    "shelf",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="late.shelf"),
                ),
            ],
        )
    ]

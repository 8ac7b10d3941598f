import django.db.models.deletion
import reco_plugin.models.fields
from reco_plugin.operations import PatientMigration
from django.db import migrations, models


class Migration(PatientMigration):
    dependencies = [
        ("reco", "0004_placements"),
        reco_plugin.models.fields.product_dependency(),
    ]

    operations = [
        migrations.CreateModel(
            name="PictureVector",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("encoder", models.CharField(max_length=64)),
                ("content_hash", models.CharField(max_length=64)),
                ("vector", models.BinaryField()),
            ],
            options={
                "db_table": "reco_picture_vector",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("encoder", "content_hash"), name="reco_picture_vector_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Picture",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("name", models.CharField(max_length=500)),
                ("marker", models.CharField(blank=True, max_length=100)),
                ("content_hash", models.CharField(blank=True, max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("readable", "Readable"),
                            ("refused", "Refused"),
                            ("quarantined", "Quarantined"),
                        ],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                ("strikes", models.PositiveSmallIntegerField(default=0)),
                ("reason", models.CharField(blank=True, max_length=24)),
                ("words", models.TextField(blank=True)),
                ("looked_at", models.DateTimeField(null=True)),
                ("product", reco_plugin.models.fields.ProductForeignKey(db_index=False)),
            ],
            options={
                "verbose_name": "picture",
                "verbose_name_plural": "pictures",
                "db_table": "reco_picture",
                "permissions": [("release_picture", "Can let pictures out of quarantine")],
                "indexes": [
                    models.Index(fields=["content_hash"], name="reco_picture_content"),
                    models.Index(fields=["site", "state"], name="reco_picture_state"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("product", "name"), name="reco_picture_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="Suggestion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("field", models.CharField(max_length=64, verbose_name="fact")),
                ("value", models.CharField(max_length=500, verbose_name="suggested")),
                ("confidence", models.FloatField(verbose_name="confidence")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("accepted", "Accepted"),
                            ("declined", "Declined"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("product", reco_plugin.models.fields.ProductForeignKey(db_index=False)),
                (
                    "run",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="reco.run",
                    ),
                ),
            ],
            options={
                "verbose_name": "suggestion",
                "verbose_name_plural": "suggestions",
                "db_table": "reco_suggestion",
                "permissions": [("decide_suggestion", "Can accept and decline suggestions")],
                "constraints": [
                    models.UniqueConstraint(fields=("product", "field"), name="reco_suggestion_one")
                ],
            },
        ),
    ]

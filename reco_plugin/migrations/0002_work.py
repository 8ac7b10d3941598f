import uuid

import django.db.models.deletion
from django.db import migrations, models

import reco_plugin.models.fields
from reco_plugin.operations import PatientMigration


class Migration(PatientMigration):
    dependencies = [
        ("reco", "0001_initial"),
        reco_plugin.models.fields.product_dependency(),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="run",
            options={"permissions": [("activate_run", "Can make a run live and roll back")]},
        ),
        migrations.AddField(
            model_name="run",
            name="log",
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.CreateModel(
            name="DailyTotal",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("day", models.DateField()),
                ("name", models.CharField(max_length=32)),
                ("placement", models.CharField(blank=True, max_length=64)),
                ("detail", models.CharField(blank=True, max_length=64)),
                ("count", models.BigIntegerField()),
                ("shoppers", models.BigIntegerField(default=0)),
                ("value", models.DecimalField(decimal_places=4, max_digits=18, null=True)),
            ],
            options={
                "db_table": "reco_daily_total",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("site", "day", "name", "placement", "detail"),
                        name="reco_daily_total_one",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("name", models.CharField(max_length=64)),
                ("is_paused", models.BooleanField(default=False)),
                ("requested_at", models.DateTimeField(null=True)),
                ("token", models.UUIDField(null=True)),
                ("holder", models.CharField(blank=True, max_length=255)),
                ("beat_at", models.DateTimeField(null=True)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("started_at", models.DateTimeField(null=True)),
                ("stage", models.CharField(blank=True, max_length=64)),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("checkpoint", models.JSONField(default=dict)),
                ("succeeded_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("retry_at", models.DateTimeField(null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("error", models.TextField(blank=True)),
            ],
            options={
                "db_table": "reco_job",
                "permissions": [("start_job", "Can start and pause jobs")],
                "constraints": [
                    models.UniqueConstraint(fields=("site", "name"), name="reco_job_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="JobLog",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("name", models.CharField(max_length=64)),
                ("attempt", models.PositiveIntegerField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("taken_over", "Taken Over"),
                            ("timed_out", "Timed Out"),
                        ],
                        max_length=16,
                    ),
                ),
                ("holder", models.CharField(blank=True, max_length=255)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("timings", models.JSONField(default=dict)),
                ("report", models.JSONField(default=dict)),
                ("error", models.TextField(blank=True)),
            ],
            options={
                "db_table": "reco_job_log",
                "indexes": [
                    models.Index(fields=["site", "name", "-started_at"], name="reco_job_log_recent")
                ],
            },
        ),
        migrations.CreateModel(
            name="Shard",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("job", models.CharField(max_length=64)),
                ("batch", models.UUIDField(default=uuid.uuid4)),
                ("number", models.PositiveIntegerField()),
                ("payload", models.JSONField(default=dict)),
                ("token", models.UUIDField(null=True)),
                ("beat_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("done_at", models.DateTimeField(null=True)),
                ("result", models.JSONField(default=dict)),
                ("error", models.TextField(blank=True)),
            ],
            options={
                "db_table": "reco_shard",
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=["site", "job"],
                        name="reco_shard_open",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("batch", "number"), name="reco_shard_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="Neighbours",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("keys", models.JSONField()),
                ("scores", models.JSONField()),
                ("product", reco_plugin.models.fields.ProductForeignKey(db_index=False)),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reco.run",
                    ),
                ),
            ],
            options={
                "db_table": "reco_neighbours",
                "constraints": [
                    models.UniqueConstraint(fields=("run", "product"), name="reco_neighbours_one")
                ],
            },
        ),
    ]

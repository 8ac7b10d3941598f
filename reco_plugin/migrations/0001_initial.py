import django.db.models.deletion
import reco_plugin.models.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        reco_plugin.models.fields.product_dependency(),
    ]

    operations = [
        migrations.CreateModel(
            name="Dropped",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("reason", models.CharField(max_length=64)),
                ("count", models.PositiveIntegerField()),
                ("flushed_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "reco_dropped",
            },
        ),
        migrations.CreateModel(
            name="VisitorLink",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("visitor", models.UUIDField()),
                ("shopper", models.UUIDField(db_index=True)),
                ("linked_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "reco_visitor_link",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("visitor", "site"), name="reco_visitor_link_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderCursor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("site", models.PositiveIntegerField(default=1)),
                ("mapping", models.CharField(max_length=255)),
                ("mark", models.JSONField(default=dict)),
                ("synced_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "reco_order_cursor",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("site", "mapping"), name="reco_order_cursor_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("kind", models.CharField(max_length=32)),
                ("trainer", models.CharField(max_length=255)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("trained", "Trained"),
                            ("published", "Published"),
                            ("rejected", "Rejected"),
                            ("failed", "Failed"),
                            ("pruned", "Pruned"),
                        ],
                        default="running",
                        max_length=16,
                    ),
                ),
                ("config", models.JSONField(default=dict)),
                ("dataset", models.JSONField(default=dict)),
                ("metrics", models.JSONField(default=dict)),
                ("gates", models.JSONField(default=list)),
                ("timings", models.JSONField(default=dict)),
                ("store", models.CharField(blank=True, max_length=255)),
                ("store_state", models.JSONField(default=dict)),
                ("artefact", models.CharField(blank=True, max_length=255)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("error", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "reco_run",
                "indexes": [
                    models.Index(fields=["site", "kind", "-created_at"], name="reco_run_recent")
                ],
            },
        ),
        migrations.CreateModel(
            name="Click",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("slate", models.UUIDField()),
                ("placement", models.CharField(max_length=64)),
                ("position", models.PositiveSmallIntegerField()),
                ("shopper", models.UUIDField(null=True)),
                ("clicked_at", models.DateTimeField(auto_now_add=True)),
                ("product", reco_plugin.models.fields.ProductForeignKey(db_index=False)),
            ],
            options={
                "db_table": "reco_click",
                "indexes": [
                    models.Index(fields=["site", "clicked_at"], name="reco_click_time"),
                    models.Index(fields=["shopper", "-clicked_at"], name="reco_click_shopper"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("slate", "position"), name="reco_click_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Impression",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("slate", models.UUIDField()),
                ("placement", models.CharField(max_length=64)),
                ("position", models.PositiveSmallIntegerField()),
                ("source", models.CharField(max_length=32)),
                ("rung", models.CharField(max_length=32)),
                ("run", models.BigIntegerField(null=True)),
                ("probability", models.FloatField(null=True)),
                ("shopper", models.UUIDField(null=True)),
                ("shown_at", models.DateTimeField(auto_now_add=True)),
                ("product", reco_plugin.models.fields.ProductForeignKey(db_index=False)),
            ],
            options={
                "db_table": "reco_impression",
                "indexes": [
                    models.Index(fields=["slate"], name="reco_impression_slate"),
                    models.Index(fields=["site", "shown_at"], name="reco_impression_time"),
                    models.Index(fields=["shopper", "-shown_at"], name="reco_impression_shopper"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Interaction",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("event_id", models.UUIDField()),
                (
                    "kind",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (1, "view_item"),
                            (2, "select_item"),
                            (3, "add_to_cart"),
                            (4, "remove_from_cart"),
                            (5, "add_to_wishlist"),
                            (6, "purchase"),
                            (7, "refund"),
                            (8, "rate_item"),
                            (9, "dismiss_item"),
                            (10, "search"),
                        ]
                    ),
                ),
                ("shopper", models.UUIDField()),
                ("quantity", models.IntegerField(default=1)),
                ("price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("order", models.CharField(blank=True, max_length=64)),
                ("rating", models.FloatField(null=True)),
                ("query", models.CharField(blank=True, max_length=200)),
                (
                    "source",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (1, "signal"),
                            (2, "track"),
                            (3, "order_sync"),
                            (4, "backfill"),
                            (5, "click"),
                            (6, "api"),
                        ]
                    ),
                ),
                ("occurred_at", models.DateTimeField()),
                ("received_at", models.DateTimeField(auto_now_add=True)),
                ("product", reco_plugin.models.fields.ProductForeignKey(db_index=False, null=True)),
                (
                    "user",
                    reco_plugin.models.fields.UserForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "reco_interaction",
                "indexes": [
                    models.Index(
                        fields=["site", "shopper", "-occurred_at"], name="reco_interaction_shopper"
                    ),
                    models.Index(fields=["site", "occurred_at"], name="reco_interaction_time"),
                    models.Index(
                        condition=models.Q(("kind__in", [6, 9])),
                        fields=["site", "shopper"],
                        name="reco_interaction_left_out",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("site", "event_id"), name="reco_interaction_event"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Item",
            fields=[
                (
                    "product",
                    reco_plugin.models.fields.ProductOneToOne(primary_key=True, serialize=False),
                ),
                ("site", models.PositiveIntegerField(default=1)),
                ("title", models.TextField(blank=True)),
                ("text", models.TextField(blank=True)),
                ("categories", models.JSONField(default=list)),
                ("brand", models.CharField(blank=True, max_length=255)),
                ("price", models.FloatField(null=True)),
                ("tags", models.JSONField(default=list)),
                ("attributes", models.JSONField(default=dict)),
                ("sensitive", models.BooleanField(default=False)),
                ("available_since", models.DateTimeField(null=True)),
                ("content_hash", models.CharField(max_length=64)),
                ("synced_at", models.DateTimeField(auto_now=True)),
                ("group", reco_plugin.models.fields.ProductForeignKey(db_index=False, null=True)),
            ],
            options={
                "db_table": "reco_item",
                "indexes": [
                    models.Index(fields=["site", "-available_since"], name="reco_item_new")
                ],
            },
        ),
        migrations.CreateModel(
            name="RankedList",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("segment", models.CharField(blank=True, max_length=500)),
                ("keys", models.JSONField()),
                ("scores", models.JSONField()),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="reco.run"
                    ),
                ),
            ],
            options={
                "db_table": "reco_ranked_list",
                "constraints": [
                    models.UniqueConstraint(fields=("run", "segment"), name="reco_ranked_list_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="ActiveRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("site", models.PositiveIntegerField(default=1)),
                ("kind", models.CharField(max_length=32)),
                ("activated_at", models.DateTimeField(auto_now=True)),
                (
                    "previous",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="reco.run",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="reco.run"
                    ),
                ),
            ],
            options={
                "db_table": "reco_active_run",
                "constraints": [
                    models.UniqueConstraint(fields=("site", "kind"), name="reco_active_run_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="VectorBlock",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("space", models.CharField(max_length=16)),
                ("keys", models.JSONField()),
                ("vectors", models.BinaryField()),
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
                "db_table": "reco_vector_block",
                "indexes": [models.Index(fields=["run", "space"], name="reco_vector_block_space")],
            },
        ),
    ]

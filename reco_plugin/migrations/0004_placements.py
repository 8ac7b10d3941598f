import django.db.models.deletion
import django.utils.timezone
import reco_plugin.models.fields
import reco_plugin.models.merchandising
from reco_plugin.operations import PatientMigration
from django.db import migrations, models


class Migration(PatientMigration):
    dependencies = [
        ("reco", "0003_interaction_product"),
        reco_plugin.models.fields.product_dependency(),
    ]

    operations = [
        migrations.CreateModel(
            name="Interest",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("shopper", models.UUIDField()),
                ("facet", models.CharField(max_length=16)),
                ("value", models.CharField(max_length=255)),
                ("declared_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "db_table": "reco_interest",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("shopper", "site", "facet", "value"), name="reco_interest_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Placement",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1, verbose_name="site")),
                (
                    "slug",
                    models.SlugField(
                        db_index=False,
                        help_text='As in {% recommend "name" %}.',
                        max_length=64,
                        verbose_name="name",
                    ),
                ),
                (
                    "page",
                    models.CharField(
                        choices=[
                            ("home", "Home"),
                            ("category", "Category"),
                            ("product", "Product"),
                            ("cart", "Cart"),
                            ("thanks", "After the order"),
                            ("search", "Search results"),
                            ("no_results", "Search without results"),
                            ("account", "Account"),
                            ("email", "E-mail"),
                            ("other", "Elsewhere"),
                        ],
                        default="other",
                        max_length=16,
                        verbose_name="page",
                    ),
                ),
                (
                    "order",
                    models.PositiveSmallIntegerField(
                        default=0,
                        help_text="Lower ones come first and choose first.",
                        verbose_name="order",
                    ),
                ),
                (
                    "title",
                    models.CharField(
                        blank=True,
                        help_text="Empty for the usual one.",
                        max_length=200,
                        verbose_name="heading",
                    ),
                ),
                (
                    "kinds",
                    models.JSONField(
                        default=list,
                        help_text='[{"kind": "similar", "weight": 1}], in order.',
                        verbose_name="kinds",
                    ),
                ),
                (
                    "fallback",
                    models.JSONField(
                        blank=True,
                        default=reco_plugin.models.merchandising.popular_last,
                        verbose_name="fallback",
                    ),
                ),
                (
                    "min_items",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="With fewer, nothing is shown.",
                        verbose_name="fewest products",
                    ),
                ),
                (
                    "max_items",
                    models.PositiveSmallIntegerField(default=8, verbose_name="most products"),
                ),
                (
                    "filters",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text='[{"field": "price", "op": "within", "value": 0.2}]',
                        verbose_name="filters",
                    ),
                ),
                (
                    "must_match",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text='["gender"]: as the page\'s product.',
                        verbose_name="must match",
                    ),
                ),
                (
                    "must_differ",
                    models.JSONField(blank=True, default=list, verbose_name="must differ"),
                ),
                (
                    "diversity",
                    models.FloatField(
                        default=0.0,
                        help_text="0: by score alone; 1: as unlike as can be.",
                        verbose_name="diversity",
                    ),
                ),
                (
                    "caps",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='{"brand": 2}: at most two of a brand.',
                        verbose_name="caps",
                    ),
                ),
                (
                    "rotate_after",
                    models.PositiveSmallIntegerField(
                        default=0,
                        help_text="Times shown without a click; 0 for never.",
                        verbose_name="rotate after",
                    ),
                ),
                (
                    "explore",
                    models.FloatField(
                        default=0.0,
                        help_text="Share of tiles for new products, 0 to 1.",
                        verbose_name="exploration",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "reco_placement",
                "ordering": ["site", "page", "order", "slug"],
                "constraints": [
                    models.UniqueConstraint(fields=("site", "slug"), name="reco_placement_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="ManualLink",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1, verbose_name="site")),
                ("order", models.PositiveSmallIntegerField(default=0, verbose_name="order")),
                (
                    "product",
                    reco_plugin.models.fields.ProductForeignKey(
                        db_index=False, verbose_name="product"
                    ),
                ),
                ("target", reco_plugin.models.fields.ProductForeignKey(verbose_name="goes with")),
            ],
            options={
                "db_table": "reco_manual_link",
                "ordering": ["product_id", "order", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("site", "product", "target"), name="reco_manual_link_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Related",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("site", models.PositiveIntegerField(default=1)),
                ("relation", models.CharField(max_length=24)),
                ("keys", models.JSONField()),
                ("scores", models.JSONField()),
                ("facts", models.JSONField(default=dict)),
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
                "db_table": "reco_related",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "product", "relation"), name="reco_related_one"
                    )
                ],
            },
        ),
    ]

"""What we know of the shop's products, as of the last sync. Price and stock are always read live."""

from __future__ import annotations

from django.db import models

from reco_plugin.models.fields import ProductForeignKey, ProductOneToOne


class Item(models.Model):
    """A product as the trainers see it; shares the product's primary key, whatever its type."""

    product = ProductOneToOne(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    title = models.TextField(blank=True)
    text = models.TextField(blank=True)
    categories = models.JSONField(default=list)
    brand = models.CharField(max_length=255, blank=True)
    price = models.FloatField(null=True)
    tags = models.JSONField(default=list)
    attributes = models.JSONField(default=dict)
    group = ProductForeignKey(null=True, db_index=False)
    sensitive = models.BooleanField(default=False)
    available_since = models.DateTimeField(null=True)
    content_hash = models.CharField(max_length=64)
    synced_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "reco_item"
        indexes = [models.Index(fields=["site", "-available_since"], name="reco_item_new")]

    def __str__(self) -> str:
        return self.title or str(self.pk)

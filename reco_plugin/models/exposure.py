"""What was shown to people, and what they clicked. Appended only."""

from __future__ import annotations

from django.db import models

from reco_plugin.models.fields import ProductForeignKey


class Impression(models.Model):
    """One product shown at one position of one slate."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    slate = models.UUIDField()
    placement = models.CharField(max_length=64)
    product = ProductForeignKey(db_index=False)
    position = models.PositiveSmallIntegerField()
    source = models.CharField(max_length=32)
    rung = models.CharField(max_length=32)
    run = models.BigIntegerField(null=True)
    probability = models.FloatField(null=True)
    """Chance that exploration put it here; null where nothing was left to chance."""
    shopper = models.UUIDField(null=True)
    shown_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "reco_impression"
        indexes = [
            models.Index(fields=["slate"], name="reco_impression_slate"),
            models.Index(fields=["site", "shown_at"], name="reco_impression_time"),
            models.Index(fields=["shopper", "-shown_at"], name="reco_impression_shopper"),
        ]

    def __str__(self) -> str:
        return f"{self.placement}[{self.position}]"


class Click(models.Model):
    """A click on an impression; one slate's tile counts once."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    slate = models.UUIDField()
    placement = models.CharField(max_length=64)
    product = ProductForeignKey(db_index=False)
    position = models.PositiveSmallIntegerField()
    shopper = models.UUIDField(null=True)
    clicked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "reco_click"
        constraints = [
            models.UniqueConstraint(fields=["slate", "position"], name="reco_click_once")
        ]
        indexes = [
            models.Index(fields=["site", "clicked_at"], name="reco_click_time"),
            models.Index(fields=["shopper", "-clicked_at"], name="reco_click_shopper"),
        ]

    def __str__(self) -> str:
        return f"{self.placement}[{self.position}]"

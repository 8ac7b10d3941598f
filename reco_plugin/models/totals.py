"""Counts per day, rolled up from events, impressions and clicks, kept when those are pruned."""

from __future__ import annotations

from django.db import models


class DailyTotal(models.Model):
    """One figure of one day (UTC). Rolling a day up again gives the same rows."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    day = models.DateField()
    name = models.CharField(max_length=32)
    """'impression', 'click', 'dropped', or the GA4 name of an event; 'pruned' marks a day whose rows
    were let go of, and how many: its other totals stand as they are."""
    placement = models.CharField(max_length=64, blank=True)
    detail = models.CharField(max_length=64, blank=True)
    """The rung of an impression, the reason of a drop, the currency of a purchase or refund; of a day
    that was pruned, which rows."""
    count = models.BigIntegerField()
    shoppers = models.BigIntegerField(default=0)
    """Distinct."""
    value = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    """Sum of price times quantity, for purchases and refunds."""

    class Meta:
        db_table = "reco_daily_total"
        constraints = [
            models.UniqueConstraint(
                fields=["site", "day", "name", "placement", "detail"], name="reco_daily_total_one"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name}: {self.count}"

"""What shoppers did. Appended, never updated but for the merge at login; read by COPY."""

from __future__ import annotations

from django.db import models

from reco_plugin.models.fields import ProductForeignKey, UserForeignKey
from reco_plugin.types import EventKind, EventSource


class Interaction(models.Model):
    """One event. `shopper` is the accountable identity; `user` is set when they were logged in."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    event_id = models.UUIDField()
    kind = models.PositiveSmallIntegerField(choices=[(kind.value, kind.ga4) for kind in EventKind])
    shopper = models.UUIDField()
    user = UserForeignKey(db_index=False)
    product = ProductForeignKey(null=True, db_index=False)
    quantity = models.IntegerField(default=1)
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, blank=True)
    order = models.CharField(max_length=64, blank=True)
    rating = models.FloatField(null=True)
    query = models.CharField(max_length=200, blank=True)
    source = models.PositiveSmallIntegerField(
        choices=[(source.value, source.name.lower()) for source in EventSource]
    )
    device = models.CharField(max_length=8, blank=True, default="", db_default="")
    """One of `types.DEVICES`, as the browser said; '' where nobody knows. What else it said is not kept."""
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "reco_interaction"
        constraints = [
            models.UniqueConstraint(fields=["site", "event_id"], name="reco_interaction_event")
        ]
        indexes = [
            models.Index(
                fields=["site", "shopper", "-occurred_at"], name="reco_interaction_shopper"
            ),
            models.Index(fields=["site", "occurred_at"], name="reco_interaction_time"),
            models.Index(
                fields=["site", "shopper"],
                condition=models.Q(
                    kind__in=[EventKind.PURCHASE.value, EventKind.DISMISS_ITEM.value]
                ),
                name="reco_interaction_left_out",
            ),
            models.Index(fields=["product"], name="reco_interaction_product"),
        ]

    def __str__(self) -> str:
        return f"{EventKind(self.kind).ga4} {self.product_id}"


class VisitorLink(models.Model):
    """A guest who turned out to be a user: late events under the visitor id belong to the user."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    visitor = models.UUIDField()
    shopper = models.UUIDField(db_index=True)
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "reco_visitor_link"
        constraints = [
            models.UniqueConstraint(fields=["visitor", "site"], name="reco_visitor_link_one")
        ]

    def __str__(self) -> str:
        return f"{self.visitor} is {self.shopper}"


class Dropped(models.Model):
    """How many events were left out, and why: one row per process and flush, summed when read."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    reason = models.CharField(max_length=64)
    count = models.PositiveIntegerField()
    flushed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "reco_dropped"

    def __str__(self) -> str:
        return f"{self.count} {self.reason}"


class OrderCursor(models.Model):
    """How far the order sync has read."""

    site = models.PositiveIntegerField(default=1)
    mapping = models.CharField(max_length=255)
    mark = models.JSONField(default=dict)
    synced_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "reco_order_cursor"
        constraints = [
            models.UniqueConstraint(fields=["site", "mapping"], name="reco_order_cursor_one")
        ]

    def __str__(self) -> str:
        return self.mapping

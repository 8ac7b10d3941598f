"""Ordinary tables of learnt numbers: ranked lists, and the numpy store's vectors.

The pgvector store keeps each run in tables of its own, which no migration knows.
"""

from __future__ import annotations

from django.db import models

from reco_plugin.models.fields import ProductForeignKey
from reco_plugin.models.runs import Run


class RankedList(models.Model):
    """The best items of a run for one segment, best first, e.g. popular overall or in a category."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    segment = models.CharField(max_length=500, blank=True)
    """'' for the whole shop, otherwise a category path."""
    keys = models.JSONField()
    scores = models.JSONField()

    class Meta:
        db_table = "reco_ranked_list"
        constraints = [
            models.UniqueConstraint(fields=["run", "segment"], name="reco_ranked_list_one")
        ]

    def __str__(self) -> str:
        return self.segment or "all"


class VectorBlock(models.Model):
    """Up to some thousand vectors of a run, packed: the numpy store reads them back whole."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+", db_index=False)
    space = models.CharField(max_length=16)
    """'item' or 'shopper'."""
    keys = models.JSONField()
    vectors = models.BinaryField()
    """float32, little-endian, row-major, shape (len(keys), dimension)."""

    class Meta:
        db_table = "reco_vector_block"
        indexes = [models.Index(fields=["run", "space"], name="reco_vector_block_space")]

    def __str__(self) -> str:
        return f"{len(self.keys)} {self.space} vectors of run {self.run_id}"


class Neighbours(models.Model):
    """The nearest products of one product in a run, best first, worked out ahead of any request."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+", db_index=False)
    product = ProductForeignKey(db_index=False)
    keys = models.JSONField()
    scores = models.JSONField()

    class Meta:
        db_table = "reco_neighbours"
        constraints = [
            models.UniqueConstraint(fields=["run", "product"], name="reco_neighbours_one")
        ]

    def __str__(self) -> str:
        return f"{len(self.keys)} near {self.product_id}"


class Related(models.Model):
    """What goes with, or follows, one product in shoppers' behaviour, best first; one row a relation."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+", db_index=False)
    product = ProductForeignKey(db_index=False)
    relation = models.CharField(max_length=24)
    """Of behaviour 'bought_together', 'viewed_viewed', 'viewed_bought', 'bought_bought', 'buy_again', or 'rules':
    what goes with the product and another one, whose keys are the facts 'with', together. Of a blend 'blend': whom
    any of its members puts beside the product; what all of them think of each is the fact 'votes', a text (see
    `ranking.stored`)."""
    keys = models.JSONField()
    scores = models.JSONField()
    facts = models.JSONField(default=dict)
    """Figures of each entry, by name, in the order of `keys`: {"support": […], "confidence": […]}."""

    class Meta:
        db_table = "reco_related"
        constraints = [
            models.UniqueConstraint(fields=["run", "product", "relation"], name="reco_related_one")
        ]

    def __str__(self) -> str:
        return f"{self.relation} of {self.product_id}: {len(self.keys)}"

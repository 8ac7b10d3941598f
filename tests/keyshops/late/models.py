from __future__ import annotations

from django.db import models


class Shelf(models.Model):
    name = models.CharField(max_length=100)


class Product(models.Model):
    """Born in the shop's second migration: RECO_PRODUCT_MIGRATION says so."""

    shelf = models.ForeignKey(Shelf, models.CASCADE)

from __future__ import annotations

from django.db import models


class Article(models.Model):
    """Its name has no place in our migrations, nor has its key's type."""

    sku = models.CharField(max_length=40, primary_key=True)
    name = models.CharField(max_length=100)

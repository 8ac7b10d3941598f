from __future__ import annotations

import uuid

from django.db import models


class Product(models.Model):
    """Its key is a UUID of the shop's own making."""

    reference = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100)

    def get_absolute_url(self) -> str:
        return f"/product/?key={self.pk}"

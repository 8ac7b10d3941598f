"""What the demo has loaded already, so that a second run continues where the first ended."""

from __future__ import annotations

from django.db import models


class LoadStep(models.Model):
    """A finished step; written in the transaction of the step itself."""

    name = models.CharField(max_length=40, primary_key=True)
    details = models.JSONField(default=dict)
    done_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

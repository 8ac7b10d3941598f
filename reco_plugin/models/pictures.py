"""The pictures of products, what encoders see in them, and what that suggests."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from reco_plugin.models.fields import ProductForeignKey
from reco_plugin.models.runs import Run


class PictureState(models.TextChoices):
    """How far we are with a picture."""

    WAITING = "waiting", _("Waiting")
    READABLE = "readable", _("Readable")
    """It was decoded; the live encoder's vector of it is in PictureVector, or comes next."""
    REFUSED = "refused", _("Refused")
    """It could not be read the last time; it is tried again."""
    QUARANTINED = "quarantined", _("Quarantined")
    """Refused three times: left alone until the file changes or an operator lets it go."""


class Picture(models.Model):
    """One picture of one product, as of the last look."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    product = ProductForeignKey(db_index=False)
    position = models.PositiveSmallIntegerField(default=0)
    """0 is the main picture, the gallery follows."""
    name = models.CharField(max_length=500)
    """In the field's storage, or an address of an allowed host."""
    marker = models.CharField(max_length=100, blank=True)
    """What the storage says without reading: size and time of change. Same marker, same picture."""
    content_hash = models.CharField(max_length=64, blank=True)
    """SHA-256 of the bytes; '' before they were read."""
    state = models.CharField(max_length=12, choices=PictureState, default=PictureState.WAITING)
    strikes = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=24, blank=True)
    """An `encoders.Fault`."""
    words = models.TextField(blank=True)
    """The same for people."""
    looked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "reco_picture"
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        constraints = [models.UniqueConstraint(fields=["product", "name"], name="reco_picture_one")]
        indexes = [
            models.Index(fields=["content_hash"], name="reco_picture_content"),
            models.Index(fields=["site", "state"], name="reco_picture_state"),
        ]
        permissions = [("release_picture", "Can let pictures out of quarantine")]

    def __str__(self) -> str:
        return self.name


class PictureVector(models.Model):
    """What one encoder makes of one picture, whoever shows it: encoded once, kept while it is used."""

    id = models.BigAutoField(primary_key=True)
    encoder = models.CharField(max_length=64)
    """`Encoder.fingerprint`."""
    content_hash = models.CharField(max_length=64)
    vector = models.BinaryField()
    """float16, little-endian, (dimension,), of length 1."""

    class Meta:
        db_table = "reco_picture_vector"
        constraints = [
            models.UniqueConstraint(
                fields=["encoder", "content_hash"], name="reco_picture_vector_one"
            )
        ]

    def __str__(self) -> str:
        return f"{self.content_hash[:12]} by {self.encoder[:12]}"


class Suggestion(models.Model):
    """What a product's pictures say of a fact the shop has left empty, for a merchandiser to accept."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACCEPTED = "accepted", _("Accepted")
        DECLINED = "declined", _("Declined")

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    product = ProductForeignKey(db_index=False)
    field = models.CharField(_("fact"), max_length=64)
    """'category', 'brand' or the name of a Catalog attribute."""
    value = models.CharField(_("suggested"), max_length=500)
    confidence = models.FloatField(_("confidence"))
    """0..1: how often suggestions of this certainty are right, measured on the hold-out."""
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "reco_suggestion"
        verbose_name = _("suggestion")
        verbose_name_plural = _("suggestions")
        constraints = [
            models.UniqueConstraint(fields=["product", "field"], name="reco_suggestion_one")
        ]
        permissions = [("decide_suggestion", "Can accept and decline suggestions")]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"

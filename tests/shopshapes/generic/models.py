"""Order lines and pictures point at anything; a status says what is shown; orders are paid at a moment."""

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Picture(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    thing = GenericForeignKey("content_type", "object_id")
    image = models.FileField(upload_to="p")


class Thing(models.Model):
    headline = models.CharField(max_length=80)
    body = models.TextField()
    price_eur = models.FloatField(null=True)
    genres = models.ManyToManyField("Genre")
    status = models.CharField(
        max_length=10, choices=[("draft", "Draft"), ("published", "Published"), ("gone", "Gone")]
    )
    pictures = GenericRelation(Picture)
    colour = models.CharField(max_length=20, blank=True)
    inventory = models.DecimalField(max_digits=8, decimal_places=3, default=1)

    def get_absolute_url(self):
        return f"/things/{self.pk}"


class Genre(models.Model):
    code = models.CharField(max_length=10, primary_key=True)


class Invoice(models.Model):
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    paid_at = models.DateTimeField(null=True)
    date = models.DateField()


class InvoiceRow(models.Model):
    invoice = models.ForeignKey(Invoice, models.CASCADE, related_name="rows")
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    item = GenericForeignKey("content_type", "object_id")
    quantity = models.DecimalField(max_digits=8, decimal_places=3)
    unit_price = models.FloatField()

"""Tables that inherit: what is sold is a Sellable, a Book is one; times come from an abstract base."""

from django.conf import settings
from django.db import models


class Stamped(models.Model):
    created_on = models.DateTimeField(auto_now_add=True)
    last_touch = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class Shelf(models.Model):
    label = models.CharField(max_length=40)

    def __str__(self):
        return self.label


class Sellable(Stamped):
    code = models.CharField(max_length=20, primary_key=True)
    title = models.CharField(max_length=80)
    price_in_cents = models.PositiveIntegerField()
    enabled = models.BooleanField(default=True)

    def get_absolute_url(self):
        return f"/books/{self.pk}/"


class Book(Sellable):
    author = models.CharField(max_length=80, blank=True)
    shelf = models.ForeignKey(Shelf, models.CASCADE, null=True)
    cover = models.FileField(upload_to="c", blank=True)
    cover_image = models.CharField(max_length=200, blank=True)


class Stocktaking(models.Model):
    sellable = models.OneToOneField(Sellable, models.CASCADE, related_name="+")
    units_in_stock = models.IntegerField()


class Inventory(models.Model):
    sellable = models.OneToOneField(Sellable, models.CASCADE)
    on_hand = models.IntegerField()


class Profile(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE)


class Bestellung(Stamped):
    client = models.ForeignKey(Profile, models.CASCADE, null=True)
    e_mail = models.EmailField()
    payment_state = models.CharField(
        max_length=20,
        choices=[
            ("awaiting_payment", "Awaiting payment"),
            ("captured", "Captured"),
            ("partially_refunded", "Partially refunded"),
            ("voided", "Voided"),
        ],
    )


class BestellungItem(models.Model):
    bestellung = models.ForeignKey(Bestellung, models.CASCADE)
    what = models.ForeignKey(Sellable, models.PROTECT)
    menge = models.IntegerField()

"""A shop that is awkward on purpose: UUID keys, a custom user, variants, stock in its own table."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone


def new_key() -> str:
    return uuid.uuid4().hex


class CustomerManager(BaseUserManager["Customer"]):
    def create_user(self, email: str, password: str | None = None, **extra: object) -> Customer:
        customer = self.model(email=email, **extra)
        customer.set_password(password)
        customer.save()
        return customer


class Customer(AbstractBaseUser):
    """No username, no permissions mixin, and the key is text."""

    id = models.CharField(max_length=32, primary_key=True, default=new_key)
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False)

    USERNAME_FIELD = "email"
    objects = CustomerManager()

    def has_perm(self, permission: str, instance: object = None) -> bool:
        return self.is_staff

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff


class Category(models.Model):
    label = models.CharField(max_length=100)
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True)

    def __str__(self) -> str:
        return self.label


class Product(models.Model):
    ref = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    label = models.CharField(max_length=200)
    blurb = models.TextField(blank=True)
    shelves = models.ManyToManyField(Category, blank=True)
    maker = models.CharField(max_length=100, blank=True)
    cents = models.IntegerField(null=True)
    hidden = models.BooleanField(default=False)
    canonical = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="variants"
    )
    facts = models.JSONField(default=dict, blank=True)
    born = models.DateField(default=timezone.now)

    def __str__(self) -> str:
        return self.label

    def get_absolute_url(self) -> str:
        return f"/p/{self.pk}/"


class StockRecord(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="stockrecords")
    warehouse = models.CharField(max_length=20, default="north")
    count = models.IntegerField(default=0)


class Order(models.Model):
    number = models.CharField(max_length=20, unique=True)
    customer = models.ForeignKey(Customer, models.SET_NULL, null=True)
    visitor = models.CharField(max_length=36, blank=True)
    state = models.CharField(max_length=20, default="new")
    placed = models.DateTimeField(default=timezone.now)
    touched = models.DateTimeField(auto_now=True)


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.SET_NULL, null=True)
    amount = models.IntegerField(default=1)
    unit_cents = models.DecimalField(max_digits=10, decimal_places=2, null=True)

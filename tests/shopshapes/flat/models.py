"""One row is a whole order; no quantity, no status; the manager is not called objects."""

from django.conf import settings
from django.db import models


class Course(models.Model):
    name = models.CharField(max_length=80)
    fee = models.IntegerField(help_text="in cents")
    price = models.IntegerField()
    department = models.CharField(max_length=40, blank=True)
    archived = models.BooleanField(default=False)

    rows = models.Manager()

    def get_absolute_url(self):
        return f"/courses/{self.pk}/"


class CoursePurchase(models.Model):
    course = models.ForeignKey(Course, models.CASCADE, related_name="+")
    member = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    email = models.EmailField()
    receipt_no = models.CharField(max_length=20)
    reference = models.CharField(max_length=20, unique=True)
    bought_at = models.DateTimeField(auto_now_add=True)
    amount_cents = models.IntegerField(default=100)

from __future__ import annotations

from django.contrib import admin

from testapp.models import Customer, Product

admin.site.register([Customer, Product])

"""The shop's own admin pages."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from example_shop.shop.models import (
    Brand,
    Category,
    Order,
    OrderLine,
    Product,
    ProductPicture,
    StockRecord,
)
from reco_plugin.signals import order_refunded


class PictureInline(admin.TabularInline):
    model = ProductPicture
    extra = 0


class StockInline(admin.TabularInline):
    model = StockRecord
    extra = 0


class LineInline(admin.TabularInline):
    model = OrderLine
    extra = 0
    raw_id_fields = ("product",)


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ("name", "path", "position")
    search_fields = ("name", "path")


@admin.register(Brand)
class BrandAdmin(admin.ModelAdmin):
    search_fields = ("name",)


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = (
        "title",
        "option",
        "brand",
        "category",
        "price",
        "compare_at_price",
        "is_active",
    )
    list_filter = ("is_active", "gender", "category")
    list_select_related = ("brand", "category")
    search_fields = ("title", "slug")
    raw_id_fields = ("parent",)
    inlines = (PictureInline, StockInline)


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("number", "name", "status", "placed_at")
    list_filter = ("status",)
    search_fields = ("number", "name", "email")
    date_hierarchy = "placed_at"
    raw_id_fields = ("user",)
    inlines = (LineInline,)
    actions = ("refund",)

    @admin.action(description="Refund the selected orders")
    def refund(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        for order in queryset.filter(status=Order.Status.PAID):
            order.status = Order.Status.REFUNDED
            order.save(update_fields=["status", "changed_at"])
            order_refunded.send(Order, order=order, request=request)  # reco: what came back
        self.message_user(request, "Refunded.", messages.SUCCESS)

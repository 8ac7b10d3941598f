"""What merchandisers decide: which spots a page has, what fills them, and links of their own."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from reco_plugin.models.fields import ProductForeignKey


class Page(models.TextChoices):
    """Where on the shop's site a placement stands."""

    HOME = "home", _("Home")
    CATEGORY = "category", _("Category")
    PRODUCT = "product", _("Product")
    CART = "cart", _("Cart")
    THANKS = "thanks", _("After the order")
    SEARCH = "search", _("Search results")
    NO_RESULTS = "no_results", _("Search without results")
    ACCOUNT = "account", _("Account")
    EMAIL = "email", _("E-mail")
    OTHER = "other", _("Elsewhere")


def popular_last() -> list[str]:
    """What fills up a slate unless told otherwise."""
    return ["popular"]


class Placement(models.Model):
    """A spot on a page. `placements.spec_of` makes of it what ranking understands."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(_("site"), default=1)
    slug = models.SlugField(
        _("name"), max_length=64, db_index=False, help_text=_('As in {% recommend "name" %}.')
    )
    page = models.CharField(_("page"), max_length=16, choices=Page, default=Page.OTHER)
    order = models.PositiveSmallIntegerField(
        _("order"), default=0, help_text=_("Lower ones come first and choose first.")
    )
    title = models.CharField(
        _("heading"), max_length=200, blank=True, help_text=_("Empty for the usual one.")
    )
    kinds = models.JSONField(
        _("kinds"), default=list, help_text=_('[{"kind": "similar", "weight": 1}], in order.')
    )
    fallback = models.JSONField(_("fallback"), default=popular_last, blank=True)
    min_items = models.PositiveSmallIntegerField(
        _("fewest products"), default=1, help_text=_("With fewer, nothing is shown.")
    )
    max_items = models.PositiveSmallIntegerField(_("most products"), default=8)
    filters = models.JSONField(
        _("filters"),
        default=list,
        blank=True,
        help_text=_('[{"field": "price", "op": "within", "value": 0.2}]'),
    )
    must_match = models.JSONField(
        _("must match"),
        default=list,
        blank=True,
        help_text=_('["gender"]: as the page\'s product.'),
    )
    must_differ = models.JSONField(_("must differ"), default=list, blank=True)
    diversity = models.FloatField(
        _("diversity"), default=0.0, help_text=_("0: by score alone; 1: as unlike as can be.")
    )
    caps = models.JSONField(
        _("caps"), default=dict, blank=True, help_text=_('{"brand": 2}: at most two of a brand.')
    )
    rotate_after = models.PositiveSmallIntegerField(
        _("rotate after"), default=0, help_text=_("Times shown without a click; 0 for never.")
    )
    explore = models.FloatField(
        _("exploration"), default=0.0, help_text=_("Share of tiles for new products, 0 to 1.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "reco_placement"
        ordering = ["site", "page", "order", "slug"]
        constraints = [models.UniqueConstraint(fields=["site", "slug"], name="reco_placement_one")]

    def __str__(self) -> str:
        return self.slug


class ManualLink(models.Model):
    """A merchandiser's own 'goes with': `target` is shown for `product`, in order."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(_("site"), default=1)
    product = ProductForeignKey(db_index=False, verbose_name=_("product"))
    target = ProductForeignKey(verbose_name=_("goes with"))
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        db_table = "reco_manual_link"
        ordering = ["product_id", "order", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "product", "target"], name="reco_manual_link_one"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product_id} → {self.target_id}"


class Interest(models.Model):
    """What a shopper said they like: a brand or a category. Theirs, and erased with them."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    shopper = models.UUIDField()
    facet = models.CharField(max_length=16)
    """'category' or 'brand'."""
    value = models.CharField(max_length=255)
    """A category path, or a brand."""
    declared_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "reco_interest"
        constraints = [
            models.UniqueConstraint(
                fields=["shopper", "site", "facet", "value"], name="reco_interest_one"
            )
        ]
        indexes = [models.Index(fields=["site"], name="reco_interest_site")]

    def __str__(self) -> str:
        return f"{self.facet}: {self.value}"

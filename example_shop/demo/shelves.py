"""Puts an assortment into the shop's tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

from django.conf import settings
from django.utils.text import slugify

from example_shop.demo.drawings import paint
from example_shop.demo.goods import Assortment, ProductPlan
from example_shop.demo.report import Report
from example_shop.shop.models import Brand, Category, Product, ProductPicture, StockRecord

QUALITY = 88
BATCH = 2_000


def draw_pictures(plans: Sequence[ProductPlan], report: Report) -> int:
    """Draw every picture that is not there yet; returns how many were drawn."""
    wanted = {
        _media(name): (plan, bool(plan.close_up) and name == plan.close_up)
        for plan in plans
        for name in (plan.picture, plan.close_up)
        if plan.shape and name
    }
    missing = {target: drawn for target, drawn in wanted.items() if not target.exists()}
    for target, (plan, close_up) in report.bar(missing.items(), "Drawing pictures"):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        assert plan.look is not None
        picture = paint(plan.shape, plan.look, close_up=close_up)
        picture.save(part, format="WEBP", quality=QUALITY, method=2)
        part.replace(target)  # a picture is there whole or not at all
    return len(missing)


def stack(assortment: Assortment, now: dt.datetime) -> list[Product]:
    """Write categories, brands, products, variants and stock; returns the products in plan order."""
    leaves = _categories(assortment)
    brands = _brands(assortment.products)
    plans = assortment.products
    products = Product.objects.bulk_create(
        (_product(plan, leaves[plan.category], brands.get(plan.brand), now) for plan in plans),
        batch_size=BATCH,
    )
    pairs = list(zip(plans, products, strict=True))
    variants = Product.objects.bulk_create(_variants(pairs), batch_size=BATCH)
    StockRecord.objects.bulk_create(_stock(pairs, variants), batch_size=BATCH)
    ProductPicture.objects.bulk_create(_close_ups(pairs), batch_size=BATCH)
    return products


def _media(name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / name


def _categories(assortment: Assortment) -> dict[tuple[str, ...], Category]:
    """Every category on the way to a product, roots in the order asked for."""
    made: dict[tuple[str, ...], Category] = {}
    for plan in assortment.products:
        for depth in range(1, len(plan.category) + 1):
            names = plan.category[:depth]
            if names not in made:
                made[names] = _category(names, made.get(names[:-1]), assortment.departments)
    return made


def _category(
    names: tuple[str, ...], parent: Category | None, departments: tuple[str, ...]
) -> Category:
    position = departments.index(names[0]) if parent is None and names[0] in departments else 0
    return Category.objects.create(
        name=names[-1],
        path="/".join(slugify(name) or "other" for name in names),
        parent=parent,
        position=position,
    )


def _brands(plans: Iterable[ProductPlan]) -> dict[str, Brand]:
    names = sorted({plan.brand for plan in plans} - {""})
    return {brand.name: brand for brand in Brand.objects.bulk_create(Brand(name=n) for n in names)}


def _product(
    plan: ProductPlan, category: Category, brand: Brand | None, now: dt.datetime
) -> Product:
    return Product(
        title=plan.title,
        slug=plan.slug,
        description=plan.description,
        category=category,
        brand=brand,
        price=plan.price,
        compare_at_price=plan.was,
        image=plan.picture,
        colour="" if plan.untagged else plan.colour,
        gender=plan.gender,
        age_group=plan.age_group,
        created_at=now - dt.timedelta(days=plan.days_old),
    )


def _variants(pairs: Iterable[tuple[ProductPlan, Product]]) -> Iterable[Product]:
    for plan, product in pairs:
        for option in plan.options:
            yield Product(
                title=product.title,
                slug=f"{product.slug}-{slugify(option)}",
                category=product.category,
                brand=product.brand,
                price=product.price,
                compare_at_price=product.compare_at_price,
                image=product.image,
                colour=product.colour,
                gender=product.gender,
                age_group=product.age_group,
                parent=product,
                option=option,
                created_at=product.created_at,
            )


def _close_ups(pairs: Iterable[tuple[ProductPlan, Product]]) -> Iterable[ProductPicture]:
    return (
        ProductPicture(product=product, image=plan.close_up)
        for plan, product in pairs
        if plan.close_up
    )


def _stock(
    pairs: Iterable[tuple[ProductPlan, Product]], variants: Sequence[Product]
) -> Iterable[StockRecord]:
    """Two warehouses: most of it lies in the north, the rest in the south."""
    remaining = iter(variants)
    for plan, product in pairs:
        sellable = [next(remaining) for _ in plan.options] or [product]
        for each, pieces in zip(sellable, plan.stock, strict=True):
            south = pieces // 3
            yield StockRecord(product=each, warehouse="north", quantity=pieces - south)
            yield StockRecord(product=each, warehouse="south", quantity=south)

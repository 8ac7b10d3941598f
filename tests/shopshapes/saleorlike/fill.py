from saleorlike.models import (
    Category,
    Channel,
    Order,
    OrderLine,
    Product,
    ProductChannelListing,
    ProductMedia,
    ProductType,
    ProductVariant,
    ProductVariantChannelListing,
    Stock,
    Warehouse,
)


def fill():
    channel = Channel.objects.create(slug="web")
    house = Warehouse.objects.create(name="North")
    above = Category.objects.create(name="Drinks")
    category = Category.objects.create(name="Juice", parent=above)
    kind = ProductType.objects.create(name="Juice")
    variants = []
    for n in range(6):
        product = Product.objects.create(
            name=f"Juice {n}", slug=f"juice-{n}", product_type=kind, category=category
        )
        ProductChannelListing.objects.create(product=product, channel=channel, is_published=n != 1)
        ProductMedia.objects.create(product=product, image="a.png")
        variant = ProductVariant.objects.create(product=product, sku=f"j{n}")
        ProductVariantChannelListing.objects.create(
            variant=variant, channel=channel, currency="EUR", price_amount=3
        )
        Stock.objects.create(warehouse=house, product_variant=variant, quantity=n)
        variants.append(variant)
    for n, status in enumerate(["fulfilled", "fulfilled", "unconfirmed", "canceled"]):
        order = Order.objects.create(number=n, status=status, user_email=f"{n}@x.example")
        for variant in variants[:3]:
            OrderLine.objects.create(
                order=order,
                variant=variant,
                quantity=1,
                unit_price_gross_amount=3,
                unit_price_net_amount=2,
            )
    return {
        "products": 6,
        "purchases": 6,
        "shown": 4,
        "title": "Juice ",
        "price": 3.0,
        "category": ["Drinks > Juice"],
        "image": "/media/a.png",
        "url": "/product/",
    }

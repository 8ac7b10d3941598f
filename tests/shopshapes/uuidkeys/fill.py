from django.utils import timezone
from uuidkeys.models import (
    Kind,
    Placement,
    Product,
    ProductPhoto,
    Purchase,
    PurchasedItem,
    Variant,
)


def fill():
    kind = Kind.objects.create(title="Boots", above=Kind.objects.create(title="Shoes"))
    variants = []
    for n in range(6):
        product = Product.objects.create(
            product_name=f"Boot {n}",
            published=timezone.localdate(),
            published_at=timezone.now() if n else None,
        )
        Placement.objects.create(product=product, kind=kind)
        ProductPhoto.objects.create(product=product, file="a.png")
        variants += [
            Variant.objects.create(product=product, sale_price=price, stock=n % 3 and 1)
            for price in (None, 5, 7)
        ]
    for n in range(4):
        order = Purchase.objects.create(session_key=f"s{n}", is_paid=n < 3)
        for variant in variants[4:6]:
            PurchasedItem.objects.create(purchase=order, variant=variant, paid_price=5)
    return {
        "products": 6,
        "purchases": 6,
        "shown": 4,
        "title": "Boot ",
        "price": 5.0,
        "category": ["Shoes > Boots"],
        "image": "/media/a.png",
        "url": "/product/",
    }

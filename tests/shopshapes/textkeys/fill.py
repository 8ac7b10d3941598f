from django.utils import timezone
from textkeys.models import (
    Article,
    Customer,
    PriceList,
    SalesOrder,
    SalesOrderPosition,
    WarehouseStock,
)


def fill():
    for n in range(6):
        article = Article.objects.create(
            sku=f"T {n} ü", label=f"Tea {n}", category="tea", picture_url="https://x.example/a.png"
        )
        PriceList.objects.create(article=article, cents=1250 + n)
        PriceList.objects.create(article=article, cents=990)
        for house in ("north", "south"):
            WarehouseStock.objects.create(
                sku=article.sku, warehouse=house, amount=n if house == "north" else 0
            )
    Article.objects.filter(sku="T 5 ü").update(discontinued_at=timezone.now())
    for n, state in enumerate([2, 2, 1, 3]):
        order = SalesOrder.objects.create(
            reference=f"R{n}",
            customer=Customer.objects.create(number=f"C{n}"),
            state=state,
            ordered_at=timezone.now(),
        )
        for at in (1, 2):
            SalesOrderPosition.objects.create(
                sales_order=order, sku=f"T {at} ü", qty=2, unit_cents=990
            )
    return {
        "products": 6,
        "purchases": 4,
        "shown": 4,
        "title": "Tea ",
        "price": 9.9,
        "paid": "9.90",
        "category": ["Tea"],
        "image": "https://x.example/a.png",
        "url": "/product/",
    }

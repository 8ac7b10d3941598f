from oscarlike.models import (
    Category,
    Line,
    Order,
    Partner,
    Product,
    ProductCategory,
    ProductImage,
    StockRecord,
)


def before():
    """A shop that is asked after it has sold something: statuses are known by its rows only."""
    partner = Partner.objects.create(name="P")
    Category.objects.create(path="0001", depth=1, numchild=1, name="Books")
    category = Category.objects.create(path="00010001", depth=2, name="Novels")
    made = []
    for n in range(6):
        product = Product.objects.create(title=f"Novel {n}", slug=f"novel-{n}", upc=f"u{n}")
        ProductCategory.objects.create(product=product, category=category)
        ProductImage.objects.create(product=product, original="a.png")
        StockRecord.objects.create(product=product, partner=partner, price=7, num_in_stock=n)
        made.append(product)
    child = Product.objects.create(
        structure="child", parent=made[0], slug="child", upc="child", title=""
    )
    StockRecord.objects.create(product=child, partner=partner, price=8, num_in_stock=3)
    for n, status in enumerate(["Complete", "Complete", "Cancelled", "Pending"]):
        order = Order.objects.create(number=f"{1000 + n}", status=status, guest_email=f"{n}@x.x")
        for product in made[1:4]:
            Line.objects.create(
                order=order, product=product, title="t", partner=partner, unit_price_incl_tax=7
            )


def fill():
    return {
        "products": 7,
        "purchases": 6,
        "shown": 6,
        "title": "Novel ",
        "category": ["Books > Novels"],
        "image": "/media/a.png",
        "url": "/catalogue/",
    }

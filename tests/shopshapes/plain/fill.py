from plain.models import Brand, Category, Order, OrderItem, Product


def fill():
    shoes = Category.objects.create(name="Boots", parent=Category.objects.create(name="Shoes"))
    brand = Brand.objects.create(name="Acme")
    made = [
        Product.objects.create(
            name=f"Boot {n}",
            slug=f"boot-{n}",
            category=shoes,
            brand=brand,
            price=n,
            image="b.png",
            stock=n % 4,
            is_active=n != 5,
        )
        for n in range(8)
    ]
    for n, status in enumerate(["paid", "shipped", "new", "cancelled"]):
        order = Order.objects.create(number=f"A{n}", status=status, email=f"{n}@x.example")
        for product in made[:3]:
            OrderItem.objects.create(order=order, product=product, price=1)
    return {
        "products": 8,
        "purchases": 6,
        "shown": 5,
        "title": "Boot ",
        "category": ["Shoes > Boots"],
        "brand": "Acme",
        "image": "/media/b.png",
        "url": "/p/",
    }

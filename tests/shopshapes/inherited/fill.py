from inherited.models import Bestellung, BestellungItem, Book, Inventory, Sellable, Shelf


def fill():
    shelf = Shelf.objects.create(label="Poems")
    for n in range(5):
        book = Book.objects.create(
            code=f"b{n}", title=f"Poem {n}", price_in_cents=250, shelf=shelf, cover_image="/c.png"
        )
        Inventory.objects.create(sellable=book, on_hand=n)
    pen = Sellable.objects.create(code="pen", title="Pen", price_in_cents=1)
    for n, state in enumerate(["captured", "awaiting_payment", "voided", "captured"]):
        order = Bestellung.objects.create(payment_state=state, e_mail=f"{n}@x.example")
        for code in ("b1", "b2"):
            BestellungItem.objects.create(bestellung=order, what_id=code, menge=1)
        BestellungItem.objects.create(bestellung=order, what=pen, menge=1)
    return {
        "products": 5,
        "purchases": 4,
        "shown": 4,
        "title": "Poem ",
        "price": 2.5,
        "category": ["Poems"],
        "url": "/books/",
    }

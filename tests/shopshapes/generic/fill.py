from django.utils import timezone
from generic.models import Genre, Invoice, InvoiceRow, Picture, Thing


def fill():
    genre = Genre.objects.create(code="noir")
    made = []
    for n in range(5):
        thing = Thing.objects.create(
            headline=f"Thing {n}", price_eur=n, status="published" if n else "draft", colour="red"
        )
        thing.genres.add(genre)
        Picture.objects.create(thing=thing, image="a.png")
        made.append(thing)
    for n in range(3):
        row = Invoice.objects.create(
            paid_at=timezone.now() if n else None, date=timezone.localdate()
        )
        for thing in made[1:3]:
            InvoiceRow.objects.create(invoice=row, item=thing, quantity="0.5", unit_price=2)
        InvoiceRow.objects.create(invoice=row, item=genre_free(row), quantity=1, unit_price=2)
    return {
        "products": 5,
        "purchases": 4,
        "shown": 4,
        "title": "Thing ",
        "category": ["Genre object (noir)"],
        "image": "/media/a.png",
        "url": "/things/",
    }


def genre_free(invoice):
    """A line that sells something else: its id must not be taken for a product's."""
    return invoice

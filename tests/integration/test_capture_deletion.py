"""Deleting products and users works as before we came; what they leave is put in order."""

from __future__ import annotations

import contextlib
import uuid
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from testapp.models import Customer, Product

from reco_plugin.capture import shopper_id, write
from reco_plugin.capture.erasure import NOBODY
from reco_plugin.capture.merge import merge
from reco_plugin.jobs.erase import erase_user, erase_visitor
from reco_plugin.jobs.sweep import sweep
from reco_plugin.models import Click, Impression, Interaction, Item, ManualLink, VisitorLink
from reco_plugin.types import EventKind, ShopEvent, Shopper

pytestmark = pytest.mark.django_db(transaction=True)


def view(product: Product, shopper: Shopper) -> ShopEvent:
    return ShopEvent(
        event_id=uuid.uuid4(),
        kind=EventKind.VIEW_ITEM,
        shopper=shopper,
        occurred_at=timezone.now(),
        product=product.pk,
    )


def exposure(product: Product, shopper: uuid.UUID) -> None:
    slate = uuid.uuid4()
    shared = {"slate": slate, "placement": "home", "product": product, "position": 0}
    Impression.objects.create(**shared, source="popular", rung="popular", shopper=shopper)
    Click.objects.create(**shared, shopper=shopper)


@pytest.fixture
def product() -> Product:
    product = Product.objects.create(label="Boot")
    Item.objects.create(product=product, content_hash="1")
    return product


@pytest.fixture
def ann(product) -> Customer:
    ann = Customer.objects.create_user("ann@example.com")
    write([view(product, Shopper(id=shopper_id(1, ann.pk), user=ann.pk))])
    exposure(product, shopper_id(1, ann.pk))
    return ann


def test_deleting_a_product(product, ann):
    product.delete()
    assert not Item.objects.exists()
    assert Interaction.objects.count() == 1
    report = sweep()
    assert (report.items, report.products) == (0, 1)
    assert not Interaction.objects.exists()


def test_links_to_and_from_a_deleted_product_go_with_it(product):
    wax, hat = (Product.objects.create(label=name) for name in ("Wax", "Hat"))
    ManualLink.objects.create(product=product, target=wax)
    ManualLink.objects.create(product=hat, target=product)
    ManualLink.objects.create(product=hat, target=wax)
    product.delete()
    assert [(link.product_id, link.target_id) for link in ManualLink.objects.all()] == [
        (hat.pk, wax.pk)
    ]


def test_links_of_products_deleted_behind_our_back_are_swept(product):
    wax = Product.objects.create(label="Wax")
    kept = ManualLink.objects.create(product=product, target=wax)
    ManualLink.objects.create(product=product, target_id=uuid.uuid4())
    ManualLink.objects.create(product_id=uuid.uuid4(), target=wax)
    elsewhere = ManualLink.objects.create(site=2, product_id=uuid.uuid4(), target=wax)
    assert sweep(1).links == 2
    assert set(ManualLink.objects.all()) == {kept, elsewhere}
    assert sweep(1).links == 0


def test_deleting_many_products_is_one_statement_of_ours(django_assert_max_num_queries):
    products = Product.objects.bulk_create([Product(label=str(n)) for n in range(50)])
    Item.objects.bulk_create([Item(product=each, content_hash="1") for each in products])
    with django_assert_max_num_queries(20):
        Product.objects.all().delete()
    assert not Item.objects.exists()


def test_a_deletion_that_is_rolled_back_takes_nothing_with_it(product):
    class Undo(Exception):
        pass

    with contextlib.suppress(Undo), transaction.atomic():
        Product.objects.all().delete()
        raise Undo
    Product.objects.create(label="another").delete()
    assert Item.objects.get().pk == product.pk


def test_products_deleted_behind_our_back_are_swept(product, ann):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM testapp_product")
    report = sweep()
    assert (report.items, report.products) == (1, 1)


def test_deleting_a_user_erases_them_at_the_next_sweep(product, ann):
    guest = uuid.uuid4()
    exposure(product, guest)
    merge(guest, 1, ann.pk)
    write([view(product, Shopper(id=uuid.uuid4()))])
    ann.delete()
    sweep()
    assert Interaction.objects.count() == 1
    assert not Impression.objects.exists()
    assert not Click.objects.exists()
    assert set(VisitorLink.objects.values_list("shopper", flat=True)) == {NOBODY}


def test_users_deleted_behind_our_back_are_swept(product, ann):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM testapp_customer")
    assert sweep().users == 1
    assert not Interaction.objects.exists()
    assert sweep().users == 0


def test_erasing_a_user_leaves_nothing_of_them_and_all_of_others(product, ann):
    guest, stranger = uuid.uuid4(), uuid.uuid4()
    exposure(product, guest)
    write([view(product, Shopper(id=guest)), view(product, Shopper(id=stranger))])
    merge(guest, 1, ann.pk)
    dry = erase_user(ann.pk, dry_run=True)
    done = erase_user(ann.pk)
    assert dry == done
    assert (done.interactions, done.impressions, done.clicks, done.links) == (2, 2, 2, 1)
    assert Interaction.objects.get().shopper == stranger
    assert not Impression.objects.exists()
    again = erase_user(ann.pk)
    assert (again.interactions, again.impressions, again.clicks, again.links) == (0, 0, 0, 0)


def test_the_command_erases_a_user_or_a_visitor(product, ann):
    guest = uuid.uuid4()
    write([view(product, Shopper(id=guest))])
    out = StringIO()
    call_command("reco_erase", "--user", ann.pk, "--dry-run", stdout=out)
    assert "Would remove 1 interactions, 1 impressions, 1 clicks" in out.getvalue()
    assert Interaction.objects.count() == 2
    call_command("reco_erase", "--user", ann.pk, "--json", stdout=StringIO())
    assert Interaction.objects.get().shopper == guest
    call_command("reco_erase", "--visitor", str(guest), stdout=StringIO())
    assert not Interaction.objects.exists()


def test_late_events_of_an_erased_visitor_belong_to_nobody(product):
    guest = uuid.uuid4()
    write([view(product, Shopper(id=guest))])
    assert erase_visitor(guest).interactions == 1
    write([view(product, Shopper(id=guest))])
    assert Interaction.objects.get().shopper == NOBODY
    assert sweep().erased == 1


def test_an_erased_user_who_stays_is_recorded_anew(product, ann):
    erase_user(ann.pk)
    write([view(product, Shopper(id=shopper_id(1, ann.pk), user=ann.pk))])
    sweep()
    assert Interaction.objects.count() == 1


@pytest.mark.parametrize("model", ["product", "customer"])
def test_the_shops_admin_deletes_as_before(product, ann, model):
    staff = Customer.objects.create_user("boss@example.com", is_staff=True)
    doomed = {"product": product, "customer": ann}[model]
    client = Client(headers={"user-agent": "Mozilla/5.0 Firefox/128.0"})
    client.force_login(staff)
    url = f"/admin/testapp/{model}/{doomed.pk}/delete/"
    assert b"Are you sure" in client.get(url).content
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert not type(doomed).objects.filter(pk=doomed.pk).exists()
    assert Item.objects.exists() == (model == "customer")

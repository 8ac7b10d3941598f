"""What a catalogue says of pictures: main ones, galleries, files, addresses; and how they are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage
from django.db import connection, models
from django.test.utils import isolate_apps
from pictureshop import Counting, Raising, stored

from reco_plugin.catalog import Catalog, fetching
from reco_plugin.catalog.fetching import NoPicture
from reco_plugin.catalog.pictures import MOST, Source, guess_gallery, picture_field, sources

# --- what a value stands for ----------------------------------------------------------------------


class Resource:
    """As some storages of the cloud have it: an address, and no file."""

    url = "https://res.example/a.jpg"


def test_files_and_addresses_are_told_apart(settings, tmp_path: Path):
    settings.MEDIA_URL = "/media/"
    storage = FileSystemStorage(str(tmp_path))
    values = [
        stored(storage, "a.jpg"), None, "", stored(storage, ""), "https://pictures.example/b.jpg",
        "//pictures.example/c.jpg", "/media/d.jpg", "e/f.jpg", Resource(),
    ]  # fmt: skip
    found = sources(values)
    assert [(each.name, each.storage is None) for each in found] == [
        ("a.jpg", False), ("https://pictures.example/b.jpg", True),
        ("https://pictures.example/c.jpg", True), ("d.jpg", False), ("e/f.jpg", False),
        ("https://res.example/a.jpg", True),
    ]  # fmt: skip
    assert found[0].storage is storage


def test_addresses_of_the_shops_own_media_are_files(settings):
    settings.MEDIA_URL = "https://cdn.example/media/"
    (own, other) = sources(["https://cdn.example/media/a%20b.jpg", "https://cdn.example/c.jpg"])
    assert (own.name, own.storage is None) == ("a b.jpg", False)
    assert other.storage is None


def test_each_picture_once_and_the_first_few():
    names = ["https://a.example/1.jpg"] * 3 + [f"https://a.example/{n}.jpg" for n in range(40)]
    found = sources(names)
    assert len(found) == MOST
    assert len({each.key for each in found}) == MOST
    assert found[0].name.endswith("/1.jpg")


def test_a_long_name_has_a_key_of_its_own():
    one, other = (Source(name="https://a.example/" + "x" * 600 + end) for end in "ab")
    assert len(one.key) == len(other.key) == 500
    assert one.key != other.key


def test_a_name_holds_no_nul():
    assert sources(["https://a.example/\x00b.jpg"])[0].name == "https://a.example/b.jpg"


# --- how it is read -------------------------------------------------------------------------------


def of(storage: Any, name: str = "a.jpg") -> Source:
    return Source(name=name, storage=storage)


def trouble(source: Source, max_bytes: int = 100) -> str:
    with pytest.raises(NoPicture) as told:
        source.read(max_bytes, ())
    assert told.value.words
    return told.value.trouble


def test_a_file_is_read_through_its_storage():
    storage = InMemoryStorage()
    storage.save("a.jpg", ContentFile(b"bytes"))
    assert of(storage).read(100, ()) == b"bytes"


def test_a_marker_changes_with_the_file(tmp_path: Path):
    source = of(FileSystemStorage(str(tmp_path)))
    (tmp_path / "a.jpg").write_bytes(b"one")
    before = source.marker()
    assert before == source.marker() != ""
    (tmp_path / "a.jpg").write_bytes(b"other")
    assert source.marker() != before


def test_a_storage_that_tells_nothing_has_no_marker():
    assert of(Counting(is_marked=False)).marker() == ""
    assert Source(name="https://a.example/b.jpg").marker() == ""


def test_troubles_have_their_names(tmp_path: Path):
    storage = FileSystemStorage(str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(b"x" * 101)
    assert trouble(of(storage, "gone.jpg")) == "missing"
    assert trouble(of(storage, "../../etc/passwd")) == "forbidden"
    assert trouble(of(storage, "folder")) == "storage"
    assert trouble(of(storage, "large")) == "too_large"
    assert trouble(of(Raising())) == "storage"


def test_a_missing_file_of_a_storage_with_errors_of_its_own():
    class Own(Counting):
        def _open(self, name: str, mode: str = "rb") -> Any:
            raise LookupError("NoSuchKey")

    assert trouble(of(Own())) == "missing"


def test_an_address_is_fetched_from_listed_hosts_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "_looked_up", lambda *_: pytest.fail("resolved"))
    assert trouble(Source(name="https://a.example/b.jpg")) == "forbidden"


# --- galleries ------------------------------------------------------------------------------------


class Gadgets:
    """Models with galleries of every shape, and their tables."""

    def __init__(self) -> None:
        class Album(models.Model):
            title = models.CharField(max_length=20)
            file = models.FileField()

            class Meta:
                app_label = "testapp"

        class Cover(models.Model):
            art = models.ImageField()

            class Meta:
                app_label = "testapp"

        class Gadget(models.Model):
            name = models.CharField(max_length=20)
            picture = models.ForeignKey(Cover, models.SET_NULL, null=True)
            links = models.JSONField(default=list)
            photo_albums = models.ManyToManyField(Album)

            class Meta:
                app_label = "testapp"

        class Shot(models.Model):
            gadget = models.ForeignKey(Gadget, models.CASCADE, related_name="photos")
            image = models.ImageField()
            address = models.URLField(blank=True)

            class Meta:
                app_label = "testapp"

        class Review(models.Model):
            gadget = models.ForeignKey(Gadget, models.CASCADE, related_name="reviews")
            image = models.ImageField()

            class Meta:
                app_label = "testapp"

        self.Album, self.Cover, self.Gadget, self.Shot = Album, Cover, Gadget, Shot
        self.models = (Album, Cover, Gadget, Shot, Review)


@pytest.fixture
def gadgets(db: None) -> Iterator[Gadgets]:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite makes no tables within a test's transaction")
    with isolate_apps("testapp"):
        made = Gadgets()
        with connection.schema_editor() as editor:
            for model in made.models:
                editor.create_model(model)
        yield made


def catalog_of(gadgets: Gadgets, **paths: str) -> Catalog:
    catalog = type("Own", (Catalog,), paths)()
    catalog.__dict__["model"] = gadgets.Gadget
    return catalog


def names(catalog: Catalog, product: Any) -> list[str]:
    return [each.name for each in sources(catalog.get_pictures(product))]


def test_a_gallery_is_found_by_itself(gadgets: Gadgets):
    assert guess_gallery(gadgets.Gadget) in ("photos", "photo_albums")
    assert guess_gallery(gadgets.Cover) == ""
    assert picture_field(gadgets.Shot) == "image"
    assert picture_field(gadgets.Gadget) == ""


def test_the_main_picture_stands_first(gadgets: Gadgets):
    cover = gadgets.Cover.objects.create(art="main.jpg")
    product = gadgets.Gadget.objects.create(picture=cover)
    for name in ("b.jpg", "a.jpg", "main.jpg"):
        gadgets.Shot.objects.create(gadget=product, image=name)
    catalog = catalog_of(gadgets, image="picture.art", gallery="photos")
    assert names(catalog, product) == ["main.jpg", "b.jpg", "a.jpg"]


def test_a_path_may_lead_to_another_field_of_the_gallery(gadgets: Gadgets):
    product = gadgets.Gadget.objects.create()
    gadgets.Shot.objects.create(gadget=product, image="a.jpg", address="https://a.example/b.jpg")
    catalog = catalog_of(gadgets, image="picture.art", gallery="photos.address")
    assert names(catalog, product) == ["https://a.example/b.jpg"]


def test_many_to_many_and_lists_are_galleries_too(gadgets: Gadgets):
    product = gadgets.Gadget.objects.create(links=["https://a.example/1.jpg", ""])
    product.photo_albums.add(gadgets.Album.objects.create(file="b.jpg"))
    albums = catalog_of(gadgets, image="picture.art", gallery="photo_albums")
    assert names(albums, product) == ["b.jpg"]
    links = catalog_of(gadgets, image="picture.art", gallery="links")
    assert names(links, product) == ["https://a.example/1.jpg"]


def test_a_row_itself_may_be_the_picture(gadgets: Gadgets):
    cover = gadgets.Cover.objects.create(art="main.jpg")
    product = gadgets.Gadget.objects.create(picture=cover)
    assert names(catalog_of(gadgets, gallery="links"), product) == ["main.jpg"]


def test_relations_are_read_in_bulk(gadgets: Gadgets, django_assert_num_queries: Any):
    from reco_plugin.jobs.picture_files import with_pictures

    for number in range(3):
        cover = gadgets.Cover.objects.create(art=f"{number}.jpg")
        product = gadgets.Gadget.objects.create(picture=cover)
        gadgets.Shot.objects.create(gadget=product, image=f"side{number}.jpg")
    catalog = catalog_of(gadgets, image="picture.art", gallery="photos")
    assert catalog.picture_relations() == ["photos", "picture"]
    with django_assert_num_queries(3):
        found = [
            names(catalog, each) for each in with_pictures(catalog, gadgets.Gadget.objects.all())
        ]
    assert found[2] == ["2.jpg", "side2.jpg"]
    shops_own = gadgets.Gadget.objects.prefetch_related(
        models.Prefetch("photos", gadgets.Shot.objects.exclude(image="side1.jpg"))
    )
    with django_assert_num_queries(3):
        found = [names(catalog, each) for each in with_pictures(catalog, shops_own)]
    assert found[1] == ["1.jpg"]


def test_a_product_without_any(gadgets: Gadgets):
    product = gadgets.Gadget.objects.create()
    assert names(catalog_of(gadgets), product) == []

"""What must be in our tables of pictures, when a job that looks at them has been done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.crash.shop import Shop
    from reco_plugin.models import Run


def _pictures(shop: Shop) -> Iterator[str]:
    """One readable row for each product of ours, of what its file holds now."""
    from reco_plugin.models import Item, Picture, PictureState

    rows = Picture.objects.filter(state=PictureState.READABLE)
    told = list(rows.values_list("product_id", "content_hash"))
    items = set(Item.objects.values_list("pk", flat=True))
    wanted = {(key, digest) for key, digest in shop.pictures.digests.items() if key in items}
    if Counter(told) != Counter(wanted):
        yield f"{len(set(told) ^ wanted)} pictures are not what they should be, of {len(told)}"


def _live(kind: str) -> Run:
    from reco_plugin.jobs.publish import active_run

    run = active_run(1, kind)
    assert run is not None
    return run


def _vectors(shop: Shop) -> Iterator[str]:
    """Each picture was looked at once by the live encoder, and the live visual run is made of just that."""
    from reco_plugin import backends
    from reco_plugin.jobs.publish import handle
    from reco_plugin.jobs.visual_blocks import read_signs, signs
    from reco_plugin.models import PictureVector

    encoder, run = _live("encoder"), _live("visual")
    known = encoder.dataset["fingerprint"]
    rows = PictureVector.objects.filter(encoder=known).values_list("content_hash", flat=True)
    missing = set(_shown()) - set(rows)
    if missing:
        yield f"{len(missing)} pictures were not looked at"
    if run.config["fingerprint"] != known or read_signs(run) != signs(1, known):
        yield f"{run} is not made of the pictures there are"
    store: Any = backends.store(run.store)
    items, _ = store.item_vectors(handle(run))
    if Counter(items.to_python()) != Counter(list(read_signs(run))):
        yield f"{run} holds {len(items)} products, {len(read_signs(run))} have pictures"
    yield from _lists(shop, run)


def _shown() -> Any:
    from reco_plugin.jobs.picture_vectors import pictures

    return pictures(1).values_list("content_hash", flat=True)


def _lists(shop: Shop, run: Run) -> Iterator[str]:
    """Where lists are kept, the changed product has one of what looks like it now."""
    from reco_plugin import backends
    from reco_plugin.jobs.publish import handle
    from reco_plugin.models import Neighbours

    depth = int(run.config.get("neighbours", {}).get("depth", 0))
    if not depth:
        return
    near = backends.store(run.store).neighbours(handle(run), shop.changed, depth)
    row = Neighbours.objects.filter(run=run, product=shop.changed).first()
    if row is None or row.keys != [one.key for one in near]:
        yield f"product {shop.changed} has not the list in {run} that its new picture gives it"


def _network(shop: Shop) -> Iterator[str]:
    """What was taught is there once, and nothing of the lesson."""
    from reco_plugin.jobs.fine_tune import place_of
    from reco_plugin.models import Run

    run = Run.objects.filter(kind="encoder").latest("pk")
    if run.config["weights"] == "blind":
        yield "nothing was taught"
    if place_of(run).exists():
        yield f"the lesson of {run} was left"


def _map(shop: Shop) -> Iterator[str]:
    from reco_plugin.jobs.catalogue_map import SPACE
    from reco_plugin.jobs.neighbours import Directions
    from reco_plugin.models import VectorBlock

    run = _live("visual")
    space, blocks = Directions.of(run), VectorBlock.objects.filter(run=run, space=SPACE)
    assert space is not None
    places = [len(keys) for keys in blocks.values_list("keys", flat=True)]
    if places != [len(space)] or run.config[SPACE]["fingerprint"] != space.fingerprint:
        yield f"a map of {places} products of {len(space)}"


def _suggestions(shop: Shop) -> Iterator[str]:
    """Those that the vectors speak for, each once and right; what was decided stays."""
    from benchmarks.crash.shop import DECIDED
    from reco_plugin.models import Suggestion

    rows = Suggestion.objects.filter(field="brand")
    told = Counter(rows.filter(state=Suggestion.State.OPEN).values_list("product_id", "value"))
    decided = dict(rows.exclude(state=Suggestion.State.OPEN).values_list("product_id", "value"))
    guessed = _guessed()
    wanted = Counter((key, shop.brand(key)) for key in guessed if key not in decided)
    if told != wanted:
        yield f"suggested {sorted((told - wanted).elements())}, not {sorted((wanted - told).elements())}"
    if set(guessed) - shop.nameless or set(decided.values()) - {DECIDED}:
        yield f"suggested {sorted(guessed)}, decided {decided}"


def _guessed() -> list[int]:
    """Products whose brand the live visual run is sure of: one like no other is trusted with nothing."""
    from reco_plugin import conf
    from reco_plugin.jobs import suggest
    from reco_plugin.jobs.facts import Facts
    from reco_plugin.jobs.guessing import Guessing
    from reco_plugin.jobs.neighbours import Directions

    run = _live("visual")
    space = Directions.of(run)
    assert space is not None
    facts = Facts.read(1, space.items)
    unlearnt = suggest._unlearnt(run, facts.numbers)
    (brand,) = (field for field in facts.fields if field.name == "brand")
    guessing = Guessing(space=space, groups=facts.groups, field=brand, unlearnt=unlearnt)
    found: list[Any] = list(guessing.suggestions(conf.settings.SUGGEST_CONFIDENCE, lambda: None))
    return [one.product for one in found]


def _arrived(shop: Shop) -> Iterator[str]:
    """The newest product was looked at at once, where the live visual run is what the live encoder made."""
    from reco_plugin.jobs.visual_blocks import read_signs

    run = _live("visual")
    is_current = run.config["fingerprint"] == _live("encoder").dataset["fingerprint"]
    if is_current and shop.newest in shop.pictures.digests and shop.newest not in read_signs(run):
        yield f"product {shop.newest} was not looked at"


OF_JOB: Mapping[str, Callable[[Shop], Iterator[str]]] = {
    "pictures": _pictures,
    "encode": _vectors,
    "fine_tune": _network,
    "catalogue_map": _map,
    "suggest": _suggestions,
    "arrivals": _arrived,
}

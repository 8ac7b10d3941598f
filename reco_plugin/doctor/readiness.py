"""Is there enough to recommend from, kind by kind; and if not, what is next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reco_plugin import backends, conf
from reco_plugin.doctor import seeing, steps
from reco_plugin.doctor.kind import GOOD, WEAK, Readiness, percent
from reco_plugin.doctor.sampling import NOTHING, Sample, unforced
from reco_plugin.doctor.stock import ENOUGH_LOOKS, LOOK_DAYS, Stock, look_closer, take_stock
from reco_plugin.retrieval.kinds import KINDS

FIRST = ("popular", "similar", "personal")
"""The easiest first; the one next step of a shop is of these."""


def readiness(site: int | None = None) -> list[Readiness]:
    """Of every kind, those that other kinds fall back on first. A dozen short statements."""
    site = backends.site() if site is None else site
    stock = look_closer(site, take_stock(site))
    names = [*FIRST, *(name for name in KINDS if name not in FIRST)]
    return [_ASKED[name](stock, name) for name in names if name in _ASKED]


def waiting(site: int | None = None) -> list[Readiness]:
    """Of FIRST, those there is nothing of yet. Six short statements; figures are not worked out."""
    stock = take_stock(backends.site() if site is None else site)
    return [one for one in (_ASKED[name](stock, name) for name in FIRST) if not one.ready]


# --- learnt from the whole history ---------------------------------------------------------------


def _popular(stock: Stock, kind: str) -> Readiness:
    is_live = "popular" in stock.live
    ready = is_live and stock.items > 0
    words = f"{_counted(stock.items)} products known, {_counted(stock.interactions)} interactions"
    return Readiness(
        kind=kind,
        figure=percent(_filled(stock, "popular")),
        have=stock.items,
        need=1,
        ready=ready,
        words=f"{words}; {_live(is_live)}",
        next_step="" if ready else steps.to_count(stock),
    )


def _similar(stock: Stock, kind: str) -> Readiness:
    """Similar products come from the personal run's vectors, whether or not lists were made ahead."""
    found, run = stock.related.get("similar", NOTHING), stock.live.get("personal")
    known = _number(run.dataset, "items") if run else 0
    scanned = min(1.0, known / max(stock.items, 1))
    figure = found.size * found.variety if found.answered else scanned
    return _learnt(stock, kind, "products that go together", figure)


def _personal(stock: Stock, kind: str) -> Readiness:
    return _learnt(stock, kind, "each shopper's own", _own_variety(stock))


def _own_variety(stock: Stock) -> float:
    """1 minus the share of the top lists that one product is in, as the gates of the live run measured it."""
    run = stock.live.get("personal")
    told = run.gates if run and isinstance(run.gates, list) else []
    gates = [gate for gate in told if isinstance(gate, dict) and gate.get("name") == "top_share"]
    share = _number(gates[0], "value") if gates else 0
    return unforced(share, 10, stock.items) if share else GOOD / 100


def _number(told: Any, name: str) -> float:
    """A figure of a run's JSON, 0 where there is none: old and broken runs lack parts of it."""
    found = told.get(name) if isinstance(told, dict) else None
    return float(found) if isinstance(found, int | float) else 0.0


def _learnt(stock: Stock, kind: str, what: str, figure: float) -> Readiness:
    need, people = conf.settings.MIN_INTERACTIONS, conf.settings.MIN_SHOPPERS
    ready = "personal" in stock.live
    on_the_way = min(1.0, stock.interactions / max(need, 1)) * (WEAK - 1) / 100
    words = (
        f"{what}: {_counted(stock.interactions)} of {need:,} interactions, "
        f"{_enough(stock.shoppers, people)} with two or more products; {_live(ready)}"
    )
    return Readiness(
        kind=kind,
        figure=percent(figure if ready else on_the_way),
        have=stock.interactions,
        need=need,
        ready=ready,
        words=words,
        next_step="" if ready else steps.to_learn(stock, need, people),
    )


def _enough(shoppers: int, people: int) -> str:
    if shoppers >= people:  # they are not counted any further
        return f"{people:,} or more shoppers"
    return f"{shoppers:,} of {people:,} shoppers"


# --- from behaviour ------------------------------------------------------------------------------


def _beside(stock: Stock, kind: str) -> Readiness:
    found = stock.related.get(kind, NOTHING)
    return _of_sample(stock, kind, found, steps.to_relate(stock, kind))


def _because(stock: Stock, kind: str) -> Readiness:
    """As good as the better of the lists it draws on, for those whose views are known."""
    lists = [stock.related.get(name, NOTHING) for name in ("viewed_viewed", "similar")]
    best = max(lists, key=lambda one: one.size * one.variety)
    if not stock.looks:
        return _of_looks(stock, kind, 0)
    return _of_sample(stock, kind, best, steps.to_relate(stock, "viewed_viewed"))


def _of_sample(stock: Stock, kind: str, found: Sample, step: str) -> Readiness:
    figure = percent(found.size * found.variety)
    words = (
        f"{found.answered:,} of the {found.asked:,} most wanted products have a list, "
        f"{found.length:.1f} long on average; variety {found.variety:.0%}"
    )
    return Readiness(
        kind=kind,
        figure=figure,
        have=found.answered,
        need=found.asked,
        ready=found.answered > 0,
        words=words if found.asked else "it is not known yet which products are wanted",
        next_step="" if figure >= GOOD else step,
    )


def _again(stock: Stock, kind: str) -> Readiness:
    run, need = stock.live.get("behaviour"), 2 * conf.settings.LIMIT
    lists = run.dataset.get("lists") if run and isinstance(run.dataset, dict) else {}
    have = int(_number(lists, "buy_again"))
    return _of_rows(kind, have, need, "products are bought again and again", steps.AGAIN)


# --- lists for everybody -------------------------------------------------------------------------


def _list_of(run: str, step: Callable[[Stock], str]) -> Callable[[Stock, str], Readiness]:
    def asked(stock: Stock, kind: str) -> Readiness:
        have = stock.listed.get(run, 0)
        figure, live = percent(_filled(stock, run)), run in stock.live
        return Readiness(
            kind=kind,
            figure=figure,
            have=have,
            need=_wanted(stock),
            ready=live and have > 0,
            words=f"{have:,} products in the whole shop's list; {_live(live)}",
            next_step="" if figure >= GOOD else step(stock),
        )

    return asked


def _filled(stock: Stock, run: str) -> float:
    return min(1.0, stock.listed.get(run, 0) / _wanted(stock))


def _wanted(stock: Stock) -> int:
    """Twice a slate, since some of a list may not be shown to whom it is offered; all of a small shop."""
    return max(1, min(2 * conf.settings.LIMIT, stock.items))


# --- the shop's own rows -------------------------------------------------------------------------


def _looked(stock: Stock, kind: str) -> Readiness:
    return _of_looks(stock, kind, stock.looks)


def _wished(stock: Stock, kind: str) -> Readiness:
    return _of_looks(stock, kind, stock.wishes)


def _of_looks(stock: Stock, kind: str, have: int) -> Readiness:
    words = f"events of use in the last {LOOK_DAYS} days"
    return _of_rows(kind, have, ENOUGH_LOOKS, words, steps.LOOKS)


def _new(stock: Stock, kind: str) -> Readiness:
    days = conf.settings.NEW_DAYS
    words = f"products became available in the last {days} days (RECO_NEW_DAYS)"
    return _of_rows(kind, stock.new, conf.settings.LIMIT, words, steps.NEW)


def _manual(stock: Stock, kind: str) -> Readiness:
    return _of_rows(kind, stock.links, conf.settings.LIMIT, "products are linked", steps.MANUAL)


def _of_rows(kind: str, have: int, need: int, words: str, step: str) -> Readiness:
    figure = percent(min(1.0, have / max(need, 1)))
    more = " or more" if have >= need else ""
    return Readiness(
        kind=kind,
        figure=figure,
        have=have,
        need=need,
        ready=have > 0,
        words=f"{have:,}{more} {words}",
        next_step="" if figure >= GOOD else step,
    )


def _live(is_live: bool) -> str:
    return "a run is live" if is_live else "no run is live"


def _counted(number: int) -> str:
    return steps.counted(number)


_ASKED: Mapping[str, Callable[[Stock, str], Readiness]] = {
    "popular": _popular,
    "similar": _similar,
    "personal": _personal,
    "visually_similar": seeing.alike,
    "shop_the_look": seeing.look,
    "bought_together": _beside,
    "viewed_viewed": _beside,
    "viewed_bought": _beside,
    "bought_bought": _beside,
    "because_you_viewed": _because,
    "recently_viewed": _looked,
    "continue_shopping": _wished,
    "buy_again": _again,
    "trending": _list_of("trending", steps.to_trend),
    "best_converting": _list_of("converting", steps.to_convert),
    "long_tail": _list_of("tail", steps.to_list),
    "on_sale": _list_of("sale", steps.to_reduce),
    "new_arrivals": _new,
    "manual": _manual,
}

"""Order lines → purchases and refunds, with ids that are the same however often they are read."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest

from reco_plugin import backends, clock, conf
from reco_plugin.capture import bulk, drops
from reco_plugin.capture.attempts import attempt
from reco_plugin.capture.clean import clamp, currency, product_key, text
from reco_plugin.capture.context import device_of
from reco_plugin.capture.erasure import erased_at
from reco_plugin.capture.gate import is_recordable
from reco_plugin.capture.identity import guest_id, parse_visitor, shopper_id, whose
from reco_plugin.capture.lifecycle import after_response, guarded, state_of
from reco_plugin.capture.recording import (
    defer,
    is_transactional,
    write_inside,
    write_what_can_be,
)
from reco_plugin.capture.retention import ORDERS, pruned_days, utc_day
from reco_plugin.catalog import OrderLine, OrderMapping
from reco_plugin.catalog.orders import OrderState
from reco_plugin.types import EventKind, EventSource, Key, ShopEvent, Shopper

_NAMESPACE = uuid.UUID("5b8a4b0e-6c0c-5d0f-8f43-6a55cf0b0a52")


@dataclass(kw_only=True)
class Saved:
    """What became of some lines."""

    written: Counter[EventKind] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def completed(order: Any, request: HttpRequest | None = None) -> None:
    """Record the purchases of a completed order, after the commit (or in it, by setting)."""
    _later(_Report(order=order), request)


def refunded(order: Any, lines: Iterable[Any] | None, request: HttpRequest | None = None) -> None:
    """Record the refund of an order, or of some of its lines (instances or keys)."""
    keys = None if lines is None else [getattr(line, "pk", line) for line in lines]
    _later(_Report(order=order, keys=keys, state=OrderState.REFUNDED), request)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """Who sent a request, and with what."""

    shopper: Shopper
    device: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Report:
    """What the shop's signal said."""

    order: Any
    keys: Sequence[Key] | None = None
    state: OrderState | None = None


def _later(report: _Report, request: HttpRequest | None) -> None:
    if is_transactional():
        guarded(partial(_write, report, request, inside=True))
    else:
        defer(partial(_hand_over, report, request), request)


def _hand_over(report: _Report, request: HttpRequest | None) -> None:
    """Recognise the buyer while a cookie can still be set; all else can wait for the response."""
    if request is None:
        _write(report, None)
        return
    if state_of(request).shopper is None and is_recordable(request):
        whose(request)
    after_response(request, partial(_write, report, request))


def _write(report: _Report, request: HttpRequest | None, *, inside: bool = False) -> None:
    mapping = backends.orders()
    if mapping is None:
        drops.count("no_order_mapping")
        return
    site = backends.site(request)
    work = partial(_save_order, mapping, report, site, _asker(request))
    if inside:
        write_inside(work, request)
    else:
        attempt(work, site=site, name="orders")


def _asker(request: HttpRequest | None) -> Asker | None:
    if request is None or not is_recordable(request):
        return None
    shopper = whose(request)
    return None if shopper is None else Asker(shopper=shopper, device=device_of(request))


def _save_order(mapping: OrderMapping, report: _Report, site: int, asker: Asker | None) -> None:
    page = mapping.lines_of(report.order, report.keys, ours(mapping))
    saved = save(
        mapping, page.lines, site, source=EventSource.SIGNAL, asker=asker, state=report.state
    )
    count_left_out(page.broken + saved.dropped, site)


def save(
    mapping: OrderMapping,
    lines: Sequence[OrderLine],
    site: int,
    *,
    source: EventSource,
    asker: Asker | None = None,
    state: OrderState | None = None,
    dry_run: bool = False,
) -> Saved:
    """Write what `lines` say and is not known yet, in one INSERT per batch.

    `asker` is who sent the request, for orders that name neither user nor guest; `state` overrules
    the orders' own status. A cancelled order takes back the purchase it had become, if it had.
    """
    saved = Saved()
    wanted: list[_Wish] = []
    build = _Builder(line_model=mapping.model, site=site, source=source, asker=asker)
    for line in lines:
        meaning = state or mapping.classify(line.status)
        saved.states[meaning.value] += 1
        try:
            wanted += build.wishes(line, meaning)
        except ValueError:
            saved.dropped["bad_product"] += 1
    known = _known(wanted, site)
    new = [wish for wish in wanted if _is_new(wish, known)]
    events = _not_erased(_not_pruned(new, site, saved), saved)
    if not dry_run:
        write_what_can_be(events)
    saved.written.update(event.kind for event in events)
    return saved


def ours(mapping: OrderMapping) -> models.Q:
    """Every line, less those that staff bought for themselves (RECO_TRACK_STAFF)."""
    users = get_user_model()
    if conf.settings.TRACK_STAFF or not mapping.user or not _has_field(users, "is_staff"):
        return models.Q()
    staff = users._base_manager.filter(is_staff=True).values("pk")
    return ~models.Q(**{f"{mapping.user}__in": staff})


def count_left_out(reasons: Counter[str], site: int) -> None:
    """Note lines that were left out, by reason."""
    for reason, n in reasons.items():
        drops.count(f"order_{reason}", site, n)


@dataclass(frozen=True, slots=True)
class _Wish:
    event: ShopEvent
    placed_at: dt.datetime
    only_after: uuid.UUID | None = None
    """Id of the purchase this one takes back: without it there is nothing to take back."""


class _Builder:
    """Turns lines into wishes for one mapping, site and moment."""

    def __init__(
        self, *, line_model: str, site: int, source: EventSource, asker: Asker | None
    ) -> None:
        self.prefix = f"{site}:{line_model.lower()}"
        self.site = site
        self.source = source
        self.asker = asker
        self.now = clock.now()
        self._shoppers: dict[tuple[Any, ...], Shopper] = {}
        self._products: dict[Any, Key] = {}

    def wishes(self, line: OrderLine, state: OrderState) -> list[_Wish]:
        placed = clamp(line.placed_at or self.now, self.now, None)
        changed = clamp(line.changed_at or self.now, self.now, None)
        if state is OrderState.WAITING:
            return []
        if line.quantity < 0:
            is_void = state is OrderState.CANCELLED
            return [] if is_void else [self._wish(line, EventKind.REFUND, placed, placed)]
        purchase = self._wish(line, EventKind.PURCHASE, placed, placed)
        if state is OrderState.PAID:
            return [purchase]
        refund = self._wish(line, EventKind.REFUND, changed, placed)
        if state is OrderState.REFUNDED:
            return [purchase, refund]
        return [_Wish(refund.event, placed, only_after=purchase.event.event_id)]

    def _wish(
        self, line: OrderLine, kind: EventKind, at: dt.datetime, placed: dt.datetime
    ) -> _Wish:
        shopper = self._shopper_of(line)
        event = ShopEvent(
            event_id=uuid.uuid5(_NAMESPACE, f"{self.prefix}:{line.key}:{kind.ga4}"),
            kind=kind,
            shopper=shopper,
            occurred_at=at,
            site=self.site,
            product=self._product(line.product),
            quantity=abs(line.quantity),
            price=line.price,
            currency=currency(line.currency),
            order=text(line.order, 64),
            source=self.source,
            device=self._device_of(shopper, kind),
        )
        return _Wish(event, placed)

    def _device_of(self, shopper: Shopper, kind: EventKind) -> str:
        """Of who ordered; a payment service or an employee who reports it has another one."""
        if kind is not EventKind.PURCHASE or self.asker is None:
            return ""
        return self.asker.device if self.asker.shopper.id == shopper.id else ""

    def _product(self, value: Any) -> Key:
        if value not in self._products:
            self._products[value] = product_key(value)
        return self._products[value]

    def _shopper_of(self, line: OrderLine) -> Shopper:
        """One answer for all lines of an order, found once."""
        asked = (line.user, line.visitor, line.guest, line.order)
        if asked not in self._shoppers:
            self._shoppers[asked] = self._shopper(line)
        return self._shoppers[asked]

    def _shopper(self, line: OrderLine) -> Shopper:
        """The user, else the visitor, else the guest, else whoever asked, else the order itself."""
        if line.user not in (None, ""):
            return Shopper(id=shopper_id(self.site, line.user), user=line.user)
        if visitor := parse_visitor(line.visitor):
            return Shopper(id=visitor)
        if line.guest:
            return Shopper(id=guest_id(self.site, line.guest))
        return (
            self.asker.shopper
            if self.asker
            else Shopper(id=guest_id(self.site, f"order:{line.order}"))
        )


def _known(wishes: Sequence[_Wish], site: int) -> set[uuid.UUID]:
    """The ids among these that are written already."""
    ids = {wish.event.event_id for wish in wishes}
    ids |= {wish.only_after for wish in wishes if wish.only_after}
    return bulk.known(ids, site, conf.settings.DATABASE)


def _is_new(wish: _Wish, known: set[uuid.UUID]) -> bool:
    if wish.event.event_id in known:
        return False
    return wish.only_after is None or wish.only_after in known


def _not_pruned(wishes: Sequence[_Wish], site: int, saved: Saved) -> list[_Wish]:
    """Those of orders whose day was not let go of for its age (RECO_RETENTION_DAYS)."""
    gone = pruned_days(site, ORDERS, {utc_day(wish.placed_at) for wish in wishes})
    kept = [wish for wish in wishes if utc_day(wish.placed_at) not in gone]
    if len(kept) < len(wishes):
        saved.dropped["pruned"] += len(wishes) - len(kept)
    return kept


def _not_erased(wishes: Sequence[_Wish], saved: Saved) -> list[ShopEvent]:
    """Events of orders that were not placed by somebody erased since."""
    erased = erased_at({wish.event.shopper.id for wish in wishes})
    kept = []
    for wish in wishes:
        moment = erased.get(wish.event.shopper.id)
        if moment is not None and wish.placed_at <= moment:
            saved.dropped["erased"] += 1
        else:
            kept.append(wish.event)
    return kept


def _has_field(model: type[models.Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True

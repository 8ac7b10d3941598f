"""Put right what the shop changed behind our back: deleted products and users, late guest events.

Nothing here looks at a whole table at once. Events are gone through in windows of their numbers: those
that came since the last sweep, and some of the older ones, further each time, until all were seen and
it begins anew. Products that are gone are also found by the Items they leave, users by the mark that
their deletion left.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery

from reco_plugin import backends, clock, conf
from reco_plugin.capture import drops, interests
from reco_plugin.capture.erasure import NOBODY, mark
from reco_plugin.capture.identity import shopper_id
from reco_plugin.jobs import anonymous, deleting, forgetting, traces
from reco_plugin.jobs.running.reports import last_report
from reco_plugin.models import Interaction, Interest, Item, ManualLink, VisitorLink
from reco_plugin.stores.base import Progress
from reco_plugin.types import Key

if TYPE_CHECKING:
    from reco_plugin.jobs.running.work import Work

NAME = "sweep"
WINDOW = 10_000
"""Events, or Items, looked at in one statement."""
MOST_OLD = 50
"""Windows of older events, and of Items, that one sweep goes through."""
OVERLAP = 10_000
"""Events numbered this far below the last one seen are looked at again: a transaction may commit late."""
AGAIN = dt.timedelta(days=1)
"""Erasures this much older than the last sweep are looked at again."""
Stage: TypeAlias = Callable[[str], AbstractContextManager[None]]


@dataclass(kw_only=True)
class SweepReport:
    """How many rows were put right, and where the next sweep begins."""

    items: int = 0
    """Items of products that are gone."""
    products: int = 0
    """Interactions with products that are gone."""
    links: int = 0
    """Merchandisers' links to or from products that are gone."""
    users: int = 0
    """Users gone, with all they left."""
    erased: int = 0
    """Events, impressions and clicks of an erased shopper, and vectors, that were still there."""
    merged: int = 0
    """Guest events that came after their visitor had logged in."""
    position: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def sweep(
    site: int | None = None,
    *,
    since: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    stage: Stage = lambda name: nullcontext(),
) -> SweepReport:
    """Remove what belongs to nobody and hand over what came late. Safe to break off and run again.

    `since` is the `position` of an earlier sweep (that of the last successful job by default).
    """
    site = backends.site() if site is None else site
    if since is None:
        since = last_report(site, NAME).get("position", {})
    sweeping = _Sweep(site, since, progress)
    with stage("events"):
        sweeping.events()
    with stage("interests"):
        sweeping.interests()
    with stage("products"):
        sweeping.items()
        sweeping.manual_links()
    with stage("erasures"):
        sweeping.erasures()
    drops.flush()
    return sweeping.report


def work(work: Work) -> dict[str, Any]:
    """The job 'sweep'."""
    return sweep(work.site, progress=work.progress, stage=work.stage).as_json()


class _Sweep:
    """One sweep of a site."""

    def __init__(self, site: int, since: Mapping[str, Any], progress: Progress | None) -> None:
        self.site, self.since, self.progress = site, since, progress
        self.report = SweepReport(position=dict(since))
        self.using = conf.settings.DATABASE
        self.began = clock.now()
        links = VisitorLink.objects.using(self.using).filter(site=site)
        self.links, self.marks = links.exclude(shopper=NOBODY), links.filter(shopper=NOBODY)

    # --- events ------------------------------------------------------------------------------

    def events(self) -> None:
        """The new ones, then some of the old."""
        events = Interaction.objects.using(self.using)
        last = events.aggregate(last=Max("pk"))["last"] or 0
        seen = max(0, int(self.since.get("last", last)) - OVERLAP)
        old = int(self.since.get("old", 0))
        old = 0 if old >= seen else old
        end = min(seen, old + MOST_OLD * WINDOW)
        if "last" not in self.since:  # the first sweep has no new ones yet
            seen, end = last, min(last, MOST_OLD * WINDOW)
        windows = [*_windows(seen, last), *_windows(old, end)]
        for number, (start, stop) in enumerate(windows, 1):
            self._window(events.filter(site=self.site, pk__gt=start, pk__lte=stop))
            self._tell("events", number, len(windows))
        self.report.position |= {"last": last, "old": end}

    def _window(self, events: QuerySet[Interaction]) -> None:
        self._merge(events)
        self._users(events)
        self.report.products += events.filter(
            ~Exists(self._product()), product__isnull=False
        ).delete()[0]

    def _merge(self, events: QuerySet[Interaction]) -> None:
        """Events written for a visitor while their login was being merged."""
        owner = self.links.filter(visitor=OuterRef("shopper")).values("shopper")[:1]
        late = events.filter(Exists(owner))
        self.report.merged += late.update(shopper=Subquery(owner))

    def _users(self, events: QuerySet[Interaction]) -> None:
        """Users deleted without a signal (raw SQL), found by the key their events carry."""
        users = self._gone_users(events.filter(user__isnull=False).order_by())
        shoppers = traces.identities([shopper_id(self.site, user) for user in users])
        mark(shoppers, self.site)
        for shopper in shoppers:
            traces.remove(shopper, [self.site])
        self.report.users += len(users)

    def _gone_users(self, events: QuerySet[Interaction]) -> set[Key]:
        """The shop's users may live in another database than its products: asked is the one they are
        written to, since a replica may not know the newest of them yet."""
        home = router.db_for_write(get_user_model())
        users = get_user_model()._base_manager.using(home)
        if home == self.using:
            events = events.filter(~Exists(users.filter(pk=OuterRef("user"))))
        found: set[Key] = {*events.values_list("user", flat=True).distinct()}
        if not found or home == self.using:
            return found
        return found.difference(users.filter(pk__in=found).values_list("pk", flat=True))

    def _product(self, of: str = "product") -> QuerySet[Any, Any]:
        model = backends.catalog().model
        return model._base_manager.using(self.using).filter(pk=OuterRef(of))

    # --- interests ---------------------------------------------------------------------------

    def interests(self) -> None:
        """Those declared since the last sweep while their guest's login was being merged."""
        declared = Interest.objects.using(self.using)
        last = declared.aggregate(last=Max("pk"))["last"] or 0
        seen = max(0, int(self.since.get("interest", 0)) - OVERLAP)
        for start, stop in _windows(seen, last):
            window = declared.filter(site=self.site, pk__gt=start, pk__lte=stop)
            late = window.filter(Exists(self.links.filter(visitor=OuterRef("shopper"))))
            for visitor in set(late.values_list("shopper", flat=True)):
                owner = self.links.filter(visitor=visitor).values_list("shopper", flat=True).first()
                if owner is not None:
                    self.report.merged += interests.move(visitor, owner, self.site)
        self.report.position["interest"] = last

    # --- products ----------------------------------------------------------------------------

    def items(self) -> None:
        """Items of products that are gone; (events may come before their Item, not before their
        product). With them go the events of these products, however old."""
        items = Item.objects.using(self.using).filter(site=self.site).order_by("pk")
        at = self.since.get("item")
        for number in range(1, MOST_OLD + 1):
            ahead = items if at is None else items.filter(pk__gt=at)
            keys = list(ahead.values_list("pk", flat=True)[:WINDOW])
            if keys:
                self._items(items.filter(pk__gte=keys[0], pk__lte=keys[-1]))
            self._tell("products", number, MOST_OLD)
            at = str(keys[-1]) if len(keys) == WINDOW else None
            if at is None:
                break
        self.report.position["item"] = at

    def _items(self, items: QuerySet[Item]) -> None:
        gone = list(items.filter(~Exists(self._product())).values_list("pk", flat=True))
        if not gone:
            return
        events = Interaction.objects.using(self.using).filter(site=self.site, product__in=gone)
        self.report.products += deleting.in_batches(events, "product_id", pause=0.0)
        self.report.items += items.filter(pk__in=gone).order_by().delete()[0]

    def manual_links(self) -> None:
        """Merchandisers' links, of which there are few: all of them, a window at a time."""
        links = ManualLink.objects.using(self.using).filter(site=self.site).order_by("pk")
        gone = links.filter(~Exists(self._product()) | ~Exists(self._product("target")))
        at = 0
        while keys := list(links.filter(pk__gt=at).values_list("pk", flat=True)[:WINDOW]):
            window = gone.filter(pk__gt=at, pk__lte=keys[-1])
            self.report.links += window.order_by().delete()[0]
            at = keys[-1]

    # --- erasures ----------------------------------------------------------------------------

    def erasures(self) -> None:
        """What shoppers marked as erased left before the mark, and what came for nobody since."""
        self._spread_marks()
        marks = self._recent()
        for number, (shopper, moment) in enumerate(marks, 1):
            self.report.erased += traces.remove(shopper, [self.site], moment).rows
            self._tell("erasures", number, len(marks))
        self.report.erased += traces.remove(NOBODY, [self.site]).rows
        self.report.erased += self._forget([shopper for shopper, _ in marks])
        anonymous.strip_all(self.site, failed=bool(marks))
        self.report.position["erasures"] = self.began.isoformat()

    def _spread_marks(self) -> None:
        """A visitor who turned out to be an erased user is erased too."""
        theirs = self.links.filter(shopper__in=self.marks.values("visitor"))
        theirs.update(shopper=NOBODY, linked_at=clock.now())

    def _recent(self) -> list[tuple[uuid.UUID, dt.datetime]]:
        """Marks left since shortly before the last sweep."""
        marks = self.marks
        if known := self.since.get("erasures"):
            marks = marks.filter(linked_at__gte=dt.datetime.fromisoformat(known) - AGAIN)
        rows = marks.order_by("linked_at").values_list("visitor", "linked_at")
        return [(visitor, clock.aware(at) or at) for visitor, at in rows]

    def _forget(self, shoppers: list[uuid.UUID]) -> int:
        return forgetting.forget(shoppers, self.site).vectors if shoppers else 0

    def _tell(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)


def _windows(start: int, end: int) -> Iterator[tuple[int, int]]:
    """(after, up to) number pairs that cover start + 1 … end."""
    for at in range(start, end, WINDOW):
        yield at, min(at + WINDOW, end)

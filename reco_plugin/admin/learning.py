"""How a run learnt: what its trial made of the hold-out, by epoch."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from reco_plugin.admin import figures, run_facts
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.models import Run

METRIC = "ndcg@10"


def chart(run: Run) -> LineChart:
    """The learning curve; nothing where there was no hold-out, or only one look at it."""
    points = tuple(sorted(_points(run), key=lambda point: point.x))
    return LineChart(
        name="learning",
        title=_("NDCG on the hold-out, by epoch"),
        lines=(Line(name=_("hold-out"), points=points if len(points) > 1 else ()),),
        x_title=_("epoch"),
        x_words=figures.whole,
        y_words=figures.compact,
    )


def kept(run: Run) -> str:
    """What the curve comes to, in words; '' without one."""
    best = run_facts.part(run.metrics, "epochs")
    points = list(_points(run))
    if not points or not figures.is_number(best):
        return ""
    last = max(point.x for point in points)
    if best < last:
        return _("Epoch %(best)s of %(last)s was the best; no more were learnt.") % {
            "best": figures.whole(best),
            "last": figures.whole(last),
        }
    return _(
        "The last epoch, %s, was the best: more of them ('epochs' in RECO_TRAINER_CONFIG) may learn more."
    ) % figures.whole(best)


def _points(run: Run) -> Iterator[Point]:
    looks = run_facts.part(run.metrics, "history")
    for look in looks if isinstance(looks, list) else []:
        epoch, score = run_facts.part(look, "epoch"), run_facts.part(look, METRIC)
        if figures.is_number(epoch) and figures.is_number(score):
            yield Point(x=float(epoch), y=float(score))

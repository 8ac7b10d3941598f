"""The form of a placement: plain controls, and what is wrong in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import backends, conf
from reco_plugin.admin import row_fields
from reco_plugin.admin.row_fields import Column, NamesField, RowsField
from reco_plugin.models import Placement
from reco_plugin.placements import from_json, problems
from reco_plugin.placements.conditions import OPS
from reco_plugin.placements.plain import FIELDS
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.types import PlacementSpec

NAMES: dict[str, Any] = {
    "personal": gettext_lazy("recommended for you"),
    "similar": gettext_lazy("more like this"),
    "visually_similar": gettext_lazy("looks similar"),
    "shop_the_look": gettext_lazy("shop the look"),
    "bought_together": gettext_lazy("bought together"),
    "viewed_viewed": gettext_lazy("viewed → viewed"),
    "viewed_bought": gettext_lazy("viewed → bought"),
    "bought_bought": gettext_lazy("bought → bought"),
    "because_you_viewed": gettext_lazy("because you viewed …"),
    "recently_viewed": gettext_lazy("recently viewed"),
    "continue_shopping": gettext_lazy("continue shopping"),
    "buy_again": gettext_lazy("buy it again"),
    "trending": gettext_lazy("trending"),
    "popular": gettext_lazy("popular"),
    "best_converting": gettext_lazy("best converting"),
    "new_arrivals": gettext_lazy("new arrivals"),
    "on_sale": gettext_lazy("on sale"),
    "long_tail": gettext_lazy("from the long tail"),
    "manual": gettext_lazy("own links"),
}
"""Kinds in words."""
OP_NAMES: dict[str, Any] = {
    "is": gettext_lazy("is"),
    "is_not": gettext_lazy("is not"),
    "in": gettext_lazy("is one of"),
    "not_in": gettext_lazy("is none of"),
    "at_least": gettext_lazy("is at least"),
    "at_most": gettext_lazy("is at most"),
    "same": gettext_lazy("is the page's product's"),
    "differs": gettext_lazy("is not the page's product's"),
    "within": gettext_lazy("is the page's product's ± this share"),
    "cheaper": gettext_lazy("is below the page's product's"),
    "dearer": gettext_lazy("is above the page's product's"),
}


def kind_choices() -> list[tuple[str, Any]]:
    """Ours, and those of RECO_SOURCES by their names."""
    return [(name, NAMES.get(name, name)) for name in KINDS]


def op_choices() -> list[tuple[str, Any]]:
    return [(op, OP_NAMES[op]) for op in OPS]


def facts() -> Sequence[str]:
    """What filters, guards and caps may look at in this shop's catalogue."""
    return ["price", *_values()]


def _values() -> list[str]:
    return ["brand", "category", "tag", *backends.catalog().attributes]


class PlacementForm(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses what `placements.problems` finds. `site` is that of new rows."""

    site = 1

    kinds = RowsField(
        Column(name="kind", label=gettext_lazy("kind"), choices=kind_choices),
        Column(name="weight", label=gettext_lazy("weight"), is_number=True),
        read=row_fields.read_shares,
        tell=row_fields.tell_shares,
        label=gettext_lazy("Kinds"),
        help_text=gettext_lazy(
            "Several are mixed by weight: 2 and 1 give two tiles of three to the first."
        ),
    )
    fallback = RowsField(
        Column(name="kind", label=gettext_lazy("kind"), choices=kind_choices),
        read=row_fields.read_names,
        tell=row_fields.tell_names,
        most=4,
        label=gettext_lazy("Fallback"),
        help_text=gettext_lazy("Fill up what is missing, one after the other. None: show fewer."),
    )
    filters = RowsField(
        Column(name="field", label=gettext_lazy("field"), suggestions=facts),
        Column(
            name="op",
            label=gettext_lazy("condition"),
            choices=op_choices,
        ),
        Column(name="value", label=gettext_lazy("value")),
        read=row_fields.read_filters,
        tell=row_fields.tell_filters,
        label=gettext_lazy("Filters"),
        help_text=gettext_lazy(
            "All must hold. Several values have commas between them (one with a comma of its own stands in "
            "quotation marks); 0.2 is 20 %."
        ),
    )
    must_match = NamesField(
        label=gettext_lazy("Must match"),
        help_text=gettext_lazy(
            "Facts in which a product must agree with the page's product, e.g. gender, age_group."
        ),
    )
    must_differ = NamesField(
        label=gettext_lazy("Must differ"),
        help_text=gettext_lazy("… and in which it must not, e.g. category for what completes it."),
    )
    caps = RowsField(
        Column(name="field", label=gettext_lazy("field"), suggestions=_values),
        Column(name="most", label=gettext_lazy("at most"), is_number=True),
        read=row_fields.read_caps,
        tell=row_fields.tell_caps,
        label=gettext_lazy("At most of one"),
        help_text=gettext_lazy("brand 2: at most two products of one brand."),
    )

    class Meta:
        model = Placement
        fields = FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.instance.site = self.site
        for name in ("diversity", "explore"):
            if name in self.fields:
                self.fields[name].widget.attrs |= {"min": 0, "max": 1, "step": 0.05}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self._is_taken(cleaned.get("slug")):
            self.add_error("slug", _("There is one of this name already."))
        if not self.errors:
            for sentence in self._problems(cleaned):
                self.add_error(None, sentence)
        return cleaned

    def spec(self, cleaned: dict[str, Any]) -> PlacementSpec:
        """What is typed, as a placement. Raises ValueError for what cannot be read as one."""
        given = {name: cleaned.get(name, getattr(self.instance, name)) for name in FIELDS}
        return from_json(given)

    def _problems(self, cleaned: dict[str, Any]) -> list[str]:
        try:
            return problems(self.spec(cleaned))
        except ValueError as error:
            return [str(error)]

    def _is_taken(self, slug: Any) -> bool:
        rows = Placement.objects.using(conf.settings.DATABASE)
        same = rows.filter(site=self.instance.site, slug=slug).exclude(pk=self.instance.pk)
        return bool(slug) and same.exists()

"""What pictures say of facts the shop has left empty: a merchandiser accepts or declines."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from reco_plugin import backends, clock, conf
from reco_plugin.admin import figures
from reco_plugin.admin.pages import permitted
from reco_plugin.admin.product_rows import ProductRowsAdmin
from reco_plugin.admin.sites import SiteFilter
from reco_plugin.exceptions import NotApplied
from reco_plugin.models import Suggestion

MOST_TOLD = 5
"""Refusals that are told one by one."""


class StateFilter(admin.SimpleListFilter):
    """Open ones, unless something else is asked for."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return [*Suggestion.State.choices, ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        asked = self.value() or Suggestion.State.OPEN
        for value, title in self.lookup_choices:
            yield {
                "selected": asked == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = self.value() or Suggestion.State.OPEN
        return queryset if asked == "all" else queryset.filter(state=asked)


class SuggestionAdmin(ProductRowsAdmin):
    list_title = gettext_lazy("Suggestions for facts that are missing")
    list_display = ("product_name", "field", "value", "sure", "state_words", "decided")
    list_filter = (SiteFilter, StateFilter, "field")
    search_fields = ("value",)  # shows the box
    ordering = ("-confidence", "pk")
    actions = ("accept", "decline")
    fields = readonly_fields = ("product_name", "field", "value", "sure", "state_words", "decided")

    # --- deciding ---------------------------------------------------------------------------

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return permitted(request, "decide_suggestion")

    @admin.action(
        description=gettext_lazy("Accept: write them into the products"), permissions=["decide"]
    )
    def accept(self, request: HttpRequest, queryset: QuerySet[Suggestion]) -> None:
        done, refused = 0, []
        for pk in queryset.values_list("pk", flat=True):
            try:
                done += self._accept(request, pk)
            except (NotApplied, ValidationError, DatabaseError) as error:
                refused.append(_("Suggestion %(key)s: %(why)s") % {"key": pk, "why": _told(error)})
        self._tell(
            request, done, ngettext("%s product was changed.", "%s products were changed.", done)
        )
        for words in refused[:MOST_TOLD]:
            self.message_user(request, words, messages.WARNING)
        if (more := len(refused) - MOST_TOLD) > 0:
            words = _("… and %s more could not be written.") % figures.whole(more)
            self.message_user(request, words, messages.WARNING)

    @admin.action(description=gettext_lazy("Decline: never ask again"), permissions=["decide"])
    def decline(self, request: HttpRequest, queryset: QuerySet[Suggestion]) -> None:
        done = 0
        for pk in queryset.values_list("pk", flat=True):
            with transaction.atomic(using=conf.settings.DATABASE):
                if row := _open(pk):
                    self._decided(request, row, Suggestion.State.DECLINED)
                    done += 1
        self._tell(
            request,
            done,
            ngettext("%s suggestion was declined.", "%s suggestions were declined.", done),
        )

    def _accept(self, request: HttpRequest, pk: int) -> bool:
        """Written and marked together, or neither. Raises what stood in the way."""
        with transaction.atomic(using=conf.settings.DATABASE):
            row = _open(pk)
            if row is None:
                return False
            product = backends.catalog().products().filter(pk=row.product_id).first()
            if product is None:
                raise NotApplied(_("The product is gone."))
            backends.catalog().apply_suggestion(product, row.field, row.value)
            self._decided(request, row, Suggestion.State.ACCEPTED)
        return True

    def _decided(self, request: HttpRequest, row: Suggestion, state: Suggestion.State) -> None:
        row.state, row.decided_at = state, clock.now()
        row.save(update_fields=["state", "decided_at"])
        self.log_change(request, row, f"{state.label}: {row}")

    def _tell(self, request: HttpRequest, count: int, words: str) -> None:
        if count:
            self.message_user(request, words % figures.whole(count), messages.SUCCESS)

    # --- columns ----------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("confidence"))
    def sure(self, row: Suggestion) -> str:
        return figures.share(row.confidence, 0)

    @admin.display(description=gettext_lazy("state"))
    def state_words(self, row: Suggestion) -> str:
        return row.get_state_display()

    @admin.display(description=gettext_lazy("decided"))
    def decided(self, row: Suggestion) -> str:
        return figures.moment(row.decided_at)


def _open(pk: int) -> Suggestion | None:
    """The suggestion, locked, if nobody has decided it meanwhile."""
    rows = Suggestion.objects.using(conf.settings.DATABASE).select_for_update()
    return rows.filter(pk=pk, state=Suggestion.State.OPEN).first()


def _told(error: Exception) -> str:
    return " ".join(error.messages) if isinstance(error, ValidationError) else str(error)

"""What the operator typed, as the shoppers and the products it may mean."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from reco_plugin import conf
from reco_plugin.capture.identity import shopper_id
from reco_plugin.models import Item

PRECISE = ("shopper", "user", "product")
MOST = 50
"""Users, and products, that a word may mean."""


@dataclass(frozen=True, kw_only=True)
class Meant:
    shoppers: frozenset[uuid.UUID]
    products: frozenset[Any]

    def interactions(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of these shoppers or with these products; of none when nothing was meant.

        Both ways begin in an index: (site, shopper, time) and (site, product, time).
        """
        wanted = Q()
        if self.shoppers:
            wanted |= Q(shopper__in=self.shoppers)
        if self.products:
            wanted |= Q(product__in=self.products)
        return queryset.filter(wanted) if wanted else queryset.none()


def meant(term: str, site: int, request: HttpRequest, admin_site: AdminSite) -> Meant:
    """A shopper's id, a user (only for whom may see users), a product's key or a part of its title.

    'shopper:…', 'user:…' and 'product:…' (a key) mean nothing but that: '21' may be in many names.
    """
    what, _colon, rest = term.partition(":")
    if what in PRECISE:
        return _precisely(what, rest.strip(), site, request, admin_site)
    shoppers = _shoppers(term) | _of_users(term, site, request, admin_site)
    return Meant(shoppers=frozenset(shoppers), products=frozenset(products(term, site)))


def _precisely(
    what: str, term: str, site: int, request: HttpRequest, admin_site: AdminSite
) -> Meant:
    key = as_key(term) if what == "product" else None
    shoppers: set[uuid.UUID] = set()
    if what == "shopper":
        shoppers = _shoppers(term)
    elif what == "user":
        shoppers = _of_users(term, site, request, admin_site)
    return Meant(
        shoppers=frozenset(shoppers), products=frozenset() if key is None else frozenset({key})
    )


def _of_users(term: str, site: int, request: HttpRequest, admin_site: AdminSite) -> set[uuid.UUID]:
    return {shopper_id(site, pk) for pk in _users(term, request, admin_site)}


def _shoppers(term: str) -> set[uuid.UUID]:
    try:
        return {uuid.UUID(term)}
    except ValueError:
        return set()


def products(term: str, site: int) -> set[Any]:
    """Keys of the product with that key, and of the first with that in their title."""
    items = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    found = set(items.filter(title__icontains=term).values_list("pk", flat=True)[:MOST])
    key = as_key(term)
    return found if key is None else found | {key}


def as_key(term: str) -> Any:
    """A product's primary key, or None for what cannot be one."""
    field = apps.get_model(conf.product_model())._meta.pk
    try:
        key = field.to_python(term)
        field.run_validators(key)
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    return key


def users_for(request: HttpRequest, admin_site: AdminSite) -> QuerySet[Any]:
    """The users this operator may look at, as the shop's own admin has it: who is behind a shopper is
    for them, others see ids."""
    model = get_user_model()
    own = _own_admin(admin_site)
    users = own.get_queryset(request) if own else model._default_manager.all()
    return users if _may_see_users(request) else users.none()


def _own_admin(admin_site: AdminSite) -> Any:
    try:
        return admin_site.get_model_admin(get_user_model())
    except NotRegistered:
        return None


def _may_see_users(request: HttpRequest) -> bool:
    user = get_user_model()._meta
    names = (f"{user.app_label}.{verb}_{user.model_name}" for verb in ("view", "change"))
    return any(request.user.has_perm(name) for name in names)


def _users(term: str, request: HttpRequest, admin_site: AdminSite) -> list[Any]:
    """Keys of users, found as the shop's own admin finds them, else by name and e-mail."""
    users, own = users_for(request, admin_site), _own_admin(admin_site)
    if users.query.is_empty():
        return []
    if own is not None and own.get_search_fields(request):
        found = own.get_search_results(request, users, term)[0]
    else:
        found = users.filter(_by_name(users.model, term))
    return list(found.order_by().values_list("pk", flat=True)[:MOST])


def _by_name(model: Any, term: str) -> Q:
    names = {model.USERNAME_FIELD, _email_field(model)} - {""}
    wanted = Q()
    for name in names:
        wanted |= Q(**{f"{name}__icontains": term})
    return wanted


def _email_field(model: Any) -> str:
    name = getattr(model, "EMAIL_FIELD", "email")
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return ""
    return str(name)

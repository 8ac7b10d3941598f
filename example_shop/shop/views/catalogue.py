"""Pages that show what the shop sells."""

from __future__ import annotations

import time

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from example_shop.shop.models import Category, Product, WishlistItem
from reco_plugin import order_by_relevance
from reco_plugin.serving.facets import plan_facets
from reco_plugin.signals import product_viewed, search_performed

PER_PAGE = 24
BEST = "best"
SORTS = {
    BEST: ("Best for you", ("-created_at", "pk")),
    "new": ("Newest first", ("-created_at", "pk")),
    "price": ("Price, low to high", ("price", "pk")),
    "-price": ("Price, high to low", ("-price", "pk")),
    "name": ("Name", ("title", "pk")),
}


def home(request: HttpRequest) -> HttpResponse:
    newest = Product.objects.canonical().active().on_stock().for_cards().exclude(image="")
    context = {"newest": newest[:4], **_facets(request)}
    return render(request, "shop/home.html", context)


def category(request: HttpRequest, path: str) -> HttpResponse:
    found = get_object_or_404(Category, path=path)
    products = Product.objects.canonical().active().within(found)
    context = {"category": found, "children": found.children.all(), "trail": found.ancestors()}
    listing = _listing(request, products, category=found, sort=BEST)
    return render(request, "shop/category.html", context | listing)


def search(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()[:100]
    products = Product.objects.canonical().active() if query else Product.objects.none()
    for word in query.split()[:8]:
        products = products.filter(_mentions(word))
    if query:
        search_performed.send(search, request=request, query=query)  # reco: what is looked for
    return render(request, "shop/search.html", {"query": query} | _listing(request, products))


def product(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    products = Product.objects.active().select_related("brand", "category__parent__parent")
    found = get_object_or_404(products, pk=pk)
    if found.parent_id or found.slug != slug:
        return _to_canonical(found)
    product_viewed.send(product, request=request, product=found)  # reco: what is looked at
    return render(request, "shop/product.html", _product_context(request, found))


def _product_context(request: HttpRequest, found: Product) -> dict[str, object]:
    variants = list(found.variants.active().order_by("pk"))
    on_stock = set(
        Product.objects.filter(
            pk__in=[found.pk, *(each.pk for each in variants)], stock__quantity__gt=0
        ).values_list("pk", flat=True)
    )
    wished = request.user.is_authenticated and WishlistItem.objects.filter(
        user=request.user, product=found
    )
    return {
        "product": found,
        "options": [(each, each.pk in on_stock) for each in variants],
        "available": bool(on_stock),
        "wished": bool(wished),
        "trail": [*found.category.ancestors(), found.category],
    }


def _to_canonical(found: Product) -> HttpResponsePermanentRedirect | HttpResponse:
    return redirect(found.canonical, permanent=True)


def _mentions(word: str) -> Q:
    fields = ("title", "description", "brand__name", "category__name", "colour")
    query = Q()
    for field in fields:
        query |= Q(**{f"{field}__icontains": word})
    return query


def _listing(
    request: HttpRequest,
    products: QuerySet[Product],
    *,
    category: Category | None = None,
    sort: str = "new",
) -> dict[str, object]:
    """One page of the products; `sort` is the order where the shopper has chosen none."""
    sort = request.GET.get("sort", sort)
    sort = sort if sort in SORTS else BEST
    ordered = products.for_cards().order_by(*SORTS[sort][1])
    as_of = _as_of(request) if sort == BEST else ""
    if sort == BEST:  # reco: the whole shelf, what suits this shopper first
        ordered = order_by_relevance(ordered, request, category=category, as_of=as_of)
    page = Paginator(ordered, PER_PAGE).get_page(request.GET.get("page"))
    return {
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1),
        "sort": sort,
        "sorts": [(name, label) for name, (label, _) in SORTS.items()],
        "as_of": as_of,
    }


def _as_of(request: HttpRequest) -> str:
    """The moment the first page was asked for: what is looked at on the way moves nothing."""
    return request.GET.get("as_of", "") or str(int(time.time()))


def _facets(request: HttpRequest) -> dict[str, list[tuple[str, str]]]:
    """Shelves and brands this shopper is drawn to, as (label, address)."""
    found = plan_facets({"category": 8, "brand": 8}, request=request)
    paths = [each.name for each in found.get("category", ())]
    shelves = {shelf.trail: shelf for shelf in Category.objects.select_related("parent__parent")}
    brands = [each.name for each in found.get("brand", ())]
    find = reverse("shop:search")
    return {
        "shelves": [
            (str(shelves[path]), shelves[path].get_absolute_url())
            for path in paths
            if path in shelves
        ],
        "brands": [(name, f"{find}?{urlencode({'q': name})}") for name in brands],
    }

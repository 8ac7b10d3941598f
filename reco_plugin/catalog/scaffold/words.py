"""The names shops give to things, usual ones first."""

from __future__ import annotations

import re

TITLE = ("title", "name", "label", "product_name", "product_title", "display_name", "headline",
         "bezeichnung", "titel", "nom", "nombre")  # fmt: skip
TITLE_METHODS = ("get_title", "get_name", "display_title", "full_title", "full_name")
DESCRIPTION = ("description", "description_plaintext", "long_description", "short_description",
               "summary", "body", "details", "blurb", "text", "content")  # fmt: skip
BRAND = ("brand", "manufacturer", "maker", "vendor", "label", "publisher", "designer", "author")
PRICE = ("price", "unit_price", "base_price", "regular_price", "sale_price", "price_incl_tax",
         "price_gross", "price_amount", "selling_price", "current_price", "amount")  # fmt: skip
NOT_THE_PRICE = frozenset(("cost", "old", "previous", "compare", "rrp", "msrp", "purchase", "wholesale",
                           "currency", "changed", "discount", "discounted", "shipping", "tax", "retail"))  # fmt: skip
LIST_PRICE = ("list_price", "was_price", "compare_at_price", "rrp", "msrp", "original_price", "old_price",
              "price_before", "previous_price", "regular_price")  # fmt: skip
CENTS = frozenset(("cent", "cents", "pence", "pennies", "minor", "ct", "ore", "centimes", "rappen"))
CATEGORY = ("category", "categories", "main_category", "primary_category", "section", "sections",
            "department", "shelf", "shelves", "genre", "genres", "taxon", "taxons", "collection",
            "collections", "product_type", "product_class", "type", "kind")  # fmt: skip
TAGS = ("tags", "labels", "keywords", "tag")
GROUP = (
    "parent",
    "variant_of",
    "canonical",
    "parent_product",
    "master",
    "main_product",
    "base_product",
)
IMAGE = ("image", "main_image", "primary_image", "picture", "photo", "thumbnail", "cover", "img", "image_url",
         "picture_url", "photo_url", "thumbnail_url", "file", "original", "url", "src")  # fmt: skip
IMAGE_WORDS = frozenset(
    ("image", "images", "photo", "photos", "picture", "pictures", "media", "gallery")
)
SINCE = ("available_since", "published_at", "available_from", "publication_date", "published_on",
         "release_date", "launched_at", "created_at", "date_created", "created", "created_on",
         "added_at", "date_added")  # fmt: skip
SHOWN = ("is_active", "is_public", "is_published", "is_visible", "is_available", "is_enabled", "is_live",
         "published", "active", "visible", "available", "enabled", "live", "in_stock", "on_sale", "is_online",
         "online", "visible_in_listings", "for_sale", "sellable", "is_sellable", "listed", "is_listed",
         "is_approved", "approved", "show", "is_shown", "displayed")  # fmt: skip
HIDDEN = ("is_deleted", "is_hidden", "is_archived", "is_draft", "is_discontinued", "deleted", "hidden",
          "archived", "discontinued", "draft", "disabled", "is_disabled")  # fmt: skip
GONE_AT = ("deleted_at", "archived_at", "discontinued_at", "hidden_at", "removed_at", "deleted_on")
PUBLISHED_AT = ("published_at", "publish_at", "publication_date", "publish_date", "published_on")
STATUS = ("status", "state", "visibility", "lifecycle")
STATUS_SHOWN = frozenset(("published", "active", "live", "visible", "approved", "enabled", "public", "online",
                          "available", "released"))  # fmt: skip
STOCK = ("stock", "stock_quantity", "quantity_in_stock", "num_in_stock", "stock_level", "available_quantity",
         "inventory", "inventory_quantity", "in_stock_count", "on_hand", "quantity_on_hand", "quantity",
         "available", "qty", "amount", "count", "units", "level", "balance")  # fmt: skip
STOCK_WORDS = frozenset(("stock", "stocks", "stockrecord", "inventory", "inventories", "warehouse",
                         "availability", "storage", "depot"))  # fmt: skip
ATTRIBUTES = ("gender", "sex", "age_group", "colour", "color", "size", "material", "season", "style",
              "condition", "pattern", "format", "language")  # fmt: skip
VARIANT_WORDS = frozenset(
    ("variant", "variants", "variation", "sku", "edition", "option", "size", "child")
)
PRICE_WORDS = frozenset(("price", "prices", "pricing", "offer", "listing", "stockrecord", "tariff", "variant",
                         "sku", "variation", "pricelist"))  # fmt: skip
CATEGORY_WORDS = frozenset(
    ("category", "categories", "section", "department", "genre", "taxon", "shelf")
)
LISTING_WORDS = frozenset(
    ("listing", "publication", "channel", "visibility", "offer", "availability")
)

ORDER_WORDS = frozenset(("order", "orders", "purchase", "purchases", "sale", "sales", "invoice", "receipt",
                         "checkout", "bestellung", "commande", "pedido"))  # fmt: skip
LINE_WORDS = frozenset(("line", "lines", "item", "items", "row", "detail", "details", "entry", "position",
                        "product", "products", "orderline", "orderitem"))  # fmt: skip
NOT_ORDERS = frozenset(("cart", "basket", "wishlist", "wish", "quote", "draft", "return", "returns", "refund",
                        "shipment", "shipping", "delivery", "fulfillment", "fulfilment", "allocation",
                        "stock", "review", "rating", "favourite", "favorite", "view", "supplier", "price",
                        "note", "history", "log", "discount", "image", "inventory", "waitlist",
                        "saved"))  # fmt: skip
QUANTITY = (
    "quantity",
    "qty",
    "amount",
    "count",
    "units",
    "number",
    "pieces",
    "num",
    "menge",
    "quantity_ordered",
)
LINE_PRICE = ("unit_price", "price", "item_price", "unit_price_incl_tax", "unit_price_gross_amount",
              "unit_price_gross", "price_per_unit", "price_each", "sale_price", "unit_price_excl_tax",
              "product_price", "price_amount")  # fmt: skip
CURRENCY = ("currency", "currency_code")
NUMBER = ("number", "order_number", "order_no", "reference", "ref", "order_id", "code", "order_ref", "uid",
          "order_reference", "increment_id", "public_id")  # fmt: skip
USER = ("user", "customer", "buyer", "owner", "client", "account", "shopper", "member", "purchaser",
        "ordered_by", "placed_by")  # fmt: skip
NOT_THE_USER = frozenset(("staff", "admin", "created", "updated", "modified", "assigned", "handled", "approved",
                          "seller", "packed", "by"))  # fmt: skip
GUEST = ("guest_email", "email", "customer_email", "user_email", "buyer_email", "contact_email", "e_mail",
         "customer_number", "customer_no", "customer_id", "customer", "session_key", "guest_id", "phone",
         "buyer", "client")  # fmt: skip
VISITOR = ("reco_visitor", "visitor", "visitor_id")
ORDER_STATUS = ("status", "state", "order_status", "payment_status", "payment_state", "charge_status",
                "fulfillment_status", "stage", "phase")  # fmt: skip
PAID_FLAGS = (
    "is_paid",
    "paid",
    "is_complete",
    "is_completed",
    "completed",
    "ordered",
    "is_ordered",
    "is_placed",
)
PAID_AT = ("paid_at", "paid_on", "payment_date", "date_paid", "completed_at")
PLACED = ("placed_at", "ordered_at", "date_placed", "order_date", "purchased_at", "date_ordered", "bought_at",
          "sold_at", "submitted_at", "created_at", "date_created", "created", "created_on", "timestamp",
          "datetime", "date", "when", "paid_at")  # fmt: skip
LATER = frozenset(("paid", "payment", "shipped", "shipping", "shipment", "delivery", "delivered", "dispatched",
                   "due", "cancelled", "canceled", "refunded", "returned", "deleted", "updated", "modified",
                   "changed", "touched", "synced", "exported", "invoiced", "expires", "expiry", "expected",
                   "birth", "birthday", "born", "closed", "completed", "fulfilled", "valid", "until",
                   "reminder", "reminded", "printed"))  # fmt: skip
"""What happens to an order after it was placed, or is of something else."""
CHANGED = ("updated_at", "modified_at", "changed_at", "updated", "modified", "date_updated", "updated_on",
           "last_modified", "date_modified", "modified_on", "last_updated")  # fmt: skip

PAID = frozenset(("paid", "completed", "complete", "shipped", "delivered", "fulfilled", "dispatched", "sent",
                  "captured", "settled", "closed", "success", "succeeded", "successful", "done", "finished",
                  "processing", "packed", "ready", "picked", "charged", "full", "fully", "overcharged",
                  "bezahlt", "versendet", "versandt", "geliefert", "abgeschlossen", "payee", "pagado"))  # fmt: skip
MAYBE_PAID = frozenset(("confirmed", "accepted", "approved", "authorized", "authorised", "partial",
                        "partially", "progress", "preparing", "ordered"))  # fmt: skip
CANCELLED = frozenset(("cancelled", "canceled", "cancel", "void", "voided", "rejected", "declined", "failed",
                       "expired", "abandoned", "error", "storniert", "deleted"))  # fmt: skip
REFUNDED = frozenset(("refunded", "refund", "returned", "return", "chargeback", "reversed",
                      "retoure", "retourniert", "erstattet"))  # fmt: skip
NOT_YET = frozenset(("not", "un", "unpaid", "awaiting", "pending", "waiting", "new", "draft", "open", "none",
                     "unconfirmed", "unfulfilled", "hold", "cart", "created", "placed", "submitted",
                     "incomplete", "basket", "offen", "neu", "unbezahlt"))  # fmt: skip


def tokens(name: str) -> frozenset[str]:
    """'OrderLine', 'order_line' and 'order line' → {'order', 'line'}."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return frozenset(part for part in re.split(r"[^a-z0-9]+", apart.lower()) if part)

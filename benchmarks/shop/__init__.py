"""A tiny shop to measure with: price on the product, stock as a sum over stock records."""

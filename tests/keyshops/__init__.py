"""Shops that differ in nothing but the type of their product key."""

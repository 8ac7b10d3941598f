"""One known tool or shop framework each. Nothing in here is imported by the rest of the app."""

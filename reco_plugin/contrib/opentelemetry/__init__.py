"""Spans for OpenTelemetry: `INSTALLED_APPS += ["reco_plugin.contrib.opentelemetry"]`.

Only the API is used; without an SDK set up by the shop it costs next to nothing and sends nothing.
No span holds a shopper, a user, a product or a text of an error.
"""

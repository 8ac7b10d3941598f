"""Counters, histograms and gauges for Prometheus: `INSTALLED_APPS += ["reco_plugin.contrib.prometheus"]`.

The names are in docs/howto/monitor.md. Serve them with `views.metrics`, or with what serves your
shop's own metrics already (django-prometheus, `start_http_server`).
"""

"""A panel for django-debug-toolbar: `"reco_plugin.contrib.debug_toolbar.panel.RecommendationsPanel"`."""

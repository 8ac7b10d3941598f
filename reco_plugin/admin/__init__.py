"""The operator's view, inside the stock Django admin: registered here, one file per subject.

A shop with an AdminSite of its own registers these classes there: `reco_plugin.admin.register(site)`.
"""

from django.contrib import admin

from reco_plugin.admin.interactions import InteractionAdmin
from reco_plugin.admin.items import ItemAdmin
from reco_plugin.admin.job_logs import JobLogAdmin
from reco_plugin.admin.jobs import JobAdmin
from reco_plugin.admin.links import ManualLinkAdmin
from reco_plugin.admin.pictures import PictureAdmin
from reco_plugin.admin.placements import PlacementAdmin
from reco_plugin.admin.runs import RunAdmin
from reco_plugin.admin.suggestions import SuggestionAdmin
from reco_plugin.models import (
    Interaction,
    Item,
    Job,
    JobLog,
    ManualLink,
    Picture,
    Placement,
    Run,
    Suggestion,
)


def register(site: admin.AdminSite) -> None:
    """Give `site` our pages."""
    site.register(Run, RunAdmin)
    site.register(Job, JobAdmin)
    site.register(JobLog, JobLogAdmin)
    site.register(Interaction, InteractionAdmin)
    site.register(Item, ItemAdmin)
    site.register(Placement, PlacementAdmin)
    site.register(ManualLink, ManualLinkAdmin)
    site.register(Picture, PictureAdmin)
    site.register(Suggestion, SuggestionAdmin)


register(admin.site)

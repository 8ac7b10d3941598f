"""Signals, declared here and received in `receivers`.

In, sent by the shop (always with `send` or `send_robust`; our receivers never raise):

* `product_viewed(sender, request, product)`
* `basket_item_added(sender, request, product, quantity=1, price=None)`
* `basket_item_removed(sender, request, product, quantity=1)`
* `order_completed(sender, order, request=None)`
* `order_refunded(sender, order, lines=None, request=None)`
* `product_wishlisted(sender, request, product)`
* `search_performed(sender, request, query)`
* `product_rated(sender, request, product, rating, best=5)`
* `recommendation_dismissed(sender, request, product)`

Out, sent by us:

* `recommendation_clicked(sender, click, request)`
* `training_finished(sender, run)`, whatever became of the run: see its status
* `run_activated(sender, run)`, after the commit, in the process that activated it
* `slate_served(sender, slate, seconds, rungs)`: `rungs` gives the seconds spent on each rung tried
* `events_dropped(sender, reason, site, count)`
* `job_stage_entered(sender, name, site, stage)`
* `job_stage_left(sender, name, site, stage)`
* `work_split(sender, name, site, shards)`: a job has divided its work, and others may help
* `job_finished(sender, name, site, outcome, seconds, report)`
* `breaker_changed(sender, name, state)`: 'closed', 'open' or 'half_open'

The last seven are for instruments: they are sent in requests and in jobs, and a receiver must be quick.
"""

from django.dispatch import Signal

product_viewed = Signal()
basket_item_added = Signal()
basket_item_removed = Signal()
order_completed = Signal()
order_refunded = Signal()
product_wishlisted = Signal()
search_performed = Signal()
product_rated = Signal()
recommendation_dismissed = Signal()

recommendation_clicked = Signal()
training_finished = Signal()
run_activated = Signal()
slate_served = Signal()
events_dropped = Signal()
job_stage_entered = Signal()
job_stage_left = Signal()
work_split = Signal()
job_finished = Signal()
breaker_changed = Signal()

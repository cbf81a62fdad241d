"""The signals of a batch, for logs, metrics and traces of a site.

A receiver that raises is logged and changes no answer, so receivers cannot refuse a batch. To refuse one, subclass the
view. All signals but `group_retried` have the argument `batch_id`, a text that is made for each batch that is run.
"""

from django.dispatch import Signal

# Sent before the first sub-request. Its arguments are request (which carries the batch) and batch (a `Batch`).
batch_started = Signal()
# Sent before each sub-request, in its own context, on its thread. Its arguments are request (which carries the batch)
# and subrequest (a `Subrequest` with its references filled in).
subrequest_started = Signal()
# Sent after each sub-request, once its answer is final. Its arguments are request, subrequest (a `Subrequest`),
# subresponse (a `Subresponse`) and duration (seconds in the site's middleware and view; 0.0 if it was not run).
subrequest_finished = Signal()
# Sent before a group is run again, on its thread. Its arguments are request, subrequests (the members in the order they
# are run), attempt (1 for the first repetition) and error (the database error that another transaction caused).
group_retried = Signal()
# Sent after the last sub-request. Its arguments are request, batch, subresponses (in request order) and duration
# (seconds).
batch_finished = Signal()

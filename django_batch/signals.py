"""What a site can listen to. A receiver that raises is logged, and changes no answer."""

from django.dispatch import Signal

# Before the first sub-request. Arguments: request (that carries the batch), batch (`Batch`).
batch_started = Signal()
# After each sub-request, once its answer is final. Arguments: request, subrequest (`Subrequest`), subresponse
# (`Subresponse`), duration (seconds in the site's middleware and view; 0.0 if it was not run).
subrequest_finished = Signal()
# Before a group is run again, on its thread. Arguments: request, subrequests (its members, in the order they are run),
# attempt (1 for the first time that it is run again), error (of the database: another transaction was in the way).
group_retried = Signal()
# After the last one. Arguments: request, batch, subresponses (in request order), duration (seconds).
batch_finished = Signal()

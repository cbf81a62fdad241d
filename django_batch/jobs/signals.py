"""The signals of jobs. A receiver that raises is logged, and changes nothing."""

from django.dispatch import Signal

# Sent once a job is stored, before its first chunk is submitted. Its argument is job (a `Job`).
job_accepted = Signal()
# Sent once, when all items of a job have their answers, on the thread that stored the last. Its argument is job.
job_finished = Signal()

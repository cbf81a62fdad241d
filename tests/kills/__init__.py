"""Jobs whose workers are killed at random moments: afterwards every item is done once, and answered as if nothing was.

`python -m tests.kills --runs 500 --server postgresql`. A worker is a process that is forked, so that no time goes by
before it works, and dies by `kill -9`; or its connection to the database is killed, and it goes on.
"""

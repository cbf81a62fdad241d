"""All or nothing: the transaction of a group, and what is said to the databases in it."""

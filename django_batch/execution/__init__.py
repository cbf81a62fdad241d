"""How a batch is done: the only place that builds requests, and that knows of transactions and threads."""

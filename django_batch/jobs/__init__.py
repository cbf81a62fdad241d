"""Batches that last: kept with their answers, run in the background, and gone on with after a crash.

The road of a job is `accept -> store -> cut -> submit -> claim -> run -> store -> finish`. `accepting` and `lines`
store a batch, `cutting` divides it into chunks, an engine calls `run_chunk` for each, `leases` sees to it that one
worker at a time runs a chunk, and `storing` writes each answer in the transaction of what it answers. The rules of a
batch are those of `core`: a chunk is a plan whose earlier answers come from the database.
"""

"""Executors decide when, and on which thread, each step of a batch is run."""

from django_batch.execution.executors.base import Executor
from django_batch.execution.executors.serial import SerialExecutor
from django_batch.execution.executors.threads import ThreadExecutor

__all__ = ["Executor", "SerialExecutor", "ThreadExecutor"]

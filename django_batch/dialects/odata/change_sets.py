"""Change sets, the groups of OData: parts that are multipart messages themselves (OData Protocol 4.01 §11.7.7).

In an answer, a committed change set is a nested message with one part for each member. A failed one is a single part
with the answer of the member that caused the failure. So the writer can only write a failed change set once it has seen
all its members, and holds back what it has until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from django_batch.core.batch import Subresponse
from django_batch.dialects.odata.protocol import error_body
from django_batch.dialects.shared.mime import IS_REQUEST, MULTIPART, Span, cut, multipart_in
from django_batch.dialects.shared.parts import PartsLayout, PartsWriter
from django_batch.errors import BatchError, Malformed, NotRun, OnCommitFailed, RolledBack

# The place of a request in a batch: its id ("2", or "2/1" in the change set "2"), its change set, and its part.
Place = tuple[str, str | None, Span]


def places(body: bytes, boundary: bytes, faults: list[BatchError], *, limit: int) -> list[Place]:
    """The place of every request. Raises `TooManyRequests` if there are more than `limit`.

    A change set that cannot be cut into parts adds to `faults`.
    """
    found: list[Place] = []
    for position, part in enumerate(cut(body, (0, len(body)), boundary, limit=limit)):
        name = str(position)
        try:
            message = None if body.startswith(IS_REQUEST, part[0]) else multipart_in(body, part)
            if message is None:
                found.append((name, None, part))
                continue
            members = cut(body, message[1], message[0], limit=limit - len(found))
            if not members:
                raise Malformed("The change set has no parts. Add one, or remove the change set.")
            found += [(f"{name}/{number}", name, member) for number, member in enumerate(members)]
        except Malformed as error:
            faults.append(Malformed(error.detail, pointer=f"/{name}"))
    return found


class ChangeSetsWriter(PartsWriter):
    """Writes a nested message for each committed change set, and one answer (the culprit's) for each failed one.

    Unless the batch goes on after failures, the first failure is the last part of the answer.
    """

    def __init__(self, layout: PartsLayout, *, goes_on: bool, streamed: bool = False) -> None:
        super().__init__(layout, streamed=streamed)
        self._nests_failures = layout.nests_failures
        self._version = layout.headers.get("DataServiceVersion", "4.0")
        self._goes_on = goes_on
        self._numbers = count()
        self._over = False
        self._change_set: str | None = None  # the change set that is being written
        self._inner = ""  # the delimiter of its parts, if it was committed
        self._failed = False  # whether a member failed although the change set was committed
        self._culprit: Subresponse | None = None  # the answer that stands for it, if it was not committed

    def error(self, error: BatchError, *, status: int) -> bytes:
        return error_body(error, self._version)

    def pieces(self, subresponse: Subresponse) -> Sequence[bytes]:
        """The pieces for one answer. None for a member of a failed change set, and none after the last part."""
        if subresponse.subrequest.atomicity_group != self._change_set:
            return [*self._close(), *self._open(subresponse), *self.pieces(subresponse)]
        if self._over:
            return ()
        if self._change_set is None:
            self._over = subresponse.failed and not self._goes_on
            return self.part(subresponse, self._delimiter)
        if self._inner:
            self._failed |= subresponse.failed
            return self.part(subresponse, self._inner)
        if self._culprit is None or isinstance(self._culprit.error, RolledBack | NotRun):
            self._culprit = subresponse
        return ()

    def end(self) -> bytes:
        return b"".join([*self._close(), super().end()])

    def _open(self, subresponse: Subresponse) -> Iterator[bytes]:
        """Begin the change set whose first answer is `subresponse`. It was committed if that answer is a success."""
        self._change_set = subresponse.subrequest.atomicity_group
        committed = not subresponse.failed or isinstance(subresponse.error, OnCommitFailed)
        if self._change_set is not None and committed and not self._over:
            self._inner, head = self._nested()
            yield head

    def _nested(self) -> tuple[str, bytes]:
        """The delimiter of a new nested message, and the head of the part that contains it."""
        boundary = f"changesetresponse_{next(self._numbers)}_{self._secret}"
        head = f"{self._delimiter}\r\nContent-Type: {MULTIPART}; boundary={boundary}\r\n\r\n"
        return f"--{boundary}", head.encode()

    def _close(self) -> Sequence[bytes]:
        """The last pieces of the change set. A failed one is a single part (§11.7.7.6)."""
        inner, culprit, failed = self._inner, self._culprit, self._failed
        self._inner, self._culprit, self._failed = "", None, False
        if culprit:
            self._over = not self._goes_on
            if not self._nests_failures:
                return self.part(culprit, self._delimiter)
            inner, head = self._nested()
            return [head, *self.part(culprit, inner), f"{inner}--\r\n".encode()]
        if inner:
            self._over = failed and not self._goes_on
            return [f"{inner}--\r\n".encode()]
        return ()

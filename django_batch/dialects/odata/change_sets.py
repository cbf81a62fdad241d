"""Change sets, OData's groups: parts that are multipart messages themselves (OData Protocol 4.01 §11.7.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from django_batch.core.batch import Subresponse
from django_batch.dialects.odata.protocol import error_body
from django_batch.dialects.shared.mime import IS_REQUEST, MULTIPART, Span, cut, multipart_in
from django_batch.dialects.shared.parts import Layout, PartsWriter
from django_batch.errors import BatchError, Malformed, NotRun, OnCommitFailed, RolledBack

# Where a request stands in a batch: its id, such as "2", or "2/1" in the change set "2"; that one; and its part.
Place = tuple[str, str | None, Span]


def places(body: bytes, boundary: bytes, faults: list[BatchError], *, limit: int) -> list[Place]:
    """The place of every request. Raises `TooManyRequests` if there are more than `limit`.

    A change set that cannot be cut into parts is one of the `faults`.
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
                raise Malformed("A change set needs a part.")
            found += [(f"{name}/{number}", name, member) for number, member in enumerate(members)]
        except Malformed as error:
            faults.append(Malformed(error.detail, pointer=f"/{name}"))
    return found


class ChangeSetsWriter(PartsWriter):
    """Writes a multipart message for each change set that was committed, and for any other the answer of its culprit.

    Unless the batch goes on after one, the first failure is its last part.
    """

    def __init__(self, layout: Layout, *, goes_on: bool, streamed: bool = False) -> None:
        super().__init__(layout, streamed=streamed)
        self._nests_failures = layout.nests_failures
        self._goes_on = goes_on
        self._numbers = count()
        self._over = False
        self._change_set: str | None = None  # that is being written
        self._inner = ""  # its delimiter, if it was committed
        self._failed = False  # whether a member of it has, all the same
        self._culprit: Subresponse | None = None  # of it, if it was not committed

    def error(self, error: BatchError, *, status: int) -> bytes:
        return error_body(error)

    def pieces(self, subresponse: Subresponse) -> Sequence[bytes]:
        """What is written of one answer: nothing yet of a change set that has failed, and nothing past the end."""
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
        """Begin what `subresponse` is the first of. Of what was not committed no member is a success."""
        self._change_set = subresponse.subrequest.atomicity_group
        committed = not subresponse.failed or isinstance(subresponse.error, OnCommitFailed)
        if self._change_set is not None and committed and not self._over:
            self._inner, head = self._nested()
            yield head

    def _nested(self) -> tuple[str, bytes]:
        """The delimiter of a message in a part, and what stands before it."""
        boundary = f"changesetresponse_{next(self._numbers)}_{self._secret}"
        head = f"{self._delimiter}\r\nContent-Type: {MULTIPART}; boundary={boundary}\r\n\r\n"
        return f"--{boundary}", head.encode()

    def _close(self) -> Sequence[bytes]:
        """What is still to be written of the change set. It is one part, if it failed (§11.7.7.6)."""
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

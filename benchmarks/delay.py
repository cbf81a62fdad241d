"""A wire that is long: a proxy that passes bytes on after half of a delay, in each direction, and in their order.

It stands in for `tc netem`, which not every kernel has. The kernel accepts a connection at once, so the round trip of
its handshake is waited for here. `python -m benchmarks.delay PORT:TARGET:SECONDS ...` runs any number of them.
"""

from __future__ import annotations

import asyncio
import sys

_CHUNK = 2**16


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write what is read, each piece after `delay` seconds, however fast pieces follow each other."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                writer.write_eof()
                return
            writer.write(piece)

    writing = asyncio.create_task(write())
    try:
        while piece := await reader.read(_CHUNK):
            pieces.put_nowait((loop.time() + delay, piece))
    except ConnectionError:
        pass
    pieces.put_nowait((loop.time() + delay, b""))
    await writing


async def start(port: int, target: int, delay: float) -> asyncio.Server:
    """A server at `port` that passes on to `target`, with a round trip of `delay` seconds."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(delay)  # the handshake
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        there = _forward(reader, far_writer, delay / 2)
        back = _forward(far_reader, writer, delay / 2)
        await asyncio.gather(there, back, return_exceptions=True)
        far_writer.close()
        writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", port)


async def main(wires: list[str]) -> None:
    """Serve all of them."""
    servers = []
    for wire in wires:
        port, target, delay = wire.split(":")
        servers.append(await start(int(port), int(target), float(delay)))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

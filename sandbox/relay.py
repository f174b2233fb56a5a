"""A bad line between a client and its machine: cut after so many bytes, or slow."""

import asyncio
import socket
from dataclasses import dataclass

CHUNK_BYTES = 16384
# A slow line moves in steps of this length at most.
STEP_SECONDS = 0.1


@dataclass
class Line:
    """How bad the line is; the bytes of both directions count against ``cut_after_bytes``."""

    cut_after_bytes: int | None = None
    bytes_per_second: float | None = None
    carried_bytes: int = 0

    @property
    def chunk_bytes(self) -> int:
        if self.bytes_per_second is None:
            return CHUNK_BYTES
        return max(1, min(CHUNK_BYTES, int(self.bytes_per_second * STEP_SECONDS)))

    def carry(self, data: bytes) -> bytes:
        """Return what still comes through of this."""
        if self.cut_after_bytes is not None:
            data = data[: max(0, self.cut_after_bytes - self.carried_bytes)]
        self.carried_bytes += len(data)
        return data

    @property
    def is_cut(self) -> bool:
        return self.cut_after_bytes is not None and self.carried_bytes >= self.cut_after_bytes


def reset(client: socket.socket) -> None:
    """Close so that the other side sees a reset, not an orderly end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()


async def relay(client: socket.socket, server: socket.socket, line: Line) -> None:
    """Carry bytes both ways until one side ends or the line is cut; both are closed then."""
    client_side = await asyncio.open_connection(sock=client)
    server_side = await asyncio.open_connection(sock=server)
    directions = (
        asyncio.create_task(_carry(client_side[0], server_side[1], line)),
        asyncio.create_task(_carry(server_side[0], client_side[1], line)),
    )
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        if line.is_cut and (raw := client_side[1].get_extra_info("socket")) is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            client_side[1].transport.abort()
        client_side[1].close()
        server_side[1].close()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, line: Line) -> None:
    try:
        while data := await source.read(line.chunk_bytes):
            target.write(line.carry(data))
            await target.drain()
            if line.is_cut:
                return
            if line.bytes_per_second is not None:
                await asyncio.sleep(len(data) / line.bytes_per_second)
    except OSError:
        # One side has closed; that is all there is to know.
        return

"""Connections of the studio: bounded in number and in time, so that nobody who sends half a request keeps others out.

waitress stops to listen at its limit of connections and waits a minute for a silent one. Here a newcomer always gets in: the
oldest connection that has not sent a whole request makes way for it, first among those of its own address. A request has so
many seconds for its header and so many for its body, an answer so many without a byte taken.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from stj_web.settings import WebConfig

_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_STUCK_SECONDS = 5.0
_MEGABYTE = 1 << 20


class GuardedChannel(HTTPChannel):  # type: ignore[misc]  # waitress ships without types
    """A connection that knows since when it owes the rest of a request, and how much of one it holds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - waitress' own arguments
        self.owes_since = 0.0
        self.held_mb = 0
        super().__init__(*args, **kwargs)
        self.owes_since = self.creation_time

    def received(self, data: bytes) -> bool:
        """Take some bytes, and note whether a request is begun and not whole."""
        took: bool = super().received(data)
        if self.request is None:
            self.owes_since, self.held_mb = 0.0, 0
            return took
        self.owes_since = self.owes_since or time.time()
        body = self.request.body_rcv
        held = 0 if body is None else len(body) // _MEGABYTE
        if held != self.held_mb:
            self.held_mb = held
            self.server.bound_bodies()
        return took

    @property
    def waits_for_header(self) -> bool:
        """Whether a header is not whole; a new connection owes one, too."""
        return bool(self.owes_since) and (self.request is None or not self.request.headers_finished)

    def may_make_way(self, now: float) -> bool:
        """Whether it is idle, has not sent a whole request, or takes nothing of its answer."""
        if self.total_outbufs_len:
            stuck: bool = now - self.last_activity > _STUCK_SECONDS
            return stuck
        idle: bool = not self.requests
        return idle

    def is_overdue(self, now: float, web: WebConfig) -> bool:
        """Whether it had its time."""
        if self.owes_since and not self.requests:
            allowed = web.header_seconds if self.waits_for_header else web.body_seconds
            if now - self.owes_since > allowed:
                return True
        # An answer that nobody takes holds memory, and in the end a thread.
        stuck: bool = self.total_outbufs_len > 0 and now - self.last_activity > web.idle_seconds
        return stuck

    def dismiss(self) -> None:
        """Close it; who has not sent a whole request is told why, if that can be sent at once."""
        if self.owes_since and not self.total_outbufs_len:
            with suppress(OSError):
                self.socket.send(_TOO_LATE)
        self.handle_close()


class GuardedServer(TcpWSGIServer):  # type: ignore[misc]  # waitress ships without types
    """A server that closes what is overdue and makes room for newcomers."""

    channel_class = GuardedChannel

    def __init__(self, *args: Any, web: WebConfig, **kwargs: Any) -> None:  # noqa: ANN401 - waitress' own arguments
        self.web = web
        super().__init__(*args, **kwargs)

    def maintenance(self, now: float) -> None:
        """Close connections that had their time."""
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(now, self.web):
                channel.dismiss()

    def handle_accept(self) -> None:
        """Let a newcomer in, in place of the oldest unfinished connection where there are too many."""
        before = set(self.active_channels)
        super().handle_accept()
        for number in set(self.active_channels) - before:
            self._make_room(self.active_channels[number])

    def bound_bodies(self) -> None:
        """Close the oldest unfinished uploads while all of them together hold more than they may."""
        holding = [channel for channel in self.active_channels.values() if channel.held_mb]
        total = sum(channel.held_mb for channel in holding)
        for channel in sorted(holding, key=lambda one: one.owes_since):
            if total <= self.web.unfinished_mb:
                return
            total -= channel.held_mb
            channel.dismiss()

    def _make_room(self, newcomer: GuardedChannel) -> None:
        others = [channel for channel in self.active_channels.values() if channel is not newcomer]
        mine = [channel for channel in others if channel.addr[0] == newcomer.addr[0]]
        if len(mine) >= self.web.connections_per_address:
            _dismiss_oldest(mine, newcomer)
        elif len(others) >= self.web.connections:
            _dismiss_oldest(others, newcomer)


def _dismiss_oldest(channels: list[GuardedChannel], newcomer: GuardedChannel) -> None:
    """Close the connection that is unfinished for longest; the newcomer, where all are being answered."""
    now = time.time()
    waiting = [channel for channel in channels if channel.may_make_way(now)]
    min(waiting, key=lambda one: one.owes_since or one.last_activity, default=newcomer).dismiss()


def listen(application: Any, web: WebConfig, **settings: Any) -> GuardedServer:  # noqa: ANN401 - any WSGI application
    """A server that listens already and does not run yet.

    Args:
        application: answers the requests.
        web: where to listen, and how many connections may wait for how long.
        settings: more of waitress' own.

    Raises:
        OSError: the address cannot be listened on.
    """
    settings = {
        "host": web.host,
        "port": web.port,
        "threads": web.threads,
        "channel_timeout": int(web.idle_seconds),
        "cleanup_interval": 1,
        # waitress would stop to listen here; the server makes room long before.
        "connection_limit": 2 * web.connections + 100,
        "asyncore_use_poll": True,
        **settings,
    }
    adjustments = Adjustments(**settings)
    threads = ThreadedTaskDispatcher()
    threads.set_thread_count(adjustments.threads)
    # A name may have an address of each family: all are served by the loop of the first.
    sockets: dict[int, Any] = {}
    try:
        servers = [
            GuardedServer(application, sockets, dispatcher=threads, adj=adjustments, sockinfo=place, web=web)
            for place in adjustments.listen
        ]
    except OSError:
        threads.shutdown()
        raise
    return servers[0]

"""Scrapy's download handler, connecting to no address that the crawl must not reach.

A name is resolved once, and the connection goes to the addresses that were looked at: a name that means another machine a moment
later (DNS rebinding) leads nowhere. Numbers in any spelling (2130706433, 0x7f.1, 127.1) are names to the resolver, and judged
by what comes of them. Behind a proxy of the user's the proxy resolves, and only what an address itself says is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler, _BindAddressAgent, _ScrapyAgent
from scrapy.http import Response
from scrapy.utils._download_handlers import wrap_twisted_exceptions
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.web.client import URI, Agent, _StandardEndpointFactory

from stj_core.addresses import Place
from stj_spiders.budget import SHARE, Share
from stj_spiders.exceptions import LedElsewhereError
from stj_spiders.reach import Reach
from stj_spiders.session import session_of


class GuardedDownloadHandler(HTTP11DownloadHandler):
    """Connects only where the crawl's `Reach` lets it."""

    async def download_request(self, request: Request) -> Response:
        """Fetch a request.

        Raises:
            LedElsewhereError: its host is at an address that is not to be reached.
        """
        agent = _GuardedScrapyAgent(
            contextFactory=self._contextFactory,
            bindAddress=self._bind_address,
            pool=self._pool,
            maxsize=self._default_maxsize,
            warnsize=self._default_warnsize,
            fail_on_dataloss=self._fail_on_dataloss,
            crawler=self._crawler,
            tls_verbose_logging=self._tls_verbose_logging,
        )
        share: Share | None = request.meta.get(SHARE)
        if share is not None:
            await share.take()
        with wrap_twisted_exceptions():
            return await maybe_deferred_to_future(agent.download_request(request))


class _GuardedScrapyAgent(_ScrapyAgent):
    def _get_agent(self, request: Request, timeout: float) -> Agent:
        agent: Any = super()._get_agent(request, timeout)
        if type(agent) is _BindAddressAgent:
            agent._endpointFactory = _GuardedEndpoints(agent._endpointFactory, session_of(self._crawler).reach)
        return cast("Agent", agent)


class _GuardedEndpoints(_StandardEndpointFactory):
    """Makes the endpoints of an agent; the host and port that are judged are those that are connected to."""

    def __init__(self, plain: Any, reach: Reach) -> None:  # noqa: ANN401 - Twisted's factory has no types
        vars(self).update(vars(plain))
        self._reach = reach

    def endpointForURI(self, uri: URI) -> Any:  # noqa: ANN401, N802 - an endpoint, as Twisted names it
        """An endpoint that is made when it is connected to: most requests go over a connection that is there."""
        return _LateEndpoint(lambda: self._endpoint(uri))

    def _endpoint(self, uri: URI) -> Any:  # noqa: ANN401 - as above
        scheme, host = uri.scheme.decode("ascii"), uri.host.decode("ascii")
        endpoint = GuardedEndpoint(self._reactor, host, uri.port, self._connectTimeout or 30, self._bindAddress)
        endpoint.place = Place(scheme, host.strip("[]").lower().rstrip("."), uri.port)
        endpoint.reach = self._reach
        if scheme == "https":
            return wrapClientTLS(self._policyForHTTPS.creatorForNetloc(uri.host, uri.port), cast("Any", endpoint))
        return endpoint


class _LateEndpoint:
    """An endpoint that is made when it is needed."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803 - Twisted's name
        """Connect, as the endpoint does that is made now."""
        return cast("Deferred[IProtocol]", self._make().connect(protocolFactory))


class GuardedEndpoint(HostnameEndpoint):
    """Connects to those addresses of a name that may be reached.

    Attributes:
        place: scheme, host and port.
        reach: what judges an address.
        refused: addresses of the name that were kept back.
    """

    place: Place
    reach: Reach

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803 - Twisted's name
        """Resolve once, and connect to what came of it.

        The Deferred fails with `LedElsewhereError` where the name has addresses and none of them may be reached.
        """
        self.refused: list[str] = []
        return super().connect(protocolFactory).addErrback(self._explain)

    def _explain(self, failure: Any) -> Any:  # noqa: ANN401 - Twisted's failures have no types
        if self.refused and failure.check(DNSLookupError):
            why = f"{self.place.netloc} is at {self.refused[0]}, which is no address of the public internet"
            raise LedElsewhereError(f"{why}.", self.place.netloc)
        return failure

    def _getNameResolverAndMaybeWarn(self, reactor: object) -> Any:  # noqa: ANN401, N802 - Twisted's name
        return _Sieve(super()._getNameResolverAndMaybeWarn(reactor), self)


class _Sieve:
    """A resolver that keeps back the addresses that are not to be reached."""

    def __init__(self, resolver: Any, endpoint: GuardedEndpoint) -> None:  # noqa: ANN401 - an interface of Twisted's
        self._resolver = resolver
        self._endpoint = endpoint

    def resolveHostName(self, receiver: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, N802 - Twisted's name
        return self._resolver.resolveHostName(_Filter(receiver, self._endpoint), *args, **kwargs)


class _Filter:
    """Passes on the addresses of a name that may be reached."""

    def __init__(self, receiver: Any, endpoint: GuardedEndpoint) -> None:  # noqa: ANN401 - an interface of Twisted's
        self._receiver = receiver
        self._endpoint = endpoint
        self.resolutionBegan = receiver.resolutionBegan
        self.resolutionComplete = receiver.resolutionComplete

    def addressResolved(self, address: Any) -> None:  # noqa: ANN401, N802 - Twisted's name
        if self._endpoint.reach.admits(self._endpoint.place, str(address.host)):
            self._receiver.addressResolved(address)
        else:
            self._endpoint.refused.append(str(address.host))

"""Access to the API: whose token it is, by which network it is reached, and how often it may be asked."""

import hashlib
from typing import TYPE_CHECKING

from campaign.ledger.port import RateLimits
from campaign.sender.api.api_url import ApiUrl
from campaign.sender.api.network import Network, network_to
from campaign.sender.port import Observer
from campaign.sender.rate_limiter import RateLimiter
from campaign.settings import Settings

if TYPE_CHECKING:
    from campaign.sender.api.gateway import HttpGateway

UNPACED_READS_PER_SECOND = 50.0


def account_key(settings: Settings) -> str:
    """Identifies the owner of passes, the token at this API, by a fingerprint that does not reveal the token."""
    return _fingerprint(settings.api_url, settings.token())


def budget_key(settings: Settings) -> str:
    """Identifies the rate limit: shared by all who give the same `--budget` at this API, or else by all with the same token."""
    if not settings.budget:
        return account_key(settings)
    api = ApiUrl.of(settings.api_url)
    # No token holds a line break, so a budget's key never equals a token's.
    return _fingerprint(f"{api.origin}{api.passes}", "budget", settings.budget)


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_limiter(ledger: RateLimits, settings: Settings) -> RateLimiter:
    """Limits this process's reads, within the rate limit that all reads share."""
    return RateLimiter(ledger, f"{budget_key(settings)} read", settings.rate or UNPACED_READS_PER_SECOND)


def check_access(settings: Settings) -> None:
    """Check that the token, the URL, and the settings for the network can be used, before anything is staged."""
    network_of(settings)
    settings.token()


def open_gateway(settings: Settings, observer: Observer, *, concurrency: int, total_seconds: float = 30.0) -> "HttpGateway":
    from campaign.sender.api.gateway import HttpGateway, Timeouts

    network, api = network_of(settings), ApiUrl.of(settings.api_url)
    proxy = {} if network.proxy is None else {"proxy": network.proxy.url, "proxy_from": network.proxy.source}
    where = {"host": f"{api.host}:{api.port}"} | proxy
    observer.event("connecting", **where)
    return HttpGateway(
        url=settings.api_url,
        token=settings.token(),
        concurrency=concurrency,
        timeouts=Timeouts(total_seconds=total_seconds),
        network=network,
        on_unreachable=lambda fault: observer.event("unreachable", reason=fault.cause, detail=fault.error, **where),
    )


def network_of(settings: Settings) -> Network:
    """The network to the settings' API; raises as `network_to` does."""
    return network_to(settings.api_url, proxy=settings.proxy, ca_file=settings.ca_file)

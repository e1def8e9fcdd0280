"""Access to the API: whose token it is, by which network it is reached, and how often it may be asked."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from campaign.domain.model import Counts
from campaign.domain.status import Status
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.ledger_errors import other_api
from campaign.ledger.port import CampaignRecord, RateLimits
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


def check_same_api(record: CampaignRecord, settings: Settings) -> None:
    """Check that passes are read where the campaign was sent: another API, such as a simulator, shows none of its messages.

    Raises:
        UsageError: the settings name another one.
    """
    if record.api not in {"", api := ApiUrl.of(settings.api_url).place}:
        raise other_api(record.api, api)


def other_token(record: CampaignRecord, settings: Settings, counts: Callable[[], Counts]) -> str:
    """A sentence if the campaign would go on with another token; else empty, also if all that came of it yet are refusals of the old one.

    The new token may replace the old one, or belong to another organisation, which has other passes. `counts` takes long for many rows.

    Raises:
        UsageError: there is no token, or it can't be one.
    """
    if not record.account or record.account == account_key(settings) or not (record.retry_is_open or _was_tried(counts())):
        return ""
    return (
        f"The campaign “{sanitize_for_terminal(record.spec.name)}” was last started with another PASSENTRY_API_KEY, or PASSENTRY_API_URL "
        "was written in another way. It goes on with this one: make sure that it is of the same organisation."
    )


def _was_tried(counts: Counts) -> bool:
    """Whether more than refusals of the token came of a campaign."""
    again = counts.reasons(Status.PENDING).keys() - {"", "http_401"}
    return bool(again) or counts.rows > counts.left_out + counts.by_status[Status.PENDING]

"""Everything that is written down between two resets, and the figures drawn from it."""

from collections import Counter

from campaign.simulator.audit import NS, NotificationLog
from campaign.simulator.limit import Meter
from campaign.simulator.passes import PassTable
from campaign.simulator.records import Ending, EndpointUse, Summary
from campaign.simulator.requests import RequestLog
from campaign.simulator.routes import Endpoint
from campaign.simulator.tokens import TokenNames


class Books:
    """The audit, the requests, and a meter for each endpoint and token. `first` is the number of the next request."""

    def __init__(self, *, passes: PassTable, tokens: TokenNames, started_ns: int, first: int = 1) -> None:
        self.notifications = NotificationLog(passes=passes, tokens=tokens, started_ns=started_ns)
        self.requests = RequestLog(passes=passes, tokens=tokens, started_ns=started_ns, first=first)
        self._tokens = tokens
        self._started_ns = started_ns
        self._meters: dict[tuple[Endpoint, int], Meter] = {}

    def meter(self, endpoint: Endpoint, token: int) -> Meter:
        key = (endpoint, token)
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = Meter()
        return meter

    def summary(self, *, now_ns: int, late_pending: int) -> Summary:
        by_status = self.requests.by_status()
        by_ending = self.requests.by_ending()
        followed, followed_with_token = self.requests.followed_redirects()
        return Summary(
            processed=len(self.notifications),
            distinct_passes=self.notifications.distinct_passes,
            duplicates=self.notifications.duplicates,
            surplus=self.notifications.surplus,
            requests=len(self.requests),
            in_flight=by_ending[Ending.OPEN],
            late_pending=late_pending,
            throttled=Counter(by_status)["429"],
            redirects_followed=followed,
            redirects_followed_with_token=followed_with_token,
            by_status=by_status,
            by_ending=by_ending,
            by_fault=self.requests.by_fault(),
            endpoints=tuple(self._use(endpoint, token, meter) for (endpoint, token), meter in self._meters.items()),
            up_seconds=(now_ns - self._started_ns) / NS,
        )

    def _use(self, endpoint: Endpoint, token: int, meter: Meter) -> EndpointUse:
        return EndpointUse(
            endpoint=endpoint.value,
            token=self._tokens.name(token),
            arrived=meter.arrived,
            admitted=meter.admitted,
            max_arrived_in_a_second=meter.max_arrived_in_a_second,
            max_admitted_in_a_second=meter.max_admitted_in_a_second,
            admitted_per_second=meter.admitted_per_second,
        )

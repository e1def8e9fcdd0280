"""Where a PostgreSQL ledger is: its URL, taken apart once, and named to people without its password."""

from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from campaign.domain.errors import UsageError

# A network that is cut without a word is noticed within the time that a lease leaves; the URL may say otherwise.
DEFAULTS: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "campaign",
}
HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`given` is what libpq connects with; `name` is the same for people, without user and password."""

    name: str
    given: dict[str, Any]

    def __repr__(self) -> str:
        return f"Address({self.name})"

    def without_secrets(self, text: str) -> str:
        """What the database or its library says, as one line in which no secret of the URL stands."""
        for name in ("password", "sslpassword"):
            if secret := self.given.get(name):
                text = text.replace(secret, HIDDEN)
        return " ".join(text.split())


def parse(url: str) -> Address:
    """The address that a URL means.

    Raises:
        UsageError: it can't be read; no part of it is repeated, since any may be the password.
    """
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        given = {"host": "@"}
    hosts = str(given.get("host") or given.get("hostaddr") or "localhost").split(",")
    ports = str(given.get("port") or "").split(",")
    # What libpq takes for a part of the host is most often one of the password.
    if any("@" in host for host in hosts) or not all(port.isdigit() for port in ports if port):
        raise UsageError(
            "The ledger's URL can't be read. Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in the password write %40 for @, "
            "%2F for /, %3A for :, %23 for #, %3F for ? and %25 for %.",
            code="bad_ledger_url",
            option="--ledger",
        ) from None
    database = given.get("dbname") or given.get("user") or ""
    if hosts[0].startswith("/"):
        name = f"postgresql:///{database}?host={hosts[0]}"
    else:
        ports = ports if len(ports) == len(hosts) else ports * len(hosts)
        places = (f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False))
        name = f"postgresql://{','.join(places)}/{database}"
    return Address(name=name, given=DEFAULTS | given | {"client_encoding": "utf8"})

"""Where lists are read from and results go: a path of this machine, or the URL of an object in a store."""

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from campaign.domain.errors import UsageError
from campaign.domain.text.lines import capitalized

STORES: Final = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
"""The store of each URL scheme, which is also the name of the extra that reads it."""

UNEXPANDED: Final = "only a shell does that, and cron, systemd, .env and job files are none; write the value itself"

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONTAINER_OF_ACCOUNT: Final = re.compile(r"[A-Za-z0-9$][A-Za-z0-9-]*@[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)+")
_PARAMETERS: Final = re.compile(r"\?[^/]*=")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# Two hexadecimal digits between percent signs are an escaped character of a URL, not a variable.
_VARIABLE: Final = re.compile(r"\$(?:\{[^}]*\}?|\([^)]*\)*|[A-Za-z_]\w*)|`[^`]*`|%(?![0-9A-Fa-f]{2}%)[A-Za-z_]\w*%", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectUrl:
    """An object of a store, whether it exists or not. Its attributes are those of `Path` that an object can have.

    On Azure, `bucket` is the container, as `container@account.dfs.core.windows.net` where the account is given.
    """

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    @property
    def store(self) -> str:
        return STORES[self.scheme]

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "ObjectUrl":
        """The folder of the object. A folder is not an object itself."""
        return replace(self, key=self.key.rpartition("/")[0])

    def with_name(self, name: str) -> "ObjectUrl":
        """The object of this name in the same folder."""
        folder = self.parent.key
        return replace(self, key=f"{folder}/{name}" if folder else name)

    def absolute(self) -> "ObjectUrl":
        """The URL itself, as it is always absolute."""
        return self

    def is_same(self, other: object) -> bool:
        """Whether both are the same object, even with different schemes for one store."""
        return isinstance(other, ObjectUrl) and (self.store, self.bucket, self.key) == (other.store, other.bucket, other.key)


Location = Path | ObjectUrl


def is_wrapped(path: str) -> bool:
    """Whether a path has quotes, blanks or a line break around it, as an environment file leaves them that no shell reads."""
    return path != path.strip() or (len(path) > 1 and path[0] == path[-1] and path[0] in "\"'")


def unexpanded_variable(path: str) -> str:
    """The first `$NAME`, `${NAME}`, `$(COMMAND)`, `` `COMMAND` `` or `%NAME%` that a shell would have replaced; empty if none."""
    found = _VARIABLE.search(path)
    return found[0] if found else ""


def place_of(given: Location | str) -> Location:
    """The location that a person has named.

    Raises:
        ValueError: the URL can't be used. The text is the end of a sentence, and repeats no part of the URL that may be a secret.
    """
    if not isinstance(given, str):
        return given
    found = _URL.fullmatch(given)
    if found is None:
        return Path(given)
    scheme, (bucket, _, key) = found[1].lower(), found[2].partition("/")
    if scheme not in STORES:
        known = "s3://, gs://, az:// and abfs://"
        raise ValueError(f"{scheme}:// is none of the URLs that can be used here, which are {known}; name a file of this machine")
    if not _BUCKET.fullmatch(bucket) and not (STORES[scheme] == "az" and _CONTAINER_OF_ACCOUNT.fullmatch(bucket)):
        raise ValueError(
            f"the part between {scheme}:// and the next slash is not a bucket's name alone; write {scheme}://bucket/folder/file.csv. "
            "Passwords and keys are never part of a URL: they come from the environment, see docs/operations/object-stores.md"
        )
    if _PARAMETERS.search(key) or (STORES[scheme] == "az" and "#" in key):
        raise ValueError(
            f"the {scheme}:// URL has parameters after its path; take them out. "
            "Signatures and keys are never part of a URL: they come from the environment, see docs/operations/object-stores.md"
        )
    if _CONTROL.search(key) or "::" in key:
        raise ValueError(f"the {scheme}:// URL has characters that can't be used: a control character, or two colons in a row")
    if variable := unexpanded_variable(key):
        raise ValueError(f"“{variable}” in the {scheme}:// URL is not replaced by a value: {UNEXPANDED}")
    if not key or key.endswith("/"):
        raise ValueError(f"the {scheme}:// URL names no file; write {scheme}://bucket/folder/file.csv")
    return ObjectUrl(scheme=scheme, bucket=bucket, key=key)


def parse_location(given: Location | str) -> Location:
    """`place_of` for a command line. Raises UsageError if the URL can't be used."""
    try:
        return place_of(given)
    except ValueError as error:
        problem = str(error)
        raise UsageError(f"{capitalized(problem)}.", code="bad_url") from None

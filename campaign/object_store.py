"""Fetches, finds, puts and removes objects of S3, Google Cloud Storage and Azure, through fsspec, each with a time limit.

The stores' own libraries find the credentials (environment, profiles, the machine's identity); this module handles none. An object is put
atomically: in a single request, or by an upload in parts that its last request completes.
"""

import errno
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from campaign.domain.errors import CampaignError, InputError, UsageError
from campaign.domain.lists.locations import ObjectUrl

PATIENCE_SECONDS: Final = 120.0
"""How long one request may take with all its retries, which the stores' libraries make."""

_SLOWEST_BYTES_PER_SECOND: Final = 50_000
_PART_BYTES: Final = 8 << 20
_TIMEOUTS: Final = {"connect_timeout": 10, "read_timeout": 60}
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """The arguments for a store's file system, so that it holds only one part at a time in memory."""

    options: dict[str, Any]
    get: dict[str, Any] = field(default_factory=dict)
    put: dict[str, Any] = field(default_factory=dict)


_STORES: Final = {
    "s3": _Store(options={"config_kwargs": _TIMEOUTS, "max_concurrency": 1}, put={"chunksize": _PART_BYTES}),
    # Unlike the other two, its library uses the environment's proxy only if told to.
    "gs": _Store(options={"session_kwargs": {"trust_env": True}}, get={"concurrency": 1}, put={"chunksize": _PART_BYTES}),
    "az": _Store(options={"connection_timeout": 10, "read_timeout": 60, "max_concurrency": 1, "blocksize": _PART_BYTES}),
}
_CREDENTIALS: Final = {
    "s3": "Give them as AWS's own tools take them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the machine's role.",
    "gs": "Give them as Google's own tools take them: GOOGLE_APPLICATION_CREDENTIALS, gcloud auth, or the machine's service account.",
    "az": "Give AZURE_STORAGE_ACCOUNT_NAME, and what Azure's tools take: AZURE_STORAGE_ACCOUNT_KEY, az login, or the machine's identity.",
}
_LACKS_CREDENTIALS: Final = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError", "CredentialUnavailableError"}
)
_WHEN_WRITTEN: Final = ("LastModified", "mtime", "last_modified")
_VERSION: Final = (*_WHEN_WRITTEN, "ETag", "etag", "generation", "size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An existing object; `written_ns` is the time of its last change in Unix nanoseconds."""

    url: ObjectUrl
    written_ns: int


def fetch(url: ObjectUrl, into: Path, *, most_bytes: int) -> None:
    """Copy an object into an existing file, whose mode stays as it is.

    Raises:
        InputError: the object does not exist, can't be read, has more than `most_bytes`, or was replaced meanwhile.
    """
    with _reading(url) as (store, path):
        before = store.info(path, timeout=PATIENCE_SECONDS)
        if before["type"] != "file":
            raise InputError("This is a folder. Name the list file in it.", file=str(url), code="is_a_folder")
        if before["size"] > most_bytes:
            raise InputError(
                f"The file has more than {most_bytes:,} bytes. Split the list into several.", file=str(url), code="file_too_large"
            )
        store.get_file(path, str(into), timeout=_seconds_for(before["size"]), **_STORES[url.store].get)
        after = store.info(path, timeout=PATIENCE_SECONDS)
        if _version(before) != _version(after) or into.stat().st_size != before["size"]:
            raise InputError(
                "The file was changed while it was being read. Run again when nobody writes to it.",
                file=str(url),
                code="changed_while_read",
            )


def fetch_head(url: ObjectUrl, into: Path, *, most_bytes: int) -> None:
    """Copy the first complete lines of an object, at most `most_bytes`, into a file.

    Raises:
        InputError: the object does not exist, or can't be read.
    """
    with _reading(url) as (store, path):
        size = store.info(path, timeout=PATIENCE_SECONDS)["size"]
        head = store.cat_file(path, start=0, end=min(size, most_bytes), timeout=_seconds_for(most_bytes)) if size else b""
        into.write_bytes(head if len(head) >= size else head[: head.rfind(b"\n") + 1])


def find(url: ObjectUrl) -> Found | None:
    """The object; None if it does not exist.

    Raises:
        InputError: the store can't be reached, or refuses the request.
    """
    with _reading(url) as (store, path):
        try:
            info = store.info(path, timeout=PATIENCE_SECONDS)
        except FileNotFoundError:
            return None
        return _found(url, info)


def matching(pattern: ObjectUrl) -> list[Found]:
    """The objects that match a pattern. `*` matches within a folder, `**` across folders.

    Lists all names below the longest part of the path without a pattern.

    Raises:
        InputError: the store can't be reached, or refuses the request.
    """
    with _reading(pattern, "listed") as (store, path):
        try:
            infos = store.glob(path, detail=True, timeout=PATIENCE_SECONDS)
        except FileNotFoundError:
            return []
        urls = {name: replace(pattern, key=name.partition("/")[2]) for name in infos}
        return [found for name, info in infos.items() if (found := _found(urls[name], info)) is not None]


def named_like(url: ObjectUrl) -> list[ObjectUrl]:
    """The objects in the folder of `url` whose names are its own, a dot, and anything; none if it has no name.

    Raises:
        InputError: the store can't be reached, or refuses the request.
    """
    if not url.name:
        return []
    with _reading(url, "listed") as (store, path):
        try:
            names = store.find(path.rpartition("/")[0], prefix=f"{url.name}.", timeout=PATIENCE_SECONDS)
        except FileNotFoundError:
            return []
    found = (replace(url, key=name.partition("/")[2]) for name in names)
    return [one for one in found if one.parent == url.parent]


def read(url: ObjectUrl, *, seconds: float = PATIENCE_SECONDS) -> bytes | None:
    """The bytes of a small object; None if it does not exist. Raises as `find`, also after `seconds`."""
    with _reading(url) as (store, path):
        try:
            content: bytes = store.cat_file(path, timeout=seconds)
        except FileNotFoundError:
            return None
        return content


def create(url: ObjectUrl, content: bytes) -> bool:
    """Put a small object, unless it exists; returns whether it did not. Of several at once one does, if the store can tell.

    Raises:
        UsageError: the store can't be reached, refuses the request, or can't tell.
    """
    with _changing(url, "written") as (store, path):
        try:
            store.pipe_file(path, content, mode="create", timeout=PATIENCE_SECONDS)
        except FileExistsError:
            return False
    return True


def check_writable(url: ObjectUrl) -> None:
    """Check that objects can be put beside `url` and removed, by doing both; raises UsageError, which says why, if not."""
    draft = url.with_name(f".campaign-results-{hashlib.sha256(str(url).encode()).hexdigest()[:12]}-{secrets.token_hex(4)}.tmp")
    with _changing(url, "written", at=draft) as (store, path):
        store.pipe_file(path, b"Results can be written here.\n", timeout=PATIENCE_SECONDS)
    remove(draft)


def put(file: Path, url: ObjectUrl) -> None:
    """Replace the object with a file's bytes, all of them or none; raises UsageError, which says why, if that fails."""
    with _changing(url, "written") as (store, path):
        store.put_file(str(file), path, timeout=_seconds_for(file.stat().st_size), **_STORES[url.store].put)


def remove(url: ObjectUrl, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Remove the object, if it exists; raises UsageError, which says why, if a request fails, or takes more than `seconds`."""
    with _changing(url, "removed") as (store, path), suppress(FileNotFoundError):
        store.info(path, timeout=seconds)
        store.rm_file(path, timeout=seconds)


def _opened(url: ObjectUrl) -> tuple[Any, str]:
    """The file system of a URL's store, and the object's path in it."""
    import fsspec.core  # noqa: PLC0415 - an extra with a whole client of its store, needed only for URLs

    if url.store == "gs":
        # gcsfs would ask over gRPC for kinds of buckets that hold no lists, and wait a minute in networks that allow HTTPS only.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    store: tuple[Any, str] = fsspec.core.url_to_fs(str(url), use_listings_cache=False, **_STORES[url.store].options)
    return store


@contextmanager
def _reading(url: ObjectUrl, done: str = "read") -> Iterator[tuple[Any, str]]:
    """As `_opened`; turns any error into an InputError. The libraries under fsspec have no common error."""
    try:
        yield _opened(url)
    except CampaignError:
        raise
    except Exception as error:
        problem, code = _in_words(error, url, done)
        raise InputError(problem, code=code, file=str(url)) from error


@contextmanager
def _changing(url: ObjectUrl, done: str, *, at: ObjectUrl | None = None) -> Iterator[tuple[Any, str]]:
    """As `_opened`, for `url` or an object beside it; turns any error into a UsageError."""
    try:
        yield _opened(at or url)
    except Exception as error:
        problem, code = _in_words(error, url, done)
        raise UsageError(f"{url}: {problem}", code=code, file=str(url)) from error


def _in_words(error: Exception, url: ObjectUrl, done: str) -> tuple[str, str]:
    """A sentence about an error and what to do, and the error's code."""
    if isinstance(error, ImportError):
        return f"{url.scheme}:// URLs need the extra “{url.store}”. Install it: pip install 'campaign[{url.store}]'", "extra_missing"
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return f"It can't be {done} through {tempfile.gettempdir()} ({error.strerror}). Make room there.", "disk_full"
    if isinstance(error, FileNotFoundError):
        missing = "no such bucket" if done == "written" else "no such file, or no such bucket"
        return f"There is {missing}. Check the URL.", "no_file"
    if type(error).__name__ in _LACKS_CREDENTIALS:
        return f"It can't be {done}: there are no credentials for it. {_CREDENTIALS[url.store]}", "no_credentials"
    if isinstance(error, TimeoutError):
        problem = f"It can't be {done}: the store did not answer in time. Check the network, then run the same command again."
        return problem, "store_timeout"
    # The part after a question mark may be a signature.
    first = str(error).strip().partition("\n")[0].partition("?")[0][:300].strip(" .")
    why = first or type(error).__name__
    if isinstance(error, PermissionError) or first.startswith("Forbidden"):
        problem = f"It can't be {done}: {why}. Check whose credentials are in use, and that they may read, write, list and delete there."
        return problem, "store_forbidden"
    problem = f"It can't be {done}: {why}. Check the URL, the network and the credentials, then run the same command again."
    return problem, "store_failed"


def _found(url: ObjectUrl, info: dict[str, Any]) -> Found | None:
    when = next((info[name] for name in _WHEN_WRITTEN if info.get(name)), None)
    if info["type"] != "file" or not isinstance(when, datetime):
        return None
    return Found(url=url, written_ns=round(when.timestamp() * 1e9))


def _version(info: dict[str, Any]) -> dict[str, Any]:
    return {name: info.get(name) for name in _VERSION}


def _seconds_for(size_bytes: int) -> float:
    return PATIENCE_SECONDS + size_bytes / _SLOWEST_BYTES_PER_SECOND

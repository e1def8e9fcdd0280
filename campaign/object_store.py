"""Objects of S3, Google Cloud Storage and Azure, through fsspec: fetched, found, put and removed, each within a time that ends.

Credentials are found by the stores' own libraries, in their own ways (environment, profiles, the machine's identity); none passes through
here. What is put takes its place whole: a single request, or an upload in parts that its last request completes.
"""

import errno
import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from campaign.domain.errors import CampaignError, InputError, UsageError
from campaign.domain.locations import ObjectUrl

PATIENCE_SECONDS: Final = 120.0
"""How long one request may take with all its repetitions, which the stores' libraries decide on."""

_SLOWEST_BYTES_PER_SECOND: Final = 50_000
_PART_BYTES: Final = 8 << 20
_TIMEOUTS: Final = {"connect_timeout": 10, "read_timeout": 60}
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """How a store's file system is made, and told to hold one part at a time in memory."""

    options: dict[str, Any]
    get: dict[str, Any] = field(default_factory=dict)
    put: dict[str, Any] = field(default_factory=dict)


_STORES: Final = {
    "s3": _Store(options={"config_kwargs": _TIMEOUTS, "max_concurrency": 1}, put={"chunksize": _PART_BYTES}),
    # Unlike the other two, its library asks the environment for a proxy only if it is told to.
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
    """An object that is there; `written_ns` are Unix nanoseconds."""

    url: ObjectUrl
    written_ns: int


def fetch(url: ObjectUrl, into: Path, *, most_bytes: int) -> None:
    """Copy an object into a file that is there already, so that who may read it stays as it is.

    Raises:
        InputError: there is none, it can't be read, it has more than `most_bytes`, or was replaced meanwhile.
    """
    with _telling(url, "read", lambda problem, code: InputError(problem, code=code, file=str(url))):
        store, path = _opened(url)
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
    """Copy the first lines of an object into a file, as many as fit whole into so many bytes.

    Raises:
        InputError: there is none, or it can't be read.
    """
    with _telling(url, "read", lambda problem, code: InputError(problem, code=code, file=str(url))):
        store, path = _opened(url)
        size = store.info(path, timeout=PATIENCE_SECONDS)["size"]
        head = store.cat_file(path, start=0, end=min(size, most_bytes), timeout=_seconds_for(most_bytes)) if size else b""
        into.write_bytes(head if len(head) >= size else head[: head.rfind(b"\n") + 1])


def find(url: ObjectUrl) -> Found | None:
    """The object, if it is there.

    Raises:
        InputError: the store can't be asked.
    """
    with _telling(url, "read", lambda problem, code: InputError(problem, code=code, file=str(url))):
        store, path = _opened(url)
        try:
            info = store.info(path, timeout=PATIENCE_SECONDS)
        except FileNotFoundError:
            return None
        return _found(url, info)


def matching(pattern: ObjectUrl) -> list[Found]:
    """The objects that match a pattern; `*` stays within a folder, `**` does not. All names in its first folder without a pattern are read.

    Raises:
        InputError: the store can't be asked.
    """
    with _telling(pattern, "listed", lambda problem, code: InputError(problem, code=code, file=str(pattern))):
        store, path = _opened(pattern)
        try:
            infos = store.glob(path, detail=True, timeout=PATIENCE_SECONDS)
        except FileNotFoundError:
            return []
        urls = {name: replace(pattern, key=name.partition("/")[2]) for name in infos}
        return [found for name, info in infos.items() if (found := _found(urls[name], info)) is not None]


def check_writable(url: ObjectUrl) -> None:
    """See that objects can be put beside `url` and removed again: one is.

    Raises:
        UsageError: they can't; says why.
    """
    draft = url.with_name(f".campaign-results-{hashlib.sha256(str(url).encode()).hexdigest()[:12]}-{secrets.token_hex(4)}.tmp")
    with _telling(url, "written", lambda problem, code: UsageError(f"{url}: {problem}", code=code, file=str(url))):
        store, path = _opened(draft)
        store.pipe_file(path, b"Results can be written here.\n", timeout=PATIENCE_SECONDS)
    remove(draft)


def put(file: Path, url: ObjectUrl) -> None:
    """Make a file's bytes the object, or leave the one that is there.

    Raises:
        UsageError: it can't be done; says why.
    """
    with _telling(url, "written", lambda problem, code: UsageError(f"{url}: {problem}", code=code, file=str(url))):
        store, path = _opened(url)
        store.put_file(str(file), path, timeout=_seconds_for(file.stat().st_size), **_STORES[url.store].put)


def remove(url: ObjectUrl) -> None:
    """Remove the object, if it is there.

    Raises:
        UsageError: it can't be done; says why.
    """
    with _telling(url, "removed", lambda problem, code: UsageError(f"{url}: {problem}", code=code, file=str(url))):
        store, path = _opened(url)
        with suppress(FileNotFoundError):
            store.info(path, timeout=PATIENCE_SECONDS)
            store.rm_file(path, timeout=PATIENCE_SECONDS)


def _opened(url: ObjectUrl) -> tuple[Any, str]:
    """The file system of a URL's store, and the object's path in it."""
    import fsspec.core  # noqa: PLC0415 - an extra, which brings a whole client of its store; only who names a URL needs it

    if url.store == "gs":
        # gcsfs would ask over gRPC for kinds of buckets that lists are not in, and wait a minute where only HTTPS gets out.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    store: tuple[Any, str] = fsspec.core.url_to_fs(str(url), use_listings_cache=False, **_STORES[url.store].options)
    return store


@contextmanager
def _telling(url: ObjectUrl, done: str, told: Callable[[str, str], CampaignError]) -> Iterator[None]:
    """Whatever goes wrong with an object, in words. The libraries under fsspec have no error in common."""
    try:
        yield
    except CampaignError:
        raise
    except Exception as error:
        raise told(*_in_words(error, url, done)) from error


def _in_words(error: Exception, url: ObjectUrl, done: str) -> tuple[str, str]:
    """What went wrong and what to do, and its code."""
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
    # What stands behind a question mark may be a signature.
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

"""The process that sends notices: reads one task from stdin, and writes a line of JSON for each address as soon as it is done."""

import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final

import orjson
from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

THREADS: Final = 16


def main() -> None:
    """Send to all addresses at the same time, so that one that hangs does not delay the others."""
    task: dict[str, Any] = orjson.loads(sys.stdin.buffer.read())
    # The library's log may contain addresses.
    logging.disable(logging.CRITICAL)
    with ThreadPoolExecutor(THREADS) as pool:
        notices = {pool.submit(_tell, address, task): number for number, address in enumerate(task["addresses"])}
        for future in as_completed(notices):
            sys.stdout.buffer.write(orjson.dumps({"number": notices[future], "why": future.result()}) + b"\n")
            sys.stdout.buffer.flush()
    # Exits without waiting for threads that the library may have left.
    os._exit(0)


def _tell(address: str, task: dict[str, Any]) -> str:
    """Send a notice; returns why the service did not take it, or an empty text. Never contains a part of the address."""
    try:
        asset = AppriseAsset(app_id="Campaign", app_desc="Campaign", app_url="")
        # A redirect may lead to a login page, which accepts everything and delivers nothing, or to another server.
        asset.http_redirects = False
        service = Apprise.instantiate(address, asset=asset)
        if service is None:
            return "Apprise does not know this kind of address, or something in it is missing"
        kind = NotifyType(task["kind"])
        taken = service.notify(body=task["text"], title=task["title"], notify_type=kind, body_format=NotifyFormat.TEXT)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and its message may contain the address
        return f"{type(error).__name__} while it was sent"
    return "" if taken else "the service could not be reached, or refused it"


if __name__ == "__main__":
    main()

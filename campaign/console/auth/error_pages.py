"""Turns every error of a request into an answer in words, and logs every request."""

import logging
import secrets
import time
import traceback
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from campaign.console.access import PERSON
from campaign.console.auth.authorization import is_page
from campaign.console.console import console_of, log
from campaign.console.pages import ErrorText
from campaign.domain.errors import CampaignError, InputError, UsageError

TITLES: Final = {
    401: "shell.error.log_in_title",
    403: "shell.error.forbidden_title",
    404: "shell.error.missing_title",
    405: "shell.error.method_title",
    413: "shell.error.large_title",
    421: "shell.error.host_title",
    422: "shell.error.problem_title",
    426: "shell.error.plain_title",
    429: "shell.error.slow_title",
    500: "shell.error.broken_title",
    503: "shell.error.problem_title",
}
SENTENCES: Final = {
    403: "shell.error.forbidden",
    404: "shell.error.missing",
    405: "shell.error.method",
    413: "shell.error.large",
}
KEPT: Final = frozenset({"allow", "retry-after", "hx-redirect", "set-cookie"})
"""Headers of an error that its page keeps."""


def error_pages() -> Middleware:
    """The outermost middleware."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        status = 500
        try:
            found = await _answer(request, handler)
            status = found.status
        except web.HTTPException as redirect:
            status = redirect.status
            raise
        finally:
            person = request.get(PERSON)
            log(
                logging.INFO,
                "request",
                method=request.method,
                # Without the query, which may have the key of a one-time link.
                path=request.path,
                status=status,
                milliseconds=round((time.perf_counter() - began) * 1000, 1),
                person=person.name if person is not None else "",
            )
        return found

    return answer


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _page(request, error.status, _sentence(request, error), error)
    except CampaignError as error:
        return _page(request, 422 if isinstance(error, (UsageError, InputError)) else 503, ErrorText.of(error))
    except ConnectionError:
        # The browser has closed the connection.
        return web.Response(status=499)
    except Exception as error:
        number = secrets.token_hex(4)
        lines = [line for part in traceback.format_exception(error) for line in part.splitlines()]
        log(logging.ERROR, "request_broke_off", id=number, method=request.method, path=request.path, traceback=lines)
        if request.writer.output_size:
            raise
        return _page(request, 500, console_of(request).pages.text("shell.error.broken", id=number))


def _sentence(request: web.Request, error: web.HTTPException) -> str:
    """The sentence of the error, if it has one, else a general one for its status."""
    text = error.text or ""
    if text and text != f"{error.status}: {error.reason}" and error.status != 413:
        return text
    return console_of(request).pages.text(SENTENCES.get(error.status, "shell.error.other"))


def _page(request: web.Request, status: int, says: str, error: web.HTTPException | None = None) -> web.Response:
    pages = console_of(request).pages
    if is_page(request):
        title = pages.text(TITLES.get(status, "shell.error.other_title"))
        answer = pages.respond("error.html", request, status=status, title=title, says=says)
    elif "HX-Request" in request.headers:
        answer = pages.respond("error_part.html", request, status=status, says=says)
        answer.headers.update({"HX-Retarget": "#said", "HX-Reswap": "innerHTML"})
    else:
        answer = web.Response(text=says, status=status)
    if error is not None:
        for name, value in error.headers.items():
            if name.lower() in KEPT:
                answer.headers.add(name, value)
    return answer

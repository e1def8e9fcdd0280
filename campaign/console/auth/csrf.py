"""CSRF protection: a form must have the token of its session, and come from a page of this console."""

import asyncio
import hmac
import secrets
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from campaign.console.access import PERSON
from campaign.console.auth.site import SITE, cookie, set_cookie
from campaign.console.console import console_of

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FIELD: Final = "csrf"
HEADER: Final = "X-CSRF-Token"
_VISIT: Final = "campaign-visit"
"""The cookie whose value a form must repeat before the log-in."""

_VISIT_SECONDS: Final = 3600.0
FORM_SECONDS: Final = 60.0
"""How long to wait for a form, which is small."""

MALFORMED: Final = (ValueError, LookupError, RuntimeError, HttpProcessingError, web.PayloadAccessError, web.RequestPayloadError)
"""The library's errors for a body that is not a form."""

_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def check(request: web.Request, token: str) -> None:
    """Check that this token is the session's, and that the request is from a page of ours; raises HTTPForbidden if not."""
    check_origin(request)
    expected = _expected(request)
    if not expected or not hmac.compare_digest(expected.encode(), token.encode("utf-8", "surrogatepass")):
        raise _forged(request)


def check_origin(request: web.Request) -> None:
    """The part of `check` that needs no token. The guard does it before every POST, also for `streamed` handlers.

    Raises:
        HTTPForbidden: the request is from a page of another site, by the browser's headers.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site not in {"same-origin", "none"}:
        raise _forged(request)
    # With our Referrer-Policy, browsers send the origin null for our own forms; those that do also send Sec-Fetch-Site.
    if origin is not None and not (origin == "null" and site == "same-origin") and origin.lower() != request.app[SITE].origin(request):
        raise _forged(request)


async def sent(request: web.Request) -> str:
    """The token in the header or in the form. It reads the whole form.

    Raises:
        HTTPBadRequest: the form can't be read.
        HTTPRequestTimeout: the form does not come in time.
    """
    try:
        async with asyncio.timeout(FORM_SECONDS):
            if request.content_type not in _FORMS:
                await request.read()
            field = (await request.post()).get(FIELD)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except MALFORMED as error:
        raise web.HTTPBadRequest from error
    given = request.headers.get(HEADER, field)
    return given if isinstance(given, str) else ""


def respond_with_form(template: str, request: web.Request, *, status: int = 200, **values: object) -> web.Response:
    """A page with a form for somebody who is not logged in. Its template must put `csrf` into the form."""
    token = cookie(request, _VISIT) or secrets.token_urlsafe(32)
    answer = console_of(request).pages.respond(template, request, status=status, csrf=token, **values)
    set_cookie(request, answer, _VISIT, token, seconds=_VISIT_SECONDS)
    return answer


def _expected(request: web.Request) -> str:
    person = request.get(PERSON)
    return person.csrf if person is not None else cookie(request, _VISIT)


def _forged(request: web.Request) -> web.HTTPForbidden:
    return web.HTTPForbidden(text=console_of(request).pages.text("shell.error.forged"))

"""Pages: Jinja templates, with every text from `texts/`; static files, read once, so that no path of a request reaches the file system;
and addresses of campaigns, whose names can be anything.
"""

import hashlib
import mimetypes
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, Self
from urllib.parse import quote

from aiohttp import web
from aiohttp.helpers import ETag
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from campaign.console.access import PERSON, Role, allow
from campaign.domain.errors import CampaignError
from campaign.domain.status import Status

PREFIX: Final = "/static/"
STATUSES: Final = "statuses.css"
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """`mark` identifies the content."""

    body: bytes
    content_type: str
    mark: str


@cache
def static_files() -> Mapping[str, StaticFile]:
    """All static files, by their path below `static`, and `statuses.css`."""
    found = dict(_below(files("campaign.console").joinpath("static"), ""))
    return found | {STATUSES: _static_file(STATUSES, _status_colors().encode())}


def address_of(name: str) -> str:
    """The address of a file. It changes with the content, so that browsers may cache it for ever."""
    return f"{PREFIX}{name}?v={static_files()[name].mark}"


@allow(Role.NOBODY)
async def static_file(request: web.Request) -> web.StreamResponse:
    found = static_files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    asked_for = request.if_none_match or ()
    fresh = any(etag.value == found.mark for etag in asked_for)
    answer = web.Response(status=304) if fresh else web.Response(body=found.body, headers={"Content-Type": found.content_type})
    answer.etag = ETag(value=found.mark)
    answer.headers["Cache-Control"] = FOR_EVER if request.query.get("v") == found.mark else ASK_AGAIN
    return answer


def static_routes() -> list[web.RouteDef]:
    return [web.get(PREFIX + "{name:.+}", static_file)]


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, StaticFile]]:
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            yield from _below(entry, f"{name}/")
        else:
            yield name, _static_file(name, entry.read_bytes())


def _static_file(name: str, body: bytes) -> StaticFile:
    return StaticFile(body=body, content_type=_content_type(name), mark=hashlib.sha256(body).hexdigest()[:16])


def _status_colors() -> str:
    """The class `fill-STATUS` of each status."""
    light, dark = ("\n".join(f".fill-{status} {{ fill: {status.info.colors[place]}; }}" for status in Status) for place in (0, 1))
    return f"{light}\n\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _content_type(name: str) -> str:
    # Not from the machine's table, which on some machines says that scripts are plain text.
    kind = mimetypes.MimeTypes().guess_type(name)[0] or "text/plain"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith("javascript") else kind


_ODD: Final = re.compile(r"[~{}/\\%\x00-\x1f\x7f]|^\.+")
"""Characters that browsers, proxies or servers interpret in a path, even when they are percent-encoded."""
_WRITTEN: Final = re.compile(r"~([0-9A-F]{2})")


def campaign_page(name: str, *more: str) -> str:
    """The path of a campaign's page, or of a page below it."""
    return "/".join(("/campaigns", quote(as_part(name), safe=""), *more))


def campaign_in(request: web.Request) -> str:
    """The campaign's name in a request (`{name}` of the route)."""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), request.match_info["name"])


def as_part(name: str) -> str:
    """The name as one part of a path, readable as far as possible."""
    return _ODD.sub(lambda found: "".join(f"~{ord(character):02X}" for character in found[0]), name)


LANGUAGE: Final = "en"


@cache
def texts(language: str = LANGUAGE) -> Mapping[str, str]:
    """All texts of a language, by `file.section.name`."""
    found: dict[str, str] = {}
    for file in files("campaign.console").joinpath("texts", language).iterdir():
        if file.name.endswith(".toml"):
            found |= _flat(file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8")))
    return found


class ErrorText(str):
    """The sentence of an error, with its `code` for templates."""

    __slots__ = ("code",)
    code: str

    @classmethod
    def of(cls, error: CampaignError) -> Self:
        text = cls(error)
        text.code = error.code
        return text


@dataclass(frozen=True, slots=True)
class Pages:
    """Renders templates.

    In a template, `t("file.section.name", count=3)` is a text, `static("file")` the address of a static file, `unix_seconds | moment` a
    time, `person` the visitor (or None), and `path` the path of the page.
    """

    _texts: Mapping[str, str] = field(default_factory=texts)
    _environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        environment = Environment(
            loader=PackageLoader("campaign.console"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["t"] = self.text
        environment.filters["moment"] = moment
        environment.globals["static"] = address_of
        object.__setattr__(self, "_environment", environment)

    def text(self, key: str, **values: object) -> str:
        """One text, with `{name}` and the like replaced by `values`."""
        return self._texts[key].format(**values)

    def add_filter(self, name: str, function: Callable[..., Any]) -> None:
        """Add the filter `{{ value | name }}` to templates."""
        self._environment.filters[name] = function

    def give(self, name: str, value: object) -> None:
        """Add a global variable to every template."""
        self._environment.globals[name] = value

    def render(self, template: str, request: web.Request, **values: Any) -> str:
        """Render a template: a page, or a part that replaces another."""
        shared = {"person": request.get(PERSON), "path": request.path}
        return self._environment.get_template(template).render(shared | values)

    def part(self, template: str, **values: Any) -> str:
        """Render a part of a page that is the same for everybody, without `person` and `path`."""
        return self._environment.get_template(template).render(values)

    def respond(self, template: str, request: web.Request, *, status: int = 200, **values: Any) -> web.Response:
        return web.Response(text=self.render(template, request, **values), content_type="text/html", charset="utf-8", status=status)


def moment(unix_seconds: float) -> Markup:
    """A time as `<time>`, with its zone, which is that of the console's machine."""
    at = datetime.fromtimestamp(unix_seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), f"{at.astimezone():%d %b %Y, %H:%M %Z}")


def _flat(prefix: str, table: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.items():
        found |= _flat(f"{prefix}.{name}", value) if isinstance(value, dict) else {f"{prefix}.{name}": str(value)}
    return found

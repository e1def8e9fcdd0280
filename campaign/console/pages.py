"""Pages: Jinja templates, with every text from `texts/`."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final, Self

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from campaign.console.access import PERSON
from campaign.console.static_files import address_of
from campaign.domain.errors import CampaignError

LANGUAGE: Final = "en"


def texts(language: str = LANGUAGE) -> dict[str, str]:
    """Every text of a language, by `file.section.name`."""
    found: dict[str, str] = {}
    for file in files("campaign.console").joinpath("texts", language).iterdir():
        if file.name.endswith(".toml"):
            found |= _flat(file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8")))
    return found


class ErrorText(str):
    """The sentence of an error; a template that shows it names its `code`, too."""

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

    In them `t("file.section.name", count=3)` is a text, `static("file")` a static file's address, `unix_seconds | moment` a time,
    `person` who asks (or None), `path` the page's own.
    """

    _texts: dict[str, str] = field(default_factory=texts)
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
        """One text, with `{name}` put in."""
        return self._texts[key].format(**values)

    def add_filter(self, name: str, function: Callable[..., Any]) -> None:
        """Have templates write `{{ value | name }}`."""
        self._environment.filters[name] = function

    def give(self, name: str, value: object) -> None:
        """Have every template know this."""
        self._environment.globals[name] = value

    def render(self, template: str, request: web.Request, **values: Any) -> str:
        """A template, or a part of a page that takes another's place."""
        shared = {"person": request.get(PERSON), "path": request.path}
        return self._environment.get_template(template).render(shared | values)

    def part(self, template: str, **values: Any) -> str:
        """A part of a page that is the same for whoever asks: `person` and `path` are not known in it."""
        return self._environment.get_template(template).render(values)

    def respond(self, template: str, request: web.Request, *, status: int = 200, **values: Any) -> web.Response:
        """The same as an answer."""
        return web.Response(text=self.render(template, request, **values), content_type="text/html", charset="utf-8", status=status)


def moment(unix_seconds: float) -> Markup:
    """A time as `<time>`, in the zone of the machine that the console runs on, which is named."""
    at = datetime.fromtimestamp(unix_seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), f"{at.astimezone():%d %b %Y, %H:%M %Z}")


def _flat(prefix: str, table: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.items():
        found |= _flat(f"{prefix}.{name}", value) if isinstance(value, dict) else {f"{prefix}.{name}": str(value)}
    return found

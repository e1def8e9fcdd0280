"""What a page of the console answered."""

import html
import re
from dataclasses import dataclass
from typing import Final

from campaign.console.pages import texts

TEXTS: Final = texts()


@dataclass
class Answer:
    """A page: `path` is where it was found in the end."""

    status: int
    path: str
    page: str

    @property
    def words(self) -> str:
        """Its text, without tags, on one line."""
        bare = re.sub(r"<(script|style)\b.*?</\1>", " ", self.page, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())

    @property
    def codes(self) -> set[str]:
        """The codes of the errors that it tells of."""
        return set(re.findall(r'data-code="([^"]+)"', self.page))

    def says(self, key: str) -> bool:
        """Whether this text of `campaign/console/texts` is on it, whatever stands in its places."""
        parts = re.split(r"\{[^}]*\}", " ".join(TEXTS[key].split()))
        return re.search(".*?".join(map(re.escape, parts)), self.words) is not None

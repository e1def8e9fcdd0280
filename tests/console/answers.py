"""What a page of the console answered."""

import html
import re
from dataclasses import dataclass


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

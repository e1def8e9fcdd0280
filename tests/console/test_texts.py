"""Every text that a page names is there, every text that is there is used, and no page has words of its own."""

import re
import string
from pathlib import Path

import pytest

from campaign.console.drafts.draft import CONTROLS
from campaign.console.drafts.pages.controls_page import CHOICES
from campaign.console.pages import texts

CONSOLE = Path(__file__).parents[2] / "campaign" / "console"
TEMPLATES = sorted(CONSOLE.joinpath("templates").rglob("*.html"))
FILES = sorted(file.stem for file in CONSOLE.joinpath("texts", "en").glob("*.toml"))
KEY = re.compile(rf"""["']((?:{"|".join(FILES)})(?:\.(?!(?:html|css|js)\b)[a-z0-9_]+)+)["']""")
NAMES = re.compile(r"\bt\(\s*[\"'](?P<key>[^\"']+[^\"'.])[\"']")
OWN = {"· Campaign", "campaign user link"}
"""What is no language's: the name, and a command."""


def used() -> dict[str, str]:
    words = [name for names in CONTROLS.values() for name in names] + [str(choice) for choices in CHOICES.values() for choice in choices]
    hints = [f"{name}_hint" for names in CONTROLS.values() for name in names]
    found = {f"drafts.controls.{name}": "controls.html" for name in (*words, *hints)}
    for file in (*TEMPLATES, *CONSOLE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        found |= dict.fromkeys(KEY.findall(text), file.name)
        if file.suffix == ".html":
            found |= dict.fromkeys(NAMES.findall(text), file.name)
    return found


def test_what_is_named_is_there_and_what_is_there_is_named() -> None:
    known, named = set(texts()), used()
    assert {key: file for key, file in named.items() if key not in known} == {}
    assert known - set(named) == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: str(file.name))
def test_no_page_has_words_of_its_own(template: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!.*?>|<[^>]*>", "\n", template.read_text(encoding="utf-8"), flags=re.DOTALL)
    own = {line.strip() for line in text.splitlines() if re.search(r"\w", line)}
    assert own - OWN == set()


def test_every_text_can_be_filled_in() -> None:
    for key, text in texts().items():
        assert all(name is None or name.isidentifier() for _, name, _, _ in string.Formatter().parse(text)), key
        assert text.strip() == text, key
        assert text, key

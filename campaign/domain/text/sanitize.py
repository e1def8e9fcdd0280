"""Makes text from outside safe to show."""


def sanitize_for_terminal(text: str, longest: int | None = None) -> str:
    """`text` on one line, without control sequences: white space becomes blanks, other unprintable characters become U+FFFD."""
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text)

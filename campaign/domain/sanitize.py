"""Text of other people's making, before a person sees it."""


def sanitize_for_terminal(text: str, longest: int | None = None) -> str:
    """Text on one line, without anything that a terminal obeys: blanks for white space, U+FFFD for what else can't be printed."""
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text)

"""What to look at before sending, in words."""

from typing import Final

from campaign.domain.message_lint import Concern, LintKind

_ONE: Final[dict[LintKind, str]] = {
    LintKind.NEAR_EXCLUDED: "1 pass is sent to though its id is nearly that of an excluded one",
    LintKind.NEAR_DUPLICATE: "1 id is nearly another one",
    LintKind.PLACEHOLDER: "1 message seems to hold a placeholder that nobody filled in",
    LintKind.EMPTY_MERGE: "1 message seems to lack a value: there is a gap, or punctuation with nothing before it",
    LintKind.MOJIBAKE: "1 message holds characters that a wrong encoding has broken; save the list or the template as UTF-8",
    LintKind.BROKEN_LINK: "1 message has a link that is not whole: an address with a blank, without its end, or with an empty value",
    LintKind.INSECURE_LINK: "1 message links to http:// instead of https://",
    LintKind.CUT_ON_LOCK_SCREEN: "1 message is longer than the {lock_screen:,} characters that a lock screen shows",
    LintKind.SAME_AS_LAST: "1 message is the same as the last one to its pass; an iPhone shows no alert for it",
    LintKind.LINK: "1 message has a link",
}
_MANY: Final[dict[LintKind, str]] = {
    LintKind.NEAR_EXCLUDED: "{count:,} passes are sent to though their ids are nearly those of excluded ones",
    LintKind.NEAR_DUPLICATE: "{count:,} rows have ids that look like those of other rows; each gets a message",
    LintKind.PLACEHOLDER: "{count:,} messages seem to hold a placeholder that nobody filled in",
    LintKind.EMPTY_MERGE: "{count:,} messages seem to lack a value: there is a gap, or punctuation with nothing before it",
    LintKind.MOJIBAKE: "{count:,} messages hold characters that a wrong encoding has broken; save the list or the template as UTF-8",
    LintKind.BROKEN_LINK: (
        "{count:,} messages have a link that is not whole: an address with a blank, without its end, or with an empty value"
    ),
    LintKind.INSECURE_LINK: "{count:,} messages link to http:// instead of https://",
    LintKind.CUT_ON_LOCK_SCREEN: "{count:,} messages are longer than the {lock_screen:,} characters that a lock screen shows",
    LintKind.SAME_AS_LAST: "{count:,} messages are the same as the last one to their pass; an iPhone shows no alert for them",
    LintKind.LINK: "{count:,} messages have a link",
}


def concern_in_words(concern: Concern, *, lock_screen: int) -> str:
    """How many messages, and what there is to look at in them."""
    words = _ONE if concern.count == 1 else _MANY
    return words[concern.kind].format(count=concern.count, lock_screen=lock_screen)

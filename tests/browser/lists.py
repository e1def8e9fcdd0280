"""Lists that people upload in these tests, and what should come of them."""

NAMES = ("Sofía", "Märta", "Ana", "Jonas", "Chloé", "Ömer", "Zoë", "Łukasz", "Aoife", "Noah", "Mia", "Rubén")
SHOPS = ("Lisboa Chiado", "Umeå Ö", "Porto Baixa", "Köln Mitte", "Lyon Part-Dieu", "Beyoğlu")
OFFERS = ("20% off", "2 for 1", "free coffee")

HEADER = "pass_id,first_name,shop,offer,code,valid_until\n"
TEMPLATE = "🎁 {{ first_name }}, your {{ offer }} at {{ shop }} is waiting: show {{ code }} until {{ valid_until }}."


def line(row: int, *, name: str | None = None) -> str:
    first = NAMES[row % len(NAMES)] if name is None else name
    return f"card-{row:05},{first},{SHOPS[row % len(SHOPS)]},{OFFERS[row % len(OFFERS)]},SPRING-{row:04},31 March\n"


def promo(rows: int, *, nameless: tuple[int, ...] = ()) -> bytes:
    """A list of so many passes, some of which have no first name."""
    return (HEADER + "".join(line(row, name="" if row in nameless else None) for row in range(1, rows + 1))).encode()


def text(row: int, *, name: str | None = None) -> str:
    """The message of a row."""
    first = NAMES[row % len(NAMES)] if name is None else name
    return f"🎁 {first}, your {OFFERS[row % len(OFFERS)]} at {SHOPS[row % len(SHOPS)]} is waiting: show SPRING-{row:04} until 31 March."

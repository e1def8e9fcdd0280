"""Writes every sample list anew, always the same: `python sample_data/make.py`.

Nobody in them is real. The names fit Windows-1252, so that the file that Excel saves in Germany can hold them.
"""  # noqa: INP001 - a script beside its data, not a package
# ruff: noqa: RUF001 - the typographic apostrophes are meant

import csv
import datetime as dt
import io
import random
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

SEED: Final = 20270301
ROWS: Final = 504
COLUMNS: Final = ("pass_id", "first_name", "language", "shop", "offer", "code", "valid_until")

FIRST_NAMES: Final = {
    "de": ("Jürgen", "Käthe", "Björn", "Anneliese", "Götz", "Ulrike", "Sören", "Heike", "Matthias", "Änne", "Lütfiye", "Jörg"),
    "en": ("Olivia", "Harry", "Niamh", "Owen", "Zoë", "Chloë", "Alasdair", "Siân", "Renée", "George", "D’Arcy", "Isla"),
    "fr": ("Hélène", "François", "Zoé", "Loïc", "Anaïs", "Jérôme", "Maëlle", "Benoît", "Cœur-Aimée", "Françoise", "Noël", "Élise"),
    "es": ("José", "Begoña", "Iñaki", "Lucía", "Ángel", "Inés", "Nicolás", "Mª Ángeles", "Íñigo", "Sofía", "Rubén", "Concepción"),
    "it": ("Niccolò", "Giulia", "Mosè", "Chiara", "Zoè", "Matteo", "Desirée", "Giosuè", "Alessia", "Noè", "Elisa", "Davide"),
    "pt": ("João", "Conceição", "Antônio", "Inês", "Sebastião", "Beatriz", "Luís", "Assunção", "Gonçalo", "Mónica", "Zeferino", "Íris"),
    "sv": ("Åsa", "Göran", "Märta", "Håkan", "Örjan", "Elin", "Björn-Åke", "Sölvi", "Ängla", "Nils", "Torbjörn", "Maj-Britt"),
    "da": ("Søren", "Åse", "Jørgen", "Mette", "Bjørn", "Kåre", "Bjarne", "Signe", "Rasmus", "Lærke", "Rikke", "Øjvind"),
}
SHOPS: Final = {
    "de": ("Köln Südstadt", "Zürich Hauptbahnhof", "Würzburg, Alter Markt", "Görlitz Altstadt"),
    "en": ("Fulham Green", "St Andrew’s Square", "King’s Quay, Pier 3", "Queens Yard"),
    "fr": ("Besançon Centre", "Genève Rive", "Orléans, place d’Armes", "Saint-Étienne Châteaucreux"),
    "es": ("Málaga Centro", "A Coruña, Puerto", "Logroño Norte", "Cádiz La Viña"),
    "it": ("Forlì Centro", "Città Alta", "Cefalù, Lungomare", "Cantù"),
    "pt": ("São João da Madeira", "Évora, Praça", "Guimarães", "Póvoa de Varzim"),
    "sv": ("Malmö Central", "Växjö, Stortorget", "Umeå Ö", "Göteborg Haga"),
    "da": ("Ærøskøbing Havn", "Nørrebro", "Århus C", "Helsingør, Torvet"),
}
OFFERS: Final = {
    "de": ("10 % auf alles", "2 Kaffee zum Preis von 1", "5 € Gutschein", "Gratis-Stück Käsekuchen"),
    "en": ("10% off", "2 coffees for 1", "a £5 voucher", "a free crème brûlée"),
    "fr": ("10 % de remise", "2 cafés pour le prix d’un", "un bon de 5 €", "un goûter offert"),
    "es": ("10 % de descuento", "2 cafés por 1", "un vale de 5 €", "un postre de piña gratis"),
    "it": ("10 % di sconto", "2 caffè al prezzo di 1", "un buono da 5 €", "un tiramisù in omaggio"),
    "pt": ("10 % de desconto", "2 cafés pelo preço de 1", "um vale de 5 €", "um pastel de maçã grátis"),
    "sv": ("10 % rabatt", "2 kaffe för 1", "en bulle på köpet", "50 kr på nästa köp"),
    "da": ("10 % rabat", "2 kopper kaffe for 1", "et stykke kage på købet", "gratis smørrebrød"),
}
DATES: Final = {
    "de": "31.03.2027",
    "en": "31 March 2027",
    "fr": "31 mars 2027",
    "es": "31 de marzo de 2027",
    "it": "31 marzo 2027",
    "pt": "31 de março de 2027",
    "sv": "2027-03-31",
    "da": "31. marts 2027",
}
HERE: Final = Path(__file__).parent

Row = tuple[str, ...]


def promo(dice: random.Random) -> list[Row]:
    """The promo list: each pass once, ids of every form that is in use."""
    forms: tuple[Callable[[int], str], ...] = (
        lambda _: f"{dice.getrandbits(160):040x}",
        lambda _: f"{dice.getrandbits(160):040x}",
        lambda _: str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        lambda number: f"{number:08}",  # leading zeros
        lambda number: f"LOY-{number:05}",
        lambda number: f"loyalty card {number}",
        lambda number: f"club/zürich/{number}",
        lambda number: f"Müller & Søn #{number}",
        lambda number: f"100%-club?nr={number}",
        lambda number: f"café crème+{number}",
    )
    rows: list[Row] = []
    for number in range(1, ROWS + 1):
        language = dice.choice(tuple(FIRST_NAMES))
        pass_id = dice.choice(forms)(number)
        code = "SPRING-" + "".join(dice.choices("23456789ABCDEFGHJKLMNPQRSTUVWXYZ", k=5))
        name, shop, offer = (dice.choice(choices[language]) for choices in (FIRST_NAMES, SHOPS, OFFERS))
        rows.append((pass_id, name, language, shop, offer, code, DATES[language]))
    return rows


def languages(rows: Sequence[Row]) -> list[Row]:
    """Those of the promo list for whose language there is a template, with its name."""
    return [(*row[:2], f"{row[2]}.txt", *row[3:]) for row in rows if row[2] in {"de", "en", "fr"}][:90]


def bad(dice: random.Random) -> list[Row]:
    """Good rows, and one or more of every kind that can't be sent; the last column says which. The texts are in `bad-templates`."""
    good = f"{dice.getrandbits(160):040x}"
    dashed = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    hello, note, points = "offer.txt", "note.txt", "points.txt"
    return [
        (good, "Olivia", "10% off", "GOOD-1", hello, "good"),
        (dashed, "Harry", "10% off", "GOOD-2", hello, "good"),
        ("  shop 7/card 12\u00a0", "Zoë", "10% off", "GOOD-3", hello, "good: the blanks around the id are removed"),
        ("0004711", "Owen", "10% off", "GOOD-4", hello, "good: the zeros stay"),
        ("SUM-1", "=1+1", "10% off", "GOOD-5", hello, "good: a name that a spreadsheet would run"),
        ("", "Niamh", "10% off", "NOID-1", hello, "no_id"),
        (" \u200b ", "Siân", "10% off", "NOID-2", hello, "no_id: only blanks and what nobody sees"),
        ("1.23457E+15", "George", "10% off", "MANG-1", hello, "mangled_id: by Excel"),
        ("1,23457E+15", "Jürgen", "10% off", "MANG-2", hello, "mangled_id: by Excel in Germany"),
        ("#N/A", "Isla", "10% off", "MANG-3", hello, "mangled_id: a formula that found nothing"),
        ("#BEZUG!", "Heike", "10% off", "MANG-4", hello, "mangled_id: a formula's error in Germany"),
        ("########", "Renée", "10% off", "MANG-5", hello, "mangled_id: the column was too narrow"),
        ("card\n17", "Loïc", "10% off", "BAD-1", hello, "bad_id: a line break inside"),
        ("x" * 600, "Anaïs", "10% off", "BAD-2", hello, "bad_id: too long"),
        ("..", "Chloë", "10% off", "BAD-3", hello, "bad_id: can't be part of an address"),
        (good, "Olivia", "10% off", "DUP-1", hello, "duplicate of row 1"),
        (good.upper(), "Olivia", "10% off", "DUP-2", hello, "duplicate of row 1, in capitals"),
        (dashed.upper(), "Harry", "10% off", "DUP-3", hello, "duplicate of row 2, in capitals"),
        ("MISS-1", "", "10% off", "MISS-1", hello, "missing_field: first_name is empty"),
        ("MISS-2", "Alasdair", "", "MISS-2", hello, "missing_field: offer is empty"),
        ("MISS-3", "   ", "10% off", "MISS-3", hello, "missing_field: first_name is blank"),
        ("EMPTY-1", "Noël", "", "EMPT-1", note, "empty_message: the template has only the offer in it"),
        ("EMPTY-2", "Élise", "   ", "EMPT-2", note, "empty_message: only blanks"),
        ("LONG-1", "Benoît", "10% off " * 100, "LONG-1", note, "message_too_long"),
        ("NOTE-1", "Chiara", "10% off\r\non everything", "GOOD-6", note, "good: a line break in the message"),
        ("TMPL-1", "Mosè", "10% off", "TMPL-1", "", "no_template: none is named"),
        ("TMPL-2", "Giulia", "10% off", "TMPL-2", "ofer.txt", "no_template: a slip of the pen"),
        ("TMPL-3", "Davide", "10% off", "TMPL-3", "../templates/offer.txt", "no_template: not in the folder"),
        ("FAIL-1", "Åsa", "many points", "FAIL-1", points, "template_failed: a text where a number is needed"),
        ("FAIL-2", "Göran", "999999999999", "FAIL-2", points, "template_failed: more stars than any message holds"),
        ("STARS-1", "Elin", "3", "GOOD-7", points, "good"),
        ("CHAR-1", "João", "10%\toff", "CHAR-1", note, "bad_message: a tab in it"),
        ("CHAR-2", "Inês", "10% off\x1b[31m", "CHAR-2", note, "bad_message: a control character in it"),
        ("BRACE-1", "Íris", "10% off, {{ first_name }}", "BRAC-1", note, "bad_message: braces that nobody filled in"),
        ("ZONE-1", "Frodo", "10% off", "ZONE-1", hello, "bad_time_zone: with --window, which is kept in each row's own zone"),
    ]


def csv_bytes(columns: Sequence[str], rows: Sequence[Row], *, delimiter: str = ",", line_end: str = "\n", encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def write_workbook(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}) as workbook:
        workbook.set_properties({"created": dt.datetime(2027, 3, 1)})  # noqa: DTZ001 - a workbook's times have no zone
        sheet = workbook.add_worksheet("Promo")
        for number, row in enumerate((columns, *rows)):
            sheet.write_row(number, 0, row)
        sheet.freeze_panes(1, 0)
        sheet.autofit()


def main(folder: Path = HERE) -> None:
    dice = random.Random(SEED)  # noqa: S311 - samples, not secrets
    rows = promo(dice)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "promo.csv").write_bytes(csv_bytes(COLUMNS, rows))
    (folder / "promo-excel-de.csv").write_bytes(csv_bytes(COLUMNS, rows, delimiter=";", line_end="\r\n", encoding="cp1252"))
    write_workbook(folder / "promo.xlsx", COLUMNS, rows)
    pq.write_table(pa.table(dict(zip(COLUMNS, map(pa.array, zip(*rows, strict=True)), strict=True))), folder / "promo.parquet")
    with_template = (*COLUMNS[:2], "template", *COLUMNS[3:])
    (folder / "promo-languages.csv").write_bytes(csv_bytes(with_template, languages(rows)))
    what = ("pass_id", "first_name", "offer", "code", "template", "time_zone", "what_is_wrong")
    zoned = [(*row[:5], "Middle-earth/Shire" if row[0] == "ZONE-1" else "", row[5]) for row in bad(dice)]
    (folder / "bad-rows.csv").write_bytes(csv_bytes(what, zoned))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

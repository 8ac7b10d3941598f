"""What stops the demo, said so that one can act on it."""

from __future__ import annotations

ACCEPTED = """--data accepts:
  nothing                a generated catalogue with simulated shoppers
  a folder or file       of UCI Online Retail order lines, .parquet or .csv, with the columns
                         InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice,
                         CustomerID (and Country); Online Retail II's column names work as well
  a folder               with a fashion catalogue: a .csv with id, productDisplayName, articleType …
                         and a .tar of pictures named <id>.jpg"""


class DemoError(Exception):
    """Ends the demo with a message and no traceback."""


class UnknownData(DemoError):
    """The path leads to nothing the demo can read."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}\n\n{ACCEPTED}")

"""What is logged quotes no row and no address, and still says what is wrong."""

from __future__ import annotations

import logging

import psycopg
import pytest
from django.db import IntegrityError

from reco_plugin import logs
from reco_plugin.exceptions import StoreError

logger = logging.getLogger("reco_plugin.serving.recommend")
ROW = "duplicate key\nDETAIL:  Key (query)=(shoes for ann@example.com) already exists."


@pytest.fixture(autouse=True)
def listening(caplog):
    logs.be_discreet()
    caplog.set_level("DEBUG", logger="reco_plugin")


def told(caplog) -> str:
    return "\n".join(
        logging.Formatter("%(message)s %(reco)s").format(record) for record in caplog.records
    )


def fail(words: str = ROW) -> None:
    try:
        raise psycopg.errors.UniqueViolation(words)
    except psycopg.Error as cause:
        raise IntegrityError(words) from cause


def test_a_row_that_a_database_quotes(caplog) -> None:
    try:
        fail()
    except IntegrityError as error:
        logger.warning("could not be written: %s", error)
        logger.exception("it failed: %s", error)
        logger.error("%s", f"{type(error).__name__}: {error}", exc_info=error)
    text = told(caplog)
    assert "shoes" not in text
    assert "ann@" not in text
    assert text.count("could not be written: IntegrityError 23505") == 1
    assert "UniqueViolation: " in text
    assert "in fail" in text


def test_an_error_that_came_from_such_a_one(caplog) -> None:
    try:
        try:
            fail()
        except IntegrityError as error:
            raise RuntimeError(f"the store said {error}") from error
    except RuntimeError:
        logger.exception("it failed")
    text = told(caplog)
    assert "shoes" not in text
    assert "RuntimeError: the store said IntegrityError 23505" in text
    assert "which led to" in text


def test_words_to_keep_in_a_row() -> None:
    with pytest.raises(IntegrityError) as caught:
        fail()
    assert logs.plain(caught.value) == "IntegrityError 23505"
    assert logs.plain(ValueError("7 is too much")) == "7 is too much"


def test_an_address_in_an_error_of_the_shops(caplog) -> None:
    address = "ann@example.com"
    try:
        raise KeyError(address)
    except KeyError:
        logger.exception("RECO_CART raised for %s", f"<{address}>")
    text = told(caplog)
    assert address not in text
    assert f"RECO_CART raised for <{logs.HIDDEN}>" in text


def test_other_errors_are_as_they_were(caplog) -> None:
    try:
        raise ValueError("no such thing as 7")
    except ValueError as error:
        logger.exception("it failed: %s", error, extra={"reco": {"rung": "popular"}})
    (record,) = caplog.records
    assert record.exc_info
    assert "it failed: no such thing as 7 {'rung': 'popular'}" in told(caplog)


def test_every_logger_of_ours_is_discreet() -> None:
    import reco_plugin.jobs.train
    import reco_plugin.trainers.lightfm  # noqa: F401

    ours = [
        each
        for name, each in logging.root.manager.loggerDict.items()
        if name.startswith(f"{logs.NAME}.") and isinstance(each, logging.Logger)
    ]
    assert len(ours) > 20
    assert not [
        each.name for each in ours if not any(isinstance(f, logs.Discreet) for f in each.filters)
    ]


def test_a_record_without_arguments(caplog) -> None:
    logger.info("100 % of it")
    logger.info("%(a)s", {"a": 1})
    assert [record.getMessage() for record in caplog.records] == ["100 % of it", "1"]


def test_a_message_that_cannot_be_made_is_let_through() -> None:
    record = logging.LogRecord("reco_plugin", logging.INFO, "a.py", 1, "%d of %d", ("x",), None)
    assert logs.Discreet().filter(record) is True


def test_what_is_kept_of_an_error_says_its_kind_once_and_quotes_nothing() -> None:
    with pytest.raises(IntegrityError) as caught:
        fail()
    assert logs.kept(caught.value) == "IntegrityError 23505"
    assert logs.kept(ValueError("7 is\x00 too much")) == "ValueError: 7 is too much"
    ours = StoreError(f"Not published: {caught.value}")
    ours.__cause__ = caught.value
    assert logs.kept(ours) == "Not published: IntegrityError 23505"

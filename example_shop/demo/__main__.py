"""`python -m example_shop.demo`: from nothing to a shop with recommendations, in one command."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from example_shop.demo import places
from example_shop.demo.errors import DemoError
from example_shop.demo.report import Report
from example_shop.demo.sources import Source, recognise

HOST = "127.0.0.1"
INTERRUPTED, WRONG = 130, 2


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    report = Report(quiet=options.json)
    signal.signal(signal.SIGTERM, report.end)
    try:
        _run(options, report)
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. The same command continues from here.\n")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m example_shop.demo",
        description="Loads a shop, learns from its history, and serves it with recommendations.",
    )
    parser.add_argument(
        "--data", type=Path, metavar="PATH", help="real data instead of made-up data"
    )
    parser.add_argument("--scale", choices=("small", "normal", "large"), default="normal",
                        help="how much of it (default: normal)")  # fmt: skip
    parser.add_argument("--no-serve", action="store_true", help="end after training")
    parser.add_argument("--port", type=int, default=8000, help="where to serve (default: 8000)")
    parser.add_argument("--reset", action="store_true", help="forget what was loaded and learnt")
    parser.add_argument("--json", action="store_true", help="say it all as one JSON object")
    return parser


def _run(options: argparse.Namespace, report: Report) -> None:
    source = recognise(options.data, options.scale)
    if not options.no_serve:
        _require_free(options.port)
    report.say(f"Fern & Fable, the example shop of reco_plugin: {source.name}\n")
    os.environ.setdefault("BASE_URL", f"http://{HOST}:{options.port}")
    _set_up(source, report)
    page = _prepare(source, options, report)
    report.finish()
    if not options.no_serve:
        _serve(options.port, page, report)


def _set_up(source: Source, report: Report) -> None:
    """Environment and Django; reading the settings starts the embedded database."""
    os.environ.setdefault(places.HOME_VARIABLE, str(places.ROOT / ".demo" / source.name))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_shop.project.settings")
    os.environ.setdefault("ENCODER_EPOCHS", str(source.size.epochs))
    if source.scale != "small":
        os.environ.setdefault("COMPARE_WEEKLY", "1")
    import django

    with report.step("Database"):
        django.setup()


def _prepare(source: Source, options: argparse.Namespace, report: Report) -> dict[str, Any]:
    from example_shop.demo import steps

    if options.reset:
        if os.environ.get("DATABASE_URL"):
            raise DemoError(
                "--reset empties the embedded database only. DATABASE_URL names one of yours: "
                "empty it yourself, or name another."
            )
        steps.reset()
    steps.migrate(report)
    page = steps.load(source, report)
    steps.import_orders(report)
    steps.look(report)
    steps.train(report)
    return page


def _serve(port: int, page: dict[str, Any], report: Report) -> None:
    report.say(f"\n  The shop is open at http://{HOST}:{port}/")
    for login in page["logins"]:
        report.say(f"    log in as {login['username']:<16} {login['taste']}")
    report.say(f"    or as {'admin':<20} for /admin/")
    report.say(f"  The password of all of them is {page['password']}   (Ctrl-C closes the shop)")
    if os.environ.get("COMPARE_WEEKLY"):
        report.say(
            "  While it is open all models are compared; in some minutes /admin/ shows how they did."
        )
    report.say()
    from django.core.management import call_command

    with _jobs():
        call_command(
            "runserver", f"{HOST}:{port}", use_reloader=False, skip_checks=True, verbosity=0
        )


@contextlib.contextmanager
def _jobs() -> Iterator[None]:
    """The loop that keeps what is shown fresh, in a process of its own; a worker does it where there
    is a broker."""
    if os.environ.get("CELERY_BROKER_URL"):
        yield
        return
    loop = subprocess.Popen([sys.executable, "-m", "django", "reco_tick", "--loop", "-v0"])
    try:
        yield
    finally:
        loop.terminate()
        loop.wait()


def _require_free(port: int) -> None:
    """Raises DemoError when something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise DemoError(
                f"Port {port} cannot be used ({error}); choose another with --port."
            ) from error


if __name__ == "__main__":
    sys.exit(main())

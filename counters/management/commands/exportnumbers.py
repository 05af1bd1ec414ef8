from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from counters import totals
from counters.export_files import (
    NotReplaced,
    NotWhole,
    is_stdout,
    is_stream,
    write_file,
    write_stream,
    write_to_stdout,
)
from counters.exporting import FORMATS, NoTotal, export
from counters.failures import told


class Command(BaseCommand):
    help = "Writes all totals, as of one moment, into a file or to stdout."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="-: to stdout.")
        parser.add_argument(
            "--format", choices=FORMATS, help="Without: by the name's end; CSV to stdout."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["file"]
        format_ = options["format"] or _format_of(name)
        try:
            totals.require_tables()
            with closing(export(format_)) as blocks:
                if is_stdout(name):
                    write_to_stdout(blocks)
                elif is_stream(name):
                    write_stream(name, blocks)
                else:
                    write_file(name, blocks)
        except NotWhole as error:
            if isinstance(error.__cause__, BrokenPipeError):
                sys.exit(1)  # who reads has had enough
            raise CommandError(f"{error} The export is not whole.") from error
        except Error as error:
            raise CommandError(told(error, totals.connection())) from error
        except (OSError, NoTotal, NotReplaced) as error:
            raise CommandError(f"{error}. Nothing was exported.") from error
        if sys.stderr is not None:
            self.stderr.write(f"Exported the totals in {totals.place()}.")


def _format_of(name: str) -> str:
    if name == "-":
        return "csv"
    suffix = Path(name).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise CommandError(
            f"The name {name!r} does not end in .{' or .'.join(FORMATS)}: say --format."
        )
    return suffix

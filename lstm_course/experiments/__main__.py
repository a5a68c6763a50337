"""Repeat experiments: `python -m lstm_course.experiments NAME ...`."""

import argparse
from collections.abc import Sequence
from importlib import import_module

from lstm_course.experiments import RESULTS, record

NAMES = (
    "gradients_travel",
    "remembering",
    "gate_worth",
    "next_character",
    "verb_number",
    "pronouns",
    "captioning",
    "digit_reading",
    "torch_training",
    "river_flow",
    "forecasting",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Repeat the named experiments, and write their records."""
    parser = argparse.ArgumentParser(
        prog="python -m lstm_course.experiments",
        description="Repeat experiments and record their results. An interrupted experiment "
        "resumes where it stopped.",
    )
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument(
        "--file", help="with next_character: take a brief look at a file, and record nothing"
    )
    options = parser.parse_args(arguments)
    if options.file:
        if options.names != ["next_character"]:
            parser.error("--file works only with next_character")
        try:
            import_module("lstm_course.experiments.next_character").brief(options.file)
        except ValueError as error:
            parser.error(str(error))
        return
    for name in options.names:
        kept = RESULTS / f"{name}.part"
        results = import_module(f"lstm_course.experiments.{name}").measure(kept)
        print(record(name, f"python -m lstm_course.experiments {name}", results))
        kept.unlink()


if __name__ == "__main__":
    main()

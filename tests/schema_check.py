#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors
"""schema_check.py FILE.ndjson...: hold each line ("-": standard input) against the JSON Schema of its kind.

The kind is what the line itself says: event.dataset (postern.session, postern.alert) or kind (activity).
One line on standard output for each fault; exit status 1 when there was one, or no line at all."""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator, FormatChecker

SCHEMAS = pathlib.Path(__file__).resolve().parent.parent / "schema"
SIZE_MAX = {"session": 32768, "alert": 8000, "activity": 32768, "stats": 65536}


def refuse_twice(pairs):
    """A key that stands twice in an object is read differently by different readers."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def refuse_constant(name):
    raise ValueError(name + " is not JSON")


def kind_of(line):
    if line.get("kind") == "activity":
        return "activity"
    dataset = line.get("event", {}).get("dataset", "")
    return {"postern.session": "session", "postern.alert": "alert", "postern.stats": "stats"}.get(dataset)


def faults_of(raw, validators):
    """Yields what is wrong with one line (bytes, without its end)."""
    try:
        line = json.loads(
            raw.decode("utf-8"), object_pairs_hook=refuse_twice, parse_constant=refuse_constant
        )
    except ValueError as error:
        yield str(error)
        return
    kind = kind_of(line) if isinstance(line, dict) else None
    if kind is None:
        yield "neither event.dataset nor kind says what it is"
        return
    if len(raw) > SIZE_MAX[kind]:
        yield f"{len(raw)} bytes, more than {SIZE_MAX[kind]}"
    if kind not in validators:
        schema = json.loads((SCHEMAS / (kind + ".schema.json")).read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        validators[kind] = Draft202012Validator(schema, format_checker=FormatChecker())
    for error in validators[kind].iter_errors(line):
        yield f"{error.json_path}: {error.message}"[:500]


def main(paths):
    n_lines = n_faults = 0
    validators = {}
    for path in paths:
        data = (sys.stdin.buffer.read() if path == "-" else pathlib.Path(path).read_bytes())
        if data and not data.endswith(b"\n"):
            print(f"{path}: the last line has no end")
            n_faults += 1
        for number, raw in enumerate(data.split(b"\n")[:-1], 1):
            n_lines += 1
            for fault in faults_of(raw, validators):
                n_faults += 1
                print(f"{path}:{number}: {fault}")
    if not paths or not n_lines:
        print("no lines to check")
        return 1
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

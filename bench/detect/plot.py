#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""plot.py FIGURES.csv OUTDIR: the judge's figures as SVG: recall against days, false alerts by cause,
and detection delay of Postern and its peers. Standard library alone."""

import csv
import pathlib
import sys
from xml.sax.saxutils import escape

COLOURS = ["#1b6ca8", "#d1495b", "#66a182", "#edae49", "#5d4e8c", "#8d6a4f", "#3d3d3d", "#2ca6a4", "#a3a3a3",
           "#c77dba"]
WIDTH, HEIGHT = 760, 420


class Svg:
    def __init__(self, title, width=WIDTH, height=HEIGHT):
        self.width, self.height = width, height
        self.parts = [f'<rect width="{width}" height="{height}" fill="white"/>']
        self.text(16, 24, title, size=15, weight="bold")

    def text(self, x, y, text, size=11, anchor="start", weight="normal", colour="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
                          f'font-weight="{weight}" fill="{colour}">{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour="#ccc", width=1):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" stroke-width="{width}"/>')

    def path(self, points, colour):
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
                          f'height="{height:.1f}" fill="{colour}"/>')

    def write(self, path):
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
                        f'font-family="sans-serif">{"".join(self.parts)}</svg>\n')


def curves(rows, title, path):
    """Recall against days, a line for each row of the catalogue."""
    svg = Svg(title)
    left, top, width, height = 60, 50, 520, 310
    for i in range(6):
        y = top + height * (1 - i / 5)
        svg.line(left, y, left + width, y)
        svg.text(left - 8, y + 4, f"{i / 5:.1f}", anchor="end")
    for day in range(0, 61, 10):
        svg.text(left + width * day / 60, top + height + 18, str(day), anchor="middle")
    svg.text(left + width / 2, top + height + 40, "days since the intruder's first login", anchor="middle")
    names = list(dict.fromkeys(row["row"] for row in rows))
    for i, name in enumerate(names):
        points = sorted((int(r["column"]), float(r["value"])) for r in rows if r["row"] == name)
        svg.path([(left + width * d / 60, top + height * (1 - v)) for d, v in points], COLOURS[i % 10])
        svg.line(left + width + 16, top + 12 + 15 * i, left + width + 36, top + 12 + 15 * i,
                 COLOURS[i % 10], 3)
        svg.text(left + width + 42, top + 16 + 15 * i, name)
    svg.write(path)


def bars(items, title, unit, path, limit=None):
    """items: (name, value or None for never)."""
    svg = Svg(title, height=60 + 20 * len(items) + 20)
    most = max([v for _, v in items if v is not None] + [limit or 0, 1e-9])
    for i, (name, value) in enumerate(items):
        y = 44 + 20 * i
        svg.text(210, y + 12, name, anchor="end")
        if value is not None:
            svg.bar(218, y, 430 * value / most, 15, COLOURS[0 if name == "Postern" else i % 10])
        svg.text(224 + 430 * (value or 0) / most, y + 12, "never" if value is None else f"{value:.2f} {unit}")
    svg.write(path)


def main():
    rows = list(csv.DictReader(open(sys.argv[1]), fieldnames=[
        "table", "kind", "view", "detector", "budget", "row", "column", "value"]))
    out = pathlib.Path(sys.argv[2])
    for kind, view in sorted({(r["kind"], r["view"]) for r in rows}):
        here = [r for r in rows if (r["kind"], r["view"]) == (kind, view) and float(r["budget"]) == 1]
        about = f"{kind} population, {'with' if view == 'networks' else 'without'} network database"
        some = ["S1-isp", "S2-2", "S2-10", "S2-CZ", "S3-10", "S4c", "S5", "S6c", "S7", "S12", "S13", "S14",
                "all but S15"]
        curves([r for r in here if r["table"] == "curve" and r["row"] in some],
               f"Postern: recall against days; {about}", out / f"recall-{kind}-{view}.svg")
        causes = [(r["row"], float(r["value"])) for r in here
                  if r["table"] == "cause" and r["detector"] == "Postern"]
        bars(causes or [("none", 0.0)], f"Postern: false alerts per 1,000 accounts and week; {about}", "",
             out / f"false-{kind}-{view}.svg")
        for row in ("S2-5", "S2-CZ", "S3-10", "S5"):
            delays = [(r["detector"], None if r["value"] == "inf" else float(r["value"]))
                      for r in here if r["table"] == "delay" and r["row"] == row]
            if delays:
                bars(delays, f"Median days to detection, {row}; {about}", "d",
                     out / f"delay-{row}-{kind}-{view}.svg")
    print(f"figures: {sys.argv[1]}, plots: {out}/*.svg")


main()

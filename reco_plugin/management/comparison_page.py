"""A comparison as one page of HTML that needs nothing beside it: charts, their tables, the protocol in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from reco_plugin.evaluation import telling

STYLE = """
:root { color-scheme: light dark; --line: #417893; --live: #b35c00; --edge: #8886; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-block-start: 2rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
svg { inline-size: 100%; block-size: auto; } svg text { fill: currentColor; font-size: 12px; }
.reco-bar-part { fill: var(--line); } .reco-bar-live { fill: var(--live); }
.reco-ends { stroke: currentColor; stroke-width: 2; opacity: 0.6; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; border-block-end: 1px solid var(--edge); text-align: end; white-space: nowrap; }
th:first-child, td:first-child { text-align: start; }
"""
HOW = (
    "Every model learns from the same part of the log, is asked the same requests, and ranks every product that "
    "may be answered: never a sample of them. What a shopper could not be shown (not on sale, turned down, or met "
    "before where the protocol says so) is left out for all models alike. Settings are chosen on an inner part of "
    "what is learnt from, never on the test. Ratios are of means over the same requests, to the best single model of "
    "this very comparison; their 95 % intervals are by the paired bootstrap over requests (1,000 draws). Seconds are "
    "of the last fit, milliseconds the mean of a request among many, memory the peak of the process it was fitted in."
)


def page(metrics: Mapping[str, Any], *, title: str, told: Sequence[str] = ()) -> str:
    """`metrics` as a comparison keeps them; `told` are lines below the title."""
    body = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(line)}</p>" for line in told)]
    if metrics.get("cannot"):
        body.append(f"<p><strong>{escape(str(metrics['cannot']))}</strong></p>")
    else:
        body += _found(metrics)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _found(metrics: Mapping[str, Any]) -> list[str]:
    slices = telling.slice_rows(metrics)
    return [
        f"<p><strong>{escape(telling.summary(metrics))}</strong></p>",
        f'<div class="charts">{"".join(_figure(chart) for chart in telling.charts(metrics))}</div>',
        "<h2>All models</h2>",
        table(telling.head(), telling.rows(metrics), "All models"),
        "<p>* is what shoppers see today.</p>",
        "<h2>Beyond the first figures</h2>",
        table(*telling.beyond_rows(metrics), "Beyond the first figures"),
        *(["<h2>By slice</h2>", table(*slices, "By slice")] if slices[1] else []),
        "<h2>The protocol</h2>",
        f"<p>{escape(str(metrics.get('words', '')))} {escape(HOW)}</p>",
        "<h2>The log</h2>",
        *(f"<p>{escape(str(line))}</p>" for line in metrics.get("statement", ())),
        *_failed(metrics),
    ]


def _figure(chart: Any) -> str:
    rows = [[bar.name, chart.words(bar.value)] for bar in chart.bars]
    twin = table(["model", chart.title], rows, chart.title)
    return (
        f"<figure><figcaption>{escape(chart.title)}</figcaption>{chart.svg}"
        f"<details><summary>As a table</summary>{twin}</details></figure>"
    )


def _failed(metrics: Mapping[str, Any]) -> list[str]:
    failed = metrics.get("failed") or {}
    if not failed:
        return []
    told = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in failed.items())
    return ["<h2>Not compared</h2>", f"<ul>{told}</ul>"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """A table that scrolls by itself on a narrow screen."""
    titles = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label, quote=True)}"><table>'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )

"""Sections as Markdown, for the terminal and for `docs/performance.md`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from loadtests.bench.figures import Section, Target

BEGIN: Final = "<!-- figures of make bench -->\n"
END: Final = "<!-- end of figures -->\n"


def render_section(section: Section) -> str:
    parts = [f"### {section.title}", section.text, render_table(section.columns, section.rows)]
    return "\n\n".join(parts + section.notes) + "\n"


def render_targets(targets: Iterable[Target]) -> str:
    """All targets, the missed ones in bold."""
    rows = [
        (
            target.name,
            f"{target.value:,.3g} {target.unit}"
            if target.value < 1000
            else f"{target.value:,.0f} {target.unit}",
            f"{target.kind} {target.bound:,g}",
            "met" if target.is_met else "**missed**",
        )
        for target in targets
    ]
    return "### Targets\n\n" + render_table(("figure", "measured", "target", ""), rows) + "\n"


def render_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    lines = [columns, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def write_into(document: Path, figures: str, *, begin: str = BEGIN) -> None:
    """Replace what stands in the document between the mark `begin` and the next end of figures."""
    before, _, rest = document.read_text().partition(begin)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{begin}\n{figures}\n{END}{after}")

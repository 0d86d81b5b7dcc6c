"""Write what the code knows into the documents: the settings table and .env.example, the state diagram, the machine's
whole table."""

import re
from pathlib import Path

from orchestrator.settings_table import settings_table
from states.diagram import as_markdown, as_mermaid

ROOT = Path(__file__).parents[1]


def settings_markdown() -> str:
    """The settings as a Markdown table."""
    rows = ["| variable | default | meaning | also read |", "|---|---|---|---|"]
    for row in settings_table():
        default = row.default if row.default == "none" else f"`{row.default}`"
        also = ", ".join(f"`{name}`" for name in row.also)
        rows.append(f"| `{row.name}` | {default} | {row.meaning.replace('|', chr(92) + '|')} | {also} |")
    return "\n".join(rows)


def env_example() -> str:
    """Every setting with its default and a line, as comments: a copy changes nothing until one is uncommented."""
    head = (
        "# Every setting of expert-hub, with its default. Copy it to .env, uncomment what you change, and keep that",
        "# file to yourself: it has secrets. Variables of the environment are stronger. Written by `make diagram`.",
    )
    lines = [*head]
    for row in settings_table():
        also = f" (also read: {', '.join(row.also)})" if row.also else ""
        default = "" if row.default == "none" else row.default
        lines += ["", f"# {row.meaning}{also}", f"#{row.name}={default}"]
    return "\n".join(lines) + "\n"


def filled(text: str, mark: str, content: str) -> str:
    """`text` with everything between the two comments of `mark` replaced."""
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text)


def readme(text: str) -> str:
    """The README as it should be."""
    return filled(filled(text, "settings", settings_markdown()), "machine", f"```mermaid\n{as_mermaid()}```")


def main() -> None:
    """Rewrite the documents in place."""
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text()))
    (ROOT / "docs" / "state-machine.md").write_text(as_markdown())
    (ROOT / ".env.example").write_text(env_example())


if __name__ == "__main__":
    main()

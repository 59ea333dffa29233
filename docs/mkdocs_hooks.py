"""MkDocs hooks: rewrite links to files outside `docs/` to the repository, so that the strict build accepts them."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).parent.parent
REPOSITORY = "https://github.com/heliograph/heliograph/blob/main"
_LINK = re.compile(r"\]\((?P<path>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page's Markdown with links that leave `docs/` made absolute."""
    folder = ROOT / "docs" / PurePosixPath(page.file.src_uri).parent

    def absolute(link: re.Match[str]) -> str:
        target = (folder / link["path"]).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return link[0]
        return f"]({REPOSITORY}/{target.relative_to(ROOT).as_posix()}{link['anchor'] or ''})"

    return _LINK.sub(absolute, markdown)


def on_nav(nav: Any, config: Any, files: Any) -> Any:
    """Fail the build when a page of the documentation is missing from the navigation."""
    missing = sorted({file.src_uri for file in files.documentation_pages()} - {page.file.src_uri for page in nav.pages})
    if missing:
        raise ValueError(f"not in the navigation of mkdocs.yml: {', '.join(missing)}")
    return nav

"""Build hook: the package's description is README.md with absolute links to the files of the released version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"""(\]\(|(?:src|srcset|href)=")(?!https?:|#)([^)"\s]+)""")


def absolute_links(text: str, repository: str, version: str) -> str:
    """Return Markdown whose relative links and images point to the tagged version in the repository.

    >>> absolute_links("[a](docs/a.md#b) [c](#c)", "https://example.org/r", "1.0")
    '[a](https://example.org/r/blob/v1.0/docs/a.md#b) [c](#c)'
    """

    def absolute(link: re.Match[str]) -> str:
        kind = "raw" if link[2].endswith((".png", ".svg")) else "tree" if link[2].endswith("/") else "blob"
        return f"{link[1]}{repository}/{kind}/v{version}/{link[2]}"

    return _LINK.sub(absolute, text)


class ReadmeHook(MetadataHookInterface):
    """Sets the readme of the package."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the dynamic field `readme`."""
        text = Path(self.root, "README.md").read_text("utf-8")
        repository = metadata["urls"]["Source"]
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": absolute_links(text, repository, metadata["version"]),
        }

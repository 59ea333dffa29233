"""Checks the structure of the package: entries at its top, import cycles, file lengths, class names."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "heliograph"
MAX_TOP_ENTRIES = 27
MAX_LINES = 400
SHIMS = {"orders", "schedule"}
"""Old import paths that are kept for one release; they are not counted as entries."""


def module_name(path: Path) -> str:
    """Return the dotted name of a source file."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.Module, modules: set[str]) -> set[str]:
    """Return the modules of the package that a syntax tree imports, anywhere in the file."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & modules) | ({node.module} if names - modules else set())
    return found & modules


def cycles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in imports[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            component = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(component) > 1:
                found.append(sorted(component))

    for module in imports:
        if module not in index:
            visit(module)
    return found


def problems() -> list[str]:
    """Return every violation in one line each."""
    files = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}
    found: list[str] = []
    entries = [
        path.stem
        for path in SOURCE.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem not in SHIMS
    ]
    if len(entries) > MAX_TOP_ENTRIES:
        found.append(f"{len(entries)} entries at the top of the package; at most {MAX_TOP_ENTRIES}")
    imports = {name: imported(tree, set(files)) - {name} for name, tree in trees.items()}
    found += [f"import cycle: {', '.join(cycle)}" for cycle in cycles(imports)]
    for name, path in files.items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_LINES:
            found.append(f"{name} has {lines} lines; at most {MAX_LINES}")
    classes: dict[str, list[str]] = defaultdict(list)
    for name, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(name)
    found += [f"class {name} is defined in {', '.join(homes)}" for name, homes in classes.items() if len(homes) > 1]
    return found


if __name__ == "__main__":
    violations = problems()
    print("\n".join(violations) or "structure: no violations")
    sys.exit(1 if violations else 0)

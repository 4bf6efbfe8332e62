"""`python -m benchmarks.code_shape [REVISION ...]`: how easily the code is found one's way in, as a table.

Each revision is a column; without any, the working tree alone.
"""

import ast
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import networkx
from rich.console import Console
from rich.table import Table

PACKAGES = ("crds/finetune_api", "operator/finetune_operator", "trainer_image/finetune_trainer")
ENTRIES = ("__init__", "__main__")


class Shape:
    """Figures of one tree of sources."""

    def __init__(self, root: Path) -> None:
        self._files = {
            path: ast.parse(path.read_text()) for package in PACKAGES for path in (root / package).rglob("*.py")
        }
        self._modules = {
            ".".join(path.relative_to(root).with_suffix("").parts[1:]).removesuffix(".__init__"): tree
            for path, tree in self._files.items()
        }
        self._imports = self._import_graph()

    def figures(self) -> dict[str, str]:
        """Return each figure in words."""
        folders = Counter(path.parent for path in self._files)
        folder, largest = folders.most_common(1)[0]
        functions = [node for tree in self._files.values() for node in ast.walk(tree) if isinstance(node, FUNCTION)]
        lengths = sorted(_lines(node) for node in functions)
        classes = Counter(
            node.name for tree in self._files.values() for node in tree.body if isinstance(node, ast.ClassDef)
        )
        names = Counter(path.stem for path in self._files if path.stem not in ENTRIES)
        circles = [found for found in networkx.strongly_connected_components(self._imports) if len(found) > 1]
        return {
            "files": str(len(self._files)),
            "folders": str(len(folders)),
            "largest folder": f"{folder.name}/, {largest} files",
            "folders of more than 16 files": str(sum(count > 16 for count in folders.values())),
            "file names that occur twice or more": str(sum(count > 1 for count in names.values())),
            "class names that occur twice or more": str(sum(count > 1 for count in classes.values())),
            "Any in the trainer": str(
                sum(_anys(tree) for path, tree in self._files.items() if "finetune_trainer" in path.parts)
            ),
            "circles of imports": str(len(circles)),
            "modules that one module imports": str(sum(degree == 1 for _, degree in self._imports.in_degree())),
            "functions, lines: median, longest": f"{median(lengths):.0f}, {lengths[-1]}",
        }

    def _import_graph(self) -> "networkx.DiGraph[str]":
        graph: networkx.DiGraph[str] = networkx.DiGraph()
        graph.add_nodes_from(self._modules)
        for module, tree in self._modules.items():
            graph.add_edges_from((module, found) for found in self._imported(tree) if found != module)
        return graph

    def _imported(self, tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield from (name for name in (full, node.module) if name in self._modules)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self._modules)


FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _anys(tree: ast.Module) -> int:
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(tree))


@contextmanager
def _tree_of(revision: str | None) -> Iterator[Path]:
    """Yield a folder with the sources of a revision, or of the working tree."""
    if revision is None:
        yield Path()
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", revision, *PACKAGES], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder)


def main() -> None:
    """Print the table."""
    revisions: list[str | None] = [*sys.argv[1:]] or [None]
    columns = []
    for revision in revisions:
        with _tree_of(revision) as root:
            columns.append(Shape(root).figures())
    table = Table("", *(revision or "working tree" for revision in revisions))
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    Console().print(table)


if __name__ == "__main__":
    main()

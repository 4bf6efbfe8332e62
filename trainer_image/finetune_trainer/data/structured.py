"""Lists and objects that stand in a text: as JSON, or as Python and NumPy print them (what pandas writes to CSV)."""

import ast
import io
import json
import tokenize
from typing import Any

from finetune_trainer.data.problems import RowError, show

LAYERS = 2
"""JSON within a JSON text is read as well, since exporters often write it so."""
NUMPY_CALLS = ("array", "str_", "int64", "int32", "float64", "float32", "bool_", "bool")
CLOSED_BY = {"[": "]", "{": "}"}


def parsed(value: Any, column: str, shape: str) -> Any:
    """Return the value, a text being read as JSON or as Python prints it.

    Raises RowError, which says that `shape` was expected.
    """
    for _ in range(LAYERS):
        if not isinstance(value, str):
            break
        try:
            value = _loaded(value)
        except ValueError as error:
            raise RowError(column, show(value), f"{shape}, as JSON{_remark(error)}") from error
    return value


def looks_structured(value: Any) -> bool:
    """Tell whether a value is a text in brackets or braces."""
    text = value.strip() if isinstance(value, str) else ""
    return len(text) > 1 and CLOSED_BY.get(text[0]) == text[-1]


def list_in(value: Any) -> Any:
    """Return the list that stands in a text, and every other value as it is."""
    if not looks_structured(value):
        return value
    try:
        found = _loaded(value)
    except ValueError:
        return value
    return found if isinstance(found, list) else value


class _CutShort(ValueError):
    """NumPy has left out the middle of a long array."""


def _loaded(text: str) -> Any:
    """Return what a text holds. Raises ValueError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        try:
            return _printed_by_python(text)
        except _CutShort:
            raise
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError):
            raise ValueError(str(error)) from None


def _remark(error: ValueError) -> str:
    return f" ({error})" if isinstance(error, _CutShort) else ""


def _printed_by_python(text: str) -> Any:
    if not looks_structured(text) and not text.strip().startswith(("array(", "(")):
        raise ValueError("no list and no object")
    tree = _Plain().visit(ast.parse(_with_commas(text.strip()), mode="eval"))
    return _as_json(ast.literal_eval(tree))


def _with_commas(text: str) -> str:
    """Return the text with the commas that NumPy leaves out between items."""
    pieces: list[str] = []
    before: tokenize.TokenInfo | None = None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            continue
        if token.string == "...":
            raise _CutShort("NumPy has left out a part of this list, where it wrote ...; write the list out")
        if before is not None and _ends_value(before) and _begins_value(token):
            pieces.append(",")
        pieces.append(token.string)
        before = token
    return " ".join(pieces)


def _ends_value(token: tokenize.TokenInfo) -> bool:
    return _is_word(token) or token.string in ("]", "}", ")")


def _begins_value(token: tokenize.TokenInfo) -> bool:
    return _is_word(token) or token.string in ("[", "{", "-")


def _is_word(token: tokenize.TokenInfo) -> bool:
    return token.type in (tokenize.STRING, tokenize.NUMBER, tokenize.NAME)


class _Plain(ast.NodeTransformer):
    """Takes values out of `array(…)` and NumPy's numbers, and reads JSON's words beside Python's."""

    WORDS = {"nan": None, "null": None, "NaN": None, "NaT": None, "true": True, "false": False}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in NUMPY_CALLS or len(node.args) != 1:
            raise ValueError(f"a call of {name}")
        inner: ast.AST = self.visit(node.args[0])
        return inner

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(self.WORDS[node.id]) if node.id in self.WORDS else node


def _as_json(value: Any) -> Any:
    """Return the value with lists for tuples and sets. Raises ValueError for what JSON has no form for."""
    match value:
        case dict():
            return {str(key): _as_json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_as_json(inner) for inner in value]
        case set():
            return sorted((_as_json(inner) for inner in value), key=str)
        case str() | int() | float() | None:
            return value
        case _:
            raise ValueError(f"a value of type {type(value).__name__}")

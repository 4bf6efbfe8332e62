"""IOB2 tags: B-TYPE begins an entity, I-TYPE goes on with it, O is outside of all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from finetune_trainer.data.problems import RowError, show

OUTSIDE = "O"
BEGIN, INSIDE = "B-", "I-"


@dataclass(frozen=True)
class Span:
    """An entity of the words `first` to `last`, both included."""

    type: str
    first: int
    last: int


def tags_of(types: Iterable[str]) -> tuple[str, ...]:
    """Return all tags for these types of entities: O, B-X, I-X, B-Y, I-Y."""
    return (OUTSIDE, *(prefix + name for name in types for prefix in (BEGIN, INSIDE)))


def type_of(tag: str) -> str | None:
    """Return the type that a tag names, None for O. Any other tag is taken as a type itself."""
    if tag == OUTSIDE:
        return None
    return tag[2:] if tag.startswith((BEGIN, INSIDE)) else tag


def check_tags(tags: list[str], column: str) -> None:
    """Raise RowError for a tag that is none of IOB2, or an I- tag that goes on with nothing."""
    before = OUTSIDE
    for number, tag in enumerate(tags, 1):
        if tag != OUTSIDE and not (tag.startswith((BEGIN, INSIDE)) and len(tag) > 2):
            raise RowError(column, f"{show(tag)} for word {number}", "B-TYPE, I-TYPE or O")
        if tag.startswith(INSIDE) and type_of(before) != type_of(tag):
            raise RowError(
                column,
                f"{tag} for word {number} after {before if number > 1 else 'the start'}",
                f"{BEGIN}{type_of(tag)}: in IOB2 every entity begins with B- (IOB1, which begins with I-, is to be"
                " converted)",
            )
        before = tag


def spans(tags: Iterable[str]) -> Iterator[Span]:
    """Yield the entities that a model's tags mean: an I- tag that goes on with nothing begins one."""
    found: Span | None = None
    for index, tag in enumerate(tags):
        name = type_of(tag)
        if found and tag.startswith(INSIDE) and name == found.type:
            found = Span(found.type, found.first, index)
            continue
        if found:
            yield found
        found = Span(name, index, index) if name else None
    if found:
        yield found

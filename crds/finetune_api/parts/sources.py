"""Where models, data and results live: one URI form for all of them.

`hf://org/name` a model on the Hub · `hf://datasets/org/name` a dataset there · `s3://bucket/path` ·
`pvc://claim/path` a PersistentVolumeClaim's folder · `job://name` what the FineTuneJob of this name, in the same
namespace, has published.
"""

import re
from dataclasses import dataclass
from typing import Literal, cast

from finetune_api.schema import DNS_SUBDOMAIN, Rule

Scheme = Literal["hf", "s3", "pvc", "job"]

URI_FORM = {
    "hf": "hf://name or hf://organisation/name",
    "s3": "s3://bucket/path",
    "pvc": "pvc://claim/path",
    "job": "job://finetunejob",
}

HUB_ID = "^[A-Za-z0-9][-A-Za-z0-9._]*(/[A-Za-z0-9][-A-Za-z0-9._]*)?$"
DATASET_ID = "^hf://datasets/[A-Za-z0-9][-A-Za-z0-9._]*/[A-Za-z0-9][-A-Za-z0-9._]*(/|$)"
PVC_CLAIM = DNS_SUBDOMAIN.removesuffix("$").replace("^", "^pvc://", 1) + "(/|$)"
DOT_PART = "(^|/)[.][.]?(/|$)"
NO_CREDENTIALS = (
    "must not carry credentials: remove everything before '@' and any '?' part, and name a Secret in secretRef"
)


@dataclass(frozen=True)
class Source:
    """A parsed URI: `container` is the bucket, claim, FineTuneJob or (for the Hub) the whole repository id."""

    scheme: Scheme
    container: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.container}" + (f"/{self.path}" if self.path else "")

    def beside(self, uid: str) -> "Source":
        """Return the place to use where another object's files are in this one: told apart by the owner's uid."""
        return Source(self.scheme, self.container, f"{self.path}-{uid[:8]}")

    def child(self, name: str) -> "Source":
        """Return the source `name` below this one."""
        return Source(self.scheme, self.container, f"{self.path}/{name}" if self.path else name)


def publication(destination: Source, namespace: str, name: str, run_id: str) -> Source:
    """Return the folder that a run publishes into: nobody else's, however many jobs share a destination."""
    return destination.child(namespace).child(name).child(run_id)


def parse_source(uri: str) -> Source:
    """Split a URI into its parts, as strictly as the API server's rules below.

    Raises ValueError, naming the accepted forms, for anything else. The message repeats the URI, unless it
    may carry credentials.
    """
    scheme, separator, rest = uri.partition("://")
    if "@" in uri or "?" in uri:
        raise ValueError(f"a source {NO_CREDENTIALS}")
    container, _, path = rest.rstrip("/").partition("/")
    source = Source(cast(Scheme, scheme), container, path)
    if scheme == "hf":
        source = _hub_source(rest.rstrip("/"))
    if scheme == "job":
        source = Source("job", rest, "")
    if not separator or scheme not in URI_FORM or not container or not _is_well_formed(source):
        raise ValueError(f"{uri!r} is not a source; expected one of: {', '.join(URI_FORM.values())}")
    return source


def _hub_source(rest: str) -> Source:
    """Return the source of a model, or of a dataset (container datasets/organisation/name) with a path in it."""
    parts = rest.split("/")
    if parts[0] == "datasets" and len(parts) > 2:
        return Source("hf", "/".join(parts[:3]), "/".join(parts[3:]))
    return Source("hf", rest, "")


def _is_well_formed(source: Source) -> bool:
    if source.scheme == "hf" and not re.fullmatch(HUB_ID, source.container.removeprefix("datasets/")):
        return False
    if source.scheme in ("pvc", "job") and not re.fullmatch(DNS_SUBDOMAIN, source.container):
        return False
    return re.search(DOT_PART, source.path) is None


def uri_rules(field: str, *schemes: Scheme) -> tuple[Rule, ...]:
    """Return the rules for a field that holds a URI of one of `schemes`; an unset field passes."""

    value = f"self.{field}"
    harmless = f"({value}.contains('@') || {value}.contains('?') ? 'one with @ or ?' : {value})"

    def rule(condition: str, message: str, found: str | None = harmless) -> Rule:
        return Rule(f"!has({value}) || {condition}", message, field_path=f".{field}", found=found)

    forms = [URI_FORM[scheme] for scheme in schemes]
    rules = [
        rule(f"{value}.matches('^({'|'.join(schemes)})://[^/]')", f"must be {' or '.join(forms)}"),
        rule(f"!{value}.contains('@') && !{value}.contains('?')", NO_CREDENTIALS, found=None),
        rule(f"!{value}.matches('{DOT_PART}')", "must not have '.' or '..' between slashes; write the path out"),
        rule(
            f"!{value}.startsWith('pvc://') || {value}.matches('{PVC_CLAIM}')",
            "must name a PersistentVolumeClaim after pvc:// (lower-case letters, digits, '-' and '.')",
        ),
    ]
    if "hf" in schemes:
        hub = HUB_ID.replace("^", "^hf://", 1)
        rules.append(
            rule(
                f"!{value}.startsWith('hf://') || {value}.matches('{hub}')",
                f"must be {URI_FORM['hf']}; put a branch, tag or commit into revision",
            )
        )
    if "job" in schemes:
        name = DNS_SUBDOMAIN.replace("^", "^job://", 1)
        rules.append(
            rule(
                f"!{value}.startsWith('job://') || {value}.matches('{name}')",
                "must name a FineTuneJob of this namespace after job://, and nothing else (lower-case letters, digits,"
                " '-' and '.')",
            )
        )
    return tuple(rules)

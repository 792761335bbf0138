"""Docstrings of the running interpreter's standard library, as chunks of text."""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import pkgutil
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ragtune.demo.stdlib_names import ALIASES, PUBLIC_NAMES, SKIPPED

MIN_DOC_CHARS = 20

LITERALS = (type(None), bool, int, float, str, bytes)
FIELD_OF_TUPLE = "Alias for field number"


@dataclass(frozen=True, slots=True)
class DocChunk:
    """One docstring.

    Attributes:
        id: `module.qualname`, the public path of the object.
        text: The id with its signature, a blank line, and the docstring.
        source: The module that the object belongs to.
        kind: `module`, `class`, `function`, `method` or `property`.
    """

    id: str
    text: str
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A public object, and the path under which a user would look for it."""

    path: str
    source: str
    kind: str
    object: Any
    doc: str


def chunks() -> list[DocChunk]:
    """Reads the docstring of every public object of the standard library.

    Imports most of the standard library, silently: about a second the first time.

    Returns:
        One chunk per object, ordered by module and then by id.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modules = _import_public_modules()
        objects = _claim_objects(modules)
        found = [
            *_modules_with_doc(modules),
            *objects.values(),
            *_claim_members(objects),
        ]
        kept = sorted((f for f in found if _is_worth_keeping(f.doc)), key=_order)
        return [_to_chunk(f) for f in kept]


def _order(found: _Found) -> tuple[str, str]:
    return found.source, found.path


def _to_chunk(found: _Found) -> DocChunk:
    text = f"{found.path}{_signature(found)}\n\n{inspect.cleandoc(found.doc)}"
    return DocChunk(found.path, text, found.source, found.kind)


def _signature(found: _Found) -> str:
    if found.kind in ("module", "property"):
        return ""
    try:
        signature = inspect.signature(found.object)
        shown = [_without_state(p) for p in signature.parameters.values()]
        return str(signature.replace(parameters=shown))
    except Exception:  # many C functions have none, and annotations may name what is not there
        return ""


class _Ellipsis:
    def __repr__(self) -> str:
        return "..."


def _without_state(parameter: inspect.Parameter) -> inspect.Parameter:
    """Hides a default that depends on this machine: an address, `os.environ`, a path, a venv."""
    default = parameter.default
    local = sys.base_prefix in str(default) or default in (
        sys.executable,
        sysconfig.get_default_scheme(),
    )
    if default is parameter.empty or default == () or (type(default) in LITERALS and not local):
        return parameter
    return parameter.replace(default=_Ellipsis())


def _is_worth_keeping(doc: str) -> bool:
    return len(doc.strip()) >= MIN_DOC_CHARS and not doc.startswith(FIELD_OF_TUPLE)


# Modules


def _import_public_modules() -> dict[str, ModuleType]:
    modules: dict[str, ModuleType] = {}
    for name in sorted(sys.stdlib_module_names):
        if name not in PUBLIC_NAMES:
            modules.update(_import_tree(name))
    modules["os.path"] = sys.modules["os.path"]
    return modules


def _import_tree(path: str) -> Iterator[tuple[str, ModuleType]]:
    """Yields a module and its public submodules, except those not made for this platform."""
    name = path.rpartition(".")[2]
    if name.startswith("_") or name in SKIPPED:
        return
    try:
        module = importlib.import_module(path)
    except Exception:
        return
    yield path, module
    for child in pkgutil.iter_modules(getattr(module, "__path__", [])):
        yield from _import_tree(f"{path}.{child.name}")


def _modules_with_doc(modules: dict[str, ModuleType]) -> Iterator[_Found]:
    for path, module in modules.items():
        if doc := _doc(module):
            yield _Found(path, path, "module", module, doc)


# Classes and functions


def _claim_objects(modules: dict[str, ModuleType]) -> dict[int, _Found]:
    """Gives each class and function one path, keyed by the identity of the object."""
    claims: dict[int, _Found] = {}
    for source, module in modules.items():
        for name, obj in _public_attributes(module):
            if not _owns(modules, source, name, obj):
                continue
            kind = "class" if inspect.isclass(obj) else "function"
            claim = _Found(f"{source}.{name}", source, kind, obj, _doc(obj))
            rival = claims.setdefault(_identity(obj), claim)
            claims[_identity(obj)] = min(rival, claim, key=_rank)
    return claims


def _public_attributes(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name in sorted({*dir(module), *getattr(module, "__all__", ())}):
        if name.startswith("_") or f"{module.__name__}.{name}" in ALIASES:
            continue
        obj = _as_shipped(module, name)
        is_operator = _name(obj).startswith("__") and _name(obj).endswith("__")
        if inspect.isclass(obj) or (inspect.isroutine(obj) and not is_operator):
            yield name, obj


def _as_shipped(module: ModuleType, name: str) -> Any:
    """The attribute, also where the program has replaced a hook by one of its own."""
    kept = {"sys": f"__{name}__", "warnings": f"_{name}_orig"}.get(module.__name__, name)
    return getattr(module, kept, getattr(module, name, None))


def _owns(modules: dict[str, ModuleType], source: str, name: str, obj: object) -> bool:
    """Tells whether users look for `obj` in `source`, which may have merely imported it."""
    home = _home(obj)
    if home == source:
        return True
    exports = getattr(modules[source], "__all__", None)
    if exports is not None and name not in exports:
        return False
    if home in modules and getattr(modules[home], _name(obj), None) is obj:
        return home.startswith(source + ".")
    return exports is not None or home.lstrip("_").split(".", 1)[0] == source.split(".", 1)[0]


def _home(obj: object) -> str:
    if getattr(builtins, _name(obj), None) is obj:
        return "builtins"
    home = getattr(obj, "__module__", None) or ""
    return PUBLIC_NAMES.get(home, home)


def _rank(found: _Found) -> tuple[bool, bool, int, str]:
    """Sorts the best path first: exported, of the name that the object gives itself, short."""
    name = found.path.rpartition(".")[2]
    hidden = name not in getattr(sys.modules[found.source], "__all__", (name,))
    return hidden, name != _name(found.object), found.path.count("."), found.path


# Methods and properties


@dataclass(frozen=True, slots=True)
class _Member:
    """An entry of the `__dict__` of a class, or of a base of it that is not public."""

    owner: _Found
    depth: int
    name: str
    object: Any


def _claim_members(objects: dict[int, _Found]) -> Iterator[_Found]:
    classes = [f for f in objects.values() if f.kind == "class"]
    taken = set(objects)
    members = [m for c in classes for m in _members(c, objects)]
    for member in sorted(members, key=_closeness):
        if _identity(member.object) not in taken and not _repeats_base(member, objects):
            taken.add(_identity(member.object))
            yield _found_member(member)


def _members(owner: _Found, objects: dict[int, _Found]) -> Iterator[_Member]:
    seen: set[str] = set()
    for depth, cls in enumerate(owner.object.__mro__):
        public_base = depth > 0 and id(cls) in objects
        for name in vars(cls).keys() - seen:
            obj = vars(cls)[name]
            if not public_base and _is_member(name, obj):
                yield _Member(owner, depth, name, obj)
        seen.update(vars(cls))


def _closeness(member: _Member) -> tuple[int, bool, int, str, str]:
    renamed = member.name != _name(member.object)
    path = member.owner.path
    return member.depth, renamed, len(path), path, member.name


def _found_member(member: _Member) -> _Found:
    owner, obj = member.owner, member.object
    kind = "method" if inspect.isroutine(obj) else "property"
    callable_obj = getattr(owner.object, member.name) if kind == "method" else obj
    return _Found(f"{owner.path}.{member.name}", owner.source, kind, callable_obj, _doc(obj))


def _is_member(name: str, obj: object) -> bool:
    descriptors = (staticmethod, classmethod, property, functools.cached_property)
    return not name.startswith("_") and (
        isinstance(obj, descriptors)
        or inspect.isroutine(obj)
        or inspect.isgetsetdescriptor(obj)
        or inspect.ismemberdescriptor(obj)
    )


def _repeats_base(member: _Member, objects: dict[int, _Found]) -> bool:
    """Tells whether a public base class has the same docstring under the same name."""
    public_bases = (b for b in member.owner.object.__mro__[1:] if id(b) in objects)
    doc = _doc(member.object)
    return any(_doc(vars(base).get(member.name)) == doc for base in public_bases)


# Any object


def _doc(obj: object) -> str:
    """Returns the docstring that the object itself has, or an empty string."""
    doc = _class_doc(obj) if inspect.isclass(obj) else getattr(_function(obj), "__doc__", None)
    return doc if isinstance(doc, str) else ""


def _class_doc(cls: type) -> object:
    """Returns the docstring of a class, or else the one of its constructor."""
    init = vars(cls).get("__init__")
    return vars(cls).get("__doc__") or (init.__doc__ if inspect.isfunction(init) else None)


def _name(obj: object) -> str:
    return getattr(_function(obj), "__name__", "")


def _identity(obj: object) -> int:
    """Returns one number for a function and for the methods bound to it."""
    return id(_function(obj))


def _function(obj: object) -> object:
    """Returns what a bound, static or class method wraps, or the object itself."""
    return getattr(obj, "__func__", obj)

"""Mutants of a source file: one small change each, of its syntax tree."""

import ast
import copy
from collections import Counter
from dataclasses import dataclass

TEXT = 120  # characters of a change that are kept

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd,
}  # fmt: skip
_PAIRS = (
    *(("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("amin", "amax")),
    *(("any", "all"), ("floor", "ceil"), ("zeros", "ones"), ("zeros_like", "ones_like")),
)
NAMES = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
"""Functions and methods that change places when they are called."""
TYPES = {"Literal", "Callable", "Union", "Optional", "TypeVar", "cast"}


@dataclass(frozen=True)
class Mutant:
    """A change of one place in a file.

    Attributes
    ----------
    id : str
        File, line, column and kind, and a number where these are not unique.
    file : str
        Path within the repository.
    line : int
    kind : str
    before, after : str
        What stood there, and what stands there now; cut after some characters.
    source : str
        Text of the line, without indentation.
    lines : tuple of int
        A test that executes one of these lines executes the changed code; empty if the code runs
        when the module is imported.
    place : tuple of (str, int or None)
        The way from the module to the changed node: fields, and positions in their lists.
    node : ast.AST
        What takes its place.
    """

    id: str
    file: str
    line: int
    kind: str
    before: str
    after: str
    source: str
    lines: tuple
    place: tuple
    node: ast.AST


def mutated_tree(source, mutant):
    """The syntax tree of a source text with one change."""
    tree = ast.parse(source)
    parent = tree
    for field, position in mutant.place[:-1]:
        parent = getattr(parent, field)
        parent = parent if position is None else parent[position]
    field, position = mutant.place[-1]
    if position is None:
        setattr(parent, field, copy.deepcopy(mutant.node))
    elif mutant.node is None:
        del getattr(parent, field)[position]
    else:
        getattr(parent, field)[position] = copy.deepcopy(mutant.node)
    return ast.fix_missing_locations(tree)


def mutants_of(source, file):
    """All mutants of a source text, in the order of its lines.

    Left out: docstrings, other sentences (of four words or more), ``raise`` statements and calls
    that warn but for their removal, annotations and names of types, decorators, imports,
    ``__all__``, and what only type checkers read.
    """
    finder = _Finder()
    finder.statements(ast.parse(source), "body", ())
    texts, seen, mutants = source.splitlines(), Counter(), []
    for line, column, kind, before, after, lines, place, node in finder.found:
        name = f"{file}:{line}:{column}:{kind}"
        seen[name] += 1
        name = name if seen[name] == 1 else f"{name}:{seen[name]}"
        text = texts[line - 1].strip()
        mutants.append(Mutant(name, file, line, kind, before, after, text, lines, place, node))
    return sorted(mutants, key=lambda mutant: mutant.line)  # stable


def _shown(node):
    return "" if node is None else " ".join(ast.unparse(node).split())[:TEXT]


def _name_of(node):
    return getattr(node, "attr", getattr(node, "id", ""))


def _is_docstring(node):
    value = getattr(node, "value", None)
    return isinstance(node, ast.Expr) and isinstance(value, ast.Constant)


def _is_sentence(text):
    return sum(any(map(str.isalpha, word)) for word in text.split()) >= 4


def _is_for_types(node):
    """Whether an expression names types."""
    if isinstance(node, (ast.Subscript, ast.Call)):
        return _name_of(getattr(node, "value", getattr(node, "func", None))) in TYPES
    return False


class _Finder:
    """Walks through a module and notes each change as a row of :func:`mutants_of`."""

    def __init__(self):
        self.found = []
        self.lines = ()  # of the statement at which the walk is
        self.inside = False  # a function
        self.start = None  # of an f-string, whose parts have no places of their own

    def note(self, at, kind, place, node, before, after):
        at = self.start or at
        self.found.append(
            (at.lineno, at.col_offset, kind, before[:TEXT], after[:TEXT], self.lines, place, node)
        )

    def replace(self, old, kind, place, new):
        self.note(old, kind, place, new, _shown(old), _shown(new))

    def statements(self, parent, field, place):
        for i, node in enumerate(getattr(parent, field)):
            self.statement(node, (*place, (field, i)))

    def statement(self, node, place):
        if _is_docstring(node) or isinstance(
            node, (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Pass)
        ):
            return
        before, self.lines = self.lines, self._lines_of(node) if self.inside else ()
        self._removed(node, place)
        method = getattr(self, f"_{type(node).__name__.lower()}", self._parts)
        method(node, place)
        self.lines = before

    @staticmethod
    def _lines_of(node):
        """Lines of a statement, of a compound one those of its head."""
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        first = body[0] if isinstance(body, list) else None
        last = node.lineno if first is None else getattr(first, "lineno", node.lineno + 1) - 1
        last = node.end_lineno if first is None else max(last, node.lineno)
        return tuple(range(node.lineno, last + 1))

    def _removed(self, node, place):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        stored = isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and isinstance(
            targets[0], (ast.Attribute, ast.Subscript)
        )
        called = isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Await))
        if stored or called or isinstance(node, (ast.AugAssign, ast.Delete)):
            self.note(node, "statement", place, ast.Pass(), _shown(node), "pass")

    def _parts(self, node, place):
        """The statements and expressions within a node."""
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                where = (*place, (field, i))
                if isinstance(child, ast.stmt):
                    self.statement(child, where)
                elif isinstance(child, ast.expr):
                    self.expression(child, where)
                elif isinstance(child, ast.AST):
                    self._parts(child, where)

    def _functiondef(self, node, place):
        if any(_name_of(one) == "overload" for one in node.decorator_list):
            return
        inside, around = self.inside, self.lines
        body = [one for one in node.body if not _is_docstring(one)]
        # A default is read by whoever runs the function.
        self.lines = self._lines_of(body[0]) if body else ()
        for field in ("defaults", "kw_defaults"):
            for i, default in enumerate(getattr(node.args, field)):
                if default is not None:
                    self._default(default, (*place, ("args", None), (field, i)))
        self.inside = True
        self.statements(node, "body", place)
        self.inside, self.lines = inside, around

    _asyncfunctiondef = _functiondef

    def _default(self, node, place):
        n = len(self.found)
        self.expression(node, place)
        for i in range(n, len(self.found)):
            line, column, _, *rest = self.found[i]
            self.found[i] = (line, column, "default", *rest)

    def _classdef(self, node, place):
        inside, self.inside = self.inside, False
        self.statements(node, "body", place)
        self.inside = inside

    def _raise(self, node, place):
        pass

    def _assert(self, node, place):
        self.expression(node.test, (*place, ("test", None)))

    def _assign(self, node, place):
        if not _is_for_types(node.value) and _name_of(node.targets[0]) not in (
            "__all__",
            "__slots__",
        ):
            self._parts(node, place)

    def _annassign(self, node, place):
        if _name_of(node.annotation) != "TypeAlias" and node.value is not None:
            self.expression(node.value, (*place, ("value", None)))

    def _augassign(self, node, place):
        self._operator(node, place)
        self._parts(node, place)

    def _if(self, node, place):
        if _name_of(node.test) == "TYPE_CHECKING":
            return self.statements(node, "orelse", place)
        self._condition(node.test, (*place, ("test", None)))
        self._parts(node, place)

    def _while(self, node, place):
        self._condition(node.test, (*place, ("test", None)), values=(False,))
        self._parts(node, place)

    def _return(self, node, place):
        if node.value is None or (isinstance(node.value, ast.Constant) and not node.value.value):
            if node.value is not None and node.value.value is not None:
                self._parts(node, place)
            return
        new = ast.Return(ast.Constant(None))
        self.replace(node, "return", place, new)
        self._parts(node, place)

    def _break(self, node, place):
        self.replace(node, "loop", place, ast.Continue())

    def _continue(self, node, place):
        self.replace(node, "loop", place, ast.Break())

    def _condition(self, test, place, values=(True, False)):
        for value in values:
            if not (isinstance(test, ast.Constant) and test.value is value):
                self.replace(test, "condition", place, ast.Constant(value))

    def _operator(self, node, place):
        new = ARITHMETIC[type(node.op)]()
        changed = copy.deepcopy(node)
        changed.op = new
        self.note(node, "arithmetic", (*place, ("op", None)), new, _shown(node), _shown(changed))

    def expression(self, node, place):
        if _is_for_types(node):
            return
        if isinstance(node, ast.JoinedStr):
            return self._f_string(node, place)
        if isinstance(node, ast.Constant):
            return self._constant(node, place)
        if isinstance(node, ast.Call):
            return self._call(node, place)
        if isinstance(node, ast.BinOp):
            self._operator(node, place)
        elif isinstance(node, ast.Compare):
            self._compare(node, place)
        elif isinstance(node, ast.BoolOp):
            new = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            changed = ast.BoolOp(new, node.values)
            where = (*place, ("op", None))
            self.note(node, "boolean", where, new, _shown(node), _shown(changed))
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
            kind = "boolean" if isinstance(node.op, ast.Not) else "minus"
            self.replace(node, kind, place, node.operand)
        elif isinstance(node, ast.IfExp):
            self._condition(node.test, (*place, ("test", None)))
        elif isinstance(node, ast.Slice):
            self._slice(node, place)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            for i, part in enumerate(node.generators):
                for j, test in enumerate(part.ifs):
                    self._condition(test, (*place, ("generators", i), ("ifs", j)))
        self._parts(node, place)

    def _compare(self, node, place):
        for i, (op, other) in enumerate(zip(node.ops, node.comparators, strict=True)):
            value = getattr(other, "value", None)
            if isinstance(op, (ast.In, ast.NotIn)) and isinstance(value, str) and value:
                # Another letter at its end would seldom be looked for.
                where = (*place, ("comparators", i))
                self.replace(other, "constant", where, ast.Constant(value[1:]))
            changed = copy.deepcopy(node)
            changed.ops[i] = new = COMPARISONS[type(op)]()
            where = (*place, ("ops", i))
            self.note(node, "comparison", where, new, _shown(node), _shown(changed))

    def _slice(self, node, place):
        for field in ("lower", "upper", "step"):
            if getattr(node, field) is not None:
                changed = copy.deepcopy(node)
                setattr(changed, field, None)
                where = (*place, (field, None))
                self.note(node, "slice", where, None, _shown(node), _shown(changed))

    def _call(self, node, place):
        name = _name_of(node.func)
        if name.lstrip("_").startswith("warn") or name.endswith(("Error", "Warning")):
            return
        if name in NAMES:
            changed = copy.deepcopy(node.func)
            setattr(changed, "id" if isinstance(changed, ast.Name) else "attr", NAMES[name])
            self.replace(node.func, "name", (*place, ("func", None)), changed)
        for i, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                where = (*place, ("keywords", i))
                self.note(keyword, "keyword", where, None, _shown(keyword), "")
        self._parts(node, place)

    def _constant(self, node, place):
        value = node.value
        if isinstance(value, bool):
            new = not value
        elif isinstance(value, (int, float)):
            new = value + 1
        elif isinstance(value, str) and not _is_sentence(value):
            new = value + "XX"
        elif isinstance(value, bytes):
            new = value + b"XX"
        else:
            return
        self.replace(node, "constant", place, ast.Constant(new))

    def _f_string(self, node, place):
        """Its text as a whole, and the expressions in it but not how these are formatted."""
        outer, self.start = self.start, self.start or node
        texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
        if not _is_sentence(" ".join(texts)):
            self.replace(node, "constant", place, ast.Constant("XX"))
            for i, part in enumerate(node.values):
                if isinstance(part, ast.FormattedValue):
                    self.expression(part.value, (*place, ("values", i), ("value", None)))
        self.start = outer

"""Finds patches of the launcher that do not say why they are there.

    python patches_marked.py FOLDER

A patch is a statement of a function `install` (or `_patch_moto`), and each entry of a dict in one. Right above it is a comment.
`# upstream:` says how the emulator differs from AWS. `# ours:` says why this project wants it otherwise.
"""

import ast
import pathlib
import sys

INSTALLS = ("install", "_patch_moto")
MARKS = ("# upstream: ", "# ours: ")
# They change nothing themselves: the statements in their bodies do, or the functions that they call.
PLAIN = (ast.Import, ast.ImportFrom, ast.Return, ast.FunctionDef)


def main(folder):
    found = [line for path in sorted(pathlib.Path(folder).rglob("*.py")) for line in unmarked(path)]
    print("\n".join(found) or "each patch is marked")
    return 1 if found else 0


def unmarked(path):
    text = path.read_text()
    lines = text.splitlines()
    for function in ast.parse(text).body:
        if isinstance(function, ast.FunctionDef) and function.name in INSTALLS:
            for patch in patches(function.body):
                if not is_marked(lines, patch.lineno):
                    yield f"{path}:{patch.lineno}: `{lines[patch.lineno - 1].strip()}` has no `# upstream:` or `# ours:` above it"


def patches(body):
    for statement in body:
        if isinstance(statement, ast.For | ast.If | ast.With):
            if isinstance(statement, ast.For) and isinstance(statement.iter, ast.Call):
                yield from (key for each in ast.walk(statement.iter) if isinstance(each, ast.Dict) for key in each.keys)
            yield from patches(statement.body)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.value, ast.Dict):
            yield from statement.value.keys
        elif changes_emulator(statement):
            yield statement


def changes_emulator(statement):
    """An assignment to an attribute or an entry of an emulator's module, and a call that registers something there."""
    if isinstance(statement, PLAIN):
        return False
    if isinstance(statement, ast.Assign):
        return any(isinstance(target, ast.Attribute | ast.Subscript) for target in statement.targets)
    return isinstance(statement, ast.Expr) and ast.unparse(statement).startswith(("setattr(", "resource_types."))


def is_marked(lines, number):
    above = number - 2
    while above >= 0 and lines[above].lstrip().startswith("# "):
        if lines[above].lstrip().startswith(MARKS):
            return True
        above -= 1
    return False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

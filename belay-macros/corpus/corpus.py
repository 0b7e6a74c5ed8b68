"""Fetches the corpus and cuts it into functions: corpus.py REQUIREMENTS CACHE prints the directory it is in.

The directory has the libraries under `sources`, and the functions as files under `functions`, listed in `functions.txt`
with their origin, parameters and promise.
"""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile


def fetch(requirements, wheels):
    # Wheels only: to look at any other package is to run its code.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", wheels, "--requirement", requirements]
    subprocess.run(command, check=True, stdout=sys.stderr)


def unpack(wheels, sources):
    for wheel in sorted(os.listdir(wheels)):
        with zipfile.ZipFile(os.path.join(wheels, wheel)) as archive:
            names = [name for name in archive.namelist() if name.endswith(".py") and ".dist-info/" not in name]
            archive.extractall(os.path.join(sources, wheel.split("-")[0]), names)


def is_stub(function):
    """Whether nothing is in it but a docstring, `pass`, `...` or a `raise`: then its annotation promises for others."""
    idle = (ast.Pass, ast.Raise)
    return all(isinstance(s, idle) or isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in function.body)


def own(function):
    """The nodes of a function without those of the functions inside of it."""
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))


def promise(function):
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in own(function)):
        return "items"
    annotation = function.returns and ast.unparse(function.returns).strip("'\"")
    if annotation and not is_stub(function):
        room = annotation in ("None", "Any", "NoReturn") or "Optional" in annotation or "None" in annotation
        return "any" if room else "value"
    value = any(isinstance(node, ast.Return) and node.value is not None for node in own(function))
    return "value" if value else "any"


def body(text, function):
    first = function.body[0]
    start = min([first.lineno] + [decorator.lineno for decorator in getattr(first, "decorator_list", [])])
    lines = text.split("\n")[start - 1 : function.end_lineno]
    before = lines[0].encode()[: first.col_offset].decode()
    if start == first.lineno and before.strip():
        # On the line of the `def`.
        lines[0] = lines[0][len(before) :]
    return "\n".join(lines)


def cut(sources, functions, index):
    count = 0
    with open(index, "w", encoding="utf-8") as listing:
        for directory, inner, files in os.walk(sources):
            inner.sort()
            for name in sorted(files):
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8", newline=None) as file:
                    text = file.read()
                # Methods are functions too; what is inside of another function is part of it.
                waiting = [ast.parse(text)]
                while waiting:
                    for node in ast.iter_child_nodes(waiting.pop()):
                        if isinstance(node, ast.FunctionDef):
                            every = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                            every += [a for a in (node.args.vararg, node.args.kwarg) if a]
                            params = ",".join(a.arg for a in every)
                            with open(os.path.join(functions, str(count)), "w", encoding="utf-8") as out:
                                out.write(body(text, node))
                            place = os.path.relpath(path, sources)
                            listing.write(f"{place}\t{node.lineno}\t{node.name}\t{params}\t{promise(node)}\n")
                            count += 1
                        elif not isinstance(node, (ast.AsyncFunctionDef, ast.Lambda)):
                            waiting.append(node)


def main(requirements, cache):
    with open(requirements, "rb") as file, open(__file__, "rb") as script:
        version = hashlib.sha256(file.read() + script.read()).hexdigest()[:16]
    ready = os.path.join(cache, f"corpus-{version}")
    if not os.path.isdir(ready):
        os.makedirs(cache, exist_ok=True)
        work = tempfile.mkdtemp(dir=cache)
        try:
            parts = {part: os.path.join(work, part) for part in ("wheels", "sources", "functions")}
            for part in parts.values():
                os.mkdir(part)
            fetch(requirements, parts["wheels"])
            unpack(parts["wheels"], parts["sources"])
            cut(parts["sources"], parts["functions"], os.path.join(work, "functions.txt"))
            # Whole or not at all; whoever comes second finds that of the first.
            if not os.path.isdir(ready):
                os.rename(work, ready)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    print(ready)


main(*sys.argv[1:])

"""The rules that keep the code a pile of layers instead of a knot; docs/ says why."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("spatia_core", "editing")

LAYERS = {
    "spatia_core": 0,
    "spatia_core.errors": 0,
    "spatia_core.arrays": 0,
    "spatia_core.se3": 1,
    "spatia_core.camera": 2,
    "spatia_core.camera_path": 3,
    "spatia_core.frames": 3,
    "spatia_core.growing": 0,
    "spatia_core.voxels": 3,
    "spatia_core.point_cloud": 3,
    "spatia_core.depth_edges": 3,
    "spatia_core.lens": 3,
    "spatia_core.memory": 4,
    "spatia_core.movers": 4,
    "spatia_core.render": 4,
    "spatia_core.alignment": 4,
    "spatia_core.backends.protocols": 4,
    "spatia_core.backends.registry": 1,
    "spatia_core.backends.pool": 1,
    "spatia_core.backends": 4,  # every other adapter
    "spatia_core.backends.track_slam": 5,
    "spatia_core.fusion": 5,
    "spatia_core.upkeep": 5,
    "spatia_core.motion": 5,
    "spatia_core.recorded": 6,
    "spatia_core.following": 5,
    "spatia_core.landmarks": 5,
    "spatia_core.bundle": 5,
    "spatia_core.flow": 4,
    "spatia_core.references": 5,
    "spatia_core.conditioning": 5,
    "spatia_core.completion": 5,
    "spatia_core.slam": 5,
    "spatia_core.io": 5,
    "spatia_core.metrics": 5,
    "spatia_core.solid": 5,
    "spatia_core.everything": 5,
    "spatia_core.trajectory_metrics": 5,
    "spatia_core.pipeline": 6,
    "editing": 7,
    "app": 8,
}
"""A module has the layer of its longest prefix here and imports its own layer or lower ones."""

SHARED = ("protocols", "registry", "pool", "lent_gpu")
SHARED_BACKENDS = {"spatia_core.backends", *(f"spatia_core.backends.{n}" for n in SHARED)}
HEAVY = ("torch", "diffusers", "transformers", "segment_anything", "open3d")
FILE_CAP, FUNCTION_CAP, PARAMETER_CAP, APP_CAP = 400, 60, 6, 300


@cache
def sources() -> dict[str, ast.Module]:
    """Every module of the product by name."""
    files = [f for package in PRODUCT for f in sorted((ROOT / package).rglob("*.py"))]
    files += [f for f in (ROOT / "app.py",) if f.exists()]
    return {_module(f): ast.parse(f.read_text(), str(f)) for f in files}


def _module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(module: str) -> int:
    return LAYERS[max((p for p in LAYERS if module == p or module.startswith(p + ".")), key=len)]


def imports(module: str, top_level_only: bool = False) -> set[str]:
    """What `module` imports, as precise as module names allow."""
    tree = sources()[module]
    nodes = _executed_on_import(tree) if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import; write the whole name"
            base = node.module or ""
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in sources() else base for a in node.names}
    return found


def _executed_on_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _executed_on_import(child)


def own_imports(module: str) -> set[str]:
    return {m for m in imports(module) if m in sources() and m != module}


def is_adapter(module: str) -> bool:
    return module.startswith("spatia_core.backends.") and module not in SHARED_BACKENDS


@pytest.mark.parametrize("module", sorted(sources()))
def test_a_module_imports_its_own_layer_or_lower_ones(module):
    upward = {m for m in own_imports(module) if layer(m) > layer(module)}
    assert not upward, f"{module} (layer {layer(module)}) imports {upward}"


def test_there_are_no_import_cycles():
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for imported in sorted(own_imports(module)):
                if not module.startswith(imported + "."):
                    visit(imported, (*trail, module))
            done.add(module)

    for module in sources():
        visit(module, ())


def test_adapters_are_imported_by_nobody_but_adapters():
    for module in sources():
        foreign = {m for m in own_imports(module) if is_adapter(m)}
        assert not foreign or is_adapter(module), f"{module} imports {foreign}; ask the registry by name instead"


def test_registry_and_pool_know_backends_as_strings_only():
    for name in ("registry", "pool"):
        known = own_imports(f"spatia_core.backends.{name}")
        assert known <= {"spatia_core.backends.registry", "spatia_core.backends", "spatia_core.errors"}, name


def test_heavy_libraries_stand_only_in_adapters():
    for module in sources():
        heavy = {m.split(".")[0] for m in imports(module)} & set(HEAVY)
        assert not heavy or is_adapter(module), f"{module} imports {heavy}"


def test_gradio_stands_only_in_the_app_and_its_panels():
    for module in sources():
        if "gradio" in {m.split(".")[0] for m in imports(module)}:
            assert module == "app" or module.startswith("editing.panels"), module


def test_importing_the_product_loads_no_heavy_library():
    light = [m for m in sources() if not (is_adapter(m) or m == "app" or m.startswith("editing.panels"))]
    light.remove("editing.__main__")
    script = (
        f"import importlib, sys\nfor m in {light!r}: importlib.import_module(m)\n"
        f"loaded = sorted(set({(*HEAVY, 'gradio')!r}) & set(sys.modules))\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_no_file_is_longer_than_the_cap():
    lengths = {module: len(_file(module).read_text().splitlines()) for module in sources()}
    long = {m: n for m, n in lengths.items() if n > (APP_CAP if m == "app" else FILE_CAP)}
    assert not long, f"make these packages: {long}"


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for module, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}:{node.lineno} {node.name}", node


def test_no_function_is_longer_than_the_cap():
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    long = {name: n for name, n in lengths.items() if n > FUNCTION_CAP}
    assert not long, f"split these: {long}"


def test_no_function_takes_more_parameters_than_the_cap():
    # two kinds are excused: numba takes no dataclasses, and a handler's parameters are the widgets it reads
    counted = [(n, f) for n, f in functions() if not (_is_compiled(f) or n.startswith("editing.panels."))]
    counts = {name: _parameters(node) for name, node in counted}
    wide = {name: n for name, n in counts.items() if n > PARAMETER_CAP}
    assert not wide, f"a dataclass is missing for: {wide}"


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    a = node.args
    return len([p for p in (*a.posonlyargs, *a.args, *a.kwonlyargs) if p.arg not in ("self", "cls")])


def _is_compiled(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("njit" in ast.unparse(d) for d in node.decorator_list)


def test_the_app_does_layout_and_no_arithmetic():
    if "app" in sources():
        assert "numpy" not in {m.split(".")[0] for m in imports("app")}


def test_nothing_unpickles():
    for module, tree in sources().items():
        assert not {"dill", "joblib", "shelve", "marshal"} & {m.split(".")[0] for m in imports(module)}, module
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called, options = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert called not in ("pickle.load", "pickle.loads", "pickle.Unpickler"), f"{module}:{node.lineno}"
            if called in ("np.load", "numpy.load"):
                assert options.get("allow_pickle", "False") == "False", f"{module}:{node.lineno}"
            if called == "torch.load":
                assert options.get("weights_only") == "True", f"{module}:{node.lineno} loads more than weights"


def test_nothing_prints_but_the_command_line():
    for module, tree in sources().items():
        if module != "editing.__main__":
            calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "print"]
            assert not calls, f"{module}:{calls[0].lineno} prints; use logging"


def test_every_public_name_says_what_it_is():
    for module, tree in sources().items():
        assert ast.get_docstring(tree), f"{module} has no docstring"
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{module}.{node.name} has no docstring"

"""Symbol graphs of a finished build: the public and package declarations of a module with their comments, as the compiler
knows them. What build_docs.sh and check_docs.py share."""
import json
import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
# The umbrella, then the modules of the package in the order of their names; the program has no API.
umbrella = "Apus"
modules = sorted(path.name for path in (root / "Sources").glob("Apus*") if path.name not in (umbrella, "ApusCLI"))


def module_maps(build):
    """Compiler options that name the modules that are C: the package's own, and those of what it depends on."""
    build = pathlib.Path(build).resolve()
    packages = build.parent.parent / "checkouts"
    maps = sorted([*build.glob("C*.build/module.modulemap"), *packages.glob("*/Sources/C*/include/module.modulemap")])
    return [option for path in maps for option in ("-Xcc", f"-fmodule-map-file={path}")]


def extract(build, module, folder, level="public", reexported=()):
    """Writes a module's graphs to a folder. `build` is a build folder such as .build/release; with `reexported`, what the
    module re-exports from these modules counts as its own."""
    target = json.loads(subprocess.run(["swift", "-print-target-info"], check=True, capture_output=True).stdout)
    command = [
        "swift-symbolgraph-extract", "-module-name", module, "-target", target["target"]["unversionedTriple"],
        "-I", f"{build}/Modules", *module_maps(build),
        "-minimum-access-level", level, "-skip-synthesized-members", "-output-dir", str(folder),
    ]
    if reexported:
        command.append(f"-experimental-allowed-reexported-modules={','.join(reexported)}")
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"symbol graph of {module}: {(result.stderr or result.stdout).strip()}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: symbol_graphs.py BUILD FOLDER: writes the graph of what `import Apus` gives")
    extract(sys.argv[1], umbrella, sys.argv[2], reexported=modules)

"""The registry's entry against the registry's schema: `python registry.py OWNER/REPOSITORY FILLED_ENTRY BUNDLE`.

Each claim is a line `ok - …` or `not ok - …`.
"""

import copy
import hashlib
import json
import sys
from pathlib import Path

from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = ROOT / "packaging" / "registry"
# As published, and as others have pinned it.
SCHEMA_SHA256 = "3fba09590c99f61735d234822279f4223fab9e300c0a81e81c91ab62a4114de0"
failed = False


def check(claim, found):
    """Prints a claim that holds if nothing is found against it."""
    global failed
    failed = failed or bool(found)
    print(f"not ok - {claim}: {found}" if found else f"ok - {claim}")


def main():
    repository, filled, bundle = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    text = (REGISTRY / "schema" / "server.schema.json").read_bytes()
    check("the schema is the published one", [] if hashlib.sha256(text).hexdigest() == SCHEMA_SHA256 else "another")
    validator = Draft7Validator(json.loads(text), format_checker=Draft7Validator.FORMAT_CHECKER)

    def errors(entry):
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(entry)]

    template = json.loads((REGISTRY / "server.json").read_text())
    entry = json.loads(filled.read_text())
    check("the template keeps to the schema", errors(template))
    check("a filled entry keeps to the schema", errors(entry))
    check("its $schema is the schema's own name", [] if entry["$schema"] == json.loads(text)["$id"] else entry["$schema"])
    check("nothing in it waits to be filled in", [] if "OWNER" not in json.dumps(entry) else "OWNER")
    check("it is the owner's", [] if entry["name"] == f"io.github.{repository.split('/')[0]}/ai-cost-optimizer" else entry["name"])
    package = entry["packages"][0]
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    check("it has the bundle's SHA-256", [] if package["fileSha256"] == digest else package["fileSha256"])
    url = f"https://github.com/{repository}/releases/download/v{entry['version']}/{bundle.name}"
    check("it says where the release has the bundle", [] if package["identifier"] == url else package["identifier"])

    def broken(change):
        other = copy.deepcopy(entry)
        change(other)
        return [] if errors(other) else "taken"

    check("a longer description would be refused", broken(lambda entry: entry.update(description="x" * 101)))
    check("another digest would be refused", broken(lambda entry: entry["packages"][0].update(fileSha256="XYZ")))
    check("a name without an owner would be refused", broken(lambda entry: entry.update(name="ai-cost-optimizer")))
    check("a package without a transport would be refused", broken(lambda entry: entry["packages"][0].pop("transport")))
    sys.exit(1 if failed else 0)


main()

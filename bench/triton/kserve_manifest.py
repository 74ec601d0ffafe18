"""Checks KServe's objects in a YAML file against the types of KServe's Python package: names, types and what must be
there.

usage: kserve_manifest.py FILE
"""

import importlib.metadata
import re
import sys

import kserve
import kubernetes.client
import yaml

PLAIN = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def check(value, kind, path):
    if match := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        assert isinstance(value, list), f"{path} is {value!r}: want a list"
        for i, element in enumerate(value):
            check(element, match[1], f"{path}[{i}]")
    elif match := re.fullmatch(r"[Dd]ict[\[(](?:.*), ?(.*)[\])]", kind):
        assert isinstance(value, dict), f"{path} is {value!r}: want a map"
        for key, element in value.items():
            check(element, match[1], f"{path}.{key}")
    elif kind in PLAIN:
        assert isinstance(value, PLAIN[kind]), f"{path} is {value!r}: want {kind}"
    elif cls := getattr(kserve, kind, None) or getattr(kubernetes.client, kind, None):
        check_object(value, cls, path)
    else:
        assert kind in ("object", "ResourceQuantity", "datetime"), f"{path}: the package has no type {kind}"


def check_object(value, cls, path):
    assert isinstance(value, dict), f"{path} is {value!r}: want a map of {cls.__name__}"
    fields = {key: cls.openapi_types[name] for name, key in cls.attribute_map.items()}
    for key, element in value.items():
        assert key in fields, f"{path}.{key} is not a field of {cls.__name__}: it has {', '.join(sorted(fields))}"
        check(element, fields[key], f"{path}.{key}")


def main():
    with open(sys.argv[1]) as file:
        objects = list(yaml.safe_load_all(file))
    for o in objects:
        version = o["apiVersion"].split("/")[1]
        check(o, version.capitalize() + o["kind"], o["kind"])
    assert len(objects) >= 2
    print(f"ok  {len(objects)} objects have the types of kserve {importlib.metadata.version('kserve')}")


if __name__ == "__main__":
    main()

"""Judges of descriptors: PyYAML reads YAML 1.1, and ruamel.yaml reads 1.2 where it is installed.

prepare SOURCE TARGET: copies each YAML file of SOURCE that is no template, with `pack://app` for every image; prints how many
    files and images there are.
compare BEFORE AFTER IMAGE: the same files, byte for byte and event for event, but for `pack://app`, which is IMAGE; prints how
    many files and scalars agree, and of how many files ruamel.yaml reads the same values.
images SOURCE [KIND=PATH...]: each image without a digest in the objects of Kubernetes, in Compose files, but for those that
    Compose builds, and at the PATHs of objects of a KIND, as FILE:LINE:COLUMN; a column counts characters.
"""

import os
import re
import sys

import yaml

try:
    from ruamel import yaml as ruamel
except ImportError:
    ruamel = None

IMAGE = re.compile(rb"""^(\s*(?:- )?image:[ \t]+)(["']?)[^\s"'#{}\[\],&*|>]+(["']?)(?=\s|$)""", re.MULTILINE)
NAME = "pack://app"


def files(directory):
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith((".yaml", ".yml")) and not name.startswith(".") and not os.path.islink(path):
                yield os.path.relpath(path, directory)


def events(text):
    return list(yaml.parse(text, Loader=yaml.BaseLoader))


def prepare(source, target):
    count = images = 0
    for name in files(source):
        with open(os.path.join(source, name), "rb") as file:
            text = file.read()
        # In values of charts, the image and its tag may be two scalars.
        if b"{{" in text or "values" in os.path.basename(name):
            continue
        text, found = IMAGE.subn(rb"\1\2pack://app\3", text)
        try:
            scalars = [getattr(event, "value", None) for event in events(text)]
        except yaml.YAMLError:
            continue
        # Some are lines of a longer text, which stays as it is.
        if scalars.count(NAME) != found:
            continue
        path = os.path.join(target, f"{count:04}", os.path.basename(name))
        os.makedirs(os.path.dirname(path))
        with open(path, "wb") as file:
            file.write(text)
        count, images = count + 1, images + found
    print(count, images)


def described(event):
    kind = type(event).__name__
    parts = [getattr(event, part, None) for part in ("anchor", "tag", "implicit", "style", "flow_style", "explicit")]
    return kind, parts


def values(text):
    """What ruamel.yaml reads of a text; nothing where it refuses it."""
    reader = ruamel.YAML(typ="safe", pure=True)
    try:
        return list(reader.load_all(text.decode()))
    except (ruamel.error.YAMLError, ValueError):
        return None


def replaced(value, image):
    if isinstance(value, dict):
        return {replaced(key, image): replaced(each, image) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, image) for each in value]
    return image if isinstance(value, str) and value.strip() == NAME else value


def compare(before, after, image):
    count = scalars = of_ruamel = 0
    for name in files(before):
        with open(os.path.join(before, name), "rb") as file:
            old = file.read()
        path = os.path.join(after, name)
        if not os.path.exists(path):
            if NAME.encode() in old:
                sys.exit(f"{name} is not there")
            continue
        with open(path, "rb") as file:
            new = file.read()
        if old.replace(NAME.encode(), image.encode()) != new:
            sys.exit(f"{name}: other bytes changed")
        one, other = events(old), events(new)
        if len(one) != len(other):
            sys.exit(f"{name}: {len(one)} events, then {len(other)}")
        for was, now in zip(one, other):
            if described(was) != described(now):
                sys.exit(f"{name}: {was} became {now}")
            value, expected = getattr(was, "value", None), getattr(now, "value", None)
            if value is not None and value.strip() == NAME:
                value, scalars = value.replace(NAME, image), scalars + 1
            if value != expected:
                sys.exit(f"{name}: {value!r} became {expected!r}")
        count += 1
        expected = values(old) if ruamel else None
        if expected is not None:
            if repr(replaced(expected, image)) != repr(values(new)):
                sys.exit(f"{name}: ruamel.yaml reads other values")
            of_ruamel += 1
    print(count, scalars, of_ruamel)


def keys(node):
    """The keys of a map and their values, those of merged maps behind its own."""
    if not isinstance(node, yaml.MappingNode):
        return
    merged = []
    for key, value in node.value:
        if key.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        elif isinstance(key, yaml.ScalarNode):
            yield key.value, value
    for each in merged:
        yield from keys(each)


def get(node, key):
    return next((value for name, value in keys(node) if name == key), None)


def below(node):
    """A node, and all that it has."""
    yield node
    if isinstance(node, yaml.MappingNode):
        for _, value in keys(node):
            yield from below(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from below(value)


def selected(nodes, path):
    for step in path.replace("[]", ".[]").split("."):
        if step == "[]":
            nodes = [item for node in nodes if isinstance(node, yaml.SequenceNode) for item in node.value]
        else:
            nodes = [value for value in (get(node, step) for node in nodes) if value is not None]
    return nodes


def of_object(document, paths):
    for node in below(document):
        for name in ("containers", "initContainers", "ephemeralContainers"):
            containers = get(node, name)
            if isinstance(containers, yaml.SequenceNode):
                yield from (get(container, "image") for container in containers.value)
    for path in paths.get(get(document, "kind").value, ()):
        yield from selected([document], path)


def images(source, *selectors):
    paths = {}
    for selector in selectors:
        kind, path = selector.split("=")
        paths.setdefault(kind, []).append(path)
    for name in files(source):
        found = set()
        with open(os.path.join(source, name), encoding="utf-8") as file:
            documents = list(yaml.compose_all(file.read(), Loader=yaml.BaseLoader))
        for document in documents:
            if get(document, "apiVersion") and get(document, "kind"):
                images = of_object(document, paths)
            else:
                services = get(document, "services")
                # Compose builds the image of a service with `build`.
                images = (get(service, "image") for _, service in keys(services) if get(service, "build") is None)
            for image in images:
                if isinstance(image, yaml.ScalarNode) and image.value and "@sha256:" not in image.value:
                    found.add((image.start_mark.line + 1, image.start_mark.column + 1))
        for line, column in sorted(found):
            print(f"{name}:{line}:{column}")


{"prepare": prepare, "compare": compare, "images": images}[sys.argv[1]](*sys.argv[2:])

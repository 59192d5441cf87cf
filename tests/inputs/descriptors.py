"""Judges of descriptors, with PyYAML as the reader.

prepare SOURCE TARGET: copies each YAML file of SOURCE that is no template, with `pack://app` for every image; prints how many
    files and images there are.
compare BEFORE AFTER IMAGE: the same files, byte for byte and event for event, but for `pack://app`, which is IMAGE; prints how
    many files and scalars agree.
"""

import os
import re
import sys

import yaml

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


def compare(before, after, image):
    count = scalars = 0
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
    print(count, scalars)


{"prepare": prepare, "compare": compare}[sys.argv[1]](*sys.argv[2:])

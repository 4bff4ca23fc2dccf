"""Plugins of bertillon in Python: decorate a function or a class, then call serve(). Needs numpy alone.

The protocol that this hides is described in bertillon's docs/PLUGINS.md.
"""

import ast
import functools
import hashlib
import inspect
import json
import math
import os
import pathlib
import sys
import traceback

import numpy as np

@functools.lru_cache(maxsize=64)
def _layout(header):
    """Type and shape that the header of an .npy file tells; parsed once for all files that are alike."""
    told = ast.literal_eval(header.decode("latin-1"))
    return np.dtype(told["descr"]), told["shape"]


@functools.lru_cache(maxsize=64)
def _header(dtype, shape):
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    text += " " * (-(11 + len(text)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1")


def _load(path):
    """As numpy.load does for the files that bertillon writes (version 1, C order), in a fifth of the time."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    start = 10 + int.from_bytes(data[8:10], "little")
    dtype, shape = _layout(bytes(data[10:start]))
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def _save(path, array):
    """As numpy.save does for arrays of numbers."""
    array = np.ascontiguousarray(array)
    if array.dtype.hasobject:
        raise TypeError("an array of numbers is wanted, not of objects")
    with open(path, "wb") as file:
        file.write(_header(array.dtype.str, array.shape))
        file.write(array.data)


_plugins = {}  # role -> (what makes it from its parameters, its description)


def variant(kind, group, acts_on="images", strength=None, summary=""):
    """A variant generator. Keyword-only arguments of the function are its parameters; `strength` names the one in reports.

    acts_on="images": f(images) -> images, uint8 [N, C, H, W], each image by itself. With a positional argument
    `rng` (numpy Generator), it gets one image at a time, and numbers that depend on that image alone.
    acts_on="model": f(model, images, labels, rng) -> torch.jit.ScriptModule, or None where nothing was changed. The
    model is a path to TorchScript; images and labels are the thief's own.
    """

    def register(function):
        def describe(parameters):
            value = parameters.get(strength)
            return {"kind": kind, "group": group, "acts_on": acts_on, "summary": summary,
                    "parameter": None if value is None else str(value)}

        _plugins["variant"] = (function, describe)
        return function

    return register


def selector(knowledge=()):
    """An input selector: f(owner, budget, rng) -> at most `budget` different indices into the pool."""

    def register(function):
        _plugins["selector"] = (function, lambda parameters: {"knowledge": list(knowledge)})
        return function

    return register


def method(ranks=1, knowledge=(), selector=False, crafts=False):
    """A method, as a class whose keyword arguments are its parameters.

    enroll(self, owner, budget, selected, rng) -> indices into the pool, or an Enrolled.
    distance(self, reference, answers, enrolled) -> float, small means mine, inf can't tell; labels uint16 [L, ranks].
    """

    def register(made):
        description = {"ranks": ranks, "knowledge": list(knowledge), "selector": selector, "crafts": crafts}
        _plugins["method"] = (made, lambda parameters: description)
        return made

    return register


def suspect(function):
    """What `bertillon verify --command` asks: f(images) -> answers, for images uint8 [N, C, H, W].

    Answers are labels, integers [N] or the best first [N, k], or scores, floats [N, classes].
    """
    _plugins["suspect"] = (function, lambda parameters: {})
    return function


class Enrolled:
    """What enrolment gives: indices into the pool, crafted images (uint8 [n, C, H, W]), numbers to judge with, notes."""

    def __init__(self, queries=(), crafted=None, state=(), notes=None):
        self.queries = [int(index) for index in queries]
        self.crafted = crafted
        self.state = [float(number) for number in state]
        self.notes = {name: float(value) for name, value in (notes or {}).items()}
        self.truth = None  # while judging: true labels of the queries, where known


class Owner:
    """What an owner knows; arrays are read when they are first looked at, and None where she does not know them."""

    def __init__(self, files):
        self.name, self.classes = files["name"], files["classes"]
        self.peer_names, self.rehearsal_names = files["peers"], files["rehearsals"]
        self.folder = pathlib.Path(files["folder"])

    def __getattr__(self, name):
        if name not in ("images", "truth", "answers", "peers", "rehearsals"):
            raise AttributeError(name)
        path = self.folder / f"{name}.npy"
        value = _load(path) if path.exists() else None
        setattr(self, name, value)
        return value

    @property
    def model(self):
        """Path of her model as TorchScript, None where she keeps it out of sight."""
        path = self.folder / "model.pt"
        return path if path.exists() else None


_owners = {}


def _owner(files):
    if files["folder"] not in _owners:
        _owners.clear()  # one at a time: a pool may be large
        _owners[files["folder"]] = Owner(files)
    return _owners[files["folder"]]


def _keyword_only(made):
    signature = inspect.signature(made).parameters.values()
    return {p.name: p.default for p in signature if p.kind is p.KEYWORD_ONLY or inspect.isclass(made)}


def _with_defaults(made, given):
    known = _keyword_only(made)
    for name in given:
        if name not in known:
            raise ValueError(f"unknown parameter `{name}`; there are: {', '.join(known) or 'none'}")
    for name, default in known.items():
        if default is inspect.Parameter.empty and name not in given:
            raise ValueError(f"parameter `{name}` is missing")
    return {name: given.get(name, default) for name, default in known.items()}


def _version():
    loaded = [f"python {sys.version.split()[0]}"]
    for name in ("numpy", "scipy", "torch", "torchvision", "PIL", "cv2", "sklearn"):
        found = getattr(sys.modules.get(name), "__version__", None)
        loaded += [f"{name} {found}"] if found else []
    return ", ".join(loaded)


def _transform(function, parameters, images, seed):
    if "rng" not in inspect.signature(function).parameters:
        return function(images, **parameters)
    if len(images) == 0:
        return images
    key = int(seed).to_bytes(8, "little")
    digests = [hashlib.blake2b(image.tobytes(), key=key, digest_size=16).digest() for image in images]
    rngs = [np.random.default_rng(int.from_bytes(digest, "little")) for digest in digests]
    return np.concatenate([function(images[i:i + 1], rng=rng, **parameters) for i, rng in enumerate(rngs)])


def _derive(function, parameters, request):
    images, labels = _load(request["images"]), _load(request["labels"])
    rng = np.random.default_rng(request["seed"])
    derived = function(request["model"], images, labels, rng, **parameters)
    if derived is None:
        return {"unchanged": True}
    derived.save(request["output"])
    return {}


def _enroll(plugin, request):
    rng = np.random.default_rng(request["seed"])
    enrolled = plugin.enroll(_owner(request["owner"]), request["budget"], request["selected"], rng)
    if not isinstance(enrolled, Enrolled):
        enrolled = Enrolled(enrolled)
    if enrolled.crafted is not None:
        _save(request["output"], enrolled.crafted)
    return {"queries": enrolled.queries, "crafted": enrolled.crafted is not None,
            "state": enrolled.state, "notes": enrolled.notes}


def _distances(plugin, request):
    enrolled = Enrolled(request["queries"], state=request["state"])
    enrolled.truth = _load(request["truth"]) if request["truth"] else None
    reference = _load(request["reference"])
    distances = [float(plugin.distance(reference, one, enrolled)) for one in _load(request["answers"])]
    if any(math.isnan(distance) for distance in distances):
        raise ValueError("a distance is NaN; use inf where it can't tell")
    return {"distances": [None if math.isinf(d) and d > 0 else d for d in distances]}


def _answer(request):
    call, given = request["call"], request["parameters"]
    roles = {"transform": "variant", "derive": "variant", "select": "selector", "answer": "suspect"}
    role = roles.get(call, "method")
    role = request["role"] if call == "describe" else role
    if role not in _plugins:
        raise ValueError(f"this program is no {role}, but: {', '.join(_plugins) or 'nothing'}")
    made, describe = _plugins[role]
    parameters = _with_defaults(made, given)
    if call == "describe":
        return {"role": role, "version": _version(), **describe(parameters)}
    if call == "transform":
        images = _load(request["images"])
        _save(request["output"], _transform(made, parameters, images, request["seed"]))
        return {}
    if call == "derive":
        return _derive(made, parameters, request)
    if call == "select":
        rng = np.random.default_rng(request["seed"])
        chosen = made(_owner(request["owner"]), request["budget"], rng, **parameters)
        return {"indices": [int(index) for index in chosen]}
    if call == "answer":
        _save(request["output"], np.asarray(made(_load(request["images"]), **parameters)))
        return {}
    return {"enroll": _enroll, "distances": _distances}[call](made(**parameters), request)


def serve():
    """Answers until there is nothing left to ask. What the plugin prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        reply = {"id": request["id"]}
        try:
            if request["protocol"] != 1:
                raise ValueError(f"protocol {request['protocol']} is not known, only 1")
            reply["ok"] = _answer(request)
        except Exception as error:  # whatever it is, it is the answer
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(place.filename)}:{place.lineno}"
            reply["error"] = f"{type(error).__name__}: {error} ({where})"
        replies.write(json.dumps(reply, allow_nan=False) + "\n")
        replies.flush()

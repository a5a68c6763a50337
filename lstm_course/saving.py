"""A model's weights in one file, written whole or not at all, and read without running code.

A checkpoint of a `Trainer` holds all you need to resume a run; this holds just the model. The file
is an npz archive with the parameters and a description from which the model is rebuilt.
"""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lstm_course._files import write_whole
from lstm_course.layers import LSTM, Embedding, Layer, Linear
from lstm_course.models import Captioner, FinalStateModel, InitialState, SequenceModel
from lstm_course.rnn import RNN
from lstm_course.variants import Variant

FORMAT = 1
"""The version of the description; a reader refuses a later one."""


def save(model: Layer, path: str | os.PathLike[str]) -> None:
    """Write a model to a file, so that `load` can rebuild it with the same parameters.

    The file is written under a temporary name and then renamed, so `path` always holds a whole
    file, the old one or the new one. The optimizer and the state of dropout's rng are not kept.

    Parameters
    ----------
    model
        A SequenceModel, FinalStateModel or Captioner, or an LSTM, RNN, Variant, Linear or
        Embedding.
    path
        The file.

    Raises
    ------
    TypeError
        The model is of another kind.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> rng = np.random.default_rng(0)
    >>> model = SequenceModel(LSTM(3, 4, rng=rng), Linear(4, 2, rng=rng))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, Path(folder) / "model.npz")
    ...     same = load(Path(folder) / "model.npz")
    >>> all(map(np.array_equal, model.arrays, same.arrays))
    True
    """
    described = _described(model)
    about = {"format": FORMAT, "dtype": model.arrays[0].dtype.name, "model": described}
    arrays: dict[str, Any] = {f"array {k}": array for k, array in enumerate(model.arrays)}
    packed = io.BytesIO()
    np.savez(packed, about=np.array(json.dumps(about)), **arrays)
    write_whole(Path(path).absolute(), packed.getbuffer())


def load(path: str | os.PathLike[str], *, rng: np.random.Generator | None = None) -> Any:
    """Rebuild the model that `save` wrote.

    Parameters
    ----------
    path
        The file.
    rng
        The source of randomness for dropout; np.random.default_rng(0) if not given.

    Returns
    -------
    A model of the same kind, sizes, dtype and parameters.

    Raises
    ------
    ValueError
        The file cannot be read, was not written by `save`, has a later format, or contradicts
        itself.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "layer.npz"
    ...     save(Linear(3, 2, rng=np.random.default_rng(0)), path)
    ...     load(path).weight.shape
    (2, 3)
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
        about = json.loads(str(stored.pop("about")))
        version, description, dtype = about["format"], about["model"], np.dtype(about["dtype"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} does not hold a readable model: {error}") from None
    if version != FORMAT:
        raise ValueError(f"{path} has the format {version}, this version reads {FORMAT}")
    try:
        model = _built(description, np.random.default_rng(0) if rng is None else rng, dtype)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} describes a model that cannot be built: {error}") from None
    expected = {f"array {k}": (a.shape, a.dtype) for k, a in enumerate(model.arrays)}
    if {name: (array.shape, array.dtype) for name, array in stored.items()} != expected:
        raise ValueError(f"{path} holds other arrays than the model that it describes")
    for k, array in enumerate(model.arrays):
        array[...] = stored[f"array {k}"]
    return model


def _described(model: Layer) -> dict[str, Any]:
    """Return the kind and sizes of a layer, or of a model and its layers."""
    kind = type(model)
    about: dict[str, Any] = {"kind": kind.__name__}
    if isinstance(model, LSTM) and kind is LSTM:
        names = ("input_size", "hidden_size", "num_layers")
        about |= {name: getattr(model, name) for name in names}
        about |= {"bidirectional": model.directions == 2, "dropout": model.dropout.rate}
    elif isinstance(model, RNN) and kind is RNN:
        about |= {"input_size": model.input_size, "hidden_size": model.hidden_size}
    elif isinstance(model, Variant) and kind is Variant:
        about |= {"cell": model.cell, "input_size": model.input_size}
        about |= {"hidden_size": model.hidden_size, "num_layers": model.num_layers}
        about |= {"bidirectional": model.directions == 2, "dropout": model.dropout.rate}
        about |= model.settings
    elif isinstance(model, Linear) and kind is Linear:
        about |= {"output_size": model.weight.shape[0], "input_size": model.weight.shape[1]}
    elif isinstance(model, Embedding) and kind is Embedding:
        about |= dict(zip(("num_embeddings", "embedding_dim"), model.table.shape, strict=True))
    elif isinstance(model, SequenceModel) and kind in (SequenceModel, FinalStateModel, Captioner):
        embedding = model.embedding
        about |= {"recurrent": _described(model.recurrent), "readout": _described(model.readout)}
        about["embedding"] = None if embedding is None else _described(embedding)
        about["tied"] = embedding is not None and model.readout.weight is embedding.table
        about["learned"] = isinstance(model.initial, InitialState)
        if isinstance(model, FinalStateModel):
            about["reads"] = model.reads
        if isinstance(model, Captioner):
            about["initial"] = _described(model.initial)
    else:
        raise TypeError(f"model is a {kind.__name__}, expected one of {', '.join(_KINDS)}")
    return about


def _built(about: dict[str, Any], rng: np.random.Generator, dtype: np.dtype[Any]) -> Layer:
    """Build what `_described` has described."""
    about = dict(about)
    kind = _KINDS[about.pop("kind")]
    if not issubclass(kind, SequenceModel):
        return kind(**about, rng=rng, dtype=dtype)
    parts: dict[str, Any] = {
        name: _built(part, rng, dtype) for name, part in about.items() if isinstance(part, dict)
    }
    if about["tied"]:
        parts["readout"] = Linear.tied(parts["embedding"])
    if about.get("learned"):  # missing from files of earlier versions
        parts["initial"] = InitialState(parts["recurrent"])
    more = {"reads": about["reads"]} if "reads" in about else {}
    return kind(**parts, **more)


_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (SequenceModel, FinalStateModel, Captioner, LSTM, RNN, Variant, Linear, Embedding)
}

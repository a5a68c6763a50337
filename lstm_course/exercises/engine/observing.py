"""A learner's function called with a torch.nn.LSTM, and what is seen of it.

Nothing here knows a right answer: the grader sends this module into its sandbox. PyTorch is
imported only for a call.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lstm_course.exercises.engine.trials import Answer


def observe(answer: "Answer", given: dict[str, Any], *arguments: Any) -> dict[str, Any]:
    """Call a function with a module and other arguments; return plain data about the call.

    Parameters
    ----------
    answer
        The function.
    given
        What the module is made of: its `settings`, its `dtype`, its `parameters` by name.
    arguments
        What else the function takes.

    Returns
    -------
    The function's `result`, with a stand-in for each tensor; whether it shares memory with the
    module (`shared`); and what the module is afterwards: its `arrays` by name, which of its
    parameters can learn (`learns`), and `batch_first`.
    """
    module = make(given)
    held = [parameter.detach().numpy() for parameter in module.parameters()]
    result = arrays_only(answer(module, *arguments))
    return {
        "result": result,
        "shared": any(np.shares_memory(one, other) for one in _arrays(result) for other in held),
        "arrays": {name: one.detach().numpy().copy() for name, one in module.state_dict().items()},
        "learns": {name: one.requires_grad for name, one in module.named_parameters()},
        "batch_first": module.batch_first,
    }


def make(given: dict[str, Any]) -> Any:
    """Return a torch.nn.LSTM of these settings and parameters."""
    import torch

    module = torch.nn.LSTM(**given["settings"], dtype=getattr(torch, given["dtype"]))
    module.load_state_dict(
        {name: torch.from_numpy(array.copy()) for name, array in given["parameters"].items()}
    )
    return module


class Tensor:
    """Stands in for a tensor where an array is expected."""


def arrays_only(result: Any) -> Any:
    """Return a result with a non-array in place of each tensor."""
    import torch

    if isinstance(result, tuple | list):
        return type(result)(map(arrays_only, result))
    return Tensor() if isinstance(result, torch.Tensor) else result


def _arrays(result: Any) -> list[Any]:
    results = result if isinstance(result, tuple | list) else [result]
    return [one for one in results if isinstance(one, np.ndarray)]

"""The AWS services that the launcher makes truer: one module or package each.

A service's module may define:

- `SERVICE`: MiniStack's name of the service.
- `checks(call)`: the permission checks of one request (harness/calls.py). None means that MiniStack's own reading is right.
- `action(method, path, query_params)`: the IAM action of a request that MiniStack does not recognise, or None.
- `install()`: the patches. Each is marked `# upstream: <how MiniStack differs from AWS>` or `# ours: <reason>`.
- `AFTER`: the modules whose patches this one wraps, so that they are installed first.

A new service is one new file here. Nothing else lists it.
"""

import importlib
import pkgutil
from graphlib import TopologicalSorter

from harness import authorization


def install():
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    for name in TopologicalSorter({name: getattr(module, "AFTER", ()) for name, module in modules.items()}).static_order():
        module = modules[name]
        if hasattr(module, "SERVICE"):
            authorization.register(module.SERVICE, getattr(module, "checks", None), getattr(module, "action", None))
        if hasattr(module, "install"):
            module.install()

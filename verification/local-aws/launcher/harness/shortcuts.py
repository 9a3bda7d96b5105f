"""Work that MiniStack does anew in each process, with the same result: it is done once for a virtual environment.

Hundreds of local AWS begin while the tests run, and each would read botocore's models, which are megabytes of JSON, only to know
the protocols of a few services.
"""

import json
import os
import pathlib
import sys
import tempfile
import types

from ministack.core import responses
from ministack.services import lambda_svc

SAVED = False  # these variables are of this process
_PLACE = pathlib.Path(sys.prefix) / "protocols.json"
_protocols = {}
_places = {}


def install():
    # ours: an answer's content type follows from the service's protocol, for which no whole model need be read
    responses._service_model = _protocol(responses._service_model)
    # ours: the digest of the functions' code is taken once, not before each start of a function
    lambda_svc._provided_runtime_code_dir = _once_for_each_code(lambda_svc._provided_runtime_code_dir)


def _protocol(original):
    """A service's model with nothing but its protocol."""
    if _PLACE.exists():
        _protocols.update(json.loads(_PLACE.read_text()))

    def protocol(service):
        if service not in _protocols:
            model = original(service)
            known = ("protocol", "jsonVersion")
            _protocols[service] = model and {name: model.metadata[name] for name in known if name in model.metadata}
            _keep(_protocols)
        found = _protocols[service]
        return None if found is None else types.SimpleNamespace(metadata=found)

    return protocol


def _keep(protocols):
    """Whole or not at all: other processes read and write the same file."""
    with tempfile.NamedTemporaryFile("w", dir=_PLACE.parent, delete=False) as file:
        json.dump(protocols, file)
    os.replace(file.name, _PLACE)


def _once_for_each_code(original):
    def place(code_zip):
        found = _places.get(id(code_zip))
        if not found or found[0] is not code_zip or not os.path.isdir(found[1]):
            found = _places[id(code_zip)] = code_zip, original(code_zip)
        return found[1]

    return place

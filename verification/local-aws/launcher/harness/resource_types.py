"""Registers resource types of CloudFormation as MiniStack registers its own, and adds to those that it has.

`create` answers the physical id and the attributes of Fn::GetAtt, and raises ValueError with the reason of a failed resource.
AWS fails a deployment whose roles lack something. So do these types: better here than in the first real account.
"""

import re

from ministack.services.cloudformation import provisioners

HANDLERS = provisioners._RESOURCE_HANDLERS


def register(resource_type, create, update, delete, replaced_by=()):
    HANDLERS[resource_type] = {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
    provisioners._REPLACING_PROPERTIES[resource_type] = replaced_by


def around(resource_type, before=lambda props: None, after=lambda physical_id, props: None):
    """Adds to what MiniStack's own create and update do."""
    handlers = HANDLERS[resource_type]
    create, update = handlers["create"], handlers["update"]

    def created(logical_id, props, stack_name):
        before(props)
        made = create(logical_id, props, stack_name)
        after(made[0], props)
        return made

    def updated(physical_id, old_props, new_props, *rest):
        before(new_props)
        made = update(physical_id, old_props, new_props, *rest)
        after(made[0], new_props)
        return made

    handlers.update(create=created, update=updated)


def call(handler, parameters):
    """Calls a handler of a Query API; its error becomes the resource's reason."""
    status, _headers, body = handler(parameters)
    text = body.decode()
    if status >= 400:
        code, message = (re.search(f"<{tag}>\\s*(.*?)\\s*</{tag}>", text, re.S)[1] for tag in ("Code", "Message"))
        raise ValueError(f"{message} (Error Code: {code})")
    return text

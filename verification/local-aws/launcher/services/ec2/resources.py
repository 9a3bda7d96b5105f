"""AWS::EC2::Instance, which MiniStack's CloudFormation lacks."""

import re

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from harness.resource_types import call


def create_instance(_logical_id, props, _stack_name):
    ec2._ensure_defaults_initialized()
    same_name = ("ImageId", "InstanceType", "SubnetId", "KeyName", "UserData")
    parameters = {name: str(props[name]) for name in same_name if name in props}
    parameters |= {f"SecurityGroupId.{at}": group for at, group in enumerate(props.get("SecurityGroupIds") or [], 1)}
    if "IamInstanceProfile" in props:
        parameters["IamInstanceProfile.Name"] = props["IamInstanceProfile"]
    answer = call(ec2._ACTION_MAP["RunInstances"], parameters | {"MinCount": "1", "MaxCount": "1"})
    return update_instance(re.search("<instanceId>(.*?)</instanceId>", answer)[1], {}, props)


def update_instance(instance_id, old_props, new_props, _stack_name=None, _logical_id=None):
    instance = ec2._instances[instance_id]
    instance["InstanceType"] = new_props.get("InstanceType", instance["InstanceType"])
    instance["disableApiTermination"] = str(new_props.get("DisableApiTermination", False)).lower()
    provisioners._ec2_apply_tags(instance_id, new_props, old_props)
    return instance_id, {
        "InstanceId": instance_id,
        "VpcId": instance["VpcId"],
        "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
        "PrivateIp": instance["PrivateIpAddress"],
        "PrivateDnsName": instance["PrivateDnsName"],
        "PublicIp": instance["PublicIpAddress"],
        "PublicDnsName": instance["PublicDnsName"],
    }


def delete_instance(instance_id, _props):
    if instance_id in ec2._instances:
        call(ec2._ACTION_MAP["TerminateInstances"], {"InstanceId.1": instance_id})

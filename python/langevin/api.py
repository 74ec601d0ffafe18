"""The messages of the published API, made from its descriptors.

``api.binpb`` is the descriptor set of ``proto/``. The messages are made from it when the package is imported. So they
work with every version of protobuf, and do not collide with another package that has the same descriptors.
"""

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def _load() -> descriptor_pool.DescriptorPool:
    files = descriptor_pb2.FileDescriptorSet.FromString(resources.files(__package__).joinpath("api.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _load()


def message(name: str) -> Any:
    """Returns the class of the message langevin.v1.NAME."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName("langevin.v1." + name))


def samplers() -> list[str]:
    """Returns the names of the samplers, as fields of SampleRequest."""
    request = _POOL.FindMessageTypeByName("langevin.v1.SampleRequest")
    return [field.name for field in request.oneofs_by_name["sampler"].fields]


def word(enum: str, prefix: str, number: int) -> str:
    """Returns a value of the enum langevin.v1.ENUM in small letters and without its prefix; its number if unknown."""
    value = _POOL.FindEnumTypeByName("langevin.v1." + enum).values_by_number.get(number)
    return value.name.removeprefix(prefix).lower() if value is not None else str(number)

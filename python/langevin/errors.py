"""The error of a call that failed."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import message
from google.rpc import error_details_pb2, status_pb2


class LangevinError(Exception):
    """A call failed.

    Attributes:
        code: the code of gRPC, such as ``"INVALID_ARGUMENT"``.
        reason: the server's word for what is wrong, such as ``"MODEL_NOT_FOUND"``; empty if the server did not answer.
        fields: what is wrong with which field of the request.
        retry_after: in how many seconds the call may succeed; 0 if the server does not say.
        request_id: the name of the call in the server's log.
    """

    def __init__(
        self,
        text: str,
        *,
        code: str = "UNKNOWN",
        reason: str = "",
        fields: Mapping[str, str] | None = None,
        retry_after: float = 0,
        request_id: str = "",
    ) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.fields = dict(fields or {})
        self.retry_after = retry_after
        self.request_id = request_id

    @property
    def mendable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.code == "UNAVAILABLE" or (self.code == "RESOURCE_EXHAUSTED" and self.retry_after > 0)


def from_grpc(error: grpc.RpcError, request_id: str) -> LangevinError:
    """Returns the error of a call that gRPC ended."""
    failed = LangevinError(f"{error.code().name}: {error.details()}", code=error.code().name, request_id=request_id)
    for detail in _details(error):
        if isinstance(detail, error_details_pb2.ErrorInfo):
            failed.reason = detail.reason
        elif isinstance(detail, error_details_pb2.BadRequest):
            failed.fields = {v.field: v.description for v in detail.field_violations}
        elif isinstance(detail, error_details_pb2.RetryInfo):
            failed.retry_after = detail.retry_delay.ToTimedelta().total_seconds()
    return failed


def _details(error: grpc.RpcError) -> list[Any]:
    """Returns the details of a status that are of a known type. A proxy may have cut them."""
    known = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
    details = []
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        try:
            status = status_pb2.Status.FromString(value)
        except message.DecodeError:
            return []
        for packed in status.details:
            details += [unpacked for kind in known if packed.Unpack(unpacked := kind())]
    return details

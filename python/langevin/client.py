"""The client."""

import contextlib
import os
import random
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf import json_format

from langevin import api, arrays, errors, imputation, tables
from langevin.arrays import Floats
from langevin.errors import LangevinError
from langevin.events import (
    Chunk,
    CollapsedWarning,
    Done,
    Event,
    Imputed,
    Model,
    Preview,
    Progress,
    Samples,
    Started,
    same_call,
)
from langevin.tables import Column

_MAX_MESSAGE = 16 << 20
_MAX_ROWS_BYTES = 1 << 20  # what one call of score, encode, decode, log_likelihood or detect takes
_MAX_ROWS = 4096
_LONGEST_WAIT = 5.0
_KEEPALIVE_MS = 35_000  # servers close connections that ask more often


class Client:
    """A connection to a server. Threads may share it.

    Args:
        address: where the server is, as gRPC names it: ``host:port``, ``dns:///host:port`` or ``unix:path``. The
            default is the variable LANGEVIN_SERVER, and without it ``localhost:50051``.
        token: a token that the server knows. The default is the variable LANGEVIN_TOKEN. It needs TLS, unless the
            server is on this machine.
        tls: whether the connection is encrypted; always with ``ca`` or ``certificate``.
        ca: the file of the certificate authorities to trust instead of the system's.
        certificate: the files of the client's certificate and its key.
        timeout: how many seconds a call may take, with all its tries. The default is no limit.
        retry_for: for how many seconds a call is tried again if the server does not answer, is stopping, or says when
            to try again. A broken call of sample goes on after the samples that have arrived.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        tls: bool = False,
        ca: str | Path | None = None,
        certificate: tuple[str | Path, str | Path] | None = None,
        timeout: float | None = None,
        retry_for: float = 10,
    ) -> None:
        self._address = address or os.environ.get("LANGEVIN_SERVER") or "localhost:50051"
        self._token = token if token is not None else os.environ.get("LANGEVIN_TOKEN", "")
        self._timeout, self._retry_for = timeout, retry_for
        secure = tls or ca is not None or certificate is not None
        if self._token and not secure and not _is_local(self._address):
            raise ValueError(f"the token would cross the network in the clear to {self._address}: use tls=True")
        options = [("grpc.max_receive_message_length", _MAX_MESSAGE), ("grpc.keepalive_time_ms", _KEEPALIVE_MS)]
        self._channel = (
            grpc.secure_channel(self._address, _credentials(ca, certificate), options)
            if secure
            else grpc.insecure_channel(self._address, options)
        )

    def close(self) -> None:
        """Closes the connection. Calls that run end with an error."""
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def sample(
        self,
        model: str = "",
        n: int = 1,
        *,
        seed: int | None = None,
        sampler: str | Mapping[str, Any] | None = None,
        given: Any = None,
        guidance_scale: float | None = None,
        version: int = 0,
        progress: Callable[[Progress], None] | None = None,
        **fields: Any,
    ) -> Samples:
        """Returns n samples of a model.

        Args:
            model: the model's name. Empty means the server's default model.
            n: the number of samples.
            seed: the seed of all noise. The server chooses one if there is none; see Samples.seed.
            sampler: the name of a sampler, or its name and its settings: ``{"edm": {"steps": 18}}``.
            given: the condition of the model: a class by number or name, a vector of numbers, or a list of n of them.
            guidance_scale: how strongly samples follow the condition; 1 is as trained.
            version: the model's version. 0 means the newest.
            progress: is called several times a second.
            fields: other fields of langevin.v1.SampleRequest, in the JSON form of the API. Arrays in them may be lists
                or numpy arrays: ``measurement={"matrix": {"rows": [[1, 0]]}, "values": [3], "noise_std": 0.5}``.

        Warns:
            CollapsedWarning: the weights of particles collapsed; see Samples.collapsed.

        Raises:
            LangevinError: the server refused the request, or it failed.
            ValueError: the API has no such field, or a value has the wrong type.
        """
        request = _request(model, n, seed, sampler, given, guidance_scale, version, fields)
        samples = self._sample(request, progress)
        _warn(samples.collapsed, samples.effective_size)
        return samples

    def _sample(self, request: Any, progress: Callable[[Progress], None] | None = None) -> Samples:
        """Returns the samples of a request, which it changes."""
        n, whole, chunks, started = request.n, len(request.given) > 1, list[Chunk](), None
        conditions, first, have = list(request.given), request.first_chain, 0
        for attempt in self._attempts():
            with attempt:
                for event in self._events(request, attempt):
                    if isinstance(event, Started):
                        started = same_call(started, event)
                        request.seed, request.version = event.seed, event.version
                    elif isinstance(event, Chunk):
                        chunks.append(event)
                        have += len(event.x)
                        attempt.moved()
                    elif isinstance(event, Progress) and progress is not None:
                        progress(event)
            if attempt.succeeded or have == n:
                break
            request.first_chain, request.n = first + have, n - have
            if whole:
                del request.given[:]
                request.given.extend(conditions[have:])
        assert started is not None
        return Samples(
            np.concatenate([c.x for c in chunks]),
            started,
            np.concatenate([c.effective_sizes for c in chunks]),
            np.concatenate([c.log_evidences for c in chunks]),
        )

    def impute(
        self,
        model: str,
        rows: tables.Rows,
        draws: int = 1,
        *,
        seed: int | None = None,
        particles: int = 16,
        version: int = 0,
    ) -> Imputed:
        """Returns rows of a table with draws where values are missing, given the other values of the same row.

        The bits are those of ``langevin impute``; docs/data.md says how it draws.

        Args:
            model: the name of a model of a table.
            rows: a value for each column of the model, or dictionaries with values for some; also a
                pandas.DataFrame, or one dictionary. Missing are None, NaN, pandas.NA and what a dictionary does not
                have. Categories have words, or the numbers that samples have.
            draws: how often each row is filled.
            seed: the seed of all noise; see Imputed.seed.
            particles: how many draw a value.
            version: the model's version. 0 means the newest.

        Warns:
            CollapsedWarning: some rows have too few particles; see Imputed.collapsed.

        Raises:
            LangevinError: the server refused a request, or it failed.
            ValueError: the model is not one of a table, or a row does not fit it.
        """
        filled = imputation.impute(self._sample, self.model(model, version=version), rows, draws, seed, particles)
        if n := filled.collapsed:
            text = f"{n} {'draw' if n == 1 else 'draws'} of rows that the model finds unlikely, by too few particles"
            warnings.warn(text + ": their shares may be wrong", CollapsedWarning, stacklevel=2)
        return filled

    def stream(
        self,
        model: str = "",
        n: int = 1,
        *,
        seed: int | None = None,
        sampler: str | Mapping[str, Any] | None = None,
        given: Any = None,
        guidance_scale: float | None = None,
        version: int = 0,
        frames: int | None = None,
        **fields: Any,
    ) -> Iterator[Event]:
        """Yields the events of a call: started, progress, preview and chunk events, and done.

        It takes what ``sample`` takes. ``frames`` is the number of previews, of all chains. A call that fails before
        its first event is made again, and never later. To end a call early, close the iterator.
        """
        request = _request(model, n, seed, sampler, given, guidance_scale, version, fields)
        if frames is not None:
            request.preview.frames, request.preview.chains = frames, n
        for attempt in self._attempts():
            with attempt:
                for event in self._events(request, attempt):
                    attempt.final = True
                    if isinstance(event, Done):
                        _warn(event.collapsed, event.effective_size)
                    yield event
            if attempt.succeeded:
                return

    def score(
        self, model: str, x: npt.ArrayLike, sigma: npt.ArrayLike, *, given: Any = None, version: int = 0
    ) -> Floats:
        """Returns the score of the model at rows x, with the sigma of all rows or of each."""
        sigmas = np.atleast_1d(np.asarray(sigma, dtype=np.float32))

        def part(rows: slice, message: Any) -> None:
            message.sigma.extend(sigmas[rows] if len(sigmas) > 1 else sigmas)

        answers = self._rows("Score", model, version, "x", x, given, part)
        return np.concatenate([arrays.array(answer.score) for answer in answers])

    def encode(self, model: str, x: npt.ArrayLike, *, given: Any = None, version: int = 0, **flow: float) -> Floats:
        """Returns the latents of rows x. ``flow`` has fields of langevin.v1.FlowOptions, such as rtol."""
        answers = self._rows("Encode", model, version, "x", x, given, _flow(flow))
        return np.concatenate([arrays.array(answer.latent) for answer in answers])

    def decode(
        self, model: str, latent: npt.ArrayLike, *, given: Any = None, version: int = 0, **flow: float
    ) -> Floats:
        """Returns the samples of latents. ``flow`` has fields of langevin.v1.FlowOptions, such as rtol."""
        answers = self._rows("Decode", model, version, "latent", latent, given, _flow(flow))
        return np.concatenate([arrays.array(answer.sample) for answer in answers])

    def log_likelihood(
        self,
        model: str,
        x: tables.Rows,
        *,
        given: Any = None,
        version: int = 0,
        exact: bool = False,
        seed: int = 0,
        **flow: float,
    ) -> npt.NDArray[np.float64]:
        """Returns the log density of each row of x. ``exact`` computes the divergence along every axis.

        Of a model of a table, x may have the rows that impute takes, without gaps.
        """
        with_flow = _flow(flow)

        def part(rows: slice, message: Any) -> None:
            with_flow(rows, message)
            message.exact, message.seed, message.first_chain = exact, seed, rows.start

        numbers, version = self._numbers(model, version, x)
        answers = self._rows("LogLikelihood", model, version, "x", numbers, given, part)
        return np.concatenate([np.asarray(answer.log_likelihood) for answer in answers])

    def detect(
        self, model: str, x: tables.Rows, *, given: Any = None, version: int = 0
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Returns a p-value and a distance for each row of x: how unlike the model's training data it is.

        Of samples like the training data, a fraction a has a p-value of at most a. The model needs a detector,
        which ``langevin detect fit`` adds to its file. Of a model of a table, x may have the rows that impute takes,
        without gaps.
        """
        numbers, version = self._numbers(model, version, x)
        answers = list(self._rows("Detect", model, version, "x", numbers, given, lambda rows, message: None))
        return (
            np.concatenate([np.asarray(answer.p_value) for answer in answers]),
            np.concatenate([np.asarray(answer.distance) for answer in answers]),
        )

    def models(self) -> list[Model]:
        """Returns the models of the server, also those that failed to load."""
        found, request = [], api.message("ListModelsRequest")()
        while True:
            answer = self._unary("ModelService", "ListModels", request)
            found += [_model(m) for m in answer.models]
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    def model(self, name: str = "", *, version: int = 0) -> Model:
        """Returns one model of the server. The default is the server's default model."""
        request = api.message("GetModelRequest")(name=name, version=version)
        return _model(self._unary("ModelService", "GetModel", request).model)

    def _numbers(self, model: str, version: int, x: Any) -> tuple[npt.ArrayLike, int]:
        """Returns the numbers of rows, which may be those of a table in its units, and the version that knows them."""
        rows = tables.rows_of(x)
        if (isinstance(rows, np.ndarray) and rows.dtype.kind in "fiub") or not tables.in_units(rows):
            return rows, version
        described = self.model(model, version=version)
        return tables.read_whole(described.table(), rows), described.version

    def _rows(
        self,
        method: str,
        model: str,
        version: int,
        field: str,
        values: npt.ArrayLike,
        given: Any,
        complete: Callable[[slice, Any], None],
    ) -> Iterator[Any]:
        """Yields the answers for parts of the rows that are small enough for one call. All are of one model."""
        rows = np.asarray(values, dtype=np.float32)
        conditions = [] if given is None else arrays.conditions(given)
        size = min(_MAX_ROWS, max(1, _MAX_ROWS_BYTES // max(1, rows[:1].nbytes)))
        for first in range(0, max(1, len(rows)), size):
            part = slice(first, first + size)
            request = api.message(method + "Request")(model=model, version=version)
            getattr(request, field).CopyFrom(arrays.tensor(rows[part]))
            request.given.extend(conditions[part] if len(conditions) > 1 else conditions)
            complete(part, request)
            answer = self._unary("SamplingService", method, request)
            version = answer.version
            yield answer

    def _unary(self, service: str, method: str, request: Any) -> Any:
        call = self._channel.unary_unary(
            f"/langevin.v1.{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=api.message(method + "Response").FromString,
        )
        answer = None
        for attempt in self._attempts():
            with attempt:
                answer = call(request, timeout=attempt.left(), metadata=attempt.metadata)
            if attempt.succeeded:
                break
        return answer

    def _events(self, request: Any, attempt: "_Attempt") -> Iterator[Event]:
        call = self._channel.unary_stream(
            "/langevin.v1.SamplingService/Sample",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=api.message("SampleResponse").FromString,
        )(request, timeout=attempt.left(), metadata=attempt.metadata)
        try:
            done = False
            for response in call:
                event = _event(response)
                if event is not None:
                    done = isinstance(event, Done)
                    yield event
            if not done:
                raise LangevinError("the stream ended before its last event", code="UNAVAILABLE")
        finally:
            call.cancel()

    def _attempts(self) -> Iterator["_Attempt"]:
        """Yields tries of one call, until one succeeds or no more may be made."""
        state = _Attempts(self._token, self._timeout, self._retry_for)
        while True:
            yield _Attempt(state)
            state.wait()


class _Attempts:
    """What the tries of one call have in common."""

    def __init__(self, token: str, timeout: float | None, retry_for: float) -> None:
        self.id = uuid.uuid4().hex
        self.metadata = [("x-request-id", self.id)] + ([("authorization", "Bearer " + token)] if token else [])
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.retry_for, self.until, self.tries, self.pause = retry_for, time.monotonic() + retry_for, 0, 0.0

    def failed(self, error: LangevinError) -> bool:
        """Reports whether the call may be tried again, and chooses the pause before that."""
        self.tries += 1
        backoff = min(_LONGEST_WAIT, 0.1 * 2 ** (self.tries - 1))
        self.pause = error.retry_after + random.uniform(0, backoff)
        end = self.until if self.deadline is None else min(self.until, self.deadline)
        return error.mendable and time.monotonic() + self.pause < end

    def wait(self) -> None:
        time.sleep(self.pause)


class _Attempt(contextlib.AbstractContextManager["_Attempt"]):
    """One try of a call. As a context it holds back the errors after which the call is tried again."""

    def __init__(self, state: _Attempts) -> None:
        self._state = state
        self.metadata = state.metadata
        self.succeeded = False
        self.final = False

    def left(self) -> float | None:
        """Returns the seconds that the call may still take, or None."""
        deadline = self._state.deadline
        return None if deadline is None else max(0.001, deadline - time.monotonic())

    def moved(self) -> None:
        """Says that a part has arrived, so that the time for further tries counts from here."""
        self._state.until = time.monotonic() + self._state.retry_for
        self._state.tries = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self.succeeded = True
            return False
        if isinstance(error, grpc.RpcError):
            failed = errors.from_grpc(error, self._state.id)
        elif isinstance(error, LangevinError):
            failed = error
        else:
            return False
        if self.final or not self._state.failed(failed):
            raise failed from None
        return True


def _request(
    model: str,
    n: int,
    seed: int | None,
    sampler: str | Mapping[str, Any] | None,
    given: Any,
    guidance_scale: float | None,
    version: int,
    fields: Mapping[str, Any],
) -> Any:
    if isinstance(sampler, str):
        sampler = {sampler: {}}
    if sampler is not None:
        if len(sampler) != 1 or not set(sampler) <= set(api.samplers()):
            raise ValueError(f"sampler must be one of {', '.join(api.samplers())}: {', '.join(sampler)}")
        fields = {**fields, **sampler}
    request = api.message("SampleRequest")(model=model, version=version, n=n)
    _complete(request, fields)
    if request.format:
        raise ValueError("format: the client chooses how samples are sent")
    if seed is not None:
        request.seed = seed
    if given is not None:
        request.given.extend(arrays.conditions(given))
    if guidance_scale is not None:
        request.guidance_scale = guidance_scale
    return request


def _flow(options: Mapping[str, float]) -> Callable[[slice, Any], None]:
    return lambda _, message: _complete(message.flow, options)


def _complete(message: Any, fields: Mapping[str, Any]) -> None:
    """Sets the fields of a message, which are in the JSON form of the API."""
    known = {name for field in message.DESCRIPTOR.fields for name in (field.name, field.json_name)}
    if unknown := sorted(set(fields) - known):
        raise ValueError(f"{message.DESCRIPTOR.full_name} has no field {unknown[0]}")
    try:
        json_format.ParseDict(arrays.plain(fields, message.DESCRIPTOR), message)
    except json_format.ParseError as error:
        raise ValueError(str(error).partition("\n")[0]) from None


def _event(response: Any) -> Event | None:
    kind = response.WhichOneof("event")
    if kind is None:  # an event of a newer server
        return None
    event = getattr(response, kind)
    match kind:
        case "started":
            return _started(event)
        case "progress":
            remaining = _seconds(event.remaining) if event.HasField("remaining") else None
            return Progress(
                event.steps_done,
                event.steps_total,
                event.chains_done,
                event.sigma,
                _seconds(event.elapsed),
                remaining,
            )
        case "preview":
            return Preview(event.step, event.sigma, event.first_chain, arrays.array(event.tensor))
        case "chunk":
            return Chunk(
                event.first_chain,
                arrays.array(event.tensor),
                np.asarray(event.effective_size, dtype=float),
                np.asarray(event.log_evidence, dtype=float),
            )
        case "done":
            return Done(
                event.n,
                event.nfe,
                _seconds(event.elapsed),
                event.effective_size if event.HasField("effective_size") else None,
                event.log_evidence if event.HasField("log_evidence") else None,
                event.collapsed,
            )
    return None


def _started(event: Any) -> Started:
    return Started(
        event.model,
        event.version,
        event.digest,
        event.n,
        event.seed,
        event.first_chain,
        tuple(event.shape),
        event.steps,
        event.approximate,
        _json(event),
        _columns(event.columns),
    )


def _columns(messages: Any) -> tuple[Column, ...]:
    return tuple(
        Column(
            c.name,
            api.word("ColumnKind", "COLUMN_KIND_", c.kind),
            c.unit,
            c.decimals,
            tuple(c.words),
            tuple(c.values),
        )
        for c in messages
    )


def _warn(collapsed: int, least: float | None) -> None:
    if collapsed and least is not None:
        text = (
            f"the weights of {collapsed} {'chain' if collapsed == 1 else 'chains'} collapsed (effective size "
            f"{least:.2f}): together the samples do not represent the posterior; try more particles, or more noise"
        )
        warnings.warn(text, CollapsedWarning, stacklevel=3)


def _model(message: Any) -> Model:
    condition = message.condition
    return Model(
        message.name,
        message.version,
        api.message("Model").DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[message.state].name
        == "MODEL_STATE_READY",
        message.error,
        message.digest,
        tuple(message.shape),
        tuple(message.sigmas),
        tuple(condition.names or map(str, range(condition.classes))) if condition.classes else (),
        _json(message),
        _columns(message.columns),
    )


def _json(message: Any) -> dict[str, Any]:
    return dict(json_format.MessageToDict(message, preserving_proto_field_name=True))


def _seconds(duration: Any) -> float:
    return float(duration.ToTimedelta().total_seconds())


def _credentials(ca: str | Path | None, certificate: tuple[str | Path, str | Path] | None) -> grpc.ChannelCredentials:
    roots = Path(ca).read_bytes() if ca is not None else None
    chain, key = (Path(file).read_bytes() for file in certificate) if certificate is not None else (None, None)
    return grpc.ssl_channel_credentials(roots, key, chain)


def _is_local(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    host = address.rpartition("/")[2].rpartition(":")[0].strip("[]")
    return host in ("", "localhost", "::1") or host.startswith("127.")

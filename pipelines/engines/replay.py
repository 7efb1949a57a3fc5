"""One call of the denoising network as a graph that the card replays: the same kernels on the same addresses, so the
same bits, and no Python between them. A card that waits for Python most of the time is several times as fast.

A graph knows addresses and plain numbers, not tensors. What it is given it finds in buffers of its own, into which each
call's tensors are copied; what it says is copied out, as the next replay overwrites it. Its first replay is held to
the call made as usual, bit for bit, whatever the card and its libraries. It is void as soon as anything of the network
is elsewhere or otherwise: before each run all of it is looked at (`fingerprint`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

KEPT = 4  # graphs at once
WARM = 2  # calls of a kind before it is captured: libraries choose and set up what they work with
LEAST_CALLS = 4  # in a run, from which on a capture pays: it takes as long as a call and draws nothing
MOST_FAILURES = 2  # torch 2.13 gives the memory of a capture that failed back only when the process ends
CALLED, CAPTURED, REPLAYED = "called", "captured", "replayed"  # how a call was made

log = logging.getLogger(__name__)

Call = Callable[[], torch.Tensor]


class Recording(Protocol):
    """A captured call. `output`: where each replay leaves what it says; `bytes`: that it takes beside the weights."""

    @property
    def output(self) -> torch.Tensor: ...
    @property
    def bytes(self) -> int: ...
    def replay(self) -> None: ...
    def wait(self) -> None:
        """Until its last replay is done: it may go then."""
        ...


class Recorder(Protocol):
    """What captures on one device."""

    def warm(self, call: Call) -> torch.Tensor:
        """Makes the call where one would be captured."""
        ...

    def capture(self, call: Call) -> Recording:
        """Records the call without making it. Raises what the device says where that cannot be done."""
        ...


class CudaRecorder:
    def __init__(self, device: str) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm(self, call: Call) -> torch.Tensor:
        usual = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(usual)
        with torch.cuda.stream(self._stream):
            said = call()
        usual.wait_stream(self._stream)
        said.record_stream(usual)
        return said

    def capture(self, call: Call) -> Recording:
        with torch.cuda.device(self._device), torch.cuda.stream(torch.cuda.current_stream(self._device)):
            # the second, so that a capture that fails leaves the stream that work is given to
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            before, graph = torch.cuda.memory_reserved(), torch.cuda.CUDAGraph()
            # no other thread's work on the card may end it
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                said = call()
            taken = torch.cuda.memory_reserved() - before
        return _CudaRecording(graph=graph, output=said, bytes=max(0, taken))


@dataclass(frozen=True, kw_only=True, slots=True)
class _CudaRecording:
    graph: torch.cuda.CUDAGraph
    output: torch.Tensor
    bytes: int
    done: torch.cuda.Event = field(default_factory=torch.cuda.Event)

    def replay(self) -> None:
        """Waits for the replay before: however quickly steps could be handed in, what is told of them is true."""
        self.wait()
        self.graph.replay()
        self.done.record()

    def wait(self) -> None:
        self.done.synchronize()


def recorder_for(device: str) -> Recorder | None:
    """None: there are no graphs on this device."""
    return CudaRecorder(device) if device.startswith("cuda") else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Graph:
    recording: Recording
    inputs: tuple[torch.Tensor, ...]

    def said(self, tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        for own, given in zip(self.inputs, tensors, strict=True):
            own.copy_(given)
        self.recording.replay()
        return self.recording.output.clone()  # samplers keep what the network said over steps


class Replays:
    """The graphs of one engine. All are of the network as it was looked at last."""

    def __init__(self, recorder: Recorder | None) -> None:
        """`recorder`: None: nothing is ever captured."""
        self._recorder = recorder
        self._graphs: OrderedDict[Any, _Graph] = OrderedDict()  # by what they are told; the one used last at the end
        self._failed: set[Any] = set()
        self._failures = 0
        self._network: Fingerprint | None = None

    @property
    def bytes(self) -> int:
        """That the graphs take."""
        return sum(one.recording.bytes for one in self._graphs.values())

    def drop(self) -> None:
        """All of them, and their memory."""
        self.keep(-1)
        self._network = None

    def keep(self, most: int) -> None:
        """Those used last, of so many bytes in all."""
        while self._graphs and (self.bytes > most or len(self._graphs) > KEPT):
            _, oldest = self._graphs.popitem(last=False)
            oldest.recording.wait()

    @property
    def may_capture(self) -> bool:
        return self._recorder is not None

    def of(self, network: Any, *, calls: int, room: Room) -> Replayed | None:
        """What stands in the network's place for a run of so many calls; None: it stands there itself."""
        if self._recorder is None:
            return None
        self.keep(room.most)
        return Replayed(self, self._recorder, network, calls=calls, room=room)

    def look(self, network: Any) -> None:
        """Graphs of a network that is not exactly this one, in this place, are void."""
        seen = fingerprint(network)
        if self._network is None or seen.facts != self._network.facts:
            self.drop()
        self._network = seen

    def get(self, told: Told) -> _Graph | None:
        graph = self._graphs.get(told.key)
        if graph is not None:
            self._graphs.move_to_end(told.key)
        return graph

    def may(self, told: Told, room: Room) -> bool:
        """Whether such a call may be captured, as far as is known."""
        return told.key not in self._failed and self._failures < MOST_FAILURES and room.each <= room.most

    def refuse(self, told: Told) -> None:
        """Its graph said something else than the network: whatever it was, such a call is made as usual from now on."""
        log.warning("a replay came to other bits than the network's own call, and is not used")
        self._graphs.pop(told.key).recording.wait()
        self._failed.add(told.key)

    def capture(self, told: Told, recorder: Recorder, network: Any, room: Room) -> _Graph | None:
        """None where it fails, which is told once: such a call is not tried again."""
        self.keep(room.most - room.each)
        try:
            inputs = tuple(one.clone(memory_format=torch.preserve_format) for one in told.tensors)
            if any(own.stride() != given.stride() for own, given in zip(inputs, told.tensors, strict=True)):
                raise RuntimeError("a tensor that overlaps itself has no copy of the same layout")
            recording = recorder.capture(lambda: _asked(network, told.with_tensors(inputs)))
        except (RuntimeError, MemoryError) as error:  # of a lost device too, which then says so at the next call
            self._failed.add(told.key)
            self._failures += 1
            log.warning("a call of the network could not be captured and is made as usual: %s", error)
            return None
        graph = self._graphs[told.key] = _Graph(recording=recording, inputs=inputs)
        self.keep(room.most)
        if told.key not in self._graphs:
            self._failed.add(told.key)  # it takes more than was thought
        return graph


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """In bytes. `most`: that all graphs may take; `each`: that one of this run is expected to."""

    most: int
    each: int


class Replayed:
    """Stands where the network stood, for one run."""

    def __init__(self, replays: Replays, recorder: Recorder, network: Any, *, calls: int, room: Room) -> None:
        self._replays, self._recorder, self._network = replays, recorder, network
        self._left, self._room = calls, room
        self._warm: dict[Any, int] = {}
        self._looked = False
        self.replayed = 0  # calls
        self.made = 0  # calls of the network itself
        self.how = CALLED  # the last one; CAPTURED: on the way there too

    def __call__(self, sample: torch.Tensor, timestep: torch.Tensor, **options: Any) -> tuple[torch.Tensor]:
        if not self._looked:  # now, when all that the run's modifiers set is there
            self._replays.look(self._network)
            self._looked = True
        left, self._left = self._left, self._left - 1
        try:
            told = Told.of((sample, timestep), options)
        except _Untellable:
            return self._called(options, sample, timestep)
        graph, self.how = self._replays.get(told), REPLAYED
        if graph is None:
            warm, self.how = self._warm.get(told.key, 0), CAPTURED
            if left + warm < LEAST_CALLS or not self._replays.may(told, self._room):
                return self._called(options, sample, timestep)
            if warm < WARM:
                self._warm[told.key] = warm + 1
                self.made += 1
                return (self._recorder.warm(lambda: _asked(self._network, ((sample, timestep), options))),)
            graph = self._replays.capture(told, self._recorder, self._network, self._room)
        if graph is None:
            return self._called(options, sample, timestep)
        said = graph.said(told.tensors)
        if self.how == CAPTURED and not _same(said, usual := _asked(self._network, told.given)):
            self._replays.refuse(told)
            self.made += 1
            return (usual,)
        self.replayed += 1
        return (said,)

    def _called(self, options: Mapping[str, Any], *given: torch.Tensor) -> tuple[torch.Tensor]:
        self.how = CALLED
        self.made += 1
        return (_asked(self._network, (given, options)),)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Bit for bit."""
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[one.element_size()]
    return one.dtype == other.dtype and torch.equal(one.view(whole), other.view(whole))


def _asked(network: Any, given: tuple[Any, Mapping[str, Any]]) -> torch.Tensor:
    said: torch.Tensor = network(*given[0], **given[1])[0]
    return said


class _Untellable(Exception):
    """Something that a graph cannot be told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a call is given. `key`: all but the numbers in its tensors."""

    key: Any
    tensors: tuple[torch.Tensor, ...]
    given: Any

    @classmethod
    def of(cls, given: tuple[Any, ...], options: Mapping[str, Any]) -> Told:
        """Raises `_Untellable`."""
        tensors: list[torch.Tensor] = []
        key = _key((given, options), tensors)
        if len({one.device for one in tensors}) > 1:
            raise _Untellable
        return cls(key=key, tensors=tuple(tensors), given=(given, options))

    def with_tensors(self, tensors: tuple[torch.Tensor, ...]) -> Any:
        """The same with these in the place of its own."""
        return _with(self.given, iter(tensors))


def _key(value: Any, tensors: list[torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return value.dtype, value.device, tuple(value.shape), value.stride()
    if isinstance(value, Mapping):
        return dict, *((name, _key(one, tensors)) for name, one in value.items())
    if isinstance(value, list | tuple):
        return type(value), *(_key(one, tensors) for one in value)
    if value is None or isinstance(value, bool | int | float | str):
        return type(value), value
    raise _Untellable


def _with(value: Any, tensors: Iterator[torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return next(tensors)
    if isinstance(value, Mapping):
        return {name: _with(one, tensors) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with(one, tensors) for one in value)
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """`facts`: equal only of a network whose every weight lies where it lay and whose every module is as it was: hooks,
    what takes the place of a method, numbers such as the strength of a LoRA. `held`: what is known by its identity
    alone stays in memory, so that nothing else can be taken for it."""

    facts: tuple[Any, ...]
    held: tuple[Any, ...]


PLAIN = (bool, int, float, str, torch.dtype, torch.Size, type(None))


def fingerprint(network: torch.nn.Module) -> Fingerprint:
    facts: list[Any] = []
    held: list[Any] = []
    for module in network.modules():
        facts.append(type(module))
        for name, value in vars(module).items():
            if name == "_modules":
                facts.append(tuple(value))
            elif type(value) in PLAIN:
                facts.append((name, value))
            elif not isinstance(value, dict) or value:
                facts.append((name, _fact(value, held)))
    return Fingerprint(facts=tuple(facts), held=tuple(held))


def _fact(value: Any, held: list[Any]) -> Any:
    if type(value) in PLAIN:
        return value
    if isinstance(value, torch.Tensor):
        return value.data_ptr(), value.dtype, tuple(value.shape), value.stride()
    if isinstance(value, dict):
        return tuple((name, _fact(one, held)) for name, one in value.items())
    if isinstance(value, list | tuple | set):
        return tuple(_fact(one, held) for one in value)
    held.append(value)
    return id(value)

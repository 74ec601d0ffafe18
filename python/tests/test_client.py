"""Tests of the client: with the server at LANGEVIN_SERVER, and with one in this process that breaks calls."""

import contextlib
import csv
import io
import os
import subprocess
import unittest
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import numpy as np

import langevin
from langevin import api, arrays


class WithServer(unittest.TestCase):
    """What a server answers. Its built-in model ring is a mixture of 8 Gaussians around a circle of radius 5."""

    def setUp(self) -> None:
        self.client = langevin.Client()
        self.addCleanup(self.client.close)

    def test_samples_are_those_of_the_model(self) -> None:
        samples = self.client.sample("ring", n=2000, seed=1, sampler={"probability_flow": {"steps": 30}})
        self.assertEqual((samples.x.shape, samples.x.dtype, samples.seed), ((2000, 2), np.float32, 1))
        radius = np.linalg.norm(np.asarray(samples), axis=1)
        # E r^2 is 5^2 + 2 for a standard deviation of 1; its standard error here is 0.2, and the network errs too.
        self.assertAlmostEqual(float(np.mean(radius**2)), 27, delta=1.5)

    def test_bits_do_not_depend_on_how_chains_are_divided(self) -> None:
        draw = lambda n, first: self.client.sample("ring", n=n, seed=7, sampler="edm", first_chain=first).x  # noqa: E731
        np.testing.assert_array_equal(draw(10, 0), np.concatenate([draw(3, 0), draw(7, 3)]))

    def test_settings_that_repeat_a_call(self) -> None:
        first = self.client.sample("mnist", n=2, sampler={"edm": {"steps": 3}})
        again = self.client.sample("mnist", n=2, seed=first.seed, sampler={"edm": first.started.settings["edm"]})
        self.assertEqual(first.x.shape, (2, 1, 28, 28))
        np.testing.assert_array_equal(first, again)

    def test_stream(self) -> None:
        events = list(self.client.stream("ring", n=4, seed=1, frames=3, sampler="edm"))
        self.assertIsInstance(events[0], langevin.Started)
        self.assertIsInstance(events[-1], langevin.Done)
        previews = [e for e in events if isinstance(e, langevin.Preview)]
        chunks = [e.x for e in events if isinstance(e, langevin.Chunk)]
        self.assertEqual([p.x.shape for p in previews], [(4, 2)] * 3)
        np.testing.assert_array_equal(np.concatenate(chunks), self.client.sample("ring", n=4, seed=1, sampler="edm"))

    def test_stream_can_be_left(self) -> None:
        events = self.client.stream("ring", n=100_000)
        self.assertIsInstance(next(events), langevin.Started)
        events.close()  # type: ignore[attr-defined]
        self.assertEqual(len(self.client.sample("ring", sampler="edm")), 1)

    def test_rows(self) -> None:
        x = np.random.default_rng(1).normal(0, 5, (5000, 2)).astype(np.float32)  # more than one call takes
        score = self.client.score("ring", x, 20)
        # With noise of sigma = 20 the ring is close to a Gaussian of variance 20^2 + 27/2 an axis.
        np.testing.assert_allclose(score, -x / (400 + 13.5), atol=2e-3)
        self.assertEqual(self.client.score("ring", x, np.full(len(x), 20)).tobytes(), score.tobytes())
        latent = self.client.encode("ring", x[:5], rtol=1e-6)
        np.testing.assert_allclose(self.client.decode("ring", latent, rtol=1e-6), x[:5], atol=2e-3)

    def test_density(self) -> None:
        angles = np.arange(8) * np.pi / 4
        modes = 5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        got = self.client.log_likelihood("ring", [[5, 0], [6, 0]], exact=True)
        want = [np.log(np.mean(np.exp(-((modes - p) ** 2).sum(1) / 2) / (2 * np.pi))) for p in ([5, 0], [6, 0])]
        np.testing.assert_allclose(got, want, atol=0.2)  # the network errs a little

    def test_detect(self) -> None:
        with self.assertRaisesRegex(langevin.LangevinError, "langevin detect fit ring"):  # it has no detector
            self.client.detect("ring", [[5, 0]])

    def test_models(self) -> None:
        self.client.sample("mnist", sampler={"edm": {"steps": 2}})  # which waits until it is loaded
        models = {m.name: m for m in self.client.models()}
        self.assertLessEqual({"2gauss", "ring", "mnist", "fashion"}, set(models))
        self.assertEqual(models["mnist"], self.client.model("mnist"))
        self.assertEqual((models["mnist"].shape, models["mnist"].ready), ((1, 28, 28), True))

    def test_readme(self) -> None:
        text = (Path(__file__).parent.parent / "README.md").read_text()
        first, second, third, table = (block.partition("```")[0] for block in text.split("```python\n")[1:])
        address = os.environ["LANGEVIN_SERVER"]
        names: dict[str, Any] = {}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(first.replace("localhost:50051", address), names)
            names["client"] = self.client
            exec("\n".join(x for x in second.splitlines() if "mnist-class" not in x and "flowers" not in x), names)
            self.assertEqual(names["samples"].x.shape, (1000, 2))
            exec(third, names)
            exec("\n".join(x for x in table.splitlines() if "frame" not in x), names)
        self.assertIn("(16, 2)", printed.getvalue())
        self.assertTrue(printed.getvalue().endswith("\n0 False\n"), printed.getvalue())

    def test_measurement(self) -> None:
        rows = [[1.0, 0.0]]
        m = {"matrix": {"rows": rows}, "values": [3.0], "noise_std": 0.1, "particles": {"count": 16}}
        settings: dict[str, Any] = {"n": 5, "seed": 1, "sampler": {"reverse_sde": {"steps": 9}}}
        samples = self.client.sample("ring", measurement=m, **settings)
        self.assertEqual((samples.effective_sizes.shape, samples.log_evidences.shape), ((5,), (5,)))
        self.assertEqual(samples.effective_size, min(samples.effective_sizes))
        arrays_too = {**m, "matrix": {"rows": np.array(rows)}, "values": np.array([3]), "noise_std": np.float32(0.5)}
        echoed = samples.started.settings["measurement"]
        for same in ({**m, "values": {"values": [3]}}, {**arrays_too, "noise_std": 0.1}, echoed):
            again = self.client.sample("ring", measurement=same, **settings)
            np.testing.assert_array_equal(again, samples)
        for seen in ([True, False], np.array([True, False]), [1, 0], np.array([[1, 0]])):
            self.client.sample("ring", measurement={"mask": {"seen": seen}, "values": [3], "noise_std": 1}, **settings)

    def test_collapse_is_seen(self) -> None:
        m = {"matrix": {"rows": [[1, 0]]}, "values": [3], "particles": {"count": 8}, "least_effective_size": 8}
        with self.assertWarnsRegex(langevin.CollapsedWarning, "3 chains collapsed") as caught:
            samples = self.client.sample("ring", n=3, seed=1, measurement=m)
        self.assertEqual(Path(caught.filename).name, Path(__file__).name)
        self.assertEqual((samples.collapsed, samples.approximate), (3, False))
        with self.assertWarns(langevin.CollapsedWarning):
            done = list(self.client.stream("ring", n=3, seed=1, measurement=m))[-1]
        assert isinstance(done, langevin.Done) and done.log_evidence is not None
        self.assertEqual((done.collapsed, done.effective_size), (3, samples.effective_size))
        self.assertAlmostEqual(done.log_evidence, samples.log_evidence or 0, places=9)
        plain = self.client.sample("ring", n=2, sampler="edm")
        self.assertEqual((plain.effective_size, plain.log_evidence, plain.collapsed), (None, None, 0))

    def test_impute_draws_as_the_command_does(self) -> None:
        rows = [{"kind": "cat", "age": 3}, {}, {"kind": "Dog", "weight": 2.5, "age": 4}, {"weight": 1.5, "age": None}]
        filled = self.client.impute("pets", rows, draws=2, seed=1)
        self.assertEqual((filled.x.shape, filled.seed), ((2, 4, 3), 1))
        text = "kind,weight,age\ncat,,3\n,,\nDog,2.5,4\n,1.5,\n"
        command = [os.environ["LANGEVIN_PROGRAM"], "impute", "-", "--model", "pets", "--draws", "2", "--seed", "1"]
        out = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
        want = [
            {"kind": row["kind"].lower(), "weight": float(row["weight"]), "age": int(row["age"])}
            for row in csv.DictReader(io.StringIO(out))
        ]
        self.assertEqual(filled.rows(0) + filled.rows(1), want)
        self.assertEqual(filled.to_dict(1)["kind"], [row["kind"] for row in want[4:]])
        self.assertNotEqual(filled.rows(0), filled.rows(1))
        columns = self.client.model("pets").columns
        order = ["kind", "weight", "age"]
        self.assertEqual([c.name for c in columns], order)
        lists = [[row.get(name) for name in order] for row in rows]
        numbers = np.full((4, 3), np.nan)
        for i, row in enumerate(rows):
            for name, value in row.items():
                if value is not None:
                    j = order.index(name)
                    numbers[i, j] = columns[j].number(value)
        for same in (lists, numbers):
            again = self.client.impute("pets", same, draws=2, seed=filled.seed)
            np.testing.assert_array_equal(again.x, filled.x)
        self.assertEqual(self.client.impute("pets", []).x.shape, (1, 0, 3))

    def test_impute_keeps_what_is_known(self) -> None:
        row = {"kind": "cat", "weight": 0.123456789, "age": 1700000123}
        (got,) = self.client.impute("pets", [row]).rows()
        self.assertEqual((got, type(got["age"])), (row, int))
        filled = self.client.impute("pets", {"weight": 0.123456789, "age": -0.0}, seed=1, draws=2)
        self.assertEqual(filled.x[:, 0, 1].tolist(), [0.123456789] * 2)
        self.assertEqual(filled.known.tolist(), [[False, True, True]])
        self.assertEqual([str(v) for v in filled.to_dict(1)["age"]], ["0"])

    def test_rows_of_tables(self) -> None:
        """Rows of every kind are the same rows, for calls that draw and for those that judge."""

        class NAType:  # as pandas has it
            def __ne__(self, _: object) -> Any:
                raise TypeError("boolean value of NA is ambiguous")

        class Frame:
            ndim, columns = 2, ("age", "kind", "weight")

            def to_dict(self, orient: str) -> list[dict[str, Any]]:
                return [dict(row) for row in rows] if orient == "records" else []

        rows = [{"age": 3, "kind": "Cat", "weight": 2.5}, {"age": 4, "kind": "dog", "weight": 1.5}]
        gaps = [{**rows[0], "age": NAType()}, rows[1]]
        want = self.client.impute("pets", [{**rows[0], "age": None}, rows[1]], seed=1)
        for same in (gaps, iter(gaps), [["cat", 2.5, NAType()], ["dog", 1.5, 4]]):
            np.testing.assert_array_equal(self.client.impute("pets", same, seed=1).x, want.x)
        numbers = self.client.impute("pets", Frame()).x[0]
        self.assertEqual(numbers.tolist(), [[0, 2.5, 3], [1, 1.5, 4]])
        for call in (self.client.log_likelihood, lambda *args: self.client.detect(*args)[1]):
            judged = np.asarray(call("pets", numbers))
            for same in (rows, iter(rows), Frame(), numbers.tolist(), [["cat", 2.5, 3], ["dog", 1.5, 4]]):
                np.testing.assert_array_equal(call("pets", same), judged)
            np.testing.assert_array_equal(call("pets", rows[0]), judged[:1])
        samples = self.client.sample("pets", n=2, seed=1)
        np.testing.assert_array_equal(self.client.detect("pets", samples), self.client.detect("pets", samples.rows()))

    def test_impute_warns_of_collapse(self) -> None:
        with self.assertWarnsRegex(langevin.CollapsedWarning, "draws? of rows that the model finds unlikely") as caught:
            filled = self.client.impute("pets", [{"kind": "dog", "weight": 60}], seed=1, draws=3, particles=2)
        self.assertEqual((Path(caught.filename).name, filled.collapsed > 0), (Path(__file__).name, True))

    def test_errors_name_the_field(self) -> None:
        def measured(**changed: Any) -> None:
            m = {"matrix": {"rows": [[1, 0]]}, "values": [3], "noise_std": 1, **changed}
            self.client.sample("ring", measurement=m)

        for call, code, field in [
            (lambda: self.client.sample("rong"), "NOT_FOUND", None),
            (lambda: self.client.sample("ring", n=0), "INVALID_ARGUMENT", "n"),
            (lambda: self.client.sample("ring", given=3), "INVALID_ARGUMENT", "given[0].class"),
            (lambda: self.client.sample("ring", given="cat"), "INVALID_ARGUMENT", "given[0].class_name"),
            (lambda: self.client.score("ring", [[1, 2]], -1), "INVALID_ARGUMENT", "sigma[0]"),
            (lambda: measured(values=[float("nan")]), "INVALID_ARGUMENT", "measurement.values"),
            (lambda: measured(noise_std=float("nan")), "INVALID_ARGUMENT", "measurement.noise_std"),
            (lambda: measured(matrix={"rows": [[np.inf, 0]]}), "INVALID_ARGUMENT", "measurement.matrix.rows"),
        ]:
            with self.subTest(field=field), self.assertRaises(langevin.LangevinError) as caught:
                call()
            self.assertEqual(caught.exception.code, code)
            self.assertTrue(caught.exception.reason and caught.exception.request_id)
            if field is not None:
                self.assertIn(field, caught.exception.fields)

    def test_requests_that_are_never_sent(self) -> None:
        for call, text in [
            (lambda: self.client.sample("ring", sampler="edn"), "edm"),
            (lambda: self.client.sample("ring", stepz=3), "stepz"),
            (lambda: self.client.sample("ring", sampler={"edm": {"steps": "many"}}), "steps"),
            (lambda: self.client.sample("ring", given=[0.5, "cat"]), "class"),
            (lambda: self.client.score("ring", [1, 2], 1), "2 axes"),
            (lambda: self.client.impute("ring", [[None, 1]]), "ring is no model of a table"),
            (lambda: self.client.impute("pets", [{"kidn": "cat"}]), "row 0 has a column 'kidn': want 'kind', 'weight'"),
            (lambda: self.client.impute("pets", [[None] * 3, ["cat", 1]]), "row 1 has 2 values: want 3, for 'kind'"),
            (
                lambda: self.client.impute("pets", [{"kind": "cow"}]),
                "row 0: column 'kind' is 'cow': want 'cat' or 'dog'",
            ),
            (lambda: self.client.impute("pets", [{"age": "old"}]), "row 0: column 'age' is 'old': want a number"),
            (lambda: self.client.impute("pets", [{}], draws=0), "draws is 0: want at least 1"),
            (lambda: self.client.impute("pets", [1, 2, 3]), "row 0 is 1: want a dictionary, or a value for each of"),
            (lambda: self.client.impute("pets", 7), "rows are 7: want an array, a list of rows"),
            (lambda: self.client.detect("pets", [{"kind": "cat"}]), "row 0: column 'weight' is missing"),
            (lambda: self.client.detect("ring", [{"x": 1}]), "ring is no model of a table"),
        ]:
            with self.subTest(text=text), self.assertRaisesRegex(ValueError, text):
                call()


class Broken:
    """A server that returns chain i as the row [i, i], and ends calls after a number of rows."""

    def __init__(self, rows: list[int], code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        self.rows, self.code, self.requests, self.digests = rows, code, [], []
        self.columns: list[dict[str, Any]] = []
        handler = grpc.unary_stream_rpc_method_handler(
            self.sample,
            request_deserializer=api.message("SampleRequest").FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        self.server = grpc.server(futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("langevin.v1.SamplingService", {"Sample": handler})]
        )
        self.address = f"localhost:{self.server.add_insecure_port('localhost:0')}"
        self.server.start()

    def sample(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        response = api.message("SampleResponse")
        self.requests.append(request)
        left = self.rows.pop(0) if self.rows else request.n
        if left < 0:
            context.abort(self.code, "before the first event")
        digest = self.digests.pop(0) if self.digests else "aa"
        started = {"digest": digest, "seed": request.seed or 5, "version": 1, "shape": [2], "columns": self.columns}
        yield response(started=started)
        for chain in range(request.first_chain, request.first_chain + request.n):
            if left == 0:
                context.abort(self.code, "broken")
            left -= 1
            yield response(chunk={"first_chain": chain, "tensor": arrays.tensor([[chain, chain]])})
        yield response(done={"n": request.n})


class WithBreaks(unittest.TestCase):
    """Calls that break."""

    def serve(self, *rows: int, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> tuple[Broken, langevin.Client]:
        server = Broken(list(rows), code)
        self.addCleanup(server.server.stop, 0)
        client = langevin.Client(server.address)
        self.addCleanup(client.close)
        return server, client

    def test_sample_goes_on_after_what_has_arrived(self) -> None:
        server, client = self.serve(-1, 3, 0, 4)
        samples = client.sample("m", n=10, first_chain=20, given=list(range(10)))
        np.testing.assert_array_equal(samples.x[:, 0], np.arange(20, 30))
        self.assertEqual([r.seed for r in server.requests], [0, 0, 5, 5, 5])
        self.assertEqual([getattr(r.given[0], "class") for r in server.requests], [0, 0, 3, 3, 7])

    def test_samples_of_a_table(self) -> None:
        server, client = self.serve()
        server.columns = [
            {"name": "kind", "kind": "COLUMN_KIND_CATEGORY", "words": ["cat", "dog"]},
            {"name": "age", "kind": "COLUMN_KIND_INTEGER"},
        ]
        samples = client.sample("m", n=2)
        self.assertEqual(samples.columns, ("kind", "age"))
        self.assertEqual(samples.rows(), [{"kind": "cat", "age": 0}, {"kind": "dog", "age": 1}])
        self.assertEqual(samples.to_dict(), {"kind": ["cat", "dog"], "age": [0, 1]})
        self.assertEqual(langevin.Column("x", "number", "", 1, (), ()).value(np.float32(5.1)), 5.1)
        for kind, value, text in [
            ("category", 1.0, "1"),
            ("category", 1.5, "1.5"),
            ("constant", -0.0, "0"),
            ("number", -0.0, "0.0"),
            ("number", 1.0, "1.0"),
            ("integer", -0.0, "0"),
        ]:
            self.assertEqual(str(langevin.Column("x", kind, "", 0, (), (value,)).value(value)), text)
        server.columns = []
        with self.assertRaisesRegex(ValueError, "no model of a table"):
            client.sample("m").rows()

    def test_another_model_is_not_gone_on_with(self) -> None:
        server, client = self.serve(3)
        server.digests = ["aa", "bb"]
        with self.assertRaisesRegex(langevin.LangevinError, "another file"):
            client.sample("m", n=10)

    def test_what_cannot_be_mended_is_not_tried_again(self) -> None:
        server, client = self.serve(-1, -1, code=grpc.StatusCode.FAILED_PRECONDITION)
        with self.assertRaises(langevin.LangevinError) as caught:
            client.sample("m")
        self.assertEqual((caught.exception.code, len(server.requests)), ("FAILED_PRECONDITION", 1))

    def test_stream_does_not_repeat_events(self) -> None:
        server, client = self.serve(-1, 2)
        events = []
        with self.assertRaises(langevin.LangevinError):
            for event in client.stream("m", n=5):
                events.append(event)
        self.assertEqual((len(server.requests), len(events)), (2, 3))

    def test_time_ends(self) -> None:
        _, client = self.serve(*[-1] * 100)
        patient = langevin.Client(client._address, retry_for=0.3)
        with self.assertRaises(langevin.LangevinError) as caught:
            patient.sample("m")
        self.assertEqual(caught.exception.code, "UNAVAILABLE")

    def test_tokens_stay_off_open_networks(self) -> None:
        with self.assertRaisesRegex(ValueError, "tls=True"):
            langevin.Client("example.com:443", token="secret")
        for address in ("localhost:1", "127.0.0.1:1", "[::1]:1", "unix:/tmp/socket", "dns:///localhost:1"):
            langevin.Client(address, token="secret").close()


if __name__ == "__main__":
    unittest.main(argv=[os.path.basename(__file__)])

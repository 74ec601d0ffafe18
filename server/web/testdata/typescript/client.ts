// A program that uses the client that openapi-typescript and openapi-fetch make of /openapi.json. It is compiled in
// strict mode, so it also tries the types. Its argument is the address of a server; it prints what came back as JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Problem = components["schemas"]["Problem"];

const client = createClient<paths, "application/json">({ baseUrl: process.argv[2] ?? "http://localhost:8080" });

function must<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.data === undefined) throw new Error(answer.error?.error.message ?? "no answer");
  return answer.data;
}

const path = { name: "gauss" };
const models = must(await client.GET("/v1/models", { params: { query: { page_size: 10 } } })).models ?? [];
const drawn = must(
  await client.POST("/v1/models/{name}:sample", {
    params: { path, query: { timeout: "30s" } },
    body: { n: 4, seed: "18446744073709551615", langevin: { steps: 20, sigma: 1, denoise: true } },
  }),
);
const density = must(
  await client.POST("/v1/models/{name}/versions/{version}:likelihood", {
    params: { path: { ...path, version: 1 } },
    body: { x: [[0, 0]], exact: true },
  }),
);
const refused = await client.POST("/v1/models/{name}:score", {
  params: { path },
  body: { x: [[0, 0]], sigma: [-1] },
});
const sampler: components["schemas"]["Langevin"] | undefined = drawn.langevin;
const fields = (refused.error?.error.violations ?? []).map((violation) => violation.field);

// @ts-expect-error: the document has no field of this name, so a misspelt one does not compile.
const misspelt: components["schemas"]["SampleRequest"] = { steps: 20 };
void misspelt;

console.log(
  JSON.stringify({
    models: models.map((model) => model.name),
    seed: drawn.seed,
    samples: drawn.samples,
    steps: sampler?.steps,
    density: density.log_likelihood,
    refused: refused.response.status,
    fields,
  }),
);

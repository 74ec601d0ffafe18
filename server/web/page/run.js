// A run is one Sample call: the frames received so far, and its state.

import { stream, floats } from "./api.js";
import { requestOf } from "./samplers.js";

const mostBytes = 40e6; // of the frames of a run; the server refuses more than 64 MiB
const mostFrames = 300;

export class Run {
  // onChange is called whenever a message arrives.
  constructor(settings, model, onChange) {
    Object.assign(this, { settings, model, onChange });
    const frame = 4 * settings.n * model.shape.reduce((a, b) => a * b, 1);
    this.most = Math.max(2, Math.min(mostFrames, Math.floor(mostBytes / frame)));
    this.steps = Infinity; // of a chain, until the server reports it
    this.frames = [];
    this.state = "running"; // then done, stopped or failed
    this.started = this.progress = this.done = this.error = null;
    this.samples = null;
    this.abort = new AbortController();
  }

  // stop cancels the call. The server drops its chains before the next step.
  stop() {
    this.abort.abort();
  }

  request() {
    const { settings, most } = this;
    const kind = settings.denoised ? "PREVIEW_KIND_DENOISED" : "PREVIEW_KIND_STATE";
    return { ...requestOf(settings), preview: { maxFrames: most, chains: settings.n, kind } };
  }

  // expected returns the number of frames without those that are dropped.
  expected() {
    return Math.min(this.most, this.steps + 1);
  }

  // follow reads the call to its end. It does not throw: state and error have the outcome.
  async follow() {
    const chunks = [];
    try {
      for await (const event of stream("SamplingService/Sample", this.request(), this.abort.signal)) {
        this.take(event, chunks);
        this.onChange();
      }
      this.samples = concatenated(chunks);
      this.state = "done";
    } catch (error) {
      this.state = this.abort.signal.aborted ? "stopped" : "failed";
      this.error = this.state === "failed" ? error : null;
    }
    this.onChange();
  }

  take(event, chunks) {
    if (event.started) {
      this.started = event.started;
      this.steps = Number(event.started.steps);
    } else if (event.preview) {
      const { step, level, sigma, tensor } = event.preview;
      this.frames.push({ step: Number(step ?? 0), level: level ?? 0, sigma, x: floats(tensor) });
    } else if (event.progress) {
      this.progress = event.progress;
    } else if (event.chunk) {
      chunks.push(floats(event.chunk.tensor));
    } else if (event.done) {
      this.done = event.done;
    }
  }

  // rate returns the network evaluations per second.
  rate() {
    const seconds = (d) => parseFloat(d ?? "0");
    if (this.done) return Number(this.done.nfe) / Math.max(1e-9, seconds(this.done.elapsed));
    if (this.progress) return Number(this.progress.stepsDone ?? 0) / Math.max(1e-9, seconds(this.progress.elapsed));
    return NaN;
  }
}

// drawn returns the samples of a request when they are there.
export async function drawn(request, signal) {
  const chunks = [];
  for await (const event of stream("SamplingService/Sample", request, signal)) {
    if (event.chunk) chunks.push(floats(event.chunk.tensor));
  }
  return concatenated(chunks);
}

function concatenated(chunks) {
  const all = new Float32Array(chunks.reduce((n, c) => n + c.length, 0));
  let at = 0;
  for (const c of chunks) {
    all.set(c, at);
    at += c.length;
  }
  return all;
}

// fingerprint returns 32 bits of FNV-1a over the bytes of samples. Two results with the same fingerprint have the same
// bits, except for a chance of one in four billion.
export function fingerprint(samples) {
  let hash = 0x811c9dc5;
  for (const byte of new Uint8Array(samples.buffer)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

// The page: settings on one side, chains on the other, and a clock that plays the runs.

import { models, setToken } from "./api.js";
import { compared, firstSampler, loadSamplers, nameOf, plainLike, samplers, usualSampler } from "./samplers.js";
import { enableKnobs, makeKnobs } from "./knobs.js";
import { readForm, fillForm, toFragment, fromFragment } from "./settings.js";
import { offerGiven, fillGiven, settled } from "./given.js";
import { Run, fingerprint } from "./run.js";
import { Landscapes, isPlane } from "./landscape.js";
import { acceptFiles, isImage } from "./pictures.js";
import { axesOf, csvOf, download, fillTable, isTable } from "./table.js";
import { Stage } from "./stage.js";
import { Editor } from "./editor.js";
import { Measure } from "./measure.js";
import { measuresPicture } from "./measured.js";
import { Detection } from "./detect.js";
import { Posterior } from "./posterior.js";
import { Terms } from "./terms.js";
import { holdsOf, holdsPicture, axisOf } from "./held.js";
import { inFile, snippet, requestFile } from "./snippets.js";
import * as problems from "./problems.js";

const $ = (selector) => document.querySelector(selector);
const form = $("#settings");
const stages = [...document.querySelectorAll(".stage")].map((figure) => new Stage(figure));
const editor = new Editor($("#held-picture"), form.elements, () => refresh());
const measure = new Measure($("#measurement"), form, () => refresh(), (load, file) => upload(load, file));
const detection = new Detection($("#detection"), form, (load, file) => upload(load, file), report);
const posterior = new Posterior($("#posterior"), $("#readout"), $("#warning"));
const terms = new Terms($("#sum"), form.elements.terms, () => refresh());
const still = matchMedia("(prefers-reduced-motion: reduce)");
const seconds = 7; // duration of a run at speed 1
const whole = new Intl.NumberFormat("en");

const state = { models: [], model: null, landscapes: null, landscape: null, runs: [], position: 0, playing: false, last: 0, dirty: true, language: "curl" };

// Models

async function loadModels() {
  say("Loading the models…");
  try {
    state.models = newest(await models());
  } catch (error) {
    return report(error);
  }
  const select = $("#model");
  select.replaceChildren(...state.models.map((m) => new Option(m.name, m.name, m.default, m.default)));
  if (state.models.length === 0) return say("The server has no model that is ready.", true);
  const shared = fromFragment(location.hash);
  const known = state.models.some((m) => m.name === shared.model);
  if (known) select.value = shared.model;
  chooseModel();
  apply(shared);
  say("");
  if (shared.guide && form.elements.guide.value !== shared.guide) return say(`This server has no model ${shared.guide} to guide ${state.model.name}.`, true);
  if (shared.model && !known) return say(`This server has no model ${shared.model}.`, true);
  if (shared.seed) sample();
}

// newest keeps one version of each model. The list has the newest first.
function newest(all) {
  return all.filter((m, i) => all.findIndex((other) => other.name === m.name) === i);
}

// apply fills the form from a link.
function apply(shared) {
  fillForm(form, { sampler: shared.compare ? compared.annealed : (shared.sampler ?? usualSampler(state.model)) });
  showSampler();
  fillForm(form, { ...shared, sampler: form.elements.sampler.value, model: state.model.name });
  fillGiven(form, shared);
  $("#more").open = moreSet() > 0;
  if (isImage(state.model)) editor.open(state.model);
  measure.open(state.model);
  terms.open(state.model, state.models);
  const panels = { hold: "#hold", measure: "#measurement", guide: "#guidance", own: "#sum", columns: "#interpolation" };
  for (const [field, details] of Object.entries(panels)) {
    if (shared[field]) $(details).open = true;
  }
  showHold();
  showMeasure();
  if (shared.seed) form.elements.fresh.checked = false;
  if (shared.digest && !state.model.digest.startsWith(shared.digest)) {
    state.otherDigest = true;
  }
  refresh();
}

function chooseModel() {
  const before = state.model;
  state.model = state.models.find((m) => m.name === $("#model").value);
  const { model } = state;
  if (before && form.elements.sampler.value === usualSampler(before)) fillForm(form, { sampler: usualSampler(model) });
  state.runs.forEach((run) => run.stop());
  state.runs = [];
  state.position = 0;
  state.otherDigest = false;
  state.landscapes?.stop();
  state.landscapes = isPlane(model) ? new Landscapes(model, touch) : null;
  state.landscape = null;
  $("#description").textContent = model.description ?? "";
  $("#rows").hidden = true;
  const n = form.elements.n;
  n.max = isImage(model) ? 64 : 2000;
  n.value = isImage(model) ? (size(model) <= 1024 ? 64 : 16) : 500;
  document.querySelectorAll(".plane").forEach((label) => (label.hidden = !isPlane(model)));
  $("#server").textContent = `${model.name} version ${model.version}, digest ${model.digest.slice(0, 12)}, on ${model.device}`;
  offer(model);
  showSampler();
  showHold();
  showMeasure();
}

const size = (model) => model.shape.reduce((a, b) => a * b, 1);

// offer fills the choices that depend on the model: what can be held, and which models can be guides.
function offer(model) {
  const holds = Object.entries(holdsOf(model));
  $("#hold").hidden = holds.length === 0;
  $("#hold").open = false;
  const legend = $("#holds legend");
  $("#holds").replaceChildren(legend, ...holds.map(([value, name]) => radio("hold", value, name)));
  fillForm(form, { hold: "", mask: "", known: "", at: format((model.low + model.high) / 2), refresh: "", columns: "", rule: "", weight: "", own: "", terms: "" });
  if (isImage(model)) editor.open(model);
  measure.offer(model);
  detection.open(model);
  offerGiven(form, model, radio);
  terms.open(model, state.models);
  const guides = state.models.filter((m) => m !== model && String(m.shape) === String(model.shape));
  $("#guidance").hidden = guides.length === 0;
  form.elements.guide.replaceChildren(new Option("none", ""), ...guides.map((m) => new Option(m.name)));
}

function radio(name, value, text) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const span = document.createElement("span");
  Object.assign(input, { type: "radio", name, value, checked: value === "" });
  span.textContent = text;
  label.append(input, span);
  return label;
}

function about(model) {
  if (isImage(model)) return "Each tile is one chain. The denoised estimate is x + σ²s(x, σ), the mean of the data given x.";
  if (isPlane(model) && readForm(form).measure) {
    return "Behind the chains: the density and the score of the model alone, as before the measurement. The line has "
      + "the points that agree with the measurement, and the band its noise. The view moves in as σ falls.";
  }
  if (isPlane(model)) {
    return "Behind the chains, both from the model alone and blurred by the σ of the moment: its density, integrated along the probability flow "
      + "(colour, as the square root), and its score (arrows, as long as σ‖s‖ up to a limit). At the bottom, the horizontal axis: chains (bars) "
      + "against that density (line). The view moves in as σ falls.";
  }
  if (isTable(model)) {
    const [across, up] = axesOf(model);
    return `Each point is one row: ${across.name} across, ${up.name} up.`;
  }
  return "The first two coordinates of every chain.";
}

// notes describes the effect of a run's conditions on the picture.
function notes(settings, run) {
  return [
    measuresPicture(settings) && "Mean and spread are of the chains at this step. The spread is the standard deviation "
      + "of every pixel: dark where the measurement decides, light where samples differ.",
    run?.started?.approximate && !settings.measure && "These samples only approximate the product: the sampler follows "
      + "a diffusion, and the sum of the scores is not its score.",
    isPlane(state.model) && !state.landscape && "The density and the arrows appear with the first samples.",
    state.landscape && axisOf(settings) >= 0 && "The histogram compares the chains with the density on the line, with the noise of the current σ.",
    state.landscape && settings.scale && "The arrows have the guidance scale; the density is that of the condition alone.",
    state.landscape && (settings.own || settings.terms) && `The arrows are those of the sum; the density belongs to ${settings.model} alone.`,
    state.landscape && settings.guide && `The arrows include the guide; the density belongs to ${settings.model} alone.`,
  ];
}

// Settings

// offerSamplers makes a button for every kind of sampler.
function offerSamplers() {
  const legend = $("#samplers legend");
  const choices = [...samplers.values()].map(({ word, title }) => radio("sampler", word, title));
  $("#samplers").replaceChildren(legend, ...choices);
  form.elements.sampler.value = firstSampler();
}

// measuring reports whether the controls are those of a measurement, whose method brings its own sampler.
const measuring = () => form.classList.contains("measuring");

// showSampler shows the chosen sampler: its description and its settings.
function showSampler() {
  const kind = samplers.get(form.elements.sampler.value);
  $("#explain").textContent = `${kind.summary} ${kind.use}`;
  $("#source").textContent = kind.source;
  const settings = measuring() ? [] : kind.settings;
  const [usual, more] = [true, false].map((first) => settings.filter((setting) => setting.usual === first));
  $("#knobs").replaceChildren(...makeKnobs(kind, usual, state.model));
  $("#more").hidden = more.length === 0;
  $("#more .knobs").replaceChildren(...makeKnobs(kind, more, state.model));
  refresh();
}

// moreSet returns the number of set settings that are not always visible.
function moreSet() {
  const elements = [...$("#more").querySelectorAll("input, select")];
  return elements.filter((element) => element.value !== "" && !element.disabled).length;
}

// compareOnly chooses the sampler whose settings both sides of a comparison use.
function compareOnly() {
  if (form.elements.sampler.value === compared.annealed) return;
  form.elements.sampler.value = compared.annealed;
  showSampler();
}

// showHold shows the controls of the held part.
function showHold() {
  const settings = readForm(form);
  const picture = holdsPicture(settings);
  $("#held-picture").hidden = !picture;
  $("#brushes").hidden = settings.hold !== "part";
  $("#held-line").hidden = axisOf(settings) < 0;
  $("#refresh").hidden = !settings.hold;
  stages.forEach(({ figure }) => {
    figure.classList.toggle("aim", axisOf(settings) >= 0);
    figure.classList.toggle("pick", picture);
  });
  if (picture) {
    editor.draw();
    editor.ready().catch(report);
  }
  refresh();
}

// showMeasure shows the controls of a measurement instead of those of samplers.
function showMeasure() {
  measure.show();
  if (Boolean(readForm(form).measure) !== measuring()) {
    form.classList.toggle("measuring");
    showSampler();
  }
  if (measuring()) form.elements.compare.checked = false;
  refresh();
  if (measure.waits(readForm(form))) measure.ready().catch(report);
}

// current returns the settings of the form, and the held or measured picture.
function current() {
  const settings = readForm(form);
  const measured = measure.measured(settings);
  if (measured) return { ...settings, measured };
  return holdsPicture(settings) ? { ...settings, held: editor.held() } : settings;
}

// refresh updates what depends on the settings.
function refresh() {
  if (!measuring()) enableKnobs(form, samplers.get(form.elements.sampler.value));
  $("#more summary").textContent = moreSet() > 0 ? `More settings (${moreSet()} set)` : "More settings";
  const settings = current();
  const comparing = settings.compare;
  stages[1].figure.hidden = !comparing;
  $("#stages").classList.toggle("two", comparing);
  $("#samplers").disabled = comparing;
  const words = comparing ? [compared.plain, compared.annealed] : [settings.sampler];
  const titles = settings.measure ? ["Samples"] : words.map((word) => samplers.get(word)?.title);
  stages.forEach((stage, i) => (stage.name.textContent = titles[i] ?? ""));
  measure.draw();
  $("#snippet").textContent = snippet(state.language, settings);
  $("#save").hidden = !inFile(settings) || state.language === "go";
  touch();
}

// Runs

function sample() {
  if (!state.model || !form.reportValidity()) return;
  problems.clearAll(form);
  if (holdsPicture(readForm(form)) && !editor.held()) return void editor.ready().then(sample, report);
  if (measure.waits(readForm(form))) return void measure.ready().then(sample, report);
  const fields = form.elements;
  if (fields.seed.value === "" || fields.fresh.checked) fields.seed.value = Math.floor(Math.random() * 1e6);
  const settings = current();
  history.replaceState(null, "", toFragment(settings, state.model.digest));
  state.runs.forEach((run) => run.stop());
  const each = settings.compare ? [plainLike(settings, state.model), settings] : [settings];
  state.runs = each.map((s) => new Run(s, state.model, touch));
  state.position = 0;
  state.playing = true;
  document.body.dataset.state = "running";
  $("#rows").hidden = true;
  refresh();
  say(`Sampling ${settings.model} from seed ${settings.seed}.`);
  const runs = state.runs;
  Promise.all(runs.map((run) => run.follow())).then(() => runs === state.runs && finished());
}

function finished() {
  const failed = state.runs.find((run) => run.state === "failed");
  const stopped = state.runs.some((run) => run.state === "stopped");
  document.body.dataset.state = failed ? "failed" : stopped ? "stopped" : "done";
  if (failed) {
    report(failed.error);
  } else if (stopped) {
    say("Stopped: the server has dropped the chains. The received frames can be played.");
  } else {
    const settings = state.runs[0].settings;
    const prints = state.runs.map((run) => fingerprint(run.samples));
    document.body.dataset.fingerprint = prints.join(" ");
    $("#fingerprint").textContent = prints.join(" · ");
    showRows();
    const other = state.otherDigest ? " The link was made with another version of the model." : "";
    say(`Done: ${whole.format(settings.n)} ${settings.n === 1 ? "chain" : "chains"} from seed ${settings.seed}, in ${secondsOf(state.runs)}.${other}`, state.otherDigest);
  }
  if (still.matches) state.position = frameCount() - 1;
  state.landscape?.load();
  touch();
}

// lastRun returns the run whose rows are shown: the one on the right.
const lastRun = () => state.runs[state.runs.length - 1];

// showRows shows the samples of a table.
function showRows() {
  const { model, samples, settings } = lastRun();
  $("#rows").hidden = !isTable(model);
  if (!isTable(model)) return;
  const count = fillTable($("#rows table"), model, samples);
  $("#rows-title").textContent = count < settings.n ? `The first ${count} of ${whole.format(settings.n)} rows` : `${whole.format(count)} ${count === 1 ? "row" : "rows"}`;
}

function saveRows() {
  const { model, samples, settings } = lastRun();
  download(`${model.name}-${settings.seed}.csv`, "text/csv", csvOf(model, samples));
}

function secondsOf(runs) {
  return `${format(Math.max(...runs.map((run) => parseFloat(run.done?.elapsed ?? "0"))))} s`;
}

function stop() {
  editor.stop();
  measure.whole.stop();
  state.runs.forEach((run) => run.stop());
}

const running = () => state.runs.some((run) => run.state === "running");
const frameCount = () => Math.max(0, ...state.runs.map((run) => run.frames.length));

// expected returns the number of frames: those requested minus those that were dropped.
function expected() {
  if (!running()) return frameCount();
  return Math.max(2, ...state.runs.map((run) => run.expected()));
}

// Messages

function say(text, bad = false) {
  const status = $("#status");
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

function report(error) {
  if (error.name === "AbortError") return;
  if (error.code === "unauthenticated") {
    $("#token").hidden = false;
    return say("This server needs a token: enter it below the settings and press Enter.", true);
  }
  if (error instanceof TypeError) return say("The server does not answer.", true);
  const fields = error.fields ?? [];
  const elsewhere = problems.show(form, fields, form.elements.sampler.value).map((f) => f.description);
  if (fields.length > elsewhere.length) elsewhere.unshift("The server refused the marked settings.");
  say(elsewhere.join(" ") || error.message, true);
}

const format = (v) => (v === undefined || Number.isNaN(v) ? "–" : String(Number(Number(v).toPrecision(3))));

// The clock

function touch() {
  state.dirty = true;
}

function tick(now) {
  const elapsed = Math.min(0.1, (now - state.last) / 1000);
  state.last = now;
  const newest = frameCount() - 1;
  if (state.playing && newest >= 0) {
    const rate = (Math.max(expected(), 2) / seconds) * Number($("#speed").value);
    const next = Math.min(newest, state.position + rate * elapsed);
    if (next !== state.position) touch();
    state.position = next;
    if (next >= newest && !running()) {
      state.playing = false;
      touch();
    }
  }
  if (state.dirty) {
    state.dirty = false;
    draw();
  }
  requestAnimationFrame(tick);
}

// landscapeOf returns the landscape of what the samples of a run are given. Before the first run it is that of the form,
// unless a condition has to be typed.
function landscapeOf(ofRun, ofForm) {
  if (state.landscapes && (ofRun || settled(ofForm, state.model))) state.landscape = state.landscapes.of(ofRun ?? ofForm);
  return state.landscape;
}

function draw() {
  const { model, runs } = state;
  const settings = readForm(form);
  const landscape = landscapeOf(runs[0]?.settings, settings);
  landscape?.follow(runs[0]?.settings ?? settings);
  const index = Math.floor(state.position);
  const total = Math.max(1, expected() - 1);
  stages.forEach((stage, i) => {
    const run = runs[i];
    // Runs of different lengths are shown at the same fraction of their length.
    const own = run ? Math.min(run.frames.length - 1, index) : -1;
    stage.draw({ model, landscape, run, index: own, settings, sigma: model?.sigmas[model.sigmas.length - 1] });
    const frame = run?.frames[own];
    stage.reading.textContent = frame ? `step ${whole.format(frame.step)} · σ ${format(frame.sigma)}` : "";
    stage.canvas.setAttribute("aria-label", frame
      ? `${stage.name.textContent}: ${run.settings.n} chains after ${frame.step} of ${run.steps} steps, sigma ${format(frame.sigma)}`
      : `${stage.name.textContent}: nothing sampled yet`);
  });
  const run = runs[runs.length - 1];
  if (model) setText($("#about"), [about(model), landscape?.note, ...notes(run?.settings ?? settings, run)].filter(Boolean).join(" "));
  posterior.draw(run, Math.min((run?.frames.length ?? 0) - 1, index));
  $("#stages").classList.toggle("measured", !$("#posterior").hidden);
  drawTransport(run, index, total);
  drawReadout(run, run?.frames[Math.min(run.frames.length - 1, index)]);
}

// setText changes the page only if the text changed.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function drawTransport(run, index, total) {
  const scrub = $("#scrub");
  const has = frameCount() > 0;
  Object.assign(scrub, { max: total, value: index, disabled: !has });
  const frame = run?.frames[Math.min(run.frames.length - 1, index)];
  scrub.setAttribute("aria-valuetext", frame ? `step ${frame.step} of ${run.steps}, sigma ${format(frame.sigma)}` : "no frames yet");
  const play = $("#play");
  play.disabled = !has;
  const playing = state.playing && has;
  const label = playing ? "Pause" : "Play";
  if (play.getAttribute("aria-label") !== label) {
    play.setAttribute("aria-label", label);
    play.firstChild.textContent = playing ? "❚❚" : "▶";
  }
  $("#stop").disabled = !running();
  $("#sample").textContent = running() ? "Restart" : "Sample";
  $("#timeline .received").setAttribute("d", has ? `M0 0H${(1000 * (frameCount() - 1)) / total}V100H0Z` : "");
  $("#timeline .sigma").setAttribute("d", run ? sigmaPath(run.frames, total) : "");
}

// sigmaPath returns the curve of log σ over the frames.
function sigmaPath(frames, total) {
  if (frames.length < 2) return "";
  const sigmas = state.model.sigmas;
  const top = Math.log(Math.max(sigmas[0], frames[0].sigma));
  const bottom = Math.log(Math.min(sigmas[sigmas.length - 1], frames[frames.length - 1].sigma));
  const y = (sigma) => 88 - (76 * (Math.log(sigma) - bottom)) / (top - bottom || 1);
  return frames.map((f, i) => `${i ? "L" : "M"}${((1000 * i) / total).toFixed(1)} ${y(f.sigma).toFixed(1)}`).join("");
}

function drawReadout(run, frame) {
  $("#step").textContent = frame ? `${whole.format(frame.step)} / ${whole.format(run.steps)}` : "–";
  $("#level").textContent = frame ? frame.level + 1 : "–";
  $("#sigma").textContent = format(frame?.sigma);
  const rate = state.runs.reduce((sum, r) => sum + (r.rate() || 0), 0);
  $("#rate").textContent = rate > 0 ? new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(rate) : "–";
  if (state.runs.some((r) => r.state !== "done")) $("#fingerprint").textContent = "–";
}

// What users do

// aim moves the line on which points are held to the pointer.
function aim(stage, event) {
  const point = stage.pointAt(event);
  const axis = axisOf(readForm(form));
  if (!point || axis < 0) return;
  form.elements.at.value = Number(point[axis].toPrecision(3));
  refresh();
}

// pick holds or measures the sample under the pointer.
function pick(stage, run, event) {
  const chain = stage.tileAt(event);
  const settings = readForm(form);
  const easel = holdsPicture(settings) ? editor : measuresPicture(settings) && measure.whole;
  if (chain < 0 || run?.state !== "done" || !easel) return;
  const values = run.samples.slice(chain * size(run.model), (chain + 1) * size(run.model));
  easel.take(values, nameOf(run.settings, chain), `Sample ${chain} of this run`);
}

// upload loads a picture file.
async function upload(load, file) {
  if (!file) return;
  try {
    await load(file);
  } catch {
    say(`${file.name} is not a picture that this browser can read.`, true);
  }
}

function save() {
  download("request.json", "application/json", requestFile(current()));
}

function seek(to) {
  state.playing = false;
  state.position = Math.max(0, Math.min(frameCount() - 1, to));
  touch();
}

function togglePlay() {
  if (!state.playing && state.position >= frameCount() - 1 && !running()) state.position = 0;
  state.playing = !state.playing;
  touch();
}

async function copy(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    say(text); // a page without HTTPS may not use the clipboard
  }
  setTimeout(() => (button.textContent = before), 1500);
}

function randomSeed() {
  form.elements.seed.value = Math.floor(Math.random() * 1e6);
  refresh();
}

function changeTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  touch();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return stop();
  const on = event.target;
  if (on.matches("input, select, textarea, button, summary, pre")) return;
  const keys = { " ": togglePlay, ArrowLeft: () => seek(Math.floor(state.position) - 1), ArrowRight: () => seek(Math.floor(state.position) + 1), Enter: sample };
  if (keys[event.key] && !(event.key === " " && frameCount() === 0)) {
    event.preventDefault();
    keys[event.key]();
  }
}

function listen() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sample();
  });
  form.addEventListener("input", (event) => {
    if (event.target.name === "sampler") showSampler();
    if (event.target.name === "compare" && event.target.checked) compareOnly();
    if (event.target.name === "model") chooseModel();
    if (event.target.name === "hold") showHold();
    if (event.target.name === "measure") measure.begin();
    if (["measure", "posterior"].includes(event.target.name)) showMeasure();
    problems.clear(event.target);
    refresh();
  });
  form.elements.token.addEventListener("change", (event) => {
    setToken(event.target.value);
    loadModels();
  });
  stages.forEach((stage, i) => {
    stage.canvas.addEventListener("pointerdown", (event) => {
      if (stage.figure.classList.contains("aim")) stage.canvas.setPointerCapture(event.pointerId);
      aim(stage, event);
    });
    stage.canvas.addEventListener("pointermove", (event) => stage.canvas.hasPointerCapture(event.pointerId) && aim(stage, event));
    stage.canvas.addEventListener("click", (event) => pick(stage, state.runs[i], event));
  });
  $("#another").addEventListener("click", () => editor.another(Math.floor(Math.random() * 1e6)).catch(report));
  const hold = (file) => upload((f) => editor.upload(f), file);
  $("#upload").addEventListener("change", (event) => hold(event.target.files[0]));
  acceptFiles(editor.canvas, hold);
  $("#measure-another").addEventListener("click", () => measure.another(Math.floor(Math.random() * 1e6)).catch(report));
  $("#save-rows").addEventListener("click", saveRows);
  $("#save").addEventListener("click", save);
  $("#stop").addEventListener("click", stop);
  $("#play").addEventListener("click", togglePlay);
  $("#scrub").addEventListener("input", (event) => seek(Number(event.target.value)));
  $("#dice").addEventListener("click", randomSeed);
  $("#theme").addEventListener("click", changeTheme);
  $("#share").addEventListener("click", (event) => {
    const settings = readForm(form);
    history.replaceState(null, "", toFragment(settings, state.model?.digest));
    const lost = holdsPicture(settings) ? !settings.known : measuresPicture(settings) && !settings.whole;
    if (lost) say("The link leaves the picture out, because your own picture does not fit into a link.", true);
    copy(event.target, location.href);
  });
  $("#copy").addEventListener("click", (event) => copy(event.target, $("#snippet").textContent));
  document.querySelectorAll("[data-language]").forEach((button) => button.addEventListener("click", () => {
    state.language = button.dataset.language;
    document.querySelectorAll("[data-language]").forEach((b) => b.setAttribute("aria-pressed", b === button));
    refresh();
  }));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => location.reload());
  new ResizeObserver(touch).observe($("#stages"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", touch);
}

document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "";
document.body.dataset.state = "idle";
start();

// start loads the samplers first, because everything else depends on them.
async function start() {
  say("Loading the samplers…");
  try {
    await loadSamplers();
  } catch (error) {
    return report(error);
  }
  offerSamplers();
  listen();
  showSampler();
  requestAnimationFrame(tick);
  loadModels();
}

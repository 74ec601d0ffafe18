// The part of the samples that a run holds fixed: a part of a picture, its grey, or a coordinate of points. It has a
// form for links and one for requests.

import { isImage } from "./pictures.js";
import { isPlane } from "./landscape.js";

// holdsOf returns what can be held of a model's samples, by the words in links.
export function holdsOf(model) {
  if (isPlane(model)) return { "": "Nothing", x: "Across", y: "Up" };
  if (!isImage(model)) return {};
  return { "": "Nothing", part: "A part", ...(model.shape[0] > 1 && { grey: "The grey" }) };
}

export const holdsPicture = (settings) => settings.hold === "part" || settings.hold === "grey";

// axisOf returns the held coordinate, 0 or 1; -1 for none.
export const axisOf = (settings) => ["x", "y"].indexOf(settings?.hold);

// conditionOf returns the part of the request for settings. For pictures, held has the values of one sample and whether
// each pixel is known.
export function conditionOf(settings) {
  const refresh = settings.refresh === "step" ? { refresh: "REFRESH_STEP" } : {};
  const { hold, held } = settings;
  if (axisOf(settings) >= 0) {
    const at = Number(settings.at || 0);
    return { inpainting: { values: { values: hold === "x" ? [at, 0] : [0, at] }, mask: [hold === "x", hold === "y"], ...refresh } };
  }
  if (!holdsPicture(settings) || !held) return {};
  if (hold === "part") return { inpainting: { values: { values: Array.from(held.values) }, mask: held.mask, ...refresh } };
  return { colourisation: { grey: { values: greyOf(held.values, held.mask.length) }, ...refresh } };
}

// greyOf returns the mean of the channels at every pixel.
export function greyOf(values, pixels) {
  const channels = values.length / pixels;
  return Array.from({ length: pixels }, (_, p) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += values[c * pixels + p];
    return sum / channels;
  });
}

// pack writes a mask for a link, with six pixels in each letter.
export function pack(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((known, i) => (bytes[i >> 3] |= known << (i & 7)));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

// unpack reads a mask of the given number of pixels; null if the text is not a mask.
export function unpack(text, pixels) {
  try {
    const bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    if (bytes.length !== Math.ceil(pixels / 8)) return null;
    return Array.from({ length: pixels }, (_, i) => Boolean((bytes.charCodeAt(i >> 3) >> (i & 7)) & 1));
  } catch {
    return null;
  }
}

// outlineOf returns the border between the known and the unknown part, in pixels of a picture.
export function outlineOf(mask, width) {
  const path = new Path2D();
  const line = (x0, y0, x1, y1) => {
    path.moveTo(x0, y0);
    path.lineTo(x1, y1);
  };
  mask.forEach((known, p) => {
    const [x, y] = [p % width, Math.floor(p / width)];
    if (x + 1 < width && known !== mask[p + 1]) line(x + 1, y, x + 1, y + 1);
    if (p + width < mask.length && known !== mask[p + width]) line(x, y + 1, x + 1, y + 1);
  });
  return path;
}

// What a run holds fixed: a part of a picture, its grey, or a coordinate of points. How links and requests say it.

import { isImage } from "./pictures.js";
import { isPlane } from "./landscape.js";

// holdsOf is what can be held of a model's samples, by the names that links have.
export function holdsOf(model) {
  if (isPlane(model)) return { "": "Nothing", x: "Across", y: "Up" };
  if (!isImage(model)) return {};
  return { "": "Nothing", part: "A part", ...(model.shape[0] > 1 && { grey: "The grey" }) };
}

export const holdsPicture = (settings) => settings.hold === "part" || settings.hold === "grey";

// axisOf is the coordinate held, 0 or 1; -1 for none.
export const axisOf = (settings) => ["x", "y"].indexOf(settings?.hold);

// conditionOf is the request's part of settings. Pictures come with held: the values of one sample, and whether each
// pixel is known.
export function conditionOf(settings) {
  const refresh = settings.refresh === "step" ? { refresh: "REFRESH_STEP" } : {};
  const { hold, held } = settings;
  if (axisOf(settings) >= 0) {
    const at = Number(settings.at || 0);
    return { inpainting: { values: { values: hold === "x" ? [at, 0] : [0, at] }, mask: [hold === "x", hold === "y"], ...refresh } };
  }
  if (!holdsPicture(settings) || !held) return {};
  if (hold === "part") return { inpainting: { values: { values: Array.from(held.values) }, mask: held.mask, ...refresh } };
  return { colourisation: { grey: { values: greyOf(held) }, ...refresh } };
}

// greyOf is the mean of the channels at every pixel.
function greyOf({ values, mask }) {
  const pixels = mask.length;
  const channels = values.length / pixels;
  return mask.map((_, p) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += values[c * pixels + p];
    return sum / channels;
  });
}

// pack writes a mask for a link, six pixels a letter.
export function pack(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((known, i) => (bytes[i >> 3] |= known << (i & 7)));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

// unpack reads a mask of so many pixels; null if the text is none.
export function unpack(text, pixels) {
  try {
    const bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    if (bytes.length !== Math.ceil(pixels / 8)) return null;
    return Array.from({ length: pixels }, (_, i) => Boolean((bytes.charCodeAt(i >> 3) >> (i & 7)) & 1));
  } catch {
    return null;
  }
}

// outlineOf is the border between what is known and what is not, in pixels of a picture.
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

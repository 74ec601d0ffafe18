// Samples as pictures, and pictures as samples.

export function isImage(model) {
  return model.shape.length === 3 && (model.shape[0] === 1 || model.shape[0] === 3);
}

// writeSheet puts samples below each other on a canvas, with one pixel for each pixel of a sample, and returns their
// number.
export function writeSheet(sheet, x, model) {
  const [channels, height, width] = model.shape;
  const pixels = height * width;
  const count = x.length / (channels * pixels);
  sheet.width = width;
  sheet.height = count * height;
  const context = sheet.getContext("2d");
  const data = context.createImageData(width, count * height);
  const scale = 255 / (model.high - model.low);
  for (let n = 0; n < count; n++) {
    for (let p = 0; p < pixels; p++) {
      const at = 4 * (n * pixels + p);
      for (let channel = 0; channel < 3; channel++) {
        const value = x[(n * channels + Math.min(channel, channels - 1)) * pixels + p];
        data.data[at + channel] = (value - model.low) * scale; // clamped by the array
      }
      data.data[at + 3] = 255;
    }
  }
  context.putImageData(data, 0, 0);
  return count;
}

// pixelsOf returns the middle of a picture as one sample of a model.
export function pixelsOf(picture, model) {
  const [channels, height, width] = model.shape;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const zoom = Math.max(width / picture.width, height / picture.height);
  const [w, h] = [zoom * picture.width, zoom * picture.height];
  context.imageSmoothingQuality = "high";
  context.fillRect(0, 0, width, height); // black behind transparent parts
  context.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = height * width;
  const x = new Float32Array(channels * pixels);
  const value = (v) => model.low + (v / 255) * (model.high - model.low);
  for (let p = 0; p < pixels; p++) {
    const [red, green, blue] = data.subarray(4 * p, 4 * p + 3);
    const colours = channels === 1 ? [0.299 * red + 0.587 * green + 0.114 * blue] : [red, green, blue];
    colours.forEach((v, channel) => (x[channel * pixels + p] = value(v)));
  }
  return x;
}

// acceptFiles calls onFile with a file that is dropped on an element.
export function acceptFiles(element, onFile) {
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    onFile(event.dataTransfer.files[0]);
  });
}

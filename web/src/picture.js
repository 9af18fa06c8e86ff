// One picture made a frame, as lmvp_tf/films/picture.py does: cut out, averaged by area, made grey.

/** The part [x, y, width, height] of a picture that becomes a frame; see FrameOptions.box. */
export function box({crop, height, width}, pictureWidth, pictureHeight) {
  if (Array.isArray(crop)) return crop;
  let [w, h] = [pictureWidth, pictureHeight];
  if (crop === 'centre') {
    if (w * height >= h * width) w = Math.max(1, Math.round((h * width) / height));
    else h = Math.max(1, Math.round((w * height) / width));
  }
  return [(pictureWidth - w) >> 1, (pictureHeight - h) >> 1, w, h];
}

/**
 * @param {ImageData} picture the part that becomes a frame.
 * @return {Float32Array} [height, width, channels] in [0, 1], of whole 255ths.
 */
export function toFrame({data, width, height}, options) {
  const rows = weights(height, options.height);
  const columns = weights(width, options.width);
  const halfway = new Float32Array(options.height * width * 3);
  rows.forEach(({first, parts}, y) => {
    for (let i = 0; i < parts.length; i++)
      for (let x = 0, from = (first + i) * width * 4; x < width; x++, from += 4)
        for (let c = 0; c < 3; c++) halfway[(y * width + x) * 3 + c] += parts[i] * data[from + c];
  });
  const frame = new Float32Array(options.height * options.width * options.channels);
  for (let y = 0; y < options.height; y++)
    columns.forEach(({first, parts}, x) => {
      const rgb = [0, 0, 0];
      for (let i = 0; i < parts.length; i++)
        for (let c = 0; c < 3; c++) rgb[c] += parts[i] * halfway[(y * width + first + i) * 3 + c];
      const at = (y * options.width + x) * options.channels;
      frame.set(colours(rgb.map(Math.round), options.channels), at);
    });
  return frame;
}

const colours = (rgb, channels) => (channels === 1 ? [luminance(rgb)] : rgb).map((value) => value / 255);
const luminance = ([r, g, b]) => (19595 * r + 38470 * g + 7471 * b + 32768) >> 16; // BT.601

/** What each of `target` pixels takes of `source` pixels: from which one on, and how much of each. */
function weights(source, target) {
  const scale = source / target;
  return Array.from({length: target}, (_, i) => {
    if (target > source) {
      const place = Math.min(Math.max((i + 0.5) * scale - 0.5, 0), source - 1);
      const first = Math.min(Math.floor(place), Math.max(source - 2, 0));
      return {first, parts: source === 1 ? [1] : [1 - (place - first), place - first]};
    }
    const [from, to] = [i * scale, (i + 1) * scale];
    const first = Math.floor(from);
    const parts = [];
    for (let j = first; j < Math.min(to, source); j++)
      parts.push((Math.min(to, j + 1) - Math.max(from, j)) / scale);
    return {first, parts};
  });
}

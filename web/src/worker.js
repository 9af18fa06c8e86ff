// Runs .tflite files by LiteRT, away from the page's own thread.
//
// In:  {id, model, frames, horizon}: frames is a Float32Array of T0 frames, one behind the other.
//      {cancel: id}
// Out: {id, t, frame, flow}: the step that read frame t = 0, 1, ... predicts the one after it.
//      {id, milliseconds}: done; a step's mean.  {id, error}  {id, cancelled: true}
import {Environment, loadAndCompile, loadLiteRt, supportsFeature, Tensor} from '@litertjs/core';

const SIGNATURE = 'serve_step';
// LiteRT asks for a GPU when it starts, the fastest there is; what runs here is a matter of the CPU.
const createEnvironment = Environment.create.bind(Environment);
Environment.create = () => createEnvironment({webGpuDevice: null});

const models = new Map(); // by folder: promises of compiled models
const cancelled = new Set();
let runtime;
let queue = Promise.resolve(); // one prediction at a time

self.onmessage = ({data}) => {
  if (data.cancel !== undefined) cancelled.add(data.cancel);
  else queue = queue.then(() => answer(data));
};

async function answer({id, model, frames, horizon}) {
  try {
    const compiled = await load(model);
    const started = performance.now();
    const steps = await predict(compiled, id, frames, horizon);
    postMessage(steps ? {id, milliseconds: (performance.now() - started) / steps} : {id, cancelled: true});
  } catch (error) {
    postMessage({id, error: String(error?.message ?? error)});
  }
  cancelled.delete(id);
}

function load(folder) {
  if (!models.has(folder)) {
    runtime ??= start();
    models.set(folder, runtime.then(() => loadAndCompile(`${folder}/model.tflite`, {accelerator: 'wasm'})));
  }
  return models.get(folder);
}

async function start() {
  const name = (await supportsFeature('relaxedSimd')) ? 'litert' : 'litert-compat';
  const packed = await fetch(`${name}.wasm.gz`);
  if (!packed.ok) throw new Error(`${name}.wasm.gz: ${packed.status} ${packed.statusText}`);
  const stream = packed.body.pipeThrough(new DecompressionStream('gzip'));
  const quiet = () => {}; // it writes what it does to the console, as errors
  self.Module = {wasmBinary: await new Response(stream).arrayBuffer(), print: quiet, printErr: quiet};
  await loadLiteRt(`${name}.js`);
}

// Reads T0 frames, then its own predictions. Returns the number of steps, 0 if it was cancelled.
async function predict(compiled, id, frames, horizon) {
  const runner = compiled.signatures[SIGNATURE];
  const inputs = runner.getInputDetails().map(({name, shape}) => [name, [...shape]]);
  const size = count(inputs.find(([name]) => name === 'frame')[1]);
  const steps = frames.length / size - 1 + horizon;
  const values = Object.fromEntries(inputs.map(([name, shape]) => [name, new Float32Array(count(shape))]));
  for (let t = 0; t < steps; t++) {
    if (t * size < frames.length) values.frame = frames.subarray(t * size, (t + 1) * size);
    Object.assign(values, await run(runner, inputs, values));
    postMessage({id, t, frame: values.frame, flow: values.flow});
    await messages();
    if (cancelled.has(id)) return 0;
  }
  return steps;
}

async function run(runner, inputs, values) {
  const given = Object.fromEntries(inputs.map(([name, shape]) => [name, new Tensor(values[name], shape)]));
  const answered = await runner.run(given);
  const arrays = Object.fromEntries(Object.entries(answered).map(([name, tensor]) => [name, tensor.toTypedArray()]));
  for (const tensor of [...Object.values(given), ...Object.values(answered)]) tensor.delete();
  return arrays;
}

const count = (shape) => shape.reduce((product, n) => product * n, 1);

// Lets messages in between two steps: a timer would wait 4 ms each time.
function messages() {
  const {port1, port2} = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

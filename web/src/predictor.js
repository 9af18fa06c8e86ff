// The page's side of worker.js.
const worker = new Worker('worker.js');
const waiting = new Map(); // by id: what to do with an answer
let lastId = 0;

worker.onmessage = ({data}) => waiting.get(data.id)?.(data);
worker.onerror = (event) => {
  for (const tell of waiting.values()) tell({error: event.message || 'the worker could not be started'});
};

/** A model of the page: what its model.json says, and its predictions. */
export class Predictor {
  constructor(folder, about) {
    this.folder = folder;
    this.numInputs = about.num_inputs;
    this.horizon = about.horizon;
    [this.height, this.width, this.channels] = about.frame_shape;
    this.film = about.film;
    this.smooth = about.smooth;
  }

  static async open(name) {
    const folder = `models/${name}`;
    const answer = await fetch(`${folder}/model.json`);
    if (!answer.ok) throw new Error(`${folder}/model.json: ${answer.status} ${answer.statusText}`);
    return new Predictor(folder, await answer.json());
  }

  get frameSize() {
    return this.height * this.width * this.channels;
  }

  /**
   * Predicts what follows T0 frames.
   * @param {Float32Array[]} frames T0 of them, [H, W, C] with values in [0, 1].
   * @param {AbortSignal=} signal gives the prediction up.
   * @param {function(number, Float32Array, Float32Array=)=} onFrame called with i, frame i = 0, 1, ... of
   *     the prediction and the flow it was made by, as soon as it is there.
   * @param {number=} horizon S.
   * @return {Promise<?{frames: Float32Array[], flows: Float32Array[], milliseconds: number}>} frames in
   *     [0, 1]; flows [H, W, 2], (dy, dx): how far away a pixel is fetched from; null if given up.
   */
  predict(frames, {signal, onFrame, horizon = this.horizon} = {}) {
    const id = ++lastId;
    const known = new Float32Array(this.numInputs * this.frameSize);
    frames.forEach((frame, t) => known.set(frame, t * this.frameSize));
    const result = {frames: [], flows: []};
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => worker.postMessage({cancel: id}), {once: true});
      waiting.set(id, ({t, frame, flow, milliseconds, cancelled, error}) => {
        if (t !== undefined) {
          const i = t - this.numInputs + 1;
          if (i < 0 || signal?.aborted) return; // it is only reading yet
          result.frames.push(frame.map((value) => Math.min(Math.max(value, 0), 1)));
          result.flows.push(flow);
          onFrame?.(i, result.frames[i], flow);
          return;
        }
        waiting.delete(id);
        if (error !== undefined) reject(new Error(error));
        else resolve(cancelled || signal?.aborted ? null : {...result, milliseconds});
      });
      worker.postMessage({id, model: this.folder, frames: known, horizon});
    });
  }
}

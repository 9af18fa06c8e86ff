// A camera or a film: what it shows, and what the model expects next.
import {clear, drawFlow, drawFrame, meanSquare} from './draw.js';
import {box, toFrame} from './picture.js';

const USUAL_RATE = 30; // frames per second of a film, where a model does not say what it was trained on
const KEPT = 64; // frames and predictions that are remembered
const EARLY = 4; // milliseconds that a picture may come too early
const LATE = 50; // and too late, in a film
const COUNTED = 10; // frames over which rates are counted
const element = (id) => document.getElementById(id);

export class Films {
  /** @param {function(): Promise<Predictor>} open  @param {function(Error)} trouble says that it failed. */
  constructor(open, trouble) {
    this.open = open;
    this.trouble = trouble;
    this.video = element('video');
    this.picture = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    this.forget();
    element('camera').addEventListener('click', () => this.useCamera());
    element('film').addEventListener('change', ({target}) => target.files[0] && this.useFilm(target.files[0]));
    element('stop').addEventListener('click', () => this.stop());
    this.video.addEventListener('error', () => this.video.src && this.say('The browser cannot play this film.'));
    this.takeDrops(element('films'));
  }

  takeDrops(area) {
    for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]])
      area.addEventListener(name, (event) => {
        event.preventDefault();
        area.classList.toggle('dragged', over);
      });
    area.addEventListener('drop', ({dataTransfer}) => dataTransfer.files[0] && this.useFilm(dataTransfer.files[0]));
  }

  resume() {
    this.visible = true;
    if (!this.running) return;
    this.forget();
    this.video.play();
  }

  pause() {
    this.visible = false;
    this.video.pause();
  }

  async useCamera() {
    if (!navigator.mediaDevices) {
      this.say('A browser lends its camera to pages on https or on localhost alone.');
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
      await this.run('the camera', () => (this.video.srcObject = stream));
    } catch (error) {
      this.say(`There is no camera to be had: ${error.message}.`);
    }
  }

  async useFilm(file) {
    try {
      await this.run(file.name, () => (this.video.src = URL.createObjectURL(file)));
    } catch {
      this.say(`The browser cannot play ${file.name}.`);
    }
  }

  async run(name, setSource) {
    this.stop();
    this.say('Loading the network: 4 MB, once.');
    try {
      this.predictor = await this.open();
    } catch (error) {
      this.trouble(error);
      return;
    }
    setSource();
    await this.video.play();
    this.running = true;
    element('stop').disabled = false;
    this.say(`Predicting ${name}.`);
    this.next();
  }

  stop() {
    this.running = false;
    this.video.pause();
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.video.srcObject = null;
    this.video.removeAttribute('src');
    element('stop').disabled = true;
    this.say('');
    this.forget();
  }

  /** Begins to count anew. */
  forget() {
    this.frames = []; // {number, frame}: the last, one every `interval`
    this.predicted = new Map(); // by the frame's number: what was predicted for it
    this.number = 0;
    this.time = this.nextTime = -Infinity; // of the last frame and of the next
    this.waiting = this.seeking = false;
    this.times = {read: [], predict: []};
  }

  /** Milliseconds from one of the model's frames to the next. */
  get interval() {
    const {fps, rate, stride} = this.predictor.film;
    return 1000 / (fps || rate || USUAL_RATE / stride);
  }

  next() {
    if (!this.running) return;
    const {video} = this;
    const look = (now, {mediaTime = video.currentTime} = {}) => {
      this.look(video.srcObject ? now : 1000 * mediaTime);
      this.next();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(look);
    else requestAnimationFrame(look);
  }

  /** Sees to a picture of a time, in milliseconds: takes it for a frame if it is time for one. */
  look(now) {
    const {video} = this;
    if (!this.running || !video.videoWidth || this.seeking) return;
    if (now < this.time - LATE) this.forget(); // the film begins anew
    if (now < this.nextTime - EARLY) return;
    const late = this.frames.length && now > this.nextTime + LATE;
    if (late && !video.srcObject) this.goBack();
    else this.take(now, now < this.nextTime + this.interval ? this.nextTime : now);
  }

  /** Takes the picture that should have been next: a busy machine has let it pass. */
  goBack() {
    const {video, nextTime} = this;
    this.seeking = true;
    video.pause();
    video.currentTime = (nextTime + 1) / 1000;
    const found = () => {
      this.seeking = false;
      if (this.running && nextTime === this.nextTime) this.take(nextTime, nextTime);
    };
    video.addEventListener('seeked', found, {once: true});
  }

  /** Makes a frame of the picture; `due` is when it should have come. */
  take(now, due) {
    this.time = now;
    this.nextTime = due + this.interval;
    const frame = this.read();
    this.frames.push({number: this.number++, frame});
    if (this.frames.length > KEPT) this.frames.shift();
    this.count('read');
    drawFrame(element('films-now'), frame, this.predictor);
    this.judge(this.number - 1);
    if (this.busy && !this.video.srcObject) {
      this.video.pause(); // a film stands still until this frame can be predicted from; a camera cannot
      this.waiting = true;
    } else this.goOn();
  }

  goOn() {
    this.waiting = false;
    if (!this.busy && this.frames.length >= this.predictor.numInputs) this.predict();
    if (this.visible && this.video.paused) this.video.play();
  }

  read() {
    const {video, picture} = this;
    const [x, y, w, h] = box(this.predictor.film, video.videoWidth, video.videoHeight);
    if (picture.canvas.width !== w || picture.canvas.height !== h) Object.assign(picture.canvas, {width: w, height: h});
    picture.drawImage(video, x, y, w, h, 0, 0, w, h);
    return toFrame(picture.getImageData(0, 0, w, h), this.predictor.film);
  }

  /** Shows what was predicted for a frame beside what came, once both are there. */
  judge(number) {
    const was = this.predicted.get(number);
    const frame = this.frames.find((one) => one.number === number)?.frame;
    if (!was || !frame) return;
    drawFrame(element('films-was'), was.frame, this.predictor);
    element('films-was-name').textContent = `What it had predicted for now, ${this.ahead(was.steps)} before`;
    element('error').textContent = meanSquare(was.frame, frame).toFixed(4);
    element('error-still').textContent = meanSquare(was.last, frame).toFixed(4);
  }

  ahead(steps) {
    return `${((steps * this.interval) / 1000).toFixed(2)}\u00a0s`;
  }

  async predict() {
    this.busy = true;
    const {predictor} = this;
    const inputs = this.frames.slice(-predictor.numInputs);
    const {number, frame: last} = inputs.at(-1);
    const known = this.predicted;
    try {
      const {frames, flows, milliseconds} = await predictor.predict(inputs.map(({frame}) => frame));
      if (known === this.predicted && this.running) {
        frames.forEach((frame, i) => {
          known.set(number + i + 1, {frame, last, steps: i + 1});
          this.judge(number + i + 1); // where the prediction came later than the frame
        });
        for (const old of known.keys()) if (old < number - KEPT) known.delete(old);
        this.show(frames, flows, milliseconds);
      }
    } catch (error) {
      this.stop();
      this.trouble(error);
    }
    this.busy = false;
    if (this.waiting && this.running) this.goOn();
  }

  show(frames, flows, milliseconds) {
    this.count('predict');
    drawFrame(element('films-next'), frames.at(-1), this.predictor);
    element('films-next-name').textContent = `What it predicts, ${this.ahead(frames.length)} ahead`;
    element('step-time').textContent = milliseconds.toFixed(0);
    if (flows[0]) drawFlow(element('films-flow'), frames[0], flows[0], this.predictor, () => true);
    else clear(element('films-flow'));
  }

  count(what) {
    const times = (this.times[what] = [...this.times[what], performance.now()].slice(-COUNTED));
    if (times.length < 2) return;
    const rate = ((times.length - 1) * 1000) / (times.at(-1) - times[0]);
    element(`${what}-rate`).textContent = rate.toFixed(1);
  }

  say(text) {
    element('films-status').textContent = text;
  }
}

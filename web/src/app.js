// The page: two tabs, each a subject with a model of its own.
import models from '../models.json';
import {Digits} from './digits.js';
import {Films} from './films.js';
import {box, toFrame} from './picture.js';
import {Predictor} from './predictor.js';

const element = (id) => document.getElementById(id);
const opened = new Map();

/** A model by its name in models.json. */
function open(name) {
  if (!opened.has(name)) opened.set(name, Predictor.open(name));
  return opened.get(name);
}

/** The first model of models.json for a use. */
const openFor = (use) => open(Object.keys(models).find((name) => models[name].use === use));

function trouble(error) {
  element('trouble').textContent = `This does not work here: ${error.message}`;
  element('trouble').hidden = false;
}

const subjects = {
  digits: new Digits(() => openFor('digits'), trouble),
  films: new Films(() => openFor('films'), trouble),
};
const tabs = Object.keys(subjects).map((name) => element(`${name}-tab`));

function show(shown) {
  for (const name of Object.keys(subjects)) {
    element(`${name}-tab`).setAttribute('aria-selected', name === shown);
    element(`${name}-tab`).tabIndex = name === shown ? 0 : -1;
    element(name).hidden = name !== shown;
    if (name !== shown) subjects[name].pause();
  }
  subjects[shown].resume();
}

for (const tab of tabs) {
  tab.addEventListener('click', () => show(tab.getAttribute('aria-controls')));
  tab.addEventListener('keydown', (event) => {
    const way = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!way) return;
    const next = tabs[(tabs.indexOf(tab) + way + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
}
show('digits');

// For the console, and for tests: lmvp.open('moving_mnist').then((model) => model.predict(frames)).
window.lmvp = {open, subjects, box, toFrame};

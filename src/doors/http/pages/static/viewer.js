/* Looks at the images of a study: series at the left, one picture large. Written for browsers that know ES2017. */
(function () {
  'use strict';

  const AHEAD = 12;             // slices fetched before they are asked for
  const AT_ONCE = 4;            // pictures fetched at once
  const PIXELS_KEPT = 48e6;     // decoded pictures kept, in picture elements
  const RETRY_MS = 5000;
  const PLAY_MS = 100;

  const byId = (id) => document.getElementById(id);
  const viewer = byId('viewer');
  if (!viewer) { return; }
  const say = viewer.dataset;
  const canvas = byId('picture');
  const stage = byId('stage');
  const slider = byId('slider');
  const note = byId('note');

  const state = {
    series: [],                 // as the door tells them
    chosen: null,               // UID of the series shown
    at: 0,                      // place among its frames
    window: '',
    inverted: false,
    zoom: 1, left: 0, top: 0,
    heading: 1,                 // direction of the last step
    playing: null,
  };

  /* What to fetch. A frame's address is its name. */

  const base = 'studies/' + encodeURIComponent(say.study);

  const instancePath = (series, instance) =>
    base + '/series/' + encodeURIComponent(series.uid) + '/instances/' + encodeURIComponent(instance.uid);

  const framePath = (frame, query) => instancePath(frame.series, frame.instance) + '/frames/' + frame.number + '/rendered?' + query;

  const pictureQuery = () => 'accept=image/png' + (state.window ? '&window=' + state.window : '');

  function framesOf(series) {
    const frames = [];
    series.instances.forEach((instance) => {
      for (let number = 1; number <= instance.frames; number += 1) { frames.push({ series, instance, number }); }
    });
    return frames;
  }

  const chosenSeries = () => state.series.find((series) => series.uid === state.chosen);
  let frames = [];

  /* Pictures: kept decoded, the least recently shown goes first. */

  const kept = new Map();       // address -> { bitmap } or { text }
  const loading = new Set();

  function keep(address, picture) {
    kept.set(address, picture);
    let pixels = 0;
    kept.forEach((one) => { pixels += one.bitmap ? one.bitmap.width * one.bitmap.height : 0; });
    for (const [old, one] of kept) {
      if (pixels <= PIXELS_KEPT || kept.size <= 2) { break; }
      if (old === address) { continue; }
      kept.delete(old);
      if (one.bitmap) { pixels -= one.bitmap.width * one.bitmap.height; one.bitmap.close(); }
    }
  }

  async function fetchPicture(address) {
    const response = await fetch(address, { credentials: 'same-origin' });
    if (response.ok) { return { bitmap: await createImageBitmap(await response.blob()) }; }
    const problem = await response.json().catch(() => ({}));
    return { text: problem.detail || say.failed, again: response.status === 503 };
  }

  async function load(address) {
    loading.add(address);
    try {
      const picture = await fetchPicture(address);
      if (picture.again) { setTimeout(fill, RETRY_MS); } else { keep(address, picture); }
      if (picture.again && address === currentAddress()) { tell(picture.text); }
    } catch (error) {
      if (address === currentAddress()) { tell(say.failed); }
      setTimeout(fill, RETRY_MS);
    }
    loading.delete(address);
    if (address === currentAddress()) { show(); }
    if (kept.has(address)) { fill(); }
  }

  const currentAddress = () => (frames[state.at] && !frames[state.at].instance.text ? framePath(frames[state.at], pictureQuery()) : null);

  /* Fetches what is shown, then what lies ahead in the direction of the last step, and a little of what lies behind. */
  function fill() {
    const wanted = [state.at];
    for (let step = 1; step <= AHEAD; step += 1) {
      wanted.push(state.at + step * state.heading);
      if (step <= AHEAD / 4) { wanted.push(state.at - step * state.heading); }
    }
    for (const place of wanted) {
      if (loading.size >= AT_ONCE) { return; }
      const frame = frames[place];
      if (!frame || frame.instance.text) { continue; }
      const address = framePath(frame, pictureQuery());
      if (!kept.has(address) && !loading.has(address)) { load(address); }
    }
  }

  /* Showing. */

  function tell(text) {
    note.textContent = text || '';
    note.hidden = !text;
  }

  function show() {
    const frame = frames[state.at];
    if (!frame) { return; }
    const address = currentAddress();
    const picture = address === null ? { text: frame.instance.text } : kept.get(address);
    if (picture && picture.bitmap) {
      kept.delete(address);
      kept.set(address, picture);
      canvas.width = picture.bitmap.width;
      canvas.height = picture.bitmap.height;
      canvas.getContext('2d').drawImage(picture.bitmap, 0, 0);
      canvas.hidden = false;
      canvas.dataset.shown = address;
      tell('');
    } else if (picture) {
      canvas.hidden = true;
      canvas.dataset.shown = '';
      tell(picture.text);
    }
    label(frame);
  }

  function label(frame) {
    const total = frames.length;
    byId('position').textContent = (state.at + 1) + ' / ' + total;
    const name = [frame.series.modality, frame.series.description].filter(Boolean).join(' ');
    const more = frame.instance.frames > 1 ? ' · ' + say.frame + ' ' + frame.number + '/' + frame.instance.frames : '';
    byId('label').textContent = name + (frame.series.thickness ? ' · ' + frame.series.thickness + ' mm' : '') + more;
    const pressed = document.querySelector('#windows [aria-pressed="true"]');
    const parts = state.window.split(',');
    byId('window').textContent = state.window ? 'W ' + parts[1] + '  L ' + parts[0] : (pressed ? pressed.lastChild.textContent : '');
    slider.max = String(total);
    slider.value = String(state.at + 1);
    slider.disabled = total < 2;
    const original = byId('original');
    original.href = instancePath(frame.series, frame.instance);
    original.hidden = false;
    viewer.dataset.position = (state.at + 1) + '/' + total;
  }

  function place() {
    canvas.style.transform = 'translate(' + state.left + 'px,' + state.top + 'px) scale(' + state.zoom + ')';
    canvas.classList.toggle('inverted', state.inverted);
  }

  function go(to) {
    const target = Math.max(0, Math.min(frames.length - 1, to));
    if (target === state.at) { return; }
    state.heading = target > state.at ? 1 : -1;
    state.at = target;
    show();
    fill();
  }

  function zoom(factor) {
    state.zoom = Math.max(1, Math.min(16, state.zoom * factor));
    if (state.zoom === 1) { state.left = 0; state.top = 0; }
    place();
  }

  function fit() { state.zoom = 1; state.left = 0; state.top = 0; place(); }

  function press(button, pressed) { button.setAttribute('aria-pressed', String(pressed)); }

  function choose(uid) {
    state.chosen = uid;
    state.at = 0;
    state.heading = 1;
    fit();
    frames = framesOf(chosenSeries());
    document.querySelectorAll('#series .card').forEach((card) => {
      if (card.dataset.uid === uid) { card.setAttribute('aria-current', 'true'); } else { card.removeAttribute('aria-current'); }
    });
    show();
    fill();
  }

  function setWindow(button) {
    state.window = button.dataset.window;
    document.querySelectorAll('#windows button').forEach((one) => press(one, one === button));
    show();
    fill();
  }

  function setInverted() {
    state.inverted = !state.inverted;
    press(byId('invert'), state.inverted);
    place();
  }

  function play() {
    if (state.playing) { clearInterval(state.playing); state.playing = null; press(byId('play'), false); return; }
    press(byId('play'), true);
    state.playing = setInterval(() => {
      const next = (state.at + 1) % Math.max(1, frames.length);
      const frame = frames[next];
      // Waits for a picture that is still on its way.
      if (frame && (frame.instance.text || kept.has(framePath(frame, pictureQuery())))) {
        state.at = next;
        state.heading = 1;
        show();
      }
      fill();
    }, PLAY_MS);
  }

  function neighbour(step) {
    const at = state.series.findIndex((series) => series.uid === state.chosen);
    const next = state.series[at + step];
    if (next) { choose(next.uid); }
  }

  /* The list of series. */

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) { made.className = className; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }

  function card(series) {
    const item = element('li', 'card');
    item.dataset.uid = series.uid;
    item.tabIndex = 0;
    const thumb = element('div', 'thumb');
    const middle = series.instances[Math.floor(series.instances.length / 2)];
    if (middle && !middle.text) {
      const image = element('img');
      image.alt = '';
      // What cannot be drawn is told at the large picture.
      image.addEventListener('error', () => image.remove());
      image.src = instancePath(series, middle) + '/rendered?accept=image/jpeg&viewport=96,96';
      thumb.appendChild(image);
    }
    const facts = element('div', 'grow');
    facts.appendChild(element('strong', 'break', [series.modality, series.description || '—'].filter(Boolean).join(' ')));
    facts.appendChild(element('div', 'small soft count', ''));
    item.appendChild(thumb);
    item.appendChild(facts);
    item.addEventListener('click', () => choose(series.uid));
    item.addEventListener('keydown', (event) => { if (event.key === 'Enter') { choose(series.uid); } });
    return item;
  }

  const images = (count) => count + ' ' + (count === 1 ? say.instance : say.instances);

  function count(series) {
    return images(series.instances.length) + (series.thickness ? ' · ' + series.thickness + ' mm' : '');
  }

  function list() {
    const shown = byId('series');
    shown.querySelectorAll('.waiting').forEach((waiting) => { if (state.series.length) { waiting.remove(); } });
    state.series.forEach((series, order) => {
      let item = Array.from(shown.children).find((one) => one.dataset.uid === series.uid);
      if (!item) { item = card(series); }
      item.querySelector('.count').textContent = count(series);
      if (shown.children[order] !== item) { shown.insertBefore(item, shown.children[order] || null); }
    });
  }

  /* What the study holds is asked for again until all of it is known. */

  function learn(told) {
    const current = frames[state.at];
    state.series = told.series;
    list();
    const series = chosenSeries();
    if (series) {
      frames = framesOf(series);
      // New slices may lie before the one shown, which stays.
      const same = current && frames.findIndex((one) => one.instance.uid === current.instance.uid && one.number === current.number);
      if (same !== undefined && same >= 0) { state.at = same; }
      show();
      fill();
    } else if (told.series.length) {
      choose(told.series[0].uid);
    }
    const failed = told.failed.length ? ' · ' + images(told.failed.length) + ' ' + say.failed : '';
    byId('progress').textContent = told.known < told.total
      ? say.reading + ' ' + told.known + ' / ' + told.total
      : images(told.total) + failed;
    viewer.dataset.known = told.known + '/' + told.total;
    if (told.away) { byId('progress').textContent = told.away; }
    if (!told.series.length && told.failed.length) { tell(told.failed[0].text); }
  }

  async function ask(known) {
    let next = known;
    let wait = 0;
    try {
      const response = await fetch('images/contents?known=' + known, { credentials: 'same-origin' });
      const told = await response.json();
      if (!response.ok) {
        byId('progress').textContent = told.detail || say.failed;
        if (response.status !== 503) { return; }
        wait = RETRY_MS;
      } else {
        learn(told);
        next = told.known;
        if (told.known >= told.total) { return; }
        wait = told.away ? RETRY_MS : 0;
      }
    } catch (error) {
      byId('progress').textContent = say.away;
      wait = RETRY_MS;
    }
    setTimeout(() => ask(next), wait);
  }

  /* Hands: keys, wheel, mouse. */

  const KEYS = {
    ArrowDown: () => go(state.at + 1), ArrowRight: () => go(state.at + 1), ArrowUp: () => go(state.at - 1), ArrowLeft: () => go(state.at - 1),
    PageDown: () => go(state.at + 10), PageUp: () => go(state.at - 10), Home: () => go(0), End: () => go(frames.length - 1),
    i: setInverted, f: fit, p: play, '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8),
    '[': () => neighbour(-1), ']': () => neighbour(1),
  };

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) { return; }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const button = document.querySelector('#windows [data-key="' + (/^[1-9]$/.test(key) ? key : '0') + '"]');
    const act = button ? () => setWindow(button) : KEYS[key];
    if (!act) { return; }
    event.preventDefault();
    act();
  });

  let turned = 0;
  stage.addEventListener('wheel', (event) => {
    event.preventDefault();
    if (event.ctrlKey) { zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15); return; }
    // Touchpads send many small turns, wheels few large ones.
    turned += event.deltaMode === 0 ? event.deltaY : event.deltaY * 40;
    const steps = Math.trunc(turned / 40);
    if (steps !== 0) { turned -= steps * 40; go(state.at + Math.sign(steps)); }
  }, { passive: false });

  let drag = null;
  stage.addEventListener('mousedown', (event) => {
    if (event.button !== 0) { return; }
    stage.focus();
    drag = { x: event.clientX, y: event.clientY, left: state.left, top: state.top, at: state.at };
    event.preventDefault();
  });
  window.addEventListener('mousemove', (event) => {
    if (!drag) { return; }
    if (state.zoom > 1) {
      state.left = drag.left + event.clientX - drag.x;
      state.top = drag.top + event.clientY - drag.y;
      place();
    } else {
      go(drag.at + Math.round((event.clientY - drag.y) / 8));
    }
  });
  window.addEventListener('mouseup', () => { drag = null; });
  stage.addEventListener('dblclick', fit);

  slider.addEventListener('input', () => go(Number(slider.value) - 1));
  byId('windows').addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button) { setWindow(button); }
  });
  byId('invert').addEventListener('click', setInverted);
  byId('fit').addEventListener('click', fit);
  byId('play').addEventListener('click', play);

  ask(0);
}());

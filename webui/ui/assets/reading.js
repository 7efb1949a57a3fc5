const root = element.querySelector('.reading'), at = name => root.querySelector(name);
const told = (key, values = {}) => Object.entries(values).reduce(
  (text, [name, value]) => text.replaceAll('{' + name + '}', value), options.words[key][language]);
const box = name => document.querySelector('#' + options.task + '_' + name + ' textarea');
const read = name => (box(name) ? box(name).value : '');
const write = (name, text) => {
  const area = box(name); if (!area) return;
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(area, text);
  area.dispatchEvent(new Event('input', {bubbles: true})); area.focus();
};
const make = (tag, text = '', className = '', title = '') => {
  const one = document.createElement(tag); one.textContent = text; one.className = className; one.title = title; return one; };
at('.title').textContent = told('title'); at('.tokens').setAttribute('aria-label', told('title'));

let answer = {}, which = 'prompt', asked = null, waiting = null, asking = false;

// -- Chinese words of the library, offered in English
const chinese = () => {
  const lines = [];
  for (const name of options.boxes) {
    const found = (answer[name] || {}).chinese;
    if (!found) continue;
    if (found.text) {
      const line = make('p', told('becomes') + ' ', 'becomes'), button = make('button', told('apply'), 'apply'); button.type = 'button';
      button.onclick = () => write(name, found.text);
      line.append(make('code', found.text), ' ', button); lines.push(line);
    }
    if (found.unknown.length) {
      const line = make('p', told('unknown') + ' ', 'unknown'); line.append(make('code', found.unknown.join(' · ')), ' ', told('unknown_more'));
      lines.push(line); }
  }
  at('.chinese').replaceChildren(...lines);
};

// -- tokens
const compel = () => (props.value || {}).dialect === 'compel';
const count = chunk => chunk.words.reduce((sum, word) => sum + word.tokens.length, 0);
const word_of = word => {
  const learned = word.learned, several = word.tokens.length > 1;
  const one = make('span', '', 'word' + (learned ? ' learned' : several ? ' pieces' : ''));
  const note = learned ? told('learned', {count: word.tokens.length}) : several ? told('pieces', {count: word.tokens.length}) : '';
  for (const [text, id] of word.tokens) {
    const token = make('span', text, 'token', [told('token', {id, weight: word.weight}), note].filter(Boolean).join(' · '));
    token.append(make('small', String(id))); one.append(token);
  }
  if (word.weight !== 1) one.append(make('span', '×' + word.weight, 'weight' + (word.weight < 1 ? ' less' : '')));
  return one;
};
const chunk_of = (chunk, number, weights, heading) => {
  const block = make('div', '', 'chunk'), words = make('div', '', 'words');
  const part = weights.length > 1 ? told(compel() ? 'compel_part' : 'part', {number: chunk.part + 1, weight: weights[chunk.part]}) + ' · ' : '';
  block.append(make('div', heading + part + told('chunk', {number, count: count(chunk), room: chunk.room}), 'label'), words);
  words.append(...(chunk.words.length ? chunk.words.map(word_of) : [make('span', told('empty'))]));
  return block;
};
const notes_of = found => {
  const skip = Number((props.value || {}).clip_skip) || 1, sdxl = found.family === 'sdxl', lines = [];
  if (skip > (sdxl ? 2 : 1)) lines.push(told(sdxl ? 'clip_skip_sdxl' : 'clip_skip', {skip, earlier: skip - 1}));
  if (sdxl && found.encoders.length === 1) lines.push(told('same'));
  if (found.weights.length > 1 && compel()) lines.push(told('compel'));
  if (/^(sd3|flux)/.test(found.family)) lines.push(told('whole'));
  if (found.changes) lines.push(told('changes'));
  if (found.encoders.some(chunks => chunks.some(chunk => chunk.words.some(word => word.tokens.length > 1 && !word.learned)))) lines.push(told('pieces_note'));
  return lines;
};
const draw = () => {
  chinese();
  at('.counts').textContent = answer.fault ? answer.fault[language] : options.boxes.map(name => {
    const chunks = answer[name] ? answer[name].encoders[0] : [];
    return chunks.length ? chunks.reduce((sum, one) => sum + count(one), 0) + '/' + chunks.reduce((sum, one) => sum + one.room, 0) : '';
  }).filter(Boolean).join(' · ');
  if (!at('.map').open) return;
  at('.which').replaceChildren(...options.boxes.map(name => {
    const button = make('button', told(name)); button.type = 'button'; button.setAttribute('aria-pressed', String(name === which));
    button.onclick = () => { which = name; draw(); };
    return button;
  }));
  const found = answer[which];
  at('.notes').replaceChildren(...(found ? notes_of(found).map(text => make('p', text)) : []));
  const several = found && found.encoders.length > 1;
  at('.tokens').replaceChildren(...(found ? found.encoders.flatMap((chunks, place) => chunks.map((chunk, number) =>
    chunk_of(chunk, number + 1, found.weights, several ? (place ? 'OpenCLIP bigG' : 'CLIP-L') + ' · ' : ''))) : []));
};

// -- asked when the text has rested for a moment; what changes meanwhile is asked next
const wanted = () => JSON.stringify([(props.value || {}).model || '', (props.value || {}).dialect || 'a1111', ...options.boxes.map(read)]);
const ask = async () => {
  if (asking || wanted() === asked) return;
  asking = true; asked = wanted();
  try { answer = await server.read(JSON.parse(asked)); draw(); }
  catch (error) { asked = null; }  // the program is gone for a moment
  asking = false;
};
const soon = () => { clearTimeout(waiting); waiting = setTimeout(ask, 120); };
document.addEventListener('input', event => { if (options.boxes.some(name => event.target === box(name))) soon(); });
at('.map').addEventListener('toggle', draw);
watch('value', () => { draw(); soon(); });
const ticking = setInterval(() => {  // presets and sent settings change the boxes without an event
  if (!element.isConnected) clearInterval(ticking);
  else if (root.offsetParent !== null) ask();
}, 500);

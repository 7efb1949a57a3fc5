const root = element.querySelector('.composer'), at = name => root.querySelector(name);
const told = key => options.words[key][language];
const box = name => document.querySelector('#' + options.task + '_' + name + ' textarea');
const read = name => (box(name) ? box(name).value : '');
const write = (name, text) => {
  const area = box(name); if (!area || area.value === text) return;
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(area, text);
  area.dispatchEvent(new Event('input', {bubbles: true}));
};
at('.title').textContent = told('composer');
at('.find').placeholder = told('find'); at('.find').setAttribute('aria-label', told('find'));
at('.rows').setAttribute('aria-label', told('composer'));
at('.name').placeholder = told('name'); at('.name').setAttribute('aria-label', told('name'));
at('.save').textContent = told('save'); at('.hint').textContent = told('hint');

let library = null, toggles = [], kind = '', seen = null, caret = null;

const element_of = (tag, text, title, className = '') => {
  const one = document.createElement(tag); one.textContent = text; one.title = title; one.className = className; return one; };

// -- rows of toggles
const word_toggle = (category, word) => ({
  label: language ? word.name_zh : word.word,
  title: (language ? word.word + ' · ' + word.does_zh : word.does),
  text: (word.word + ' ' + word.name_zh).toLowerCase(), word: word.word,
  press: lit => {
    let prompt = read('prompt');
    if (lit) return write('prompt', promptText.remove(prompt, word.word));
    if (category.single) for (const other of category.words) prompt = promptText.remove(prompt, other.word);
    write('prompt', promptText.add(prompt, word.word, category.joint, caret ?? prompt.length));
    if (category.joint === 'sign' && caret !== null) caret += word.word.length;
  },
});
const style_toggle = style => ({
  label: style.name[language], title: style.prompt, text: style.name.join(' ').toLowerCase(), template: style.prompt,
  press: lit => {
    const change = lit ? promptText.unwrap : promptText.wrap;
    write('prompt', change(read('prompt'), style.prompt));
    if (style.negative_prompt) write('negative_prompt', change(read('negative_prompt'), style.negative_prompt));
  },
});
const groups = () => {
  if (kind === 'styles') return library.styles.map(one => ({...one, strong: false, toggles: one.styles.map(style_toggle)}));
  return library.categories.filter(one => one.for_builtin === (kind === 'builtin'))
    .map(one => ({...one, toggles: one.words.map(word => word_toggle(one, word))}));
};
const row_of = group => {
  const row = element_of('div', '', '', 'row' + (group.strong ? ' strong' : '')), chips = element_of('div', '', '', 'chips');
  const title = group.does[language] + (group.strong ? ' ' + told('strong') : '');
  const label = element_of('div', group.name[language], title, 'label'), more = element_of('button', '⋯', told('more'), 'more');
  more.type = 'button'; more.setAttribute('aria-expanded', 'false'); more.setAttribute('aria-label', told('more') + ' ' + group.name[language]);
  more.onclick = () => more.setAttribute('aria-expanded', String(row.classList.toggle('open')));
  for (const one of group.toggles) {
    one.button = element_of('button', one.label, one.title); one.button.type = 'button'; one.row = row;
    one.button.setAttribute('aria-pressed', 'false');
    one.button.onclick = () => { one.press(one.button.getAttribute('aria-pressed') === 'true'); light(true); };
    chips.append(one.button); toggles.push(one);
  }
  chips.onscroll = () => { chips.scrollTop = 0; row.classList.add('open'); };  // the keyboard came to one that was cut off
  chips.setAttribute('role', 'group'); chips.setAttribute('aria-label', group.name[language]);
  row.append(label, chips, more);
  return row;
};
const light = (always = false) => {  // what the prompt holds is lit
  const prompt = read('prompt');
  if (!always && prompt === seen) return;
  seen = prompt;
  const words = promptText.found(prompt, toggles.filter(one => one.word).map(one => one.word));
  let count = 0;
  const rows = new Map();
  for (const one of toggles) {
    const lit = one.word ? words.has(one.word) : promptText.wrapped(prompt, one.template);
    one.button.setAttribute('aria-pressed', String(lit)); count += lit;
    rows.set(one.row, (rows.get(one.row) || 0) + lit);
  }
  for (const [row, lit] of rows) row.querySelector('.more').textContent = lit ? '⋯ ' + lit : '⋯';
  at('.count').textContent = count ? String(count) : '';
};
const filter = () => {
  const wanted = at('.find').value.trim().toLowerCase();
  at('.rows').classList.toggle('found', wanted !== '');
  const kept = new Set();
  for (const one of toggles) { one.button.hidden = wanted !== '' && !one.text.includes(wanted); if (!one.button.hidden) kept.add(one.row); }
  for (const row of at('.rows').children) row.hidden = !kept.has(row);
};
// -- one's own presets
const change = async (...request) => {
  const answer = await server.change([request[0], String(language), ...request.slice(1)]);
  at('.told').textContent = answer.told; at('.told').dataset.state = answer.state;
  if (kind === 'mine') show_mine(answer.mine, answer.gone);
  if (request[0]) trigger('select', {index: 0, value: request[0]});
};
const exchange = () => {  // other programs' styles, in and out
  const row = element_of('div', '', '', 'exchange'), file = document.createElement('input');
  const take = element_of('button', told('import'), ''), give = element_of('button', told('export'), '');
  take.type = give.type = 'button'; file.type = 'file'; file.accept = '.csv,.json'; file.hidden = true;
  take.onclick = () => file.click();
  file.onchange = async () => { if (!file.files.length) return;
    const {path} = await upload(file.files[0]); file.value = ''; await change('import', path); };
  give.onclick = async () => {
    const {csv} = await server.change(['export', String(language)]), link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob(['\ufeff' + csv], {type: 'text/csv'})); link.download = 'styles.csv';
    link.click(); setTimeout(() => URL.revokeObjectURL(link.href), 5000); };
  row.append(take, give, file);
  return row;
};
const show_gone = gone => {
  const row = element_of('div', gone.length ? told('gone') + ': ' : '', '', 'exchange');
  row.append(...gone.map(name => {
    const button = element_of('button', '↶ ' + name.replace(/\.yaml$/, ''), told('undelete'), 'undelete'); button.type = 'button';
    button.setAttribute('aria-label', told('undelete') + ' ' + name); button.onclick = () => change('undelete', name);
    return button;
  }));
  return row;
};
const show_mine = (mine, gone) => {
  const rows = mine.map((one, place) => {
    const row = element_of('div', '', '', 'own'), name = document.createElement('input');
    name.value = one.name; name.title = one.text; name.maxLength = 80; name.setAttribute('aria-label', told('rename') + ' ' + one.name);
    name.onchange = () => change('rename', one.name, name.value);
    const act = (action, sign, off = false) => {
      const button = element_of('button', sign, told(action), action); button.type = 'button'; button.disabled = off;
      button.setAttribute('aria-label', told(action) + ' ' + one.name); button.onclick = () => change(action, one.name);
      return button;
    };
    row.append(name, act('up', '↑', place === 0), act('down', '↓', place === mine.length - 1), act('duplicate', '+'), act('earlier', '↶'), act('delete', '✕'));
    return row;
  });
  at('.rows').replaceChildren(...(rows.length ? rows : [element_of('p', told('none'), '', 'hint')]), show_gone(gone), exchange());
};
const draw = () => {
  toggles = [];
  at('.find').style.visibility = kind === 'mine' ? 'hidden' : '';
  at('.kinds').replaceChildren(...['builtin', 'words', 'styles', 'mine'].map(name => {
    const button = element_of('button', told(name), told(name + '_title')); button.type = 'button';
    button.setAttribute('aria-pressed', String(name === kind)); button.onclick = () => { kind = name; draw(); };
    return button;
  }));
  if (kind === 'mine') { at('.count').textContent = ''; change(''); return; }
  at('.rows').replaceChildren(...groups().map(row_of));
  at('.rows').classList.toggle('all', kind === 'builtin');
  filter(); light(true);
};
at('.find').oninput = filter;

// -- fetched when first opened; one copy for all tabs
root.addEventListener('toggle', async () => {
  if (!root.open || library) return;
  at('.told').textContent = told('loading');
  try {
    window.seedprintLibrary = window.seedprintLibrary || server.library();
    library = await window.seedprintLibrary;
  } catch (error) { window.seedprintLibrary = null; at('.told').textContent = told('failed'); return; }
  at('.told').textContent = library.problems.join(' · '); at('.told').dataset.state = 'refused';
  kind = (props.value || {}).builtin ? 'builtin' : 'words';
  draw();
});
document.addEventListener('input', event => { if (root.open && library && event.target === box('prompt')) light(); });
document.addEventListener('selectionchange', () => { const area = box('prompt');
  if (area && document.activeElement === area) caret = area.selectionEnd; });
const ticking = setInterval(() => {  // presets and sent settings change the box without an event
  if (!element.isConnected) clearInterval(ticking);
  else if (root.open && library && root.offsetParent !== null) light();
}, 400);

// -- keeping the form as a preset
const keep = () => { const name = at('.name').value.trim();
  if (!name) { at('.name').focus(); return; }
  props.value = {...(props.value || {}), name, told: '', asked: Date.now()}; trigger('submit'); };
at('.save').onclick = keep;
at('.name').addEventListener('keydown', event => { if (event.key === 'Enter' && !event.ctrlKey) { event.preventDefault(); keep(); } });
let builtin = (props.value || {}).builtin;
watch('value', () => {
  const value = props.value || {};
  at('.told').textContent = value.told || ''; at('.told').dataset.state = value.state || '';
  if (value.state === 'saved' && value.told) { at('.name').value = ''; if (kind === 'mine') draw(); }
  if (value.builtin !== builtin) { builtin = value.builtin; if (library && kind in {builtin: 1, words: 1}) { kind = builtin ? 'builtin' : 'words'; draw(); } }
});

// -- keys in the prompt boxes: Ctrl+Up/Down weighs, Alt+Left/Right moves a phrase
if (!window.seedprintPromptKeys) {
  window.seedprintPromptKeys = true;
  document.addEventListener('keydown', event => {
    const area = event.target, up = {ArrowUp: 1, ArrowDown: -1}[event.key], aside = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!(area instanceof HTMLTextAreaElement) || !area.closest('[id$="_prompt"]')) return;
    const control = event.ctrlKey || event.metaKey;
    let changed = null;
    if (control && !event.altKey && up) changed = promptText.weigh(area.value, area.selectionStart, area.selectionEnd, up * 0.1);
    else if (event.altKey && !control && aside) changed = promptText.move(area.value, area.selectionStart, aside);
    else return;
    event.preventDefault();
    if (!changed) return;
    area.setSelectionRange(0, area.value.length);
    if (!document.execCommand('insertText', false, changed.text)) {  // keeps the box's own undo where the browser can
      Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(area, changed.text);
      area.dispatchEvent(new Event('input', {bubbles: true}));
    }
    area.setSelectionRange(changed.start, changed.end);
  });
}

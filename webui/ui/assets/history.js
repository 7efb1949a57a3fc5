const W = options.words, at = name => element.querySelector(name), PAGE = 60, FRESH = 4000;
const tell = (key, n, m) => W[key][language].replace('{n}', (n ?? 0).toLocaleString()).replace('{m}', (m ?? 0).toLocaleString());
const root = at('.history'), sheet = at('.sheet'), bar = at('.bar'), told = at('.told'), filters = at('.filters');
const large = at('dialog.large'), both = at('dialog.both'), ask = at('dialog.ask'), proof = at('dialog.proof'), words = at('.words'), sort = at('.sort');
// -- small helpers
const make = (name, attributes, ...children) => { const one = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) one[key] = value; else if (key === 'text') one.textContent = value;
    else if (typeof value === 'boolean') one.toggleAttribute(key, value); else one.setAttribute(key, value); }
  one.append(...children.filter(child => child)); return one; };
const button = (key, onclick, kind) => make('button', {type: 'button', class: kind || key, text: tell(key), onclick});
const talk = async (path, body) => {
  const how = body ? {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)} : {};
  let answer; try { answer = await fetch('/history/' + path, how); } catch (error) { throw new Error(tell('failed')); }
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(typeof data.detail === 'string' ? data.detail : tell('failed'));
  return data; };
const say2 = (text, fault, undo) => { told.hidden = !text; told.classList.toggle('fault', Boolean(fault));
  told.firstElementChild.textContent = text || ''; const back = told.querySelector('.undo'); back.hidden = !undo; back.onclick = undo || null; };
const attempt = work => async (...rest) => { try { return await work(...rest); } catch (error) { say2(error.message, true); } };
// -- what is asked for
const wish = {sort: 'newest'}; let items = [], chosen = new Set(), after = null, turn = 0, busy = false, last = -1, loadedAt = 0, total = null;
const query = more => { const found = new URLSearchParams();
  for (const [key, value] of Object.entries({...wish, ...more})) if (value || value === 0) found.set(key, value);
  return 'page?' + found; };
const load = attempt(async () => {
  const now = ++turn; busy = true;
  try {
    const page = await talk(query({limit: PAGE, count: 1})); if (now !== turn) return;
    items = page.items; after = page.after; total = page.count; loadedAt = Date.now();
    chosen = new Set([...chosen].filter(id => items.some(item => item.id === id))); last = -1;
    sheet.replaceChildren(...items.map(cell)); show(page);
  } finally { if (now === turn) busy = false; }
  measure(); });
const more = attempt(async () => {
  if (busy || !after) return; busy = true; const now = turn;
  try { const page = await talk(query({limit: PAGE, after})); if (now !== turn) return;
    const known = new Set(items.map(item => item.id)), fresh = page.items.filter(item => !known.has(item.id));
    items.push(...fresh); after = page.after; sheet.append(...fresh.map(cell)); show(page);
  } finally { if (now === turn) busy = false; }
  measure(); });
// looked at anew after each page: an end that stays in sight is no event
const spy = new IntersectionObserver(seen => { if (seen[seen.length - 1].isIntersecting) more(); }, {rootMargin: '900px'});
const measure = () => { spy.unobserve(at('.end')); spy.observe(at('.end')); };
const quiet = () => root.offsetParent && !document.hidden && !chosen.size && !busy && ![large, both, ask, proof].some(one => one.open)
  && root.getBoundingClientRect().top > -200;
const look = async () => { if (!quiet() || Date.now() - loadedAt < FRESH) return; loadedAt = Date.now(); const now = turn;
  try { const page = await talk(query({limit: PAGE, count: 1})); if (now !== turn || !quiet()) return;
    const same = page.items.length === Math.min(items.length, PAGE) && page.items.every((item, n) =>
      item.id === items[n].id && item.rating === items[n].rating) && page.count === total;
    if (same) show(page); else load(); } catch (error) { /* the next look may succeed */ } };
const show = page => {
  const scanning = page.scanning ? ' · ' + tell('scanning', page.scanned, page.scanning) : '';
  at('.count').textContent = (total === null ? '' : tell('count', total)) + scanning;
  const plain = Object.keys(wish).every(key => key === 'sort' || !wish[key]);
  at('.empty').hidden = items.length > 0; at('.empty').textContent = tell(plain ? 'nothing' : wish.trashed ? 'trash_empty' : 'nothing_found');
  at('.all').hidden = !items.length; at('.erase-all').hidden = !(wish.trashed && items.length); choose(); };
// -- thumbnails
const cell = item => {
  const image = make('img', {loading: 'lazy', decoding: 'async', src: item.thumb, alt: item.prompt, draggable: 'false'});
  const what = item.kind === 'grid' ? tell('grid_of') : item.seed === null ? item.width + ' × ' + item.height : item.seed;
  const line = make('span', {class: 'line'}, make('span', {class: 'what', text: what}), make('span', {class: 'stars', text: '★'.repeat(item.rating)}));
  const open = make('button', {type: 'button', title: item.prompt || item.place, 'aria-label': (item.prompt || item.place) + ' · ' + what}, image, line);
  const tick = make('input', {type: 'checkbox', class: 'tick', 'aria-label': tell('select')});
  const one = make('div', {class: 'cell', role: 'listitem', 'data-id': item.id}, open, tick);
  tick.checked = chosen.has(item.id);
  const place = () => items.findIndex(other => other.id === item.id);
  const pick = (on, range) => { const here = place();
    const [from, to] = range && last >= 0 ? [Math.min(last, here), Math.max(last, here)] : [here, here];
    for (let n = from; n <= to; n += 1) on ? chosen.add(items[n].id) : chosen.delete(items[n].id);
    last = here; choose(); };
  tick.onclick = event => pick(tick.checked, event.shiftKey);
  open.onclick = event => event.ctrlKey || event.metaKey || event.shiftKey ? pick(!chosen.has(item.id), event.shiftKey) : enlarge(place());
  return one; };
const redraw = item => { const old = [...sheet.children].find(one => one.dataset.id === item.id); if (old) old.replaceWith(cell(item)); };
// -- the selected ones
const ids = () => items.filter(item => chosen.has(item.id)).map(item => item.id);
const choose = () => { const many = chosen.size; root.classList.toggle('choosing', many > 0);
  for (const one of sheet.children) one.querySelector('.tick').checked = chosen.has(one.dataset.id);
  bar.hidden = !many; if (!many) return; bar.querySelector('.many').textContent = tell('selected', many);
  bar.querySelector('.compare').hidden = many !== 2;
  for (const one of bar.querySelectorAll('[data-trash]')) one.hidden = (one.dataset.trash === 'yes') !== Boolean(wish.trashed); };
const five = (rating, give) => { const box = make('span', {class: 'five', role: 'group', 'aria-label': tell('rate')});
  for (let n = 1; n <= 5; n += 1) box.append(make('button', {type: 'button', class: n <= rating ? 'on' : '', text: n <= rating ? '★' : '☆',
    'aria-label': tell('rate') + ' ' + n, 'aria-pressed': String(n === rating), onclick: () => give(n === rating ? 0 : n)})); return box; };
const rate = attempt(async (these, rating) => { await talk('act', {action: 'rate', ids: these, value: String(rating)});
  for (const item of items) if (these.includes(item.id)) { item.rating = rating; redraw(item); } });
const tags = attempt(async (action, these, value) => { await talk('act', {action, ids: these, value}); facets(); });
const act = attempt(async (action, these, value, key, back) => {
  const done = await talk('act', {action, ids: these, value: value || ''});
  const undo = back && done.ids.length ? attempt(async () => { await talk('act', {action: back, ids: done.ids}); say2(''); await load(); }) : null;
  say2(done.problem || (key ? tell(key, done.ids.length) : ''), Boolean(done.problem), undo);
  chosen.clear(); await load(); facets(); });
const question = (text, box, go, kind) => { ask.replaceChildren(make('form', {method: 'dialog', onsubmit: () => go(box ? box.value : '')},
    make('label', {}, make('span', {text}), box),
    make('div', {class: 'row'}, button('close', () => ask.close()), make('button', {type: 'submit', class: kind || '', text: 'OK'}))));
  ask.showModal(); if (box) box.focus(); };
const download = attempt(async (kind, these) => { const {url} = await talk('export', {kind, ids: these});
  const link = make('a', {href: url, download: ''}); document.body.append(link); link.click(); link.remove(); });
const build = () => {
  const tag = make('input', {type: 'text', placeholder: tell('tag'), 'aria-label': tell('tag'), list: 'history_tags', maxlength: '60'});
  const put = action => { const value = tag.value.trim(); if (value) tags(action, ids(), value).then(() => { tag.value = ''; }); };
  tag.onkeydown = event => { if (event.key === 'Enter') { event.preventDefault(); put('tag'); } };
  const out = make('select', {class: 'export', 'aria-label': tell('export')}, make('option', {value: '', text: tell('export')}),
    ...['full', 'prompt', 'none', 'sheet'].map(kind => make('option', {value: kind, text: tell(kind)})));
  out.onchange = () => { const kind = out.value; out.value = ''; if (kind) download(kind, ids()); };
  const stars = make('select', {class: 'rate', 'aria-label': tell('rate')}, make('option', {value: '', text: tell('rate')}),
    ...[0, 1, 2, 3, 4, 5].map(n => make('option', {value: String(n), text: n ? '★'.repeat(n) : '–'})));
  stars.onchange = () => { const n = stars.value; stars.value = ''; if (n !== '') rate(ids(), Number(n)); };
  const move = button('move', () => { const box = make('input', {type: 'text', list: 'history_folders', required: true, maxlength: '200'});
    question(tell('move_to'), box, value => act('move', ids(), value, 'moved')); });
  const parts = [stars, make('span', {class: 'tag-box'}, tag, button('tag_add', () => put('tag'), ''), button('tag_remove', () => put('untag'), '')),
    button('compare', () => compare(items.filter(item => chosen.has(item.id)))), button('verify', () => verify(ids())), move, out,
    button('delete', () => act('delete', ids(), '', 'deleted', 'restore'), 'delete danger')];
  const inTrash = [button('restore', () => act('restore', ids(), '', 'restored')),
    button('erase', () => { const these = ids(); question(tell('erase_sure', these.length), null, () => act('erase', these), 'danger'); }, 'danger')];
  parts.forEach((one, n) => { if (n !== 2) one.dataset.trash = 'no'; }); inTrash.forEach(one => { one.dataset.trash = 'yes'; });
  bar.append(make('span', {class: 'many'}), ...parts, ...inTrash, button('unselect', () => { chosen.clear(); choose(); }),
    make('datalist', {id: 'history_tags'}), make('datalist', {id: 'history_folders'})); };
// -- filters
const boxes = {};
const buildFilters = () => {
  const put = (key, box, kind) => { boxes[key] = box; box.onchange = () => { change(key); };
    filters.append(make('label', {class: kind || ''}, kind ? box : make('span', {text: tell(kind || key)}), kind ? make('span', {text: tell(key)}) : box)); };
  for (const key of ['model', 'sampler', 'task', 'size', 'kind', 'tag']) put(key, make('select', {class: 'by-' + key}));
  put('stars', make('select', {class: 'by-stars'}, ...[0, 1, 2, 3, 4, 5].map(n => make('option', {value: n ? String(n) : '', text: n ? '★'.repeat(n) : tell('any')}))));
  put('seed', make('input', {type: 'text', inputmode: 'numeric', class: 'by-seed'}));
  put('since', make('input', {type: 'date', class: 'by-since'})); put('until', make('input', {type: 'date', class: 'by-until'}));
  put('lora', make('input', {type: 'checkbox', class: 'by-lora'}), 'tick');
  put('trash', make('input', {type: 'checkbox', class: 'by-trash'}), 'tick');
  filters.append(button('reset', () => { for (const box of Object.values(boxes)) box.type === 'checkbox' ? (box.checked = false) : (box.value = '');
    words.value = ''; for (const key of Object.keys(wish)) if (key !== 'sort') delete wish[key]; marked(); load(); }));
  options_of(boxes.kind, ['image', 'grid'].map(kind => [kind, tell(kind)])); };
const options_of = (box, pairs) => { const before = box.value;
  box.replaceChildren(make('option', {value: '', text: tell('any')}), ...pairs.map(([value, text]) => make('option', {value, text})));
  box.value = pairs.some(([value]) => value === before) ? before : ''; };
const change = key => { const box = boxes[key], value = box.type === 'checkbox' ? (box.checked ? '1' : '') : box.value.trim();
  if (key === 'size') [wish.width, wish.height] = value ? value.split('x') : ['', ''];
  else wish[{stars: 'rating', trash: 'trashed'}[key] || key] = value;
  if (key === 'trash') chosen.clear(); marked(); load(); };
const marked = () => at('.more-filters').classList.toggle('used', Object.keys(wish).some(key => !['sort', 'words'].includes(key) && wish[key]));
const facets = attempt(async () => { const found = await talk('facets');
  const named = key => found[key].map(([value, count]) => [value, (W[value] && key === 'task' ? tell(value) : value) + ' (' + count + ')']);
  for (const key of ['model', 'sampler', 'task', 'size', 'tag']) options_of(boxes[key], named(key));
  bar.querySelector('#history_tags').replaceChildren(...found.tag.map(([value]) => make('option', {value})));
  bar.querySelector('#history_folders').replaceChildren(...found.folders.filter(Boolean).map(value => make('option', {value}))); });
// -- one picture large
let shown = 0, looks = {};  // the overlays asked for last, and of which picture
const lookAt = item => { props.value = {look: item.place, turn: Date.now()}; trigger('expand', {}); };
const overlay = () => { const box = large.querySelector('.looks-box');
  if (box) { const mine = box.dataset.place === looks.place; box.hidden = !mine; box.innerHTML = mine ? looks.looks : ''; } };  // escaped by the server
const send = (way, item) => { large.close(); props.value = {send: way, place: item.place, turn: Date.now()}; trigger('select', {}); };
const enlarge = attempt(async place => {
  const item = items[place]; if (!item) return; shown = place; const full = await talk('picture/' + item.id); if (shown !== place) return;
  draw(full, place); if (!large.open) large.showModal(); if (place > items.length - 8) more(); });
const visit = attempt(async id => { const place = items.findIndex(item => item.id === id); if (place >= 0) return enlarge(place);
  draw(await talk('picture/' + id), shown); });
const draw = (full, place) => {
  const step = (key, by) => make('button', {type: 'button', class: key, 'aria-label': tell(key), text: by < 0 ? '‹' : '›',
    disabled: !items[place + by], onclick: () => enlarge(place + by)});
  const again = () => visit(full.id), mine = items.find(item => item.id === full.id);
  const give = async n => { await rate([full.id], n); if (mine) mine.rating = n; again(); };
  const box = make('input', {type: 'text', placeholder: tell('tag_add'), 'aria-label': tell('tag_add'), list: 'history_tags', maxlength: '60'});
  box.onkeydown = event => { event.stopPropagation(); if (event.key === 'Enter' && box.value.trim()) { event.preventDefault(); tags('tag', [full.id], box.value).then(again); } };
  const kin = (key, list) => list.length ? [make('h4', {text: tell(key)}), make('div', {class: 'kin ' + key}, ...list.map(one =>
    make('button', {type: 'button', title: one.prompt, 'aria-label': one.prompt || one.place, onclick: () => visit(one.id)},
      make('img', {src: one.thumb, alt: one.prompt, loading: 'lazy'}))))] : [];
  const settings = make('div', {class: 'settings-box'}); settings.innerHTML = full.settings;  // escaped by the server
  const image = make('img', {src: full.url, alt: full.prompt});
  large.replaceChildren(make('div', {class: 'two'},
    make('a', {class: 'stage', href: full.url, target: '_blank', rel: 'noopener'}, image),
    make('div', {class: 'side'},
      make('div', {class: 'heads'}, step('previous', -1), step('next', 1), five(full.rating, give), make('span', {class: 'room'}),
        button('close', () => large.close())),
      make('div', {class: 'tags'}, ...full.tags.map(tag => make('button', {type: 'button', class: 'tag', text: tag + ' ×', 'aria-label': tell('tag_remove') + ' ' + tag,
        onclick: () => tags('untag', [full.id], tag).then(again)})), box),
      full.trashed ? null : make('div', {class: 'sends'}, button('to_img2img', () => send('img2img', full)), button('to_inpaint', () => send('inpaint', full)),
        button('to_again', () => send('again', full)), button('to_run', () => send('run', full)),
        full.kind === 'image' ? button('to_looks', () => lookAt(full)) : null),
      make('div', {class: 'looks-box', 'data-place': full.place, hidden: true}),
      ...kin('parents', full.parents), ...kin('children', full.children), settings,
      make('div', {class: 'place', text: full.place + ' · ' + full.made.replace('T', ' ').slice(0, 16)})))); overlay(); };
large.addEventListener('keydown', event => { const by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (by && items[shown + by] && event.target.tagName !== 'INPUT') { event.preventDefault(); enlarge(shown + by); } });
// -- two pictures compared
const compare = pair => { if (pair.length !== 2) return;
  const slider = make('input', {type: 'range', min: '0', max: '100', step: '0.1', value: '50', 'aria-label': tell('divider')});
  const stage = make('div', {class: 'pair'}, ...pair.map(item => make('img', {src: item.url, alt: item.prompt, draggable: 'false'})),
    make('span', {class: 'cut'}), slider);
  slider.oninput = () => stage.style.setProperty('--split', slider.value + '%');
  const name = item => (item.seed === null ? '' : item.seed + ' · ') + item.width + ' × ' + item.height + ' · ' + item.prompt;
  both.replaceChildren(button('close', () => both.close()), stage, make('div', {class: 'names'}, ...pair.map(item => make('span', {text: name(item), title: name(item)}))));
  both.showModal(); slider.focus(); };
for (const one of [large, both, ask, proof]) one.addEventListener('click', event => { if (event.target === one) one.close(); });
// -- made again and compared: a run of its own, which goes on when the dialog is closed
const STATES = {queued: 'verify_queued', running: 'verify_running', done: 'verify_done', cancelled: 'verify_cancelled', failed: 'verify_failed'};
const VERDICTS = {identical: 'verify_identical', differs: 'verify_differs', cannot: 'verify_cannot'};
const KEPT = 'seedprint-verify', chip = at('.proof-open'), bar2 = make('progress', {max: '1', value: '0', 'aria-label': tell('verify')});
const line = make('span', {class: 'line', role: 'status'}), tally = make('div', {class: 'tally'}), found = make('div', {class: 'found'});
const halt = button('cancel', attempt(() => talk('verify/' + run + '/cancel', {})));
proof.append(make('div', {class: 'heads'}, make('h3', {text: tell('verify_all')}), make('span', {class: 'room'}), halt, button('close', () => proof.close())),
  bar2, line, tally, found);
let run = '', seen = 0;
const verify = attempt(async these => { const {job} = await talk('verify', {ids: these}); follow(job); proof.showModal(); });
const follow = job => { run = job; seen = 0; found.replaceChildren(); localStorage.setItem(KEPT, job); chip.hidden = false; beat(job); };
const beat = async job => {
  let now; try { now = await talk('verify/' + job + '?after=' + seen); } catch (error) { now = null; }
  if (job !== run || !root.isConnected) return;
  if (!now) { localStorage.removeItem(KEPT); chip.hidden = true; return; }
  const over = !['queued', 'running'].includes(now.state);
  seen += now.results.length; bar2.value = over ? 1 : now.share; bar2.hidden = halt.hidden = over;
  chip.textContent = tell('verify') + ' · ' + now.done + '/' + now.total; line.textContent = now.error || tell(STATES[now.state], now.done, now.total);
  tally.replaceChildren(...Object.entries(now.counts).filter(([, n]) => n).map(([key, n]) => make('span', {class: key, text: tell(VERDICTS[key], n)})));
  for (const one of now.results) { const told2 = make('div'); told2.innerHTML = one.html;  // escaped by the server
    found.append(make('div', {class: 'one', 'data-verdict': one.verdict}, make('img', {src: one.thumb, alt: '', loading: 'lazy'}), told2)); }
  if (!over || seen < now.done) setTimeout(() => beat(job), seen < now.done ? 0 : 400); };
chip.onclick = () => proof.showModal();
if (localStorage.getItem(KEPT)) follow(localStorage.getItem(KEPT));
// -- beginning
words.placeholder = tell('search'); words.setAttribute('aria-label', tell('search')); sort.setAttribute('aria-label', tell('sort'));
for (const key of ['newest', 'oldest', 'rating', 'largest']) sort.append(make('option', {value: key, text: tell(key)}));
at('.more-filters').textContent = tell('filters'); at('.all').textContent = tell('select_all'); at('.erase-all').textContent = tell('erase_all');
told.querySelector('.undo').textContent = tell('undo');
at('.more-filters').onclick = () => { filters.hidden = !filters.hidden; at('.more-filters').setAttribute('aria-expanded', String(!filters.hidden)); };
at('.all').onclick = () => { for (const item of items) chosen.add(item.id); choose(); };
at('.erase-all').onclick = () => question(tell('erase_all_sure'), null, () => act('erase', []), 'danger');
let typing; words.oninput = () => { clearTimeout(typing); typing = setTimeout(() => { wish.words = words.value.trim(); load(); }, 200); };
sort.onchange = () => { wish.sort = sort.value; load(); };
build(); buildFilters();
let open = false;
const opened = new IntersectionObserver(seen => { const now = seen[seen.length - 1].isIntersecting;
  if (now && !open) { if (!loadedAt) load(); else look(); facets(); } open = now; });
opened.observe(root);
const clock = setInterval(() => { if (!root.isConnected) { clearInterval(clock); return; } look(); }, 1000);
watch('value', () => { const value = props.value || {}; if (value.error) say2(value.error, true); if (value.looks) { looks = value; overlay(); } });

const at = name => element.querySelector(name), list = at('.list'), kinds = at('.kinds'), search = at('.search');
const words = (key, n) => options.words[key][language].replace('{n}', n);
let items = [], selected = null, kind = '', timer = null;
search.placeholder = words('search'); search.setAttribute('aria-label', words('search'));
at('.refresh').textContent = words('refresh'); list.setAttribute('aria-label', words('list'));
const facts = item => [item.family, item.size, item.hash || (item.hashing ? words('hashing') : ''),
  item.used ? words('used', item.used) : ''].filter(Boolean).join(' · ');
const drawKinds = () => {
  const counts = new Map([['', items.length]]), titles = {'': words('all')};
  for (const item of items) { counts.set(item.kind, (counts.get(item.kind) || 0) + 1); titles[item.kind] = item.title; }
  if (!counts.has(kind)) kind = '';
  kinds.replaceChildren(...[...counts].map(([one, count]) => {
    const button = document.createElement('button'); button.type = 'button'; button.textContent = titles[one] + ' ' + count;
    button.dataset.kind = one; button.setAttribute('aria-pressed', String(one === kind));
    button.onclick = () => { kind = one; draw(); }; return button; }));
  kinds.style.display = counts.size > 2 ? '' : 'none';
};
const draw = () => {
  drawKinds();
  const asked = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const shown = items.filter(item => (!kind || item.kind === kind) && asked.every(word => item.name.toLowerCase().includes(word)));
  list.replaceChildren(...shown.map(item => {
    const row = document.createElement('button'); row.type = 'button'; row.setAttribute('role', 'option');
    row.dataset.id = item.id; row.dataset.kind = item.kind; row.setAttribute('aria-selected', String(item.id === selected));
    for (const [name, text] of [['name', item.name], ['kind', item.title], ['facts', facts(item)], ['problem', item.problem]]) {
      const cell = document.createElement('span'); cell.className = name; cell.textContent = text; row.append(cell); }
    row.onclick = () => { selected = item.id;
      for (const one of list.children) one.setAttribute('aria-selected', String(one === row));
      props.value = {selected}; trigger('select'); };
    return row; }));
  at('.empty').textContent = shown.length ? '' : words(items.length ? 'nothing' : 'none');
};
const take = () => {
  const value = props.value || {};
  if ('selected' in value) selected = value.selected;
  if (!value.items) return;
  items = value.items; draw(); clearTimeout(timer);
  // hashes come one after the other: looked for while somebody looks
  if (items.some(item => item.hashing)) timer = setTimeout(ask, 1500);
};
const ask = () => { if (!element.isConnected) return;
  if (element.offsetParent === null) { timer = setTimeout(ask, 1500); return; }
  props.value = {selected}; trigger('input'); };
at('.refresh').onclick = () => { props.value = {selected}; trigger('input'); };
search.oninput = draw;
take(); watch('value', take);

const at = name => element.querySelector(name);
const root = at('.painter'), mask = at('.mask'), under = at('.under'), ring = at('.ring'), pen = mask.getContext('2d', {willReadFrequently: true});
for (const name of ['brush', 'erase', 'undo', 'invert', 'clear', 'upload', 'other', 'drop']) at('button.' + name).textContent = say(name);
const view = at('.view');
for (const [name, word] of [['out', 'zoom_out'], ['level', 'zoom_fit'], ['in', 'zoom_in']]) {
  at('.' + name).setAttribute('aria-label', say(word)); at('.' + name).title = say(word); }
at('.size-word').textContent = say('size'); at('.size').setAttribute('aria-label', say('size'));
mask.setAttribute('aria-label', say('canvas'));
let past = [], down = false, last = null, erasing = false, sent = 0, busy = 0, wanted = null;
const fault = key => { at('.fault').textContent = key ? say(key) : ''; };
const remember = () => { past.push(pen.getImageData(0, 0, mask.width, mask.height));
  const room = Math.max(2, Math.min(20, Math.floor(1.2e8 / (mask.width * mask.height * 4)))); while (past.length > room) past.shift(); };
const white = () => {  // the mask as it is sent: white where painted on black
  const sheet = document.createElement('canvas'); sheet.width = mask.width; sheet.height = mask.height;
  const other = sheet.getContext('2d'), fill = (how, colour) => { other.globalCompositeOperation = how;
    other.fillStyle = colour; other.fillRect(0, 0, sheet.width, sheet.height); };
  other.drawImage(mask, 0, 0); fill('source-in', '#fff'); fill('destination-over', '#000');
  return new Promise(done => sheet.toBlob(done, 'image/png'));
};
const commit = async () => {
  const turn = ++sent; busy += 1;
  try {
    const {path} = await upload(new File([await white()], 'mask.png', {type: 'image/png'}));
    if (turn === sent) { fault(''); props.value = {...(props.value || {}), mask: path}; }
  } catch (error) { fault('unsent'); }
  busy -= 1;
  if (!busy && wanted) { const button = wanted; wanted = null; setTimeout(() => button.click(), 30); }
};
// a click on Generate waits for a mask that is on its way
document.addEventListener('click', event => {
  const button = event.target.closest && event.target.closest('#inpaint_generate');
  if (button && busy && element.isConnected) { event.stopImmediatePropagation(); event.preventDefault(); wanted = button; }
}, true);
const load = () => {
  const value = props.value || {};
  if (!value.url) { root.classList.remove('loaded'); under.removeAttribute('src'); delete under.dataset.shown; return; }
  const key = value.url + '|' + (value.mask_url || '');
  if (under.dataset.shown !== key) { under.dataset.shown = key; under.src = value.url; }
};
under.onload = () => {
  fault(''); root.classList.add('loaded'); zoomTo(1); mask.width = under.naturalWidth; mask.height = under.naturalHeight;
  under.classList.toggle('small', under.naturalWidth < 448); past = []; sent += 1;
  pen.clearRect(0, 0, mask.width, mask.height);
  if ((props.value || {}).mask_url) drawMask(props.value.mask_url, false);
};
under.onerror = () => { if (under.getAttribute('src')) fault('unreadable'); };
const place = event => { const box = mask.getBoundingClientRect();
  return [(event.clientX - box.left) * mask.width / box.width, (event.clientY - box.top) * mask.height / box.height]; };
// Zoom: the sheet grows inside a view that scrolls; the point under the pointer stays where it is.
const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8];
let zoom = 1, fitted = 0;
const zoomTo = (wanted, x, y) => {
  const next = Math.min(8, Math.max(1, wanted)), before = mask.getBoundingClientRect(), box = view.getBoundingClientRect();
  if (zoom === 1) { fitted = before.width; view.style.width = box.width + 'px'; view.style.height = box.height + 'px'; }
  const [px, py] = [x ?? box.left + box.width / 2, y ?? box.top + box.height / 2];
  const [shareX, shareY] = [(px - before.left) / before.width, (py - before.top) / before.height];
  zoom = next; root.classList.toggle('zoomed', zoom > 1);
  under.style.width = zoom > 1 ? fitted * zoom + 'px' : ''; at('.level').textContent = Math.round(zoom * 100) + ' %';
  if (zoom === 1) { view.style.width = view.style.height = ''; return; }
  const after = mask.getBoundingClientRect();
  view.scrollLeft += after.left + shareX * after.width - px; view.scrollTop += after.top + shareY * after.height - py;
};
const step = way => zoomTo(way > 0 ? ZOOMS.find(one => one > zoom + .01) ?? 8 : ZOOMS.findLast(one => one < zoom - .01) ?? 1);
at('.in').onclick = () => step(1); at('.out').onclick = () => step(-1); at('.level').onclick = () => zoomTo(1);
view.addEventListener('wheel', event => { if (!(event.ctrlKey || event.metaKey)) return;  // the wheel alone scrolls
  event.preventDefault(); if (!down) zoomTo(zoom * Math.exp(-event.deltaY / 400), event.clientX, event.clientY); }, {passive: false});
const scale = () => mask.width / mask.getBoundingClientRect().width;
const stroke = (from, to) => {
  pen.globalCompositeOperation = erasing ? 'destination-out' : 'source-over';
  pen.strokeStyle = '#10b981'; pen.lineCap = pen.lineJoin = 'round'; pen.lineWidth = at('.size').value * scale();
  pen.beginPath(); pen.moveTo(from[0], from[1]); pen.lineTo(to[0] + .01, to[1]); pen.stroke();
  pen.globalCompositeOperation = 'source-over';
};
const choose = erase => { erasing = erase; at('.erase').setAttribute('aria-pressed', String(erase));
  at('.brush').setAttribute('aria-pressed', String(!erase)); };
const follow = event => { const box = mask.getBoundingClientRect(), wide = at('.size').value;
  Object.assign(ring.style, {display: 'block', width: wide + 'px', height: wide + 'px', left: event.clientX - box.left + 'px',
    top: event.clientY - box.top + 'px'}); };
mask.onpointerdown = event => { if (event.button > 2 || down) return; event.preventDefault(); mask.focus({preventScroll: true});
  mask.setPointerCapture(event.pointerId); remember(); const kept = erasing; if (event.button === 2) erasing = true;
  down = {id: event.pointerId, kept}; last = place(event); stroke(last, last); };
mask.onpointermove = event => { follow(event); if (!down || event.pointerId !== down.id) return;
  const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const one of all.length ? all : [event]) { const next = place(one); stroke(last, next); last = next; } };
mask.onpointerup = mask.onpointercancel = event => { if (!down || event.pointerId !== down.id) return; erasing = down.kept; down = false; commit(); };
mask.onpointerleave = () => { ring.style.display = 'none'; };
mask.oncontextmenu = event => event.preventDefault();
mask.addEventListener('keydown', event => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') { event.preventDefault(); at('.undo').click(); }
  const wider = {'[': -6, ']': 6}[event.key]; if (wider) at('.size').value = Number(at('.size').value) + wider;
  if (event.ctrlKey || event.metaKey) return;
  if (event.key === '+' || event.key === '=') step(1); else if (event.key === '-') step(-1); else if (event.key === '0') zoomTo(1); });
at('.brush').onclick = () => choose(false); at('.erase').onclick = () => choose(true);
at('.undo').onclick = () => { const before = past.pop(); if (before) { pen.putImageData(before, 0, 0); commit(); } };
at('.clear').onclick = () => { remember(); pen.clearRect(0, 0, mask.width, mask.height); commit(); };
at('.invert').onclick = () => { remember(); const data = pen.getImageData(0, 0, mask.width, mask.height), at4 = data.data;
  for (let n = 0; n < at4.length; n += 4) { at4[n] = 16; at4[n + 1] = 185; at4[n + 2] = 129; at4[n + 3] = 255 - at4[n + 3]; }
  pen.putImageData(data, 0, 0); commit(); };
const drawMask = (url, keep) => { const picture = new Image();
  picture.onload = () => { if (keep) remember();
    const sheet = document.createElement('canvas'); sheet.width = mask.width; sheet.height = mask.height;
    const other = sheet.getContext('2d'); other.drawImage(picture, 0, 0, mask.width, mask.height);
    const data = other.getImageData(0, 0, mask.width, mask.height), at4 = data.data;
    for (let n = 0; n < at4.length; n += 4) { const light = (at4[n] * .299 + at4[n + 1] * .587 + at4[n + 2] * .114) * at4[n + 3] / 255;
      at4[n] = 16; at4[n + 1] = 185; at4[n + 2] = 129; at4[n + 3] = Math.round(light); }
    pen.putImageData(data, 0, 0); fault(''); commit(); };
  picture.onerror = () => fault('unreadable'); picture.src = url; };
at('.upload').onclick = () => at('.mask-file').click();
at('.mask-file').onchange = event => { const file = event.target.files[0]; event.target.value = ''; if (file) drawMask(URL.createObjectURL(file), true); };
const take = async file => { if (!file) return; fault('');
  try { const {path} = await upload(file); props.value = {...(props.value || {}), uploaded: path}; trigger('upload'); }
  catch (error) { fault('unreadable'); } };
at('.drop').onclick = at('.other').onclick = () => at('.picture-file').click();
at('.picture-file').onchange = event => { const file = event.target.files[0]; event.target.value = ''; take(file); };
root.ondragover = event => { event.preventDefault(); root.classList.add('over'); };
root.ondragleave = () => root.classList.remove('over');
root.ondrop = event => { event.preventDefault(); root.classList.remove('over'); take(event.dataTransfer.files[0]); };
element.addEventListener('paste', event => { const file = [...event.clipboardData.files][0]; if (file) { event.preventDefault(); take(file); } });
load(); watch('value', load);

const root = element.querySelector('.gallery'), stage = root.querySelector('.stage'), big = stage.querySelector('img');
const caption = root.querySelector('.caption'), thumbs = root.querySelector('.thumbs'), empty = root.querySelector('.empty');
const strip = options.strip === true;
root.classList.toggle('strip', strip);
let shown = '';
const show = (items, selected) => {
  const item = items[selected];
  stage.style.display = item && !strip ? 'flex' : 'none';
  caption.textContent = item && !strip ? item.text : '';
  if (item && !strip) { stage.href = item.url; stage.title = say('open'); if (big.getAttribute('src') !== item.url) big.src = item.url;
    big.alt = item.text; }
  [...thumbs.children].forEach((one, place) => one.setAttribute('aria-selected', String(place === selected)));
};
const draw = () => {
  const value = props.value || {}, items = value.items || [], selected = value.selected ?? -1;
  const key = JSON.stringify(items.map(item => item.url));
  empty.style.display = items.length ? 'none' : 'block';
  empty.textContent = options.empty[language];
  thumbs.style.display = items.length > 1 || (strip && items.length) ? '' : 'none';
  if (key !== shown) {
    shown = key;
    thumbs.replaceChildren(...items.map((item, place) => {
      const button = document.createElement('button'), image = document.createElement('img');
      const label = document.createElement('span');
      button.type = 'button'; button.setAttribute('role', 'option'); button.title = item.text;
      button.setAttribute('aria-label', say('seed') + ' ' + item.label);
      image.loading = 'lazy'; image.src = item.thumb; image.alt = item.text; label.textContent = item.label;
      button.append(image, label);
      button.onclick = () => { props.value = {...(props.value || {}), selected: place}; show(items, place);
        trigger('select', {index: place}); };
      return button;
    }));
  }
  show(items, selected);
};
thumbs.addEventListener('keydown', event => {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key]; if (!step) return;
  const all = [...thumbs.children], next = all[all.indexOf(document.activeElement) + step];
  if (next) { event.preventDefault(); next.focus(); next.click(); } });
draw(); watch('value', draw);

const at = name => element.querySelector(name);
const draw = () => {
  const value = props.value || {}, busy = value.share !== null && value.share !== undefined;
  at('.live').classList.toggle('idle', !value.line && !value.error && !value.detail);
  const columns = element.closest('.columns'), running = ['queued', 'running'].includes(value.state);
  at('.live').dataset.state = value.state || 'idle'; if (columns) columns.dataset.run = running ? 'busy' : 'idle';
  at('.line').textContent = value.line || ''; at('.detail').textContent = value.detail || '';
  at('.error').textContent = value.error || '';
  at('.track').style.display = busy ? 'block' : 'none';
  if (busy) at('.fill').style.width = Math.round(value.share * 100) + '%';
  const preview = at('.preview');
  preview.style.display = value.preview ? 'block' : 'none'; preview.alt = value.preview ? say('preview') : '';
  if (value.preview) preview.src = 'data:image/jpeg;base64,' + value.preview; else preview.removeAttribute('src');
};
draw(); watch('value', draw);
